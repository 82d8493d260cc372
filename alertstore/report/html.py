"""A report as one HTML page: nothing in it is fetched, runs, or links anywhere; everything is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from alertstore.domain.safe import safe_text
from alertstore.report.document import Document, Facts, Finding, Heading, Paragraph, Points, Value, Verbatim

if TYPE_CHECKING:
    from alertstore.report.document import Block

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page may show text in its own style, and nothing else (Content-Security-Policy)."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #59616b; --line: #d9dde2; --paper: #fff; --shade: #f5f6f8;
  --good: #17653a; --good-shade: #e8f5ed; --bad: #a3211b; --bad-shade: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6ea; --soft: #a0a8b3; --line: #363b43; --paper: #16181c; --shade: #1f2228;
  --good: #7fd6a2; --good-shade: #14291d; --bad: #ff9b93; --bad-shade: #331715; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1.25rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p, li, dd, pre { overflow-wrap: anywhere; }
p { margin: .75rem 0; }
.finding { padding: .9rem 1.1rem; border-left: .3rem solid var(--bad); background: var(--bad-shade); color: var(--bad); font-weight: 600; }
.finding.good { border-color: var(--good); background: var(--good-shade); color: var(--good); }
dl { display: grid; grid-template-columns: 12rem minmax(0, 1fr); margin: .5rem 0; border-top: 1px solid var(--line); }
dt, dd { margin: 0; padding: .3rem 0; border-bottom: 1px solid var(--line); }
h2 + dl { margin-top: -.75rem; border-top: 0; }
dt { padding-right: 1.25rem; color: var(--soft); overflow-wrap: anywhere; }
dd { white-space: pre-wrap; font-variant-numeric: tabular-nums; }
code, pre { font: .88em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: .75rem 0; padding: .8rem 1rem; background: var(--shade); border: 1px solid var(--line); white-space: pre-wrap; }
ul { padding-left: 1.2rem; }
li { margin: .5rem 0; }
@media (max-width: 40rem) { dl { grid-template-columns: minmax(0, 1fr); } dt { border: 0; padding-bottom: 0; font-size: .875rem; }
  dd { padding-top: 0; } main { padding-top: 1.5rem; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #333; --line: #aaa; --paper: #fff; --shade: #fff; --good: #000; --bad: #000;
  --good-shade: #fff; --bad-shade: #fff; } body { font-size: 10pt; } main { max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; } dt, dd, li { break-inside: avoid; } }
"""


def html(document: Document) -> str:
    """The report as an HTML page."""
    title = _text(document.title)
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    )
    return head + "".join(map(_block, document.blocks)) + "</main>\n</body>\n</html>\n"


def _block(block: Block) -> str:
    match block:
        case Heading(words, level, value):
            return f"<h{level}>{_text(words)}{'' if value is None else ' ' + _value(value)}</h{level}>\n"
        case Finding(words, good):
            return f'<p class="finding{" good" if good else ""}">{_text(words)}</p>\n'
        case Paragraph(words):
            return f"<p>{_text(words)}</p>\n"
        case Facts(rows):
            return "<dl>\n" + "".join(f"<dt>{_inline(name)}</dt><dd>{_inline(value)}</dd>\n" for name, value in rows) + "</dl>\n"
        case Points(rows):
            return "<ul>\n" + "".join(f"<li><strong>{_text(name)}</strong> {_text(words)}</li>\n" for name, words in rows) + "</ul>\n"
        case Verbatim(value):
            return "<pre>" + "\n".join(map(_text, value.text.removesuffix("\n").split("\n"))) + "</pre>\n"


def _inline(words: str | Value) -> str:
    return _value(words) if isinstance(words, Value) else _text(words)


def _value(value: Value) -> str:
    if not value.text:
        return "(empty)"
    return f"<code>{_text(value.text)}</code>" if value.exact else _text(value.text)


def _text(text: str) -> str:
    return escape(safe_text(text))
