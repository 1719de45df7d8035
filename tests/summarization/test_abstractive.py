"""Summaries that a model writes, by tiny random models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from bertkit.errors import ModelError
from bertkit.summarization.abstractive import Limits, Writer, find_writer, open_writer
from bertkit.summarization.methods import SummaryOptions, open_summarizer
from bertkit.summarization.records import Listener, SourceText, Summary, Unreadable, Windows
from bertkit.summarization.summarize import summarize

SHORT = "The cat sees music. A dog likes the river."


def options(folder: Path, **values) -> SummaryOptions:
    return SummaryOptions("abstractive", str(folder), precision="float32", device="cpu", **values)


def writer_of(folder: Path, **values) -> Writer:
    return open_writer(find_writer(str(folder)), options(folder, **values))


@pytest.mark.parametrize("name", ["bart", "t5", "kobart"])
def test_a_summary_is_written_and_always_the_same(name, request):
    folder = request.getfixturevalue(name)
    first, second = (summarize(SHORT, options(folder)) for _ in range(2))
    assert first.summary
    assert first == second
    assert (first.method, first.sentences) == ("abstractive", ())
    assert not any(mark in first.summary for mark in ("<s>", "</s>", "<pad>", "Ġ", "▁"))


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_what_is_written_is_what_transformers_writes(name, request):
    folder = request.getfixturevalue(name)
    prefix, limits = ("summarize: ", {"max_new_tokens": 10, "num_beams": 3}) if name == "t5" else ("", {"num_beams": 2})
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    ids = tokenizer(prefix + SHORT, return_tensors="pt").input_ids
    if name == "bart":
        limits |= {"max_new_tokens": 12, "min_new_tokens": 4, "length_penalty": 2.0}
        model.generation_config.max_length = model.generation_config.min_length = None
    written = model.generate(ids, no_repeat_ngram_size=3, do_sample=False, **limits)
    wanted = tokenizer.decode(written[0], skip_special_tokens=True)
    assert writer_of(folder).write([SHORT], lambda _: None) == [wanted.strip()]


def test_batches_do_not_change_what_is_written(bart):
    windows = [SHORT, "The train moves.", "Our teacher buys some bread and the blue car.", "A", SHORT, SHORT]
    writer, told = writer_of(bart), []
    assert writer.write(windows, told.append) == [writer.write([w], lambda _: None)[0] for w in windows]
    assert told[-1] == len(windows)
    assert told == sorted(told)


def test_a_tokenizer_without_marks_gets_them(bart, kobart):
    (framed,), (bare,) = writer_of(bart)._encode([SHORT]), writer_of(kobart)._encode([SHORT])
    assert bare == framed
    assert (framed[0], framed[-1]) == (0, 2)
    (cut,) = writer_of(kobart)._encode([SHORT * 30])
    assert len(cut) == 64
    assert (cut[0], cut[-1]) == (0, 2)


def test_long_documents_are_read_in_windows_of_whole_sentences(bart, long_text, monkeypatch):
    seen: list[list[str]] = []
    write = Writer.write

    def spy(self, windows, report):
        seen.append(list(windows))
        return write(self, windows, report)

    monkeypatch.setattr(Writer, "write", spy)
    told: list[Windows] = []
    (answer,) = open_summarizer(options(bart), Listener(progress=told.append))([SourceText(long_text, "book.txt")])
    assert isinstance(answer, Summary)
    assert len(seen[0]) > 2
    assert all(window.endswith(".") for window in seen[0])
    assert " ".join(seen[0]) == long_text
    assert told[-1].place == "book.txt"
    assert any(at.done == at.total == len(seen[0]) for at in told)


def test_summaries_that_are_still_long_are_summarized_again(bart, long_text):
    writer = writer_of(bart)
    summary = summarize(long_text, options(bart)).summary
    assert sum(writer.lengths(summary.splitlines())) <= 2 * writer.limits.most + 10
    loose = summarize(long_text, options(bart, max_tokens=30)).summary
    assert len(loose) > len(summary)


def test_lengths_follow_user_then_checkpoint_then_text(bart, t5):
    assert writer_of(bart).limits == Limits(4, 12)
    assert writer_of(bart, max_tokens=7, min_tokens=2).limits == Limits(2, 7)
    assert writer_of(bart, max_tokens=3).limits == Limits(3, 3)
    assert writer_of(t5).limits == Limits(0, 10)
    assert Limits(56, 142).for_window(1000) == Limits(56, 142)
    assert Limits(56, 142).for_window(60) == Limits(20, 60)  # no summary is longer than its text
    assert writer_of(bart, beams=1).model.generation_config.num_beams == 1
    assert writer_of(t5).model.generation_config.num_beams == 3


def test_beams_can_be_one(bart):
    assert summarize(SHORT, options(bart, beams=1)).summary


def test_at_most_so_many_sentences(bart, long_text, monkeypatch):
    monkeypatch.setattr(Writer, "write", lambda self, windows, report: ["One is here. Two is here."] * len(windows))
    assert summarize(SHORT, options(bart)).summary == "One is here.\nTwo is here."
    assert summarize(SHORT, options(bart, sentences=1)).summary == "One is here."
    assert summarize(SHORT, options(bart, ratio=0.5)).summary == "One is here."


@pytest.mark.parametrize("language", ["auto", "ko"])
def test_a_korean_article(kobart, texts, any_splitter, language, monkeypatch):
    article = texts["korean_article.txt"]
    assert summarize(article, options(kobart, language=language)).summary
    written = ["아침이 밝았다. 새가 운다.", "비가 왔다. 버스가 늦었다."]
    monkeypatch.setattr(Writer, "write", lambda self, windows, report: (written * len(windows))[: len(windows)])
    summary = summarize(article, options(kobart, language=language, sentences=3)).summary
    assert summary.splitlines() == ["아침이 밝았다.", "새가 운다.", "비가 왔다."]


def test_order_and_errors_among_many(bart):
    items = [SourceText(SHORT, "a"), SourceText("", "b"), Unreadable("bad row", "c", 0, 3), SourceText("A dog.", "d")]
    first, empty, bad, last = open_summarizer(options(bart), Listener())(items)
    assert isinstance(first, Summary)
    assert isinstance(empty, Unreadable)
    assert empty.message == "the document is empty"
    assert bad is items[2]
    assert isinstance(last, Summary)
    assert last.document.source == "d"


def test_several_documents_at_once_are_written_as_one_by_one(bart, long_text, monkeypatch):
    texts = [SHORT, long_text, "", "A dog.", long_text * 2, SHORT]
    items = [SourceText(text, str(i)) for i, text in enumerate(texts)]
    alone = list(open_summarizer(options(bart), Listener())(items))
    monkeypatch.setattr("bertkit.summarization.abstractive._Desk._most_at_once", lambda self: 4)
    assert list(open_summarizer(options(bart), Listener())(items)) == alone


def test_bfloat16(bart):
    writer = open_writer(find_writer(str(bart)), SummaryOptions("abstractive", str(bart), precision="bfloat16"))
    assert writer.model.dtype is torch.bfloat16
    assert writer.write([SHORT], lambda _: None)[0]


def test_texts_of_unknown_words_are_noted(t5):
    notes: list[str] = []
    items = [SourceText("ɸɰɤ ʘɮɬ ɸɸɸ ʘʘʘ ɮɮɮ ɰɰɰ. " * 4)]
    list(open_summarizer(options(t5), Listener(notes.append))(items))
    assert len(notes) == 2
    assert str(t5) in notes[0]
    assert "MB" in notes[0]
    assert "does not know" in notes[1]


def broken(folder: Path, bart: Path, kind: str) -> Path:
    copy = folder / "copy"
    shutil.copytree(bart, copy)
    config = copy / "config.json"
    match kind:
        case "weights":
            (copy / "model.safetensors").unlink()
        case "damaged":
            (copy / "model.safetensors").write_bytes(b"no weights")
        case "shape":
            values = json.loads(config.read_text())
            config.write_text(json.dumps({**values, "d_model": 32}))
        case "encoder":
            config.write_text(json.dumps(transformers.BertConfig().to_dict()))
        case "empty":
            config.unlink()
        case "run":
            (copy / "bertkit.json").write_text("{}")
    return copy


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("weights", "no weights"),
        ("damaged", "holds no model that writes"),
        ("shape", "lack"),
        ("encoder", "is a bert"),
        ("empty", r"no config\.json"),
        ("run", "leave out --method"),
    ],
)
def test_folders_that_cannot_be_opened(tmp_path, bart, kind, word):
    copy = broken(tmp_path, bart, kind)
    with pytest.raises(ModelError, match=word) as caught:
        open_summarizer(options(copy), Listener())
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)
