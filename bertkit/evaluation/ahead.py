"""Begin with what takes long while something else is read or waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Work that has begun in a thread: a run is opened, and torch imported, while the first rows are read.

    Args:
        work: is called once, in the thread.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._found: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), name="bertkit-opener", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._found.append(work())
        except BaseException as error:  # raised again where the result is wanted
            self._error = error

    def result(self) -> T:
        """Wait for the work, and return or raise what it has."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def wait(self) -> None:
        """Wait for the work, whatever comes of it: a thread inside an import when Python ends would abort it."""
        self._thread.join()


@contextmanager
def ahead(work: Callable[[], T]) -> Iterator[Ahead[T]]:
    """Begin with work that the body asks the result of; however the body ends, the work has ended too."""
    begun = Ahead(work)
    try:
        yield begun
    finally:
        begun.wait()
