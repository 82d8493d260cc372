"""The names of the API page are there, and mean what it says."""

from __future__ import annotations

import inspect

import attrs
import pytest

import alertstore
from alertstore import AlertStore, errors

METHODS = [
    "open",
    "close",
    "ingest",
    "add",
    "alerts",
    "count",
    "get",
    "patch",
    "close_alert",
    "patch_many",
    "metrics",
    "rule_metrics",
    "history",
    "events",
    "checkpoint",
    "verify",
    "backup",
    "migrate",
    "add_finding",
    "add_indicators",
    "set_indicator_malice",
    "indicator",
    "rules",
    "add_rule",
    "patch_rule",
    "documents",
    "add_document",
    "patch_document",
    "delete_document",
    "delete_alert",
    "imports",
    "rejected_records",
    "occurrences",
    "related",
]
WRITES = [
    "ingest",
    "add",
    "patch",
    "close_alert",
    "patch_many",
    "add_finding",
    "add_indicators",
    "set_indicator_malice",
    "add_rule",
    "patch_rule",
    "add_document",
    "patch_document",
    "delete_document",
    "delete_alert",
]
TREE = {
    "AlertValidationError": "AlertStoreError", "InvalidTransitionError": "AlertValidationError", "ClassificationRequiredError": "AlertValidationError",
    "AlertNotFoundError": "AlertStoreError", "ConflictError": "AlertStoreError", "SourceError": "AlertStoreError", "StorageError": "AlertStoreError",
    "StoreBusyError": "StorageError", "StoreReadOnlyError": "StorageError", "StoreFullError": "StorageError", "StoreMovedError": "StorageError",
    "StoreDamagedError": "StorageError", "NotAStoreError": "StorageError", "SchemaTooNewError": "StorageError", "SchemaTooOldError": "StorageError",
    "SchemaMismatchError": "StorageError", "RollbackDetectedError": "StorageError", "SyncError": "AlertStoreError", "RemoteUnavailableError": "SyncError",
    "RemoteRejectedError": "SyncError", "BundleError": "SyncError", "MissingExtraError": "AlertStoreError",
}  # fmt: skip
FIELDS = {
    "Event": "seq id at actor kind subject changes reason origin body",
    "Checkpoint": "size root",
    "VerifyReport": "ok depth size root assurance problems",
    "ImportResult": "id path source new duplicates seen skipped rejected first_rejections",
    "BulkResult": "changed unchanged refused dry_run",
    "IngestResult": "alert outcome",
    "Occurrence": "occurred_at raw sha256 source_name",
    "Page": "items next",
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    method = getattr(AlertStore, name)
    assert callable(method)
    assert inspect.getdoc(method)


@pytest.mark.parametrize("name", WRITES)
def test_every_write_takes_reason_and_actor(name):
    parameters = inspect.signature(getattr(AlertStore, name)).parameters
    assert {"reason", "actor"} <= set(parameters)
    assert all(parameters[one].kind is inspect.Parameter.KEYWORD_ONLY for one in ("reason", "actor"))


def test_open_takes_what_the_page_says():
    parameters = inspect.signature(AlertStore.open).parameters
    assert list(parameters)[:10] == ["path", "mode", "actor", "clock", "ids", "policy", "dedup", "durability", "busy_timeout", "plugins"]
    assert (parameters["mode"].default, parameters["actor"].default, parameters["durability"].default) == ("create", "local", "full")


@pytest.mark.parametrize(("name", "base"), TREE.items())
def test_errors(name, base):
    one = getattr(alertstore, name)
    assert one.__bases__[0] is getattr(errors, base)
    assert issubclass(one, alertstore.AlertStoreError)
    assert one is getattr(errors, name)


def test_what_errors_carry():
    assert issubclass(alertstore.AlertNotFoundError, LookupError)
    assert alertstore.AlertStoreError("m", advice="a").advice == "a"
    problem = alertstore.FieldProblem("status", "is wrong", "x")
    refusal = alertstore.InvalidTransitionError(problem, current="Closed", requested="Open", allowed=[])
    assert (refusal.problems, refusal.current, refusal.requested, refusal.allowed) == ((problem,), "Closed", "Open", ())
    assert "nowhere" in refusal.advice
    missing = alertstore.MissingExtraError("the command line", "cli")
    assert (missing.extra, missing.advice) == ("cli", "pip install 'alertstore[cli]'")
    assert alertstore.ConflictError("m", current=1).current == 1


@pytest.mark.parametrize(("name", "fields"), FIELDS.items())
def test_values(name, fields):
    value = getattr(alertstore, name)
    assert attrs.has(value)
    assert set(fields.split()) <= set(dir(value))


def test_every_public_name_is_there():
    for name in alertstore.__all__:
        assert getattr(alertstore, name) is not None
    assert set(alertstore.__all__) <= set(dir(alertstore))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = alertstore.no_such_name


def test_the_names_for_tests():
    import alertstore.testing as names

    assert {"seeded_ids", "alerts", "patches", "hostile_text", "FrozenClock", "register_strategies"} <= set(dir(names))
    for name in names.__all__:
        assert callable(getattr(names, name))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = names.no_such_name


def test_a_frozen_value_cannot_be_changed(alert_store):
    from alertstore.testing import make_alert

    alert = make_alert(alert_store)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        alert.status = "Closed"
    assert hash(alert_store.checkpoint()) == hash(alert_store.checkpoint())
