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


def test_growth_is_given_back_once_it_is_worth_it(monkeypatch: pytest.MonkeyPatch):
    given: list[float] = []
    now = {"seconds": 100.0, "held": 0}
    monkeypatch.setattr(device, "_GIVEN", device._Given())
    monkeypatch.setattr(device, "give_back", lambda: given.append(now["seconds"]))
    monkeypatch.setattr(device, "_anonymous", lambda: now["held"])
    monkeypatch.setattr(device.time, "process_time", lambda: now["seconds"])
    for seconds, held in [(100.0, 90), (100.5, 217), (101.5, 110), (102.5, 130), (103.0, 250), (103.5, 250)]:
        now |= {"seconds": seconds, "held": held << 20}
        device.give_back_growth()
    # Not within a second of the last time, nor for 20 MB.
    assert given == [100.0, 102.5, 103.5]
    # What is held in the middle of work does not count for ever: growth is told from the least since.
    for seconds, held in [(104.0, 240), (104.1, 200), (104.2, 220), (104.6, 231), (104.7, 232)]:
        now |= {"seconds": seconds, "held": held << 20}
        device.give_back_growth()
    assert given == [100.0, 102.5, 103.5, 104.7]
    # Nor is a second waited for, where growth is far too much.
    now |= {"seconds": 104.8, "held": 360 << 20}
    device.give_back_growth()
    assert given[-1] == 104.8


def test_where_growth_is_not_known_memory_is_given_back(monkeypatch: pytest.MonkeyPatch):
    given: list[bool] = []
    monkeypatch.setattr(device, "_GIVEN", device._Given())
    monkeypatch.setattr(device, "give_back", lambda: given.append(True))
    monkeypatch.setattr(device, "_anonymous", lambda: None)
    monkeypatch.setattr(device.time, "process_time", lambda: 5.0)
    device.give_back_growth()
    assert given == [True]


def test_a_mapped_file_is_read_again_after_its_pages_have_gone(tmp_path: Path):
    import torch

    path = tmp_path / "weights"
    path.write_bytes(bytes(range(256)) * 4096)
    mapped = torch.from_file(str(path), shared=False, size=1 << 20, dtype=torch.uint8)
    before = mapped.clone()
    device.page_out(mapped.data_ptr() + 1, mapped.nbytes - 2)  # no whole pages at its ends
    device.page_out(mapped.data_ptr() + 1, 10)
    assert torch.equal(mapped, before)
