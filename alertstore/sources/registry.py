"""The sources there are: our own by module, loaded when wanted, and those that installed packages bring."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING

from alertstore import plugins as others
from alertstore.errors import SourceError
from alertstore.sources.base import Source

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "alertstore.sources"
"""Entry points of this group name a `Source`: an object, or a class made without arguments."""

# In the order in which they are asked; generic takes what is left, so others' sources come before it.
_NAMES = (
    "suricata",
    "elastic",
    "sentinel",
    "splunk",
    "zeek",
    "hayabusa",
    "crowdstrike",
    "carbonblack",
    "sentinelone",
    "falco",
    "socradar",
    "canary",
    "chainsaw",
    "proofpoint",
    "guardduty",
    "zircolite",
    "stix",
    "misp",
    "securityhub",
    "wazuh",
    "thehive",
    "ocsf",
    "prowler",
    "defender",
    "cef",
    "snort3",
    "googlesecops",
    "leef",
    "alertlogic",
    "wiz",
    "orca",
    "velociraptor",
    "kubescape",
    "upwind",
)
BUILT_IN = {name: f"alertstore.sources.{name}" for name in _NAMES}
LAST = {"generic": "alertstore.sources.generic"}


def load_sources(*, plugins: bool = True) -> list[Source]:
    """Every source in the order in which they are asked. A plugin that does not load is left out with a warning."""
    loaded = [_built_in(path) for path in BUILT_IN.values()]
    for entry in _entries() if plugins else ():
        try:
            loaded.append(_plugin(entry))
        except SourceError as why:
            warnings.warn(str(why), RuntimeWarning, stacklevel=2)
    return loaded + [_built_in(path) for path in LAST.values()]


def load_source(name: str, *, plugins: bool = True) -> Source:
    """The source of that name; SourceError naming the known ones, or saying why a plugin did not load."""
    ours = BUILT_IN | LAST
    if name in ours:
        return _built_in(ours[name])
    entries = {entry.name: entry for entry in _entries()} if plugins else {}
    if name in entries:
        return _plugin(entries[name])
    raise SourceError(f"there is no source {name!r}", advice=f"known are: {', '.join([*BUILT_IN, *entries, *LAST])}")


def _entries() -> list[EntryPoint]:
    return others.entries(GROUP, BUILT_IN | LAST)


def _built_in(path: str) -> Source:
    source: Source = importlib.import_module(path).SOURCE
    return source


def _plugin(entry: EntryPoint) -> Source:
    return others.load(entry, Source, "source")  # type: ignore[type-abstract]  # a protocol to hold it against
