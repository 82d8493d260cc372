"""What other installed packages bring: the entry points of a group, each loaded and looked at before it is used."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypeVar

from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Container

NO_PLUGINS = "ALERTSTORE_NO_PLUGINS"
"""Environment variable; anything in it leaves out what other packages bring."""

_ADVICE = f"mend or uninstall the package, or set {NO_PLUGINS}=1"
_T = TypeVar("_T")


def entries(group: str, ours: Container[str]) -> list[EntryPoint]:
    """Others' entry points of a group, by name. A package cannot put itself in the place of one of our own."""
    if os.environ.get(NO_PLUGINS):
        return []
    return sorted((entry for entry in entry_points(group=group) if entry.name not in ours), key=lambda entry: entry.name)


def load(entry: EntryPoint, protocol: type[_T], word: str) -> _T:
    """What an entry point names: an object, or a class made without arguments, of the protocol, named as the entry point is.

    Raises SourceError, calling it by `word`, for anything else.
    """
    plugin = f"{word} {entry.name!r} ({entry.value})"
    try:
        found = entry.load()
        made = found() if isinstance(found, type) else found
    except Exception as why:  # whatever another package raises while it is imported
        raise SourceError(f"{plugin} cannot be loaded: {type(why).__name__}: {why}", advice=_ADVICE) from why
    if not isinstance(made, protocol):
        raise SourceError(f"{plugin} is not a {protocol.__name__}", advice=f"see {protocol.__module__}")
    name = getattr(made, "name", None)
    if name != entry.name:
        raise SourceError(f"{plugin} calls itself {name!r}", advice=f"name the entry point as the {word}")
    return made
