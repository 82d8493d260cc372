"""Which sources there are, and what happens to those of other packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from alertstore import plugins as others
from alertstore.errors import SourceError
from alertstore.sources import registry
from alertstore.sources.base import Source
from alertstore.sources.generic import Generic

OURS = [*registry.BUILT_IN, *registry.LAST]


class Mine(Generic):
    name = "mine"


class NoSource:
    name = "nothing"


@pytest.fixture
def plugins(monkeypatch):
    """Entry points of other packages: a class, an object, and four that will not do."""
    values = {
        "mine": f"{__name__}:Mine",
        "object": f"{__name__}:AN_OBJECT",
        "broken": "no_such_module:SOURCE",
        "nothing": f"{__name__}:NoSource",
        "alias": f"{__name__}:Mine",
        "suricata": f"{__name__}:Mine",
    }
    found = [EntryPoint(name, value, registry.GROUP) for name, value in values.items()]
    monkeypatch.setattr(others, "entry_points", lambda group: found if group == registry.GROUP else [])
    monkeypatch.delenv(others.NO_PLUGINS, raising=False)


AN_OBJECT = Mine()
AN_OBJECT.name = "object"


def test_ours_come_in_order_and_keep_the_protocol(monkeypatch):
    monkeypatch.setattr(others, "entry_points", lambda group: [])
    sources = registry.load_sources()
    assert [source.name for source in sources] == OURS
    assert OURS[-1] == "generic"
    assert set(OURS) == {
        path.stem for path in Path(registry.__file__).parent.glob("*.py") if "\nSOURCE = " in path.read_text(encoding="utf-8")
    }
    for source in sources:
        assert isinstance(source, Source)
        assert source.tool
        assert source.signature
        assert source.severities
        assert registry.load_source(source.name) is source


def test_others_come_before_generic_and_broken_ones_are_told(plugins):
    with pytest.warns(RuntimeWarning) as told:
        sources = registry.load_sources()
    assert [source.name for source in sources] == [*OURS[:-1], "mine", "object", "generic"]
    assert sorted(str(one.message).split("'")[1] for one in told) == ["alias", "broken", "nothing"]
    assert type(registry.load_source("suricata")).__name__ == "Suricata"


@pytest.mark.parametrize(
    ("name", "reason"), [("broken", "cannot be loaded: ModuleNotFoundError"), ("nothing", "not a Source"), ("alias", "calls itself 'mine'")]
)
def test_a_broken_one_is_an_error_when_asked_for(plugins, name, reason):
    with pytest.raises(SourceError, match=reason) as refused:
        registry.load_source(name)
    assert name in str(refused.value)
    assert refused.value.advice


def test_plugins_can_be_turned_off(plugins, monkeypatch):
    assert [source.name for source in registry.load_sources(plugins=False)] == OURS
    with pytest.raises(SourceError):
        registry.load_source("mine", plugins=False)
    assert registry.load_source("mine").name == "mine"
    monkeypatch.setenv(others.NO_PLUGINS, "1")
    assert [source.name for source in registry.load_sources()] == OURS


def test_an_unknown_name_lists_the_known(plugins):
    with pytest.raises(SourceError, match="no source 'snortt'") as refused:
        registry.load_source("snortt")
    assert "suricata" in refused.value.advice
    assert "mine" in refused.value.advice
