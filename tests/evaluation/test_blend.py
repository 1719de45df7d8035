"""Answers of an encoder and a baseline together: fitted by likelihood, said plainly, the same everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from bertkit import bundle
from bertkit.baselines.pairs import WordVectors
from bertkit.baselines.sequence import load_sequence_baselines
from bertkit.cli.app import app
from bertkit.compute.device import Placement
from bertkit.data.records import Example
from bertkit.errors import RunError
from bertkit.evaluation.answers import Answerer, Chunk
from bertkit.evaluation.blend import Blend, Member, ScoreBlend, fit_blend, fit_score_blend, open_ensemble
from bertkit.evaluation.predict import predict_stream
from bertkit.evaluation.run import EvalRequest, evaluate_run
from bertkit.tasks.base import Outputs
from bertkit.training.run import Event, train
from tests.conftest import pair_rows, write_tsv
from tests.training.test_run import small

Probabilities = NDArray[np.float64]


def predict(run: Path, rows: Path, *flags: str) -> list[dict[str, float]]:
    done = CliRunner().invoke(app, ["predict", str(run), str(rows), *flags])
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def drawn(n: int, seed: int = 0) -> tuple[list[str], Probabilities, Probabilities]:
    """Labels a and b, a model that is too sure of itself, and a baseline that is not."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.6
    odds = [scale * (np.where(truth, 1, -1) + rng.normal(0, 1.5, n)) for scale in (3.0, 0.8)]
    own, others = (np.stack([1 - p, p], axis=1) for p in (1 / (1 + np.exp(-z)) for z in odds))
    return ["b" if t else "a" for t in truth], own, others


# --- fitting and mixing -------------------------------------------------------------------


def test_the_weights_are_those_of_a_logistic_regression_on_both_log_odds() -> None:
    gold, own, others = drawn(20_000)
    blend = fit_blend(gold, ("a", "b"), own, others)
    odds = np.stack([np.log(p[:, 1] / p[:, 0]) for p in (own, others)], axis=1)
    reference = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-9).fit(odds, gold).coef_[0]
    assert (blend.encoder, blend.member) == pytest.approx(reference, rel=0.01)
    assert blend.encoder < 0.5  # toned down


def test_both_together_are_likelier_right_than_either() -> None:
    gold, own, others = drawn(4_000, seed=1)
    blend = fit_blend(gold[:2_000], ("a", "b"), own[:2_000], others[:2_000])
    mixed = np.asarray(blend.mix(own[2_000:], others[2_000:]))
    right = np.asarray(gold[2_000:]) == "b"

    def loss(p: Probabilities) -> float:
        return float(-np.log(np.where(right, p[:, 1], p[:, 0])).mean())

    assert loss(mixed) < min(loss(own[2_000:]), loss(others[2_000:])) - 0.02
    assert np.mean((mixed[:, 1] > 0.5) == right) > np.mean((own[2_000:, 1] > 0.5) == right) + 0.02


def test_without_rows_each_counts_half_and_weights_stay_finite() -> None:
    sure = np.tile([1.0, 0.0], (12, 1))
    assert fit_blend([], ("a", "b"), np.zeros((0, 2)), np.zeros((0, 2))) == Blend(0.5, 0.5)
    never_wrong = fit_blend(["a"] * 12, ("a", "b"), sure, sure)
    assert 0.4 < never_wrong.encoder < 2
    always_wrong = fit_blend(["b"] * 12, ("a", "b"), sure, np.full((12, 2), 0.5))
    assert always_wrong.encoder == 0.0  # no weight below nothing
    assert always_wrong.member == 0.5  # it says nothing, so nothing is learnt of it


def test_labels_the_model_does_not_know_are_left_out() -> None:
    gold, own, others = drawn(300)
    more = [*gold, "c", None]
    blend = fit_blend(more, ("a", "b"), [*own, own[0], own[0]], [*others, others[0], others[0]])
    assert blend == fit_blend(gold, ("a", "b"), own, others)


def test_mixing_three_classes_is_a_normalised_product_of_powers() -> None:
    own, others = np.array([[0.7, 0.2, 0.1]]), np.array([[0.25, 0.75, 0.0]])
    (mixed,) = Blend(0.5, 2.0).mix(own, others)
    product = own[0] ** 0.5 * np.maximum(others[0], 1e-6) ** 2
    assert mixed == pytest.approx(product / product.sum())
    assert Blend(0.5, 2.0).mix([], []) == []


# --- a whole run --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blended")
    data = write_tsv(folder / "pairs.tsv", pair_rows(240), ("sentence1", "sentence2", "label"))
    events: list[Event] = []
    train(small(data, folder / "run", blend=True, test_fraction=0.2), events.append)
    (sentence,) = [e for e in events if isinstance(e, str) and "ensembled" in e]
    assert "the encoder alone" in sentence
    return folder / "run"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"sentence1": a, "sentence2": b}) for a, b, _ in pair_rows(40, seed=5)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def unblended(blended: Path, tmp_path: Path) -> Path:
    """The same run, its encoder alone."""
    copy = tmp_path / "alone"
    shutil.copytree(blended, copy)
    manifest = json.loads((copy / "bertkit.json").read_text())
    (copy / "bertkit.json").write_text(json.dumps({**manifest, "blend": {}}))
    return copy


def test_predict_gives_the_product(blended: Path, unblended: Path, rows: Path) -> None:
    loaded = bundle.load(blended)
    both, alone = (
        np.asarray([
            [{t["label"]: t["score"] for t in r["top"]}[label] for label in ("0", "1")]  # type: ignore[attr-defined]
            for r in predict(run, rows, "--top-k", "2")
        ])
        for run in (blended, unblended)
    )  # fmt: skip
    examples = [Example((a, b), None, 1, "x") for a, b, _ in pair_rows(40, seed=5)]
    vectors = WordVectors(loaded.tokenizer, loaded.model.encoder.embeddings_weight.detach().numpy())
    member = load_sequence_baselines(blended / "baseline" / "overlap", vectors).predict(examples)["tfidf"]
    blend = Blend(*loaded.manifest.blend.values())
    assert loaded.manifest.blend.keys() == {"encoder", "overlap"}
    assert both == pytest.approx(np.asarray(blend.mix(alone, member)), abs=1e-4)
    assert np.abs(both - alone).max() > 0.01


def test_an_idle_model_has_its_rows_before_the_other_member_is_asked(
    blended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = Answerer(bundle.load(blended), Placement("cpu", "float32", 1))
    rows = [Example((a, b), None, i, "x") for i, (a, b, _) in enumerate(pair_rows(3, seed=5))]
    wanted, happened, chunks = answerer.records(answerer.encode(rows)), [], []
    asked = Member.answers

    def answers(member: Member, *asks: Any) -> Outputs:
        happened.append("member")
        return asked(member, *asks)

    def take(chunk: Chunk) -> None:
        happened.append("model")
        chunks.append(chunk)

    monkeypatch.setattr(Member, "answers", answers)
    answerer.encode_for(take, rows)
    assert happened == ["model", "member"]
    assert answerer.records(chunks[0]) == wanted


def test_what_the_other_member_raises_reaches_who_waits_for_it(blended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Outputs:
        raise RunError("no answer.")

    monkeypatch.setattr(Member, "answers", broken)
    rows = [Example((a, b), None, i, "x") for i, (a, b, _) in enumerate(pair_rows(3, seed=5))]
    with pytest.raises(RunError, match="no answer"):
        list(predict_stream(bundle.load(blended), rows, Placement("cpu", "float32", 1), slow_source=True))


def test_eval_shows_both_and_is_right_about_either(blended: Path, unblended: Path) -> None:
    both, alone = (evaluate_run(EvalRequest(run)) for run in (blended, unblended))
    assert both.baselines["encoder"] == alone.metrics != both.metrics
    assert "encoder" not in alone.baselines
    assert both.baselines["tfidf"] == alone.baselines["tfidf"]
    assert both.difference["encoder"].keys() >= {"accuracy", "f1"}
    assert both.baselines.keys() == {"majority", "tfidf", "overlap", "encoder"}
    stored = json.loads((blended / "metrics.json").read_text())
    assert stored["metrics"] == pytest.approx(evaluate_run(EvalRequest(blended, split="validation")).metrics, abs=1e-4)


def test_a_run_to_compare_with_answers_as_it_does_by_itself(blended: Path, unblended: Path) -> None:
    found = evaluate_run(EvalRequest(unblended, against=(blended,)))
    assert found.baselines[str(blended)] == evaluate_run(EvalRequest(blended)).metrics


def test_a_run_and_the_partner_of_another_do_not_answer_together(blended: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(blended, run)
    loaded = bundle.load(run)
    assert open_ensemble(loaded) is not None
    run.rename(tmp_path / "old")
    shutil.copytree(blended, run)
    with pytest.raises(RunError, match="was replaced by another run"):
        open_ensemble(loaded)


def test_a_baseline_does_not_hide_an_encoder_that_learnt_nothing(tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "pairs.tsv", pair_rows(240), ("sentence1", "sentence2", "label"))
    result = train(small(data, tmp_path / "run", blend=True, lr=1e-9, epochs=1))
    assert any("of the encoder alone: the model answers" in warning for warning in result.warnings)
    assert any("the encoder alone is" in warning for warning in result.warnings)


def test_of_single_texts_the_baseline_itself_is_the_partner(tmp_path: Path) -> None:
    rows = [(f"{first} {second}", label) for first, second, label in pair_rows(160)]
    data = write_tsv(tmp_path / "texts.tsv", rows, ("text", "label"))
    train(small(data, tmp_path / "run", blend=True, test_fraction=0.2))
    found = evaluate_run(EvalRequest(tmp_path / "run"))
    assert found.baselines.keys() == {"majority", "tfidf", "encoder"}
    assert json.loads((tmp_path / "run" / "bertkit.json").read_text())["blend"].keys() == {"encoder", "tfidf"}
    assert not (tmp_path / "run" / "baseline" / "overlap").exists()
    texts = tmp_path / "texts.jsonl"
    texts.write_text(json.dumps({"text": "the cat sees music"}) + "\n")
    assert predict(tmp_path / "run", texts)[0].keys() >= {"label", "score"}


def test_unreadable_rows_keep_their_place_among_blended_ones(blended: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = json.dumps({"sentence1": "the cat sees music", "sentence2": "a dog buys music"})
    path.write_text("\n".join([good, "{", good]) + "\n")
    done = CliRunner().invoke(app, ["predict", str(blended), str(path)])
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert done.exit_code == 3
    assert "error" in second
    assert (first["label"], first["score"]) == (third["label"], third["score"])


def test_the_card_says_what_an_answer_is_made_of(blended: Path) -> None:
    weights = json.loads((blended / "bertkit.json").read_text())["blend"]
    card = (blended / "README.md").read_text()
    assert f"overlap to the power of {weights['overlap']:g}" in card
    assert ") and fitted the ensemble, so these scores are slightly inflated" in card


@pytest.mark.parametrize("folder", ["baseline/overlap", "baseline"])
def test_damaged_baselines_stop_what_needs_them(folder: str, blended: Path, tmp_path: Path, rows: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(blended, copy)
    (copy / folder / "baselines.json").unlink()
    words = (
        ["predict", str(copy), str(rows), "--output-format", "csv"]
        if folder == "baseline/overlap"
        else ["eval", str(copy)]
    )
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert "baselines.json: is missing; the run is damaged, copy or train it again." in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--task", "mlm"], "--blend: is for classify and multilabel and relation and regression"),
        (["--class-weights", "auto"], "it would undo --class-weights"),
    ],
)
def test_where_it_would_do_nothing_or_harm_it_is_refused(
    flags: list[str], sentence: str, pair_file: Path, tmp_path: Path
) -> None:
    words = ["train", str(pair_file), "--blend", *flags, "--output", str(tmp_path / "run")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert not (tmp_path / "run").exists()


# --- scores -------------------------------------------------------------------------------


def test_shares_of_scores_are_the_best_of_all_that_make_up_one() -> None:
    rng = np.random.default_rng(3)
    gold = rng.normal(3, 1, 2_000)
    own, others = ((gold + rng.normal(0, noise, 2_000))[:, None] for noise in (0.4, 0.8))
    blend = fit_score_blend(list(gold), own, others)
    costs = [np.square((1 - share) * own[:, 0] + share * others[:, 0] - gold).mean() for share in np.arange(0, 1, 0.01)]
    assert blend.member == pytest.approx(np.argmin(costs) / 100, abs=0.01)
    assert blend.encoder + blend.member == pytest.approx(1)
    mixed = np.asarray(blend.mix(list(own), list(others)))
    assert mixed == pytest.approx(blend.encoder * own + blend.member * others)
    assert np.square(mixed[:, 0] - gold).mean() == pytest.approx(min(costs), abs=1e-4)


@pytest.mark.parametrize(("others", "share"), [([[1.0], [2.0]], 0.0), ([[9.0], [-9.0]], 0.0), ([[3.0], [5.0]], 1.0)])
def test_a_share_is_never_below_nothing_or_above_all(others: list[list[float]], share: float) -> None:
    blend = fit_score_blend([3.0, 5.0], [np.asarray([1.0]), np.asarray([2.0])], [np.asarray(x) for x in others])
    assert blend.member == share


def test_a_run_of_scores_answers_with_both(tmp_path: Path, rows: Path) -> None:
    scored = [(a, b, f"{4.25 if label == '1' else 1.5}") for a, b, label in pair_rows(240)]
    data = write_tsv(tmp_path / "scores.tsv", scored, ("sentence1", "sentence2", "score"))
    said: list[Event] = []
    run = tmp_path / "run"
    train(small(data, run, task="regression", blend=True, test_fraction=0.2), said.append)
    assert any(isinstance(e, str) and "answers are ensembled" in e and " x encoder + " in e for e in said)
    weights = json.loads((run / "bertkit.json").read_text())["blend"]
    assert f"{weights['encoder']:g} times encoder plus {weights['overlap']:g} times overlap" in (
        (run / "README.md").read_text()
    )
    both, alone = (np.asarray([r["score"] for r in predict(run, rows, *flags)]) for flags in ((), ("--no-blend",)))
    loaded = bundle.load(run)
    vectors = WordVectors(loaded.tokenizer, loaded.model.encoder.embeddings_weight.detach().numpy())
    examples = [Example((a, b), None, 1, "x") for a, b, _ in pair_rows(40, seed=5)]
    member = load_sequence_baselines(run / "baseline" / "overlap", vectors).predict(examples)["tfidf"]
    mixed = ScoreBlend(*weights.values()).mix(list(alone[:, None]), member)
    assert both == pytest.approx(np.ravel(mixed), abs=1e-4)
    found = evaluate_run(EvalRequest(run))
    assert found.baselines.keys() == {"mean", "tfidf", "overlap", "encoder"}
    assert found.metrics != found.baselines["encoder"]
