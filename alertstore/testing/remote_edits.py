"""What sync relies on when it patches: tests of a remote, for `RemoteContract`."""

from __future__ import annotations

from http import HTTPStatus
from itertools import product
from typing import TYPE_CHECKING

from alertstore.testing.remote_probe import SUMMARY, Alert, Probe, refused, step

if TYPE_CHECKING:
    from alertstore.sync.remote import Remote

STATUSES = ("Open", "Triaging", "Escalated", "Closed")


class EditContract(Probe):
    """Patches, and the log that tells of them."""

    def test_a_patch_answers_with_the_token_that_is_read_later(self, remote: Remote) -> None:
        """updated_at of the answer is updated_at of the alert: equality confirms that the patch is there."""
        alert = Alert(remote)
        answered = alert.patch(severity="Low", tags=["t"])
        row = alert.read()
        assert {name: row[name] for name in SUMMARY} == {name: answered[name] for name in SUMMARY}

    def test_every_real_change_moves_the_token(self, remote: Remote) -> None:
        """Status, classification, severity, tags, override."""
        alert = Alert(remote)
        steps = (step("Triaging"), step("Closed"), {"severity": "Low"}, {"tags": ["x"]}, {"malice_override": "Benign"})
        tokens = [alert.read()["updated_at"], *(alert.patch(step)["updated_at"] for step in steps)]
        assert len(set(tokens)) == len(tokens)

    def test_a_patch_that_changes_nothing_leaves_the_token(self, remote: Remote) -> None:
        """So it may be sent again."""
        alert = Alert(remote, tags=["a"])
        for body in (step("Triaging"), step("Closed"), {"severity": "Low"}, {"tags": ["b", "a"]}):
            token = alert.patch(body)["updated_at"]
            assert alert.patch(body)["updated_at"] == token
            assert alert.patch({})["updated_at"] == token

    def test_the_same_override_again_moves_the_token(self, remote: Remote) -> None:
        """The one patch that is not safe to repeat: its time is refreshed."""
        alert = Alert(remote)
        first = alert.patch(malice_override="Benign")
        again = alert.patch(malice_override="Benign")
        assert again["updated_at"] != first["updated_at"]
        assert again["malice_override_at"] != first["malice_override_at"]
        assert len(self.events(alert, "alert_malice_updated")) == 1

    def test_null_says_nothing(self, remote: Remote) -> None:
        """A null in a patch is as if it were not there."""
        alert = Alert(remote, tags=["a"])
        row = alert.patch({"severity": "Low", "status": None, "tags": None, "malice_override": None, "close_classification": None})
        assert (row["severity"], row["status"], row["tags"]) == ("Low", "Open", ["a"])

    def test_unknown_fields_are_ignored(self, remote: Remote) -> None:
        """Also names of fields that no patch changes: neither is there an error, nor a change."""
        alert = Alert(remote)
        token = alert.read()["updated_at"]
        row = alert.patch({"title": "other", "closed_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z", "nonsense": 1})
        assert (row["title"], row["closed_at"], row["updated_at"]) == (alert.payload["title"], None, token)

    def test_every_step_is_allowed(self, remote: Remote) -> None:
        """From each status to each; the answer has the status asked for."""
        for start, end in product(STATUSES, STATUSES):
            alert = Alert(remote)
            if start != "Open":
                alert.patch(step(start))
            assert alert.patch(step(end))["status"] == end, (start, end)

    def test_closing_needs_a_classification_in_the_same_patch(self, remote: Remote) -> None:
        """Else 422, and nothing of the patch is done; also when there is one already."""
        alert = Alert(remote)
        for _ in range(2):
            token = alert.read()["updated_at"]
            for body in ({"status": "Closed", "severity": "Low"}, {"status": "Closed", "close_classification": None}):
                refused(alert.try_patch(body), HTTPStatus.UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")
            row = alert.read()
            assert (row["severity"], row["updated_at"]) == ("High", token)
            alert.patch({"status": "Triaging"})
            alert.patch(step("Closed"))

    def test_a_word_of_no_vocabulary_is_refused(self, remote: Remote) -> None:
        """With 422 and the place; words are exact to the letter; nothing else of the body is done."""
        alert = Alert(remote)
        for name, value in (
            ("status", "closed"),
            ("severity", "HIGH"),
            ("malice_override", "Evil"),
            ("close_classification", "False Positive"),
        ):
            details = refused(alert.try_patch({"tags": ["no"], name: value}), HTTPStatus.UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")
            assert [problem["loc"] for problem in details["errors"]] == [["body", name]]
        assert alert.read()["tags"] == []

    def test_a_closed_alert_may_get_another_classification(self, remote: Remote) -> None:
        """closed_at stays the first one."""
        alert = Alert(remote)
        alert.patch({"status": "Triaging"})
        first = alert.patch(step("Closed"))
        again = alert.patch(status="Closed", close_classification="Duplicate")
        assert (again["close_classification"], again["closed_at"]) == ("Duplicate", first["closed_at"])

    def test_times_are_set_once(self, remote: Remote) -> None:
        """acknowledged_at and triaged_at are those of the first time."""
        alert = Alert(remote)
        assert alert.patch(status="Escalated")["triaged_at"] is None
        first = alert.patch(status="Triaging")
        alert.patch(status="Escalated")
        again = alert.patch(status="Triaging")
        for name in ("acknowledged_at", "triaged_at"):
            assert again[name] == first[name] is not None

    def test_reopening_keeps_the_classification(self, remote: Remote) -> None:
        """And closed_at: nothing over the API clears them, and a second close keeps the first time."""
        alert = Alert(remote)
        closed = alert.patch(step("Closed"))
        opened = alert.patch(status="Open")
        assert (opened["close_classification"], opened["closed_at"]) == ("Undetermined", closed["closed_at"])
        again = alert.patch(status="Closed", close_classification="Duplicate")
        assert (again["close_classification"], again["closed_at"]) == ("Duplicate", closed["closed_at"])

    def test_a_classification_alone_is_taken(self, remote: Remote) -> None:
        """In any status, and the log tells nothing of it."""
        alert = Alert(remote)
        row = alert.patch(close_classification="Duplicate")
        assert (row["status"], row["close_classification"]) == ("Open", "Duplicate")
        assert not self.events(alert, "alert_closed", "alert_status_updated")

    def test_tags_are_replaced_as_a_whole(self, remote: Remote) -> None:
        """Their order is kept; an empty list clears."""
        alert = Alert(remote, tags=["a"])
        assert alert.patch(tags=["z", "ü", "b c"])["tags"] == ["z", "ü", "b c"]
        assert alert.patch(tags=[])["tags"] == []

    def test_repeated_tags_are_kept(self, remote: Remote) -> None:
        """A list is what was sent."""
        assert Alert(remote).patch(tags=["b", "a", "a"])["tags"] == ["b", "a", "a"]

    def test_an_override_rules_until_it_is_reset(self, remote: Remote) -> None:
        """Even Pending beats the indicators."""
        alert = Alert(remote)
        row = alert.patch(malice_override="Pending")
        assert (row["malice"], row["malice_override"], row["malice_override_source"]) == ("Pending", "Pending", "analyst")
        assert alert.patch(malice_override="Malicious")["malice"] == "Malicious"
        row = alert.patch(reset_malice_override=True)
        assert [row[name] for name in ("malice_override", "malice_override_source", "malice_override_at")] == [None] * 3
        token = row["updated_at"]
        assert alert.patch(reset_malice_override=True)["updated_at"] == token

    def test_the_log_says_what_was_moved_from_where(self, remote: Remote) -> None:
        """Newest first."""
        alert = Alert(remote)
        alert.patch(status="Triaging")
        alert.patch(severity="Low")
        alert.patch(malice_override="Benign")
        alert.patch(step("Closed"))
        told = [(event["event_type"], event["references"]) for event in self.events(alert)]
        moves = [(kind, said) for kind, said in told if kind.endswith(("_updated", "_closed"))]
        expected: list[tuple[str, dict[str, str | None]]] = [
            ("alert_closed", {"from_status": "Triaging", "close_classification": "Undetermined"}),
            ("alert_malice_updated", {"from_malice": None, "to_malice": "Benign", "malice_source": "analyst"}),
            ("alert_severity_updated", {"from_severity": "High", "to_severity": "Low"}),
            ("alert_status_updated", {"from_status": "Open", "to_status": "Triaging"}),
        ]
        assert [kind for kind, _ in moves] == [kind for kind, _ in expected]
        for (_, said), (_, least) in zip(moves, expected, strict=True):
            assert said.items() >= least.items()

    def test_the_log_says_whose_key_it_was(self, remote: Remote) -> None:
        """By its first 8 characters, which tell our acts from others'."""
        alert = Alert(remote)
        alert.patch(severity="Low")
        (event,) = self.events(alert, "alert_severity_updated")
        assert remote.key_prefix
        assert event["actor_key_prefix"] == remote.key_prefix

    def test_the_log_is_paged(self, remote: Remote) -> None:
        """Pages one after the other are the whole."""
        alert = Alert(remote)
        for severity in ("Low", "Medium", "High", "Critical"):
            alert.patch(severity=severity)
        whole = [event["uuid"] for event in self.events(alert)]
        size = 2
        pages = [alert.get("activity", page=page, page_size=size) for page in range(1, len(whole) // size + 2)]
        assert [event["uuid"] for page in pages for event in page] == whole

    def test_the_log_says_nothing_of_tags(self, remote: Remote) -> None:
        """So nobody can rely on it for them."""
        alert = Alert(remote)
        before = len(self.events(alert))
        alert.patch(tags=["x"])
        assert len(self.events(alert)) == before
