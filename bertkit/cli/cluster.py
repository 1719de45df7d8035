"""`bertkit predict --ray`: its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertkit.errors import UsageError

if TYPE_CHECKING:
    from bertkit.evaluation.session import Done, PredictRequest
    from bertkit.progress import Progress

PANEL = "A cluster"

RayOption = Annotated[
    bool,
    typer.Option("--ray", help="Predict on a Ray cluster; --output is a folder of shards.", rich_help_panel=PANEL),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="Address of the cluster (default: RAY_ADDRESS, else this machine).",
        rich_help_panel=PANEL,
    ),
]
RayActorsOption = Annotated[
    int | None,
    typer.Option(
        "--ray-actors",
        min=1,
        help="Ray actors, each with a copy of the model (default: as many as fit).",
        rich_help_panel=PANEL,
    ),
]
RayGpusOption = Annotated[
    float,
    typer.Option("--ray-gpus", min=0, help="GPUs of each actor; 0 computes on the CPU.", rich_help_panel=PANEL),
]
RayRowsOption = Annotated[int, typer.Option("--ray-rows", min=1, help="Most rows of a shard.", rich_help_panel=PANEL)]


@dataclass(frozen=True)
class Cluster:
    """The values of the options."""

    address: str | None
    actors: int | None
    gpus: float
    rows: int


def ray_command(
    request: PredictRequest,
    cluster: Cluster,
    sources: Sequence[str] | None,
    *,
    output: Path | None,
    force: bool,
    note: Callable[[str], None],
    progress: Progress,
) -> Done:
    """Predict on a cluster.

    Raises:
        UsageError: no inputs or no folder are named, or an option is given that parts do not have.
    """
    from bertkit.cluster.session import RayRequest, predict_on_ray

    if not sources:
        raise UsageError("--ray: name the files, folders or addresses that hold the rows.")
    if output is None:
        raise UsageError("--ray: name the folder for the parts with --output DIR.")
    given = {
        "--output-format": request.output_format != "jsonl",
        "--on-error": request.on_error != "record",
        "--skip": bool(request.skip),
        "--shard": request.shard is not None,
    }
    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"--ray: parts are JSON lines of all rows, so {name} means nothing.")
    asked = RayRequest(request, output, cluster.address, cluster.actors, cluster.gpus, cluster.rows)
    return predict_on_ray(asked, force=force, note=note, progress=progress)
