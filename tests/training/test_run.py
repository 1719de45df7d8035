"""Training as a library: what a run holds, that it can be used, that it is repeatable."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open

from bertkit import bundle
from bertkit.compute.device import NARROW, Placement
from bertkit.config import TrainConfig
from bertkit.data.records import Example
from bertkit.errors import NonFiniteError, OutputError, StrictError, UsageError
from bertkit.evaluation import answers as forward_module
from bertkit.evaluation.answers import forward
from bertkit.training import run as training
from bertkit.training.loop import StepFacts
from bertkit.training.prepare import prepare
from bertkit.training.run import Event, Started, plan_training, train
from tests.conftest import pair_rows, write_tsv

CPU = Placement("cpu", "float32", 1)


def small(data: Path, output: Path, **changes: object) -> TrainConfig:
    base = TrainConfig(
        data=(str(data),),
        output=str(output),
        layers=1,
        hidden=32,
        epochs=2,
        vocab_size=150,
        threads=1,
        tensorboard=False,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def digest(run: Path, name: str = "model.safetensors") -> str:
    return hashlib.sha256((run / name).read_bytes()).hexdigest()


def test_a_run_holds_what_the_design_says(trained_run: Path) -> None:
    names = {path.name for path in trained_run.iterdir()}
    assert names == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "bertkit.json",
        "metrics.json", "validation.jsonl", "baseline", "README.md", "events",
    }  # fmt: skip
    manifest = json.loads((trained_run / "bertkit.json").read_text())
    assert manifest["format_version"] == 1
    assert {"task", "settings", "config", "data", "versions", "model"} <= manifest.keys()
    assert manifest["settings"]["labels"] == ["0", "1"]
    with safe_open(trained_run / "model.safetensors", "pt") as weights:
        assert weights.metadata() == {"format": "pt"}
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float32}  # noqa: SIM118
    for path in trained_run.rglob("*"):
        assert path.suffix not in (".pkl", ".pt", ".bin"), path


def test_it_learns_what_can_be_learnt(trained_run: Path) -> None:
    metrics = json.loads((trained_run / "metrics.json").read_text())
    assert metrics["metrics"]["accuracy"] > 0.9
    assert metrics["baselines"]["majority"]["accuracy"] == pytest.approx(0.5, abs=0.02)
    low, high = metrics["difference"]["majority"]["accuracy"]
    assert 0 < low < high


def test_transformers_class_gives_the_same_probabilities_for_the_same_ids(trained_run: Path) -> None:
    """The class that is asked for by name opens a run that the automatic ones refuse (`tests/export`)."""
    loaded = bundle.load(trained_run)
    others = transformers.BertForSequenceClassification.from_pretrained(trained_run).eval()
    examples = [Example((a, b), None, i, "x") for i, (a, b, _) in enumerate(pair_rows(20, seed=5))]
    encodings = loaded.task.encode(examples)
    ours = forward(loaded.model, loaded.task, encodings, CPU)
    batch = loaded.task.batch([row.parts[0] for row in encodings])
    with torch.inference_mode():
        logits = others(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids
        ).logits
    torch.testing.assert_close(logits.double().softmax(-1), torch.from_numpy(np.stack(ours)), atol=1e-5, rtol=1e-4)
    assert others.config.id2label == {0: "0", 1: "1"}


def test_auto_tokenizer_opens_a_run(trained_run: Path) -> None:
    others = transformers.AutoTokenizer.from_pretrained(trained_run)
    ours = bundle.load(trained_run).tokenizer
    encoding = ours.encode(["the cat sees music"], ["a dog likes bread"])[0]
    reference = others("the cat sees music", "a dog likes bread")
    assert encoding.ids == reference["input_ids"]
    assert encoding.type_ids == reference["token_type_ids"]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(pair_file: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(small(pair_file, tmp_path / name, seed=seed))
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    assert digest(tmp_path / "a", "baseline/baselines.safetensors") == digest(
        tmp_path / "b", "baseline/baselines.safetensors"
    )


def test_listener_hears_every_step(pair_file: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    result = train(small(pair_file, tmp_path / "run", batch_size=16), events.append)
    (started,) = [e for e in events if isinstance(e, Started)]
    steps = [e for e in events if isinstance(e, StepFacts)]
    assert [s.step for s in steps] == list(range(1, started.total_steps + 1))
    assert [s.step for s in steps if s.scores is not None] == [started.total_steps // 2, started.total_steps]
    assert all(math.isfinite(s.loss) and s.grad_norm > 0 and s.tokens > s.rows for s in steps)
    assert max(s.lr for s in steps) == pytest.approx(5e-4)
    assert sum(s.rows for s in steps) == 2 * started.rows["train"]
    assert result.steps == started.total_steps


def test_dry_run_writes_nothing(pair_file: Path, tmp_path: Path) -> None:
    plan = plan_training(small(pair_file, tmp_path / "run"))
    assert plan.total_steps > 0
    assert plan.rows["train"] + plan.rows["validation"] == 120
    assert not (tmp_path / "run").exists()


def test_accumulated_batches_are_one_step_over_all_their_rows(pair_file: Path, tmp_path: Path) -> None:
    one = train(small(pair_file, tmp_path / "one", batch_size=16, dropout=0.0, token_masking=0.0, swap_pairs=False))
    two = train(
        small(pair_file, tmp_path / "two", batch_size=8, accumulate=2, dropout=0.0, token_masking=0.0, swap_pairs=False)
    )
    assert one.steps == two.steps


def test_early_stopping_keeps_the_best_weights(pair_file: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    result = train(small(pair_file, tmp_path / "run", epochs=30, patience=2, lr=1e-9), events.append)
    scores = [e for e in events if isinstance(e, StepFacts) and e.scores is not None]
    assert len(scores) < 30
    best = max(scores, key=lambda e: (e.scores.metrics["accuracy"], -e.scores.metrics["loss"]))  # type: ignore[union-attr]
    assert result.best_step == best.step
    assert result.metrics["loss"] == pytest.approx(best.scores.metrics["loss"])  # type: ignore[union-attr]


def test_the_rows_are_scored_once_an_epoch_and_the_scores_are_those_of_the_best_weights(
    pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    def counting(model: Any, task: Any, rows: Any, placement: Placement) -> Any:
        counted.append(len(rows))
        return forward(model, task, rows, placement)

    monkeypatch.setattr(forward_module, "forward", counting)
    request = small(pair_file, tmp_path / "run", epochs=3)
    result = train(request)
    validation = prepare(request).validation_examples
    assert counted == [len(validation)] * 3
    loaded = bundle.load(tmp_path / "run")
    outputs = forward(loaded.model.eval(), loaded.task, loaded.task.encode_scored(validation), CPU)
    assert result.metrics["loss"] == pytest.approx(loaded.task.score(validation, outputs).metrics["loss"], abs=1e-6)


def test_a_loss_that_is_no_number_stops_and_names_step_rows_and_dtype(
    pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertkit.tasks.objectives import Classification

    honest = Classification.losses
    calls = iter(range(1000))

    def poisoned(self: Classification, *arguments: object) -> torch.Tensor:
        losses = honest(self, *arguments)  # type: ignore[arg-type]
        return losses * float("nan") if next(calls) == 4 else losses

    monkeypatch.setattr(Classification, "losses", poisoned)
    with pytest.raises(NonFiniteError, match=r"step 5: the loss is nan in float32, on rows .*pairs\.tsv:\d+"):
        train(small(pair_file, tmp_path / "run", batch_size=16))
    assert not (tmp_path / "run" / "bertkit.json").exists()
    state = json.loads(next((tmp_path / "run" / "checkpoints").glob("step-*/state.json")).read_text())
    assert 1 <= state["step"] <= 4


def test_strict_turns_a_warning_into_an_error_but_keeps_the_run(tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "noise.tsv", [(a, a, "01"[i % 2]) for i, (a, _, _) in enumerate(pair_rows(60))],
                     ("sentence1", "sentence2", "label"))  # fmt: skip
    with pytest.raises(StrictError, match="--strict"):
        train(small(data, tmp_path / "run", strict=True, epochs=1))
    assert (tmp_path / "run" / "bertkit.json").exists()


def test_a_finished_run_is_not_resumed_with_other_options(trained_run: Path) -> None:
    config = TrainConfig(output=str(trained_run), resume=True, epochs=99, given=frozenset({"epochs", "resume"}))
    with pytest.raises(UsageError, match=r"--epochs 99: .* is finished, and was trained with \d+; .*--force"):
        train(config)


def test_nor_with_an_option_that_it_did_not_have(trained_run: Path) -> None:
    given = frozenset({"tune_threshold", "resume"})
    config = TrainConfig(output=str(trained_run), resume=True, tune_threshold="f1", given=given)
    with pytest.raises(UsageError, match=r"--tune-threshold f1: .* was trained without it; .*--force"):
        train(config)


def test_resume_of_a_finished_run_changes_nothing(trained_run: Path) -> None:
    before = digest(trained_run)
    result = train(TrainConfig(output=str(trained_run), resume=True))
    assert digest(trained_run) == before
    assert result.metrics["accuracy"] > 0.9


def test_resume_without_a_checkpoint_begins_at_step_0_and_says_so(pair_file: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    result = train(small(pair_file, tmp_path / "run", resume=True), events.append)
    assert result.resumed_from_step == 0
    assert any(isinstance(e, str) and "starting at step 0" in e for e in events)


def test_force_replaces_an_old_run(pair_file: Path, tmp_path: Path) -> None:
    train(small(pair_file, tmp_path / "run"))
    first = digest(tmp_path / "run")
    with pytest.raises(OutputError, match="not empty"):
        train(small(pair_file, tmp_path / "run", seed=3))
    train(small(pair_file, tmp_path / "run", seed=3, force=True))
    assert digest(tmp_path / "run") != first


def test_a_bad_request_leaves_an_old_run_alone(pair_file: Path, tmp_path: Path) -> None:
    train(small(pair_file, tmp_path / "run"))
    before = digest(tmp_path / "run")
    with pytest.raises(UsageError):
        train(small(pair_file, tmp_path / "run", force=True, class_weights="nonsense"))
    assert digest(tmp_path / "run") == before


def test_default_output_is_numbered(pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [train(replace(small(pair_file, tmp_path), output=None, epochs=1)).run for _ in range(2)]
    assert runs == ["runs/pairs.tsv-auto", "runs/pairs.tsv-auto-2"]


def test_one_text_many_labels(tmp_path: Path) -> None:
    rows = [(text, label) for label in ("음악", "sport", "food") for text in (f"{label} {i} again" for i in range(40))]
    data = write_tsv(tmp_path / "topics.tsv", rows, ("text", "label"))
    result = train(small(data, tmp_path / "run", epochs=12, lr=3e-3, batch_size=8))
    assert result.metrics["accuracy"] > 0.9
    assert bundle.load(tmp_path / "run").task.settings.labels == ("food", "sport", "음악")


def test_regression_gives_values_on_the_labels_own_scale(tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(10)]
    rows = [(f"{words[i % 10]} x{i // 10}", f"{1000 + 10.5 * (i % 10)}") for i in range(200)]
    data = write_tsv(tmp_path / "scores.tsv", rows, ("text", "score"))
    result = train(small(data, tmp_path / "run", epochs=15, lr=3e-3, dropout=0.0, token_masking=0.0, batch_size=16))
    assert result.metrics["pearson"] > 0.9
    others = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run").eval()
    loaded = bundle.load(tmp_path / "run")
    encodings = loaded.task.encode([Example(("w3 w1",), None, 1, "x")])
    ours = forward(loaded.model, loaded.task, encodings, CPU)[0][0]
    with torch.inference_mode():
        value = others(input_ids=torch.tensor([encodings[0].parts[0].ids])).logits.item()
    assert value == pytest.approx(ours, rel=1e-4)
    assert 1000 < value < 1095


def test_several_columns_become_one_text(tmp_path: Path) -> None:
    grades = [(m, f) for m in "ABCDEF" for f in "ABCDEF"] * 4
    rows = [(str(i), m, f, str(i % 90), "pass" if m in "ABC" else "fail") for i, (m, f) in enumerate(grades)]
    data = write_tsv(tmp_path / "grades.tsv", rows, ("id", "midterm", "final", "age", "grade"))
    changes = {"columns": "text=midterm+final,label=grade", "vocab_size": 64, "lr": 3e-3, "batch_size": 8}
    result = train(small(data, tmp_path / "run", epochs=6, **changes))
    loaded = bundle.load(tmp_path / "run")
    assert loaded.task.settings.columns.text == ("midterm", "final")
    assert loaded.task.settings.columns.label == "grade"
    (row,) = loaded.task.encode([Example(("A", "F"), None, 1, "x")])
    assert [loaded.tokenizer.backend.id_to_token(i) for i in row.parts[0].ids] == ["[CLS]", "a", "[SEP]", "f", "[SEP]"]
    assert result.metrics["accuracy"] == 1.0


def test_mean_pooling_is_stored_and_used(pair_file: Path, tmp_path: Path) -> None:
    train(small(pair_file, tmp_path / "run", pooling="mean", epochs=1))
    loaded = bundle.load(tmp_path / "run")
    assert loaded.model.pooling == "mean"


def test_placement_of_a_resumed_run_must_be_the_same(pair_file: Path, tmp_path: Path) -> None:
    from bertkit.errors import DeviceError

    train(small(pair_file, tmp_path / "run", keep_checkpoints=True))
    (tmp_path / "run" / "bertkit.json").unlink()
    setup_file = tmp_path / "run" / "checkpoints" / "setup" / "setup.json"
    setup = json.loads(setup_file.read_text())
    setup_file.write_text(json.dumps({**setup, "placement": {**setup["placement"], "precision": "bfloat16"}}))
    with pytest.raises(DeviceError, match="bfloat16"):
        training.train(TrainConfig(output=str(tmp_path / "run"), resume=True))


def test_trainings_of_one_process_have_a_precision_each(pair_file: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    for i, precision in enumerate(("float32", "bfloat16", "float32")):
        train(small(pair_file, tmp_path / str(i), epochs=1, precision=precision), events.append)
    placed = [event.placement.precision for event in events if isinstance(event, Started)]
    assert placed == ["float32", "bfloat16", "float32"]


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("hidden", [32, 256])
def test_narrow_models_learn_in_float32_wherever_they_come_from(
    hidden: int, native: bool, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertkit.compute.device._multiplies_bfloat16", lambda _: native)
    asked = small(pair_file, tmp_path / "source", epochs=1, hidden=hidden)
    words = {"model": str(tmp_path / "source"), "layers": None, "hidden": None, "vocab_size": None}
    events: list[Event] = []
    train(asked, events.append)
    train(replace(asked, **words, output=str(tmp_path / "run")), events.append)  # type: ignore[arg-type]
    placed = [event.placement.precision for event in events if isinstance(event, Started)]
    assert placed == 2 * ["bfloat16" if native and hidden >= NARROW else "float32"]
