"""Where the work runs: device, precision, threads; values as torch or numpy arrays; freeing memory."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.processes import World, this_world
from bertkit.errors import DeviceError, UsageError
from bertkit.plain import brief
from bertkit.processor import THREADS_VARIABLE, usable_cores, usual_threads

if TYPE_CHECKING:
    from torch import Tensor

# --- Memory that the C library has been given back and keeps: the system gets it ------------------


def give_back() -> None:
    """Give memory that nobody uses any more back to the system, where its C library can do that (glibc).

    Tensors of hundreds of sizes leave gaps of which ever fewer fit the next one, so that a process
    would grow with the batches that it has seen.
    """
    _trim()(0)


_PAGE_OUT = 21  # of madvise(2), since Linux 5.4


def page_out(address: int, size: int) -> None:
    """Let the system take back the whole pages of a stretch of memory that is not going to be read.

    Meant for a mapped file: what is read all the same is read from the file again. Where the system
    cannot do that, nothing happens.

    Args:
        address: where it begins.
        size: in bytes.
    """
    if sys.platform != "linux":
        return
    page = os.sysconf("SC_PAGE_SIZE")
    first, end = -(-address // page) * page, (address + size) // page * page
    if end > first:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _PAGE_OUT)


# Bytes by which a process may grow before what it does not use goes back, and processor seconds that it works
# before that happens again: asking for the pages anew would else be a tenth of a small model's work.
MOST_GROWTH, LEAST_WORK_S = 32 << 20, 1.0
# By this much it never grows: the more gaps there are, the more a second of work asks for.
FAR_TOO_MUCH = 4 * MOST_GROWTH


@dataclass
class _Given:
    """When memory was given back last: the least that this process has held since, in bytes, and its processor seconds.

    The least, for memory is given back in the middle of work, too: what is held then would be a measure
    that rises from one time to the next and never falls.
    """

    held: int = 0
    seconds: float = 0.0


_GIVEN = _Given()


def give_back_growth() -> None:
    """Give memory back as `give_back` does, where this process has grown by `MOST_GROWTH` since it last did."""
    held, spent = _anonymous(), time.process_time()
    if held is not None:
        _GIVEN.held = min(_GIVEN.held, held)
    is_soon = spent < _GIVEN.seconds + LEAST_WORK_S
    if is_soon and (held is None or held < _GIVEN.held + FAR_TOO_MUCH):
        return
    if held is None or held >= _GIVEN.held + MOST_GROWTH:
        give_back()
        _GIVEN.held, _GIVEN.seconds = _anonymous() or 0, spent


def _anonymous() -> int | None:
    """Return how much of this process's memory is of no file, in bytes; None where the system does not say."""
    try:
        with Path("/proc/self/statm").open("rb") as stream:
            _, resident, shared, *_ = map(int, stream.read().split())
    except (OSError, ValueError):
        return None
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


@cache
def _trim() -> Callable[[int], object]:
    try:
        found: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return lambda _: None
    return found


# --- Figures as torch has them where torch computes, and as numpy has them where another engine does
#
# To import torch takes longer than ONNX Runtime needs to answer some hundred rows. So whoever
# lays out a batch asks here: a process in which nobody has imported torch does not need it.


def torch_is_here() -> bool:
    """Tell whether torch has been imported."""
    return "torch" in sys.modules


def laid_out(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor of the same memory; the array itself where torch is not at work."""
    if not torch_is_here():
        return array  # type: ignore[return-value]
    import torch

    return torch.from_numpy(array)


def to_figures(logits: Tensor | NDArray[Any]) -> NDArray[np.float64]:
    """Return what a model has computed, in 64 bits; any shape."""
    if isinstance(logits, np.ndarray):
        return logits.astype(np.float64)
    array: NDArray[np.float64] = logits.double().cpu().numpy()
    return array


def probabilities(logits: Tensor | NDArray[Any], dtype: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """Return the softmax over the last axis; any shape.

    Args:
        logits: what a model has computed.
        dtype: in which it is computed, and returned.
    """
    if isinstance(logits, np.ndarray):
        values = logits.astype(dtype)
        raised = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype)
    wide = logits.double() if dtype is np.float64 else logits.float()
    array: NDArray[Any] = wide.softmax(dim=-1).cpu().numpy()
    return array


def each_by_itself(logits: Tensor | NDArray[Any]) -> NDArray[np.float64]:
    """Return the sigmoid of each figure, in 64 bits; any shape."""
    if isinstance(logits, np.ndarray):
        values = np.exp(-np.abs(logits.astype(np.float64)))
        return np.asarray(np.where(logits < 0, values, 1.0) / (1.0 + values), np.float64)
    array: NDArray[np.float64] = logits.double().sigmoid().cpu().numpy()
    return array


def no_gradients() -> AbstractContextManager[Any]:
    """Return the context in which torch keeps nothing for a backward pass, where it is at work at all."""
    if not torch_is_here():
        return nullcontext()
    import torch

    return torch.no_grad()


# --- Where the work runs: device, precision, threads ----------------------------------------------
#
# Torch is imported only when a choice is made, so that flags can be checked without it.

# Below this width bfloat16 saves nothing on a CPU: the matrices are too small for its units.
NARROW = 256
# On a CPU torch keeps what it has made for each shape of a batch in bfloat16, up to 1,024 of them and some
# MB each. Batches are of hundreds of shapes, few of which come again. A step of a training needs some 20,
# a batch of a prediction fewer; one-row requests do come again.
_KEPT_SHAPES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
MANY_SHAPES, FEW_SHAPES = 64, 24


@dataclass(frozen=True)
class Placement:
    """A device ("cpu", "cuda", "cuda:1", "mps"), the encoder's arithmetic, and CPU threads."""

    device: str
    precision: str
    threads: int

    @property
    def kind(self) -> str:
        """The device without its number."""
        return self.device.partition(":")[0]


def check_device_word(device: str) -> None:
    """Refuse a --device that names nothing; needs no torch.

    Raises:
        UsageError: not one of auto, cpu, mps, cuda, cuda:N.
    """
    kind, _, number = device.partition(":")
    known = device in ("auto", "cpu", "mps", "cuda") or (kind == "cuda" and number.isdecimal())
    if not known:
        raise UsageError(f"--device {brief(device)}: must be auto, cpu, mps, cuda or cuda:N.")


def choose_placement(
    device: str = "auto",
    precision: str = "auto",
    *,
    threads: int | None = None,
    width: int | None = None,
    shapes: int = MANY_SHAPES,
) -> Placement:
    """Pick the device and the precision, and set torch's thread count.

    Args:
        device: auto, cpu, cuda, cuda:N or mps; auto takes CUDA, then MPS, then the CPU. Of
            several processes each takes the GPU of its place on its machine.
        precision: auto, float32 or bfloat16; auto takes bfloat16 where the hardware
            multiplies it natively (CUDA from Ampere on, CPUs with AMX or AVX512-BF16).
        threads: CPU threads; None keeps torch's choice, as far as this process may use so many.
        width: hidden size of the encoder, if known; see NARROW.
        shapes: for how many shapes of a batch torch keeps what it makes, where the environment does not say.

    Raises:
        UsageError: --device names nothing.
        DeviceError: the machine has no such device.
    """
    check_device_word(device)
    for name in _KEPT_SHAPES:  # looked at when the first batch is computed
        os.environ.setdefault(name, str(shapes))
    import torch

    if threads is not None or torch.get_num_threads() > usual_threads():
        torch.set_num_threads(threads or usual_threads())
    world = this_world()
    chosen = _device(device) if world.size == 1 else _device_of_one(device, world)
    if precision == "auto":
        wide_enough = chosen != "cpu" or width is None or width >= NARROW
        precision = "bfloat16" if wide_enough and _multiplies_bfloat16(chosen) else "float32"
    return Placement(chosen, precision, torch.get_num_threads())


def _device(word: str) -> str:
    import torch

    if word == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = word.partition(":")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError(f"--device {word}: no CUDA device was found here; use --device cpu or auto.")
        if number and int(number) >= torch.cuda.device_count():
            last = torch.cuda.device_count() - 1
            raise DeviceError(f"--device {word}: this machine's CUDA devices end at cuda:{last}.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps: no Apple GPU was found here; use --device cpu or auto.")
    return word


def _device_of_one(word: str, world: World) -> str:
    """Pick the device of one of several processes."""
    import torch

    if word not in ("auto", "cpu", "cuda"):
        raise DeviceError(
            f"--device {word}: each of the {world.size} processes takes a GPU of its own, in order; use --device "
            f"cuda, cpu or auto."
        )
    count = torch.cuda.device_count()
    if word == "cpu" or (word == "auto" and not count):
        return "cpu"
    if world.local_rank >= count:
        raise DeviceError(
            f"--device {word}: process {world.local_rank + 1} of this machine has no GPU; {count} were found; "
            f"start one process for each GPU, or use --device cpu."
        )
    return f"cuda:{world.local_rank}"


def _multiplies_bfloat16(device: str) -> bool:
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    # The questions torch answers about the processor have no public spelling yet.
    asks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, ask, lambda: False)()) for ask in asks)


def threads_note(placement: Placement, world: World) -> str | None:
    """Say that processes compute with one thread each where there are cores for more.

    torchrun sets OMP_NUM_THREADS to 1 for each of several processes, whatever the machine has.

    Args:
        placement: of this process.
        world: the processes; those of this machine are counted by the launcher.

    Returns:
        None where nothing lies idle, or nobody has said 1.
    """
    said = os.environ.get(THREADS_VARIABLE)
    if world.size == 1 or placement.kind != "cpu" or placement.threads != 1 or said != "1":
        return None
    local = os.environ.get("LOCAL_WORLD_SIZE", "")
    here = int(local) if local.isdecimal() and int(local) else world.size
    share = usable_cores() // here
    if share < 2:
        return None
    return (
        f"each process computes with 1 thread, for OMP_NUM_THREADS is 1 as torchrun sets it, and there are {share} "
        f"cores for each: OMP_NUM_THREADS={share} before the command uses them"
    )


def autocast(placement: Placement) -> AbstractContextManager[Any]:
    """Return the context in which the forward pass runs in the placement's precision."""
    import torch

    if placement.precision == "float32":
        return nullcontext()
    return torch.autocast(placement.kind, dtype=torch.bfloat16)


@contextmanager
def inference(placement: Placement) -> Iterator[None]:
    """Predict in the placement's precision, and keep nothing for a backward pass; where torch is not at work, go on."""
    if not torch_is_here():
        yield
        return
    import torch

    with torch.inference_mode(), autocast(placement):
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch for the body, and put its random state back afterwards."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
