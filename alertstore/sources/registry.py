"""The sources there are: our own by module, loaded when wanted, and those that installed packages bring."""

from __future__ import annotations

import importlib
import os
import warnings
from importlib.metadata import EntryPoint, entry_points

from alertstore.errors import SourceError
from alertstore.sources.base import Source

GROUP = "alertstore.sources"
"""Entry points of this group name a `Source`: an object, or a class made without arguments."""
NO_PLUGINS = "ALERTSTORE_NO_PLUGINS"
"""Environment variable; anything in it leaves the sources of other packages out."""

# In the order in which they are asked; generic takes what is left, so others' sources come before it.
BUILT_IN = {name: f"alertstore.sources.{name}" for name in ("suricata", "elastic", "sentinel", "splunk", "zeek", "hayabusa")}
LAST = {"generic": "alertstore.sources.generic"}
_ADVICE = f"mend or uninstall the package, or set {NO_PLUGINS}=1"


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
    """Others' entry points, by name. A package cannot put itself in the place of one of our own."""
    if os.environ.get(NO_PLUGINS):
        return []
    ours = BUILT_IN | LAST
    return sorted((entry for entry in entry_points(group=GROUP) if entry.name not in ours), key=lambda entry: entry.name)


def _built_in(path: str) -> Source:
    source: Source = importlib.import_module(path).SOURCE
    return source


def _plugin(entry: EntryPoint) -> Source:
    plugin = f"source {entry.name!r} ({entry.value})"
    try:
        found = entry.load()
        source = found() if isinstance(found, type) else found
    except Exception as why:  # whatever another package raises while it is imported
        raise SourceError(f"{plugin} cannot be loaded: {type(why).__name__}: {why}", advice=_ADVICE) from why
    if not isinstance(source, Source):
        raise SourceError(f"{plugin} is not a Source", advice="see alertstore.sources.base")
    if source.name != entry.name:
        raise SourceError(f"{plugin} calls itself {source.name!r}", advice="name the entry point as the source")
    return source
