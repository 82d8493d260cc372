"""alertstore: a system of record for security alerts in one SQLite file. See README.md.

Names are loaded when first used, so that `import alertstore` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alertstore.domain.alert import Alert as Alert
    from alertstore.domain.alert import AlertSummary as AlertSummary
    from alertstore.domain.alert import ContextDocument as ContextDocument
    from alertstore.domain.alert import DetectionRule as DetectionRule
    from alertstore.domain.alert import Finding as Finding
    from alertstore.domain.alert import Indicator as Indicator
    from alertstore.domain.alert import Occurrence as Occurrence
    from alertstore.domain.alert import Suggestion as Suggestion
    from alertstore.domain.bundle import BundleManifest as BundleManifest
    from alertstore.domain.comparison import RuleComparison as RuleComparison
    from alertstore.domain.dedup import DedupPolicy as DedupPolicy
    from alertstore.domain.dedup import Recurrence as Recurrence
    from alertstore.domain.dedup import RecurrencePolicy as RecurrencePolicy
    from alertstore.domain.drafts import NewAlert as NewAlert
    from alertstore.domain.drafts import NewRule as NewRule
    from alertstore.domain.enrichment import Answer as Answer
    from alertstore.domain.enrichment import IntelList as IntelList
    from alertstore.domain.events import Event as Event
    from alertstore.domain.events import EventKind as EventKind
    from alertstore.domain.lifecycle import LifecyclePolicy as LifecyclePolicy
    from alertstore.domain.manifest import Manifest as Manifest
    from alertstore.domain.metrics import AlertMetrics as AlertMetrics
    from alertstore.domain.metrics import Durations as Durations
    from alertstore.domain.metrics import Rate as Rate
    from alertstore.domain.metrics import RuleMetrics as RuleMetrics
    from alertstore.domain.plan import Conflict as Conflict
    from alertstore.domain.plan import SyncItem as SyncItem
    from alertstore.domain.plan import SyncPlan as SyncPlan
    from alertstore.domain.plan import SyncResult as SyncResult
    from alertstore.domain.proofs import ConsistencyProof as ConsistencyProof
    from alertstore.domain.proofs import InclusionProof as InclusionProof
    from alertstore.domain.query import Page as Page
    from alertstore.domain.suppression import Suppression as Suppression
    from alertstore.domain.syncpolicy import SyncPolicy as SyncPolicy
    from alertstore.domain.verdict import Problem as Problem
    from alertstore.domain.verdict import VerifyReport as VerifyReport
    from alertstore.domain.vocabulary import AlertStatus as AlertStatus
    from alertstore.domain.vocabulary import CloseClassification as CloseClassification
    from alertstore.domain.vocabulary import EnrichmentStatus as EnrichmentStatus
    from alertstore.domain.vocabulary import IndicatorType as IndicatorType
    from alertstore.domain.vocabulary import Malice as Malice
    from alertstore.domain.vocabulary import Severity as Severity
    from alertstore.errors import AlertNotFoundError as AlertNotFoundError
    from alertstore.errors import AlertStoreError as AlertStoreError
    from alertstore.errors import AlertValidationError as AlertValidationError
    from alertstore.errors import BundleError as BundleError
    from alertstore.errors import ClassificationRequiredError as ClassificationRequiredError
    from alertstore.errors import ConflictError as ConflictError
    from alertstore.errors import FieldProblem as FieldProblem
    from alertstore.errors import InvalidTransitionError as InvalidTransitionError
    from alertstore.errors import MissingExtraError as MissingExtraError
    from alertstore.errors import NotAStoreError as NotAStoreError
    from alertstore.errors import RemoteRejectedError as RemoteRejectedError
    from alertstore.errors import RemoteUnavailableError as RemoteUnavailableError
    from alertstore.errors import RollbackDetectedError as RollbackDetectedError
    from alertstore.errors import SchemaMismatchError as SchemaMismatchError
    from alertstore.errors import SchemaTooNewError as SchemaTooNewError
    from alertstore.errors import SchemaTooOldError as SchemaTooOldError
    from alertstore.errors import SourceError as SourceError
    from alertstore.errors import StorageError as StorageError
    from alertstore.errors import StoreBusyError as StoreBusyError
    from alertstore.errors import StoreDamagedError as StoreDamagedError
    from alertstore.errors import StoreFullError as StoreFullError
    from alertstore.errors import StoreMovedError as StoreMovedError
    from alertstore.errors import StoreReadOnlyError as StoreReadOnlyError
    from alertstore.errors import SyncError as SyncError
    from alertstore.signing import SigningKey as SigningKey
    from alertstore.storage.acquire import Acquisition as Acquisition
    from alertstore.storage.health import Health as Health
    from alertstore.storage.salvage import SalvagedTable as SalvagedTable
    from alertstore.storage.salvage import SalvageReport as SalvageReport
    from alertstore.store import AlertStore as AlertStore
    from alertstore.store.bundling import BundleResult as BundleResult
    from alertstore.store.bundling import ExportResult as ExportResult
    from alertstore.store.checkpoint import Checkpoint as Checkpoint
    from alertstore.store.comparing import Compared as Compared
    from alertstore.store.comparing import Comparison as Comparison
    from alertstore.store.results import BulkResult as BulkResult
    from alertstore.store.results import EnrichResult as EnrichResult
    from alertstore.store.results import ImportResult as ImportResult
    from alertstore.store.results import IngestResult as IngestResult
    from alertstore.store.results import ListResult as ListResult
    from alertstore.store.results import Rejection as Rejection
    from alertstore.store.results import RulesResult as RulesResult
    from alertstore.store.signatures import SignedCheckpoint as SignedCheckpoint
    from alertstore.sync.http import HttpRemote as HttpRemote
    from alertstore.sync.remote import Remote as Remote

__version__ = "0.1.0"

_HOMES = {
    "domain.alert": ("Alert", "AlertSummary", "ContextDocument", "DetectionRule", "Finding", "Indicator", "Occurrence", "Suggestion"),
    "domain.bundle": ("BundleManifest",),
    "domain.comparison": ("RuleComparison",),
    "domain.dedup": ("DedupPolicy", "Recurrence", "RecurrencePolicy"),
    "domain.drafts": ("NewAlert", "NewRule"),
    "domain.enrichment": ("Answer", "IntelList"),
    "domain.events": ("Event", "EventKind"),
    "domain.suppression": ("Suppression",),
    "domain.verdict": ("Problem", "VerifyReport"),
    "domain.lifecycle": ("LifecyclePolicy",),
    "domain.manifest": ("Manifest",),
    "domain.metrics": ("AlertMetrics", "Durations", "Rate", "RuleMetrics"),
    "domain.plan": ("Conflict", "SyncItem", "SyncPlan", "SyncResult"),
    "domain.proofs": ("ConsistencyProof", "InclusionProof"),
    "domain.query": ("Page",),
    "domain.syncpolicy": ("SyncPolicy",),
    "domain.vocabulary": ("AlertStatus", "CloseClassification", "EnrichmentStatus", "IndicatorType", "Malice", "Severity"),
    "errors": (
        "AlertNotFoundError", "AlertStoreError", "AlertValidationError", "BundleError", "ClassificationRequiredError",
        "ConflictError", "FieldProblem", "InvalidTransitionError", "MissingExtraError", "NotAStoreError", "RemoteRejectedError",
        "RemoteUnavailableError", "RollbackDetectedError", "SchemaMismatchError", "SchemaTooNewError", "SchemaTooOldError",
        "SourceError", "StorageError", "StoreBusyError", "StoreDamagedError", "StoreFullError", "StoreMovedError",
        "StoreReadOnlyError", "SyncError",
    ),
    "signing": ("SigningKey",),
    "store": ("AlertStore",),
    "store.bundling": ("BundleResult", "ExportResult"),
    "store.checkpoint": ("Checkpoint",),
    "store.comparing": ("Compared", "Comparison"),
    "store.signatures": ("SignedCheckpoint",),
    "storage.acquire": ("Acquisition",),
    "storage.health": ("Health",),
    "storage.salvage": ("SalvageReport", "SalvagedTable"),
    "store.results": ("BulkResult", "EnrichResult", "ImportResult", "IngestResult", "ListResult", "Rejection", "RulesResult"),
    "sync.http": ("HttpRemote",),
    "sync.remote": ("Remote",),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604 - the names are those of _HOMES


def __getattr__(name: str) -> object:
    """Load a public name's module (PEP 562)."""
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
