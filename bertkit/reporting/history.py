"""The loss curves of a run, read back from its TensorBoard events."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Curve = tuple[tuple[int, float], ...]
"""(step, value), in the order of the steps."""


def read_curves(run: Path, tags: Sequence[str]) -> Mapping[str, Curve]:
    """Read scalars of a run; a tag that nothing was written for is left out.

    A resumed training writes another file, and what its predecessor wrote from the first
    step of that file on does not count.

    Args:
        run: the run's folder.
        tags: which scalars.
    """
    files = sorted((run / "events").glob("events.out.tfevents.*"))
    if not files or importlib.util.find_spec("tensorboard") is None:
        return {}
    curves: dict[str, dict[int, float]] = {tag: {} for tag in tags}
    for path in files:
        for tag, step, value in _scalars(path):
            if tag == _RESTART:
                curves = {name: {s: v for s, v in own.items() if s < step} for name, own in curves.items()}
            elif tag in curves:
                curves[tag][step] = value
    return {tag: tuple(sorted(own.items())) for tag, own in curves.items() if own}


_RESTART = ""


def _scalars(path: Path) -> Iterator[tuple[str, int, float]]:
    """Read (tag, step, value); a restart has no tag."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.compat.proto.event_pb2 import SessionLog

    for event in EventFileLoader(str(path)).Load():
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            yield _RESTART, event.step, 0.0
        for value in event.summary.value:
            if value.HasField("tensor") and len(value.tensor.float_val) == 1:
                yield value.tag, event.step, float(value.tensor.float_val[0])
            elif value.HasField("simple_value"):
                yield value.tag, event.step, float(value.simple_value)
