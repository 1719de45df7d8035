"""Long documents in windows of whole sentences, as even as they can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def even_windows(lengths: Sequence[int], room: int) -> list[range]:
    """Divide sentences into as few runs as possible, the longest of them as short as possible.

    Args:
        lengths: tokens of each sentence; none is longer than `room`.
        room: most tokens of a window.

    Returns:
        The sentences of each window, in order.
    """
    fewest = len(_packed(lengths, room))
    low, high = max(lengths, default=0), room
    while low < high:  # the tightest room that needs no window more
        middle = (low + high) // 2
        low, high = (low, middle) if len(_packed(lengths, middle)) <= fewest else (middle + 1, high)
    return _packed(lengths, high)


def _packed(lengths: Sequence[int], room: int) -> list[range]:
    windows, start, used = [], 0, 0
    for place, length in enumerate(lengths):
        if used + length > room and place > start:
            windows.append(range(start, place))
            start, used = place, 0
        used += length
    if start < len(lengths):
        windows.append(range(start, len(lengths)))
    return windows


def fitting(texts: Sequence[str], lengths: Callable[[Sequence[str]], Sequence[int]], room: int) -> list[str]:
    """Return sentences that fit a window: one that does not is halved, between words if it has several."""
    fits: list[str] = []
    for text, length in zip(texts, lengths(texts), strict=True):
        halves = _halves(text) if length > room else ()
        fits.extend(fitting(halves, lengths, room) if halves else [text])
    return fits


def _halves(text: str) -> tuple[str, ...]:
    if len(text) < 2:
        return ()
    middle = len(text) // 2
    spaces = [place for place in (text.rfind(" ", 0, middle), text.find(" ", middle)) if place > 0]
    cut = min(spaces, key=lambda place: abs(place - middle), default=middle)
    return tuple(half for half in (text[:cut].strip(), text[cut:].strip()) if half)
