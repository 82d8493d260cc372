"""What a rule that is met takes from the same rule as another tool has it."""

from __future__ import annotations

from attrs import evolve

from alertstore.domain.drafts import NewRule
from alertstore.domain.rulebook import filled
from alertstore.testing import make_alert


def test_gaps_are_filled_and_what_is_told_stays(alert_store):
    known = alert_store.rule(make_alert(alert_store, rule_id="R-1").detection_rule.uuid)
    known = evolve(known, name="Shell in a container", severity="high", mitre_techniques=("T1059",))
    bare = NewRule("R-1", source_rule_id="R-1")
    assert filled(bare, None) is bare
    assert (filled(bare, known).name, filled(bare, known).severity) == ("Shell in a container", "high")
    told = filled(NewRule("Its own name", source_rule_id="R-1", severity="low"), known)
    assert (told.name, told.severity, list(told.mitre_techniques)) == ("Its own name", "low", ["T1059"])
