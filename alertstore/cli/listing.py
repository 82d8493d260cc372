"""Lists of indicators into the store: what `lists --load` does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.enriching import changes, many
from alertstore.cli.gate import REFUSED, complain, say
from alertstore.cli.output import plain
from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alertstore.cli.output import Output
    from alertstore.cli.session import Session
    from alertstore.store.results import ListResult

FIRST_REFUSED = 10
FIRST_UNREAD = 20
FIELDS = (
    "path", "list.name", "list.kind", "list.malice", "list.sha256", "list.entries", "list.refused", "unchanged",
    "judged.indicators", "judged.changed", "judged.verdicts",
)  # fmt: skip


def load_lists(session: Session, out: Output, paths: Sequence[str], **how: str | None) -> None:
    """Read lists from files and folders; say what each changed. A file that is named and is no list is a fault; in a folder it is listed.

    Where nothing could be read, there is no new store afterwards.
    """
    if how["name"] is not None and (len(paths) > 1 or os.path.isdir(paths[0])):
        message = "--name goes with one file"
        raise click.UsageError(message)
    there = os.path.lexists(session.path)
    if not there and not any(map(os.path.exists, paths)):
        raise SourceError(f"there is no file {', '.join(paths)}", advice="name a list, or a folder of lists; no store was made")
    code, done, unread = 0, list[dict[str, Any]](), list[str]()
    with session.open("create") as store:
        for path, of_folder in _files(paths):
            try:
                result = store.load_list(path, **how)
            except SourceError as fault:
                if of_folder:
                    unread.append(f"{path}: {fault}")
                else:
                    code = complain(fault)
                continue
            _say(path, result, [one["path"] for one in done if one["list"]["name"] == result.list.name])
            done.append(_row(path, result))
    if not there and not done:
        os.unlink(session.path)
    if done and not out.is_table:
        out.rows(done, FIELDS, ())
    _say_unread(unread)
    click.get_current_context().exit(code or (0 if done else REFUSED))


def _files(paths: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The files that are meant, and whether each was found in a folder; hidden ones, and what is linked from elsewhere, are not."""
    for path in paths:
        if not os.path.isdir(path):
            yield path, False
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                file = os.path.join(folder, name)
                if not name.startswith(".") and os.path.isfile(file) and not os.path.islink(file):
                    yield file, True


def _row(path: str, result: ListResult) -> dict[str, Any]:
    said: dict[str, Any] = plain(result)
    return {"path": path, **said, "refused": [{"line": line, "reason": reason} for line, reason in said["refused"]]}


def _say(path: str, result: ListResult, before: Sequence[str]) -> None:
    """What came of one file; `before`: files of this call that made a list of the same name."""
    one, judged = result.list, result.judged
    if result.unchanged:
        say(f"{path}: list {one.name!r} is in the store already")
        return
    says = "" if one.malice is None else f", a hit says {one.malice}"
    say(f"{path}: list {one.name!r} ({one.kind}{says}), {one.entries:,} entries, {one.refused:,} refused")
    for line, reason in result.refused[:FIRST_REFUSED]:
        say(f"  refused: line {line:,}: {reason}")
    if one.refused > FIRST_REFUSED:
        say(f"  refused: {one.refused - FIRST_REFUSED:,} more")
    if before:
        say(f"  took the place of {before[-1]}, which has the same name; --name gives it another")
    if judged.indicators:
        say(f"  judged anew: {many(judged.indicators, 'indicator')}: {changes(judged)}")


def _say_unread(unread: Sequence[str]) -> None:
    for words in unread[:FIRST_UNREAD]:
        say(f"  not read: {words}")
    if len(unread) > FIRST_UNREAD:
        say(f"  not read: {len(unread) - FIRST_UNREAD:,} more files")
