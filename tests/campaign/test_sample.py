"""A sample of the campaign's damaged inputs; `make campaign` tries more than twenty times as many."""

from __future__ import annotations

import pytest

from tests.campaign.forms import case, forms
from tests.campaign.fuzz import fuzz
from tests.campaign.runs import Runs

SAMPLE, SCOPES = 420, 4
# Files that a command leaves open until its process ends are closed here when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def try_inputs(runs: Runs, scope: int) -> None:
    """Try every fourth input; all that is wrong is told at once."""
    cases = [fuzz(number, runs) for number in range(scope, SAMPLE, SCOPES)]
    assert {case.ran.code for case in cases} >= {0, 3}  # neither all is read, nor all refused
    wrong = "\n".join(str(case) for case in cases if case.faults)
    if wrong:
        pytest.fail(wrong, pytrace=False)


class TestFirst:
    """Each class is handed to a process of its own by --dist loadscope."""

    def test_sample(self, runs: Runs) -> None:
        try_inputs(runs, 0)


class TestSecond:
    def test_sample(self, runs: Runs) -> None:
        try_inputs(runs, 1)


class TestThird:
    def test_sample(self, runs: Runs) -> None:
        try_inputs(runs, 2)


class TestFourth:
    def test_sample(self, runs: Runs) -> None:
        try_inputs(runs, 3)


class TestForms:
    """An example of each form, damaged."""

    def test_sample(self, runs: Runs) -> None:
        found = [case(number, runs) for number in range(len(forms()))]
        assert len({outcome.kind for outcome in found}) == 5  # every command is among them
        wrong = "\n".join(f"{outcome.story}: {'; '.join(outcome.faults)}" for outcome in found if outcome.faults)
        if wrong:
            pytest.fail(wrong, pytrace=False)
