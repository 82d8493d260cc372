"""Regular expressions that others wrote: read, and taken only where they cannot run away.

What is run is bounded from both sides: the text is at most 255 characters, and an expression is refused whose choices, multiplied
out over such a text, are more than could be tried.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from itertools import pairwise

LONGEST_TEXT = 255
"""Characters of a value that an expression is run on; longer values are not tried."""
LONGEST_REGEX = 1000
"""Characters of an expression."""
MOST_WAYS = LONGEST_TEXT**3
"""Upper bound of the ways in which an expression can be tried on a text."""

# The constructs that bear on how often a part is tried; all else is one character or position. In a valid expression, sets are closed.
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:[^\]\\]|\\.)*+\]?|\((?:\?(?:[aiLmsux-]*[:)]|P?<\w+>|P[=>]\w+|<?[=!]|>|\|))?|\)|\||[*+?]|\{\d*(?:,\d*)?\}|.", re.DOTALL
)
_REPEAT = re.compile(r"\{(\d*)(,?)(\d*)\}")
_DELIMITED = re.compile(r"([/#~@])(.*)\1([a-zA-Z]*)", re.DOTALL)


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """The expression, ready to search with; of `/…/i` the slashes are dropped and the flag kept.

    Raises ValueError with the reason for one that cannot be read, whose ways cannot be counted, or that has too many.
    """
    if len(pattern) > LONGEST_REGEX:
        raise ValueError(f"an expression of more than {LONGEST_REGEX} characters")
    flags = 0
    if delimited := _DELIMITED.fullmatch(pattern):
        pattern = delimited[2]
        if strange := set(delimited[3]) - set("iu"):
            raise ValueError(f"an expression with the flags {''.join(sorted(strange))}")
        flags = re.IGNORECASE if "i" in delimited[3] else 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python would read otherwise
            found = re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError, ValueError) as why:
        raise ValueError(f"an expression that cannot be read: {why}") from None
    if found.flags & re.VERBOSE or "(?#" in pattern:  # what is ignored would stand between a part and its repeat
        raise ValueError("an expression with comments in it")
    starts = 1 if pattern.startswith("^") and "|" not in pattern else LONGEST_TEXT
    if _ways(pattern) * starts > MOST_WAYS:
        raise ValueError("an expression that can be tried in too many ways")
    return found


def _ways(pattern: str) -> int:
    """How many ways there are through a valid expression: those of parts in a row multiply, those of alternatives add up."""
    stack: list[tuple[int, int]] = []  # of each open group: the ways of alternatives done, and of this one so far
    done, here, last = 0, 1, 1
    tokens = [hit[0] for hit in _TOKEN.finditer(pattern)]
    for mark, following in pairwise([*tokens, ""]):
        if mark.startswith("(") and not mark.endswith(")"):
            stack.append((done, here))
            done, here, last = 0, 1, 1
        elif mark == ")" and stack:
            last = done + here
            done, here = stack.pop()
        elif mark == "|":
            done, here, last = done + here, 1, 1
        elif mark in "*+?" or _REPEAT.fullmatch(mark):
            continue  # counted with what it repeats
        else:
            last = 1
        if mark != "|" and not (mark.startswith("(") and not mark.endswith(")")):
            here = min(here * _repeated(last, following), MOST_WAYS * LONGEST_TEXT + 1)
    return done + here


def _repeated(ways: int, mark: str) -> int:
    """The ways of a part that is repeated as the mark says."""
    if mark == "?":
        return ways + 1
    if mark in {"*", "+"}:
        least, most = 1, LONGEST_TEXT
    elif found := _REPEAT.fullmatch(mark):
        least = int(found[1] or 0)
        most = min(int(found[3] or LONGEST_TEXT) if found[2] else least, LONGEST_TEXT)
    else:
        return ways
    return most - least + 1 if ways == 1 else min(ways**most, MOST_WAYS * LONGEST_TEXT + 1)
