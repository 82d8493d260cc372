"""Reports made of values, and strings that try to act in them."""

from __future__ import annotations

from alertstore.domain.verdict import Problem, VerifyReport
from alertstore.report.custody import Actor, Custody, Logged, Signed

ROOT = "ab" * 32

HOSTILE = (
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</pre></dl></main><iframe src=javascript:alert(1)>",
    "<!-- --><b>x",
    "<a href='https://evil.example'>click</a>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "<https://evil.example>",
    "https://evil.example www.evil.example mia@evil.example",
    "[ref]: https://evil.example\n\n[ref]",
    "| a | b |\n| --- | --- |\n| c | d |",
    "# heading\n## another\n\n- item\n> quote\n---",
    "`` ` ``` `",
    "```\n<script>alert(1)</script>\n```",
    "~~~\n**bold**\n~~~",
    "**bold** _it_ ~~gone~~ \\",
    "&lt;script&gt;&#60;b&#62; &amp;",
    "\x1b]0;pwned\x07\x1b[31mred\r\nover",
    "\u202egnp.exe\u202c zero\u200bwidth \u2028line \ufeff",
    " leading and trailing ",
    "`",
    "{{7*7}} ${7*7} <% 7 %>",
    "\udc80lone",
)


def logged(seq, kind, text, facts=None, **body):
    given = {"actor": text, "reason": text, "subject": text, "facts": {} if facts is None else facts, **body}
    return Logged(seq, 1_700_000_000_000_000 + seq, kind, f"{seq:064x}", given)


def custody(text="plain", *, problems=(), unchecked=(), held=(), **other):
    """A report's values with `text` wherever a store, or the machine, could put any."""
    started = {"name": text, "source_name": text, "version": text, "tz": text, "dedup_by": text, "dedup_window": text, "columns": [text]}
    finished = {"sha256": text, "size": 12, "new": text, "rejected": 0, "notes": {text: 1}, "fault": text}
    values = {
        "store_id": text,
        "file": text,
        "size": 4096,
        "first": 1_700_000_000_000_001,
        "last": text,
        "verified": VerifyReport(not problems, "deep", 9, ROOT, "unsigned", tuple(problems), 0, tuple(unchecked)),
        "held": held,
        "pruned": 0,
        "imports": [(text, [logged(2, "import_started", text, started), logged(3, "import_finished", text, finished)])],
        "events": [
            logged(1, "store_created", text, {"store_id": text}),
            logged(8, "setting_changed", text, {text: text, "list": [text]}, changes={text: [None, text]}, origin={text: text}, clock=text),
        ],
        "signed": [Signed(9, 0, text + "\n9\nroot\n\n- mia sig\n")],
        "actors": [Actor(text, 4, 1, 2)],
        "versions": {"alertstore": text, "SQLite source": text},
        "unread": [text],
    }
    return Custody(**{**values, **other})


def hostile_custody(text):
    """As `custody`, of a store that is not sound: problems quote it too."""
    return custody(text, problems=[Problem("row", text, text, [text, None, 1])], unchecked=[text])
