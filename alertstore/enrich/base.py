"""What an enricher is: one class that says what a list, a database or a registry on this machine knows of indicators.

It is found by an entry point of the group `alertstore.enrichers`. It asks nobody: what it knows it brings along or was given
as a file. Batches, results, verdicts and failures are the store's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertstore.domain.enrichment import Answer


@runtime_checkable
class Enricher(Protocol):
    """A provider of what is known of indicators."""

    name: str
    """The provider's name in `enrichment_results`."""
    types: frozenset[str]
    """The indicator types that it can say something about; it is asked about no others."""

    def version(self) -> str:
        """What its answers depend on besides the indicator and the time: the same version gives the same answer."""
        ...

    def look_up(self, indicators: Sequence[tuple[str, str]], now: int) -> Sequence[Answer | None]:
        """An answer for each indicator (type, canonical value), in their order; None where nothing is known of one.

        `now` is in microseconds. Whatever is raised is the provider's failure for these indicators, and nobody else's.
        """
        ...
