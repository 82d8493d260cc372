"""Rule files and alerts, in either order: one rule, with the names its authors gave, and what analysts wrote kept."""

from __future__ import annotations

import json
import sys

import pytest

from alertstore import AlertStore, AlertValidationError, MissingExtraError, SourceError
from alertstore.testing import generic_alert, suricata_alert, write_jsonl

ID = "0d894093-71bc-43c3-8c4d-ecfc28dcf5d9"
SIGMA = f"""title: Credential Dump
id: {ID}
status: test
description: Somebody reads the memory of LSASS.
tags: [attack.credential-access, attack.t1003.001]
logsource: {{product: windows, category: process_access}}
detection: {{selection: {{a: b}}, condition: selection}}
falsepositives: [Virus scanners]
level: high
"""
NOTES = "Somebody reads the memory of LSASS.\n\nFalse positives:\n- Virus scanners\n\nStatus: test"
HIT = {
    "Timestamp": "2026-03-05 01:00:00.000 +00:00",
    "RuleTitle": "Mimikatz",
    "Level": "crit",
    "Computer": "WS-1",
    "Channel": "Sysmon",
    "RuleID": ID,
}
EVE = 'alert tcp any any -> any any (msg:"ET Beacon"; sid:2019401; metadata:signature_severity Major;)\n'


@pytest.fixture
def sigma(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "lsass.yml").write_text(SIGMA, encoding="utf-8")
    return folder


@pytest.fixture
def hits(tmp_path):
    return write_jsonl(tmp_path / "hayabusa.jsonl", [HIT])


def told(rule):
    return (rule.name, rule.severity, rule.mitre_tactics, rule.mitre_subtechniques, rule.data_sources, rule.documentation)


TOLD = ("Credential Dump", "high", ("Credential Access",), ("T1003.001",), ("windows", "process_access"), NOTES)


@pytest.mark.parametrize("first", ["rules", "alerts"])
def test_rules_and_alerts_in_either_order_give_one_rule(alert_store, sigma, hits, first):
    acts = [lambda: alert_store.load_rules(sigma), lambda: alert_store.ingest(hits)]
    for act in acts if first == "rules" else reversed(acts):
        act()
    (rule,) = alert_store.rules()
    assert told(rule) == TOLD
    (one,) = alert_store.rule_metrics()
    assert (one.name, one.total, one.source_rule_id) == ("Credential Dump", 1, ID)
    assert alert_store.count(rule=ID) == 1
    alert = alert_store.get(alert_store.alerts().items[0].uuid)
    assert (alert.title, alert.source_name, alert.detection_rule) == ("Mimikatz", "hayabusa", rule)
    again = alert_store.load_rules(sigma)
    assert (again.added, again.updated, again.unchanged) == (0, 0, 1)
    assert alert_store.verify().ok


def test_a_tool_that_comes_later_has_its_gaps_filled(alert_store, sigma, hits):
    alert_store.ingest(hits)
    alert_store.load_rules(sigma)
    alert_store.add(generic_alert(rule_id=ID))
    by = {rule.source_name: rule for rule in alert_store.rules()}
    assert set(by) == {"hayabusa", "generic"}
    assert told(by["generic"]) == TOLD
    assert (alert_store.load_rules(sigma).unchanged, alert_store.verify().ok) == (2, True)


def test_a_rule_id_that_is_no_uuid_is_nobody_else_s(alert_store):
    alert_store.add_rule("Other", source_name="splunk", source_rule_id="2019401", documentation="d")
    alert_store.add(suricata_alert(signature_id=2019401), source="suricata")
    (rule,) = (rule for rule in alert_store.rules() if rule.source_name == "suricata")
    assert rule.documentation is None
    assert rule.name != "Other"


@pytest.mark.parametrize("first", ["rules", "alerts"])
def test_suricata_rules(alert_store, tmp_path, first):
    path = tmp_path / "et.rules"
    path.write_text(EVE + "#" + EVE.replace("2019401", "7"), encoding="utf-8")
    record = suricata_alert(signature_id=2019401)
    acts = [lambda: alert_store.load_rules(path), lambda: alert_store.add(record, source="suricata")]
    for act in acts if first == "rules" else reversed(acts):
        act()
    by = {rule.source_rule_id: rule for rule in alert_store.rules()}
    assert (by["2019401"].name, by["2019401"].severity, by["2019401"].is_active) == ("ET Beacon", "Major", True)
    assert (by["7"].is_active, by["7"].source_name) == (False, "suricata")
    assert alert_store.count(rule="2019401") == 1


def test_what_an_analyst_edited_stays(alert_store, sigma, hits, frozen_clock):
    alert_store.ingest(hits)
    alert_store.load_rules(sigma, actor="bo", reason="new rules")
    (rule,) = alert_store.rules()
    frozen_clock.advance(hours=1)
    alert_store.patch_rule(rule.uuid, documentation="Ours: the backup does that.", is_active=False)
    frozen_clock.advance(hours=1)
    (sigma / "lsass.yml").write_text(SIGMA.replace("high", "critical").replace("Virus scanners", "Nothing"), encoding="utf-8")
    done = alert_store.load_rules(sigma)
    assert (done.added, done.updated, done.unchanged) == (0, 1, 0)
    (after,) = alert_store.rules()
    assert (after.documentation, after.is_active, after.severity) == ("Ours: the backup does that.", False, "critical")
    edits = [event for event in alert_store.events() if event.kind == "detection_rule_updated"]
    assert [(event.actor, event.reason, event.body.get("facts")) for event in edits] == [
        ("bo", "new rules", {"loaded_from": "lsass.yml"}),
        ("local", None, None),
        ("local", None, {"loaded_from": "lsass.yml"}),
    ]
    assert edits[2].changes == {"severity": ("high", "critical")}
    assert alert_store.verify().ok


def test_after_pruning_every_field_may_be_an_analyst_s(alert_store, sigma, frozen_clock):
    alert_store.load_rules(sigma)
    (rule,) = alert_store.rules()
    frozen_clock.advance(hours=1)
    alert_store.patch_rule(rule.uuid, severity="ours")
    now = frozen_clock.advance(days=1)
    assert alert_store.prune(now, authority="retention") == 3
    assert alert_store.load_rules(sigma).unchanged == 1
    assert alert_store.rules()[0].severity == "ours"


def test_an_edit_that_was_pruned_is_kept_beside_a_later_one(alert_store, sigma, frozen_clock):
    alert_store.load_rules(sigma)
    (rule,) = alert_store.rules()
    frozen_clock.advance(hours=1)
    alert_store.patch_rule(rule.uuid, name="Ours")
    assert alert_store.prune(frozen_clock.advance(days=1), authority="retention") == 3
    alert_store.patch_rule(rule.uuid, documentation="Ours too.")
    assert alert_store.load_rules(sigma).unchanged == 1
    (after,) = alert_store.rules()
    assert (after.name, after.documentation) == ("Ours", "Ours too.")


def test_where_no_edit_was_pruned_the_file_goes_on(alert_store, sigma, frozen_clock):
    alert_store.load_rules(sigma)
    (rule,) = alert_store.rules()
    assert alert_store.prune(frozen_clock.advance(days=1), authority="retention") == 2
    alert_store.patch_rule(rule.uuid, documentation="Ours.")
    (sigma / "lsass.yml").write_text(SIGMA.replace("high", "critical"), encoding="utf-8")
    assert alert_store.load_rules(sigma).updated == 1
    (after,) = alert_store.rules()
    assert (after.severity, after.documentation) == ("critical", "Ours.")


def test_nothing_that_is_not_in_the_file_is_taken_away(alert_store, sigma):
    alert_store.load_rules(sigma)
    (sigma / "lsass.yml").write_text(f"title: New Name\nid: {ID}\n", encoding="utf-8")
    alert_store.load_rules(sigma)
    (rule,) = alert_store.rules()
    assert rule.name == "New Name"
    assert told(rule)[1:] == TOLD[1:]


def test_a_file_is_loaded_for_another_source(alert_store, tmp_path, sigma):
    alert_store.load_rules(sigma, source="chainsaw")
    (tmp_path / "s.rules").write_text(EVE, encoding="utf-8")
    alert_store.load_rules(tmp_path / "s.rules", source="snort3")
    assert sorted((rule.source_name, rule.source_rule_id) for rule in alert_store.rules()) == [("chainsaw", ID), ("snort3", "2019401")]


def test_what_is_refused_is_told_and_the_rest_goes_on(alert_store, sigma):
    (sigma / "again.yml").write_text(SIGMA, encoding="utf-8")
    (sigma / "broken.yml").write_text("a: [", encoding="utf-8")
    (sigma / "no-id.yml").write_text("title: x\n", encoding="utf-8")
    done = alert_store.load_rules(sigma)
    assert (done.added, [where for where, _ in done.refused]) == (1, ["broken.yml", "lsass.yml", "no-id.yml"])
    assert f"again.yml has a rule of the same id, {ID}" in dict(done.refused)["lsass.yml"]


def test_long_and_odd_rules_are_kept_as_far_as_an_event_can_hold(alert_store, tmp_path):
    names = ", ".join(f"attack.t{number}" for number in range(1000, 1500))
    text = SIGMA.replace("attack.credential-access, attack.t1003.001", names).replace("Somebody", "x" * 100_000)
    path = tmp_path / "x.yml"
    path.write_text(text.replace("Credential Dump", "T" * 10_000 + "\\x1b"), encoding="utf-8")
    alert_store.load_rules(path)
    (rule,) = alert_store.rules()
    assert (len(rule.mitre_techniques), len(rule.documentation), len(rule.name)) == (64, 16_384, 500)
    assert alert_store.verify().ok


@pytest.mark.parametrize("content", ["words", ""])
def test_a_file_without_a_rule_is_an_error_and_changes_nothing(alert_store, tmp_path, unchanged, content):
    before = unchanged()
    for name in ("x.yml", "x.rules"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(SourceError, match="holds no rule") as refused:
            alert_store.load_rules(tmp_path / name)
        assert refused.value.advice
    for path in (tmp_path / "nothing.yml", tmp_path / "x.txt"):
        with pytest.raises(SourceError):
            alert_store.load_rules(path)
    with pytest.raises(AlertValidationError):
        alert_store.load_rules(7)
    with pytest.raises(SourceError, match="no source 'snortt'"):
        alert_store.load_rules(tmp_path / "x.yml", source="snortt")
    assert unchanged() == before


def test_sigma_needs_its_extra(alert_store, sigma, monkeypatch):
    monkeypatch.setitem(sys.modules, "sigma.collection", None)
    with pytest.raises(MissingExtraError):
        alert_store.load_rules(sigma)


def test_a_store_that_is_only_read_loads_nothing(alert_store, sigma):
    with AlertStore.open(alert_store.path, mode="ro") as store, pytest.raises(Exception, match="read"):
        store.load_rules(sigma)


def test_thousands_of_rules_come_in_one_transaction(alert_store, tmp_path):
    path = tmp_path / "many.rules"
    path.write_text("".join(EVE.replace("2019401", str(number)) for number in range(1, 3001)), encoding="utf-8")
    done = alert_store.load_rules(path)
    assert (done.added, done.refused) == (3000, ())
    path.write_text(path.read_text(encoding="utf-8").replace("Major", "Minor"), encoding="utf-8")
    assert alert_store.load_rules(path).updated == 3000
    assert json.dumps([rule.severity for rule in alert_store.rules()]).count("Minor") == 3000
