"""Detection rules and context documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.intake import rule_facts
from alertstore.domain.surroundings import decide_document, decide_document_deletion, decide_document_edit, decide_rule_edit
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem
from alertstore.storage import catalog
from alertstore.store.base import act
from alertstore.store.rulefiles import LoadingRules

if TYPE_CHECKING:
    from uuid import UUID

    from alertstore.domain.alert import ContextDocument, DetectionRule
    from alertstore.domain.drafts import NewRule


class Catalog(LoadingRules):
    """What stands around alerts."""

    def rules(self) -> list[DetectionRule]:
        """All detection rules, by source and name."""
        with self._read() as conn:
            return catalog.rules(conn)

    def rule(self, uuid: str | UUID) -> DetectionRule:
        """A detection rule by its uuid. Raises `AlertNotFoundError`."""
        with self._read() as conn:
            found = catalog.rule(conn, str(uuid))
        if found is None:
            raise AlertNotFoundError(f"no detection rule {uuid} in this store", advice="rules() lists those there are")
        return found

    def add_rule(self, name: str, *, reason: str | None = None, actor: str | None = None, **fields: Any) -> DetectionRule:
        """Add a detection rule: name, source_rule_id, source_name, severity, is_active, mitre_tactics, mitre_techniques,
        mitre_subtechniques, data_sources, run_frequency, documentation.

        Raises `AlertValidationError`, also where the source has a rule of that id already.
        """
        from alertstore.wire.requests import read_rule

        rule: NewRule = read_rule({"name": name, **fields})
        by = self._by(actor, reason)
        with self._write() as transaction:
            if catalog.has_rule(transaction.conn, rule.source_name, rule.source_rule_id):
                raise AlertValidationError(
                    [FieldProblem("source_rule_id", f"{rule.source_name} has a rule of that id", rule.source_rule_id)]
                )
            draft = EventDraft(EventKind.DETECTION_RULE_CREATED, transaction.new_uuid(), transaction.now, by[0], reason=by[1])
            draft.facts = rule_facts(rule, source_name=rule.source_name, created_by=by[0])
            catalog.add_rule(transaction, draft)
            return self.rule(draft.subject)

    def patch_rule(self, uuid: str | UUID, *, reason: str | None = None, actor: str | None = None, **fields: Any) -> DetectionRule:
        """Edit a rule: name, severity, is_active, mitre_tactics, mitre_techniques, mitre_subtechniques, data_sources,
        documentation; absent and None mean "leave it". Raises `AlertValidationError`, `AlertNotFoundError`.
        """
        from alertstore.wire.requests import read_rule_patch

        wanted, by = read_rule_patch(fields), self._by(actor, reason)
        with self._write() as transaction:
            before = self.rule(uuid)
            draft = decide_rule_edit(before, wanted, act(transaction, by))
            if draft is not None:
                catalog.update_rule(self._repository.db, transaction, draft)
            return self.rule(uuid)

    def documents(self) -> list[ContextDocument]:
        """All context documents: global ones first, then by type and title."""
        with self._read() as conn:
            return catalog.documents(conn)

    def document(self, uuid: str | UUID) -> ContextDocument:
        """A context document by its uuid. Raises `AlertNotFoundError`."""
        with self._read() as conn:
            found = catalog.document(conn, str(uuid))
        if found is None:
            raise AlertNotFoundError(f"no context document {uuid} in this store", advice="documents() lists those there are")
        return found

    def add_document(
        self, title: str, content: str, *, document_type: str, reason: str | None = None, actor: str | None = None, **fields: Any
    ) -> ContextDocument:
        """Add a context document; further fields: is_global, description, tags, targeting_rules (see `domain.targeting`).

        Raises `AlertValidationError`.
        """
        from alertstore.wire.requests import read_document

        given = read_document({"title": title, "content": content, "document_type": document_type, **fields})
        by = self._by(actor, reason)
        with self._write() as transaction:
            made, draft = decide_document(transaction.new_uuid(), given, act(transaction, by))
            catalog.save_document(self._repository.db, transaction, made, draft)
            return self.document(made.uuid)

    def patch_document(self, uuid: str | UUID, *, reason: str | None = None, actor: str | None = None, **fields: Any) -> ContextDocument:
        """Edit a document: title, document_type, is_global, description, content, tags, targeting_rules; absent and None mean
        "leave it". A new content makes a new version. Raises `AlertValidationError` (also under a legal hold), `AlertNotFoundError`.
        """
        from alertstore.wire.requests import read_document_patch

        wanted, by = read_document_patch(fields), self._by(actor, reason)
        with self._write() as transaction:
            self._refuse_held(transaction)
            decided = decide_document_edit(self.document(uuid), wanted, act(transaction, by))
            if decided is not None:
                catalog.save_document(self._repository.db, transaction, *decided)
            return self.document(uuid)

    def delete_document(self, uuid: str | UUID, *, reason: str | None = None, actor: str | None = None) -> None:
        """Take a document out of the store; its history stays.

        Raises `AlertNotFoundError`; `AlertValidationError` under a legal hold.
        """
        by = self._by(actor, reason)
        with self._write() as transaction:
            self._refuse_held(transaction)
            draft = decide_document_deletion(self.document(uuid), act(transaction, by))
            catalog.delete_document(self._repository.db, transaction, draft)
