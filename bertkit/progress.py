"""How far work has come, told by whoever does it and shown by whoever talks to people."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, float | None], None]
"""Is told how much has been done, and how much there is in all; None: nobody knows yet."""


def unheard(done: float, total: float | None) -> None:
    """Tell nobody."""


def span(seconds: float) -> str:
    """Say how long something takes, as people do: 40 s, 3 min, 2 h 5 min."""
    if seconds < 99.5:
        return f"{max(0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"
