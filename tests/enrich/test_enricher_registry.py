"""Which enrichers there are, and what happens to those of other packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from alertstore import plugins as others
from alertstore.enrich import registry
from alertstore.enrich.base import Enricher
from alertstore.errors import SourceError


class Mine:
    name = "mine"
    types = frozenset({"ip"})

    def version(self):
        return "1"

    def look_up(self, indicators, now):
        return [None] * len(indicators)


class NoEnricher:
    name = "nothing"


@pytest.fixture
def plugins(monkeypatch):
    """Entry points of other packages: one that will do, and four that will not."""
    values = {"mine": "Mine", "nothing": "NoEnricher", "alias": "Mine", "lists": "Mine"}
    found = [EntryPoint(name, f"{__name__}:{value}", registry.GROUP) for name, value in values.items()]
    found.append(EntryPoint("broken", "no_such_module:X", registry.GROUP))
    monkeypatch.setattr(others, "entry_points", lambda group: found if group == registry.GROUP else [])
    monkeypatch.delenv(others.NO_PLUGINS, raising=False)


@pytest.fixture
def conn(alert_store):
    return alert_store._repository.conn


@pytest.mark.parametrize("name", ["lists", "special-purpose", "registered-domain"])
def test_ours_keep_the_protocol(conn, name):
    found = registry.load_enricher(name, conn=conn)
    assert isinstance(found, Enricher)
    assert found.name == name


def test_geoip_wants_its_database(conn, tmp_path):
    with pytest.raises(SourceError, match="no database") as told:
        registry.load_enricher("geoip", conn=conn)
    assert "mmdb" in told.value.advice
    with pytest.raises(SourceError, match="cannot be read"):
        registry.load_enricher("geoip", conn=conn, databases=[str(tmp_path / "x.mmdb")])


def test_others_are_found_by_name_and_none_takes_our_place(plugins, conn):
    assert registry.enricher_names() == [*registry.OURS, "alias", "broken", "mine", "nothing"]
    assert isinstance(registry.load_enricher("mine", conn=conn), Mine)
    assert not isinstance(registry.load_enricher("lists", conn=conn), Mine)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("broken", "cannot be loaded"),
        ("nothing", "is not a Enricher|is not an Enricher"),
        ("alias", "calls itself 'mine'"),
        ("x", "there is no enricher 'x'"),
    ],
)
def test_what_will_not_do_is_told(plugins, conn, name, why):
    with pytest.raises(SourceError, match=why) as told:
        registry.load_enricher(name, conn=conn)
    assert told.value.advice


def test_plugins_can_be_turned_off(plugins, conn, monkeypatch):
    with pytest.raises(SourceError, match="there is no enricher"):
        registry.load_enricher("mine", conn=conn, plugins=False)
    assert registry.enricher_names(plugins=False) == list(registry.OURS)
    monkeypatch.setenv(others.NO_PLUGINS, "1")
    assert registry.enricher_names() == list(registry.OURS)
