"""The contract's words: every set of allowed values, with its exact strings and its order."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class AlertStatus(StrEnum):
    """Where an alert stands in its investigation: Open → Triaging / Escalated → Closed."""

    OPEN = "Open"
    TRIAGING = "Triaging"
    ESCALATED = "Escalated"
    CLOSED = "Closed"


class Severity(StrEnum):
    """How bad an alert is, lowest first; Pending means not rated yet."""

    PENDING = "Pending"
    INFORMATIONAL = "Informational"
    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"

    @property
    def rank(self) -> int:
        """Position in the order, 0 for Pending."""
        return _SEVERITY_RANK[self]


_SEVERITY_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class CloseClassification(StrEnum):
    """The verdict on a closed alert."""

    TRUE_POSITIVE_SUSPICIOUS_ACTIVITY = "True Positive - Suspicious Activity"
    BENIGN_POSITIVE_SUSPICIOUS_BUT_EXPECTED = "Benign Positive - Suspicious but Expected"
    FALSE_POSITIVE_INCORRECT_DETECTION_LOGIC = "False Positive - Incorrect Detection Logic"
    FALSE_POSITIVE_INACCURATE_DATA = "False Positive - Inaccurate Data"
    UNDETERMINED = "Undetermined"
    DUPLICATE = "Duplicate"
    NOT_APPLICABLE = "Not Applicable"

    @property
    def is_false_positive(self) -> bool:
        """Whether it counts toward the false positive rate: any value starting with 'False Positive' (API page)."""
        return self.startswith("False Positive")

    @property
    def is_true_positive(self) -> bool:
        """Whether it counts toward the true positive rate."""
        return self.startswith("True Positive")

    @property
    def is_benign_positive(self) -> bool:
        """Whether the detection was right and the activity was expected."""
        return self.startswith("Benign Positive")


class Malice(StrEnum):
    """A verdict on an indicator or an alert, least bad first."""

    PENDING = "Pending"
    BENIGN = "Benign"
    SUSPICIOUS = "Suspicious"
    MALICIOUS = "Malicious"

    @property
    def rank(self) -> int:
        """Position in the order, 0 for Pending."""
        return _MALICE_RANK[self]


_MALICE_RANK = {malice: rank for rank, malice in enumerate(Malice)}


def worst_malice(verdicts: Iterable[Malice]) -> Malice:
    """The worst of the verdicts (Malicious > Suspicious > Benign > Pending); Pending where there is none."""
    return max(verdicts, key=_MALICE_RANK.__getitem__, default=Malice.PENDING)


class EnrichmentStatus(StrEnum):
    """How far enrichment has come; set by the system, never by a patch."""

    PENDING = "Pending"
    ENRICHED = "Enriched"
    FAILED = "Failed"


class IndicatorType(StrEnum):
    """The kinds of indicator."""

    IP = "ip"
    DOMAIN = "domain"
    HASH_MD5 = "hash_md5"
    HASH_SHA1 = "hash_sha1"
    HASH_SHA256 = "hash_sha256"
    URL = "url"
    EMAIL = "email"
    ACCOUNT = "account"


class Confidence(StrEnum):
    """How sure the author of a finding is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class DocumentType(StrEnum):
    """The kinds of context document."""

    RUNBOOK = "runbook"
    IR_PLAN = "ir_plan"
    SOP = "sop"
    PLAYBOOK = "playbook"
    DETECTION_GUIDE = "detection_guide"
    OTHER = "other"
