"""Two processes with one folder or one file."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.campaign.outcome import Outcome, Part, one_line
from tests.campaign.processes import STOPPING, Ended, Process, run_process
from tests.campaign.runs import Runs
from tests.campaign.training import (
    COMMAND,
    OLD_COMMAND,
    OUTPUT,
    RESUME,
    Reference,
    end_faults,
    half_runs,
    is_new,
    is_whole_old,
    sentence_faults,
)

FORCE = (*COMMAND, "--force")
OLD_FORCE = (*OLD_COMMAND, "--force")
# (kind, the first command, the second, whether an old run is there, how often)
_TRAININGS = (
    ("two trainings, same options", COMMAND, COMMAND, False, 6),
    ("two trainings, other seeds", COMMAND, OLD_COMMAND, False, 6),
    ("two trainings, --force", FORCE, OLD_FORCE, True, 4),
    ("a training, and --force beside it", COMMAND, OLD_FORCE, False, 4),
    ("two resume", RESUME, RESUME, False, 6),
)
_CASES = [(kind, n) for kind, *_, times in _TRAININGS for n in range(times)]
_CASES += [("eval beside a training", n) for n in range(4)] + [("eval beside a training, --force", n) for n in range(4)]
_CASES += [("two predict -o", n) for n in range(6)]


def case(number: int, runs: Runs) -> Outcome:
    """Let two processes meet."""
    kind, n = _CASES[number]
    rng = random.Random(f"pair {number}")
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        folder = Path(name)
        if kind == "two predict -o":
            faults = _predictions(folder, runs, rng)
        elif kind.startswith("eval"):
            faults = _eval_beside(folder, Reference(runs), "--force" in kind)
        else:
            faults = _trainings(kind, folder, Reference(runs), rng)
        return Outcome(kind, one_line(faults), f"trial {n}")


def _trainings(kind: str, folder: Path, reference: Reference, rng: random.Random) -> Iterator[str]:
    first, second, old = next((a, b, old) for name, a, b, old, _ in _TRAININGS if name == kind)
    reference.lay_out(folder, old_run=old)
    if first is RESUME:
        half = str(reference.changes * 6 // 10)
        run_process((half, str(folder), *COMMAND), folder, program=STOPPING)
    one = Process(first, folder)
    # From at once to when the first is nearly done, by what it has computed.
    wait = rng.choice((0.0, 0.0, rng.uniform(0, 0.9))) * reference.seconds
    while one.is_running and one.cpu_s < wait:
        time.sleep(0.01)
    was_running = one.is_running
    two = Process(second, folder)
    ended = [one.wait(), two.wait()]
    for end in ended:
        yield from sentence_faults(end, codes=(0, 3))
    yield from half_runs(folder, reference)
    codes = sorted(end.code for end in ended)
    if codes == [3, 3]:
        yield "both were refused"
    if codes == [0, 0] and was_running and not _may_both_end_well(kind, ended):
        yield "both say that they have trained"
    if 0 in codes:
        yield from _right_end(folder, reference, ended)


def _may_both_end_well(kind: str, ended: list[Ended]) -> bool:
    """Tell whether the second may have come after the first: it then finds a finished run."""
    return "--force" in kind or all("nothing to resume" in end.err for end in ended[1:])


def _right_end(folder: Path, reference: Reference, ended: list[Ended]) -> Iterator[str]:
    """Demand a whole run of one of the two commands, and nothing else."""
    if is_new(folder, reference):
        yield from end_faults(folder, reference)
    else:
        old = (reference.old / "model.safetensors").read_bytes()
        weights = folder / OUTPUT / "model.safetensors"
        if not weights.is_file() or weights.read_bytes() != old:
            yield "the weights are of neither training"
    beside = sorted(path.name for path in folder.iterdir() if path.name not in (OUTPUT, "rows.jsonl"))
    if beside:
        yield f"left over beside the run: {beside[0]}"


def _eval_beside(folder: Path, reference: Reference, force: bool) -> Iterator[str]:
    reference.lay_out(folder, old_run=force)
    training = Process(FORCE if force else COMMAND, folder)
    evals = []
    while training.is_running:
        evals.append(run_process(("eval", OUTPUT, "rows.jsonl"), folder))
    yield from sentence_faults(training.wait(), codes=(0,))
    for ended in evals:
        yield from (f"eval: {fault}" for fault in sentence_faults(ended, codes=(0, 3)))
    # The one that reads while the runs are swapped may be sent back, and no other.
    refused = [ended.last for ended in evals if force and ended.code == 3]
    if len(refused) > 1:
        yield f"eval: no run while the new one was made: {refused[0][-90:]}"
    yield from end_faults(folder, reference)
    if is_whole_old(folder, reference):
        yield "--force has replaced nothing"


def _predictions(folder: Path, runs: Runs, rng: random.Random) -> Iterator[str]:
    words = ("predict", str(runs.of("classify")), str(runs.folder / "classify.jsonl"), "-o", "out.jsonl", "--force")
    one = Process(words, folder)
    time.sleep(rng.choice((0.0, rng.uniform(0, 1.5))))
    two = Process(words, folder)
    for ended in (one.wait(), two.wait()):
        yield from sentence_faults(ended, codes=(0, 3))
    if (folder / "out.jsonl").read_bytes() != (runs.folder / "classify.answers.jsonl").read_bytes():
        yield "the file is not right"
    extra = sorted(path.name for path in folder.iterdir() if path.name != "out.jsonl")
    if extra:
        yield f"left over: {extra[0]}"


PART = Part("pairs", lambda _: len(_CASES), case, patience_s=900)
