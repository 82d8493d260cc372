"""Every error that alertstore raises; catch `AlertStoreError` to catch them all.

AlertStoreError                 .advice: what to do next
├─ AlertValidationError         .problems: every problem at once, each (path, message, given)
│  ├─ InvalidTransitionError    .current .requested .allowed
│  └─ ClassificationRequiredError
├─ AlertNotFoundError           (also LookupError)
├─ ConflictError                .current: the alert as it is now
├─ SourceError                  unknown tool, unreadable file
├─ StorageError
│  ├─ StoreBusyError  StoreReadOnlyError  StoreFullError  StoreMovedError  StoreDamagedError
│  └─ NotAStoreError  SchemaTooNewError  SchemaTooOldError  SchemaMismatchError  RollbackDetectedError
├─ SyncError
│  └─ RemoteUnavailableError  .maybe_done   RemoteRejectedError  BundleError
└─ MissingExtraError            names the pip extra to install
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alertstore.domain.alert import Alert


class FieldProblem(NamedTuple):
    """One thing that is wrong with a value: where it stands, what is wrong, what was given."""

    path: str
    message: str
    given: object


class AlertStoreError(Exception):
    """Something alertstore refused or could not do; `advice` says what to do next (may be empty)."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Say what was wrong and where; `advice` is one sentence on what would be right."""
        super().__init__(message)
        self.advice = advice


class AlertValidationError(AlertStoreError):
    """A value breaks a rule of the contract; `problems` lists all that is wrong with it."""

    def __init__(self, problems: Iterable[FieldProblem], *, advice: str = "") -> None:
        """Take every problem found; the message joins them."""
        self.problems: tuple[FieldProblem, ...] = tuple(problems)
        super().__init__("; ".join(f"{p.path}: {p.message}" for p in self.problems), advice=advice)


class InvalidTransitionError(AlertValidationError):
    """The lifecycle has no such step."""

    def __init__(self, problem: FieldProblem, *, current: str, requested: str, allowed: Sequence[str]) -> None:
        """Name the step that was asked for and those that exist from here."""
        super().__init__([problem], advice=f"from {current} an alert can go to: {', '.join(allowed) or 'nowhere'}")
        self.current = current
        self.requested = requested
        self.allowed = tuple(allowed)


class ClassificationRequiredError(AlertValidationError):
    """Closing needs a close_classification in the same patch."""


class AlertNotFoundError(AlertStoreError, LookupError):
    """No alert (or rule, document, indicator) by that name in this store."""


class ConflictError(AlertStoreError):
    """The alert was edited since the caller read it; `current` is the alert as it is now."""

    def __init__(self, message: str, *, current: Alert | None, advice: str = "") -> None:
        """Carry the present state, so that the caller can decide again."""
        super().__init__(message, advice=advice)
        self.current = current


class SourceError(AlertStoreError):
    """A file or record that no source can read, or a source that does not exist."""


class StorageError(AlertStoreError):
    """The store file could not be opened, read or written."""


class StoreBusyError(StorageError):
    """Another process held the write lock for longer than the busy timeout."""


class StoreReadOnlyError(StorageError):
    """A write to a store that is open, or protected, for reading only."""


class StoreFullError(StorageError):
    """No space left for the write; nothing of it was kept."""


class StoreMovedError(StorageError):
    """The file at the store's path is no longer the one that was opened."""


class StoreDamagedError(StorageError):
    """SQLite found the file malformed, or could not read or write it."""


class NotAStoreError(StorageError):
    """There is no alertstore file at that path."""


class SchemaTooNewError(StorageError):
    """The file was written by a newer alertstore; it was not touched."""


class SchemaTooOldError(StorageError):
    """The file was written by an older alertstore; `AlertStore.migrate` brings it up to date."""


class SchemaMismatchError(StorageError):
    """Tables, views or triggers are not those that alertstore makes."""


class RollbackDetectedError(StorageError):
    """The store is older than a checkpoint that was taken from it."""


class SyncError(AlertStoreError):
    """Exchange with a remote or a bundle failed."""


class RemoteUnavailableError(SyncError):
    """The remote could not be reached, or kept failing. `maybe_done`: whether the request may have had its effect all the same."""

    def __init__(self, message: str, *, advice: str = "", maybe_done: bool = False) -> None:
        """Say what happened."""
        super().__init__(message, advice=advice)
        self.maybe_done = maybe_done


class RemoteRejectedError(SyncError):
    """The remote refused a request for good."""


class BundleError(SyncError):
    """A bundle is damaged, forged or incomplete; nothing of it was taken."""


class MissingExtraError(AlertStoreError):
    """A feature whose optional packages are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        """Name the feature and the extra that brings it."""
        super().__init__(f"{feature} needs packages that are not installed", advice=f"pip install 'alertstore[{extra}]'")
        self.extra = extra
