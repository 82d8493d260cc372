"""Numbers and times as people read them. Everything is given as JSON has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def minute(moment: str | None) -> str:
    """A time to the minute: `2026-11-23 08:54`."""
    return "" if moment is None else moment[:16].replace("T", " ")


def second(moment: str | None) -> str | None:
    """A time to the second: `2026-11-23 08:54:12Z`."""
    return None if moment is None else moment[:19].replace("T", " ") + "Z"


def percent(share: float | None) -> str:
    """A share in percent."""
    return "-" if share is None else f"{share * 100:.0f} %"


def interval(rate: Mapping[str, Any]) -> str:
    """The bounds of a rate: `12-45 %`."""
    return "-" if rate["low"] is None else f"{rate['low'] * 100:.0f}-{rate['high'] * 100:.0f} %"


def duration(seconds: float | None) -> str:
    """A time span in its two largest units: `3d 4h`, `12m 5s`, `0.2s`."""
    if seconds is None:
        return "-"
    sign, whole = ("-", -seconds) if seconds < 0 else ("", seconds)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{sign}{whole:.1f}s"
    days, rest = divmod(int(whole), 86_400)
    parts = [(days // 365, "y"), (days % 365, "d"), (rest // 3600, "h"), (rest // 60 % 60, "m"), (rest % 60, "s")]
    first = next(k for k, (n, _) in enumerate(parts) if n)
    return sign + " ".join(f"{n}{unit}" for n, unit in parts[first : first + 2] if n)


def shortened(words: str, longest: int) -> str:
    """The beginning of what is too long, and a sign that there is more."""
    return words if len(words) <= longest else words[: longest - 1] + "…"
