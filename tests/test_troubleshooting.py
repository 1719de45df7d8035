"""The page for models that are bad quotes what bertkit says, and nothing that it does not say."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bertkit.config import TrainConfig
from bertkit.data.columns import shared_groups
from bertkit.data.faults import Oddities
from bertkit.data.records import BadRow, ColumnMap, DataSet, Entity, Example, TaggedText
from bertkit.documents.sentences import Sentence
from bertkit.errors import BertkitError, NonFiniteError
from bertkit.evaluation.evaluate import Verdict, _pointing, to_have_it
from bertkit.evaluation.run import NO_TEST, _cut_sentence, _known_sentence
from bertkit.models.registry import find_model
from bertkit.plain import PAGE, SECTIONS
from bertkit.summarization.abstractive import _Desk
from bertkit.summarization.methods import SummaryOptions
from bertkit.summarization.records import Listener, SourceText, Unreadable
from bertkit.summarization.trained import telling_of_korean
from bertkit.tasks import choice, summaries, tagging
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.objectives import Classification, Regression
from bertkit.tasks.registry import find_task
from bertkit.tasks.rows import check_answers
from bertkit.tasks.summaries import Extract
from bertkit.tokenization import health
from bertkit.tokenization.health import FitWatch, check_fit
from bertkit.training import loop
from bertkit.training.prepare import cut_sentence
from bertkit.training.tuning import choose_metric
from tests.test_docs import documented_calls, faults

ROOT = Path(__file__).resolve().parent.parent
PAGES = (PAGE, PAGE.replace(".md", ".ko.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANCHOR = re.compile(r'^<a id="([a-z-]+)"></a>$', re.MULTILINE)
TWO = TaskSettings("classify", ColumnMap(("text",), None, "label"), ("0", "1"), "1")
NER = TaskSettings("ner", ColumnMap(("text",), None, None), ("LOC", "PER"))


def rows(**counts: int) -> list[Example]:
    return [Example(("x",), label.strip("_"), i, "rows.tsv") for label, n in counts.items() for i in range(n)]


def tagged(*kinds: str) -> list[TaggedText]:
    found = [TaggedText(("x",), None, i, "a.conll", entities=(Entity(0, 1, kind),)) for i, kind in enumerate(kinds)]
    return found or [TaggedText(("x",), None, i, "a.conll", entities=()) for i in range(20)]


def refused(call: Any) -> str:
    with pytest.raises(BertkitError) as caught:
        call()
    return str(caught.value)


def of_verdicts() -> list[str]:
    worse = Verdict("the model", "tfidf", "accuracy", 0.7402, 0.7819, (-0.0784, -0.0049))
    bad = worse.sentence + to_have_it(worse, "classify")
    none = Verdict("the model", "tfidf", "macro_f1", 0.7712, 0.7645, (-0.0218, 0.0361)).sentence
    alone = Verdict("the encoder alone", "tfidf", "accuracy", 0.7696, 0.7819, (-0.0465, 0.0221)).sentence
    return [_pointing([sentence], "no-better")[0] for sentence in (bad, none, alone)]


def of_one_answer() -> list[str]:
    classes = Classification(TWO).score(rows(_1=279, _0=129), np.array([[0.4, 0.6]] * 408)).warnings
    numbers = Regression().score(rows(**{"0.5": 5, "3": 5}), np.ones((10, 1))).warnings
    choices = choice._doubts([0, 1] * 10, [np.array([0.1, 0.8, 0.1])] * 20)
    extract = Extract(tuple(Sentence(i, i + 1, "x") for i in range(9)), (0.5,) * 9, (0, 1, 2))
    entities = tagging._doubts(tagged("PER", "LOC"), cast("Any", [SimpleNamespace(entities=())] * 2))
    found = [*classes, *numbers, *choices, *entities, *summaries._doubts([extract] * 10)]
    return [_pointing([sentence], "one-answer")[0] for sentence in found]


def of_labels() -> list[str]:
    known = TaskSettings("classify", ColumnMap(("text",), None, "label"), ("glad", "sad"), "sad")
    found = list(check_answers(known, rows(Glad=5, neutral=3, glad=20, sad=12)))
    found += check_answers(TWO, rows(_1=200))
    found += check_answers(NER, tagged())
    found += check_answers(NER, tagged("Person", "Person", "LOC", "PER"))
    scores = TaskSettings("regression", ColumnMap(("text",), None, "score"))
    found += check_answers(scores, rows(_3=50))
    found.append(refused(lambda: check_answers(NER, tagged("Person", "Place"))))
    return [*found, refused(lambda: check_answers(known, rows(_1=3, _0=5)))]


def of_scores_that_are_too_good() -> list[str]:
    one, other = (Example(("x",), "0", 1, "t", group=group) for group in ("ann", "bob"))
    data = DataSet("t", "classify", TWO.columns, {"train": (one,), "test": (one, other)}, "")
    known = [*_known_sentence(37, 500, "test"), *_known_sentence(None, 500, "test")]
    return [*known, *shared_groups(data, "author"), NO_TEST]


def of_long_rows() -> list[str]:
    encoded = [
        SimpleNamespace(truncated=i < 12, parts=[SimpleNamespace(n_tokens=138, ids=range(128))]) for i in range(96)
    ]
    longest = [
        SimpleNamespace(truncated=i < 12, parts=[SimpleNamespace(n_tokens=600, ids=range(512))]) for i in range(96)
    ]
    short = TaskSettings("classify", ColumnMap(("text",), None, "label"), ("0", "1"), "1", max_length=128)
    pairs = TaskSettings("classify", ColumnMap(("a",), "b", "label"), ("0", "1"), "1", pooling="siamese")
    minilm = find_model("minilm")
    found = cut_sentence([], cast("Any", encoded), short, minilm)
    found += cut_sentence([], cast("Any", longest), pairs, minilm)
    return [*found, *_cut_sentence(12, 96, 128)]


def of_tokenizers(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`tokenizer` knows "the cat" and no Korean."""
    few, many = ["the cat " * 5 + "강아지"], ["고양이가 논다"]
    watch = FitWatch(tokenizer)
    watch.see(tokenizer.encode(many))
    larger = check_fit(tokenizer, ["the cat"], model_ids=tokenizer.vocab_size - 1)
    with monkeypatch.context() as patched:
        patched.setattr(health, "_places", lambda *_: (0.08, []))
        lost = check_fit(tokenizer, ["the cat"])
    return [
        *check_fit(tokenizer, few),
        *lost,
        *larger,
        refused(lambda: check_fit(tokenizer, many, name="--model scratch")),
        str(watch.misfit),
    ]


def of_training() -> list[str]:
    part = [SimpleNamespace(place=f"rows.tsv:{line}") for line in (7, 12, 3, 44, 9, 30)]
    learner = SimpleNamespace(accelerator=SimpleNamespace(mixed_precision="no"))
    error = loop._not_finite(float("nan"), 1.0, 212, cast("Any", [part]), cast("Any", learner))
    assert isinstance(error, NonFiniteError)
    return [str(error)]


def of_uneven_classes() -> list[str]:
    return [choose_metric(TrainConfig(), find_task("classify"), rows(ham=950, spam=50))[1]]


def of_reading() -> list[str]:
    read = Oddities(repaired=14)
    read.lost.note("names.jsonl", [BadRow(3, "the entity 'Ann' is not in the text")])
    return list(read.warnings())


def of_summaries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    list(telling_of_korean(lambda items: (Unreadable("", "d") for _ in items), "ko", said.append)([SourceText("비.")]))
    desk = _Desk(cast("Any", None), SummaryOptions(), Listener(said.append))
    desk._open["t5-small"] = cast("Any", SimpleNamespace(watch=SimpleNamespace(misfit="does not fit")))
    monkeypatch.setattr(_Desk, "_most_at_once", lambda _: 1)
    list(desk.summarize([]))
    return [sentence.removeprefix("warning: ") for sentence in said]


@pytest.fixture
def said(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each sentence of the page, as the code makes it."""
    return [
        *of_verdicts(),
        *of_one_answer(),
        *of_labels(),
        *of_scores_that_are_too_good(),
        *of_long_rows(),
        *of_tokenizers(tokenizer, monkeypatch),
        *of_training(),
        *of_uneven_classes(),
        *of_reading(),
        *of_summaries(monkeypatch),
    ]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def quoted(name: str) -> list[str]:
    """The sentences of a page, without what a command puts before them."""
    blocks = (body for language, body in FENCE.findall(page(name)) if language == "text")
    return [re.sub(r"^(?:warning|bertkit): ", "", line) for body in blocks for line in body.splitlines()]


@pytest.mark.parametrize("name", PAGES)
def test_what_is_quoted_is_what_is_said(name: str, said: list[str]) -> None:
    assert sorted(quoted(name)) == sorted(said)


@pytest.mark.parametrize("name", PAGES)
def test_sections_have_the_names_that_warnings_point_to(name: str) -> None:
    assert tuple(ANCHOR.findall(page(name))) == SECTIONS
    assert set(re.findall(r"\(#([a-z-]+)\)", page(name))) == set(SECTIONS), "the table on top leads to each"


@pytest.mark.parametrize("name", PAGES)
def test_its_commands_exist_with_their_options(name: str) -> None:
    calls = documented_calls(name)
    assert {"inspect-data", "train", "eval", "predict", "tokenize", "vocab", "summarize"} <= {call[0] for call in calls}
    assert [(call, faults(call)) for call in calls if faults(call)] == []


def test_both_languages_show_the_same_commands() -> None:
    english, korean = map(documented_calls, PAGES)
    assert english == korean


def test_every_pointer_of_the_code_leads_to_a_section() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "bertkit").rglob("*.py"))
    pointers = set(re.findall(r"""(?:see\(|_pointing\(\w+, )["']([a-z-]+)["']""", sources))
    assert {"no-better", "one-answer", "tokenizer", "inflated", "not-finite"} <= pointers
    assert pointers <= set(SECTIONS)
