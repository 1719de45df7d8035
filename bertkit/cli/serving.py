"""`bertkit predict --listen`: its options, and what it prints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertkit.cli.streams import write_lines
from bertkit.errors import UsageError
from bertkit.plain import to_json

if TYPE_CHECKING:
    from bertkit.evaluation.session import PredictRequest

PANEL = "A server"

ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT|SOCKET",
        help="Serve: load RUN once and answer requests by HTTP or JSON lines (docs/serve.md; default: no server).",
        rich_help_panel=PANEL,
    ),
]
AllowRemoteOption = Annotated[
    bool,
    typer.Option(
        "--allow-remote", help="Let --listen use an address that other machines can reach.", rich_help_panel=PANEL
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
        rich_help_panel=PANEL,
    ),
]
RequestTimeoutOption = Annotated[
    float,
    typer.Option(
        "--request-timeout",
        min=0.001,
        metavar="SECONDS",
        help="Seconds in which a request must arrive, and in which it must be answered.",
        rich_help_panel=PANEL,
    ),
]


def refuse_beside(
    request: PredictRequest, sources: Sequence[str] | None, *, output: Path | None, force: bool, ray: bool
) -> None:
    """Refuse what means nothing to a server.

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
            raise UsageError(f"--listen: rows come with the requests and answers go back, so {name} means nothing.")


def listen_command(
    request: PredictRequest,
    listen: str,
    allow_remote: bool,
    max_body: int,
    request_timeout: float,
    note: Callable[[str], None],
) -> None:
    """Answer until a signal comes; what is ready to be asked is said in one JSON line on standard output."""
    from bertkit.serving.service import Limits
    from bertkit.serving.session import ListenRequest, Ready
    from bertkit.serving.session import listen as serve

    def ready(facts: Ready) -> None:
        write_lines([to_json(asdict(facts))])
        if sys.stdout.isatty():
            note("bertkit: Ctrl-C ends it")

    limits = Limits(body_bytes=max_body << 20, seconds=request_timeout)
    served = serve(
        ListenRequest(request, listen, allow_remote, limits), ready=ready, note=lambda said: note(f"bertkit: {said}")
    )
    note(
        f"bertkit: {served.requests:,} requests answered, {served.rows:,} rows, {served.errors:,} of them error records"
    )
