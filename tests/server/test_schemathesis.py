"""Generated requests, well and badly formed, against the served API: whatever is asked, the answer is one that it describes.

Each operation is asked by itself, of things that are there and of things that are not; then in chains, in which an answer's ids go
into the next request. The application is called in this process, behind its gate but without a socket.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertstore import AlertStore
from alertstore.testing import alerts, patches

HOST, KEY = "testserver", "k-0123456789"  # the name is schemathesis' own
SENT = {"Authorization": f"Bearer {KEY}"}
OPERATIONS, ALERT, DOCUMENT = 27, "/v1/alerts/{alert_uuid}", "/v1/context-documents/{doc_uuid}"
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "ignored_auth", "use_after_free", "ensure_resource_availability",
]  # fmt: skip
BODIES_ARE_STRICT = "negative_data_rejection"
"""Only of bodies: numbers, times and uuids in an address may be written in more ways than are described, as on the remote."""
QUICK = settings(
    max_examples=50, stateful_step_count=6, derandomize=True, database=None, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip
LONG = pytest.param(settings(QUICK, max_examples=1_000, stateful_step_count=12), marks=pytest.mark.long)

BODIES = {
    "patch_alert": patches(),
    "add_alert": alerts().map(lambda record: {"source_name": "generic", "payload": record}),
    "ingest_record": alerts(),
    "add_indicators": st.sampled_from(["192.0.2.7", "2001:db8::1", "198.51.100.0"]).map(
        lambda ip: {"indicators": [{"type": "ip", "value": ip}]}
    ),
}
"""Bodies of which a schema says too little for chance to find many that are taken in."""


def fill(path):
    """Make a store with alerts in every state, that share indicators, rule and documents; what stands in paths that lead to them."""
    with AlertStore.open(path) as store:
        uuids, documents = [], []
        for number in range(8):
            record = {
                "title": f"asked {number}", "severity": ["low", "high"][number % 2], "tags": ["c2"] * (number % 3), "rule_id": "R-1",
                "ip": "192.0.2.7", "domain": f"d{number % 2}.example",
            }  # fmt: skip
            uuids.append(store.add(record).uuid)
        first, second, third, *_ = uuids
        store.add_finding(first, agent_name="mia", summary="seen", evidence={"hosts": [1]})
        store.patch(first, malice_override="Malicious")
        store.patch(second, status="Triaging")
        store.patch(third, status="Triaging")
        store.close_alert(third, "Duplicate")
        targeted = {"match_any": [{"field": "tags", "op": "contains", "value": "c2"}]}
        for words in ({"is_global": True}, {"targeting_rules": targeted}):
            made = store.add_document(title="t", document_type="sop", content="c", **words)
            documents.append(made.uuid)
        return {
            "alert_uuid": uuids, "indicator_uuid": [one.uuid for one in store.get(first).indicators], "doc_uuid": documents,
            "rule_uuid": [rule.uuid for rule in store.rules()], "source_name": ["generic", "suricata", "elastic", "nope"],
        }  # fmt: skip


@pytest.fixture
def known(tmp_path):
    return fill(tmp_path / "asked.db")


@pytest.fixture
def stores(cases, tmp_path):
    """Stores in threads of their own; the application uses the last."""
    from alertstore.server.worker import StoreThread

    with StoreThread(lambda: AlertStore.open(tmp_path / "asked.db")) as store:
        yield [store]


@pytest.fixture
def api(stores):
    """The description as schemathesis reads it, bound to the application that gives it out."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (extra dev)")
    from alertstore.server.app import application
    from alertstore.store.ids import utc_now

    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    current = SimpleNamespace(run=lambda work: stores[-1].run(work))  # noqa: PLW0108 - the last as it is then
    app = application(current, clock=utc_now, host=HOST, key=KEY, lenient=False)
    yield schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
    # Its event loop would live on in a thread of its own; tests that fork come later, and a child inherits what a thread has locked.
    from schemathesis.python import asgi

    asgi._STACK.close()
    asgi._PORTAL = None


@pytest.fixture
def hold(api):
    """Hold an answer against the description; with what was sent and answered before it where that is given."""
    from schemathesis import checks
    from schemathesis.core.parameters import ParameterLocation

    checks.load_all_checks()
    always, bodies = checks.CHECKS.get_by_names(CHECKS), checks.CHECKS.get_by_names([BODIES_ARE_STRICT])
    assert (len(always), len(bodies)) == (len(CHECKS), 1)

    def hold(case, response, recorder=None):
        wanted = always + bodies if case.meta.is_negative_at(ParameterLocation.BODY) else always
        case.validate_response(response, checks=wanted, headers=SENT, recorder=recorder)

    return hold


def requests(operation, known):
    """Requests for an operation: of things that are there, of things that are not, with bodies of use, of nonsense."""
    from schemathesis import GenerationMode

    ways = [operation.as_strategy(GenerationMode.NEGATIVE), operation.as_strategy()]
    names = [one.name for one in operation.path_parameters]
    if names:
        there = [{names[0]: one} for one in known[names[0]]]
        if len(operation.body):
            ways.append(one_of([operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=one) for one in there]))
        ways.append(one_of([operation.as_strategy(path_parameters=one) for one in there]))
    if (bodies := BODIES.get(operation.definition.raw["operationId"])) is not None:
        ways.append(st.builds(with_body, ways[-1], bodies))
    return one_of(ways)


def one_of(ways):
    """Each of them as often, however many ways it has itself (`st.one_of` counts those)."""
    return st.sampled_from(ways).flatmap(lambda way: way)


def with_body(case, body):
    case.body = body
    return case


def measured(answers):
    """How many requests, of how many operations, how many with success."""
    good = Counter()
    for (label, status), number in answers.items():
        good[label] += number * (status < 300)
    assert all(status < 500 for _, status in answers)
    return f"{answers.total():,} requests to {len(good)} operations, {good.total():,} with success", good


@pytest.mark.parametrize("how", [QUICK, LONG])
def test_each_operation(api, known, hold, promise, how):
    found = [result.ok() for result in api.get_all_operations()]
    answers = Counter()

    def ask(case):
        response = case.call(headers=SENT)
        answers[case.operation.label, response.status_code] += 1
        hold(case, response)

    for operation in sorted(found, key=lambda one: one.method == "delete"):  # or nothing would be left to ask for
        how(given(requests(operation, known))(ask))()
    numbers, good = measured(answers)
    assert len(good) == OPERATIONS
    assert min(good.values()) > 0, good
    promise("serve answers generated requests as its OpenAPI document says", numbers)


@pytest.mark.parametrize("how", [QUICK, LONG])
def test_chains(api, stores, hold, promise, how):
    """What was made is there, what was deleted is not. Each chain begins with nothing, or what it draws would hang on those before it."""
    from alertstore.server.worker import StoreThread

    answers, titles = Counter(), count()  # a record that was there before is not made again, though its alert be deleted

    class Chain(api.as_state_machine()):
        def setup(self):
            stores.append(StoreThread(lambda: AlertStore.open(":memory:")).__enter__())

        def teardown(self):
            stores.pop().__exit__(None, None, None)

        def get_call_kwargs(self, case):
            return {"headers": SENT}

        def before_call(self, case):
            if case.operation.definition.raw["operationId"] == "add_alert":
                case.body = {"source_name": "generic", "payload": {"title": f"{next(titles)}", "ip": "192.0.2.7"}}

        def validate_response(self, response, case, additional_checks=None, **options):
            answers[case.operation.label, response.status_code] += 1
            hold(case, response, self.recorder)

    Chain.run(settings=settings(how, max_examples=2 * how.max_examples))
    numbers, good = measured(answers)
    assert all(good[f"{word} {path}"] for word in ("GET", "DELETE") for path in (ALERT, DOCUMENT)), good
    promise("serve answers generated requests as its OpenAPI document says", f"in chains: {numbers}")
