"""Progress of long work on stderr: a bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertkit.cli.render import open_console
from bertkit.cli.streams import say
from bertkit.language import translated
from bertkit.plain import Progress, span, unheard

if TYPE_CHECKING:
    from rich.console import Console

WARNING = "warning: "
EVERY_S = 10.0
# Work that is done sooner shows no bar.
UNSHOWN_S = 0.5

QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only warnings and errors on stderr.", envvar="BERTKIT_QUIET"),
]


@contextmanager
def shown_work(what: str, *, quiet: bool = False, talks: bool = False) -> Iterator[Progress]:
    """Show on stderr how far work has come.

    Args:
        what: is counted (rows, documents).
        quiet: whether nothing is shown.
        talks: whether the command's own answers go to the terminal as they come, which a bar
            would break up.
    """
    console = open_console(stderr=True)
    if quiet or (talks and console.is_terminal):
        yield unheard
        return
    view = _Bar(what, console) if console.is_terminal else Lines(say, what)
    try:
        yield view
    finally:
        view.close()


def notes(*, quiet: bool) -> Callable[[str], None]:
    """Return what says a sentence on stderr; of a quiet command warnings only."""
    return lambda said: None if quiet and not said.removeprefix("bertkit: ").startswith(WARNING) else say(said)


class Clock:
    """Calls every so many seconds, in a thread of its own: work that shows nothing for long is shown too."""

    def __init__(self, call: Callable[[], None], *, every_s: float | None = None) -> None:
        self._every_s = EVERY_S if every_s is None else every_s
        self._ended = threading.Event()
        self._call = call
        self._thread = threading.Thread(target=self._run, name="bertkit-clock", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self._call()

    def stop(self) -> None:
        """Call no more."""
        self._ended.set()
        self._thread.join()


class Lines:
    """Says how far work has come every ten seconds, in a line."""

    def __init__(self, tell: Callable[[str], None], what: str) -> None:
        self._tell, self._what = tell, what
        self._began = time.monotonic()
        self._done = 0.0
        self._total: float | None = None
        self._clock = Clock(self._say)

    def __call__(self, done: float, total: float | None) -> None:
        """Hear how much has been done."""
        self._done, self._total = done, total

    def _say(self) -> None:
        seconds = time.monotonic() - self._began
        self._tell(progress_line(self._what, self._done, self._total, seconds))

    def close(self) -> None:
        """Say no more."""
        self._clock.stop()


def progress_line(what: str, done: float, total: float | None, seconds: float) -> str:
    """Say how far work has come: how much, how fast, and how long it will still take where that is known.

    Args:
        what: is counted.
        done: how much has been done.
        total: how much there is; a whole number is counted, another one estimated; None: nobody knows.
        seconds: since it began.
    """
    if done < 1:
        return f"no {what} yet, after {span(seconds)}"
    speed = done / seconds if seconds else 0.0
    parts = [f"{done:,.0f} {what}", f"{speed:,.0f} {what}/s" if speed >= 10 else f"{speed:.1f} {what}/s"]
    if total is not None and done >= total > 0:
        return f"all {done:,.0f} {what} read, at work for {span(seconds)}"
    if total is not None and total > 0:
        is_counted = isinstance(total, int)
        # Not one text, which would be the form of a hundred other sentences to who translates it.
        counted = " ".join((f"{done:,.0f}", "of", f"{total:,.0f}", what))
        parts[0] = counted if is_counted else f"{done:,.0f} of about {total:,.0f} {what}"
        left = max(0.0, total - done) * seconds / done
        parts.append(f"about {span(left)} left")
    return ", ".join(parts)


class _Bar:
    """A bar, or a wheel where the end is not known; it comes when work lasts, and goes with it."""

    def __init__(self, what: str, console: Console) -> None:
        self._what, self._console = what, console
        self._began = time.monotonic()
        self._progress: Any = None
        self._task: Any = None

    def __call__(self, done: float, total: float | None) -> None:
        """Hear how much has been done."""
        seconds = time.monotonic() - self._began
        if self._progress is None:
            if seconds < UNSHOWN_S:
                return
            self._progress = _columns(self._console)
            self._progress.start()
            self._task = self._progress.add_task("", total=None)
        said = translated(progress_line(self._what, done, total, seconds))
        self._progress.update(self._task, completed=done, total=total, description=said)

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()


def _columns(console: Console) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
    # Redirected, answers that go to a pipe would be printed where the bar is.
    return Progress(*columns, console=console, transient=True, redirect_stdout=False)
