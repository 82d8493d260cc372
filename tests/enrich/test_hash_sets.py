"""Sets of hashes: lines, sums and tables, by the million in flat memory."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.indicators import normalise
from alertstore.domain.vocabulary import Malice
from alertstore.enrich.hashset import read_sums
from alertstore.enrich.lists import Entry, read_list
from alertstore.enrich.reading import Refusals
from alertstore.errors import SourceError

MD5, SHA1, SHA256 = "d4" * 16, "E1" * 20, "0f" * 32


def test_hashes_one_a_line_and_what_the_sum_tools_print(read):
    text = f"# known\n{MD5}\n{SHA1}  bin/ls\n{SHA256} *a b.exe\n\\{MD5}  a\\nb\nSHA256 (x.iso) = {SHA256}\n{MD5}:\n\n"
    reading, entries = read(text, malice="Benign")
    assert (reading.kind, reading.malice, reading.refused) == ("hashset", Malice.BENIGN, [])
    assert entries == [
        Entry("exact", f"hash_md5:{MD5}", 2),
        Entry("exact", f"hash_sha1:{SHA1.lower()}", 3, note="bin/ls"),
        Entry("exact", f"hash_sha256:{SHA256}", 4, note="a b.exe"),
        Entry("exact", f"hash_md5:{MD5}", 5, note="a\\nb"),
        Entry("exact", f"hash_sha256:{SHA256}", 6, note="x.iso"),
        Entry("exact", f"hash_md5:{MD5}", 7),
    ]


def test_a_table_of_known_files(read):
    text = f"""\
"SHA-1","MD5","CRC32","FileName","FileSize","ProductCode","OpSystemCode","SpecialCode"
"{SHA1}","{MD5}","AAAAAAAA","notepad.exe",1,2,"3",""
"{SHA1}","","AAAAAAAA","a "quoted name",1,2,"3",""
"{MD5}","{MD5}","AAAAAAAA","swapped",1,2,"3",""
"{SHA1}"
"","","AAAAAAAA","none",1,2,"3",""
"{SHA1}","{MD5}","AAAAAAAA","",1,2,"3",""
"""
    reading, entries = read(text, malice="Benign")
    assert reading.kind == "hashset"
    assert [(entry.value.split(":")[0], entry.line, entry.note) for entry in entries] == [
        ("hash_sha1", 2, "notepad.exe"),
        ("hash_md5", 2, "notepad.exe"),
        ("hash_sha1", 3, 'a "quoted name'),
        ("hash_md5", 4, "swapped"),
        ("hash_sha1", 7, None),
        ("hash_md5", 7, None),
    ]
    assert [line for line, _ in reading.refused] == [4, 5, 6]


def test_a_table_between_semicolons(read):
    reading, entries = read(f"# ours\nsha256;file name\n{SHA256};a,b.exe\n# more\n{SHA1};c\n", malice="Malicious")
    assert reading.kind == "hashset"
    assert entries == [Entry("exact", f"hash_sha256:{SHA256}", 3, note="a,b.exe")]
    assert reading.refused == [(5, f"{SHA1!r} is no hash of its column's kind")]


def test_a_set_does_not_say_itself_whether_it_is_good_or_bad(read):
    with pytest.raises(SourceError, match="set of hashes") as told:
        read(f"{MD5}\n")
    assert told.value.advice
    assert read(f"{MD5}\n", kind="ioc")[0].malice is Malice.MALICIOUS


def test_what_is_no_hash_is_named(read):
    reading, entries = read(f"{MD5}\nzz{MD5[2:]}\n{'0' * 32}\n{MD5[:-1]}\nMD5 (x) = {MD5}00\n", kind="hashset", malice="Malicious")
    assert len(entries) == 1
    assert [line for line, _ in reading.refused] == [2, 3, 4, 5]


@given(st.sampled_from([16, 20, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)), st.booleans())
def test_hashes_are_spelled_as_indicators_are(digest, upper):
    text = digest.hex().upper() if upper else digest.hex()
    kind = {16: "hash_md5", 20: "hash_sha1", 32: "hash_sha256"}[len(digest)]
    found = [entry.value for entry in read_sums([(1, text)], Refusals())]
    canonical = normalise(kind, text)
    assert found == ([] if canonical is None else [f"{kind}:{canonical}"])


def count_in_flat_memory(path, number):
    """The entries of a set of that many hashes, and the most memory (bytes) that reading it took."""
    with open(path, "wb") as file:
        for start in range(0, number, 10_000):
            some = range(start, min(start + 10_000, number))
            file.write(b"".join(hashlib.sha256(b"%d" % one).hexdigest().encode() + b"\n" for one in some))
    tracemalloc.start()
    with read_list(path, malice="Malicious") as reading:
        count = sum(1 for _ in reading.entries())
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reading.refused_count == 0
    assert count == number
    return peak


def test_a_large_set_is_read_in_flat_memory(tmp_path, promise):
    peak = count_in_flat_memory(tmp_path / "hashes.txt", 50_000)
    assert peak < 4 << 20
    promise("sets of hashes are read in flat memory", f"50,000 in {peak / (1 << 20):.1f} MiB")


@pytest.mark.long
def test_five_million_hashes_are_read_in_flat_memory(tmp_path, promise):
    peak = count_in_flat_memory(tmp_path / "hashes.txt", 5_000_000)
    assert peak < 4 << 20
    promise("sets of hashes are read in flat memory", f"5,000,000 in {peak / (1 << 20):.1f} MiB")
