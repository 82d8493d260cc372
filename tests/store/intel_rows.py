"""What suppression and enrichment leave in a store: every kind of event of theirs, a row in every table that follows from one."""

from __future__ import annotations

import io
import json
from datetime import timedelta

from alertstore.domain.enrichment import Answer
from alertstore.domain.vocabulary import Malice
from alertstore.testing import generic_alert

HASH = "5d" * 32
BAD, KNOWN = "198.51.100.77", "203.0.113.77"

FEED = (
    "indicator,type,verdict,valid until,note\n"
    f"{BAD},ip,malicious,2031-01-01,C2 größer\n"
    "198.51.100.0/24,,suspicious,,\n"
    "*.evil.example,,,,all of it\n"
    "nothing of the kind,,,,\n"
)
WARNING = {"type": "substring", "name": "Sinkholes", "matching_attributes": ["domain"], "list": [".known."]}
PATTERN = {"type": "regex", "name": "Resolvers", "matching_attributes": ["domain"], "list": ["/^dns[0-9]/"]}


class Fixed:
    """An enricher that says the same of every indicator, whoever asks."""

    types = frozenset({"ip", "domain", "hash_sha256"})

    def __init__(self, name="fixed", malice=Malice.BENIGN, **extracted):
        self.name, self.answer = name, Answer(malice, extracted)

    def version(self):
        return f"{self.name} 1"

    def look_up(self, indicators, now):
        return [self.answer for _ in indicators]


class Failing(Fixed):
    """One that never says anything."""

    def __init__(self, name="failing"):
        super().__init__(name)

    def look_up(self, indicators, now):
        raise OSError("the database größer than the disk")


def named(content, name):
    """A file in memory that has a name."""
    file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    file.name = name
    return file


def lines(records):
    """Records as a file of the generic source."""
    return named("".join(json.dumps(record) + "\n" for record in records), "held.jsonl")


def pairs(*values):
    """Indicators of a generic record, of `type:value`."""
    return [dict(zip(("type", "value"), one.split(":", 1), strict=True)) for one in values]


def load_feed(store, text=FEED, **given):
    """A list of indicators, in the place of the one before."""
    return store.load_list(named(text, "feed.csv"), name="feed", **given)


def add_suppressions(store):
    """One of each kind, one lifted; records held back from a file, and handed over by themselves. The import, and the suppressions."""
    until = store._clock() + timedelta(days=3)
    shown = store.add(generic_alert(title="shown", rule_id="R-held", indicators=pairs("domain:held.example"))).alert
    by_rule = store.suppress(rule="R-held", until=until, reason="noise größer", actor="mia")
    by_indicator = store.suppress(indicator="domain:held.example", until=until, reason="a scanner of ours")
    by_print = store.suppress(fingerprint=shown.fingerprint, until=until, reason="known")
    held = [
        generic_alert(title="held größer", rule_id="R-held", n=1),
        generic_alert(title="held too", indicators=pairs("domain:held.example")),
        generic_alert(title="not held"),
    ]
    found = store.ingest(lines(held), source="generic")
    assert (found.new, found.suppressed) == (1, 2)
    again = store.ingest(lines(held), source="generic")
    assert (again.seen, again.suppressed) == (3, 0)
    assert store.add(generic_alert(title="alone", rule_id="R-held")).outcome == "suppressed"
    store.lift_suppression(by_print.uuid, reason="over", actor="mia")
    return found.id, (by_rule, by_indicator, by_print)


def add_enrichment(store):
    """Lists with each kind of entry, one that is gone again; indicators enriched, one by nobody's success; an analyst's verdict, and
    one taken back. The alerts: with indicators that no other has, with others, with none that anybody could say anything of.
    """
    lonely = store.add(generic_alert(title="lonely", indicators=pairs(f"hash_sha256:{HASH}", "domain:dns1.example"))).alert.uuid
    seen = f"ip:{BAD}", f"ip:{KNOWN}", "domain:a.evil.example", "domain:x.known.example"
    busy = store.add(generic_alert(title="busy", indicators=pairs(*seen))).alert.uuid
    failed = store.add(generic_alert(title="failed", indicators=pairs("url:http://only.example/"))).alert.uuid
    load_feed(store, reason="weekly")
    store.load_list(named(f"{HASH}  tool.exe\n{'6e' * 20}\n", "bad.sha256"), name="hashes", malice="Suspicious")
    store.load_list(named(json.dumps(WARNING), "sinkholes.json"))
    store.load_list(named("192.0.2.200\n", "gone.txt"))
    store.enrich([lonely, busy], using=["lists", "special-purpose", Fixed(text="größer", n=[1, None, True]), Failing()], reason="look")
    wider = Failing("wider")
    wider.types = frozenset({"url"})
    store.enrich([failed], using=[wider])
    store.load_list(named(json.dumps(PATTERN), "resolvers.json"))
    store.remove_list("gone.txt", reason="empty")
    store.set_indicator_malice(f"ip:{BAD}", "Benign", reason="ours")
    store.set_indicator_malice(f"ip:{KNOWN}", "Malicious")
    store.reset_indicator_malice(f"ip:{KNOWN}", actor="mia")
    return lonely, busy, failed


def add_intel(store):
    """Something in every table of both: the import with held records, the suppressions, and the alerts that were enriched."""
    found, suppressions = add_suppressions(store)
    return found, suppressions, add_enrichment(store)
