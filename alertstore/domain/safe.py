"""The one gate for text: whatever comes from an alert passes here before a person, a terminal or a page sees it."""

from __future__ import annotations

import unicodedata

# Letters, marks and signs that Unicode calls printable and that show as nothing, or as a blank. Variation selectors are among
# them: a row of them says anything at all to a machine, and nothing to whoever reads it.
_VARIATIONS = "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\U00016fe4\U0001d159" + _VARIATIONS)


def safe_text(value: object) -> str:
    r"""Text in which nothing acts, hides or reorders: such characters show as escapes (`\x1b`, `\u202e`, `\n`).

    These are the control characters, those of format (bidirectional controls, zero-width, byte order mark, tags), line and
    paragraph separators, lone surrogates, private and unassigned ones, variation selectors, and the blank
    ones that pass for letters.
    """
    text = str(value)
    if text.isprintable() and _BLANK.isdisjoint(text):
        return text
    return "".join(c if _shows(c) else c.encode("unicode_escape").decode() for c in text)


def _shows(character: str) -> bool:
    return (character.isprintable() and character not in _BLANK) or unicodedata.category(character) == "Zs"
