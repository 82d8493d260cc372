"""The domain that somebody registered, above which are public suffixes: of a domain, a url's host, an email address."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from alertstore.domain.enrichment import Answer
from alertstore.domain.vocabulary import IndicatorType
from alertstore.enrich.spelling import host_of
from alertstore.errors import MissingExtraError, SourceError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_MARK = b"===BEGIN ICANN DOMAINS==="


class RegisteredDomain:
    """Names the registrable domain and the public suffix under which it is. It gives no verdict."""

    name = "registered-domain"
    types: frozenset[str] = frozenset({IndicatorType.DOMAIN, IndicatorType.URL, IndicatorType.EMAIL})

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        """Read the public suffix list: the one that the package brings, or the one at a path. Raises SourceError for another file."""
        try:
            import publicsuffixlist  # noqa: PLC0415 - an extra
        except ImportError:
            feature = "registered-domain"
            raise MissingExtraError(feature, "intel") from None
        where = publicsuffixlist.PSLFILE if path is None else path
        try:
            with open(where, "rb") as file:
                text = file.read()
        except OSError as why:
            raise SourceError(f"{where} cannot be opened: {why.strerror}", advice="check the path and its permissions") from why
        if _MARK not in text:
            raise SourceError(f"{where} is not the public suffix list", advice="give public_suffix_list.dat as it was published")
        self._sha256 = sha256(text).hexdigest()
        self._list = publicsuffixlist.PublicSuffixList(text)

    def version(self) -> str:
        """The SHA-256 of the list."""
        return self._sha256

    def look_up(self, indicators: Sequence[tuple[str, str]], now: int) -> list[Answer | None]:  # noqa: ARG002 - the protocol's
        """Registered domain and public suffix of each; None where there is no domain in it, or only a suffix."""
        return [self._one(kind, value) for kind, value in indicators]

    def _one(self, kind: str, value: str) -> Answer | None:
        host = (kind, value) if kind == IndicatorType.DOMAIN else host_of(kind, value)
        if host is None or host[0] != IndicatorType.DOMAIN:
            return None
        registered = self._list.privatesuffix(host[1])
        if registered is None:
            return None
        return Answer(extracted={"registered_domain": registered, "public_suffix": registered.partition(".")[2]})
