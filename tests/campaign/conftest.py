"""The runs that damaged inputs are given to."""

from __future__ import annotations

import os

import pytest

from tests.campaign.runs import Runs, made_runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A tiny run for each task; the processes of pytest-xdist share them."""
    base = tmp_path_factory.getbasetemp()
    return made_runs((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "campaign-runs")
