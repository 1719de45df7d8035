"""Vocabularies trained on one's own texts: the same bytes each time, and Korean as well as English."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from bertkit.errors import DataError
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.vocab import bert_tokenizer, train_wordpiece

ROOT = Path(__file__).parents[2]
KOREAN = (
    "영화가 정말 재미있었다.",
    "배우의 연기가 정말 좋았다.",
    "이 영화는 재미없고 지루했다.",
    "연기도 음악도 별로였다.",
)
IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from bertkit.tokenization.vocab import train_wordpiece
texts = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
train_wordpiece(texts, size=180, lowercase=True).save(Path(sys.argv[2]))
assert "torch" not in sys.modules
"""


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.backend.id_to_token(i) for i in tokenizer.encode([text])[0].ids[1:-1]]


@pytest.fixture(scope="module")
def korean() -> Tokenizer:
    return train_wordpiece(KOREAN, size=120, lowercase=True)


def test_two_processes_write_the_same_bytes(sentences: list[str], tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join([*sentences, *KOREAN]), encoding="utf-8")
    workers = []
    for seed in ("1", "77"):
        folder = tmp_path / seed
        folder.mkdir()
        command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(texts), str(folder)]
        workers.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}))
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    for name in ("tokenizer.json", "tokenizer_config.json"):
        first, second = ((tmp_path / seed / name).read_bytes() for seed in ("1", "77"))
        assert first == second, name


def test_the_order_of_the_texts_does_not_change_the_vocabulary(sentences: list[str]) -> None:
    forwards = train_wordpiece(sentences, size=150, lowercase=True)
    backwards = train_wordpiece(reversed(sentences), size=150, lowercase=True)
    assert forwards.backend.get_vocab() == backwards.backend.get_vocab()


def test_special_tokens_have_berts_first_ids(tokenizer: Tokenizer) -> None:
    wanted = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [tokenizer.backend.id_to_token(i) for i in range(5)] == wanted
    assert tokenizer.pad_id == 0
    assert tokenizer.special_ids == frozenset(range(5))


def test_the_size_is_kept_and_every_character_is_in(sentences: list[str]) -> None:
    assert train_wordpiece(sentences, size=100, lowercase=True).vocab_size <= 100
    smallest = train_wordpiece(sentences, size=1, lowercase=True)
    unknown = smallest.backend.token_to_id("[UNK]")
    assert all(unknown not in encoding.ids for encoding in smallest.encode(sentences))


def test_frequent_words_become_one_piece(tokenizer: Tokenizer) -> None:
    assert pieces(tokenizer, "the river") == ["the", "river"]


def test_rare_words_are_spelt_with_continuation_pieces(tokenizer: Tokenizer) -> None:
    spelt = pieces(tokenizer, "treeriver")
    assert len(spelt) > 1
    assert all(piece.startswith("##") for piece in spelt[1:])
    assert spelt[0] + "".join(piece.removeprefix("##") for piece in spelt[1:]) == "treeriver"


@pytest.mark.parametrize("text", KOREAN)
def test_decomposed_korean_has_the_ids_of_composed_korean(korean: Tokenizer, text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert composed != decomposed
    ids = korean.encode([composed])[0].ids
    assert korean.encode([decomposed])[0].ids == ids
    assert korean.backend.token_to_id("[UNK]") not in ids


def test_decomposed_texts_give_the_vocabulary_of_composed_ones(korean: Tokenizer) -> None:
    decomposed = [unicodedata.normalize("NFD", text) for text in KOREAN]
    assert train_wordpiece(decomposed, size=120, lowercase=True).backend.get_vocab() == korean.backend.get_vocab()


def test_hangul_stays_in_syllables(korean: Tokenizer) -> None:
    letters = [p for p in korean.backend.get_vocab() if any("\u1100" <= c <= "\u11ff" for c in p)]
    assert letters == []


def test_accents_are_kept() -> None:
    tokenizer = train_wordpiece(["café", "cafe"] * 5, size=60, lowercase=True)
    assert pieces(tokenizer, "café cafe") == ["café", "cafe"]
    assert pieces(tokenizer, "CAFE\u0301") == ["café"]


def test_lower_case_is_a_choice() -> None:
    texts = ["Apple apple Apple apple"] * 5
    lower = train_wordpiece(texts, size=60, lowercase=True)
    cased = train_wordpiece(texts, size=60, lowercase=False)
    assert pieces(lower, "Apple apple") == ["apple", "apple"]
    assert pieces(cased, "Apple apple") == ["Apple", "apple"]
    assert pieces(cased, "APPLE") == ["[UNK]"]


@pytest.mark.parametrize("texts", [[], [""], [" \t", "\u200b"]])
def test_no_text_is_said(texts: list[str]) -> None:
    with pytest.raises(DataError, match=r"no text to train a vocabulary on; check the text columns\.$"):
        train_wordpiece(texts, size=100, lowercase=True)


def test_a_given_vocabulary_keeps_its_ids() -> None:
    words = ("zebra", "[SEP]", "[CLS]", "[PAD]", "##s", "[MASK]", "[UNK]")
    tokenizer = bert_tokenizer({word: i for i, word in enumerate(words)}, lowercase=True, max_length=64)
    assert tokenizer.encode(["Zebras yak"])[0].ids == [2, 0, 4, 6, 1]
    assert (tokenizer.pad_id, tokenizer.mask_id, tokenizer.max_length) == (3, 5, 64)
