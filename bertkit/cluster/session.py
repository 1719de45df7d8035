"""`predict --ray`: shard the inputs, let actors predict the shards, and report."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from bertkit import bundle, errors
from bertkit.cluster.shards import FilePlan, all_files, plan_file
from bertkit.cluster.worker import ShardWorker, Wanted, Work, begin, run_digest, shard_name, taken, written
from bertkit.compute.processes import this_world
from bertkit.engines.graph import require
from bertkit.errors import BertkitError, DeviceError, ProcessLostError, UsageError
from bertkit.evaluation.inputs import Note
from bertkit.evaluation.predict import Done, PredictRequest
from bertkit.files import is_file
from bertkit.plain import Progress, brief, unheard
from bertkit.tasks.base import TaskSettings

# --- Ray, as far as it is needed: joined or started here, its room counted, work given out --------
#
# Ray is imported in these functions alone. Where no address is given it is started on this
# machine for the command; what it would tell its makers stays here.

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
    """Let a pool of actors do shards, and yield what they say of each as it is done.

    An actor that dies is started again and does its shard again; so is a machine's whole share.

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
            f"--ray: the cluster has lost its work ({brief(error, 300)}); the shards that are written stay, and "
            f"--resume continues."
        ) from error


# What changes answers, or the lines that hold them; the device does not belong to it.
_OPTIONS = ("input_format", "columns", "keep", "top_k", "on_long", "batch_size", "precision", "engine", "blend",
            "threshold", "abstain_below")  # fmt: skip
# Of an address: s3://…, and not of a drive.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:/")


@dataclass(frozen=True)
class RayRequest:
    """What `predict --ray` is asked beside what `predict` is.

    Attributes:
        predict: the run, the inputs and the options of answers.
        output: the folder that shards are written to.
        address: of the cluster; None: what RAY_ADDRESS says, else one on this machine.
        actors: how many models answer; None: as many as there is room for.
        gpus: of each of them.
        rows: most rows of a shard.

    Raises:
        UsageError: a number that cannot be.
    """

    predict: PredictRequest
    output: Path
    address: str | None = None
    actors: int | None = None
    gpus: float = 0.0
    rows: int = 20_000

    def __post_init__(self) -> None:
        """Check what Ray would find out late."""
        if self.gpus and not (self.gpus >= 1 and self.gpus.is_integer()) and not 0 < self.gpus < 1:
            raise UsageError(f"--ray-gpus {self.gpus:g}: must be a whole number, or a share below 1.")
        if _SCHEME.match(str(self.output)):  # pathlib has taken one of its strokes
            raise UsageError(f"--output {self.output}: is an address; name a folder of a disk that all machines share.")


def predict_on_ray(
    request: RayRequest,
    *,
    force: bool = False,
    note: Note = lambda _: None,
    progress: Progress = unheard,
) -> Done:
    """Predict inputs on a Ray cluster, as shards in a folder.

    Args:
        request: run, inputs, folder, cluster.
        force: whether what is in the folder may be replaced.
        note: is told in a sentence what is going on.
        progress: is told how many rows have been answered, and how many there are.

    Raises:
        MissingPackageError: Ray is not installed.
        OutputError: the folder cannot be written, or holds something else.
        DataError: an input cannot be read, or what is gone on with is of something else.
        ProcessLostError: the cluster is gone.
    """
    if this_world().size > 1:
        raise UsageError("--ray: one process gives out the work; start it without a launcher.")
    asked, folder = request.predict, request.output.resolve()
    settings = bundle.load_manifest(asked.run).settings
    places = all_files(asked.names)
    asked = replace(asked, run=asked.run.resolve(), source=tuple(places))
    with taken(folder, force=force, resume=asked.resume), joined_cluster(request.address) as ray:
        pool = plan_pool(ray, actors=request.actors, gpus=request.gpus)
        files = _planned(ray, asked, places, settings, request.rows)
        options = {name: getattr(asked, name) for name in _OPTIONS}
        wanted = Wanted(run_digest(asked.run), files, {**options, "ray_rows": request.rows})
        begin(folder, wanted)
        return _done(ray, pool, wanted, replace(request, predict=asked, output=folder), note, progress)


def _planned(
    ray: Any, asked: PredictRequest, places: Mapping[str, str], settings: TaskSettings, rows: int
) -> tuple[FilePlan, ...]:
    """Cut the files, each by a task of its own."""
    work = [(place, settings, asked.input_format, asked.columns, rows) for place in places.values()]
    plans: list[FilePlan] = []
    for name, found in zip(places, map_tasks(ray, _plan, work), strict=True):
        if isinstance(found, str):
            raise _raised(found.replace(places[name], name))
        plans.append(replace(found, file=name))
    return tuple(plans)


def _plan(file: str, settings: TaskSettings, input_format: str, columns: str | None, rows: int) -> FilePlan | str:
    try:
        return plan_file(file, settings, input_format=input_format, columns=columns, rows=rows)
    except BertkitError as error:
        return f"{type(error).__name__}: {error}"


def _done(ray: Any, pool: Pool, wanted: Wanted, request: RayRequest, note: Note, progress: Progress) -> Done:
    """Answer the shards that are missing, and count all."""
    shards, folder = wanted.shards, request.output
    missing = [number for number in range(len(shards)) if written(folder, number) is None]
    note(_begun(len(shards), len(missing), pool))
    asked = request.predict
    total = sum(shard.rows for shard in shards)
    answered = total - sum(shards[number].rows for number in missing)
    work = Work(
        asked,
        wanted.run,
        tuple(shards),
        folder,
        names=tuple(file.file for file in wanted.files for _ in file.shards),
        is_named=len(asked.names) > 1,
        input_bytes=sum(file.size for file in wanted.files),
    )
    said: set[str] = set()
    misfit = ""
    unmet: list[str] | None = [] if len(missing) < len(shards) else None
    try:
        for found in map_parts(ray, pool, ShardWorker, work, missing) if missing else ():
            if found["failure"]:
                raise _raised(found["failure"].replace(shards[found["part"]].file, work.names[found["part"]]))
            for sentence in filter(None, found["note"].split("\n")):
                if sentence not in said:
                    said.add(sentence)
                    note(sentence)
            misfit = misfit or found["misfit"]
            lacks = [doubt for doubt in found["unmet"].split("\n") if doubt]
            unmet = lacks if unmet is None else [doubt for doubt in unmet if doubt in lacks]
            answered += shards[found["part"]].rows
            progress(answered, total or None)
    except KeyboardInterrupt:
        there = sum(is_file(folder / shard_name(number)) for number in range(len(shards)))
        note(f"{there:,} of {len(shards):,} shards are written; the same command with --resume continues")
        raise
    return _counted(folder, len(shards), _longest(asked), [*([misfit] if misfit else []), *(unmet or [])], work)


def _longest(asked: PredictRequest) -> int:
    """Return how many tokens of a row the run reads."""
    return bundle.load_manifest(asked.run).settings.max_length


def _begun(shards: int, missing: int, pool: Pool) -> str:
    actors = f"{pool.actors} actor{'s' * (pool.actors > 1)}, each with "
    actors += f"{pool.gpus:g} GPU" if pool.gpus else f"{pool.cores} core{'s' * (pool.cores > 1)}"
    there = f", {shards - missing:,} of them there already" if missing < shards else ""
    return f"{shards:,} shards{there}; {actors}"


def _counted(folder: Path, shards: int, max_length: int, warnings: list[str], work: Work) -> Done:
    """Count the records of all shards.

    Raises:
        ProcessLostError: one of them is not there: what an actor wrote is on another disk.
    """
    done = Done()
    for number in range(shards):
        found = written(folder, number)
        if found is None:
            raise ProcessLostError(
                f"{folder / shard_name(number)}: is not there, though an actor has written it; every machine of the "
                "cluster must have the folder on one shared disk."
            )
        done.rows += found.rows
        done.errors += found.errors
        done.truncated += found.truncated
        if found.first_error is not None and not done.first_error:
            line, message = found.first_error
            done.first_error = f"{work.names[number]}:{line}: {message}"
    if done.truncated:
        warnings.append(f"{done.truncated:,} rows are longer than {max_length} tokens and were cut")
    done.warnings = tuple(warnings)
    return done


def _raised(said: str) -> BertkitError:
    """Build the error that an actor has had."""
    name, _, sentence = said.partition(": ")
    kind = getattr(errors, name, BertkitError)
    return kind(sentence) if isinstance(kind, type) and issubclass(kind, BertkitError) else BertkitError(sentence)
