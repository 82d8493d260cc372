"""What a chain of custody can be worth, in sentences: how strong a verification is, and what no verification shows."""

from __future__ import annotations

STRENGTH = {
    "unsigned": (
        "Unsigned: accidents show, and so does every change by somebody who does not recompute all hashes. The history was held against "
        "nothing from outside the file, so whoever can write the file could have rewritten all of it."
    ),
    "anchored": (
        "Anchored: the history was held against a checkpoint or receipts kept outside the file. Up to there a rewrite would show; "
        "later events are held by nothing from outside."
    ),
    "signed": (
        "Signed: a given key signed the history up to the event named above. Up to there only whoever had that key, or one "
        "that it vouches for, could have rewritten it unseen; later events are held by no signature."
    ),
}
"""What each assurance of a verification means."""


_LIMITS = (
    ("Truth.", "A store shows what was taken in, not that it is true."),
    (
        "Completeness.",
        "Nothing shows what was left out before it was taken in. The SHA-256 of an import says which bytes were read, not where they came from.",
    ),
    (
        "Time.",
        "Times are those of the computer that wrote the event; nothing shows that its clock was right. The order of events is that of their numbers.",
    ),
    ("People.", "Actors are names that were given; nothing shows who the person was."),
    (
        "The newest state.",
        "An older copy of a store verifies just as well. Only a checkpoint or receipts kept elsewhere show that later events are missing.",
    ),
    (
        "Keys.",
        "Whoever gets hold of a signing key can sign another history from then on; whoever had the store's first key, all of it.",
    ),
    ("The computer.", "Nothing holds against somebody who controlled the computer from the start: such a person decides what is written."),
    (
        "Erased content.",
        "What was deleted or redacted is gone from the store, and the events that say so stay. Copies and backups made before are out of reach.",
    ),
)


def limits(size: int) -> tuple[tuple[str, str], ...]:
    """What neither a store nor a report can show, of a history of `size` events: (a word for it, sentences)."""
    own = f"It is not signed. To see that it was not altered, make it again from the store as it was at event {size}, and compare."
    return (*_LIMITS, ("This report.", own))
