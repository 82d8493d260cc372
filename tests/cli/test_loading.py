"""`alertstore rules --load`."""

from __future__ import annotations

ET = 'alert tcp any any -> any any (msg:"ET Beacon"; sid:2019401;)\nalert tcp any any -> any any (msg:"\x1b[31m"; sid:x;)\n'


def test_rules_are_loaded_and_then_listed(run, tmp_path):
    path = tmp_path / "et.rules"
    path.write_text(ET, encoding="utf-8")
    done = run("rules", "--load", str(path), "--reason", "new rules")
    assert f"rules of {path}: 1 added, 0 updated, 0 unchanged, 1 refused" in done.stderr
    assert "et.rules, line 2: its sid or gid is no number" in done.stderr
    (row,) = run.json("rules")
    assert (row["name"], row["total"], row["source_name"]) == ("ET Beacon", 0, "suricata")
    assert run.json("rules", "--json", "--load", str(path)) == [
        {
            "path": str(path),
            "added": 0,
            "updated": 0,
            "unchanged": 1,
            "refused": [{"where": "et.rules, line 2", "why": "its sid or gid is no number"}],
        }
    ]
    with run.open() as store:
        assert [event.reason for event in store.events() if event.kind == "detection_rule_created"] == ["new rules"]


def test_for_another_source_and_on_a_terminal(run, on_terminal, tmp_path):
    (tmp_path / "x.rules").write_text(ET, encoding="utf-8")
    done = run("rules", "--load", str(tmp_path / "x.rules"), "--source", "snort3")
    assert done.stdout == ""
    assert "1 added" in done.stderr
    with run.open() as store:
        assert [rule.source_name for rule in store.rules()] == ["snort3"]


def test_what_cannot_be_loaded(run, tmp_path):
    (tmp_path / "x.rules").write_text("words", encoding="utf-8")
    assert "holds no rule" in run("rules", "--load", str(tmp_path / "x.rules"), code=1).stderr
    assert "no file of rules" in run("rules", "--load", "README", code=1).stderr
    run("rules", "--source", "suricata", code=2)
    run("rules", "--reason", "why", code=2)
