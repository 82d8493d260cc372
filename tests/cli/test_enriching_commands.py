"""enrich and lists, and what show says of indicators."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest
from cli_cases import FALSE, HOSTILE, TRUE
from test_output import BAD

from alertstore import AlertStore
from alertstore.cli.sighted import known
from alertstore.wire.responses import AlertResponse

BAD_HOSTS = "indicator,malice,note\n192.0.2.7,Malicious,drop zone\nnot-an-address!,Malicious,x\n198.51.100.9,Suspicious,\n"
WARNINGS = {
    "name": "Our own",
    "type": "cidr",
    "list": ["192.0.2.0/24"],
    "matching_attributes": ["ip-src", "ip-dst"],
    "description": "d",
    "version": 1,
}


@pytest.fixture
def files(tmp_path):
    """A list of bad hosts, one that argues for benign, and files that are none."""
    (tmp_path / "bad.csv").write_text(BAD_HOSTS)
    folder = tmp_path / "lists"
    (folder / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "deep" / "own.json").write_text(json.dumps(WARNINGS))
    (folder / "bad.csv").write_text(BAD_HOSTS)
    (folder / "notes.json").write_text('{"a": 1}')
    (folder / ".hidden.csv").write_text(BAD_HOSTS)
    (folder / ".git" / "x.csv").write_text(BAD_HOSTS)
    os.symlink(tmp_path / "bad.csv", folder / "link.csv")
    return tmp_path


# Lists


def test_a_list_is_loaded_named_and_removed(filled, files):
    found = filled("lists", "--load", "bad.csv", "--reason", "from intel")
    assert "bad.csv: list 'bad.csv' (ioc, a hit says Malicious), 2 entries, 1 refused" in found.stderr
    assert "  refused: line 3: " in found.stderr
    (done,) = (json.loads(line) for line in found.stdout.splitlines())
    assert (done["path"], done["read"], done["unchanged"], done["list"]["entries"]) == ("bad.csv", 2, False, 2)
    assert [one["line"] for one in done["refused"]] == [3]
    (one,) = filled.json("lists")
    assert one == done["list"]
    assert (one["name"], one["kind"], one["entries"], one["refused"], one["file"]) == ("bad.csv", "ioc", 2, 1, "bad.csv")
    assert "is in the store already" in filled("lists", "--load", "bad.csv").stderr
    filled("lists", "--load", "bad.csv", "--name", "Other", "--malice", "Suspicious", "--kind", "ioc")
    assert [(one["name"], one["malice"]) for one in filled.json("lists")] == [("Other", "Suspicious"), ("bad.csv", "Malicious")]
    assert "removed" in filled("lists", "--remove", "Other", "--reason", "too old").stderr
    assert [one["name"] for one in filled.json("lists")] == ["bad.csv"]
    with filled.open() as store:
        said = [(event.kind, event.actor, event.reason) for event in store.events() if event.kind.startswith("intel_list")]
    assert said == [
        ("intel_list_loaded", "mia", "from intel"),
        ("intel_list_loaded", "mia", None),
        ("intel_list_removed", "mia", "too old"),
    ]
    assert filled.json("verify")[0]["ok"]


def test_of_a_folder_each_file_is_taken_and_what_is_none_is_listed(filled, files):
    found = filled("lists", "--load", "lists")
    assert sorted(json.loads(line)["path"] for line in found.stdout.splitlines()) == ["lists/bad.csv", "lists/deep/own.json"]
    assert found.stderr.count("not read: ") == 1
    assert "  not read: lists/notes.json: " in found.stderr
    assert [one["name"] for one in filled.json("lists")] == ["Our own", "bad.csv"]


def test_a_file_that_is_no_list_exits_1_and_the_others_are_read(filled, files):
    found = filled("lists", "--load", "lists/notes.json", "--load", "bad.csv", code=1)
    assert "alertstore: lists/notes.json is JSON, but no" in found.stderr
    assert [one["name"] for one in filled.json("lists")] == ["bad.csv"]


def test_a_folder_without_lists_exits_1(filled, files):
    (files / "lists" / "bad.csv").unlink()
    (files / "lists" / "deep" / "own.json").unlink()
    assert "not read" in filled("lists", "--load", "lists", code=1).stderr


def test_of_very_many_that_are_none_the_first_are_listed(filled, files):
    for n in range(30):
        (files / "lists" / f"z{n:02}.json").write_text("{}")
    found = filled("lists", "--load", "lists")
    assert found.stderr.count("  not read: lists/") == 20
    assert "  not read: 11 more files" in found.stderr


def test_a_set_of_hashes_needs_to_be_told_what_it_means(filled, files):
    (files / "known.txt").write_text("d41d8cd98f00b204e9800998ecf8427e\n")
    assert "with --malice" in filled("lists", "--load", "known.txt", code=1).stderr
    (done,) = filled.json("lists", "--load", "known.txt", "--malice", "Benign")
    assert (done["list"]["kind"], done["list"]["malice"]) == ("hashset", "Benign")


def test_two_files_of_one_name_say_that_one_took_the_others_place(filled, files):
    (files / "lists" / "bad.csv").write_text(BAD_HOSTS + "203.0.113.1,Malicious,\n")
    found = filled("lists", "--load", "bad.csv", "--load", "lists/bad.csv")
    assert "took the place of bad.csv, which has the same name" in found.stderr
    assert [one["entries"] for one in filled.json("lists")] == [3]


def test_very_many_refusals(filled, files):
    (files / "bad.csv").write_text(BAD_HOSTS + "no-address!,Malicious,\n" * 20)
    found = filled("lists", "--load", "bad.csv")
    assert found.stderr.count("  refused: line ") == 10
    assert "  refused: 11 more" in found.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--load", "bad.csv", "--remove", "x"), 2, "does not go with --remove"),
        (("--name", "x"), 2, "go with --load"),
        (("--kind", "ioc"), 2, "go with --load"),
        (("--malice", "Benign"), 2, "go with --load"),
        (("--remove", "x", "--malice", "Benign"), 2, "go with --load"),
        (("--reason", "x"), 2, "--reason goes with"),
        (("--load", "bad.csv", "--load", "lists/bad.csv", "--name", "x"), 2, "--name goes with one file"),
        (("--load", "lists", "--name", "x"), 2, "--name goes with one file"),
        (("--load", "none.csv"), 1, "none.csv cannot be opened"),
        (("--load", "bad.csv", "--kind", "none"), 1, "there is no kind of list"),
        (("--load", "bad.csv", "--malice", "bad"), 1, "there is no malice"),
        (("--remove", "none"), 3, "`alertstore lists` names those"),
    ],
)
def test_what_lists_refuses(filled, files, args, code, said):
    before = filled("checkpoint").stdout
    found = filled("lists", *args, code=code)
    assert said in found.stderr
    assert found.stdout == ""
    assert filled("checkpoint").stdout == before


def test_lists_may_be_loaded_before_anything_comes_in(run, files):
    run("lists", code=4)
    run("lists", "--load", "none.csv", code=1)
    run("lists", "--load", "lists/notes.json", code=1)
    assert not run.path.exists()
    run("lists", "--load", "bad.csv")
    assert len(run.json("lists")) == 1


def test_lists_as_a_table_and_csv(filled, files, on_terminal):
    assert "no lists; `alertstore lists --load FILE`" in filled("lists").stderr
    filled("lists", "--load", "lists")
    head, own, bad = filled("lists").stdout.splitlines()
    assert head.split() == ["NAME", "KIND", "ENTRIES", "REFUSED", "MALICE", "LOADED", "(UTC)"]
    assert own.split()[:-2] == ["Our", "own", "warninglist", "1", "0", "Benign"]
    assert bad.split()[:-2] == ["bad.csv", "ioc", "2", "1", "Malicious"]
    assert filled("lists", "--csv").stdout.startswith("name,kind,file,sha256,size,malice,entries,refused,loaded_at")
    (row,) = csv.DictReader(io.StringIO(filled("lists", "--load", "bad.csv", "--csv", "--name", "x").stdout))
    assert (row["path"], row["list.name"], row["list.entries"]) == ("bad.csv", "x", "2")


# Enriching


def test_enrich_asks_about_all_and_says_what_changed(filled, files):
    filled("lists", "--load", "bad.csv")
    found = filled("enrich", "--reason", "first look")
    assert "asked lists, special-purpose about 1 indicator: 1 with new results, 1 verdict changed" in found.stderr
    assert "  3 alerts further than before" in found.stderr
    said = json.loads(found.stdout)
    assert {name: said[name] for name in ("indicators", "changed", "verdicts", "alerts", "failures")} == {
        "indicators": 1, "changed": 1, "verdicts": 1, "alerts": 3, "failures": {},
    }  # fmt: skip
    assert filled.json("list", "--malice", "Malicious")[0]["title"] == "Beacon 2"
    again = json.loads(filled("enrich").stdout)
    assert (again["changed"], again["verdicts"], again["alerts"]) == (0, 0, 0)
    found = filled("lists", "--remove", "bad.csv")
    assert "judged anew were 1 indicator: 1 with new results, 1 verdict changed" in found.stderr
    found = filled("lists", "--load", "bad.csv")
    assert "  judged anew: 1 indicator: 1 with new results, 1 verdict changed" in found.stderr
    assert filled.json("verify")[0]["ok"]


def enriched(run):
    with run.open() as store:
        return sorted(store.get(one.uuid).title for one in store.alerts() if one.enrichment_status == "Enriched")


def test_only_some_are_enriched(filled):
    uuid = filled.json("list", "--text", "Beacon 1")[0]["uuid"]
    filled("enrich", uuid[-12:], uuid)
    assert enriched(filled) == ["Beacon 1"]
    filled("enrich", "--where", "severity=High")
    assert enriched(filled) == ["Beacon 0", "Beacon 1"]
    said = json.loads(filled("enrich", "--where", "text=nothing").stdout)
    assert (said["indicators"], said["alerts"]) == (0, 0)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--using", "none"), 1, "there is no enricher 'none'"),
        (("--using", "lists", "--using", "lists"), 1, "each once"),
        (("--using", "geoip"), 1, "give one with --mmdb FILE"),
        (("--mmdb", "none.mmdb"), 1, "none.mmdb cannot be read"),
        (("--psl", "none.dat"), 1, "none.dat cannot be opened"),
        (("--where", "status"), 2, "name=value"),
        (("abcd1234", "--where", "status=Open"), 2, "and not by both"),
        (("abcd1234",), 3, "no alert whose uuid ends in"),
        (("01900000-0000-7000-8000-000000000000",), 3, "no alert"),
    ],
)
def test_what_enrich_refuses(filled, args, code, said):
    if {"--using", "--mmdb"} & set(args) and "geoip" in args:
        pytest.importorskip("maxminddb")
    before = filled("checkpoint").stdout
    found = filled("enrich", *args, code=code)
    assert said in found.stderr
    assert found.stdout == ""
    assert filled("checkpoint").stdout == before


def test_one_that_fails_is_named_and_stops_nothing(filled, files, monkeypatch):
    def broken(*_):
        raise ValueError("\x1b]0;pwned\x07 broke")

    monkeypatch.setattr("alertstore.enrich.special_purpose.SpecialPurpose.look_up", broken)
    filled("lists", "--load", "bad.csv")
    found = filled("enrich")
    assert r"  failed: special-purpose: ValueError: \x1b]0;pwned\x07 broke" in found.stderr
    assert json.loads(found.stdout)["failures"] == {"special-purpose": "ValueError: \x1b]0;pwned\x07 broke"}
    assert filled.json("list", "--malice", "Malicious")
    assert enriched(filled) == ["Beacon 0", "Beacon 1", "Beacon 2"]


def test_databases_and_suffix_lists_are_asked_too(filled, files):
    pytest.importorskip("maxminddb")
    publicsuffixlist = pytest.importorskip("publicsuffixlist")
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("mmdb_writer", Path(__file__).parents[1] / "enrich" / "mmdb_writer.py")
    writer = module_from_spec(spec)
    spec.loader.exec_module(writer)
    (files / "a.mmdb").write_bytes(writer.mmdb({"192.0.2.0/24": {"country": {"iso_code": "DE"}}}))
    with filled.open("rw") as store:
        store.add({"title": "Domain", "indicators": [{"type": "domain", "value": "a.b.example.co.uk"}]})
    said = json.loads(filled("enrich", "--mmdb", "a.mmdb", "--psl", publicsuffixlist.PSLFILE, "--using", "geoip").stdout)
    assert list(said["providers"]) == ["geoip", "registered-domain"]
    with filled.open() as store:
        assert store.indicator("ip", "192.0.2.7").enrichment_results["geoip"]["extracted"]["country"] == "DE"
        domain = store.indicator("domain", "a.b.example.co.uk").enrichment_results
    assert domain["registered-domain"]["extracted"]["registered_domain"] == "example.co.uk"
    said = json.loads(filled("enrich", "--mmdb", "a.mmdb").stdout)
    assert set(said["providers"]) == {"lists", "special-purpose", "geoip"}


def test_progress_changes_nothing(filled, monkeypatch):
    monkeypatch.setattr("alertstore.cli.enriching.watched", lambda: True)
    assert json.loads(filled("enrich").stdout)["indicators"] == 1


def test_a_terminal_gets_the_summary_on_stderr_alone(filled, on_terminal):
    assert filled("enrich").stdout == ""


# What show says


@pytest.fixture
def judged(filled, files):
    """Commands on a store with three enriched alerts of one address, two of them closed; the uuid of the open one."""
    filled("lists", "--load", "bad.csv")
    filled("lists", "--load", "lists/deep/own.json")
    filled("enrich")
    uuids = [one["uuid"] for one in filled.json("list", "--order-by", "occurred_at")]
    filled("close", uuids[1], "--as", FALSE)
    filled("close", uuids[2], "--as", TRUE)
    return filled, uuids[0]


def test_show_says_where_else_since_when_with_which_verdicts_and_who_knows_it(judged, on_terminal):
    run, uuid = judged
    (one,) = [one for one in run.json("lists", "--json") if one["name"] == "bad.csv"]
    shown = " ".join(run("show", uuid).stdout.split())
    assert f'Malicious by "bad.csv" line 2 (sha256 {one["sha256"][:8]}…) (drop zone)' in shown
    assert 'Benign by "Our own" line 1 (sha256 ' in shown
    assert ": network 192.0.2.0/24" in shown
    assert "special-purpose: block Documentation (TEST-NET-1), network 192.0.2.0/24, reference RFC 5737" in shown
    assert f"also in 2 other alerts (generic) since 2026-03-01, last 2026-03-03; 0 active; closed: 1 {FALSE}, 1 {TRUE}" in shown


def test_show_gives_it_as_json_beside_what_was_there(judged):
    run, uuid = judged
    (row,) = run.json("show", uuid)
    (seen,) = row["sightings"]
    assert seen["uuid"] == row["indicators"][0]["uuid"]
    assert {name: seen[name] for name in ("type", "value", "others", "looked_at", "active", "closed", "sources", "more_hits")} == {
        "type": "ip", "value": "192.0.2.7", "others": 2, "looked_at": 2, "active": 0, "closed": {FALSE: 1, TRUE: 1}, "sources": ["generic"],
        "more_hits": 0,
    }  # fmt: skip
    assert (seen["first_seen"], seen["last_seen"]) == ("2026-03-01T10:00:00Z", "2026-03-03T10:00:00Z")
    assert [(hit["list"], hit["line"], hit["malice"]) for hit in seen["hits"]] == [("bad.csv", 2, "Malicious"), ("Our own", 1, "Benign")]
    with run.open() as store:
        whole = AlertResponse.of(store.get(uuid)).model_dump(mode="json")
    assert {name: row[name] for name in whole} == whole
    assert any(row["field"] == "sightings" for row in csv.DictReader(io.StringIO(run("show", uuid, "--csv").stdout)))


def test_show_says_who_set_a_verdict_and_where_an_indicator_is_alone(run, on_terminal):
    with AlertStore.open(run.path, actor="mia") as store:
        uuid = store.add({"title": "One", "indicators": [{"type": "ip", "value": "192.0.2.7"}]}).alert.uuid
        store.set_indicator_malice("ip:192.0.2.7", "Suspicious")
        day = str(store.indicator("ip:192.0.2.7").malice_overridden_at.date())
    shown = run("show", uuid).stdout
    assert f"Suspicious by analyst, {day}" in shown
    assert "in no other alert" in shown


def test_of_very_many_indicators_the_first_are_shown(run, on_terminal):
    with AlertStore.open(run.path, actor="mia") as store:
        many = [{"type": "ip", "value": f"192.0.2.{n}"} for n in range(30)]
        uuid = store.add({"title": "One", "indicators": many}).alert.uuid
    shown = run("show", uuid).stdout
    assert "Indicators (30, the first 12)" in shown
    assert shown.count("in no other alert") == 12


def test_hostile_lists_and_notes_do_not_act(filled, files, on_terminal, promise):
    for number, text in enumerate(HOSTILE):
        (files / "x.csv").write_text(f'indicator,note\n192.0.2.7,"{text}"\n')
        named = f"{number}{text}"
        refused = filled("lists", "--load", "x.csv", "--name", named, code=0 if named.isprintable() else 1)
        assert not BAD.search(refused.stdout + refused.stderr)
        filled("lists", "--load", "x.csv", "--name", f"{number} pwned")
    filled("enrich", "--json")
    uuid = filled.json("list", "--json")[0]["uuid"]
    for args in (("lists",), ("lists", "--csv"), ("show", uuid), ("show", uuid, "--csv"), ("lists", "--remove", "\x1b]0;pwned\x07")):
        found = filled(*args, code=3 if "--remove" in args else 0)
        assert not BAD.search(found.stdout + found.stderr)
        assert "pwned" in found.stdout + found.stderr
    promise("no hostile text acts in a command's output", f"lists and show: {len(HOSTILE)} list names and notes, 0 active characters")


INDICATOR = {"malice": "Malicious", "malice_source": "enrichment", "enrichment_results": None}
SEEN = {
    "hits": [], "more_hits": 0, "others": 1, "looked_at": 1, "active": 1, "closed": {}, "sources": ["zeek"],
    "first_seen": "2026-01-03T00:00:00Z", "last_seen": "2026-02-01T00:00:00Z",
}  # fmt: skip
HIT = {"list": "L", "version": "ab12cd34ef", "line": 1200, "malice": "Malicious", "match": "exact", "value": None, "of": None, "note": None}


@pytest.mark.parametrize(
    ("over", "seen", "lines"),
    [
        ({}, None, []),
        ({}, {}, ["also in 1 other alert (zeek) since 2026-01-03, last 2026-02-01; 1 active"]),
        ({}, {"others": 12_000, "looked_at": 10_000, "active": 3, "closed": {"A": 5, "B": 4, "C": 3, "D": 2, "E": 1}},
         ["also in 12,000 other alerts (zeek) since 2026-01-03, last 2026-02-01; of the newest 10,000: 3 active; closed: 5 A, 4 B, 3 C, 3 otherwise"]),
        ({}, {"others": 0, "hits": [HIT], "more_hits": 0}, ['Malicious by "L" line 1,200 (sha256 ab12cd34…)', "in no other alert"]),
        ({}, {"others": 0, "hits": [HIT | {"match": "suffix", "value": "example", "of": "domain:a.example", "note": "n"}] * 5, "more_hits": 7},
         ['Malicious by "L" line 1,200 (sha256 ab12cd34…): suffix example, of domain:a.example (n)'] * 3 + ["and 9 more hits", "in no other alert"]),
        ({"malice_source": "analyst", "malice_overridden_at": "2026-02-01T00:00:00Z"}, None, ["Malicious by analyst, 2026-02-01"]),
        ({"enrichment_results": {"x": {"success": False, "error_message": "why", "extracted": {"as_name": "A", "n": 1, "b": True, "l": []}}}}, None,
         ["x failed: why", "x: as name A, n 1"]),
        ({"enrichment_results": {"lists": {"success": True, "error_message": None, "extracted": {"more_hits": 1}},
                                 "y": {"success": True, "error_message": None, "extracted": None},
                                 "z": {"success": True, "error_message": None, "extracted": {"is_global": True}}}}, None, []),
    ],
)  # fmt: skip
def test_what_is_said_of_an_indicator(over, seen, lines):
    assert list(known(INDICATOR | over, None if seen is None else SEEN | seen)) == lines
