"""What an actor does: open the run once, then predict shard after shard into the output folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertkit import __version__
from bertkit.bundle import Bundle
from bertkit.cluster.shards import FilePlan, Shard, read_shard
from bertkit.compute.device import Placement
from bertkit.data.columns import parse_keep
from bertkit.errors import BertkitError, DataError, OutputError, RunError
from bertkit.evaluation.answers import Record
from bertkit.evaluation.predict import PredictRequest, open_with, predict_stream
from bertkit.evaluation.records_out import Written, read_written
from bertkit.files import entries, exists, is_dir, is_file, temporary, write_errors, write_json, writing
from bertkit.kinds import MisfitError, read_object
from bertkit.locks import LOCK, held
from bertkit.plain import brief, listed, to_json
from bertkit.run_folder import RUN
from bertkit.tokenization.health import FitWatch

# --- The folder that shards are written to: what they are shards of, and which of them are there ----
#
# `manifest.json` is written before the first shard and says what every answer depends on: the
# bytes of the run and of the inputs, where they are cut, and the options. A shard gets its name
# when all of it is on the disk. So a shard that is there is whole, and belongs to the manifest.

MANIFEST = "manifest.json"
FORMAT = 1
_SHARD = re.compile(r"\.?part-\d{6,}\.jsonl(\.tmp)?")
# What of a run answers depend on: its files by name, and those of its baselines.
_NO_ANSWERS = ("README.md", "metrics.json", "folds.json", "folds.jsonl", LOCK)


@dataclass(frozen=True)
class Wanted:
    """What the answers of a folder are of."""

    run: str
    files: tuple[FilePlan, ...]
    options: dict[str, Any]

    @property
    def shards(self) -> list[Shard]:
        """All shards in the order of the rows."""
        return [shard for file in self.files for shard in file.shards]

    def to_json(self) -> dict[str, Any]:
        """Write it as the manifest has it."""
        return {
            "format": FORMAT,
            "bertkit": __version__,
            "run": self.run,
            "options": self.options,
            "inputs": [file.to_json() for file in self.files],
        }


def shard_name(number: int) -> str:
    """Name a shard by its number, from 0: sorted by name, they are in the order of the rows."""
    return f"part-{number:06d}.jsonl"


def run_digest(run: Path) -> str:
    """Hash all that a run answers by."""
    found = hashlib.blake2b(digest_size=16)
    for path in _files_of(run):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        found.update(f"{path.relative_to(run)} {digest}\n".encode())
    return found.hexdigest()


def _files_of(run: Path) -> Iterator[Path]:
    for path in entries(run):
        known = any(re.fullmatch(name, path.name) for name in (*RUN, r".*\.(onnx|json|data)"))
        if is_file(path) and known and path.name not in _NO_ANSWERS:
            yield path
    if is_dir(run / "baseline"):
        yield from (path for path in sorted((run / "baseline").rglob("*")) if is_file(path))


@contextmanager
def taken(folder: Path, *, force: bool, resume: bool) -> Iterator[None]:
    """Hold a folder for the body; nobody else writes there meanwhile.

    Raises:
        OutputError: it is a file, or holds something, and neither --force nor --resume is given;
            or --force would delete what bertkit has not written.
    """
    shown = f"--output {brief(folder, 300)}"
    if exists(folder) and not is_dir(folder):
        raise OutputError(f"{shown}: is a file; --ray writes a folder of shards.")
    with write_errors(folder, "--output"), held(folder, folder):
        there = [path for path in entries(folder) if path.name != LOCK]
        if there and not (force or resume):
            raise OutputError(f"{shown}: is not empty; add --resume to continue it, or --force to start over.")
        ours = [path for path in there if path.name == MANIFEST or _SHARD.fullmatch(path.name)]
        if others := [path.name for path in there if path not in ours]:
            raise OutputError(f"{shown}: holds other files than shards ({listed(others)}); choose another folder.")
        if force and not resume:
            for path in sorted(ours, key=lambda each: each.name != MANIFEST):
                path.unlink()
        yield


def begin(folder: Path, wanted: Wanted) -> None:
    """Write the manifest, or hold what is wanted against the one that is there.

    Raises:
        DataError: it is of another run, other inputs or options.
        OutputError: it cannot be written.
    """
    path, now = folder / MANIFEST, wanted.to_json()
    if not is_file(path):
        if any(_SHARD.fullmatch(each.name) for each in entries(folder)):
            raise DataError(
                f"{folder}: has shards but no {MANIFEST}, so it is not known which rows they answer; start over "
                f"with --force."
            )
        with write_errors(path, "--output"):
            write_json(path, now, indent=None)
        return
    try:
        then = read_object(path)
    except MisfitError as error:
        raise DataError(f"{path}: {error}; start over with --force.") from error
    changed = [name for name in now if to_json(now[name]) != to_json(then.get(name))]
    if changed:
        raise DataError(
            f"--resume: {folder} was started with {_said(changed, now, then)}, so old and new shards would not fit "
            f"together; nothing was changed. Start over with --force, or choose another folder."
        )


def _said(changed: Sequence[str], now: dict[str, Any], then: dict[str, Any]) -> str:
    if "options" in changed and isinstance(before := then.get("options"), dict):
        names = [f"--{name.replace('_', '-')}" for name, value in now["options"].items() if value != before.get(name)]
        return f"another {listed(names, quotes=False)}"
    words = {"inputs": "other inputs", "run": "another run (or it has changed)", "bertkit": "another bertkit"}
    return listed([words.get(name, f"another {name}") for name in changed], quotes=False)


def written(folder: Path, number: int) -> Written | None:
    """Look at a shard that is there, whole; None where it is not.

    Raises:
        DataError: it is not a shard.
    """
    path = folder / shard_name(number)
    if not is_file(path):
        return None
    temporary(path).unlink(missing_ok=True)
    return read_written(path, "jsonl") or Written(path, 0, 0)


def write_shard(folder: Path, number: int, blocks: Iterator[list[Record]]) -> None:
    """Write a shard, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with writing(folder / shard_name(number), "--output") as stream:
        for records in blocks:
            stream.write("".join(f"{to_json(record)}\n" for record in records))


# --- What an actor does: it opens the run once, and answers one shard after the other --------------
#
# What goes wrong is returned and not raised: Ray would start an actor again that can't open a
# run, and again.


@dataclass(frozen=True)
class Work:
    """What all actors share: the request, the shards of its inputs, and where answers go.

    Attributes:
        request: the run and the options.
        run_digest: of the run, which is the same on every machine.
        shards: all of them.
        folder: where they are written.
        names: of the file of each shard, as the user has it.
        is_named: whether a record says which file its row is of.
        input_bytes: of all inputs.
    """

    request: PredictRequest
    run_digest: str
    shards: tuple[Shard, ...]
    folder: Path
    names: tuple[str, ...]
    is_named: bool
    input_bytes: int


@dataclass
class ShardWorker:
    """Answers shards; Ray calls it with the numbers of some."""

    work: Work
    _opened: tuple[Bundle, Placement] | None = None
    _notes: list[str] = field(default_factory=list)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Write the shards of a batch, and say of each how it went."""
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
        """Write a shard; return what is to be said of its texts, and which kept columns it lacks."""
        work, request = self.work, self.work.request
        if written(work.folder, number) is not None:  # by an actor that died when it had done it
            return "", ""
        bundle, placement = self._open()
        keep = None if request.keep is None else parse_keep(request.keep)
        settings, watch = bundle.manifest.settings, FitWatch(bundle.tokenizer)
        name = work.names[number] if work.is_named else None
        rows = read_shard(work.shards[number], settings, columns=request.columns, keep=keep, name=name)
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
            write_shard(work.folder, number, stream)
        return watch.misfit or "", "" if keep is None else "\n".join(keep.doubts())

    def _open(self) -> tuple[Bundle, Placement]:
        if self._opened is None:
            request = self.work.request
            if run_digest(request.run) != self.work.run_digest:
                raise RunError(f"{request.run}: is another run on this machine than where the command was given.")
            way = replace(request.way, input_bytes=self.work.input_bytes)
            self._opened = open_with(request, way, self._notes.append)
        return self._opened
