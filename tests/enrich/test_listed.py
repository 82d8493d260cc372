"""What a store's lists say of an indicator."""

from __future__ import annotations

import io
import json
import string
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertstore.domain.enrichment import LONGEST_RESULT
from alertstore.domain.indicators import normalise
from alertstore.domain.times import SECOND
from alertstore.domain.vocabulary import Malice
from alertstore.enrich.listed import MOST_HITS, Listed
from alertstore.testing import EnricherContract

NOW = 1_767_225_600 * SECOND  # 2026-01-01
MD5 = "d4" * 16
BAD, SUSPECT, GOOD = Malice.MALICIOUS, Malice.SUSPICIOUS, Malice.BENIGN
FEED = f"""\
value,type,verdict,expires,comment
192.0.2.1,ip,bad,,scanner
198.51.100.0/24,ip,suspicious,,
198.51.100.128/25,ip,bad,,
2001:db8::/32,ip,bad,,
evil.example,domain,bad,,c2
*.wide.example,domain,suspicious,,
http://good.example/bad,url,bad,,
{MD5},md5,bad,,
CORP\\mia,account,suspicious,,
old.example,domain,bad,2025-12-31,
soon.example,domain,bad,2026-01-02,
unrated.example,domain,unknown,,
"""


def warning(*values, kind, attributes, name="known"):
    return json.dumps({"name": name, "type": kind, "matching_attributes": attributes, "list": values})


@pytest.fixture
def load(alert_store):
    """Load a list into the store, from text."""
    return lambda text, **asked: alert_store.load_list(io.BytesIO(text.encode()), **{"name": "feed", **asked})


@pytest.fixture
def listed(alert_store):
    return Listed(alert_store._repository.conn)


def said(listed, kind, value, now=NOW):
    """The verdict, and (match, value, malice, of) of each hit; None where there is none."""
    (answer,) = listed.look_up([(kind, value)], now)
    if answer is None:
        return None
    return answer.malice, [(hit["match"], hit.get("value"), hit["malice"], hit.get("of")) for hit in answer.extracted["hits"]]


class TestListed(EnricherContract):
    known = (
        ("ip", "192.0.2.1"),
        ("domain", "a.wide.example"),
        ("hash_md5", MD5),
        ("url", "http://evil.example/"),
        ("account", "CORP\\mia"),
    )

    @pytest.fixture
    def enricher(self, load, listed):
        load(FEED)
        load(warning("e", "1", kind="substring", attributes=["domain", "url", "ip-src"]), name="part")
        load(warning("^.*$", kind="regex", attributes=["email", "url"]), name="all")
        return listed


@pytest.mark.parametrize(
    ("kind", "value", "malice", "hits"),
    [
        ("ip", "192.0.2.1", BAD, [("exact", None, "Malicious", None)]),
        ("ip", "198.51.100.1", SUSPECT, [("network", "198.51.100.0/24", "Suspicious", None)]),
        (
            "ip",
            "198.51.100.200",
            BAD,
            [("network", "198.51.100.128/25", "Malicious", None), ("network", "198.51.100.0/24", "Suspicious", None)],
        ),
        ("ip", "2001:db8::1", BAD, [("network", "2001:db8::/32", "Malicious", None)]),
        ("domain", "evil.example", BAD, [("exact", None, "Malicious", None)]),
        ("domain", "wide.example", SUSPECT, [("suffix", "wide.example", "Suspicious", None)]),
        ("domain", "a.b.wide.example", SUSPECT, [("suffix", "wide.example", "Suspicious", None)]),
        ("url", "http://good.example/bad", BAD, [("exact", None, "Malicious", None)]),
        ("url", "https://u@EVIL.example:8/x", BAD, [("exact", None, "Malicious", "domain:evil.example")]),
        ("url", "http://198.51.100.1/", SUSPECT, [("network", "198.51.100.0/24", "Suspicious", "ip:198.51.100.1")]),
        ("email", "a@b.wide.example", SUSPECT, [("suffix", "wide.example", "Suspicious", "domain:b.wide.example")]),
        ("hash_md5", MD5, BAD, [("exact", None, "Malicious", None)]),
        ("account", "CORP\\mia", SUSPECT, [("exact", None, "Suspicious", None)]),
        ("domain", "soon.example", BAD, [("exact", None, "Malicious", None)]),
        ("domain", "unrated.example", None, [("exact", None, "Pending", None)]),
    ],
)
def test_each_way_to_match(load, listed, kind, value, malice, hits):
    load(FEED)
    assert said(listed, kind, value) == (malice, hits)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ip", "192.0.2.2"),
        ("ip", "198.51.101.1"),
        ("ip", "2001:db9::1"),
        ("domain", "a.evil.example"),
        ("domain", "notwide.example"),
        ("domain", "example"),
        ("url", "http://good.example/"),
        ("url", "http://good.example/evil.example"),
        ("email", "evil.example@good.example"),
        ("account", "evil.example"),
        ("account", "192.0.2.1"),
        ("hash_sha1", "d4" * 20),
        ("domain", "old.example"),
    ],
)
def test_what_is_beside_an_entry_does_not_match(load, listed, kind, value):
    load(FEED)
    assert said(listed, kind, value) is None


def test_a_hit_names_list_version_line_and_note(load, listed):
    loaded = load(FEED)
    (answer,) = listed.look_up([("domain", "evil.example")], NOW)
    version = loaded.list.sha256
    assert answer.extracted == {
        "hits": [{"list": "feed", "version": version, "line": 6, "malice": "Malicious", "match": "exact", "note": "c2"}]
    }


def test_an_entry_counts_until_it_expires(load, listed):
    load(FEED)
    day = 86_400 * SECOND
    assert said(listed, "domain", "soon.example", NOW + day - 1) is not None
    assert said(listed, "domain", "soon.example", NOW + day) is None
    assert said(listed, "domain", "old.example", NOW - 2 * day) is not None


def test_the_worst_verdict_of_all_lists_counts(load, listed):
    load("evil.example\nwide.example\n", malice="Suspicious", name="a")
    load(warning("evil.example", kind="hostname", attributes=["domain"]), name="b")
    assert said(listed, "domain", "evil.example")[0] is SUSPECT
    load("evil.example\n", name="c")
    malice, hits = said(listed, "domain", "evil.example")
    assert malice is BAD
    assert [hit[2] for hit in hits] == ["Malicious", "Suspicious", "Benign"]


def test_a_warning_list_argues_for_benign(load, listed):
    load(warning("good.example", kind="hostname", attributes=["domain", "url"]), name="hosts")
    load(warning("192.0.2.0/24", kind="cidr", attributes=["ip-src"]), name="networks")
    assert said(listed, "domain", "www.good.example") == (GOOD, [("suffix", "good.example", "Benign", None)])
    assert said(listed, "ip", "192.0.2.7") == (GOOD, [("network", "192.0.2.0/24", "Benign", None)])


def test_a_good_host_does_not_speak_for_what_lies_there(load, listed):
    load(warning("good.example", kind="hostname", attributes=["domain", "url"]))
    assert said(listed, "url", "https://www.good.example/upload/x.exe") == (
        None,
        [("suffix", "good.example", "Benign", "domain:www.good.example")],
    )
    assert said(listed, "email", "anybody@good.example") == (None, [("suffix", "good.example", "Benign", "domain:good.example")])
    load("https://www.good.example/upload/x.exe\n", name="bad")
    assert said(listed, "url", "https://www.good.example/upload/x.exe")[0] is BAD


def test_substrings_and_expressions_are_for_the_types_of_their_list(load, listed):
    load(warning("Update.", kind="substring", attributes=["domain", "url"]), name="part")
    load(warning("/^WWW\\./i", "^x{3}$", kind="regex", attributes=["domain"]), name="expression")
    assert said(listed, "domain", "windows.update.example") == (GOOD, [("substring", "update.", "Benign", None)])
    assert said(listed, "url", "http://a/UPDATE.exe") == (GOOD, [("substring", "update.", "Benign", None)])
    assert said(listed, "email", "a@update.example") is None
    assert said(listed, "domain", "www.example") == (GOOD, [("regex", "/^WWW\\./i", "Benign", None)])
    assert said(listed, "url", "www.example") is None
    assert said(listed, "domain", "xxx") == (GOOD, [("regex", "^x{3}$", "Benign", None)])
    assert said(listed, "domain", "www." + "x" * 251)[0] is GOOD
    assert said(listed, "domain", "www." + "x" * 252) is None  # longer than expressions are run on


def test_its_version_is_that_of_the_lists(alert_store, load, listed):
    versions = [listed.version()]
    load("192.0.2.1\n")
    versions.append(listed.version())
    assert said(listed, "ip", "192.0.2.1")
    load("192.0.2.0/24\n*.evil.example\n")
    versions.append(listed.version())
    assert said(listed, "ip", "192.0.2.77")  # networks and suffixes that were not there before
    assert said(listed, "domain", "a.evil.example")
    alert_store.remove_list("feed")
    assert said(listed, "ip", "192.0.2.77") is None
    versions.append(listed.version())
    assert len(set(versions)) == 3
    assert versions[0] == versions[-1]


def test_the_most_hits_that_are_named_can_be_kept(load, listed):
    strange = "\\" * 200
    for number in range(MOST_HITS + 3):
        load(f'value,comment\n*.evil.example,{strange}"\n', name=f"{number:02}" + strange[2:])
    (answer,) = listed.look_up([("url", "http://a." + "b." * 500 + "evil.example/")], NOW)
    assert len(answer.extracted["hits"]) == MOST_HITS
    assert answer.extracted["more_hits"] == 3
    assert len(json.dumps(answer.extracted, ensure_ascii=False)) < LONGEST_RESULT


LABELS = st.text(string.ascii_lowercase[:3], min_size=1, max_size=2)
NAMES = st.tuples(st.lists(LABELS, min_size=1, max_size=3), st.sampled_from(["aa", "bc"])).map(lambda one: ".".join([*one[0], one[1]]))
NETWORKS = st.tuples(st.ip_addresses(network="192.0.2.0/24"), st.integers(20, 32)).map(
    lambda one: str(ip_network(f"{one[0]}/{one[1]}", strict=False))
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(NAMES),
    st.lists(NAMES),
    st.lists(NETWORKS),
    st.lists(NAMES, min_size=1),
    st.lists(st.ip_addresses(network="192.0.0.0/22"), min_size=1),
)
def test_exactly_what_is_listed_hits(load, listed, names, suffixes, networks, domains, addresses):
    """Every entry hits itself, and no other value: against a slow, plain look through the list."""
    load("".join(f"{line}\n" for line in [*names, *(f"*.{one}" for one in suffixes), *networks, "keep.example"]))
    for domain in {*names, *suffixes, *domains, *(f"a.{one}" for one in suffixes)}:
        expected = domain in names or any(domain == one or domain.endswith("." + one) for one in suffixes)
        assert (said(listed, "domain", domain) is not None) == expected
    for address in {*addresses, *(ip_network(one)[0] for one in networks), *(ip_network(one)[-1] for one in networks)}:
        expected = any(ip_address(address) in ip_network(one) for one in networks)
        assert (said(listed, "ip", str(address)) is not None) == expected


def test_real_warning_lists_hit_what_they_hold(shared, alert_store, listed, promise):
    entries = 0
    for path in sorted((shared / "misp_warninglists").glob("*.json")):
        alert_store.load_list(path)
        whole = json.loads(path.read_text())
        hashes = "md5" in whole["matching_attributes"]
        kinds = ("hash_md5", "hash_sha1", "hash_sha256") if hashes else ("ip", "domain")
        some = whole["list"][:: 1 + len(whole["list"]) // 200]
        spelled = [[(kind, canonical) for kind in kinds if (canonical := normalise(kind, value.partition("/")[0]))] for value in some]
        assert hashes or all(spelled)
        asked = [found[0] for found in spelled if found]
        answers = listed.look_up(asked, NOW)
        assert all(any(hit["list"] == whole["name"] for hit in answer.extracted["hits"]) for answer in answers)
        assert {answer.malice for answer in answers} == {GOOD}
        entries += len(asked)
    assert listed.look_up([("ip", "203.0.114.7"), ("domain", "foreign.invalid.x"), ("hash_md5", "e5" * 16)], NOW) == [None, None, None]
    promise("entries of real warning lists hit themselves, through the store", f"{entries} of {entries}")
