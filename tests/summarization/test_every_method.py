"""What holds for each method that chooses sentences, with any document."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.documents.sentences import split_sentences
from bertkit.errors import DataError
from bertkit.summarization.methods import SummaryOptions
from bertkit.summarization.records import SourceText, Summary, document_sentences
from bertkit.summarization.summarize import summarize
from tests.conftest import OBJECTS, SUBJECTS, VERBS

RUNS = {"bertsum": "extractive_run", "matchsum": "matching_run"}
HTML = (
    "<!DOCTYPE html><html><head><title>The mill</title><style>p { color: red. }</style></head><body>"
    "<!-- No. Reader. Sees. This. --><script>var x = 1. y = 2</script><p>The mill burned down.</p>\n"
    "<ul><li>Nobody was hurt.<li>The miller builds it again.</ul>&nbsp;<hr/><p></p></body></html>"
)
MARKDOWN = (
    "# The mill\n\n![A picture. It shows a mill.](mill.png)\n\n* * *\n\nThe mill burned down.\n\n"
    "- Nobody was hurt.\n- The miller builds it again.\n\n| what | when |\n|---|---|\n| fire | May |\n\n[1]: http://a.b\n"
)
CLEAN = {"The mill", "The mill burned down.", "Nobody was hurt.", "The miller builds it again."}


@pytest.fixture(params=["lead", "textrank", "bertsum", "matchsum"])
def method(request: pytest.FixtureRequest) -> SummaryOptions:
    """Each method, the trained ones with a tiny run."""
    name = request.param
    return SummaryOptions(name, str(request.getfixturevalue(RUNS[name])) if name in RUNS else None)


def checked(text: str, options: SummaryOptions) -> Summary:
    """Summarize; what is chosen are sentences of the document, whole, in its order, as many as may be."""
    summary = summarize(text, options)
    whole = {(s.start, s.end): i for i, s in enumerate(document_sentences(SourceText(text), options.language))}
    assert all(text[choice.start : choice.end] == choice.text for choice in summary.sentences)
    assert [whole[choice.start, choice.end] for choice in summary.sentences] == [c.index for c in summary.sentences]
    assert [choice.index for choice in summary.sentences] == sorted({choice.index for choice in summary.sentences})
    assert 1 <= len(summary.sentences) <= options.count(len(whole))
    assert summary.summary.splitlines() == [" ".join(choice.text.split()) for choice in summary.sentences]
    return summary


def english(count: int) -> str:
    rng = random.Random(count)
    lines = (f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)}".capitalize() for _ in range(count))
    return ". ".join(lines) + "."


def test_three_whole_sentences_of_a_korean_article(texts, method, any_splitter):
    article = texts["korean_article.txt"]
    assert len(split_sentences(article)) == 30
    summary = checked(article, replace(method, sentences=3))
    assert len(summary.sentences) == 3
    assert all(line.endswith(("다.", "”", '"')) for line in summary.summary.splitlines())
    assert checked(article, replace(method, language="ko", sentences=3)) == summary


def test_the_language_asked_for_cuts_sentences(method, any_splitter):
    text = "주민들이 회관을 찾는다.버스는 편지를 옮긴다."
    one = [choice.text for choice in checked(text, replace(method, language="en")).sentences]
    assert one == [text]
    for language in ("ko", "auto"):
        two = [choice.text for choice in checked(text, replace(method, language=language)).sentences]
        assert two == ["주민들이 회관을 찾는다.", "버스는 편지를 옮긴다."]


def test_one_sentence(method):
    assert checked("  The cat likes music. ", method).summary == "The cat likes music."


def test_three_sentences(method):
    text = "The cat likes music. A dog sees the river. The train moves a letter."
    assert len(checked(text, method).sentences) >= 2
    assert len(checked(text, replace(method, sentences=3)).sentences) == 3


def test_four_hundred_sentences(method):
    text = english(400)
    assert len(split_sentences(text)) == 400
    assert len(checked(text, replace(method, sentences=3)).sentences) == 3


@pytest.mark.parametrize("text", ["", " \n\t", "\ufeff", "...", "<p></p>\n---\n* * *"])
def test_nothing_to_choose_from(method, text):
    with pytest.raises(DataError, match=r"<text>: (the document is empty|there is no sentence in it)") as caught:
        summarize(text, method)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


def test_no_full_stops(method):
    words = english(30).replace(".", "").lower()
    assert checked(words, method).summary == words
    lines = "the cat likes music\na dog sees the river\nthe train moves a letter\nthe shop buys bread"
    assert set(checked(lines, method).summary.splitlines()) < set(lines.splitlines())


@pytest.mark.parametrize("text", [HTML, MARKDOWN], ids=["html", "markdown"])
def test_debris_is_not_chosen(method, text):
    assert set(checked(text, method).summary.splitlines()) <= CLEAN


def megabyte(text: str, between: str) -> str:
    return between.join([text] * (1_000_000 // len(text) + 1))


@pytest.mark.parametrize("kind", ["sentences", "no full stops", "no spaces"])
def test_a_megabyte(method, kind):
    text = {
        "sentences": megabyte(english(400).replace(". The", ", and the").replace(". A ", ", and a "), "\n\n"),
        "no full stops": megabyte(english(200).replace(".", "").lower(), " "),
        "no spaces": "x" * 1_000_000,
    }[kind]
    began = time.process_time()
    checked(text, method)
    assert time.process_time() - began < 60  # quadratic time would be hours


def test_a_binary_file(method, tmp_path: Path):
    path = tmp_path / "picture.txt"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 50)
    model = ["--model", method.model] if method.model else []
    done = CliRunner().invoke(app, ["summarize", str(path), "--method", str(method.method), *model])
    assert done.exit_code == 3
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"bertkit: {path}")
    assert "binary" in line


def test_a_binary_file_among_others(method, tmp_path: Path):
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("The cat likes music.")
    bad.write_bytes(bytes(range(256)) * 50)
    model = ["--model", method.model] if method.model else []
    done = CliRunner().invoke(app, ["summarize", str(bad), str(good), "--method", str(method.method), *model])
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.exit_code == 3
    assert "binary" in first["error"]
    assert second["summary"] == "The cat likes music."
