"""Detection rules in the files that people write them in: what they are called, how bad, which ATT&CK, what their authors say.

Only what is told of a rule is read, never run: its detection logic is left alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertstore.domain.drafts import NewRule

LARGEST_FILE = 256 << 20
"""Bytes of a file of rules; the largest collections have some 60 MB."""

SIGMA = "sigma"
"""The `source_name` of Sigma rules: whichever tool ran them, their ids are the same."""
SURICATA = "suricata"
_KINDS = {".yml": SIGMA, ".yaml": SIGMA, ".rules": SURICATA}


class Found(NamedTuple):
    """A rule of a file, or why there is none: `where` is the file, and the place in it where it has several."""

    where: str
    rule: NewRule | None
    why: str = ""


def read_rules(path: str, source: str | None) -> Iterator[Found]:
    """The rules of a file, or of every rule file in a folder, by their names: `.yml` and `.yaml` are Sigma's, `.rules` Suricata's
    or Snort's. `source` is whose alerts they belong to, where that is not Sigma or Suricata.

    Raises `SourceError` for a file that cannot be read, or is no file of rules; in a folder, such files are passed over.
    Raises `MissingExtraError` for Sigma rules without the extra `rules`.
    """
    if not os.path.isdir(path):
        yield from _file(path, _shown(os.path.basename(path)), source)
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in _KINDS and os.path.isfile(whole := os.path.join(folder, name)):
                where = _shown(os.path.relpath(whole, path))
                try:
                    yield from _file(whole, where, source)
                except SourceError as why:
                    yield Found(where, None, str(why))


def _file(path: str, where: str, source: str | None) -> Iterator[Found]:
    kind = _KINDS.get(os.path.splitext(path)[1].lower())
    if kind is None:
        raise SourceError(
            f"{where} is no file of rules", advice="name a Sigma rule (.yml), a .rules file of Suricata or Snort, or a folder"
        )
    text = _text(path, where)
    if kind == SIGMA:
        from alertstore.sources.sigmarules import sigma_rules  # noqa: PLC0415 - an extra

        yield from sigma_rules(text, where, source or SIGMA)
    else:
        from alertstore.sources.suricatarules import suricata_rules  # noqa: PLC0415 - only for such files

        yield from suricata_rules(text, where, source or SURICATA)


def _shown(name: str) -> str:
    """A file's name as text that can be kept: it may be no text at all."""
    return name.encode(errors="replace").decode()


def _text(path: str, where: str) -> str:
    """The file's text; bytes that are no UTF-8 (in comments, mostly) show as U+FFFD."""
    try:
        with open(path, "rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as fault:
        raise SourceError(f"{where} cannot be read: {fault.strerror}", advice="name a file that you may read") from fault
    if len(raw) > LARGEST_FILE:
        raise SourceError(f"{where} is larger than {LARGEST_FILE >> 20} MiB", advice="split it")
    return raw.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").replace("\0", "\ufffd")
