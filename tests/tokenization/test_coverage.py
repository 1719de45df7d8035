"""Figures of coverage, against texts whose tokens can be counted by hand."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.health import BATCH, measure_coverage
from bertkit.tokenization.vocab import bert_tokenizer, train_vocabulary

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "the", "ball", ".", "영화")


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    return bert_tokenizer({piece: i for i, piece in enumerate(PIECES)}, lowercase=True)


def test_the_figures(small: Tokenizer) -> None:
    found = measure_coverage(small, ["Playing the ball.", "the 뷁 the zap zap.", ""])
    # playing|the|ball|. and the|뷁|the|zap|zap|.
    assert (found.texts, found.words, found.tokens, found.unknown, found.split) == (3, 10, 11, 3, 1)
    assert found.unknown_words == (("zap", 2), ("뷁", 1))
    assert found.unknown_share == pytest.approx(3 / 11)
    assert found.tokens_per_word == pytest.approx(1.1)
    assert found.split_share == pytest.approx(0.1)


def test_words_as_frequent_stand_in_a_fixed_order_and_only_so_many(small: Tokenizer) -> None:
    forwards = measure_coverage(small, ["zoo yak xerus", "yak"], most=2)
    backwards = measure_coverage(small, ["yak", "xerus yak zoo"], most=2)
    assert forwards.unknown_words == backwards.unknown_words == (("yak", 2), ("xerus", 1))


def test_nothing_is_no_division_by_zero(small: Tokenizer) -> None:
    found = measure_coverage(small, [])
    assert (found.unknown_share, found.tokens_per_word, found.split_share) == (0.0, 0.0, 0.0)


def test_more_texts_than_a_batch(small: Tokenizer) -> None:
    found = measure_coverage(small, ("the ball" for _ in range(2 * BATCH + 3)))
    assert (found.texts, found.words, found.split) == (2 * BATCH + 3, 4 * BATCH + 6, 0)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_piece_with_the_space_before_it_belongs_to_its_word(kind: str) -> None:
    tokenizer = train_vocabulary(["영화 노래 책"] * 9, kind=kind, size=80, lowercase=True)
    found = measure_coverage(tokenizer, ["영화 노래  뷁 책 뷁"])
    assert found.words == 5
    assert found.unknown_words == (("뷁", 2),)


def test_bytes_know_every_word() -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Backend(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = Tokenizer(backend, SpecialTokens(unk=None), 512)
    found = measure_coverage(tokenizer, ["a 뷁"])
    # a, the space, and three bytes; the space belongs to the word after it
    assert (found.words, found.tokens, found.unknown, found.split) == (2, 5, 0, 1)
