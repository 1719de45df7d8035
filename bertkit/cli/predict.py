"""`bertkit predict`: one record out for each record in; also on a cluster (`--ray`) and as a server (`--listen`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertkit.cli.options import (
    AbstainOption,
    BatchSizeOption,
    ColumnsOption,
    DeviceOption,
    EngineOption,
    ForceOption,
    KeepOption,
    NoBlendOption,
    OnLongOption,
    OutputOption,
    PrecisionOption,
    RunArgument,
    StrictOption,
    ThresholdOption,
)
from bertkit.cli.progress import WARNING, QuietOption, notes, shown_work
from bertkit.cli.streams import say, write_lines
from bertkit.errors import UsageError
from bertkit.plain import to_json

if TYPE_CHECKING:
    from bertkit.evaluation.predict import Done, PredictRequest
    from bertkit.plain import Progress

# --- `bertkit predict --ray`: its options ---------------------------------------------------------

CLUSTER_PANEL = "A cluster"

RayOption = Annotated[
    bool,
    typer.Option(
        "--ray", help="Predict on a Ray cluster; --output is a folder of shards.", rich_help_panel=CLUSTER_PANEL
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="Address of the cluster (default: RAY_ADDRESS, else this machine).",
        rich_help_panel=CLUSTER_PANEL,
    ),
]
RayActorsOption = Annotated[
    int | None,
    typer.Option(
        "--ray-actors",
        min=1,
        help="Ray actors, each with a copy of the model (default: as many as fit).",
        rich_help_panel=CLUSTER_PANEL,
    ),
]
RayGpusOption = Annotated[
    float,
    typer.Option("--ray-gpus", min=0, help="GPUs of each actor; 0 computes on the CPU.", rich_help_panel=CLUSTER_PANEL),
]
RayRowsOption = Annotated[
    int, typer.Option("--ray-rows", min=1, help="Most rows of a shard.", rich_help_panel=CLUSTER_PANEL)
]


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
        raise UsageError("--ray: name the folder for the shards with --output DIR.")
    given = {
        "--output-format": request.output_format != "jsonl",
        "--on-error": request.on_error != "record",
        "--skip": bool(request.skip),
        "--shard": request.shard is not None,
    }
    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"--ray: shards are JSON lines of all rows, so {name} does not apply.")
    asked = RayRequest(request, output, cluster.address, cluster.actors, cluster.gpus, cluster.rows)
    return predict_on_ray(asked, force=force, note=note, progress=progress)


# --- `bertkit predict --listen`: its options, and what it prints ----------------------------------

SERVER_PANEL = "A server"

ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT|SOCKET",
        help="Serve: load RUN once and answer requests by HTTP or JSON lines (docs/serve.md; default: no server).",
        rich_help_panel=SERVER_PANEL,
    ),
]
AllowRemoteOption = Annotated[
    bool,
    typer.Option(
        "--allow-remote",
        help="Let --listen use an address that other machines can reach.",
        rich_help_panel=SERVER_PANEL,
    ),
]
MaxBodyOption = Annotated[
    int,
    typer.Option(
        "--max-body",
        min=1,
        max=1024,
        metavar="MB",
        help="Largest body of a request, in megabytes.",
        rich_help_panel=SERVER_PANEL,
    ),
]
RequestTimeoutOption = Annotated[
    float,
    typer.Option(
        "--request-timeout",
        min=0.001,
        metavar="SECONDS",
        help="Seconds in which a request must arrive, and in which it must be answered.",
        rich_help_panel=SERVER_PANEL,
    ),
]


def refuse_beside(
    request: PredictRequest, sources: Sequence[str] | None, *, output: Path | None, force: bool, ray: bool
) -> None:
    """Refuse what does not apply to a server.

    Raises:
        UsageError: something of that kind was given.
    """
    given = {
        "INPUT": bool(sources),
        "--output": output is not None,
        "--force": force,
        "--ray": ray,
        "--resume": request.resume,
        "--skip": bool(request.skip),
        "--shard": request.shard is not None,
        "--input-format": request.input_format != "auto",
        "--output-format": request.output_format != "jsonl",
        "--on-error": request.on_error != "record",
    }
    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"--listen: rows come with the requests and answers go back, so {name} does not apply.")


def listen_command(
    request: PredictRequest,
    listen: str,
    allow_remote: bool,
    max_body: int,
    request_timeout: float,
    note: Callable[[str], None],
) -> None:
    """Answer until a signal comes; what is ready to be asked is said in one JSON line on standard output."""
    from bertkit.serving.server import ListenRequest, Ready
    from bertkit.serving.server import listen as serve
    from bertkit.serving.service import Limits

    def ready(facts: Ready) -> None:
        write_lines([to_json(asdict(facts))])
        if sys.stdout.isatty():
            note("bertkit: Ctrl-C ends it")

    limits = Limits(body_bytes=max_body << 20, seconds=request_timeout)
    served = serve(
        ListenRequest(request, listen, allow_remote, limits), ready=ready, note=lambda said: note(f"bertkit: {said}")
    )
    note(f"bertkit: requests answered: {served.requests:,}; rows: {served.rows:,}, error records: {served.errors:,}")


# --- `bertkit predict`: one record out for each record in -----------------------------------------


def predict_command(
    run: RunArgument,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Files, folders, or - for standard input (default: -)."),
    ] = None,
    *,
    input_format: Annotated[
        str,
        typer.Option(
            "--input-format", help="Format of the input: auto, txt, csv, tsv, jsonl, json, xml, conll or parquet."
        ),
    ] = "auto",
    output_format: Annotated[
        str,
        typer.Option(
            "--output-format",
            help="Format of the output: jsonl, csv or tsv (cells that begin with = + - @ stay as they "
            "are); labelstudio, doccano or conll for annotation tools.",
        ),
    ] = "jsonl",
    columns: ColumnsOption = None,
    keep: KeepOption = None,
    top_k: Annotated[
        int, typer.Option("--top-k", min=0, help="Also list the N most probable labels; 0 lists none.")
    ] = 0,
    on_long: OnLongOption = None,
    on_error: Annotated[
        str,
        typer.Option(
            "--on-error", help="Rows that cannot be read: write an error record and continue (record), or stop."
        ),
    ] = "record",
    batch_size: BatchSizeOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = None,
    no_blend: NoBlendOption = False,
    threshold: ThresholdOption = None,
    abstain_below: AbstainOption = None,
    output: OutputOption = None,
    force: ForceOption = False,
    strict: StrictOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue --output after its last complete record.")] = False,
    skip: Annotated[int, typer.Option("--skip", min=0, help="Write no records for the first N rows.")] = 0,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Predict shard I of N: whole blocks of 16, 128, 1,024, then 4,096 rows, so that few rows are shared "
            "out unevenly; the outputs joined in order are the whole (default: all rows).",
        ),
    ] = None,
    listen: ListenOption = None,
    allow_remote: AllowRemoteOption = False,
    max_body: MaxBodyOption = 16,
    request_timeout: RequestTimeoutOption = 60.0,
    ray: RayOption = False,
    ray_address: RayAddressOption = None,
    ray_actors: RayActorsOption = None,
    ray_gpus: RayGpusOption = 0.0,
    ray_rows: RayRowsOption = 20_000,
    quiet: QuietOption = False,
) -> None:
    """Predict the rows of files or of a stream, in order, one record for each.

    Example: cat rows.jsonl | bertkit predict runs/first - | jq .label
    """
    from bertkit.evaluation.predict import PredictRequest, predict

    request = PredictRequest(
        run,
        tuple(sources or ("-",)),
        input_format,
        output_format,
        columns,
        top_k,
        on_long,
        on_error,
        batch_size,
        device,
        precision,
        engine or "auto",
        not no_blend,
    )
    request = replace(request, keep=keep, threshold=threshold, abstain_below=abstain_below)
    request = replace(request, resume=resume, skip=skip, shard=shard, says_engine=engine is not None)
    if listen is not None:
        refuse_beside(request, sources, output=output, force=force, ray=ray)
        listen_command(request, listen, allow_remote, max_body, request_timeout, notes(quiet=quiet))
        return
    with shown_work("rows", quiet=quiet, talks=output is None and sys.stdout.isatty()) as progress:
        note = partial(_note, quiet=quiet)
        if ray:
            cluster = Cluster(ray_address, ray_actors, ray_gpus, ray_rows)
            done = ray_command(request, cluster, sources, output=output, force=force, note=note, progress=progress)
        else:
            if not sources and sys.stdin.isatty():
                note("reading rows from the keyboard; end with Ctrl-D (or name files after RUN)")
            done = predict(request, output=output, force=force, note=note, progress=progress)
            _note_other_format(output, output_format, note)
    for warning in done.warnings:
        say(f"bertkit: warning: {warning}")
    done.raise_for_status(strict=strict)


def _note_other_format(output: Path | None, output_format: str, note: Callable[[str], None]) -> None:
    """Say so where a file is named as a table and holds JSON lines, which a spreadsheet opens wrongly."""
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    if suffix in ("csv", "tsv") and output_format == "jsonl":
        note(f"{output}: holds JSON lines; --output-format {suffix} writes a table")


def _note(sentence: str, *, quiet: bool) -> None:
    """Say how the input is read; a warning is said as the others are."""
    notes(quiet=quiet)(f"bertkit: {sentence}" if sentence.startswith(WARNING) else sentence)
