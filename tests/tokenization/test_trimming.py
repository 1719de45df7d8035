"""A trimmed vocabulary cuts the training rows as the whole one did, and tells where it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bertkit.errors import UsageError
from bertkit.kinds import MisfitError
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.loading import load_tokenizer
from bertkit.tokenization.published import build_xlm_roberta
from bertkit.tokenization.trimming import DROPPED_FILE, Dropped, DropWatch, read_dropped, trim, trim_alike
from bertkit.tokenization.vocab import train_vocabulary
from tests import small_four_bits as small

KOREAN = ("영화", "정말", "재미", "있다", "없다", "배우", "감독", "음악")
ENGLISH = ("film", "good", "bad", "actor", "music", "scene", "story")
CYRILLIC = ("кино", "хорошо", "плохо")
SEEN = ["영화 정말 재미 있다", "good film"]
OTHERS = ["배우 감독", "кино хорошо", "good film", "영화"]


@pytest.fixture(scope="module")
def whole() -> Tokenizer:
    pieces = small.vocabulary((*KOREAN, *ENGLISH, *CYRILLIC))
    return build_xlm_roberta([p for p, _ in pieces], [s for _, s in pieces], small.CHARACTERS, 64)


def tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    return list(tokenizer.backend.encode(text).tokens)


def least(whole: Tokenizer) -> int:
    """How many pieces are kept where no further one is."""
    return len(trim(whole, SEEN, name="it", most=0).rows)


def test_rows_that_were_seen_are_cut_as_before(whole: Tokenizer) -> None:
    trimmed = trim(whole, SEEN, name="it", most=0)
    assert trimmed.tokenizer.vocab_size == len(trimmed.rows) < whole.vocab_size
    for text in SEEN:
        assert tokens(trimmed.tokenizer, text) == tokens(whole, text)
        ids = trimmed.tokenizer.encode([text], [SEEN[0]])[0].ids
        assert [trimmed.rows[i] for i in ids] == list(whole.encode([text], [SEEN[0]])[0].ids)


def test_what_was_dropped_falls_into_smaller_pieces_and_never_into_unknown_ones(whole: Tokenizer) -> None:
    trimmed = trim(whole, SEEN, name="it", most=0)
    assert tokens(trimmed.tokenizer, "배우 кино") == ["<s>", "▁", "배", "우", "▁", "к", "и", "н", "о", "</s>"]
    assert trimmed.tokenizer.special == whole.special
    assert trimmed.tokenizer.mask_id == len(trimmed.rows) - 1
    assert "▁배우" in trimmed.dropped.pieces
    assert len(trimmed.rows) + len(trimmed.dropped.pieces) == whole.vocab_size


def test_further_pieces_are_of_the_rows_scripts(whole: Tokenizer) -> None:
    base = least(whole)
    trimmed = trim(whole, SEEN, name="it", most=base + 4)
    assert len(trimmed.rows) == base + 4
    more = set(trim(whole, SEEN, name="it", most=0).dropped.pieces) - set(trimmed.dropped.pieces)
    assert "▁배우" in more
    assert "▁bad" in more
    assert not any(piece[1:] in CYRILLIC for piece in more)
    assert trim(whole, SEEN, name="it", most=base + 1000).dropped.pieces == ("▁кино", "▁хорошо", "▁плохо")


def test_the_same_rows_give_the_same_pieces(whole: Tokenizer) -> None:
    first, second = (trim(whole, texts, name="it", most=50) for texts in (SEEN, SEEN[::-1]))
    assert first.rows == second.rows
    assert first.tokenizer.backend.to_str() == second.tokenizer.backend.to_str()


def test_a_resumed_training_finds_the_same_rows(whole: Tokenizer, tmp_path: Path) -> None:
    trimmed = trim(whole, SEEN, name="it", most=50)
    trimmed.tokenizer.save(tmp_path)
    again = trim_alike(whole, load_tokenizer(tmp_path), name="it")
    assert (again.rows, again.dropped) == (trimmed.rows, trimmed.dropped)
    assert again.tokenizer.backend.to_str() == trimmed.tokenizer.backend.to_str()


def test_rows_that_need_a_dropped_piece_are_counted(whole: Tokenizer, tmp_path: Path) -> None:
    trimmed = trim(whole, SEEN, name="it", most=0)
    trimmed.dropped.save(tmp_path / DROPPED_FILE)
    dropped = read_dropped(tmp_path / DROPPED_FILE)
    assert dropped == trimmed.dropped
    watch = DropWatch(trimmed.tokenizer, trimmed.dropped)
    watch.see([(text,) for text in OTHERS])
    watch.see([("good", "film"), ("good", "배우")])
    needing = sum(tokens(whole, text) != tokens(trimmed.tokenizer, text) for text in OTHERS) + 1
    assert (watch.rows, watch.needing) == (6, needing) == (6, 3)


def test_a_damaged_list_is_said(tmp_path: Path) -> None:
    assert read_dropped(tmp_path / DROPPED_FILE) is None
    (tmp_path / DROPPED_FILE).write_bytes(b"nothing")
    with pytest.raises(MisfitError, match="holds no pieces"):
        read_dropped(tmp_path / DROPPED_FILE)
    Dropped(("▁a", "b"), (-1.0, np.nan)).save(tmp_path / DROPPED_FILE)
    with pytest.raises(MisfitError, match="other scores"):
        read_dropped(tmp_path / DROPPED_FILE)


def test_other_kinds_of_vocabularies_are_refused(sentences: list[str]) -> None:
    for kind in ("wordpiece", "bpe"):
        other = train_vocabulary(sentences, kind=kind, size=150, lowercase=True)
        with pytest.raises(UsageError, match="--trim-vocab: org/name has a vocabulary of the type"):
            trim(other, sentences, name="org/name")


def test_a_unigram_vocabulary_with_tokens_of_its_own_is_trimmed(sentences: list[str]) -> None:
    other = train_vocabulary(sentences, kind="unigram", size=120, lowercase=True)
    other.backend.add_special_tokens(["<extra>"])
    trimmed = trim(other, sentences[:3], name="it", most=0)
    for text in sentences[:3]:
        assert tokens(trimmed.tokenizer, text) == tokens(other, text)
    extra = trimmed.tokenizer.backend.token_to_id("<extra>")
    assert extra is not None
    assert trimmed.rows[extra] == other.backend.token_to_id("<extra>")
    watch = DropWatch(trimmed.tokenizer, trimmed.dropped)
    watch.see([(sentences[0],), (f"{sentences[1]} <extra>",)])
    assert watch.needing == 0
