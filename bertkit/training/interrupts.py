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
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    old = {number: signal.getsignal(number) for number in usual if is_main}

    def end(_number: int, _frame: Any) -> None:
        # Not KeyboardInterrupt: it may come between this manager and its body, where nobody turns it into a sentence.
        raise Interrupted(sentence)

    try:
        for number, handler in old.items():
            if handler is usual[number]:
                signal.signal(number, end)
        yield
    except KeyboardInterrupt:
        raise Interrupted(sentence) from None
    finally:
        for number, handler in old.items():
            if signal.getsignal(number) is end:
                signal.signal(number, handler)
