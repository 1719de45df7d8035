"""Texts as lines and rows: the library's own figures, offsets as a reader marks them, and speed."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from bertkit.errors import UsageError
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.listing import _PLAIN, Lister
from bertkit.tokenization.segments import whole_characters
from bertkit.tokenization.vocab import train_vocabulary, train_wordpiece
from tests import small_sentencepiece as small

KEYS = ["tokens", "ids", "type_ids", "attention_mask", "offsets", "valid_length", "unknown"]
HARD = [text for text in small.HARD if "▁" not in text]


@pytest.fixture(params=["wordpiece", "bpe", "unigram"])
def trained(request: pytest.FixtureRequest) -> Tokenizer:
    return train_vocabulary(small.sentences(), kind=request.param, size=400, lowercase=True)


@pytest.fixture
def tokenizer(sentences: list[str]) -> Tokenizer:
    """One of the test's own: truncation and padding are switched on in it."""
    return train_wordpiece(sentences, size=200, lowercase=True)


def record(tokenizer: Tokenizer, text: str, **options: Any) -> dict:
    return json.loads(Lister(tokenizer, **options).json([text])[0])


@pytest.mark.parametrize("text", HARD)
def test_the_line_is_what_the_library_says(trained: Tokenizer, text: str) -> None:
    row = trained.encode([text], with_spans=True)[0]
    found = record(trained, text)
    assert list(found) == KEYS
    assert found["ids"] == row.ids
    assert found["tokens"] == [trained.backend.id_to_token(i) for i in row.ids]
    assert found["type_ids"] == row.type_ids
    assert found["attention_mask"] == [1] * len(row.ids)
    assert found["valid_length"] == len(row.ids)
    assert found["unknown"] == row.ids.count(trained.id_of("[UNK]", "unknown"))
    spans = whole_characters(row.spans, (text,))
    marks = [token == "▁" for token in found["tokens"]]
    wanted = [[s.start, s.start if mark else s.end] for s, mark in zip(spans, marks, strict=True)]
    assert found["offsets"] == wanted


@pytest.mark.parametrize("text", HARD)
def test_all_forms_agree(trained: Tokenizer, text: str) -> None:
    lister = Lister(trained)
    found = record(trained, text)
    assert lister.ids([text]) == [" ".join(map(str, found["ids"]))]
    assert lister.tokens([text]) == [" ".join(found["tokens"])]
    (listing,) = lister.table([text])
    assert [t.id for t in listing.tokens] == found["ids"]
    assert [[t.start, t.end] for t in listing.tokens] == found["offsets"]
    assert (listing.valid_length, listing.unknown) == (found["valid_length"], found["unknown"])


def test_the_shortcut_is_for_characters_that_stand_alone() -> None:
    for code in [*range(0x20, 0xD800), *range(0xE000, 0x10000)]:
        character = chr(code)
        if _PLAIN.fullmatch(character):
            assert not unicodedata.category(character).startswith("M"), hex(code)
            for base in "aᄀ가ㄱかカ":
                joined = unicodedata.normalize("NFKC", base + character)
                assert len(joined) > len(unicodedata.normalize("NFKC", base)), hex(code)


def test_a_token_with_quotes_is_json() -> None:
    learnt = train_vocabulary(['"a\\b" ' * 9], kind="bpe", size=60, lowercase=True)
    assert "".join(record(learnt, '"a\\b"')["tokens"][1:-1]).replace("▁", "") == '"a\\b"'


def test_a_pair_has_segments_and_its_own_offsets(tokenizer: Tokenizer) -> None:
    found = record(tokenizer, "the river", pair="a dog.")
    assert found["tokens"] == ["[CLS]", "the", "river", "[SEP]", "a", "dog", ".", "[SEP]"]
    assert found["type_ids"] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert found["offsets"] == [[0, 0], [0, 3], [4, 9], [0, 0], [0, 1], [2, 5], [5, 6], [0, 0]]
    (listing,) = Lister(tokenizer, pair="a dog.").table(["the river"])
    assert [t.text for t in listing.tokens] == ["", "the", "river", "", "a", "dog", ".", ""]


def test_rows_are_cut_and_filled(tokenizer: Tokenizer) -> None:
    found = record(tokenizer, "the river sees a dog", max_length=4)
    assert found["tokens"] == ["[CLS]", "the", "river", "[SEP]"]
    found = record(tokenizer, "the river", max_length=6, pad=True)
    assert found["tokens"] == ["[CLS]", "the", "river", "[SEP]", "[PAD]", "[PAD]"]
    assert found["attention_mask"] == [1, 1, 1, 1, 0, 0]
    assert found["valid_length"] == 4


def test_roles(tokenizer: Tokenizer) -> None:
    (listing,) = Lister(tokenizer, max_length=6, pad=True).table(["the 뷁"])
    roles = ["special", "", "unknown", "special", "padding", "padding"]
    assert [token.role for token in listing.tokens] == roles


def test_without_a_length_it_is_filled_to_what_the_model_reads(tokenizer: Tokenizer) -> None:
    assert len(record(tokenizer, "the", pad=True)["ids"]) == tokenizer.max_length


@pytest.mark.parametrize(("length", "pair"), [(2, None), (4, "a")])
def test_a_length_for_special_tokens_only_is_refused(tokenizer: Tokenizer, length: int, pair: str | None) -> None:
    with pytest.raises(UsageError, match="too short"):
        Lister(tokenizer, max_length=length, pair=pair)


@pytest.mark.parametrize("form", ["ids", "json"])
def test_at_over_half_the_speed_of_the_library(trained: Tokenizer, form: str) -> None:
    texts = small.sentences(2000)
    lister = Lister(trained)
    seconds = min(_cpu(lambda: getattr(lister, form)(texts)) for _ in range(3))
    bare = min(_cpu(lambda: _bare(trained, texts, form)) for _ in range(3))
    assert bare / seconds > 0.5


def _bare(tokenizer: Tokenizer, texts: list[str], form: str) -> list[str]:
    rows = tokenizer.backend.encode_batch(texts)
    if form == "ids":
        return [" ".join(map(str, row.ids)) for row in rows]
    return [json.dumps(_fields(row), ensure_ascii=False) for row in rows]


def _fields(row: Any) -> dict:
    names = ("tokens", "ids", "type_ids", "attention_mask", "offsets")
    fields = {name: getattr(row, name) for name in names}
    return {**fields, "valid_length": len(fields["ids"]), "unknown": fields["ids"].count(1)}


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
