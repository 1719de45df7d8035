"""From two figures a token to the likeliest stretches of a text: the windows of a question put together.

A window says of each of its tokens how much it looks like the beginning and the end of the
answer; its first token stands for "not here". How much likelier a stretch is than that is the same
measure in every window, so stretches of different windows compete by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import CharSpan
from bertkit.tasks.registry import KEPT_ANSWERS
from bertkit.tokenization.segments import Span

MOST_TOKENS = 64
"""Tokens of the longest answer."""
KEPT = KEPT_ANSWERS
"""Stretches of a text that are kept."""


@dataclass(frozen=True, slots=True)
class Found:
    """The likeliest stretches of a text as places in it, with their probabilities, falling; `none`: of no answer."""

    places: tuple[CharSpan, ...]
    probabilities: tuple[float, ...]
    none: float

    @property
    def answerable(self) -> float:
        """The probability that the text has an answer."""
        return 1.0 - self.none


def stretches(windows: Iterable[tuple[Sequence[Span], NDArray[np.float64]]]) -> Found:
    """Find the likeliest stretches of a text.

    Args:
        windows: of each the places of its L tokens, those of the text on side 1, and their
            figures, (L, 2).
    """
    best: dict[CharSpan, float] = {}
    for spans, figures in windows:
        for place, gain in _of_window(spans, figures):
            best[place] = max(gain, best.get(place, gain))
    kept = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:KEPT]
    if not kept:
        return Found((), (), 1.0)
    gains = np.array([0.0, *(gain for _, gain in kept)])
    raised = np.exp(gains - gains.max())
    shares = (raised / raised.sum()).tolist()
    return Found(tuple(place for place, _ in kept), tuple(shares[1:]), shares[0])


def _of_window(spans: Sequence[Span], figures: NDArray[np.float64]) -> list[tuple[CharSpan, float]]:
    """Return the best stretches of a window, each with how much likelier than none it is (log odds)."""
    places = np.array([tuple(span) for span in spans], np.int64).reshape(-1, 3)
    tokens = np.flatnonzero((places[:, 0] == 1) & (places[:, 2] > places[:, 1]))
    if not len(tokens):
        return []
    starts, ends = figures[tokens, 0] - figures[0, 0], figures[tokens, 1] - figures[0, 1]
    gains = starts[:, None] + ends[None, :]  # (text tokens, text tokens)
    count = len(tokens)
    allowed = np.triu(np.ones((count, count), bool)) & ~np.triu(np.ones((count, count), bool), MOST_TOKENS)
    flat = np.where(allowed, gains, -np.inf).ravel()
    most = min(KEPT, int(allowed.sum()))
    chosen = np.argpartition(-flat, most - 1)[:most]
    found = []
    for i in chosen.tolist():
        first, last = divmod(i, count)
        start, end = int(places[tokens[first], 1]), int(places[tokens[last], 2])
        if start < end:
            found.append(((start, end), float(flat[i])))
    return found


def tokens_of(place: CharSpan, spans: Sequence[Span]) -> tuple[int, int]:
    """Return the first and last token of a stretch in a window; (0, 0) where it is not whole in it."""
    inside = [i for i, s in enumerate(spans) if s.side == 1 and s.start < place[1] and place[0] < s.end]
    if not inside:
        return 0, 0
    first, last = spans[inside[0]], spans[inside[-1]]
    # A window that begins or ends within the stretch holds only some of it.
    is_whole = first.start <= place[0] and place[1] <= last.end
    return (inside[0], inside[-1]) if is_whole else (0, 0)
