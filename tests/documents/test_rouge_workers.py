"""ROUGE on several processors: the scores of one, in the same order, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from bertkit.documents import rouge
from bertkit.documents.rouge import METRICS, f_measures, in_processes, score_corpus

PAIRS = [(f"the cat sat on mat {i}\nit slept", f"a cat sat on mat {i % 3}\nit \ud83d slept {i}") for i in range(11)]


@pytest.fixture
def three_processors(monkeypatch):
    """So that a handful of pairs is enough for two workers."""
    monkeypatch.setattr(rouge, "_processors", lambda: 3)
    monkeypatch.setattr(rouge, "HEAD_START", 2)
    monkeypatch.setattr(rouge, "FEWEST", 1)


@pytest.fixture
def here(three_processors):
    """Count pairs as the caller does, and remember how many they were."""
    sizes = []

    def count(pairs, mode, metrics):
        sizes.append(len(pairs))
        return f_measures(pairs, mode, metrics)

    count.sizes = sizes
    return count


def test_workers_count_as_one_process_does(here):
    assert in_processes(PAIRS, "english", METRICS, here) == f_measures(PAIRS, "english", METRICS)
    assert here.sizes == [5]  # the others were counted elsewhere


def test_a_corpus_is_spread(three_processors):
    references, summaries = zip(*PAIRS, strict=True)
    wanted = f_measures(PAIRS, "english", ["rouge2", "rougeLsum"])
    scores = score_corpus(references, summaries, metrics=["rouge2", "rougeLsum"]).scores
    assert {name: values.tolist() for name, values in scores.items()} == {
        "rouge2": [row[0] for row in wanted],
        "rougeLsum": [row[1] for row in wanted],
    }


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "print('no figures')", "print([])"])
def test_what_a_worker_fails_at_is_done_here(here, monkeypatch, program):
    monkeypatch.setattr(rouge, "_PROGRAM", program)
    assert in_processes(PAIRS, "english", METRICS, here) == f_measures(PAIRS, "english", METRICS)
    assert here.sizes == [5, 3, 3]


@pytest.mark.parametrize("interpreter", ["", "/no/such/python"])
def test_where_no_worker_can_be_started(here, monkeypatch, interpreter):
    monkeypatch.setattr(sys, "executable", interpreter)
    assert in_processes(PAIRS, "english", METRICS, here) == f_measures(PAIRS, "english", METRICS)
    assert sum(here.sizes) == len(PAIRS)


def test_workers_end_with_the_caller(three_processors, monkeypatch):
    started = []

    def start(*arguments):
        started.append(begin(*arguments))
        return started[-1]

    def interrupted(*_):
        raise KeyboardInterrupt

    begin = rouge._started
    monkeypatch.setattr(rouge, "_started", start)
    monkeypatch.setattr(rouge, "_PROGRAM", "import time; time.sleep(600)")
    with pytest.raises(KeyboardInterrupt):
        in_processes(PAIRS, "english", METRICS, interrupted)
    assert len(started) == 2
    assert all(process.returncode for process in started)


def test_few_pairs_start_no_process(monkeypatch):
    monkeypatch.setattr(rouge, "_processors", lambda: 8)
    monkeypatch.setattr(rouge, "_started", None)  # to be called is an error
    assert len(in_processes(PAIRS * 40, "english", ["rouge1"], f_measures)) == 440


def test_parts_hold_every_pair_once_and_none_is_small():
    for size in (0, 1, 399, 400, 799, 800, 1000, 11_490):
        for processors in (1, 2, 16):
            parts = rouge._parts(size, processors)
            assert [i for part in parts for i in range(size)[part]] == list(range(size))
            assert 1 <= len(parts) <= processors
            assert all(part.stop - part.start >= rouge.FEWEST for part in parts[1:])
    assert len(rouge._parts(799, 2)) == 1
    assert len(rouge._parts(800, 2)) == 2


@pytest.mark.parametrize(("said", "most"), [("1", 1), ("2", 2), ("", 9), ("0", 9), ("many", 9)])
def test_the_environment_limits_the_processes(monkeypatch, said, most):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(9), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert rouge._processors() == most


def test_a_worker_imports_what_it_needs_and_no_more():
    program = f"{rouge._PROGRAM}; import sys; print(); print([m for m in sys.modules if m in sys.argv])"
    heavy = ["torch", "transformers", "sklearn.base", "scipy.sparse", "bertkit.models", "bertkit.cli"]
    asked = json.dumps([PAIRS[:1], "english", ["rouge1"]])
    command = [sys.executable, "-c", program, *heavy]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    figures, modules = done.stdout.splitlines()
    assert json.loads(figures) == f_measures(PAIRS[:1], "english", ["rouge1"])
    assert modules == "[]"
