"""`bertkit predict`: one record out for each record in."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from bertkit.cli.cluster import (
    Cluster,
    RayActorsOption,
    RayAddressOption,
    RayGpusOption,
    RayOption,
    RayRowsOption,
    ray_command,
)
from bertkit.cli.options import (
    AbstainOption,
    BatchSizeOption,
    ColumnsOption,
    DeviceOption,
    EngineOption,
    ForceOption,
    KeepOption,
    NoBlendOption,
    OutputOption,
    RunArgument,
    StrictOption,
    ThresholdOption,
)
from bertkit.cli.progress import WARNING, QuietOption, notes, shown_work
from bertkit.cli.serving import (
    AllowRemoteOption,
    ListenOption,
    MaxBodyOption,
    RequestTimeoutOption,
    listen_command,
    refuse_beside,
)
from bertkit.cli.streams import say


def predict_command(
    run: RunArgument,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Files, folders, or - for standard input (default: -)."),
    ] = None,
    *,
    input_format: Annotated[
        str,
        typer.Option("--input-format", help="Format of the input: auto, txt, csv, tsv, jsonl, json, conll or parquet."),
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
    on_long: Annotated[
        str | None,
        typer.Option(
            "--on-long",
            help="Inputs that are too long: truncate, read in windows (window), or error (default: as trained).",
        ),
    ] = None,
    on_error: Annotated[
        str,
        typer.Option("--on-error", help="Rows that cannot be read: write an error record and go on (record), or stop."),
    ] = "record",
    batch_size: BatchSizeOption = None,
    device: DeviceOption = "auto",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="Number format: auto, float32 or bfloat16 (default: auto, bfloat16 where the hardware "
            "computes with it, else float32).",
        ),
    ] = "auto",
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
            help="Predict shard I of N; the outputs joined in order are the whole (default: all rows).",
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
    from bertkit.evaluation.session import PredictRequest, predict

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
            done = predict(request, output=output, force=force, note=note, progress=progress)
    for warning in done.warnings:
        say(f"bertkit: warning: {warning}")
    done.raise_for_status(strict=strict)


def _note(sentence: str, *, quiet: bool) -> None:
    """Say how the input is read; a warning is said as the others are."""
    notes(quiet=quiet)(f"bertkit: {sentence}" if sentence.startswith(WARNING) else sentence)
