"""What an actor does: it opens the run once, and answers one part after the other.

What goes wrong is returned and not raised: Ray would start an actor again that can't open a
run, and again.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertkit.bundle import Bundle
from bertkit.cluster.folder import run_digest, write_part, written
from bertkit.cluster.parts import Part, read_part
from bertkit.compute.device import Placement
from bertkit.data.kept import parse_keep
from bertkit.errors import BertkitError, RunError
from bertkit.evaluation.predict import predict_stream
from bertkit.evaluation.session import PredictRequest, open_with
from bertkit.tokenization.health import FitWatch


@dataclass(frozen=True)
class Work:
    """What all actors share: the request, the parts of its inputs, and where answers go.

    Attributes:
        request: the run and the options.
        run_digest: of the run, which is the same on every machine.
        parts: all of them.
        folder: where they are written.
        names: of the file of each part, as the user has it.
        is_named: whether a record says which file its row is of.
        input_bytes: of all inputs.
    """

    request: PredictRequest
    run_digest: str
    parts: tuple[Part, ...]
    folder: Path
    names: tuple[str, ...]
    is_named: bool
    input_bytes: int


@dataclass
class PartWorker:
    """Answers parts; Ray calls it with the numbers of some."""

    work: Work
    _opened: tuple[Bundle, Placement] | None = None
    _notes: list[str] = field(default_factory=list)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Write the parts of a batch, and say of each how it went."""
        numbers = [int(number) for number in batch["part"]]
        found = [self._answered(number) for number in numbers]
        return {"part": numbers, **{name: [each[name] for each in found] for name in found[0]}}

    def _answered(self, number: int) -> dict[str, Any]:
        self._notes.clear()
        misfit, unmet, failure = "", "", ""
        try:
            misfit, unmet = self._write(number)
        except BertkitError as error:
            failure = f"{type(error).__name__}: {error}"
        return {"misfit": misfit, "unmet": unmet, "failure": failure, "note": "\n".join(self._notes)}

    def _write(self, number: int) -> tuple[str, str]:
        """Write a part; return what is to be said of its texts, and which kept columns it lacks."""
        work, request = self.work, self.work.request
        if written(work.folder, number) is not None:  # by an actor that died when it had done it
            return "", ""
        bundle, placement = self._open()
        keep = None if request.keep is None else parse_keep(request.keep)
        settings, watch = bundle.manifest.settings, FitWatch(bundle.tokenizer)
        name = work.names[number] if work.is_named else None
        rows = read_part(work.parts[number], settings, columns=request.columns, keep=keep, name=name)
        stream = predict_stream(
            bundle,
            rows,
            placement,
            top_k=request.top_k,
            batch_size=request.batch_size,
            watch=watch,
            decisions=request.decisions,
        )
        with closing(stream):
            write_part(work.folder, number, stream)
        return watch.misfit or "", "" if keep is None else "\n".join(keep.doubts())

    def _open(self) -> tuple[Bundle, Placement]:
        if self._opened is None:
            request = self.work.request
            if run_digest(request.run) != self.work.run_digest:
                raise RunError(f"{request.run}: is another run on this machine than where the command was given.")
            way = replace(request.way, input_bytes=self.work.input_bytes)
            self._opened = open_with(request, way, self._notes.append)
        return self._opened
