"""Rule files into the store: what `rules --load` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.cli.gate import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertstore.cli.output import Output
    from alertstore.cli.session import Session

FIRST_REFUSED = 10
COUNTS = ("added", "updated", "unchanged")


def load_rules(session: Session, out: Output, paths: Sequence[str], source: str | None, reason: str | None) -> None:
    """Read rule files; write what each path came to. The first fault ends it, what came before it stays."""
    with session.open("create") as store:
        rows = []
        for path in paths:
            done = store.load_rules(path, source=source, reason=reason)
            counts = {name: getattr(done, name) for name in COUNTS}
            rows.append({"path": path, **counts, "refused": [{"where": where, "why": why} for where, why in done.refused]})
    if not out.is_table:
        out.rows(rows, ["path", *COUNTS], ())
    for row in rows:
        counted = ", ".join(f"{row[name]:,} {name}" for name in COUNTS)
        say(f"rules of {row['path']}: {counted}, {len(row['refused']):,} refused")
        for one in row["refused"][:FIRST_REFUSED]:
            say(f"  refused: {one['where']}: {one['why']}")
        if len(row["refused"]) > FIRST_REFUSED:
            say(f"  refused: {len(row['refused']) - FIRST_REFUSED:,} more; --json has them all")
