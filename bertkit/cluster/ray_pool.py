"""Ray, as far as it is needed: joined or started here, its room counted, work given out.

Ray is imported in these functions alone. Where no address is given it is started on this
machine for the command; what it would tell its makers stays here.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from bertkit.engines.packages import require
from bertkit.errors import DeviceError, ProcessLostError
from bertkit.plain import brief

T = TypeVar("T")
# Most cores an actor gets where nobody says how many actors there are: more threads gain little.
MOST_CORES = 4
_TOKEN = "a cluster with a token wants RAY_AUTH_MODE=token, and the token in ~/.ray/auth_token or RAY_AUTH_TOKEN"


@dataclass(frozen=True)
class Pool:
    """Actors: how many, and what each of them takes."""

    actors: int
    cores: int
    gpus: float


@contextmanager
def joined_cluster(address: str | None) -> Iterator[Any]:
    """Join a cluster, or start one on this machine for the body.

    Raises:
        MissingPackageError: Ray is not installed.
        ProcessLostError: there is no cluster at the address.
    """
    require("ray", wanted="--ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import logging

    import ray

    began = not ray.is_initialized()
    if began:
        here = {} if address or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
        except ray.exceptions.AuthenticationError as error:
            raise ProcessLostError(f"--ray-address {brief(address)}: {_TOKEN}.") from error
        except (ConnectionError, RuntimeError, ValueError) as error:
            # without the mode Ray does not say that it was the token
            hint = "" if os.environ.get("RAY_AUTH_MODE") == "token" else f"; {_TOKEN}"
            raise ProcessLostError(
                f"--ray-address {brief(address)}: no Ray cluster answers there ({brief(error, 200)}){hint}."
            ) from error
    try:
        with _ended_by_termination():
            yield ray
    finally:
        if began:
            ray.shutdown()


@contextmanager
def _ended_by_termination() -> Iterator[None]:
    """Let a termination signal end the body as Ctrl-C does; what Ray has put there aborts, and prints its stack."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old or signal.SIG_DFL)


def plan_pool(ray: Any, *, actors: int | None, gpus: float) -> Pool:
    """Say how many actors there will be, and with how many cores.

    Args:
        ray: the joined cluster.
        actors: as many as asked for; None: as many as there is room for.
        gpus: of each.

    Raises:
        DeviceError: there is no room for so many.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def room(cores: int) -> int:
        return sum(
            min(int(node.get("CPU", 0)) // cores, int(node.get("GPU", 0) / gpus) if gpus else 1 << 30) for node in nodes
        )

    if actors is None:
        widest = max((int(node.get("CPU", 0)) for node in nodes), default=1)
        choices = [cores for cores in range(min(MOST_CORES, max(1, widest)), 0, -1) if room(cores)]
        cores = choices[0] if choices else 1
        actors = room(cores)
    else:
        cores = next((cores for cores in range(MOST_CORES, 0, -1) if room(cores) >= actors), 0)
    if not actors or not cores:
        what = f"{gpus:g} GPUs each" if gpus else "a core each"
        raise DeviceError(
            f"--ray: the cluster has room for {room(1)} actors with {what}; take fewer with --ray-actors."
        )
    return Pool(actors, cores, gpus)


def map_tasks(ray: Any, work: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> list[T]:
    """Call a function for each of the arguments, anywhere in the cluster; results in their order."""
    remote = ray.remote(work)
    found: list[T] = ray.get([remote.remote(*each) for each in arguments])
    return found


def map_parts(ray: Any, pool: Pool, worker: type, work: Any, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Let a pool of actors do parts, and yield what they say of each as it is done.

    An actor that dies is started again and does its part again; so is a machine's whole share.

    Raises:
        ProcessLostError: the cluster cannot go on.
    """
    from ray import data

    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    import logging

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = data.from_items([{"part": number} for number in numbers], override_num_blocks=len(numbers))
    done = rows.map_batches(
        worker,
        fn_constructor_args=(work,),
        batch_size=1,
        compute=data.ActorPoolStrategy(size=pool.actors),
        num_cpus=pool.cores,
        num_gpus=pool.gpus or None,
    )
    try:
        yield from done.iter_rows()
    except (ray.exceptions.RayError, ray.exceptions.RaySystemError) as error:
        raise ProcessLostError(
            f"--ray: the cluster has lost what it was doing ({brief(error, 300)}); parts that are written stay, "
            "and --resume goes on."
        ) from error
