"""Sets of labels answered by an encoder and a baseline together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.data.records import LabelSet
from bertkit.evaluation.blend import SetBlend, fit_set_blend, open_ensemble
from bertkit.training.run import TrainResult, train
from tests.training.test_multilabel import rows, write
from tests.training.test_run import small


def sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-odds))


def test_the_weights_are_those_of_a_logistic_regression_over_all_labels() -> None:
    rng = np.random.default_rng(0)
    gold = rng.random((8_000, 3)) < 0.3
    odds = [scale * (np.where(gold, 1, -1) + rng.normal(0, 1.5, gold.shape)) for scale in (3.0, 0.8)]
    blend = fit_set_blend(gold, list(sigmoid(odds[0])), list(sigmoid(odds[1])))
    both = np.stack([own.ravel() for own in odds], axis=1)
    reference = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-9).fit(both, gold.ravel()).coef_[0]
    assert (blend.encoder, blend.member) == pytest.approx(reference, rel=0.01)
    mixed = np.asarray(blend.mix(list(sigmoid(odds[0][:5])), list(sigmoid(odds[1][:5]))))
    assert mixed == pytest.approx(sigmoid(blend.encoder * odds[0][:5] + blend.member * odds[1][:5]), abs=1e-6)


def test_labels_that_are_certain_stay_finite() -> None:
    mixed = np.asarray(SetBlend(2.0, 2.0).mix([np.array([0.0, 1.0])], [np.array([1.0, 1.0])]))
    assert np.isfinite(mixed).all()
    assert mixed[0, 1] > 0.99


@pytest.fixture(scope="module")
def blended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    folder = tmp_path_factory.mktemp("sets")
    config = small(write(folder / "rows.csv", rows(160)), folder / "run", epochs=6, lr=3e-3, dropout=0.0, blend=True)
    return folder / "run", train(config)


def test_a_run_stores_what_each_counts_and_keeps_its_baseline_as_it_was(blended: tuple[Path, TrainResult]) -> None:
    run, result = blended
    assert bundle.load_manifest(run).blend.keys() == {"encoder", "tfidf"}
    assert set(result.baselines) == {"frequency", "tfidf", "encoder"}
    ensemble = open_ensemble(bundle.load(run))
    assert ensemble is not None
    assert isinstance(ensemble.blend, SetBlend)
    done = CliRunner().invoke(app, ["eval", str(run), "--format", "json", "--precision", "float32"])
    shown = json.loads(done.stdout)
    assert shown["metrics"] == pytest.approx(result.metrics, abs=1e-4)
    for name in ("tfidf", "encoder"):  # the baseline's thresholds are its own, not the blend's
        assert shown["baselines"][name] == pytest.approx(result.baselines[name], abs=1e-4)


def test_predict_gives_the_blend_or_the_encoder_alone(blended: tuple[Path, TrainResult], tmp_path: Path) -> None:
    run, _ = blended
    (tmp_path / "in.txt").write_text("bread soup lemon today we see\nball goal bank tax we see\n", encoding="utf-8")
    found = {}
    for flag in ("", "--no-blend"):
        arguments = ["predict", str(run), str(tmp_path / "in.txt"), "--precision", "float32", *([flag] if flag else [])]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        found[flag] = [list(json.loads(line)["scores"].values()) for line in done.stdout.splitlines()]
    ensemble = open_ensemble(bundle.load(run))
    assert ensemble is not None
    texts = ("bread soup lemon today we see", "ball goal bank tax we see")
    others = ensemble.member.answers([LabelSet((text,), None, 1, "x") for text in texts], {})
    mixed = ensemble.blend.mix([np.asarray(row) for row in found["--no-blend"]], others)
    assert np.asarray(found[""]) == pytest.approx(np.asarray(mixed), abs=1e-4)
    assert found[""] != found["--no-blend"]
