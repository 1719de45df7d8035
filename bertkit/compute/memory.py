"""Memory that the C library has been given back and keeps: the system gets it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Give memory that nobody uses any more back to the system, where its C library can do that (glibc).

    Tensors of hundreds of sizes leave gaps of which ever fewer fit the next one, so that a process
    would grow with the batches that it has seen.
    """
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    try:
        found: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return lambda _: None
    return found
