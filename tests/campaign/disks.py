"""Places that cannot be written: a largest file size, a small file system, a read-only one.

The small file systems are mounted in a namespace of this process, so nobody else sees them;
where that is not allowed, these cases are skipped, and the count says so.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.campaign.outcome import Outcome, Part, one_line
from tests.campaign.processes import Ended, run_process, with_file_size
from tests.campaign.runs import Runs
from tests.campaign.training import (
    COMMAND,
    RESUME,
    Reference,
    contents,
    end_faults,
    half_runs,
    is_new,
    is_whole_old,
    sentence_faults,
)

_CLONE_NEWNS = 0x00020000
OLD = b"what was there before\n"
# Bytes: below the smallest file of a run, between its files, above all of them; with fewer than
# these, Python itself finds no place for temporary files.
FILE_SIZES = (10, 100, 300, 1000, 3000, 8000, 40_000, 100_000, 140_000, 200_000, 300_000)
# Kilobytes of a file system.
DISK_SIZES = (64, 120, 200, 300, 400, 520, 640, 760, 900, 1100, 1300, 1600)
SMALL_DISKS = (4, 8, 24, 60)
READ_ONLY = "read-only"


@dataclass(frozen=True)
class Write:
    """A command that writes a file or a folder other than a run."""

    kind: str
    arguments: tuple[str, ...]
    output: str


def writes(runs: Path) -> Sequence[Write]:
    """List the commands that write, each with its output in the folder `disk`."""
    run, data = str(runs / "classify"), str(runs / "classify.jsonl")
    documents = str(runs / "extractive.jsonl")
    return (
        Write("predict -o", ("predict", run, data, "-o", "disk/out.jsonl"), "out.jsonl"),
        Write("summarize -o", ("summarize", documents, "--method", "lead", "-o", "disk/out.jsonl"), "out.jsonl"),
        Write("eval --errors", ("eval", run, data, "--errors", "disk/errors.jsonl"), "errors.jsonl"),
        Write("eval --report", ("eval", run, data, "--report", "disk/page.html"), "page.html"),
        Write("eval --plots", ("eval", run, data, "--plots", "disk/plots"), "plots"),
        Write("inspect-data --report", ("inspect-data", data, "--report", "disk/page.html"), "page.html"),
        Write("inspect-data --plots", ("inspect-data", data, "--plots", "disk/plots"), "plots"),
        Write("vocab build", ("vocab", "build", data, "--size", "300", "-o", "disk/words"), "words"),
        Write(
            "vocab build, unigram",
            ("vocab", "build", data, "--type", "unigram", "--size", "200", "-o", "disk/words"),
            "words",
        ),
    )


Trial = Callable[[Path, Runs], Iterator[str]]


@lru_cache(maxsize=1)
def trials(runs: Path) -> Sequence[tuple[str, str, Trial]]:
    """List (kind, what is done, trial)."""
    found: list[tuple[str, str, Trial]] = []
    for force in (False, True):
        more = ", --force" if force else ""
        found += [(f"train{more}, largest file", f"{n} bytes", _limited_training(n, force)) for n in FILE_SIZES]
        found += [
            (f"train{more}, full disk", f"{n} kB", _training_on(f"{n}k", force)) for n in DISK_SIZES[:: 1 + force]
        ]
        found.append((f"train{more}, read-only", "", _training_on(READ_ONLY, force)))
    for write in writes(runs):
        for old in (False, True):
            found += [(f"{write.kind}, largest file", f"{n} bytes", _limited(write, n, old)) for n in (10, 200, 3000)]
            found += [(f"{write.kind}, full disk", f"{n} kB", _written_on(write, f"{n}k", old)) for n in SMALL_DISKS]
            found.append((f"{write.kind}, read-only", "", _written_on(write, READ_ONLY, old)))
        found.append((f"{write.kind}, /dev/full", "", _to_full_device(write)))
    return found


def case(number: int, runs: Runs) -> Outcome:
    """Let a command meet a place that cannot be written."""
    kind, what, trial = trials(runs.folder)[number]
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        try:
            return Outcome(kind, one_line(trial(Path(name), runs)), what)
        except _NotAllowedError as error:
            return Outcome(kind, story=what, skipped=str(error))


class _NotAllowedError(Exception):
    """This machine does not let us do that."""


@lru_cache(maxsize=1)
def _own_namespace() -> None:
    """Mount for ourselves alone from now on.

    Raises:
        _NotAllowedError: we may not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare") or libc.unshare(_CLONE_NEWNS) != 0:
        raise _NotAllowedError("no file system may be mounted here")
    _mount("--make-rprivate", "/")


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, check=False)
    if done.returncode:
        raise _NotAllowedError("no file system may be mounted here")


@contextmanager
def _disk(folder: Path, size: str) -> Iterator[Path]:
    """Give a file system of its own to a folder: small, or a roomy one that is made read-only by `_set`."""
    _own_namespace()
    place = folder / "disk"
    place.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={'8m' if size == READ_ONLY else size}", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def _set(place: Path, options: str) -> None:
    _mount("-o", f"remount,{options}", str(place))


def _training_on(size: str, force: bool) -> Trial:
    def trial(folder: Path, runs: Runs) -> Iterator[str]:
        reference = Reference(runs)
        with _disk(folder, "8m" if force else size) as place:
            reference.lay_out(place, old_run=force)
            if size == READ_ONLY:
                _set(place, "ro")
            elif force:
                used = sum(len(content) for content in contents(place).values()) // 1024
                _set(place, f"size={used + int(size.rstrip('k'))}k")
            ended = run_process((*COMMAND, *(("--force",) if force else ())), place)
            _set(place, "rw,size=8m")
            yield from _trained(ended, place, reference, force=force)

    return trial


def _limited_training(size: int, force: bool) -> Trial:
    def trial(folder: Path, runs: Runs) -> Iterator[str]:
        reference = Reference(runs)
        reference.lay_out(folder, old_run=force)
        words = (*COMMAND, *(("--force",) if force else ()))
        ended = run_process(words, folder, program=with_file_size(size))
        yield from _trained(ended, folder, reference, force=force)

    return trial


def _trained(ended: Ended, folder: Path, reference: Reference, *, force: bool) -> Iterator[str]:
    """Judge what is left, then give room and go on."""
    yield from sentence_faults(ended, codes=(0, 3))
    yield from half_runs(folder, reference)
    if ended.code == 0:
        yield from end_faults(folder, reference)
        return
    if force and not is_whole_old(folder, reference):
        yield "--force: the old run is not whole"
    left = sorted(path.name for path in folder.rglob("*") if path.name.endswith(".tmp"))
    if left:
        yield "left over: a temporary file or folder"
    if "--resume" in ended.last:
        yield from (f"resume: {fault}" for fault in sentence_faults(run_process(RESUME, folder), codes=(0,)))
    if not is_new(folder, reference):
        again = run_process((*COMMAND, "--force"), folder)
        yield from (f"once more: {fault}" for fault in sentence_faults(again, codes=(0,)))
    yield from end_faults(folder, reference)


def _limited(write: Write, size: int, old: bool) -> Trial:
    def trial(folder: Path, runs: Runs) -> Iterator[str]:
        (folder / "disk").mkdir()
        yield from _written(
            write, folder, old, lambda: run_process(_words(write, old), folder, program=with_file_size(size))
        )

    return trial


def _written_on(write: Write, size: str, old: bool) -> Trial:
    def trial(folder: Path, runs: Runs) -> Iterator[str]:
        with _disk(folder, size) as place:

            def run() -> Ended:
                if size == READ_ONLY:
                    _set(place, "ro")
                return run_process(_words(write, old), folder)

            yield from _written(write, folder, old, run)

    return trial


def _words(write: Write, old: bool) -> tuple[str, ...]:
    return (*write.arguments, *(("--force",) if old else ()))


def _written(write: Write, folder: Path, old: bool, run: Callable[[], Ended]) -> Iterator[str]:
    """Judge a command that writes beside an old output: it is replaced whole, or it stays."""
    place = folder / "disk"
    if old:
        _lay_old(write, place)
    before = contents(place)
    ended = run()
    after = contents(place)
    yield from sentence_faults(ended, codes=(0, 3))
    if ended.code == 3:
        if after != before:
            changed = {name for name in before if after.get(name) != before[name]}
            # Several pictures are several files: those that are whole may stay.
            more = {name for name in set(after) - set(before) if not name.endswith(".png") or not after[name]}
            if changed:
                yield "the old file is not what it was"
            if more:
                yield f"left over: {sorted(more)[0]}"
        if write.output not in ended.last and "disk" not in ended.last:
            yield "a sentence without a place"
    elif ended.code == 0 and not any(name.startswith(write.output) for name in after):
        yield "exit 0 and no output"


def _lay_old(write: Write, place: Path) -> None:
    if "." in write.output:
        (place / write.output).write_bytes(OLD)


def _to_full_device(write: Write) -> Trial:
    """Write to a device that is always full, where a file may be a device."""

    def trial(folder: Path, runs: Runs) -> Iterator[str]:
        if not Path("/dev/full").exists():
            raise _NotAllowedError("there is no /dev/full here")
        words = ["/dev/full" if word.startswith("disk/") else word for word in write.arguments]
        ended = run_process(words, folder)
        yield from sentence_faults(ended, codes=(3,))
        if ended.code == 3 and "/dev/full" not in ended.last:
            yield "a sentence without a place"
        if os.listdir(folder):  # noqa: PTH208 - only whether there is anything
            yield "left over"

    return trial


PART = Part("disks", lambda runs: len(trials(runs.folder)), case, patience_s=900)
