"""Trainings that are killed, and go on.

Case N is killed at a time, or before the k-th change of the file system; a third is killed
again in resuming; half of them replace an old run. The last ones are asked to stop instead.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.outcome import Outcome, Part, one_line
from tests.campaign.processes import STOPPING, Ended, Process, run_process
from tests.campaign.runs import Runs
from tests.campaign.training import (
    COMMAND,
    OUTPUT,
    RESUME,
    Reference,
    end_faults,
    half_runs,
    is_new,
    is_whole_old,
    sentence_faults,
)

KILLS = 60
# Of six kills two are by time; of eighteen, six again in resuming.
_ASKED_SHARE = 5


@dataclass(frozen=True)
class Plan:
    """How a training is disturbed.

    Attributes:
        force: whether it replaces an old run.
        number: the signal.
        at: after how many seconds of CPU; None: before a change.
        change: before which change of the file system.
        again: before which change the resuming is killed as well; None: it is left alone.
    """

    force: bool
    number: int
    at: float | None
    change: int
    again: int | None

    @property
    def kind(self) -> str:
        """The line of the table."""
        how = "SIGKILL" if self.number == signal.SIGKILL else "SIGTERM or SIGINT"
        when = "at a time" if self.at is not None else "at a change of the file system"
        return f"{how} {when}{', --force' if self.force else ''}"


def plan_of(number: int, reference: Reference) -> Plan:
    """Draw the plan of a case."""
    rng = random.Random(f"kill {number}")
    asked = number % _ASKED_SHARE == _ASKED_SHARE - 1
    by_time = asked or number % 3 == 0
    return Plan(
        force=number % 2 == 1,
        number=rng.choice((signal.SIGTERM, signal.SIGINT)) if asked else signal.SIGKILL,
        at=rng.uniform(0.3, 1.3) * reference.seconds if by_time else None,
        change=rng.randint(1, reference.changes + 8),
        again=rng.randint(1, reference.changes) if number % 3 == 1 else None,
    )


def case(number: int, runs: Runs) -> Outcome:
    """Disturb a training and see whether anything is lost."""
    reference = Reference(runs)
    plan = plan_of(number, reference)
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        folder = Path(name)
        reference.lay_out(folder, old_run=plan.force)
        return Outcome(plan.kind, one_line(_faults(plan, folder, reference)), str(plan))


def _faults(plan: Plan, folder: Path, reference: Reference) -> Iterator[str]:
    ended = _disturbed(plan, folder)
    if plan.number != signal.SIGKILL:
        yield from sentence_faults(ended, codes=(0, 130, -plan.number))
    yield from half_runs(folder, reference)
    began = any(folder.rglob("request.json"))  # before that nothing was read, and nothing can be gone on with
    if (
        plan.force
        and (folder / OUTPUT).exists()
        and not is_whole_old(folder, reference)
        and not is_new(folder, reference)
    ):
        yield "--force: neither the old run nor the new one is whole"
    if plan.again is not None:
        run_process((str(plan.again), str(folder), *RESUME), folder, program=STOPPING)
        yield from half_runs(folder, reference)
    resumed = run_process(RESUME, folder)
    if began:
        yield from (f"resume: {fault}" for fault in sentence_faults(resumed, codes=(0,)))
    if not is_new(folder, reference):
        if began:
            yield "resume: exit 0, and not the weights of an undisturbed training" if not resumed.code else "no resume"
        if plan.force and not is_whole_old(folder, reference):
            yield "--force: the old run is gone, and there is no new one"
        again = run_process((*COMMAND, "--force"), folder)
        yield from (f"once more: {fault}" for fault in sentence_faults(again, codes=(0,)))
    yield from end_faults(folder, reference)


def _disturbed(plan: Plan, folder: Path) -> Ended:
    words = (*COMMAND, *(("--force",) if plan.force else ()))
    if plan.at is None:
        return run_process((str(plan.change), str(folder), *words), folder, program=STOPPING)
    process = Process(words, folder)
    while process.is_running and process.cpu_s < plan.at:
        time.sleep(0.005)
    process.signal(plan.number)
    return process.wait()


PART = Part("kills", lambda _: KILLS, case, patience_s=900)
