"""What sync relies on, as tests of a remote: subclass `RemoteContract`, give a fixture `remote`.

    class TestOurProxy(RemoteContract):
        @pytest.fixture
        def remote(self):
            with HttpRemote("https://alerts.test", key=...) as remote:
                yield remote

The tests make their own alerts, with titles that nobody else has, and delete none but their own.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from alertstore.testing.remote_edits import EditContract
from alertstore.testing.remote_probe import DETAIL, SUMMARY, Alert, refused

if TYPE_CHECKING:
    from alertstore.sync.remote import Remote

NOBODY = "00000000-0000-4000-8000-000000000000"


class RemoteContract(EditContract):
    """All that sync relies on. What a remote is known to do otherwise is named in `departures`."""

    def test_an_alert_is_taken_in_and_read_back(self, remote: Remote) -> None:
        """Title, severity, time and tags are those of the payload, all fields are there, it is Open."""
        row = Alert(remote, occurred_at="2024-05-01T11:58:00.000001Z", tags=["a", "b"]).read()
        assert row.keys() >= DETAIL
        assert (row["severity"], row["status"], row["source_name"]) == ("High", "Open", "generic")
        assert row["occurred_at"] == "2024-05-01T11:58:00.000001Z"
        assert row["tags"] == ["a", "b"]
        assert row["close_classification"] is None

    def test_our_own_id_survives_in_the_payload(self, remote: Remote) -> None:
        """What we put beside the fields is given back: by it a lost answer's alert is found again."""
        mark = {"id": "018f-ours", "op": ["01", 7], "text": "ünï\u2028 ✓"}
        assert Alert(remote, alertstore=mark).read()["raw_payload"]["alertstore"] == mark

    def test_the_description_is_not_taken(self, remote: Remote) -> None:
        """A generic payload's description stays in the payload alone."""
        row = Alert(remote, description="words").read()
        assert row["description"] is None
        assert row["raw_payload"]["description"] == "words"

    def test_an_alert_is_found_by_its_time(self, remote: Remote) -> None:
        """from_time and to_time include the time itself, to the microsecond."""
        alert = Alert(remote, occurred_at="2019-03-04T05:06:07.891011Z")
        at = "2019-03-04T05:06:07.891011Z"
        found = self.list(remote, source_name="generic", from_time=at, to_time=at)["data"]
        assert alert.uuid in [row["uuid"] for row in found]
        assert {row["occurred_at"] for row in found} == {at}
        for window in ({"from_time": "2019-03-04T05:06:07.891012Z"}, {"to_time": "2019-03-04T05:06:07.891010Z"}):
            query = {"from_time": "2019-03-04T05:06:07Z", "to_time": "2019-03-04T05:06:08Z"} | window
            assert alert.uuid not in [row["uuid"] for row in self.list(remote, **query)["data"]]

    def test_the_same_again_is_a_duplicate(self, remote: Remote) -> None:
        """Whatever its severity, time and tags are: title, source and indicators tell."""
        alert = Alert(remote)
        for number in (1, 2):
            found = alert.send(severity="Low", tags=[str(number)]).body["data"]
            assert (found["alert_uuid"], found["is_duplicate"], found["duplicate_count"]) == (alert.uuid, True, number)
        row = alert.settle(lambda row: row["duplicate_count"] == 2)  # noqa: PLR2004 - sent three times
        assert (row["severity"], row["tags"]) == ("High", [])
        assert not alert.send(title=alert.payload["title"].upper()).body["data"]["is_duplicate"]
        other = alert.send(indicators=[{"type": "ip", "value": "192.0.2.1"}]).body["data"]
        assert not other["is_duplicate"]

    def test_findings_are_added_each_time(self, remote: Remote) -> None:
        """With an id of the server's; evidence comes back; the same again is another one."""
        alert = Alert(remote)
        body = {"agent_name": "alertstore", "summary": "seen", "confidence": "low", "evidence": {"alertstore_op": "01-7"}, "id": "mine"}
        made = [alert.post("findings", body) for _ in range(2)]
        found = alert.get("findings")
        assert [one["id"] for one in found] == [one["id"] for one in made]
        assert len({"mine", *(one["id"] for one in found)}) == 1 + len(made)
        assert found[0]["evidence"] == {"alertstore_op": "01-7"}

    def test_indicators_are_linked_once(self, remote: Remote) -> None:
        """Adding what is there adds nothing; values are stripped."""
        alert = Alert(remote)
        body = {"indicators": [{"type": "ip", "value": " 198.51.100.7 "}, {"type": "domain", "value": "a.example"}]}
        for _ in range(2):
            alert.post("indicators", body, enrich="false")
        found = sorted((one["type"], one["value"]) for one in alert.get("indicators"))
        assert found == [("domain", "a.example"), ("ip", "198.51.100.7")]

    def test_a_verdict_on_an_indicator_shows_in_its_alerts(self, remote: Remote) -> None:
        """Without moving their token: malice needs a look of its own."""
        alert = Alert(remote)
        made = alert.post("indicators", {"indicators": [{"type": "ip", "value": "198.51.100.8"}]}, enrich="false")
        token = alert.read()["updated_at"]
        for word in ("Malicious", "Benign"):
            answer = remote.request("PATCH", f"/v1/indicators/{made['indicators'][0]['uuid']}", body={"malice": word})
            assert answer.status == HTTPStatus.OK, answer
            row = alert.settle(lambda row, word=word: row["malice"] == word)
            assert row["updated_at"] == token

    def test_a_list_has_fewer_fields_than_an_alert(self, remote: Remote) -> None:
        """But the token, and all that a first look needs."""
        alert = Alert(remote, occurred_at="2018-01-02T03:04:05Z")
        (row,) = (row for row in self.window(remote, "2018-01-02T03:04:05Z") if row["uuid"] == alert.uuid)
        assert row.keys() >= SUMMARY
        assert {name: row[name] for name in SUMMARY} == {name: alert.read()[name] for name in SUMMARY}

    def test_lists_are_filtered(self, remote: Remote) -> None:
        """By status and severity, several words with commas between."""
        at = "2017-01-02T03:04:05Z"
        alerts = {severity: Alert(remote, severity=severity, occurred_at=at) for severity in ("Low", "High")}
        alerts["Low"].patch(status="Triaging")
        for query, inside in (
            ({"status": "Open"}, {"High"}),
            ({"status": "Triaging,Escalated"}, {"Low"}),
            ({"severity": "Low,High"}, {"Low", "High"}),
            ({"severity": "Low", "status": "Open"}, set()),
            ({"source_name": "elastic"}, set()),
        ):
            uuids = {row["uuid"] for row in self.window(remote, at, **query)}
            assert {severity for severity, alert in alerts.items() if alert.uuid in uuids} == inside, query

    def test_pages_by_a_time_that_differs_are_the_whole(self, remote: Remote) -> None:
        """Each once, newest first, with totals that agree."""
        times = [f"2016-01-02T03:04:0{second}Z" for second in range(7)]
        mine = [Alert(remote, occurred_at=at).uuid for at in times]
        query: dict[str, str | int] = {"from_time": times[0], "to_time": "2016-01-02T03:05:00Z", "page_size": 2}
        first = self.list(remote, page=1, **query)["meta"]
        assert first["total_pages"] == -(-first["total"] // 2)
        pages = [self.list(remote, page=page, **query) for page in range(1, first["total_pages"] + 2)]
        found = [row for page in pages for row in page["data"]]
        assert {page["meta"]["total"] for page in pages} == {first["total"]} == {len(found)}
        assert pages[-1]["data"] == []
        assert [row["occurred_at"] for row in found] == sorted((row["occurred_at"] for row in found), reverse=True)
        assert set(mine) <= {row["uuid"] for row in found}

    def test_paging_has_limits(self, remote: Remote) -> None:
        """500 rows a page; pages from 1; nothing sorts by the token."""
        for query in ({"page_size": 501}, {"page_size": 0}, {"page": 0}, {"page": "x"}):
            details = refused(remote.request("GET", "/v1/alerts", query=query), HTTPStatus.UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")
            assert [problem["loc"] for problem in details["errors"]] == [["query", next(iter(query))]]
        assert self.list(remote, page_size=500)["meta"]["page_size"] == 500  # noqa: PLR2004 - as was asked for
        answer = remote.request("GET", "/v1/alerts", query={"sort_by": "updated_at"})
        refused(answer, HTTPStatus.BAD_REQUEST, "VALIDATION_ERROR")

    def test_an_unknown_alert_is_told_from_an_unknown_route(self, remote: Remote) -> None:
        """Both are 404; the message says which. Only one of them means that an alert is gone."""
        for method, part, body in (("GET", "", None), ("PATCH", "", {"severity": "Low"}), ("GET", "/activity", None), ("DELETE", "", None)):
            answer = remote.request(method, f"/v1/alerts/{NOBODY}{part}", body=body)
            refused(answer, HTTPStatus.NOT_FOUND, "NOT_FOUND")
            assert answer.body["error"]["message"] == "Alert not found."
        answer = remote.request("GET", "/v1/no-such-thing")
        refused(answer, HTTPStatus.NOT_FOUND, "NOT_FOUND")
        assert answer.body["error"]["message"] != "Alert not found."
        refused(remote.request("GET", "/v1/alerts/not-a-uuid"), HTTPStatus.UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")

    def test_a_deleted_alert_is_gone(self, remote: Remote) -> None:
        """204 without a body, then 404."""
        alert = Alert(remote)
        answer = remote.request("DELETE", alert.path)
        assert (answer.status, answer.body) == (HTTPStatus.NO_CONTENT, None)
        for method in ("GET", "DELETE"):
            refused(remote.request(method, alert.path), HTTPStatus.NOT_FOUND, "NOT_FOUND")

    def test_what_was_deleted_comes_in_as_new(self, remote: Remote) -> None:
        """The same payload makes another alert, and is no duplicate."""
        alert = Alert(remote)
        remote.request("DELETE", alert.path)
        found = alert.send().body["data"]
        assert not found["is_duplicate"]
        assert found["alert_uuid"] != alert.uuid

    def test_a_source_or_payload_that_is_not_known_is_refused(self, remote: Remote) -> None:
        """With codes that no retry helps."""
        for source, payload, status, code in (
            ("no-such-tool", {"title": "x"}, HTTPStatus.NOT_FOUND, "UNKNOWN_SOURCE"),
            ("generic", {}, HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_PAYLOAD"),
        ):
            answer = remote.request("POST", "/v1/alerts", body={"source_name": source, "payload": payload})
            refused(answer, status, code)

    def test_every_answer_says_what_time_it_is_there(self, remote: Remote) -> None:
        """By the server's clock, which never goes back here."""
        dates = [remote.request("GET", "/v1/alerts", query={"page_size": 1}).date for _ in range(3)]
        assert None not in dates
        assert dates == sorted(date for date in dates if date is not None)
