"""Ctrl-C and termination: noticed between two steps, so that nothing is left half-done, or at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bertkit.errors import Interrupted


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


@contextmanager
def ended_by_signals(sentence: str) -> Iterator[None]:
    """Let Ctrl-C and a termination signal end the body at once, with one sentence.

    Raises:
        Interrupted: one of them came.
    """
    is_main = threading.current_thread() is threading.main_thread()
    old = signal.getsignal(signal.SIGTERM)

    def end(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    try:
        if is_main and old is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, end)
        yield
    except KeyboardInterrupt:
        raise Interrupted(sentence) from None
    finally:
        if is_main and signal.getsignal(signal.SIGTERM) is end:
            signal.signal(signal.SIGTERM, old)
