"""Ctrl-C and termination, noticed between two steps so that nothing is left half-done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupts(*, persist: bool = False) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or termination signal into a flag, read between two steps.

    Args:
        persist: whether further signals are ignored, for a launcher may repeat them, and kills
            what takes too long; else the second one ends the process at once.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    old = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: Any) -> None:
        flag.set()
        if not persist:
            signal.signal(number, old[signal.Signals(number)])

    for number in old:
        signal.signal(number, note)
    try:
        yield flag
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
