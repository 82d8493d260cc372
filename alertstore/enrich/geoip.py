"""Where an address is said to be, and whose network it is in: local databases in MaxMind's format (MMDB)."""

from __future__ import annotations

import os
from hashlib import file_digest
from typing import TYPE_CHECKING, Any

from alertstore.domain.enrichment import Answer
from alertstore.domain.times import SECOND, from_micros, is_representable, rfc3339
from alertstore.domain.vocabulary import IndicatorType
from alertstore.errors import MissingExtraError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_TEXT = 200
"""Characters of a name that is taken from a database."""

# Where databases keep what: those of MaxMind nested and with names by language, others flat.
_FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "country": (("country", "iso_code"), ("country_code",), ("country",)),
    "country_name": (("country", "names", "en"), ("country_name",)),
    "continent": (("continent", "code"), ("continent_code",)),
    "city": (("city", "names", "en"), ("city",)),
    "asn": (("autonomous_system_number",), ("asn",)),
    "organisation": (("autonomous_system_organization",), ("as_name",), ("as_organization",)),
}


class GeoIP:
    """Country, city, network and its owner. It gives no verdict."""

    name = "geoip"
    types: frozenset[str] = frozenset({IndicatorType.IP})

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        """Open the databases; where two know the same field, the first counts. Raises SourceError for what is no database."""
        if not paths:
            raise SourceError("geoip has no database to look in", advice="give the path of an .mmdb file")
        self._databases = [_opened(os.fspath(path)) for path in paths]

    def version(self) -> str:
        """The SHA-256 of each database."""
        return ",".join(sha256 for _, _, sha256 in self._databases)

    def look_up(self, indicators: Sequence[tuple[str, str]], now: int) -> list[Answer | None]:  # noqa: ARG002 - the protocol's
        """What the databases say of each address, and which they are. Raises what a damaged database raises."""
        return [self._one(value) for _, value in indicators]

    def _one(self, value: str) -> Answer | None:
        fields: dict[str, Any] = {}
        said: list[dict[str, str]] = []
        for reader, database, _ in self._databases:
            if ":" in value and reader.metadata().ip_version == 4:  # noqa: PLR2004 - IPv4
                continue
            row, length = reader.get_with_prefix_len(value)
            found = _fields(row) if isinstance(row, dict) else {}
            if found:
                fields = {"network_bits": length} | found | fields
                said.append(database)
        return Answer(extracted={**fields, "databases": said}) if fields else None

    def close(self) -> None:
        """Close the databases."""
        for reader, _, _ in self._databases:
            reader.close()


def _opened(path: str) -> tuple[Any, dict[str, str], str]:
    """A database: its reader, how answers name it, its SHA-256."""
    try:
        import maxminddb  # noqa: PLC0415 - an extra
    except ImportError:
        feature = "geoip"
        raise MissingExtraError(feature, "intel") from None
    try:
        with open(path, "rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        reader = maxminddb.open_database(path)
        about = reader.metadata()
        built = about.build_epoch * SECOND
        named = {"type": _short(str(about.database_type)), "version": sha256}
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as why:
        raise SourceError(f"{path} cannot be read as an MMDB database: {why}", advice="give an .mmdb file as it was published") from why
    return reader, named | ({"built": rfc3339(from_micros(built))} if is_representable(built) else {}), sha256


def _fields(row: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, places in _FIELDS.items():
        for place in places:
            value: Any = row
            for step in place:
                value = value.get(step) if isinstance(value, dict) else None
            if isinstance(value, str) and value:
                found.setdefault(name, _short(value))
            elif isinstance(value, int) and not isinstance(value, bool):
                found.setdefault(name, f"AS{value}" if name == "asn" else str(value))
    return found


def _short(text: str) -> str:
    return text[:LONGEST_TEXT]
