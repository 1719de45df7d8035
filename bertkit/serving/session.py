"""`predict --listen`: open the run once, answer until a signal comes, and say what was done."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bertkit import bundle
from bertkit.compute.processes import this_world
from bertkit.engines.choosing import LARGE_INPUT
from bertkit.errors import UsageError
from bertkit.evaluation.answers import Answerer, Chunk
from bertkit.evaluation.inputs import Note
from bertkit.evaluation.session import PredictRequest, open_with
from bertkit.plain import brief
from bertkit.serving.address import Address, listening, parse_address
from bertkit.serving.batcher import Batcher
from bertkit.serving.bodies import RowReader
from bertkit.serving.server import taking
from bertkit.serving.service import Limits, Service
from bertkit.tokenization.health import FitWatch
from bertkit.training.interrupts import interrupts

# How many times a longest body may wait to be computed.
_WAITING_BODIES = 4


@dataclass(frozen=True)
class ListenRequest:
    """What `predict --listen` is asked beside what `predict` is.

    Raises:
        UsageError: an address or a limit that is none.
    """

    predict: PredictRequest
    listen: str
    anywhere: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Check the words."""
        _ = self.address
        if self.limits.seconds <= 0:
            raise UsageError(f"--request-timeout {self.limits.seconds:g}: must be above 0.")

    @property
    def address(self) -> Address:
        """Where it listens."""
        return parse_address(self.listen, anywhere=self.anywhere)


@dataclass(frozen=True)
class Ready:
    """What a server says once it answers: where, which run, and which process it is."""

    listening: str
    run: str
    task: str
    process: int


@dataclass(frozen=True)
class Served:
    """What a server has done."""

    requests: int
    rows: int
    errors: int


def listen(request: ListenRequest, *, ready: Callable[[Ready], None], note: Note = lambda _: None) -> Served:
    """Answer requests until Ctrl-C or a termination signal comes; what has come by then is answered.

    Args:
        request: the run, the address and the limits.
        ready: is told once, when connections are taken.
        note: is told in a sentence what answers, and what goes wrong.

    Raises:
        UsageError: several processes are to share the work, or see `predict`.
        OutputError: the address cannot be had.
        RunError: no run is there, or it is damaged or newer.
    """
    if this_world().size > 1:
        raise UsageError("--listen: one process answers; start it without a launcher.")
    asked, settings = request.predict, bundle.load_manifest(request.predict.run).settings
    reader = RowReader.of(settings, asked.columns, asked.keep)
    with listening(request.address) as (listener, address):
        # What will be asked in all is as good as a large input, however small each request is.
        loaded, placement = open_with(asked, replace(asked.way, input_bytes=LARGE_INPUT), note)
        answerer = Answerer(
            loaded, placement, top_k=asked.top_k, batch_size=asked.batch_size, decisions=asked.decisions
        )
        batcher = Batcher(
            answerer,
            most_waiting=_WAITING_BODIES * request.limits.body_bytes,
            failed=lambda error: note(f"warning: computing an answer has failed ({brief(error)})"),
            seen=_Watch(FitWatch(loaded.tokenizer), note),
        )
        facts: dict[str, Any] = {
            "run": str(asked.run),
            "task": settings.task,
            "columns": list(settings.columns.inputs),
            "device": placement.device,
            "precision": placement.precision,
        }
        hosts = None if request.anywhere or address.path else frozenset({"localhost", "127.0.0.1", "::1", address.host})
        service = Service(reader, batcher, request.limits, facts, hosts)
        with interrupts() as interrupted, taking(listener, service):
            ready(Ready(str(address), str(asked.run), settings.task, os.getpid()))
            interrupted.wait()
        batcher.close()
    return Served(service.requests, service.rows, service.errors)


@dataclass
class _Watch:
    """Says once that the run's tokenizer does not fit what is asked."""

    fit: FitWatch
    note: Note
    has_said: bool = False

    def __call__(self, chunk: Chunk) -> None:
        """See rows that were answered."""
        if self.has_said:
            return
        self.fit.see([part for row in chunk.encoded for part in row.parts])
        if self.fit.misfit is not None:
            self.has_said = True
            self.note(f"warning: {self.fit.misfit}")
