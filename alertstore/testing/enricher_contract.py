"""What an enricher owes, as tests: subclass `EnricherContract`, give a fixture `enricher`, name indicators it knows something of.

    class TestOurFeed(EnricherContract):
        known = [("domain", "evil.example")]

        @pytest.fixture
        def enricher(self):
            return OurFeed("feed.db")

pytest needs the fixtures of alertstore's own plugin, which it finds by itself.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import pytest
from attrs import evolve

from alertstore.domain.enrichment import LONGEST_RESULT, Answer
from alertstore.domain.indicators import LONGEST, normalise_all
from alertstore.domain.vocabulary import IndicatorType, Malice
from alertstore.enrich.base import Enricher

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_767_225_600_000_000  # 2026-01-01

# Values as they stand in alerts after they were normalised: the usual, the longest, and what attackers write.
_TEXTS = (
    "a",
    "-",
    "evil.example",
    "EVIL.example.",
    "a..b",
    "." * 50,
    "xn--",
    "münchen.example",
    "'; DROP TABLE alert; --",
    "%s{0}",
    "\u202e",
    "[" * 90,
)
_VALUES: dict[str, tuple[str, ...]] = {
    IndicatorType.IP: ("255.255.255.255", "192.0.2.1", "8.8.8.8", "::", "::1", "2001:db8::1", "fe80::1", "fe80::1%eth0", "ffff::"),
    IndicatorType.DOMAIN: (*_TEXTS, "a." * (LONGEST // 2 - 5) + "example", "a" * LONGEST),
    IndicatorType.URL: (
        *(f"http://{text}/" for text in _TEXTS),
        "://",
        "http://[",
        "http://[::1",
        "http://" + "@" * 2000,
        "a://" + "a" * 2000,
    ),
    IndicatorType.EMAIL: (*(f"a@{text}" for text in _TEXTS), "@" * 200 + "a", "a@" + "b" * 2000),
    IndicatorType.ACCOUNT: (*_TEXTS, "CORP\\mia", "a" * LONGEST),
    IndicatorType.HASH_MD5: ("d4" * 16, "00" * 15 + "01"),
    IndicatorType.HASH_SHA1: ("d4" * 20,),
    IndicatorType.HASH_SHA256: ("d4" * 32,),
}


class EnricherContract:
    """All that the store relies on."""

    known: ClassVar[Sequence[tuple[str, str]]] = ()
    """Indicators (type, canonical value) that the enricher has an answer for."""

    @pytest.fixture
    def enricher(self) -> Enricher:
        """The enricher under test: to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def asked(self, enricher: Enricher) -> list[tuple[str, str]]:
        """The known indicators, and strange ones of every type that the enricher takes."""
        strange = normalise_all((kind, value) for kind in enricher.types for value in _VALUES[kind])
        return [*self.known, *(one for one in strange if one not in self.known)]

    def test_it_is_an_enricher(self, enricher: Enricher) -> None:
        """It keeps the protocol, has a name of one word, and is for types of indicator that there are."""
        assert isinstance(enricher, Enricher)
        assert enricher.name
        assert enricher.name.split() == [enricher.name]
        assert enricher.types
        assert enricher.types <= set(IndicatorType)

    def test_it_has_a_version(self, enricher: Enricher) -> None:
        """It says what its answers depend on, in a text that stays as long as they do."""
        version = enricher.version()
        assert isinstance(version, str)
        assert version
        enricher.look_up(list(self.known), NOW)
        assert enricher.version() == version

    def test_it_knows_what_it_is_said_to_know(self, enricher: Enricher) -> None:
        """There is something it knows, and it has an answer for each of that."""
        assert self.known, "name some indicators that it knows"
        assert normalise_all(self.known) == sorted(self.known), "name them in their canonical spelling"
        assert None not in enricher.look_up(list(self.known), NOW)

    def test_each_indicator_has_its_answer_in_its_place(self, enricher: Enricher, asked: list[tuple[str, str]]) -> None:
        """Asked together, alone, again or the other way round, it says the same of each; asked nothing, it says nothing."""
        together = list(enricher.look_up(asked, NOW))
        assert len(together) == len(asked)
        assert [list(enricher.look_up([one], NOW)) for one in asked] == [[answer] for answer in together]
        assert list(enricher.look_up(asked[::-1], NOW)) == together[::-1]
        assert list(enricher.look_up([*asked, *asked], NOW)) == [*together, *together]
        assert list(enricher.look_up([], NOW)) == []

    def test_answers_can_be_kept(self, enricher: Enricher, asked: list[tuple[str, str]]) -> None:
        """A verdict or none, and a little JSON without floats that comes back as it was."""
        for answer in enricher.look_up(asked, NOW):
            if answer is None:
                continue
            assert isinstance(answer, Answer)
            assert answer.malice is None or isinstance(answer.malice, Malice)
            text = json.dumps(dict(answer.extracted), ensure_ascii=False, allow_nan=False)
            text.encode()  # no half of a surrogate pair
            assert len(text) <= LONGEST_RESULT
            assert json.loads(text) == answer.extracted
            assert not _floats(json.loads(text))
            assert evolve(answer) == answer

    def test_it_asks_nobody(self, enricher: Enricher, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
        """It gives the same answers where no socket can be made and no name resolved."""
        before = list(enricher.look_up(asked, NOW))
        forbid_network(monkeypatch)
        assert list(enricher.look_up(asked, NOW)) == before
        enricher.version()


def forbid_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whatever reaches for the network fail the test."""

    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("it reached for the network")

    for name in (
        "socket",
        "socketpair",
        "create_connection",
        "create_server",
        "getaddrinfo",
        "gethostbyname",
        "gethostbyaddr",
        "getnameinfo",
    ):
        monkeypatch.setattr(socket, name, refuse)


def _floats(value: Any) -> list[float]:
    if isinstance(value, float):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [number for one in inner for number in _floats(one)]
