"""Which engine answers where nobody names one: a rule of processor, model and input, never of a clock.

The same command on the same machine makes the same choice, and so the same bytes; what is in
the cache plays no part. docs/engines.md has the rule in words and the figures behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bertkit.compute.device import NARROW
from bertkit.data.formats.metering import size_of
from bertkit.engines.graph import why_no_graph
from bertkit.engines.packages import is_installed
from bertkit.kinds import MisfitError, read_object
from bertkit.model_type import restored
from bertkit.processor import has_tiles, units
from bertkit.tasks.base import TaskSettings

# Bytes of input from which another engine pays: below, its start and the making of a graph cost more.
LARGE_INPUT = 4_000_000
# Tokens of a row beyond which nothing was measured.
LONGEST_ROW = 512
# OpenVINO, and what makes the graph that it reads.
PACKAGES = ("openvino", "onnx", "onnxscript")
# Where the driver of a GPU that torch may use shows itself.
_GPUS = ("/dev/nvidiactl", "/dev/kfd")


@dataclass(frozen=True)
class Choice:
    """An engine, and in a clause why."""

    engine: str
    reason: str


def choose_engine(directory: Path, settings: TaskSettings, *, device: str, input_bytes: int | None) -> Choice:
    """Choose the engine that computes a run; needs no torch.

    Args:
        directory: the run, whose config.json says how wide its encoder is.
        settings: the run's.
        device: the word of --device.
        input_bytes: size of what is to be answered; None: not known.
    """
    reason = next(_for_torch(directory, settings, device, input_bytes), None)
    if reason is not None:
        return Choice("torch", reason)
    return Choice("openvino", "a large input, and a processor without AMX")


def _for_torch(directory: Path, settings: TaskSettings, device: str, input_bytes: int | None) -> Iterator[str]:
    """Yield what speaks for torch, the weightiest first."""
    if device not in ("auto", "cpu"):
        yield f"--device {device}"
    if device == "auto" and (sys.platform == "darwin" or any(Path(path).exists() for path in _GPUS)):
        yield "it computes on GPUs"
    if input_bytes is None or input_bytes < LARGE_INPUT:
        yield "the input is small" if input_bytes is not None else "the input's size is not known"
    if not {"avx2", "avx512f"} & units():
        yield "other engines were measured on AVX2 and AVX512 only"
    if has_tiles():
        yield "on a processor with AMX no other engine was faster"
    model_type, width = _encoder(directory)
    if why_no_graph(settings, model_type) is not None:
        yield "the run has no graph"
    if width < NARROW:
        yield "the encoder is narrow"
    if settings.max_length > LONGEST_ROW:
        yield "its rows are long"
    yield from (f"{package} is not installed" for package in PACKAGES if not is_installed(package))


def size_of_all(names: Sequence[str]) -> int | None:
    """Return the bytes of inputs; None where one of them is no regular file."""
    sizes = [size_of(name) for name in names]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _encoder(directory: Path) -> tuple[str, int]:
    """Return architecture and width by config.json; of a damaged one nothing, which others say."""
    try:
        values = restored(read_object(directory / "config.json"))
    except MisfitError:
        return "", 0
    width = values.get("hidden_size", values.get("dim", 0))
    return str(values.get("model_type", "")), width if isinstance(width, int) else 0
