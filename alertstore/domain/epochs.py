"""Whether the signed checkpoints of a store hold: which key may sign what, and how far a trusted key vouches.

A store has one signing key at a time. The event `signing_key_set` names it, before it signs anything; the next such event ends
its epoch, and the old key's last act is to sign a checkpoint that covers that event. Then it is destroyed. So a key that is
stolen later cannot sign for an earlier epoch, and whoever trusts one key (from paper, say) can trust those after it: each is
named in a history that the one before has signed. Epochs are counted by events, never by time.

Where the beginning of a history was pruned, what its old checkpoints signed cannot be looked at any more. They vouch for nothing
then, neither for what is left nor for the keys that came after: whoever can write the file could have put them there. What is
left begins with the carried state, so a key vouches for the store again once it has signed a checkpoint that covers that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import frozen

from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.notes import checkpoint_text, key_id, note, origin, read_checkpoint, read_note, signature_line
from alertstore.domain.verdict import UNCHECKED, Problem
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from alertstore.domain.changes import Act

    IsSigned = Callable[[bytes, bytes, bytes], bool]
    """(public key, signature, message) -> whether the one signed the other."""


def decide_signing(store_id: str, keys: Sequence[Sequence[Any]], public: str, act: Act) -> EventDraft | None:
    """The event that makes a key (public half as hex) the store's, where it has none yet; None where the key is the store's already.

    keys: for each epoch [event that set it, public key]. Raises `AlertValidationError` for another key.
    """
    if not keys:
        return _key_set(store_id, 0, public, act)
    if keys[-1][1] != public:
        problem = FieldProblem("key", f"is not the store's; that is {keys[-1][1]}", public)
        raise AlertValidationError([problem], advice="rotate_key(old, new) changes it")
    return None


def decide_rotation(store_id: str, keys: Sequence[Sequence[Any]], old: str, new: str, act: Act) -> EventDraft:
    """The event that ends the epoch of the store's key. Raises `AlertValidationError` where `old` is not it, or `new` was one before."""
    check_signer(keys, old, "old")
    if new in {public for _, public in keys}:
        raise AlertValidationError([FieldProblem("new", "has been a key of this store before", new)])
    return _key_set(store_id, len(keys), new, act)


def check_signer(keys: Sequence[Sequence[Any]], public: str, name: str = "key") -> None:
    """Raise `AlertValidationError` where a key is not the one that signs now; `name` is the argument it came by."""
    if not keys or keys[-1][1] != public:
        problem = FieldProblem(name, f"is not the store's key; that is {keys[-1][1] if keys else 'none yet'}", public)
        raise AlertValidationError([problem], advice="sign() makes a key the store's, rotate_key(old, new) changes it")


def _key_set(store_id: str, epoch: int, public: str, act: Act) -> EventDraft:
    facts = {"epoch": epoch, "public_key": public}
    return EventDraft(EventKind.SIGNING_KEY_SET, store_id, act.now, act.actor, facts=facts, reason=act.reason)


class StoredNote(NamedTuple):
    """A row of signed checkpoints."""

    size: int
    epoch: int
    note: str


class Vouched(NamedTuple):
    """What checking signed checkpoints came to: problems, what could not be checked, and the size of the newest good one
    that the trusted key vouches for (0: none).
    """

    problems: list[Problem]
    unchecked: list[str]
    size: int


def signed_note(store_id: str, size: int, root: bytes, public: bytes, sign: Callable[[bytes], bytes]) -> str:
    """A checkpoint, signed. Raises ValueError where `sign` gives no Ed25519 signature."""
    name = origin(store_id)
    text = checkpoint_text(name, size, root)
    return note(text, [signature_line(name, public, sign(text.encode()))])


@frozen
class Check:
    """What signed checkpoints are held against.

    keys: for each epoch (event that set it, public key as hex). named: for each epoch the event, of those that are still there,
    that says so. opener: the event that opens the carried state, 0 where nothing was carried. root_at: the root (hex) at a size,
    None where it cannot be computed any more. is_signed: None where nothing is there to check signatures with. trusted: the
    public key (hex) that the caller trusts, if any.
    """

    store_id: str
    keys: Sequence[tuple[int, str]]
    named: Sequence[int]
    opener: int
    root_at: Callable[[int], str | None]
    is_signed: IsSigned | None
    trusted: str | None


def check_notes(check: Check, notes: Iterable[StoredNote], *, whole: bool) -> Vouched:
    """Hold signed checkpoints against the tree, the keys that the history names, and the key that the caller trusts.

    whole: these are all there are, so that an epoch without one shows.
    """
    problems, unchecked = [], []
    good: dict[int, list[int]] = {epoch: [] for epoch in range(len(check.keys))}
    seen: dict[int, list[int]] = {epoch: [] for epoch in range(len(check.keys))}  # those whose root is that of the history here
    pruned = 0
    for one in notes:
        fault = _fault(check, one)
        root = check.root_at(one.size)
        if fault is not None:
            problems.append(Problem("signature", f"checkpoint {one.size} of epoch {one.epoch}", *fault))
            continue
        said = read_checkpoint(read_note(one.note).text)[2].hex()
        pruned += root is None
        if root not in {None, said}:
            problems.append(Problem("rewritten", f"the history up to event {one.size}", said, root))
        else:
            good[one.epoch].append(one.size)
            if root is not None:
                seen[one.epoch].append(one.size)
    if pruned:
        unchecked.append(f"the roots of {pruned} signed checkpoints: the history before them was pruned")
    if whole:
        problems += _unsigned_epochs(check.keys, good)
    since = next((since for since, public in check.keys[1:] if public == check.trusted), 0)
    if since:
        unchecked.append(f"whether another wrote events 1 to {since}: the key given was named then; only a key from before speaks for them")
    if check.keys and check.is_signed is None:
        unchecked.append("the signatures: that needs pip install 'alertstore[sign]'")
        if check.trusted is not None:
            problems.append(Problem(UNCHECKED, "the signatures", "the extra 'sign'", "not installed"))
    return Vouched(problems, unchecked, 0 if check.trusted is None else _vouched(check, seen, problems))


def _unsigned_epochs(keys: Sequence[tuple[int, str]], good: dict[int, list[int]]) -> list[Problem]:
    """Epochs without a signed checkpoint, or, where the next key took over, without the one that covers that event."""
    problems = []
    for epoch, sizes in good.items():
        closed = keys[epoch + 1][0] if epoch + 1 < len(keys) else None
        if not sizes or (closed is not None and closed not in sizes):
            needed = "a signed checkpoint" if closed is None else f"a signed checkpoint at event {closed}, which ends it"
            problems.append(Problem("signature", f"epoch {epoch}", needed, sorted(sizes)))
    return problems


def _fault(check: Check, one: StoredNote) -> tuple[str, object] | None:
    """What is wrong with a note, but for its root: (expected, found)."""
    keys = check.keys
    if not 0 <= one.epoch < len(keys):
        return f"one of {len(keys)} epochs", one.epoch
    since, public = keys[one.epoch][0], bytes.fromhex(keys[one.epoch][1])
    until = keys[one.epoch + 1][0] if one.epoch + 1 < len(keys) else one.size
    if not since <= one.size <= until:
        return f"a size from {since} to {until}", one.size
    try:
        read = read_note(one.note)
        name, size, _ = read_checkpoint(read.text)
    except ValueError as why:
        return "a signed note", str(why)
    log = origin(check.store_id)
    if (name, size) != (log, one.size):
        return f"{log} at {one.size}", f"{name} at {size}"
    mine = [line.signature for line in read.signatures if (line.name, line.key_id) == (name, key_id(name, public))]
    if not mine or (check.is_signed is not None and not check.is_signed(public, mine[0], read.text.encode())):
        return f"a signature by the key {public.hex()}", "none that holds"
    return None


def _vouched(check: Check, seen: Mapping[int, Sequence[int]], problems: list[Problem]) -> int:
    """How far the trusted key vouches: for its own checkpoints, and for those of each key after it that it vouches for."""
    epochs = [epoch for epoch, (_, public) in enumerate(check.keys) if public == check.trusted]
    if not epochs:
        problems.append(Problem("signature", "the key", "one that the history names", check.trusted))
        return 0
    size = 0
    for epoch in range(epochs[0], len(check.keys)):
        if epoch > epochs[0] and check.named[epoch] > size:
            break
        size = max([size, *seen[epoch]])
    if size <= check.opener and not problems:
        needed = f"a checkpoint of more than {check.opener} events, signed by this key or one that it vouches for"
        problems.append(Problem(UNCHECKED, "the key", needed, size))
    return size
