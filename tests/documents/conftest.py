"""Fixtures of the documents room."""

import sys
from pathlib import Path

import pytest

TEXTS = Path(__file__).parent / "texts"


@pytest.fixture
def without_kiwi(monkeypatch):
    """As on a machine without the extra `ko`."""
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)


@pytest.fixture(params=["with kiwipiepy", "without kiwipiepy"])
def any_splitter(request, monkeypatch):
    """A machine with the extra `ko`, and one without."""
    if request.param == "with kiwipiepy":
        pytest.importorskip("kiwipiepy")
    else:
        monkeypatch.setitem(sys.modules, "kiwipiepy", None)


@pytest.fixture
def texts():
    """The ten documents written for these tests, by file name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(TEXTS.glob("*.txt"))}
