"""Word by word or as a whole: the same tokens, or it is not done."""

from __future__ import annotations

import itertools
import random

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers

from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.encoding import FEWEST, WordsApart, reads_apart
from bertkit.tokenization.segments import overlap_segments
from bertkit.tokenization.vocab import train_wordpiece

CHARACTERS = "abcdeABCDEéÉ가각é́İßﬁ漢字,.!?'\"-_[]()#1٣ \t\n\r\u00a0\u3000\u200b\u0301\ufeff\u0000😀 "


def texts(seed: int, rows: int = FEWEST) -> list[str]:
    draw = random.Random(seed)
    special = ("[MASK]", "[SEP]", "[CLS]x", " ", "  ", "word", "the cat", "a" * 120)
    return [
        "".join(draw.choice(special if draw.random() < 0.1 else CHARACTERS) for _ in range(draw.randint(0, 60)))
        for _ in range(rows)
    ]  # fmt: skip


@pytest.fixture(params=[True, False], ids=["lower", "cased"])
def own(request, sentences) -> Tokenizer:
    return train_wordpiece([*sentences, *texts(9)], size=400, lowercase=request.param)


@pytest.mark.parametrize("reads_control", [False, True])
@pytest.mark.parametrize("max_length", [None, 9])
def test_tokens_are_those_of_the_library(own, reads_control, max_length, monkeypatch):
    own.reads_control = reads_control
    assert reads_apart(own.backend)
    firsts, seconds = texts(1), texts(2)
    for pairs in (None, seconds):
        found = [own.encode(firsts, pairs, max_length=max_length) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr("bertkit.tokenization.base.FEWEST", 10**9)
            expected = own.encode(firsts, pairs, max_length=max_length)
        assert found == [expected, expected]


@pytest.mark.parametrize("reads_control", [False, True])
@pytest.mark.parametrize("max_length", [4, 9, 512])
def test_columns_are_the_same_rows(own, reads_control, max_length):
    own.reads_control = reads_control
    rows = texts(4)
    for _ in range(2):
        found = own.encode_columns(rows, max_length=max_length)
        expected = own.encode(rows, max_length=max_length)
        starts = found.starts.tolist()
        ids = [found.ids[start:end].tolist() for start, end in itertools.pairwise(starts)]
        assert ids == [row.ids for row in expected]
        assert found.n_tokens.tolist() == [row.n_tokens for row in expected]
        lost = [row.n_tokens - len(row.ids) for row in expected]
        assert found.cut == (sum(map(bool, lost)), sum(lost))
    assert own.encode_columns([*rows, "a " * 100_000], max_length=max_length) is None  # it is read in part
    assert own.encode_columns(rows[:3], max_length=max_length) is None


@pytest.mark.parametrize("reads_control", [False, True])
@pytest.mark.parametrize("max_length", [4, 9, 512])
def test_marked_pairs_are_the_same_rows(own, reads_control, max_length):
    own.reads_control = reads_control
    firsts, draw = texts(5), random.Random(6)
    seconds = [" ".join(draw.sample(words := text.split(" "), len(words))).upper() for text in firsts]
    columns = [side + side[::-1] for side in (firsts, seconds)]  # pairs alike, and pairs that are not
    columns[1] = columns[1][: len(firsts)] + firsts
    for _ in range(2):
        found = own.encode_marked(*columns, max_length=max_length)
        placed = own.encode(*columns, max_length=max_length, with_spans=True)
        assert any(row is not None for row in found)
        for row, whole, first, second in zip(found, placed, *columns, strict=True):
            if row is None:  # is cut, and not where it could be
                assert whole.truncated
                continue
            bare = [text.replace("[SEP]", " " * 5) for text in (first, second)]
            assert list(row.ids) == whole.ids
            assert list(row.type_ids) == overlap_segments(whole.spans, *bare)
            assert row.n_tokens == whole.n_tokens
    assert own.encode_marked(firsts[:3], seconds[:3], max_length=max_length) is None
    assert own.encode_marked([*firsts, "a " * 100_000], [*seconds, "a"], max_length=max_length) is None


def test_pairs_stay_the_same_where_words_are_forgotten(own, monkeypatch):
    columns = texts(7), texts(8)
    expected = own.encode_marked(*columns, max_length=20)
    monkeypatch.setattr("bertkit.tokenization.encoding._MOST", 50)
    monkeypatch.setattr("bertkit.tokenization.base._IN_COLUMNS", 500)
    own.reads_control = True
    own.reads_control = False
    assert own.encode_marked(*columns, max_length=20) == expected


def test_windows_are_those_of_the_library(own, monkeypatch):
    found = own.encode_windows(texts(3), max_length=8)
    monkeypatch.setattr("bertkit.tokenization.base.FEWEST", 10**9)
    assert found == own.encode_windows(texts(3), max_length=8)


def test_special_tokens_are_read_anew_where_they_are_control(own):
    rows = ["[MASK] a"] * FEWEST
    as_text = own.encode(rows)[0].ids
    own.reads_control = True
    assert own.mask_id in own.encode(rows)[0].ids
    assert own.mask_id not in as_text


def test_words_are_forgotten_where_there_are_too_many(own, monkeypatch):
    monkeypatch.setattr("bertkit.tokenization.encoding._MOST", 50)
    apart = WordsApart(own.backend, range(1000))
    for seed in range(4):
        rows = [(text,) for text in texts(seed, 60)]
        assert [row.ids for row in apart.encode(rows)] == [own.backend.encode(text).ids for (text,) in rows]


def test_what_looks_across_spaces_is_read_whole(own, sentences):
    other = Backend.from_str(own.backend.to_str())
    other.add_tokens(["the cat"])
    assert not reads_apart(other)
    unigram = Backend(models.Unigram([("a", 0.0), ("▁", -1.0)], 0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    assert not reads_apart(unigram)
    stripped = Backend.from_str(own.backend.to_str())
    stripped.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.BertNormalizer()])
    assert not reads_apart(stripped)
    assert Tokenizer(unigram, SpecialTokens(unk=None), 8).encode(["a"] * FEWEST)
