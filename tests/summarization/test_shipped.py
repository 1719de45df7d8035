"""The extractive model that comes with bertkit: its weights, its training, its use."""

from __future__ import annotations

import hashlib
import json
import random
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.numpy import load_file

from bertkit.compute.device import Placement
from bertkit.data.records import Document
from bertkit.documents.selection import SetScorer
from bertkit.errors import ModelError
from bertkit.evaluation.answers import forward
from bertkit.models import finding
from bertkit.summarization.methods import ENCODER, SummaryOptions, open_summarizer
from bertkit.summarization.records import Answers, Item, Listener, SourceText, Summary, Unreadable
from bertkit.summarization.summarize import summarize
from bertkit.summarization.trained import WEIGHTS, korean_apart, shipped_bundle, telling_of_korean
from bertkit.tokenization.base import Tokenizer
from tests.summarization.not_news import habits

SCRIPT = Path(__file__).parents[2] / "examples" / "train_extractor.py"
CPU = Placement("cpu", "float32", 1)
MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A folder with a BERT of two layers."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=96,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> Path:
    """Documents whose summary is their third sentence."""
    folder, rng = tmp_path_factory.mktemp("corpus"), random.Random(0)
    for split, count in (("train", 40), ("validation", 12)):
        documents = [rng.sample(sentences, 8) for _ in range(count)]
        rows = [json.dumps({"text": " ".join(chosen), "summary": chosen[2]}) for chosen in documents]
        (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def train(corpus: Path, model: Path, output: Path, *more: str) -> None:
    arguments = [str(corpus), "--model", str(model), "--layers", "1", "--output", str(output), *more]
    before, sys.argv = sys.argv, [str(SCRIPT), *arguments]
    try:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    finally:
        sys.argv = before


def test_the_script_trains_what_the_methods_open(tmp_path, corpus, tiny_bert, capsys):
    kept = ("--cache", str(tmp_path / "cache"), "--hold-back", "4")
    train(corpus, tiny_bert, tmp_path / "a.safetensors", *kept)
    printed = capsys.readouterr().out
    assert "read 36 of 36 documents" in printed
    reports = json.loads(printed[printed.index("{") :])
    report = reports["validation"]
    assert reports["held back"]["documents"] == 4
    assert report["documents"] == 12
    assert report["oracle"]["rouge1"] == 1.0 > report["lead"]["rouge1"]
    assert report["salience minus lead"]["rouge1"][0] <= report["salience minus lead"]["rouge1"][1]
    train(corpus, tiny_bert, tmp_path / "b.safetensors", *kept)
    first, second = load_file(tmp_path / "a.safetensors"), load_file(tmp_path / "b.safetensors")
    assert all((first[name] == second[name]).all() for name in first)

    bundle = shipped_bundle("salience-sets", tmp_path / "a.safetensors", model_name=str(tiny_bert), layers=1)
    document = Document(("One is here. Two is there. Three is gone. Four came back.",), None, 1, "d", None)
    (extract,) = forward(bundle.model, bundle.task, bundle.task.encode([document]), CPU)
    assert len(extract.chosen) in (2, 3)
    assert len(extract.sentences) == 4


def test_nothing_is_learnt_where_all_would_be_held_back(tmp_path, corpus, tiny_bert):
    with pytest.raises(SystemExit, match="40 documents are no more than --hold-back 40"):
        train(corpus, tiny_bert, tmp_path / "a.safetensors", "--hold-back", "40")


def test_weights_for_another_encoder_are_refused(tmp_path, tiny_bert):
    with pytest.raises(ModelError, match="do not fit"):
        shipped_bundle("salience", model_name=str(tiny_bert))
    (tmp_path / "damaged").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="damaged: cannot be read"):
        shipped_bundle("salience", tmp_path / "damaged", model_name=str(tiny_bert))


def test_korean_texts_are_told_of_once():
    notes: list[str] = []

    def echo(items: Iterable[Item]) -> Answers:
        yield from (Unreadable.of(item, "seen") for item in items if isinstance(item, SourceText))

    told = telling_of_korean(echo, "auto", notes.append)
    assert (
        len(list(told([SourceText("The mill burned."), SourceText("공장이 불탔다."), SourceText("비가 왔다.")]))) == 3
    )
    (note,) = notes
    assert note.startswith("warning: 2 texts are Korean")
    assert "--method textrank" in note
    assert len(list(telling_of_korean(echo, "en", notes.append)([SourceText("Rain.")]))) == len(notes) == 1


def test_korean_texts_are_given_to_textrank_in_their_order():
    notes: list[str] = []

    def named(name: str):
        def answer(items: Iterable[Item]) -> Answers:
            yield from (Unreadable.of(item, f"{name}: {item.source}") for item in items)

        return answer

    texts = ["The mill burned.", "공장이 불탔다.", "비가 왔다.", "Rain fell.", ""]
    told = korean_apart(named("model"), named("textrank"), "auto", notes.append)
    answers = list(told(SourceText(text, str(i)) for i, text in enumerate(texts)))
    assert [answer.message for answer in answers if isinstance(answer, Unreadable)] == [
        "model: 0", "textrank: 1", "textrank: 2", "model: 3", "model: 4",
    ]  # fmt: skip
    (note,) = notes
    assert note.startswith("2 texts are Korean and summarized by textrank")
    assert len(list(korean_apart(named("a"), named("b"), "en", notes.append)([SourceText("비.")]))) == len(notes) == 1


def test_what_is_shipped_is_small_and_whole():
    files = [path for path in WEIGHTS.parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    arrays = load_file(WEIGHTS)
    assert {name.partition(".")[0] for name in arrays} == {"salience", "sets"}
    assert arrays["salience.read_vector.weight"].shape == (256, 384)
    sets = SetScorer.from_arrays({name.removeprefix("sets."): a for name, a in arrays.items() if "sets." in name})
    assert len(sets.layers) == 3


def test_the_card_tells_what_was_measured():
    card = (WEIGHTS.parent / "README.md").read_text(encoding="utf-8")
    assert all(word in card for word in ("CNN/DailyMail", "examples/train_extractor.py", "validation", "95 %"))


@pytest.fixture
def minilm() -> None:
    """The extra `offline`."""
    if finding.packaged_model(ENCODER) is None:
        pytest.skip("the extra offline is not installed")


@pytest.mark.usefixtures("minilm")
class TestWithTheEncoder:
    """What a user of the extra `offline` gets."""

    @pytest.mark.parametrize("method", ["salience", "salience-sets"])
    def test_no_lead_by_habit(self, method):
        found = habits(SummaryOptions(method))
        assert found.leads == 0
        assert found.early < 0.5

    def test_documents_of_all_lengths_in_order(self):
        texts = [
            "One sentence only.",
            "",
            "A is here. B is there. C is gone.",
            "The mill burned. " * 400,
            "no stop at all " * 300,
        ]
        notes: list[str] = []
        answers = list(open_summarizer(SummaryOptions(), Listener(notes.append))([SourceText(t) for t in texts]))
        assert [type(answer) for answer in answers] == [Summary, Unreadable, Summary, Summary, Summary]
        assert answers[2].summary == "A is here.\nB is there.\nC is gone."
        assert answers[0].method == "salience-sets"
        assert notes == []

    @pytest.mark.parametrize(("asked", "true"), [("bertsum", "salience"), ("matchsum", "salience-sets")])
    def test_the_names_of_papers_without_a_run_say_what_serves(self, asked, true):
        text = "Birds sing. Old men walk by. Birds eat. Old men sleep. The mill burned."
        notes: list[str] = []
        found = summarize(text, SummaryOptions(asked), Listener(notes.append))
        (note,) = notes
        assert note.startswith(f"--method {asked} needs --model RUN")
        assert note.endswith(f"the model that comes with bertkit serves, {true}.")
        assert found == summarize(text, SummaryOptions(true), Listener(notes.append))
        assert found.method == true
        assert notes == [note]

    def test_korean_goes_to_textrank_unless_the_model_is_asked_for(self):
        text = "비가 왔다. 강물이 불었다. 다리가 잠겼다. 강물이 빠지면 다리를 다시 연다."
        notes: list[str] = []
        (by_default,) = open_summarizer(SummaryOptions(), Listener(notes.append))([SourceText(text)])
        (asked,) = open_summarizer(SummaryOptions("salience"), Listener(notes.append))([SourceText(text)])
        assert isinstance(by_default, Summary)
        assert isinstance(asked, Summary)
        assert (by_default.method, asked.method) == ("textrank", "salience")
        assert [note[:20] for note in notes] == ["1 text is Korean and", "warning: 1 text is K"]

    @pytest.mark.parametrize("count", [1, 2, 4, 5, 7])
    def test_as_many_sentences_as_asked_for(self, count):
        text = " ".join(f"{one} {two}." for one in ("Birds", "Old men") for two in ("sing", "eat", "walk by", "sleep"))
        (answer,) = open_summarizer(SummaryOptions("salience", sentences=count), Listener())([SourceText(text)])
        assert isinstance(answer, Summary)
        assert len(answer.sentences) == count

    def test_the_same_bytes_twice(self):
        def digest() -> str:
            (answer,) = open_summarizer(SummaryOptions("salience"), Listener())(
                [SourceText(WEIGHTS.parent.joinpath("README.md").read_text())]
            )
            return hashlib.sha256(json.dumps(answer.to_json()).encode()).hexdigest()

        assert digest() == digest()
