"""Lists of indicators, plain and in tables: what is taken, what is refused and where."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.provisional import domains

from alertstore.domain.times import SECOND
from alertstore.domain.vocabulary import Malice
from alertstore.enrich.lists import Entry, read_list
from alertstore.enrich.reading import MOST_NAMED
from alertstore.testing import hostile_text

MD5 = "d4" * 16
BAD, SUSPECT, GOOD = Malice.MALICIOUS, Malice.SUSPICIOUS, Malice.BENIGN
DAY = 1_767_225_600 * SECOND  # 2026-01-01

PLAIN = f"""\
# a feed

192.0.2.1
hxxp://evil[.]example/x  # stage one
*.evil.example ; all of it
not an indicator
198.51.100.0/24
{MD5}
"""


def test_a_plain_list(read):
    reading, entries = read(PLAIN)
    assert (reading.kind, reading.malice) == ("ioc", BAD)
    assert entries == [
        Entry("exact", "ip:192.0.2.1", 3),
        Entry("exact", "url:http://evil.example/x", 4, note="stage one"),
        Entry("suffix", "evil.example", 5, note="all of it"),
        Entry("network", "198.51.100.0/24", 7),
        Entry("exact", f"hash_md5:{MD5}", 8),
    ]
    assert reading.refused == [(6, "'not an indicator' has the form of no indicator")]
    assert reading.refused_count == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_by_its_column_names(read, delimiter):
    rows = [
        ("Indicator", "Type", "Verdict", "Valid Until", "Source", "Description"),
        ("192.0.2.1", "ipv4", "malicious", "2026-01-01", "ours", "scanner"),
        ("evil[.]example", "hostname", "suspicious", "2026-01-01T00:00:00Z", "", ""),
        ("good.example", "", "known-good", "1767225600", "", ""),
        (MD5, "FileHash-MD5", "", "never", "x", "x"),
        (MD5, "hash", "unknown", "", "", ""),
        ("CORP\\mia", "account", "bad", "1767225600000", "", ""),
        ("198.51.100.0/24", "CIDR", "bad", "2026-01-01 01:00:00+01:00", "", ""),
    ]
    reading, entries = read("\n".join(delimiter.join(row) for row in rows))
    assert reading.refused == []
    assert entries == [
        Entry("exact", "ip:192.0.2.1", 2, BAD, DAY, "ours; scanner"),
        Entry("exact", "domain:evil.example", 3, SUSPECT, DAY),
        Entry("exact", "domain:good.example", 4, GOOD, DAY),
        Entry("exact", f"hash_md5:{MD5}", 5, BAD, None, "x"),
        Entry("exact", f"hash_md5:{MD5}", 6, Malice.PENDING),
        Entry("exact", "account:CORP\\mia", 7, BAD, DAY),
        Entry("network", "198.51.100.0/24", 8, BAD, DAY),
    ]


def test_rows_that_cannot_be_taken_are_named(read):
    text = """\
ioc,type,verdict,expires
192.0.2.1,domain,bad,
evil.example,domain,perhaps,
evil.example,domain,bad,soon
evil.example,domain,bad,3000-01-01
evil.exe,filename,bad,
evil.example,hash,bad,
,domain,bad,
evil.example,domain
evil.example,domain,bad,,more
"evil.example,domain,bad,
evil.example,domain,bad,9999-12-31,
"""
    reading, entries = read(text)
    assert entries == [Entry("exact", "domain:evil.example", 12, BAD)]
    assert reading.refused == [
        (2, "'192.0.2.1' is no domain"),
        (3, "'perhaps' is no verdict"),
        (4, "'soon' is no time to expire at"),
        (5, "'3000-01-01' is no time to expire at"),
        (6, "'filename' is no type of indicator that is looked up"),
        (7, "'evil.example' is no hash"),
        (8, "'' is no domain"),
        (9, "a row of 2 cells under a header of 4"),
        (10, "a row of 5 cells under a header of 4"),
        (11, "the row is cut short, too long or wrongly quoted"),
    ]


def test_a_quoted_cell_may_go_on_over_lines(read):
    reading, entries = read('value,comment\n"a.example","one\ntwo, ""three"""\nb.example,x\n')
    assert [(entry.value, entry.line, entry.note) for entry in entries] == [
        ("domain:a.example", 2, 'one two, "three"'),
        ("domain:b.example", 4, "x"),
    ]
    assert reading.refused_count == 0


def test_columns_that_say_their_type_themselves(read):
    _, entries = read(f"first_seen,dst_ip,dst_port,md5,threat\n2024,192.0.2.1,443,{MD5},emotet\n2024,192.0.2.2,443,,benign\n")
    assert entries == [
        Entry("exact", "ip:192.0.2.1", 2, BAD, None, "emotet"),
        Entry("exact", f"hash_md5:{MD5}", 2, BAD, None, "emotet"),
        Entry("exact", "ip:192.0.2.2", 3, GOOD),
    ]


def test_a_header_may_stand_in_the_comment_above(read):
    _, entries = read('# a feed\n# id,url,threat,tags\n"1","http://evil.example/a,b","malware_download","elf"\n')
    assert entries == [Entry("exact", "url:http://evil.example/a,b", 3, BAD, None, "malware_download; elf")]


def test_more_comments_may_follow_the_header(read):
    _, entries = read("#Firstseen,DstIP,DstPort\n# 1 entry, url: https://feed.example\n2024-01-01,192.0.2.1,443\n")
    assert entries == [Entry("exact", "ip:192.0.2.1", 3, BAD)]
    reading, entries = read("# no header: ip, domain\n192.0.2.1\n")
    assert (reading.refused_count, entries) == (0, [Entry("exact", "ip:192.0.2.1", 2)])


def test_one_column_with_a_header(read):
    assert read("indicator\n192.0.2.1\n")[1] == [Entry("exact", "ip:192.0.2.1", 2, BAD)]


def test_the_caller_says_what_an_entry_without_verdict_means(read):
    assert read("192.0.2.1\n", malice="Suspicious")[0].malice == SUSPECT
    assert [entry.malice for entry in read("ip,verdict\n192.0.2.1,\n192.0.2.2,bad\n", malice=GOOD)[1]] == [GOOD, BAD]


def test_the_first_refusals_are_named_and_all_counted(read):
    reading, entries = read("no value\n" * (MOST_NAMED + 50) + "192.0.2.1\n")
    assert (len(reading.refused), reading.refused_count, len(entries)) == (MOST_NAMED, MOST_NAMED + 50, 1)
    assert reading.refused[-1][0] == MOST_NAMED


VALUES = st.one_of(
    st.ip_addresses().map(str),
    domains().filter(lambda name: len(name) < 200),
    st.emails(),
    st.binary(min_size=32, max_size=32).filter(any).map(bytes.hex),
)


@given(st.lists(VALUES, max_size=20))
def test_every_value_that_is_written_comes_back_from_its_line(values):
    for text in ("".join(f"{value}\n" for value in values), "value,note\n" + "".join(f'"{value}",x\n' for value in values)):
        reading = read_list(io.BytesIO(text.encode()), kind="ioc")
        entries = list(reading.entries())
        taken = {entry.line for entry in entries}
        refused = {line for line, _ in reading.refused}
        first = 1 + text.startswith("value,")
        assert taken | refused == set(range(first, first + len(values)))
        assert not taken & refused
        for entry in entries:
            assert entry.value.partition(":")[2].lower() in {
                values[entry.line - first].lower(),
                values[entry.line - first].lower().removeprefix("::ffff:"),
            }


@given(st.lists(hostile_text(), max_size=30), st.sampled_from(["", "value,type,verdict,expires,note\n", "value;md5\n"]))
def test_hostile_lines_end_as_entries_or_refusals(lines, header):
    text = header + "\n".join(lines)
    reading = read_list(io.BytesIO(text.encode(errors="surrogatepass")), kind="ioc")
    entries = list(reading.entries())
    assert len(reading.refused) <= MOST_NAMED
    assert reading.refused_count + len(entries) <= text.count("\n") + 1
    for entry in entries:
        assert entry.note is None or entry.note.isprintable() or "\n" not in entry.note
