"""Our own server in a thread, for a real link to talk to. Needs the extra serve."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager

from alertstore import AlertStore, LifecyclePolicy
from alertstore.server.app import application
from alertstore.server.running import around, listen
from alertstore.server.worker import StoreThread
from alertstore.store.ids import utc_now

KEY = "k-0123456789abcdef"


@contextmanager
def running(path):
    """A lenient server over a new store at `path`; gives its port."""
    with (
        StoreThread(lambda: AlertStore.open(path, policy=LifecyclePolicy.permissive())) as store,
        closing(listen("127.0.0.1", 0)) as sock,
    ):
        server = around(application(store, clock=utc_now, host="127.0.0.1", key=KEY, lenient=True))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
