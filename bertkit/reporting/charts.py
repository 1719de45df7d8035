"""Small charts as inline SVG, for pages: bars of shares, columns of a histogram, ranges."""

from __future__ import annotations

from collections.abc import Sequence

from bertkit.audit.lengths import Bar
from bertkit.reporting.page import Html, tag

_WIDTH, _HEIGHT = 340, 150
_LEFT, _BOTTOM, _TOP = 2, 20, 14
_CHARACTER = 5.6  # width of a figure at the size of the labels


def share_bar(share: float) -> Html:
    """Draw a share from 0 to 1 as a bar as wide as its place."""
    track = tag("rect", width=100, height=8, fill="var(--line)", opacity=0.55)
    filled = tag("rect", width=round(100 * share, 2), height=8, fill="var(--blue)")
    return _stretched(track, filled)


def range_bar(low: float, first: float, middle: float, third: float, high: float) -> Html:
    """Draw a distribution as a line from `low` to `high`, a box between the quartiles and a mark at the middle.

    All five are shares of the width, from 0 to 1.
    """
    a, b, c, d, e = (round(100 * share, 2) for share in (low, first, middle, third, high))
    line = tag("rect", x=a, y=3.4, width=max(0.4, round(e - a, 2)), height=1.2, fill="var(--muted)")
    box = tag("rect", x=b, y=0.5, width=max(0.8, round(d - b, 2)), height=7, fill="var(--blue)", opacity=0.65)
    mark = tag("rect", x=round(c - 0.4, 2), y=0, width=0.8, height=8, fill="var(--ink)")
    return _stretched(line, box, mark)


def histogram(bars: Sequence[Bar], unit: str) -> Html:
    """Draw a histogram as columns; the number of rows is told where one points at a column."""
    tallest = max(bar.count for bar in bars)
    step = (_WIDTH - 2 * _LEFT) / len(bars)
    widest = max(len(_name(bar, bar is bars[-1])) for bar in bars)
    every = max(1, -(-int(widest * _CHARACTER + 4) // int(step)))
    parts: list[Html] = [tag("text", f"{tallest:,} rows", x=_LEFT, y=9, font_size=9, fill="var(--muted)")]
    for i, bar in enumerate(bars):
        height = (_HEIGHT - _BOTTOM - _TOP) * bar.count / tallest
        x, y = _LEFT + i * step, _HEIGHT - _BOTTOM - height
        title = tag("title", f"{_span(bar)} {unit}: {bar.count:,} rows")
        column = {"x": round(x + 1, 2), "y": round(y, 2), "width": round(step - 2, 2), "height": round(height, 2)}
        parts.append(tag("g", title, tag("rect", **column, fill="var(--blue)")))
        if i % every == 0:
            name = _name(bar, bar is bars[-1])
            parts.append(tag("text", name, x=round(x + 1, 2), y=_HEIGHT - 7, font_size=9, fill="var(--muted)"))
    base = {"x1": 0, "x2": _WIDTH, "y1": _HEIGHT - _BOTTOM + 0.5, "y2": _HEIGHT - _BOTTOM + 0.5}
    parts.append(tag("line", **base, stroke="var(--muted)"))
    label = f"Histogram of {unit}: most often {_span(max(bars, key=lambda bar: bar.count))}"
    return tag("svg", *parts, class_="figure", role="img", aria_label=label, viewBox=f"0 0 {_WIDTH} {_HEIGHT}")


def _stretched(*parts: Html) -> Html:
    view = {"viewBox": "0 0 100 8", "preserveAspectRatio": "none"}
    return tag("svg", *parts, class_="bar", aria_hidden="true", **view)


def _span(bar: Bar) -> str:
    return str(bar.low) if bar.low == bar.high else f"{bar.low}–{bar.high}"


def _name(bar: Bar, is_last: bool) -> str:
    return f"{bar.low}+" if is_last and bar.high > bar.low else str(bar.low)
