"""The processes of one command: how they shard work, gather results, and end."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from bertkit.errors import Interrupted, ProcessLostError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.distributed import ProcessGroup
    from torch.distributed.distributed_c10d import PrefixStore

# --- The processes that work together on one command, and what they tell each other ---------------
#
# A launcher (torchrun, accelerate launch) starts the command once for each device. Every
# process runs the same code and computes its share; the first one (rank 0) alone reads the
# run directory and the input, and alone writes. Without a launcher the world is this process,
# and every method below is the identity: callers ask no further.
#
# Torch is imported only where there are several processes: which one this is, the environment
# says.

T = TypeVar("T")

# How long a process waits for the others: one of them may still be downloading a model. One
# that has ended is noticed at once, for its connections close.
PATIENCE = timedelta(hours=2)
# Rows come from a pipe that may be silent for long.
DEALING_PATIENCE = timedelta(days=30)
# Elements of the gradients that are added up together: large messages are fast, and as much
# again is held in memory.
BUCKET = 2**24
ENDED = "ended"


@dataclass(frozen=True)
class World:
    """The processes of a command: this one is number `rank` of `size`, `local_rank` on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    _scatter_group: ProcessGroup | None = field(default=None, repr=False, compare=False)
    _store: PrefixStore | None = field(default=None, repr=False, compare=False)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that reads and writes."""
        return self.rank == 0

    def shard(self, things: Sequence[T]) -> Sequence[T]:
        """Return this process's shard: every `size`-th thing from its rank on; the last ones may get nothing."""
        return things[self.rank :: self.size]

    def add_up(self, figures: Sequence[float]) -> list[float]:
        """Add figures up over all processes; each gets the sums."""
        if self.size == 1:
            return list(figures)
        import torch

        sums = torch.tensor(figures, dtype=torch.float64)
        with self._company():
            torch.distributed.all_reduce(sums)
        return [float(value) for value in sums]

    def any(self, flag: bool) -> bool:
        """Tell every process whether one of them says so; none goes on before all have been asked."""
        return self.add_up([float(flag)])[0] > 0

    def sum_gradients(self, weights: Iterable[nn.Parameter], figures: Sequence[float]) -> list[float]:
        """Add the gradients up over all processes, in place; weights that none of them used keep None.

        A plain sum after the backward pass, in pieces that never change: a process may have had
        no rows at all, and a resumed run adds up in the same order. (DistributedDataParallel
        asks every process for a backward pass and orders its pieces anew after the first.)

        Args:
            weights: the same ones in the same order in every process.
            figures: numbers to add up on the way.

        Returns:
            The figures' sums.
        """
        if self.size == 1:
            return list(figures)
        import torch

        trained = [weight for weight in weights if weight.requires_grad]
        sums = self.add_up([*figures, *(float(weight.grad is not None) for weight in trained)])
        used = [weight for weight, users in zip(trained, sums[len(figures) :], strict=True) if users]
        for weight in used:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        for gradients in _buckets([weight.grad for weight in used if weight.grad is not None]):
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            with self._company():
                torch.distributed.all_reduce(flat)
            for gradient, total in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
                gradient.copy_(total.view_as(gradient))
        return sums[: len(figures)]

    def broadcast(self, make: Callable[[], T]) -> T:
        """Let the first process make something, and broadcast it to all of them."""
        if self.size == 1:
            return make()
        import torch

        box = [make()] if self.is_main else [None]
        with self._company():
            torch.distributed.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[return-value]

    def broadcast_tensors(self, load: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Let the first process load tensors, and give them to all, on the CPU and unpickled."""
        if self.size == 1:
            return load()
        import torch

        tensors = load() if self.is_main else {}
        kinds = self.broadcast(lambda: {name: (t.shape, t.dtype) for name, t in tensors.items()})
        for name, (shape, dtype) in kinds.items():
            tensor = tensors[name].cpu().contiguous() if self.is_main else torch.empty(shape, dtype=dtype)
            with self._company():
                torch.distributed.broadcast(tensor.view(-1).view(torch.uint8), src=0)
            tensors[name] = tensor
        return tensors

    def gather(self, thing: T) -> list[T]:
        """Gather what each process has in the first one, in the order of their ranks; others get []."""
        if self.size == 1:
            return [thing]
        import torch

        things: list[Any] = [None] * self.size if self.is_main else []
        with self._company():
            torch.distributed.gather_object(thing, things or None, dst=0)
        return things

    def scatter(self, groups: Iterable[Sequence[T]]) -> Iterator[Sequence[T]]:
        """Shard each of the first process's groups over all processes, and yield this one's shards.

        Has connections of its own, so that it may run in a thread beside the other calls.
        """
        if self.size == 1:
            yield from groups
            return
        import torch

        # `None` ends it; an empty shard is a shard.
        rounds = iter(groups) if self.is_main else None
        while True:
            group = None if rounds is None else next(rounds, None)
            shards = [None if group is None else list(group[r :: self.size]) for r in range(self.size)]
            mine: list[Any] = [None]
            with self._company():
                torch.distributed.scatter_object_list(mine, shards if self.is_main else None, 0, self._scatter_group)
            if mine[0] is None:
                return
            yield mine[0]

    def leave(self) -> None:
        """Part, when all have come this far; the first process may go on alone."""
        if self.size > 1:
            self.any(False)
        if self._store is not None:
            _disband()

    def end_first(self, code: int) -> int | None:
        """Ask to end the command early with an exit code.

        Returns:
            None where this process is the first to ask and should say why; else the code of
            the one that was, with which to end in silence.
        """
        if self._store is None:
            return None
        own = f"{code} {self.rank}"
        try:
            first = self._store.compare_set(ENDED, "", own).decode()
        except RuntimeError:  # the store is gone with its process
            return None
        return None if first == own else int(first.split()[0])

    @contextmanager
    def _company(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise ProcessLostError(
                f"another of the {self.size} processes has ended or cannot be reached ({_reason(error)}); "
                "read its messages and start again; --resume continues a training."
            ) from error


ALONE = World()


def unsharded(shards: Sequence[Sequence[T]]) -> list[T]:
    """Put gathered shards, in the order of their ranks, back into the order of the whole."""
    things: list[Any] = [None] * sum(len(shard) for shard in shards)
    for rank, shard in enumerate(shards):
        things[rank :: len(shards)] = shard
    return things


def this_world() -> World:
    """Return the processes of this command; a launcher says so in the environment."""
    if _joined:
        return _joined[-1]
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    rank, size, local_rank = (int(value) if (value := os.environ.get(name, "")).isdecimal() else -1 for name in names)
    return World(rank, size, max(local_rank, 0)) if 0 <= rank < size and size > 1 else ALONE


@contextmanager
def joined() -> Iterator[World]:
    """Connect the processes of this command for the body; within another `joined` it changes nothing.

    Raises:
        ProcessLostError: the others cannot be reached.
    """
    if _joined:
        yield _joined[-1]
        return
    is_guest = _is_initialized()  # the program that calls this library has connected them
    world = this_world()
    _joined.append(world if world.size == 1 else _connected(world, is_guest=is_guest))
    try:
        yield _joined[-1]
        if _is_initialized():
            _joined[-1].leave()
        world = ALONE
    finally:
        _joined.clear()
        # After an error a thread may still wait for the others: they may end the process.
        if world.size == 1 and not is_guest:
            _disband()


_joined: list[World] = []
_meetings = itertools.count()


def _connected(world: World, *, is_guest: bool) -> World:
    import torch
    from torch import distributed
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    has_cuda = torch.cuda.is_available()
    if has_cuda and world.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(world.local_rank)
    # Accelerate would choose a number of threads itself, with a warning.
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    store, kind = None, "cpu:gloo,cuda:nccl" if has_cuda else "gloo"
    try:
        if not is_guest:
            store = PrefixStore(_meeting(), next(rendezvous("env://", timeout=PATIENCE))[0])
            distributed.init_process_group(kind, store=store, rank=world.rank, world_size=world.size, timeout=PATIENCE)
        dealing = distributed.new_group(backend="gloo", timeout=DEALING_PATIENCE)
    except (RuntimeError, ValueError) as error:
        place = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
        raise ProcessLostError(
            f"the {world.size} processes did not find each other at {place} ({_reason(error)}); "
            "start them with torchrun or accelerate launch."
        ) from error
    return World(world.rank, world.size, world.local_rank, dealing, store)


def _reason(error: Exception) -> str:
    """Take the reason out of "[a place in torch's source] the reason. Advice to programmers."."""
    return str(error).partition("\n")[0].rpartition("] ")[2].partition(". ")[0]


def _meeting() -> str:
    """Name this coming together: the launcher keeps what an earlier one, or an earlier start, has left."""
    return f"bertkit/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{next(_meetings)}"


def _is_initialized() -> bool:
    if "torch" not in sys.modules:
        return False
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized()


def _disband() -> None:
    """Close the connections; also those that Accelerate makes where a launcher starts a single process."""
    if _is_initialized():
        from torch import distributed

        distributed.destroy_process_group()


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for gradient in gradients:
        if bucket and sum(g.numel() for g in bucket) + gradient.numel() > BUCKET:
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


# --- Ctrl-C and termination: noticed between two steps, so that nothing is left half-done, or at once


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
