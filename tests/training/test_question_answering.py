"""qa from a file to predictions: learnt, saved, loaded, resumed, exported, refused."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.baselines.table import ReadingBaselines
from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.data.records import ColumnMap, ReadingQuestion
from bertkit.errors import Interrupted
from bertkit.tasks.base import TaskSettings, TrainingOptions
from bertkit.tasks.question_answering import QuestionAnsweringTask, ReadingScores, best_threshold, stretches, tokens_of
from bertkit.tokenization.segments import Span
from bertkit.tokenization.vocab import train_wordpiece
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, TrainResult, train
from tests.training.test_run import small

NAMES = "red green blue yellow black white pink brown".split()
LEARNING: Mapping[str, Any] = {"epochs": 16, "lr": 4e-3, "dropout": 0.0, "batch_size": 16}
FILLER = "the box on a shelf in this room was old and dusty before we came".split()


def question(rng: random.Random, i: int, *, has_answer: bool = True) -> dict[str, Any]:
    """A text in which the answer stands behind "very"; without an answer nothing does."""
    words = [rng.choice([*FILLER, *NAMES]) for _ in range(12)]
    answer = rng.choice(NAMES)
    if has_answer:
        at = rng.randrange(12)
        words[at : at + 1] = ["very", answer]
    return {"id": f"q{i}", "question": "what is it", "context": " ".join(words), "answers": [answer] * has_answer}


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(n: int, seed: int = 0, every: int = 3) -> list[dict[str, Any]]:
    """Questions, one of `every` without an answer (0: none)."""
    rng = random.Random(seed)
    return [question(rng, i, has_answer=not every or i % every != 0) for i in range(n)]


def bertkit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"OMP_WAIT_POLICY": "PASSIVE"})


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@dataclass(frozen=True)
class Trained:
    run: Path
    result: TrainResult
    config: TrainConfig
    said: tuple[str, ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("qa")
    config = small(write(folder / "rows.jsonl", rows(300)), folder / "run", **LEARNING)
    said: list[str] = []
    result = train(config, lambda event: said.append(event) if isinstance(event, str) else None)
    return Trained(folder / "run", result, config, tuple(said))


def test_it_is_learnt_and_stands_beside_its_baselines(made: Trained) -> None:
    assert made.result.metric == "f1"
    assert made.result.metrics["f1"] > 0.75
    assert made.result.metrics["no_answer_accuracy"] > 0.75
    assert set(made.result.baselines) == {"sentence", "span", "none"}
    names = {"f1", "exact_match", "has_answer_f1", "no_answer_accuracy"}
    for metrics in (made.result.metrics, *made.result.baselines.values()):
        assert set(metrics) == names
    assert any("an answer is given where its text has one with a probability" in sentence for sentence in made.said)
    assert len(bundle.load_manifest(made.run).settings.thresholds) == 1


def test_a_loaded_run_scores_as_the_training_said(made: Trained) -> None:
    (shown,) = records(bertkit("eval", made.run, "--format", "json", "--precision", "float32"))
    assert shown["metrics"] == pytest.approx(made.result.metrics, abs=1e-5)
    for baseline, metrics in made.result.baselines.items():
        assert shown["baselines"][baseline] == pytest.approx(metrics, abs=1e-5)
    assert shown["intervals"].keys() == shown["metrics"].keys() == shown["difference"]["span"].keys()


def test_answers_have_exact_places(made: Trained, tmp_path: Path) -> None:
    data = write(tmp_path / "in.jsonl", rows(30, seed=8, every=4))
    found = records(bertkit("predict", made.run, data, "--top-k", "3"))
    assert list(found[1]) == ["line", "id", "answer", "start", "end", "score", "top", "n_tokens", "truncated"]
    right = 0
    for row, record in zip(rows(30, seed=8, every=4), found, strict=True):
        if record["answer"] is None:
            assert (record["start"], record["end"]) == (None, None)
        else:
            assert row["context"][record["start"] : record["end"]] == record["answer"]
        assert len(record["top"]) == 3
        assert record["id"] == row["id"]
        right += record["answer"] == (row["answers"] or [None])[0]
    assert right > 15
    table = bertkit("predict", made.run, data, "--output-format", "csv")
    first = next(csv.DictReader(io.StringIO(table.stdout)))
    assert {"answer", "start", "end", "score"} <= first.keys()


def test_an_answer_can_be_asked_for_or_held_back(made: Trained, tmp_path: Path) -> None:
    data = write(tmp_path / "in.jsonl", rows(20, seed=8))
    assert all(r["answer"] for r in records(bertkit("predict", made.run, data, "--threshold", "0")))
    assert not any(r["answer"] for r in records(bertkit("predict", made.run, data, "--threshold", "1")))
    (all_answered,) = records(bertkit("eval", made.run, data, "--threshold", "0", "--format", "json"))
    assert all_answered["metrics"]["no_answer_accuracy"] == 0.0
    assert bertkit("predict", made.run, data, "--threshold", "red=1").exit_code == 2
    as_table = bertkit("predict", made.run, data, "--threshold", "0.5", "--output-format", "csv").stdout
    assert "abstained" not in as_table.partition("\n")[0]


def test_long_texts_are_read_in_windows_and_answers_keep_their_places(made: Trained, tmp_path: Path) -> None:
    rng = random.Random(3)
    filler = " ".join(rng.choice(FILLER) for _ in range(900))
    text = f"{filler} very green {filler}"
    data = write(tmp_path / "in.jsonl", [{"question": "what is it", "context": text}])
    (record,) = records(bertkit("predict", made.run, data, "--threshold", "0"))
    assert record["n_tokens"] > 512
    assert not record["truncated"]
    assert text[record["start"] : record["end"]] == record["answer"]
    (cut,) = records(bertkit("predict", made.run, data, "--on-long", "truncate", "--threshold", "0"))
    assert cut["truncated"]
    refused = bertkit("predict", made.run, data, "--on-long", "error")
    assert refused.exit_code == 3


def test_an_interrupted_training_ends_in_the_same_bytes(made: Trained, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, StepFacts) and event.step == event.total_steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(replace(made.config, output=str(tmp_path / "run")), stop)
    train(TrainConfig(output=str(tmp_path / "run"), resume=True))
    for name in ("model.safetensors", "config.json", "baseline/baselines.json"):
        digests = {hashlib.sha256((run / name).read_bytes()).digest() for run in (made.run, tmp_path / "run")}
        assert len(digests) == 1, name
    assert bundle.load_manifest(tmp_path / "run").settings == bundle.load_manifest(made.run).settings


def test_transformers_gives_the_same_figures(made: Trained, tmp_path: Path) -> None:
    result = bertkit("export", made.run, "--to", "transformers", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    others = transformers.AutoModelForQuestionAnswering.from_pretrained(tmp_path / "out").eval()
    loaded = bundle.load(made.run)
    example = ReadingQuestion(("what is it", "the box was very red before we came"), None, 1, "x")
    (row,) = loaded.task.encode([example])
    batch = loaded.task.batch(row.parts)
    with torch.inference_mode():
        mine = loaded.model(**batch.inputs)
        found = others(input_ids=batch.input_ids, token_type_ids=batch.token_type_ids)
    torch.testing.assert_close(torch.stack([found.start_logits, found.end_logits], -1), mine, atol=1e-5, rtol=1e-4)
    data = write(tmp_path / "in.jsonl", rows(6, seed=2))
    answers = [records(bertkit("predict", run, data, "--precision", "float32")) for run in (made.run, tmp_path / "out")]
    assert [r["answer"] for r in answers[0]] == [r["answer"] for r in answers[1]]


def test_onnx_gives_the_same_answers(made: Trained, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    (shown,) = records(bertkit("export", made.run, "--to", "onnx", "--output", tmp_path / "out", "--format", "json"))
    assert shown["labels_equal"] == 1.0
    data = write(tmp_path / "in.jsonl", rows(10, seed=2))
    answers = [records(bertkit("predict", run, data, "--precision", "float32")) for run in (made.run, tmp_path / "out")]
    assert [r["answer"] for r in answers[0]] == [r["answer"] for r in answers[1]]


def test_a_report_and_mistakes_are_written(made: Trained, tmp_path: Path) -> None:
    data = write(
        tmp_path / "new.jsonl", [*rows(40, seed=5), {**rows(2, seed=6)[1], "answers": ["very"], "context": "very"}]
    )
    page, wrong = tmp_path / "page.html", tmp_path / "wrong.jsonl"
    done = bertkit("eval", made.run, data, "--report", page, "--errors", wrong)
    assert done.exit_code == 0, done.output
    mistakes = [json.loads(line) for line in wrong.read_text().splitlines()]
    assert {"question", "context", "label", "predicted", "start", "end", "f1"} <= mistakes[0].keys()
    assert "Reliability" in page.read_text()


def test_questions_without_any_answer_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", [question(random.Random(i), i, has_answer=False) for i in range(20)])
    refused = bertkit("train", data, "--task", "qa", "--output", tmp_path / "run")
    assert refused.exit_code == 3
    assert "no question has an answer" in refused.stderr


def test_inspect_data_counts_answers(tmp_path: Path) -> None:
    (shown,) = records(bertkit("inspect-data", write(tmp_path / "rows.jsonl", rows(30)), "--format", "json"))
    assert shown["splits"]["train"]["labels"] == {"answer": 20, "no answer": 10}


def test_places_are_in_decomposed_korean_too(tmp_path: Path) -> None:
    words = "그는 어제 서울 부산 대전 집 에서 책 을 읽었다".split()
    rng, data = random.Random(0), []
    for i in range(120):
        text = " ".join([*rng.sample(words, 6), "바로", rng.choice(("학교", "시장", "공원")), *rng.sample(words, 3)])
        answer = text.split()[7]
        form = "NFD" if i % 2 else "NFC"
        data.append({"question": "어디인가", "context": unicodedata.normalize(form, text), "answer": answer})
    run = tmp_path / "run"
    result = train(small(write(tmp_path / "rows.jsonl", data), run, **LEARNING))
    assert {"f1", "exact_match", "char_f1", "klue_exact_match", "klue_rouge_w"} == set(result.metrics)
    found = records(bertkit("predict", run, write(tmp_path / "in.jsonl", data[:20])))
    for row, record in zip(data, found, strict=False):
        assert row["context"][record["start"] : record["end"]] == record["answer"]
    right = [
        unicodedata.normalize("NFC", record["answer"]) == row["answer"]
        for row, record in zip(data, found, strict=False)
    ]
    assert sum(right[0::2]) >= 7
    assert sum(right[1::2]) >= 7


# --- the parts ----------------------------------------------------------------------------


def test_windows_compete_by_how_much_likelier_a_stretch_is_than_none() -> None:
    def window(first: int, figures: list[tuple[float, float]]) -> tuple[list[Span], np.ndarray]:
        places = [Span(-1, 0, 0), *(Span(1, first + 2 * i, first + 2 * i + 1) for i in range(len(figures) - 1))]
        return places, np.array(figures)

    sure = window(0, [(0.0, 0.0), (3.0, 0.0), (0.0, 3.0)])
    # Larger figures, and a first token with larger ones still: the answer is not here.
    unsure = window(10, [(9.0, 9.0), (8.0, 0.0), (0.0, 8.0)])
    found = stretches([sure, unsure])
    assert found.places[0] == (0, 3)
    assert found.probabilities[0] > 0.5 > found.none
    assert sum(found.probabilities) + found.none == pytest.approx(1.0)
    assert stretches([unsure]).none > stretches([sure]).none
    assert stretches([([Span(-1, 0, 0)], np.zeros((1, 2)))]).places == ()


def test_a_stretch_that_a_window_cuts_is_not_in_it() -> None:
    spans = [Span(-1, 0, 0), Span(0, 0, 4), Span(-1, 0, 0), Span(1, 5, 8), Span(1, 9, 12), Span(-1, 0, 0)]
    assert tokens_of((5, 12), spans) == (3, 4)
    assert tokens_of((6, 8), spans) == (3, 3)
    assert tokens_of((9, 15), spans) == (0, 0)
    assert tokens_of((2, 8), spans) == (0, 0)
    assert tokens_of((20, 24), spans) == (0, 0)


def test_a_threshold_parts_rows_with_an_answer_from_those_without() -> None:
    def found(p: float) -> Any:
        return stretches([([Span(-1, 0, 0), Span(1, 0, 1)], np.array([[0.0, 0.0], [np.log(p / (1 - p)), 0.0]]))])

    outputs = [found(p) for p in (0.9, 0.8, 0.4, 0.3)]
    threshold = best_threshold(np.array([1.0, 1.0, 0.0, 0.0]), [False, False, True, True], outputs)
    assert 0.4 < threshold < 0.8
    assert best_threshold(np.zeros(4), [True] * 4, outputs) == 1.0


def test_scores_of_rows_with_and_without_an_answer() -> None:
    scored = ReadingScores(["red", "", "blue", ""], [["red"], ["green"], [], []], are_korean=False)
    assert scored.metrics() == {"f1": 0.5, "exact_match": 0.5, "has_answer_f1": 0.5, "no_answer_accuracy": 0.5}
    assert set(scored.difference(scored).values()) == {(0.0, 0.0)}


@pytest.mark.parametrize(
    ("asked", "text", "sentence", "span"),
    [
        ("Who built the mill?", "It rained. The mill was built by Carla Reed in spring. Bees flew.",
         "The mill was built by Carla Reed in spring.", "Carla Reed"),
        ("When did the school open?", "A school opened here in 1951. Nobody came.",
         "A school opened here in 1951.", "1951"),
        ("누가 다리를 세웠나?", "비가 왔다. 다리는 이수연이 세웠다. 새가 날았다.", "다리는 이수연이 세웠다.", "이수연"),
    ],
)  # fmt: skip
def test_baselines_take_the_sentence_most_like_the_question(asked: str, text: str, sentence: str, span: str) -> None:
    found = ReadingBaselines(with_none=False).predict([ReadingQuestion((asked, text), None, 1, "x")])
    assert [found["sentence"][0].text, found["span"][0].text] == [sentence, span]


def test_an_answer_ends_before_the_particle_that_its_last_token_holds() -> None:
    days = "월요일 화요일 수요일 목요일".split()
    texts = [f"시장은 {day}에 열린다" for day in days for _ in range(4)]
    tokenizer = train_wordpiece(texts, size=400, lowercase=False, max_length=64)
    columns = ColumnMap(("question",), "context", "answer")
    settings = TaskSettings("qa", columns, max_length=64, on_long="window", pooling="cls")
    rows = [ReadingQuestion(("언제", text), None, 1, "x", places=((4, 7),), answers=(text[4:7],)) for text in texts]
    task = QuestionAnsweringTask.fit(settings, tokenizer, rows)
    assert task.settings.endings.letters == {"에": 1}
    assert TaskSettings.from_json(task.settings.to_json()) == task.settings
    (row,) = task.encode(rows[:1])
    assert (1, 4, 7) in [tuple(span) for span in row.parts[0].spans]
    # What is learnt from are the tokens as they are.
    (learnt, *_) = task.training_rows(rows[:1], TrainingOptions())
    assert learnt.target == tuple(i for i, span in enumerate(row.parts[0].spans) if span[1:] == (4, 7)) * 2
    decomposed = unicodedata.normalize("NFD", texts[0])
    (row,) = task.encode([ReadingQuestion(("언제", decomposed), None, 1, "x")])
    ends = {unicodedata.normalize("NFC", decomposed[span.start : span.end]) for span in row.parts[0].spans}
    assert "월요일" in ends
