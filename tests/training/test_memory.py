"""The memory a training will take: counted on a few rows, and true of the whole batch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.errors import Interrupted
from bertkit.tasks.base import TrainingRow
from bertkit.training.loop import (
    Learner,
    LoopState,
    at_once,
    build_learner,
    build_model,
    forget,
    place_training,
    places_at_once,
    plan_of,
    take_step,
)
from bertkit.training.memory import Kept, Memory, count_kept, extrapolated, kept_of, largest_batch, predict_memory
from bertkit.training.prepare import Prepared, prepare
from bertkit.training.run import train
from tests.conftest import SUBJECTS, VERBS
from tests.training.small_runs import data_file, learnt, request, resume, stopped_at
from tests.training.task_data import plain_lines
from tests.training.test_run import small


def opened(config: TrainConfig) -> tuple[Prepared, Learner]:
    prepared = prepare(config)
    return prepared, build_learner(prepared, build_model(prepared), place_training(prepared.config, width=32))


def largest(prepared: Prepared) -> list[TrainingRow]:
    return largest_batch(prepared.rows, plan_of(prepared.config))


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(plain_lines(80)) + "\n")
    return path


# --- the arithmetic -----------------------------------------------------------------------


def test_two_batches_give_the_line_on_which_a_third_lies() -> None:
    one = Kept(tokens=10, words=0, activations=150, logits=0, largest=20)
    two = Kept(tokens=20, words=0, activations=250, logits=0, largest=40)  # 50 and 10 a token
    assert extrapolated(one, two, tokens=100, words=0) == Kept(100, 0, 1050, 0, 200)
    assert extrapolated(two, two, tokens=20, words=0) == two


def test_logits_go_by_the_words_that_are_asked_for() -> None:
    two = Kept(tokens=20, words=3, activations=200, logits=300, largest=40)
    assert extrapolated(two, two, tokens=40, words=30) == Kept(40, 30, 400, 3000, 3000)


def test_the_peak_is_the_sum_of_the_parts() -> None:
    memory = Memory(*(10**i for i in range(11)))
    assert memory.peak == 11_111_111_111 == sum(memory.parts().values())
    assert list(memory.parts()) == list(Memory.__dataclass_fields__)


def test_weights_gradients_moments_and_snapshots(pair_file: Path, tmp_path: Path) -> None:
    config = small(pair_file, tmp_path / "run", layers=2, average=3)
    prepared, learner = opened(config)
    memory = predict_memory(prepared, learner)
    weights = 4 * sum(w.numel() for w in learner.model.parameters())
    assert (memory.weights, memory.best, memory.gradients, memory.optimizer) == (weights, 0, weights, 2 * weights)
    assert memory.averages == 2 * weights  # of two epochs there are two snapshots
    assert memory.logits == 0
    assert predict_memory(*opened(replace(config, average=1))).averages == 0
    assert all(w.grad is None for w in learner.model.parameters())


def test_frozen_layers_take_less(pair_file: Path, tmp_path: Path) -> None:
    config = small(pair_file, tmp_path / "run", layers=4, dropout=0.1)
    whole, part = (predict_memory(*opened(replace(config, freeze=n))) for n in (0, 3))
    assert part.weights == whole.weights
    assert part.gradients < 0.5 * whole.gradients
    assert part.optimizer == 2 * part.gradients
    assert part.activations < 0.4 * whole.activations


def test_the_largest_batch_is_one_of_the_training(pair_file: Path, tmp_path: Path) -> None:
    """With 70 rows in batches of 64 the longest six are a batch of their own, and not the largest."""
    prepared, _ = opened(small(pair_file, tmp_path / "run", limit=70, batch_size=64, swap_pairs=False))
    lengths = sorted(row.length for row in prepared.rows)
    chosen = [row.length for row in largest(prepared)]
    assert len(lengths) == 70
    assert chosen == lengths[:64][::-1]


# --- what is counted ----------------------------------------------------------------------


@pytest.mark.parametrize("model", ["scratch", "bert", "deberta", "longformer", "modernbert"])
def test_a_few_rows_tell_of_the_whole_batch(model: str, pair_file: Path, tmp_path: Path) -> None:
    prepared, learner = opened(small(pair_file, tmp_path / "run", model=model, init="random", batch_size=16))
    longest = largest(prepared)
    batch = prepared.task.training_batch(longest, prepared.options, np.random.default_rng(0))
    told = kept_of(learner, longest)
    assert told.tokens == batch.input_ids.numel() == len(longest) * longest[0].length
    assert told.activations == pytest.approx(count_kept(learner, batch).activations, rel=0.02)
    assert told.largest >= batch.input_ids.numel() * 4 * 32


def test_a_layer_keeps_at_least_its_inputs_and_its_wide_block(pair_file: Path, tmp_path: Path) -> None:
    figures = []
    for layers in (1, 2):
        _, learner = opened(small(pair_file, tmp_path / "run", layers=layers, dropout=0.1))
        prepared, _ = opened(small(pair_file, tmp_path / "run", layers=layers, dropout=0.1))
        figures.append(kept_of(learner, largest(prepared)))
    each = (figures[1].activations - figures[0].activations) / (figures[0].tokens * 32 * 4)
    assert 16 <= each <= 22  # widths a token: q, k, v, mix, two sums, two norms, noise, and 2 × 4 of the wide block


def test_logits_of_masked_lm_are_hidden_words_by_vocabulary(lines: Path, tmp_path: Path) -> None:
    prepared, learner = opened(small(lines, tmp_path / "run", task="mlm", batch_size=16))
    told = kept_of(learner, largest(prepared))
    vocabulary = learner.bare_model.encoder.vocab_size
    assert told.words >= 16  # one of each row at least
    assert told.logits == pytest.approx(told.words * vocabulary * 4, rel=0.01)
    memory = predict_memory(prepared, learner)
    assert memory.logits == told.logits > 0


def test_one_row_is_a_batch_too(pair_file: Path, tmp_path: Path) -> None:
    prepared, learner = opened(small(pair_file, tmp_path / "run", batch_size=1))
    assert kept_of(learner, largest(prepared)).activations > 0


# --- a batch goes through in parts --------------------------------------------------------


def test_a_batch_is_parted_evenly_and_a_row_never(pair_file: Path, tmp_path: Path) -> None:
    prepared, _ = opened(small(pair_file, tmp_path / "run", swap_pairs=False))
    rows = sorted(prepared.rows, key=lambda row: row.length)[-10:]
    longest = rows[-1].length
    assert at_once(rows, None) == at_once(rows, 10 * longest) == [rows]
    assert [len(part) for part in at_once(rows, 10 * longest - 1)] == [5, 5]
    assert [len(part) for part in at_once(rows, 4 * longest)] == [4, 4, 2]
    assert [row for part in at_once(rows, 4 * longest) for row in part] == rows
    assert at_once(rows, 1) == [[row] for row in rows]
    assert at_once([], 5) == at_once([], None) == []


def test_parts_make_the_step_of_the_whole_batch(pair_file: Path, tmp_path: Path) -> None:
    """Without noise the gradients are those of the batch, but for rounding, in bfloat16 too."""
    still = {"dropout": 0.0, "swap_pairs": False, "token_masking": 0.0}
    config = small(pair_file, tmp_path / "run", batch_size=16, clip=0.0, **still)
    for precision, apart in (("float32", 1e-5), ("bfloat16", 0.02)):
        found = []
        for places in (None, 40):
            prepared, learner = opened(replace(config, precision=precision))
            plan = replace(plan_of(prepared.config), lr=0.0)
            facts = take_step(replace(learner, places=places), [list(prepared.rows[:16])], plan, LoopState(), 5)
            found.append((facts, [w.grad.clone() for w in learner.bare_model.parameters() if w.grad is not None]))
        (whole, theirs), (parted, ours) = found
        assert parted.loss == pytest.approx(whole.loss, rel=apart)
        assert parted.tokens == whole.tokens
        assert len(ours) == len(theirs) > 10
        for mine, other in zip(ours, theirs, strict=True):
            assert float((mine - other).norm()) <= apart * float(other.norm()) + 1e-6


def test_rounded_weights_do_not_outlive_a_step(pair_file: Path, tmp_path: Path) -> None:
    """The step after an update computes with the new weights."""
    config = small(pair_file, tmp_path / "run", dropout=0.0, swap_pairs=False, precision="bfloat16")
    prepared, learner = opened(config)
    plan = replace(plan_of(prepared.config), lr=0.05, warmup=0.0)
    losses = [
        take_step(replace(learner, places=20), [list(prepared.rows[:8])], plan, LoopState(), 5).loss for _ in range(2)
    ]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_in_parts_resumes_to_the_same_bytes(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertkit.training.loop.LEAST_PLACES", 30)
    monkeypatch.setattr("bertkit.training.loop.MOST_KEPT", 0)
    whole = request(data_file(tmp_path), tmp_path / "whole", precision=precision)
    train(whole)
    with pytest.raises(Interrupted):
        train(replace(whole, output=str(tmp_path / "cut")), stopped_at(4))
    resume(tmp_path / "cut")
    assert learnt(tmp_path / "cut") == learnt(tmp_path / "whole")

    monkeypatch.undo()
    train(replace(whole, output=str(tmp_path / "at-once")))
    weights = "model.safetensors"
    assert learnt(tmp_path / "at-once")[weights] != learnt(tmp_path / "whole")[weights], "it was not parted"


def test_narrow_encoders_take_more_tokens_at_once(pair_file: Path, tmp_path: Path) -> None:
    _, narrow = opened(small(pair_file, tmp_path / "run"))
    _, wide = opened(small(pair_file, tmp_path / "run", layers=4))
    assert (narrow.places or 0) > (wide.places or 0) >= 2048
    assert places_at_once(narrow.bare_model.encoder) == narrow.places


def test_what_further_steps_would_need_is_given_up(pair_file: Path, tmp_path: Path) -> None:
    prepared, learner = opened(small(pair_file, tmp_path / "run"))
    plan = plan_of(prepared.config)
    take_step(learner, [list(prepared.rows[:8])], plan, LoopState(), 5)
    before = [weight.clone() for weight in learner.bare_model.parameters()]
    assert learner.optimizer.state
    forget(learner)
    assert not learner.optimizer.state
    assert all(weight.grad is None for weight in learner.bare_model.parameters())
    assert all((now == then).all() for now, then in zip(learner.bare_model.parameters(), before, strict=True))


# --- what a user sees ---------------------------------------------------------------------


def test_dry_run_tells_the_memory(pair_file: Path, tmp_path: Path) -> None:
    command = ["train", str(pair_file), "--output", str(tmp_path / "run"), "--layers", "1", "--hidden", "32"]
    result = CliRunner().invoke(app, [*command, "--dry-run", "--format", "json"])
    plan = json.loads(result.stdout)
    assert plan["memory_bytes"] == sum(plan["memory_parts"].values())
    assert plan["memory_parts"]["weights"] == 4 * plan["parameters"]
    table = CliRunner().invoke(app, [*command, "--dry-run", "--format", "table"]).stdout
    said = re.search(r"memory: about ([\d,]+) MB \(process ", table)
    assert said is not None
    assert float(said[1].replace(",", "")) == pytest.approx(plan["memory_bytes"] / 1e6, rel=0.1)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not tell another process's memory")
@pytest.mark.parametrize("task", ["classify", "mlm"])
def test_the_prediction_is_within_a_quarter_of_a_real_training(task: str, tmp_path: Path) -> None:
    """Whole commands: what one says against the most memory that the other ever held."""
    words = " ".join([*SUBJECTS, *VERBS]).split()
    texts = [" ".join(words[(i * j) % len(words)] for j in range(1, 101)) for i in range(1, 215)]
    data = tmp_path / "rows.tsv"
    data.write_text("text\tlabel\n" + "".join(f"{text}\t{i % 2}\n" for i, text in enumerate(texts)))
    command = [
        sys.executable, "-m", "bertkit", "train", str(data), "--output", str(tmp_path / "run"), "--task", task,
        "--layers", "2", "--hidden", "128", "--heads", "4", "--batch-size", "64", "--epochs", "1", "--threads", "1",
    ]  # fmt: skip
    plan = subprocess.run([*command, "--dry-run"], check=True, text=True, capture_output=True).stdout
    training = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(training.pid, 0)
    training.returncode = os.waitstatus_to_exitcode(status)
    assert training.returncode == 0
    measured = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert measured * 0.75 < json.loads(plan)["memory_bytes"] < measured * 1.25
