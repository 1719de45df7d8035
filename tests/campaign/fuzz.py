"""Damaged inputs for every command: case N is the same in every process."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.commands import Call, draw_call, lay_out
from tests.campaign.inprocess import WALL_SECONDS, Ran, run_here
from tests.campaign.inputs import Input, draw_input
from tests.campaign.oracle import faults
from tests.campaign.outcome import Outcome, Part
from tests.campaign.runs import Runs

INPUTS = 10_000


@dataclass(frozen=True)
class Fuzzed:
    """One case: what was given to which command, what it did, and what is wrong with it."""

    number: int
    given: Input
    call: Call
    ran: Ran
    faults: tuple[str, ...]

    def __str__(self) -> str:
        """Tell what is needed to see it again."""
        told = f"{self.given.name!r}, {self.given.task} as {self.given.kind}: {', '.join(self.given.story) or 'whole'}"
        words = " ".join(self.call.arguments)
        return f"case {self.number}: {told}\n  bertkit {words}\n  exit {self.ran.code}: {'; '.join(self.faults)}"


def fuzz(number: int, runs: Runs, keep: Path | None = None) -> Fuzzed:
    """Run a case in a folder of its own, which is kept where `keep` says so."""
    rng = random.Random(f"input {number}")
    given = draw_input(rng)
    call = draw_call(given, runs, rng)
    folder = keep or Path(tempfile.mkdtemp(prefix="campaign-"))
    try:
        lay_out(given, folder)
        ran = run_here(call.arguments, folder, given.data if call.piped else b"")
        return Fuzzed(number, given, call, ran, tuple(faults(ran, call, given, runs, folder)))
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def case(number: int, runs: Runs) -> Outcome:
    """Run a case for the count."""
    found = fuzz(number, runs)
    return Outcome(f"{found.call.kind}", found.faults, str(found), spent=found.ran.stopped)


PART = Part("fuzz", lambda _: INPUTS, case, patience_s=WALL_SECONDS + 60)
