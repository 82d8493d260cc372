"""The forms that a report has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.report.html import html
from alertstore.report.markdown import markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alertstore.report.document import Document

FORMS: Mapping[str, Callable[[Document], str]] = {"markdown": markdown, "html": html}
