"""The corpus put into a store, and a way to run commands on it."""

from __future__ import annotations

import io
import json

from click.testing import CliRunner

from alertstore.cli import command


def record(text, number=0):
    """A record of the generic source with the text in every field."""
    return {
        "title": f"{text}",
        "description": text,
        "severity": ["High", "Low", text][number % 3],
        "occurred_at": "2024-05-01T11:58:00Z",
        "tags": [text, f"second {text}"],
        "indicators": [{"type": "account", "value": text}, {"type": "url", "value": f"http://{text}"}, {"type": "domain", "value": text}],
        "rule_id": text,
        "rule_name": text,
        text: {text: [text]},
    }


class Named(io.BytesIO):
    """A stream under a name of somebody's choice."""

    def __init__(self, name, data):
        super().__init__(data)
        self.name = name


def fill(store, texts):
    """Put each text into everything: records, rejected ones, file names, tags, notes, reasons, actors, rules, documents."""
    uuids = []
    for number, text in enumerate(texts):
        lines = [
            json.dumps(record(text, number)),
            '{"title": ' + text.replace("\n", " ").replace("\r", " "),
            json.dumps({"title": " ", text: text}),
        ]
        data = "\n".join(lines).encode("utf-8", "replace")
        found = store.ingest(Named(f"{text}.jsonl", data), source="generic", reason=f"because {text}", actor=f"actor {text}")
        assert (found.new, found.rejected) == (1, 2)
        (uuid,) = [one.uuid for one in store.alerts(order_by="-created_at", limit=1)]
        uuids.append(uuid)
        how = {"reason": f"why {text}", "actor": f"who {text}"}
        store.patch(uuid, tags=[f"t {text}", text] if text.strip() else ["t"], **how)
        store.add_finding(
            uuid, f"found {text}", agent_name=f"agent {text}"[:255], recommended_action=text, evidence={text: [text, {text: None}]}, **how
        )
        if number % 2:
            store.close_alert(uuid, "Undetermined", **how)
    for number, text in enumerate(texts):
        store.add_rule(
            f"rule {text}"[:500],
            source_name=f"by hand {number}",
            source_rule_id=text,
            severity=text,
            mitre_tactics=[text],
            documentation=text,
        )
        targets = {"match_all": [{"field": "tags", "op": "contains", "value": f"second {text}"}]}
        store.add_document(
            f"doc {text}"[:500],
            text,
            document_type="runbook",
            description=text,
            tags=[text] if text.strip() else [],
            targeting_rules=targets,
        )
    return uuids


class Shell:
    """Commands on one store; what came out."""

    def __init__(self, path, uuids):
        self.path = path
        self.uuids = uuids

    def __call__(self, *args, codes=(0,), stdin=None):
        found = CliRunner().invoke(command, ["--store", str(self.path), "--actor", "mia", *args], input=stdin)
        assert found.exit_code in codes, f"{args}: {found.exit_code}\n{found.stdout}\n{found.stderr}\n{found.exception!r}"
        assert "this is a fault of alertstore" not in found.stderr
        return found
