"""Servers to talk to, and clients that hold every answer against the API's own description. Needs the extras serve and dev."""

from __future__ import annotations

import http.client
import json
import re
import threading
from contextlib import closing, contextmanager

import jsonschema

from alertstore import AlertStore, LifecyclePolicy
from alertstore.server.app import OPERATIONS, application
from alertstore.server.openapi import document
from alertstore.server.running import around, listen
from alertstore.server.worker import StoreThread
from alertstore.store.ids import utc_now

KEY = "k-0123456789"


class Reply:
    """What came back: status, headers (lower case), the body parsed where there is one."""

    def __init__(self, answer):
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.raw = answer.read()

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def data(self):
        return self.json["data"]

    @property
    def code(self):
        return self.json["error"]["code"]


class Described:
    """The API's own description, against which every answer in these tests is held."""

    def __init__(self, document):
        self.document = document
        self.seen = set()
        self._found = {}
        self._paths = {re.compile(re.sub(r"{\w+}", "[^/]+", path)): path for path in document["paths"]}

    def check(self, method, path, reply):
        """Fail where the answer has a status that its operation does not name, or a body that is not of that status' schema."""
        path = path.partition("?")[0]
        described = next((known for pattern, known in self._paths.items() if pattern.fullmatch(path)), None)
        operation = self.document["paths"].get(described, {}).get(method.lower())
        if operation is None:
            assert path == "/openapi.json" or reply.status in {404, 401, 403, 307}, (method, path, reply.status)
            return
        assert str(reply.status) in operation["responses"], f"{method} {path}: {reply.status} is not described: {reply.raw[:300]!r}"
        self.seen.add((method, described, reply.status))
        content = operation["responses"][str(reply.status)].get("content")
        if content is None:
            assert reply.raw == b""
            return
        assert reply.headers["content-type"] == "application/json"
        schema = content["application/json"]["schema"] | {"components": self.document["components"]}
        validator = self._found.setdefault((method, described, reply.status), jsonschema.Draft202012Validator(schema))
        if len(reply.raw) < 50_000:
            validator.validate(reply.json)


DESCRIBED = Described(json.loads(document(OPERATIONS)))


class Client:
    """A client on one connection, for one thread; `body` is sent as JSON, or as it is where it is bytes or chunks of bytes."""

    def __init__(self, port, key=KEY):
        self.port = port
        self.key = key
        self.check = True
        self.conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __call__(self, method, path, body=None, headers=None):
        sent = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        self.conn.request(method, path, body, {name: value for name, value in sent.items() if value is not None})
        reply = Reply(self.conn.getresponse())
        if self.check:
            DESCRIBED.check(method, path, reply)
        return reply

    def add(self, **payload):
        reply = self("POST", "/v1/alerts", {"source_name": "generic", "payload": payload})
        assert reply.status == 202, reply.raw
        return reply.data["alert_uuid"]

    def close(self):
        self.conn.close()


@contextmanager
def running(path, *, key=KEY, lenient=False, clock=utc_now, **options):
    """A server over the store at `path`; gives its port."""
    policy = LifecyclePolicy.permissive() if lenient else None
    with (
        StoreThread(lambda: AlertStore.open(path, policy=policy, clock=clock, **options)) as store,
        closing(listen("127.0.0.1", 0)) as sock,
    ):
        server = around(application(store, clock=clock, host="127.0.0.1", key=key, lenient=lenient))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
