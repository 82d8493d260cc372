"""Suricata: EVE JSON (`eve.json`), any version. Only `alert` events are alerts; flow, dns, stats and the like are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import as_dict, as_list, hashes, parse_time, tactics, techniques, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    1: Severity.HIGH,  # the classification's priority, 1 is the most severe
    2: Severity.MEDIUM,
    3: Severity.LOW,
    4: Severity.INFORMATIONAL,  # and whatever a rule sets beyond, up to 255
}
FIELDS = {
    "title": ("alert.signature", "alert.gid", "alert.signature_id"),
    "severity": ("alert.severity",),
    "occurred_at": ("timestamp",),
    "description": ("alert.category",),
    "indicators": (
        *("src_ip", "dest_ip", "http.hostname", "http.url", "tls.sni", "email.from", "email.to[]", "email.cc[]"),
        *("dns.rrname", "dns.query[].rrname", "dns.queries[].rrname", "dns.answers[].rrname", "dns.authorities[].rrname"),
        *("dns.answer.rrname", "dns.answer.answers[].rrname", "dns.answer.authorities[].rrname"),
        *("files[].sha256", "files[].sha1", "files[].md5", "fileinfo.sha256", "fileinfo.sha1", "fileinfo.md5"),
    ),
    "rule": (
        *("alert.signature_id", "alert.gid", "alert.signature", "alert.severity", "alert.metadata.mitre_technique_id[]"),
        *("alert.metadata.mitre_tactic_id[]", "alert.metadata.mitre_tactic_name[]"),
    ),
}
_HASH_FIELDS = ("sha256", "sha1", "md5")
_DNS_LISTS = ("query", "queries", "answers", "authorities")


class Suricata:
    """Alerts of the network detection engine Suricata."""

    name = "suricata"
    tool = "Suricata (EVE JSON)"
    signature = "a JSON object with event_type and timestamp; an alert where event_type is alert"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An EVE event of any type."""
        return isinstance(record.get("event_type"), str) and "timestamp" in record

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert of an `alert` event; None for other events."""
        if record.get("event_type") != "alert":
            return None
        alert = record.get("alert")
        if type(alert) is not dict:
            raise ValueError("an alert event without an alert object")
        rule_id, full_id = _ids(alert)
        title = text(alert.get("signature")) or full_id
        if title is None:
            raise ValueError("an alert without signature and signature_id")
        severity = alert.get("severity")
        occurred_at, note = parse_time(record.get("timestamp"), tz)
        return NewAlert(
            title,
            _severity(severity),
            occurred_at,
            text(alert.get("category")),
            (),
            _indicators(record),
            rule_id,
            (note,) if note else (),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The signature, with the ATT&CK ids that its metadata holds."""
        alert = as_dict(record.get("alert"))
        rule_id, full_id = _ids(alert)
        if rule_id is None or full_id is None:
            return None
        metadata = as_dict(alert.get("metadata"))
        whole, parts = techniques(texts(metadata.get("mitre_technique_id")))
        named = texts(metadata.get("mitre_tactic_id")) or [one.replace("_", " ") for one in texts(metadata.get("mitre_tactic_name"))]
        return NewRule(
            name=text(alert.get("signature")) or full_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(alert.get("severity")),
            mitre_tactics=tactics(named),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
        )


def _ids(alert: dict[str, Any]) -> tuple[str | None, str | None]:
    """The rule's id, and the same always with its generator's number in front (None, None without a signature id).

    The id is the signature's; of other generators than the rules (decoder, stream: gid not 1) it has their number.
    """
    signature_id, gid = text(alert.get("signature_id")), alert.get("gid")
    if signature_id is None:
        return None, None
    if gid == 1 or gid is None:
        return signature_id, f"1:{signature_id}"
    full = f"{text(gid)}:{signature_id}"
    return full, full


def _severity(value: Any) -> Severity:
    if type(value) is int:
        return SEVERITIES.get(value, Severity.INFORMATIONAL)
    return Severity.PENDING if value is None else Severity.INFORMATIONAL


def _indicators(record: Record) -> list[tuple[str, str]]:
    get = record.get
    found = []
    for value in (get("src_ip"), get("dest_ip")):
        if type(value) is str and value:
            found.append(("ip", value))
        elif value is not None:
            found += [("ip", one) for one in texts(value)]
    if (http := get("http")) is not None:
        _add_http(found, http)
    if (dns := get("dns")) is not None:
        _add_dns(found, dns)
    if (tls := get("tls")) is not None:
        found += [("domain", one) for one in texts(as_dict(tls).get("sni"))]
    if (email := get("email")) is not None:
        found += _email(as_dict(email))
    if (files := get("files")) is not None:
        found += _files(files)
    if (info := get("fileinfo")) is not None:
        found += _files(info)
    return found


def _add_http(found: list[tuple[str, str]], http: Any) -> None:
    http = as_dict(http)
    host, path = text(http.get("hostname")), text(http.get("url"))
    if host is None:
        return
    numeric = host[-1].isdigit() and host.replace(".", "").isdigit()
    found.append(("ip" if numeric else "domain", host))
    if path is not None:
        # A request through a proxy has the whole address in its first line.
        found.append(("url", path if "://" in path[:12] else f"http://{host}{path if path[0] == '/' else '/' + path}"))


def _add_dns(found: list[tuple[str, str]], dns: Any) -> None:
    """Names asked for and answered: one object (4 to 6), lists of queries (alerts up to 7), `queries` and `answers` (8)."""
    dns = as_dict(dns)
    found += [("domain", one) for one in texts(dns.get("rrname"))]
    for name in _DNS_LISTS:
        for entry in as_list(dns.get(name)):
            if type(entry) is dict:
                found += [("domain", one) for one in texts(entry.get("rrname"))]
    answer = dns.get("answer")
    if type(answer) is dict:
        _add_dns(found, answer)


def _email(email: dict[str, Any]) -> list[tuple[str, str]]:
    """The addresses, out of their angle brackets."""
    found = []
    for name in ("from", "to", "cc"):
        for value in texts(email.get(name)):
            bare = value[value.rfind("<") + 1 :].rstrip("> ") if "<" in value else value.strip()
            if "@" in bare:
                found.append(("email", bare))
    return found


def _files(value: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in as_list(value):
        if type(entry) is dict:
            for field in _HASH_FIELDS:
                found += hashes(texts(entry.get(field)))
    return found


SOURCE = Suricata()
