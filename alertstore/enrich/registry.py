"""The enrichers there are: our own, loaded when wanted, and those that installed packages bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore import plugins as others
from alertstore.enrich.base import Enricher
from alertstore.errors import SourceError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

GROUP = "alertstore.enrichers"
"""Entry points of this group name an `Enricher`: an object, or a class made without arguments."""

OURS = ("lists", "special-purpose", "registered-domain", "geoip")


def enricher_names(*, plugins: bool = True) -> list[str]:
    """The names of all enrichers, our own first."""
    return [*OURS, *(entry.name for entry in others.entries(GROUP, OURS) if plugins)]


def load_enricher(name: str, *, conn: sqlite3.Connection, databases: Sequence[str] = (), plugins: bool = True) -> Enricher:
    """The enricher of that name. `conn` is for `lists`, which are in the store; `databases` are MMDB files for `geoip`.

    Raises SourceError naming the known ones, or saying why one did not load; MissingExtraError for packages that are missing.
    """
    if name in OURS:
        return _ours(name, conn, databases)
    entries = {entry.name: entry for entry in others.entries(GROUP, OURS)} if plugins else {}
    if name in entries:
        return others.load(entries[name], Enricher, "enricher")  # type: ignore[type-abstract]  # a protocol to hold it against
    raise SourceError(f"there is no enricher {name!r}", advice=f"known are: {', '.join([*OURS, *entries])}")


def _ours(name: str, conn: sqlite3.Connection, databases: Sequence[str]) -> Enricher:
    # Each is imported when it is wanted: two of them need packages of an extra.
    if name == "lists":
        from alertstore.enrich.listed import Listed  # noqa: PLC0415 - as above

        return Listed(conn)
    if name == "special-purpose":
        from alertstore.enrich.special_purpose import SpecialPurpose  # noqa: PLC0415 - as above

        return SpecialPurpose()
    if name == "registered-domain":
        from alertstore.enrich.registered_domain import RegisteredDomain  # noqa: PLC0415 - as above

        return RegisteredDomain()
    from alertstore.enrich.geoip import GeoIP  # noqa: PLC0415 - as above

    return GeoIP(databases)
