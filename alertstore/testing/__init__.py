"""For the tests of programs that use alertstore (extra `testing`): a clock and ids that repeat, factories, strategies, a remote.

pytest finds the fixtures `alert_store`, `frozen_clock` and `fake_remote` by itself, hypothesis the strategies of our types. Names are
loaded when first used: what a test does not ask for is not imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alertstore.testing.clock import FrozenClock as FrozenClock
    from alertstore.testing.enricher_contract import EnricherContract as EnricherContract
    from alertstore.testing.factories import generic_alert as generic_alert
    from alertstore.testing.factories import make_alert as make_alert
    from alertstore.testing.factories import replay as replay
    from alertstore.testing.factories import suricata_alert as suricata_alert
    from alertstore.testing.factories import write_jsonl as write_jsonl
    from alertstore.testing.ids import seeded_ids as seeded_ids
    from alertstore.testing.machine import StoreMachine as StoreMachine
    from alertstore.testing.remote import FakeRemote as FakeRemote
    from alertstore.testing.remote_contract import RemoteContract as RemoteContract
    from alertstore.testing.remote_http import FakeRemoteServer as FakeRemoteServer
    from alertstore.testing.source_contract import SourceContract as SourceContract
    from alertstore.testing.strategies import alert_patches as alert_patches
    from alertstore.testing.strategies import alerts as alerts
    from alertstore.testing.strategies import histories as histories
    from alertstore.testing.strategies import hostile_text as hostile_text
    from alertstore.testing.strategies import new_alerts as new_alerts
    from alertstore.testing.strategies import patches as patches

_HOMES = {
    "clock": ("FrozenClock",),
    "enricher_contract": ("EnricherContract",),
    "factories": ("generic_alert", "make_alert", "replay", "suricata_alert", "write_jsonl"),
    "ids": ("seeded_ids",),
    "machine": ("StoreMachine",),
    "remote": ("FakeRemote",),
    "remote_contract": ("RemoteContract",),
    "remote_http": ("FakeRemoteServer",),
    "source_contract": ("SourceContract",),
    "strategies": ("alert_patches", "alerts", "histories", "hostile_text", "new_alerts", "patches"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["register_strategies", *sorted(_HOME)]  # noqa: PLE0604 - the names are those of _HOMES


def register_strategies() -> None:
    """Teach hypothesis our types, so that `st.from_type(NewAlert)` and `st.builds` give what a store can meet.

    Enums and values that only a store makes (an `Alert`) are left to hypothesis, or to a store.
    """
    from hypothesis import strategies as st  # noqa: PLC0415 - only hypothesis calls this

    from alertstore.domain.changes import AlertPatch  # noqa: PLC0415 - as above
    from alertstore.domain.drafts import NewAlert  # noqa: PLC0415 - as above

    def of(name: str) -> st.SearchStrategy[object]:
        found: st.SearchStrategy[object] = getattr(import_module(f"{__name__}.strategies"), name)()
        return found

    st.register_type_strategy(AlertPatch, lambda _: of("alert_patches"))
    st.register_type_strategy(NewAlert, lambda _: of("new_alerts"))


def __getattr__(name: str) -> object:
    """Load a public name's module (PEP 562)."""
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
