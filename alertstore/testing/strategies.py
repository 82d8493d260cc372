"""Hypothesis strategies: what a store may be handed, the ugly included."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from alertstore.domain.changes import AlertPatch
from alertstore.domain.drafts import NewAlert
from alertstore.domain.times import EARLIEST, LATEST, from_micros, rfc3339
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, IndicatorType, Malice, Severity

_UGLY = (
    "\x1b[2J\x1b]0;owned\x07",  # a terminal is cleared, its title set
    "\x9b31m",  # the same with one character
    "\u202egnp.exe",  # shown backwards
    "\u2066\u2069\u200b\ufeff",  # not shown at all
    "\0",
    "a\0b",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "+1",
    "-1",
    "\t=1",
    "'; DROP TABLE alert; --",
    '"quoted" and \\back\\',
    "`$(reboot)`",
    "%s%n{0}{{}}",
    "[red]markup[/red]",
    "line\r\nbreak\u2028\u2029\x85",
    "\ufffd\uffff\U0010ffff",
    "e\u0301\u0323 \u00e9",
    "🏴\u200d☠\ufe0f",
    "İıſßς",
    "AND OR NOT NEAR * ( ) : ^",
    "../../etc/passwd",
    "null",
)
_CHARACTERS = st.characters(exclude_categories=["Cs"])


def hostile_text(*, min_size: int = 0, max_size: int = 60, surrogates: bool = False) -> st.SearchStrategy[str]:
    """Text as an attacker writes it: escapes, direction marks, NUL, markup, formulas, quotes, any character, long runs.

    The long runs (to 10,000 characters) come where `max_size` is 60 or more. Lone surrogates, which no store takes, come with
    `surrogates=True` only.
    """
    characters = st.characters() if surrogates else _CHARACTERS
    ugly = st.sampled_from([text for text in _UGLY if min_size <= len(text) <= max_size])
    plain = st.text(characters, min_size=min_size, max_size=max_size)
    mixed = st.builds("{}{}{}".format, plain, ugly, plain).map(lambda text: text[:max_size])
    long = st.builds(lambda text, times: (text * times)[:10_000], st.text(characters, min_size=1, max_size=3), st.integers(2_000, 4_000))
    return plain | ugly | mixed | (long if max_size >= _ROOMY else plain)


_ROOMY = 60  # where this many characters may be, more may be


def _titles() -> st.SearchStrategy[str]:
    return hostile_text(min_size=1).filter(lambda text: bool(text.strip()))


def _times() -> st.SearchStrategy[str | int | None]:
    moments = st.integers(EARLIEST, LATEST - 1)
    near = st.integers(0, 7 * 24 * 60).map(lambda minutes: 1_714_500_000_000_000 + minutes * 60_000_000)
    return (moments | near).map(lambda micros: rfc3339(from_micros(micros))) | st.sampled_from(
        [None, "", "yesterday", "9999-12-31T00:00:00Z", 0]
    )


def _indicators() -> st.SearchStrategy[tuple[str, str]]:
    hexadecimal = "0123456789abcdefABCDEF"
    sized = {IndicatorType.HASH_MD5: 32, IndicatorType.HASH_SHA1: 40, IndicatorType.HASH_SHA256: 64}
    good = st.one_of(
        st.ip_addresses().map(lambda ip: (IndicatorType.IP.value, str(ip))),
        st.sampled_from(["a.example", "B.EXAMPLE.", "xn--bcher-kva.example"]).map(lambda name: (IndicatorType.DOMAIN.value, name)),
        *(st.tuples(st.just(kind.value), st.text(hexadecimal, min_size=n, max_size=n)) for kind, n in sized.items()),
        st.sampled_from(["http://a.example/x?y#z"]).map(lambda url: (IndicatorType.URL.value, url)),
        st.sampled_from(["Mia@Example.org", "<o'neil@example.org>"]).map(lambda name: (IndicatorType.EMAIL.value, name)),
        hostile_text(min_size=1).map(lambda name: (IndicatorType.ACCOUNT.value, name)),
    )
    bad = st.tuples(st.sampled_from([kind.value for kind in IndicatorType]), hostile_text())
    return good | good | bad


def _json() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | hostile_text(max_size=20)
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile_text(max_size=9), inner, max_size=3), max_leaves=6
    )


def alerts() -> st.SearchStrategy[dict[str, Any]]:
    """Records of the `generic` source that a store accepts: a title, and fields that are right, wrong, ugly or missing."""
    pairs = _indicators().map(lambda pair: {"type": pair[0], "value": pair[1]})
    return st.fixed_dictionaries(
        {"title": _titles()},
        optional={
            "severity": st.sampled_from([*Severity, "info", "worst", 7, None]),
            "occurred_at": _times(),
            "description": hostile_text() | st.none(),
            "tags": st.lists(hostile_text(max_size=12), max_size=4) | st.just("no list"),
            "indicators": st.lists(pairs, max_size=4) | st.just([None, {"type": "ip"}]),
            "rule_id": st.sampled_from(["R-1", "R-2", 3]),
            "rule_name": hostile_text(min_size=1),
            "src_ip": st.ip_addresses().map(str),
            "extra": _json(),
        },
    )


_FIELDS: dict[str, tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]] = {
    "status": (st.sampled_from(AlertStatus).map(str), st.sampled_from(["open", "", "Resolved", 1, ["Open"]])),
    "severity": (st.sampled_from(Severity).map(str), st.sampled_from(["HIGH", "Severe", 5, True])),
    "close_classification": (st.sampled_from(CloseClassification).map(str), st.sampled_from(["False Positive", "", 0, {}])),
    "tags": (
        st.lists(st.sampled_from(["c2", "vip", "ünï", "=1+1", "\x1b[2J"]), max_size=4),
        st.sampled_from(["c2", 1, [1], ["a\0"], {"a": 1}]),
    ),
    "malice_override": (st.sampled_from(Malice).map(str), st.sampled_from(["malicious", "Evil", False])),
    "reset_malice_override": (st.booleans(), st.sampled_from(["true", 1, "no"])),
}


def patches(*, well_formed: bool | None = None) -> st.SearchStrategy[dict[str, Any]]:
    """Patches as mappings: well-formed (a rule may still refuse them), malformed, or either.

    A malformed one has at least one unknown field, wrong type or value outside its set.
    """
    good = {name: values[0] | st.none() for name, values in _FIELDS.items()}
    right = st.fixed_dictionaries({}, optional=good)
    if well_formed:
        return right
    unknown = st.fixed_dictionaries({"enrichment_status": st.just("Enriched")}) | st.fixed_dictionaries({"title": hostile_text()})
    single = st.one_of(unknown, *(st.fixed_dictionaries({name: values[1]}) for name, values in _FIELDS.items()))
    wrong = st.builds(lambda one, other: one | other, right, single)
    return wrong if well_formed is False else right | right | wrong


def alert_patches() -> st.SearchStrategy[AlertPatch]:
    """Well-formed patches as the domain takes them; the rules may refuse them."""
    return st.builds(
        AlertPatch,
        status=st.none() | st.sampled_from(AlertStatus),
        severity=st.none() | st.sampled_from(Severity),
        close_classification=st.none() | st.sampled_from(CloseClassification),
        tags=st.none() | st.lists(st.sampled_from(["a", "b", "c", " "]), max_size=4).map(tuple),
        malice_override=st.none() | st.sampled_from(Malice),
        reset_malice_override=st.booleans(),
    )


def new_alerts() -> st.SearchStrategy[NewAlert]:
    """What a source hands in: one record, mapped, its text hostile, its indicators not normalised."""
    return st.builds(
        NewAlert,
        title=_titles(),
        severity=st.sampled_from(Severity),
        occurred_at=st.none() | st.integers(EARLIEST - 10, LATEST + 10),
        description=st.none() | hostile_text(),
        tags=st.lists(hostile_text(max_size=12), max_size=4),
        indicators=st.lists(_indicators(), max_size=4),
        rule_id=st.none() | st.sampled_from(["R-1", "R-2"]),
        notes=st.just(()),
    )


Call = tuple[str, dict[str, Any]]
"""A call of a store's method: its name, its arguments. A number as `uuid` names an alert by its place, as `replay` reads it."""


def histories(*, max_size: int = 20) -> st.SearchStrategy[list[Call]]:
    """What is done to a store, call by call, the ugly and the forbidden included; `replay` does it, on as many stores as you like.

    The first call adds an alert, so that there is something to do the others to.
    """
    where = st.fixed_dictionaries({"uuid": st.integers(0, 9)})
    add = st.tuples(st.just("add"), st.fixed_dictionaries({"record": alerts()}))
    fields = {
        "patch": patches(well_formed=True),
        "close_alert": st.fixed_dictionaries({"classification": st.sampled_from(CloseClassification).map(str)}),
        "add_finding": st.fixed_dictionaries({"summary": hostile_text(min_size=1)}),
        "add_indicators": st.fixed_dictionaries({"indicators": st.lists(_indicators(), max_size=3)}),
        "delete_alert": st.just(dict[str, Any]()),
    }
    calls = [st.tuples(st.just(name), st.builds(lambda one, two: {**one, **two}, where, more)) for name, more in fields.items()]
    many = st.tuples(st.just("patch_many"), st.fixed_dictionaries({"patch": patches(well_formed=True), "best_effort": st.just(value=True)}))
    one = st.one_of(add, add, *calls, calls[0], many)
    return st.builds(lambda first, rest: [first, *rest], add, st.lists(one, max_size=max_size - 1))
