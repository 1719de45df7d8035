"""Memory that nobody uses goes back to the system while rows are answered."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from bertkit.compute import device


def anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1000


def test_gaps_are_given_back():
    if not Path("/proc/self/status").exists() or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("not Linux with glibc")
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes, library.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    size = 100_000  # below what is a mapping of its own
    blocks = [library.malloc(size) for _ in range(800)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    full = anonymous_mb()
    for block in blocks[:-1]:  # the last one keeps the heap from shrinking at its end
        library.free(block)
    device.give_back()
    library.free(blocks[-1])
    assert anonymous_mb() < full - 60


def test_another_c_library_is_let_be(monkeypatch: pytest.MonkeyPatch):
    device._trim.cache_clear()
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _: object())
    device.give_back()
    device._trim.cache_clear()
