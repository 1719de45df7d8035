"""The memory a training will take: counted on a few rows, and true of the whole batch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.training.learner import build_learner, place_training
from bertkit.training.loop import Learner
from bertkit.training.memory import Kept, Memory, count_kept, extrapolated, kept_of_largest, predict_memory
from bertkit.training.prepare import Prepared, prepare
from tests.conftest import SUBJECTS, VERBS
from tests.training.task_data import plain_lines
from tests.training.test_run import small


def opened(config: TrainConfig) -> tuple[Prepared, Learner]:
    prepared = prepare(config)
    return prepared, build_learner(prepared, place_training(prepared.config))


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
    memory = Memory(*(10**i for i in range(10)))
    assert memory.peak == 1_111_111_111 == sum(memory.parts().values())
    assert list(memory.parts()) == list(Memory.__dataclass_fields__)


def test_weights_gradients_moments_and_snapshots(pair_file: Path, tmp_path: Path) -> None:
    config = small(pair_file, tmp_path / "run", layers=2, average=3)
    prepared, learner = opened(config)
    memory = predict_memory(prepared, learner)
    weights = 4 * sum(w.numel() for w in learner.model.parameters())
    assert (memory.weights, memory.best, memory.gradients, memory.optimizer) == (weights, weights, weights, 2 * weights)
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


# --- what is counted ----------------------------------------------------------------------


@pytest.mark.parametrize("model", ["scratch", "bert", "deberta", "longformer", "modernbert"])
def test_a_few_rows_tell_of_the_whole_batch(model: str, pair_file: Path, tmp_path: Path) -> None:
    prepared, learner = opened(small(pair_file, tmp_path / "run", model=model, init="random", batch_size=16))
    longest = sorted(prepared.rows, key=lambda row: -row.length)[:16]
    batch = prepared.task.training_batch(longest, prepared.options, np.random.default_rng(0))
    told = kept_of_largest(learner, prepared.rows, 16)
    assert told.tokens == batch.input_ids.numel() == 16 * longest[0].length
    assert told.activations == pytest.approx(count_kept(learner, batch).activations, rel=0.02)
    assert told.largest >= batch.input_ids.numel() * 4 * 32


def test_a_layer_keeps_at_least_its_inputs_and_its_wide_block(pair_file: Path, tmp_path: Path) -> None:
    figures = []
    for layers in (1, 2):
        _, learner = opened(small(pair_file, tmp_path / "run", layers=layers, dropout=0.1))
        prepared, _ = opened(small(pair_file, tmp_path / "run", layers=layers, dropout=0.1))
        figures.append(kept_of_largest(learner, prepared.rows, 32))
    each = (figures[1].activations - figures[0].activations) / (figures[0].tokens * 32 * 4)
    assert 16 <= each <= 22  # widths a token: q, k, v, mix, two sums, two norms, noise, and 2 × 4 of the wide block


def test_logits_of_masked_lm_are_hidden_words_by_vocabulary(lines: Path, tmp_path: Path) -> None:
    prepared, learner = opened(small(lines, tmp_path / "run", task="mlm", batch_size=16))
    told = kept_of_largest(learner, prepared.rows, 16)
    vocabulary = learner.bare_model.encoder.vocab_size
    assert told.words >= 16  # one of each row at least
    assert told.logits == pytest.approx(told.words * vocabulary * 4, rel=0.01)
    memory = predict_memory(prepared, learner)
    assert memory.logits == told.logits > 0


def test_one_row_is_a_batch_too(pair_file: Path, tmp_path: Path) -> None:
    prepared, learner = opened(small(pair_file, tmp_path / "run", batch_size=1))
    assert kept_of_largest(learner, prepared.rows, 1).activations > 0


# --- what a user sees ---------------------------------------------------------------------


def test_dry_run_tells_the_memory(pair_file: Path, tmp_path: Path) -> None:
    command = ["train", str(pair_file), "--output", str(tmp_path / "run"), "--layers", "1", "--hidden", "32"]
    result = CliRunner().invoke(app, [*command, "--dry-run", "--format", "json"])
    plan = json.loads(result.stdout)
    assert plan["memory_bytes"] == sum(plan["memory_parts"].values())
    assert plan["memory_parts"]["weights"] == 4 * plan["parameters"]
    table = CliRunner().invoke(app, [*command, "--dry-run", "--format", "table"]).stdout
    assert f"memory: about {plan['memory_bytes'] / 1e6:,.0f} MB (" in table
    assert not (tmp_path / "run").exists()


MEASURED = """
import json, sys
import accelerate, scipy.sparse, sklearn.linear_model, torch, transformers
from bertkit.config import TrainConfig
from bertkit.training.run import plan_training, train

def highest():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024

config = TrainConfig(**{**json.loads(sys.argv[1]), "data": tuple(json.loads(sys.argv[1])["data"])})
before = highest()
plan = plan_training(config).memory_bytes if sys.argv[2] == "plan" else train(config) and highest() - before
print(plan)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("task", ["classify", "mlm"])
def test_the_prediction_is_within_a_quarter_of_a_real_training(task: str, tmp_path: Path) -> None:
    """Measured from a process that has imported its libraries to the peak of the whole training."""
    words = " ".join([*SUBJECTS, *VERBS]).split()
    texts = [" ".join(words[(i * j) % len(words)] for j in range(1, 101)) for i in range(1, 215)]
    data = tmp_path / "rows.tsv"
    data.write_text("text\tlabel\n" + "".join(f"{text}\t{i % 2}\n" for i, text in enumerate(texts)))
    request = {
        "data": [str(data)], "output": str(tmp_path / "run"), "task": task, "layers": 2, "hidden": 128, "heads": 4,
        "batch_size": 64, "epochs": 1, "threads": 1, "tensorboard": False,
    }  # fmt: skip
    predicted, measured = (
        int(subprocess.run([sys.executable, "-c", MEASURED, json.dumps(request), what], check=True, text=True,
                           capture_output=True).stdout)
        for what in ("plan", "train")
    )  # fmt: skip
    assert measured * 0.75 < predicted < measured * 1.25
