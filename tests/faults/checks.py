"""Whether what writers were told is what the store holds."""

from __future__ import annotations

from datetime import timedelta

from alertstore import AlertStore, AlertStoreError, Checkpoint
from alertstore.testing import generic_alert


def check_history(path, acknowledged, refused=None):
    """Hold a store against {actor: numbers of the writes that it was told are done}; how many writes are in it.

    Everything verifies, events are numbered without holes, each actor's writes are there once and in its order: all that were
    acknowledged, and of the others at most those that it was told had failed, and the one that it was in the middle of.
    """
    with AlertStore.open(path, busy_timeout=timedelta(seconds=60)) as store:
        assert store.verify().problems == ()
        events = list(store.events())
        store.add({"title": "afterwards"})
        assert store.verify(depth="full").problems == ()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    done = {}
    for event in events:
        if event.actor in acknowledged and event.reason is not None:  # the creation has none
            numbers = done.setdefault(event.actor, [])
            if numbers[-1:] != [int(event.reason)]:
                numbers.append(int(event.reason))
    for actor, told in acknowledged.items():
        there, failed = done.get(actor, []), set((refused or {}).get(actor, ()))
        assert there == sorted(set(there)), f"{actor}: not once and in order"
        lost, more = set(told) - set(there), set(there) - set(told) - failed
        assert not lost, f"{actor}: {sorted(lost)} of {len(told)} acknowledged are not there"
        assert more <= {max([*told, *failed], default=-1) + 1}, f"{actor}: {sorted(more)} are there"
    return sum(map(len, done.values()))


class Oracle:
    """Knows the whole history, and so what a cut may leave of it."""

    def __init__(self, path, durable):
        """Read the store that the workload left when nothing happened to it."""
        self.durable = durable
        self.report = None
        """What verify said of the store that was looked at last."""
        self.store = AlertStore.open(path)
        times = [event.at for event in self.store.events()]
        self.sizes = {size for size, (at, then) in enumerate(zip(times, [*times[1:], None], strict=True), 1) if at != then}

    def violation(self, folder, said):
        """What is wrong with the store that a cut left in a folder, in a word and a sentence; None where it is as it must be."""
        opened = any(one.get("done") == "open" for one in said)
        if not (folder / "s.db").exists():
            return ("gone", "the store's name is lost") if opened else None
        try:
            wrong = self.fault(folder / "s.db", max((one.get("size", 0) for one in said), default=0))
            if wrong is None and said:
                wrong = self._backups(folder, {one["backup"] for one in said if "backup" in one})
        except AlertStoreError as fault:
            return "damaged", repr(fault)
        return wrong

    def fault(self, path, acknowledged):
        """What is wrong with a store, as `violation` says it. Raises `AlertStoreError` where it cannot be opened."""
        with AlertStore.open(path, mode="rw", durability="normal") as store:
            self.report = report = store.verify()
            if not report.ok:
                return "damaged", repr(report.problems[:3])
            if self.durable and report.size < acknowledged:
                return "lost", f"{report.size} events of {acknowledged} acknowledged"
            if report.size not in self.sizes:
                return "halved", f"{report.size} events: a write is there by half"
            if not self.store.verify(depth="quick", checkpoint=Checkpoint(report.size, report.root)).ok:
                return "other", f"another history of {report.size} events"
            store.add(generic_alert(title="afterwards"))
            if not store.verify(depth="quick").ok:
                return "damaged", "after the next write"
        return None

    def _backups(self, folder, acknowledged):
        for name in acknowledged:
            if not (folder / name).exists():
                return "lost", f"{name}, which was acknowledged"
        for path in folder.glob("backup-*.db"):
            with AlertStore.open(path, mode="ro") as copy:
                if not copy.verify().ok:
                    return "damaged", path.name
        return None
