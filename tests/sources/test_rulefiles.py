"""What is read of rule files: Sigma's YAML, Suricata's and Snort's `.rules`; hostile and broken ones cost only themselves."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.drafts import NewRule
from alertstore.errors import MissingExtraError, SourceError
from alertstore.sources.rulefiles import read_rules
from alertstore.sources.sigmarules import LARGEST, sigma_rules
from alertstore.sources.suricatarules import LONGEST, suricata_rules

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "sigma_rules"
ID = "0d894093-71bc-43c3-8c4d-ecfc28dcf5d9"
SIGMA = f"""
title: Credential Dump
id: {ID}
status: test
description: Somebody reads the memory of LSASS.
references:
    - https://example.org/lsass
author: Kim
tags:
    - attack.credential-access
    - attack.command_and_control
    - attack.t1003.001
    - attack.T1003
    - attack.g0007
    - attack.s0002
    - cve.2024-1234
    - detection.emerging-threats
logsource:
    product: windows
    category: process_access
    definition: words
detection:
    selection:
        TargetImage|endswith: '\\lsass.exe'
    condition: selection
falsepositives:
    - Virus scanners
    - |
      Backup
      software
level: high
"""


def one(text):
    (found,) = sigma_rules(text, "x.yml", "sigma")
    return found


def test_a_sigma_rule():
    assert one(SIGMA).rule == NewRule(
        name="Credential Dump",
        source_rule_id=ID,
        source_name="sigma",
        severity="high",
        is_active=True,
        mitre_tactics=["Credential Access", "Command and Control"],
        mitre_techniques=["T1003"],
        mitre_subtechniques=["T1003.001"],
        data_sources=["windows", "process_access"],
        documentation=(
            "Somebody reads the memory of LSASS.\n\nFalse positives:\n- Virus scanners\n- Backup software\n\n"
            "References:\n- https://example.org/lsass\n\nStatus: test\n\nAuthor: Kim"
        ),
    )


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (("status: test", "status: deprecated"), "is_active", False),
        (("status: test", "status: unsupported"), "is_active", False),
        (("level: high", "level: HIGH"), "severity", "high"),
        (("level: high", "level: awful"), "severity", "awful"),
        (("level: high", ""), "severity", None),
        (("level: high", "level: [1]"), "severity", None),
        ((f"id: {ID}", f"id: {ID.upper()}"), "source_rule_id", ID),
        (("attack.credential-access", "attack.stealth"), "mitre_tactics", ["Stealth", "Command and Control"]),
        (("    - attack.t1003.001\n", "    - 7\n    - no_namespace\n"), "mitre_subtechniques", []),
        (("product: windows", "product: 7"), "data_sources", []),
        (("    selection:\n        TargetImage|endswith: '\\lsass.exe'\n", "    selection: 3\n"), "name", "Credential Dump"),
        (("    condition: selection\n", ""), "severity", "high"),
        (("description: Somebody reads the memory of LSASS.", "description: [a]"), "name", "Credential Dump"),
        (("title: Credential Dump", f"title: {'x' * 300}"), "name", "x" * 300),
    ],
)
def test_what_a_sigma_rule_may_leave_out_or_get_wrong(change, field, value):
    assert change[0] in SIGMA
    found = one(SIGMA.replace(*change)).rule
    assert found is not None
    assert getattr(found, field) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SIGMA.replace(f"id: {ID}", ""), "no id that is a UUID"),
        (SIGMA.replace(f"id: {ID}", "id: 7"), ""),
        (SIGMA.replace(f"id: {ID}", "id: seven"), "no id that is a UUID"),
        (SIGMA.replace("title: Credential Dump", ""), "no title"),
        (SIGMA.replace("title: Credential Dump", "title: [a]"), "no title"),
        ("just words", "not a Sigma rule"),
        ("- a\n- b", "not a Sigma rule"),
        ("a: b\na: c", "not readable as YAML: Duplicate key 'a'"),
        ("a: [", "not readable as YAML"),
        ("!!python/object/apply:os.system ['true']", "not readable as YAML"),
        ("a: " + "[" * 100_000, "more than 100 deep"),  # the reader of YAML itself would end the process on these
        ("a: " + "{b: " * 100_000, "more than 100 deep"),
        ("- " * 100_000, "more than 100 deep"),
        ("? " * 100_000, "more than 100 deep"),
        ("[" * 100, "not readable as YAML"),
        ("x: y", ""),
        ("#" * (LARGEST + 1), "longer than 1,048,576 characters; split it"),
        ("date: 2024-99-99", "not readable as YAML: month must be in 1..12"),
        ("a: 1" + ":59" * 300_000, "not readable as YAML: a number of a thousand digits or more"),
        (f"a: &a {'x' * 9_000}\n{SIGMA}falsepositives: [{'*a,' * 9_000}]\n", "with its aliases written out longer than 1,048,576"),
        (f"a: &a [{'x' * 9_000}]\nb: &b {{c: [{'*a,' * 99}]}}\n{SIGMA}fields: [{'*b,' * 99}]\n", "with its aliases written out"),
        (
            "a: &a [1,1]\nb: &b [*a,*a]\n" + "\n".join(f"k{n}: &k{n} [*k{n - 1},*k{n - 1}]" if n else "k0: &k0 [*b,*b]" for n in range(40)),
            "",
        ),
        ("title: &x\n  y: *x\n", ""),
    ],
)
def test_what_is_no_sigma_rule_says_why(text, why):
    found = one(text)
    assert found.rule is None
    assert found.why
    assert why in found.why
    assert "\n" not in found.why


@pytest.mark.parametrize(
    "more",
    [
        "#" * (LARGEST - len(SIGMA)),
        f"a: &a {'x' * 9_000}\nb: [{'*a,' * 99}]",
        f"a: {'[' * 98}{']' * 98}",
        f"a: {'7' * 999}",
        f"a: '{'7' * 9_000}'",
        f"a: [{'[],' * 9_000}]",
    ],
)
def test_what_is_within_the_bounds_is_read(more):
    found = one(SIGMA + more)
    assert found.rule is not None, found.why
    assert found.rule.name == "Credential Dump"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"alert{' ' * 500_000}x", None),
        (f"#alert{' ' * 500_000}x", None),
        (f"alert ip any any -> any any ({' ' * 60_000}x)", "does not end with a semicolon"),
        (f"alert ip any any -> any any ({'(' * 60_000})", "does not end with a semicolon"),
        (f"alert ip any any -> any any ({'x (' * 20_000})", "does not end with a semicolon"),
    ],
    ids=["blanks", "switched off", "blanks within", "brackets", "more brackets"],
)
def test_a_long_rule_costs_no_more_than_its_length(line, why):
    """Under no clock: what takes the square of the length, or its cube, does not come back."""
    found = list(suricata_rules(line, "x.rules", "suricata"))
    assert len(found) == (why is not None)
    assert all(why in read.why for read in found)


def test_several_documents_in_a_file():
    other = SIGMA.replace(ID, ID.replace("0d", "1d")).replace("Credential Dump", "Other")
    found = list(sigma_rules(f"{SIGMA}\n---\nwords\n---\n{other}\n---\n", "x.yml", "sigma"))
    assert [(read.where, read.rule and read.rule.name) for read in found] == [
        ("x.yml, rule 1", "Credential Dump"),
        ("x.yml, rule 2", None),
        ("x.yml, rule 3", "Other"),
    ]


def test_documents_that_build_on_each_other():
    """The older way: a first document that the others complete."""
    text = (
        f"action: global\ntitle: Both\nid: {ID}\nlogsource: {{product: linux}}\nlevel: low\n---\ndetection:\n    a: [x]\n    condition: a\n"
    )
    found = one(text)
    assert (found.rule.name, found.rule.source_rule_id, found.rule.data_sources, found.rule.severity) == ("Both", ID, ["linux"], "low")


def test_a_correlation_is_a_rule_and_a_filter_is_none():
    correlation = f"title: Many\nid: {ID}\ncorrelation:\n    type: event_count\n    rules: [other]\n    group-by: [x]\n    timespan: 1m\n    condition: {{gte: 5}}\nlevel: high\n"
    assert (one(correlation).rule.name, one(correlation).rule.severity) == ("Many", "high")
    assert (
        list(
            sigma_rules(
                "title: F\nlogsource: {product: windows}\nfilter:\n    rules: [x]\n    a: {b: c}\n    condition: not a\n", "x", "sigma"
            )
        )
        == []
    )


def test_no_extra_no_sigma(monkeypatch):
    monkeypatch.setitem(sys.modules, "sigma.collection", None)
    with pytest.raises(MissingExtraError) as told:
        list(sigma_rules(SIGMA, "x.yml", "sigma"))
    assert told.value.advice == "pip install 'alertstore[rules]'"


SURICATA = (
    'alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"ET MALWARE Beacon \\"a\\; b\\""; flow:established; '
    'content:"|3B|x;y)"; pcre:"/a(;|\\)){3}/"; reference:url,example.org/x?a=1,b; reference:cve,2024-1234; classtype:trojan-activity; '
    "sid:2019401; rev:7; metadata:attack_target Client_Endpoint, created_at 2014_10_10, signature_severity Major, "
    "mitre_tactic_id TA0011, mitre_tactic_name Command_And_Control, mitre_technique_id T1071, mitre_technique_name Application;)"
)


def rules(text):
    return list(suricata_rules(text, "x.rules", "suricata"))


def test_a_suricata_rule():
    (found,) = rules(SURICATA)
    assert found.where == "x.rules, line 1"
    assert found.rule == NewRule(
        name='ET MALWARE Beacon "a; b"',
        source_rule_id="2019401",
        source_name="suricata",
        severity="Major",
        is_active=True,
        mitre_tactics=["Command and Control"],
        mitre_techniques=["T1071"],
        mitre_subtechniques=[],
        data_sources=["http"],
        documentation=(
            "Class: trojan-activity\nRevision: 7\nAttack target: Client Endpoint\nCreated at: 2014 10 10\n"
            "References:\n- example.org/x?a=1,b\n- cve: 2024-1234"
        ),
    )


def test_a_rule_that_is_commented_out_is_not_active_and_a_comment_is_none():
    text = "\n".join(
        [
            "# Emerging rules (c) somebody;",
            f"#{SURICATA}",
            f"# {SURICATA.replace('2019401', '2')}",
            "#alert: not (a rule)",
            "",
            "# alert x (",
            "words",
        ]
    )
    assert [(read.where, read.rule.source_rule_id, read.rule.is_active) for read in rules(text)] == [
        ("x.rules, line 2", "2019401", False),
        ("x.rules, line 3", "2", False),
    ]


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("alert tcp any any -> any any (msg:x; sid:1;)", "name", "x"),
        ("alert tcp any any -> any any (sid:1; gid:3;)", "source_rule_id", "3:1"),
        ("alert tcp any any -> any any (sid:1; gid:3;)", "name", "3:1"),
        ('alert tcp any any -> any any (msg:""; sid:1;)', "name", "1:1"),
        ('alert ( msg:"(decode) bad"; gid:116; sid:7;)', "source_rule_id", "116:7"),
        ('alert ( msg:"(decode) bad"; gid:116; sid:7;)', "data_sources", []),
        ('alert http (msg:"x"; sid:1; priority:2;)', "severity", "2"),
        (
            'drop tls any any -> any any (msg:"x"; sid:1; metadata:a b; metadata:mitre_technique_id T1071.001;)',
            "mitre_subtechniques",
            ["T1071.001"],
        ),
        (
            'alert tcp any any -> any any (msg:"x"; sid:1; metadata:mitre_tactic_name Lateral_Movement;)',
            "mitre_tactics",
            ["Lateral Movement"],
        ),
        ('alert tcp any any -> any any (msg:"x"; sid:1; metadata:mitre_technique_id nonsense;)', "mitre_techniques", []),
        ('alert tcp any any -> any any (msg:"x"; \\\n  sid:1; \\\r\n  rev:2;)', "documentation", "Revision: 2"),
        ('alert http\n(\n  msg:"x";\n  sid:5;\n)\n', "source_rule_id", "5"),
        ('alert tcp any any -> any any (\n  msg:"x";\n\n  sid:5;\n)\n', "source_rule_id", "5"),
        ('alert tcp any any -> any any (msg:"x"; content:"a\\"b;"; content:"\\\\"; sid:9;)\r', "source_rule_id", "9"),
    ],
)
def test_forms_of_rules(text, field, value):
    (found,) = rules(text)
    assert found.rule is not None, found.why
    assert getattr(found.rule, field) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('alert tcp any any -> any any (msg:"x";)', "no sid"),
        ('alert tcp any any -> any any (msg:"x"; sid:;)', "no number"),
        ('alert tcp any any -> any any (msg:"x"; sid:1a;)', "no number"),
        ('alert tcp any any -> any any (msg:"x"; sid:\u0661;)', "no number"),
        ('alert tcp any any -> any any (msg:"x"; sid:1; gid:y;)', "no number"),
        ('alert tcp any any -> any any (msg:"x"; sid:1', "brackets do not close"),
        ('alert tcp any any -> any any (msg:"x"; sid:1)', "semicolon"),
        ('alert tcp any any -> any any (msg:"x; sid:1;)', "semicolon"),
        (f'alert tcp any any -> any any (msg:"{"x" * LONGEST}"; sid:1;)', "longer than"),
    ],
)
def test_what_is_no_rule_says_why(text, why):
    assert [(read.rule, why in read.why) for read in rules(text)] == [(None, True)]


def test_a_rule_that_never_ends_costs_only_itself():
    assert [
        read.rule and read.rule.source_rule_id for read in rules(f'alert tcp any any -> any any (msg:"x"; \\\nsid:1;\n{SURICATA}\n')
    ] == [None, "2019401"]


@pytest.mark.parametrize("part", ['"', "\\", "(", ")", ";", "a:", '"\\', "((", '""', "alert ", "alert tcp (", "# "])
def test_no_rule_takes_long(part):
    for text in (
        part * (400_000 // len(part)),
        f"alert tcp ({part * (LONGEST // len(part) - 20)}",
        f"alert tcp ({part * (LONGEST // len(part) - 20)})",
    ):
        begun = time.process_time()
        rules(text)
        assert time.process_time() - begun < 10  # a hang guard: it takes milliseconds


PIECES = (
    "alert tcp any any -> any any (",
    "msg:",
    "sid:1;",
    "gid:2;",
    "metadata:a b,",
    '"',
    "\\",
    "\n",
    "#",
    "(",
    ")",
    ";",
    " ",
    "\r\n",
    "é",
)
YAML = (
    "title: x\n",
    f"id: {ID}\n",
    "tags: ",
    "[",
    "]",
    "{",
    "}",
    "- a\n",
    "---\n",
    "&a ",
    "*a",
    "action: global\n",
    "action: repeat\n",
    "level: ",
    "logsource:\n  product: ",
    "correlation: ",
    "1",
    "null\n",
    ": ",
    "\n",
    "!!x ",
)


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_rules_or_reasons(text):
    for found in suricata_rules(text, "x.rules", "suricata"):
        assert (found.rule is None) is bool(found.why)


@given(st.lists(st.sampled_from(YAML)).map("".join))
def test_any_text_is_sigma_rules_or_reasons(text):
    for found in sigma_rules(text, "x.yml", "sigma"):
        assert (found.rule is None) is bool(found.why)


def test_a_folder_of_rules(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.YAML").write_text(SIGMA, encoding="utf-8")
    (tmp_path / "a.rules").write_bytes(b"\xef\xbb\xbf# caf\xe9\n" + SURICATA.encode() + b"\n")
    (tmp_path / "README.md").write_text("words", encoding="utf-8")
    (tmp_path / "z.yml").write_text("words", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe.rules")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.yml").symlink_to(tmp_path / "nowhere")
    (tmp_path / os.fsdecode(b"\xff.rules")).write_text("alert tcp any any -> any any (sid:1;)", encoding="utf-8")
    found = list(read_rules(str(tmp_path), None))
    assert [(read.where, read.rule and read.rule.source_rule_id) for read in found] == [
        ("a.rules, line 2", "2019401"),
        ("z.yml", None),
        ("?.rules, line 1", "1"),
        (os.path.join("b", "x.YAML"), ID),
    ]
    assert {read.rule.source_name for read in read_rules(str(tmp_path), "snort3") if read.rule} == {"snort3"}


@pytest.mark.parametrize("name", ["nothing.yml", "x.txt", "."])
def test_what_is_no_file_of_rules(tmp_path, name):
    (tmp_path / "x.txt").write_text(SIGMA, encoding="utf-8")
    if name == ".":
        assert list(read_rules(str(tmp_path), None)) == []
        return
    with pytest.raises(SourceError) as told:
        list(read_rules(str(tmp_path / name), None))
    assert told.value.advice


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_real_sigma_rules_are_all_read(promise):
    files = sorted(SHARED.glob("*.yml"))
    found = list(read_rules(str(SHARED), None))
    assert [read.where for read in found] == [file.name for file in files]
    assert all(read.rule is not None for read in found)
    for read, file in zip(found, files, strict=True):
        text = file.read_text(encoding="utf-8")
        assert f"id: {read.rule.source_rule_id}" in text
        assert f"level: {read.rule.severity}" in text
        ids = [*read.rule.mitre_techniques, *read.rule.mitre_subtechniques]
        assert len(ids) == sum(text.count(f"    - attack.t{digit}") for digit in "01")
        assert len(read.rule.mitre_tactics) > 0 or "attack." not in text
        assert "False positives:\n- " in read.rule.documentation or "falsepositives:" not in text
        assert read.rule.data_sources
    promise("SigmaHQ rules are read with name, severity, ATT&CK and false-positive notes", f"{len(found)} of {len(files)} files")


def test_what_a_sigma_rule_looks_for_is_not_worked_out():
    modifiers = "|base64" * 60 + "|windash" * 40
    text = (
        "title: X\nid: 11111111-1111-4111-8111-111111111111\nlevel: high\nlogsource: {product: windows}\n"
        f"detection:\n  s:\n    'a{modifiers}': aaa\n  condition: s\n"
    )
    (found,) = sigma_rules(text, "x.yml", "sigma")
    assert (found.rule.name, found.rule.severity) == ("X", "high")
