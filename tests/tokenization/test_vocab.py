"""Vocabularies trained on one's own texts: the same bytes each time, and Korean as well as English."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from bertkit.errors import DataError, UsageError
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.listing import Lister
from bertkit.tokenization.vocab import (
    VOCABULARY_TYPES,
    _counted_words,
    _train,
    bert_tokenizer,
    train_vocabulary,
    train_wordpiece,
)
from tests import small_sentencepiece as small

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
from bertkit.tokenization.vocab import train_vocabulary
texts = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
for kind in ("wordpiece", "bpe", "unigram"):
    folder = Path(sys.argv[2]) / kind
    folder.mkdir(parents=True)
    train_vocabulary(texts, kind=kind, size=180, lowercase=True).save(folder)
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
        command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(texts), str(tmp_path / seed)]
        workers.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}))
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    for kind in VOCABULARY_TYPES:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            first, second = ((tmp_path / seed / kind / name).read_bytes() for seed in ("1", "77"))
            assert first == second, (kind, name)


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


# --- BPE and unigram, by SentencePiece's trainer -------------------------------------------------

SENTENCEPIECE = ("bpe", "unigram")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return small.sentences()


@pytest.fixture(scope="module", params=SENTENCEPIECE)
def trained(request: pytest.FixtureRequest, texts: list[str]) -> Tokenizer:
    return train_vocabulary(texts, kind=request.param, size=260, lowercase=False)


@pytest.mark.parametrize("kind", SENTENCEPIECE)
def test_ids_are_those_sentencepiece_itself_gives(kind: str, texts: list[str]) -> None:
    import sentencepiece

    content = _train(_counted_words(texts, False), kind, 260)
    own = sentencepiece.SentencePieceProcessor(model_proto=content)
    tokenizer = train_vocabulary(texts, kind=kind, size=260, lowercase=False)
    for text in (*texts, "ＡＢＣ를 샀다", "처음 보는 말입니다"):
        assert tokenizer.encode([text])[0].ids[1:-1] == own.encode(text), text


def test_the_first_ids_are_berts(trained: Tokenizer) -> None:
    wanted = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [trained.backend.id_to_token(i) for i in range(5)] == wanted
    assert trained.vocab_size <= 260
    row = trained.encode(["책을"], ["영화를"])[0]
    assert row.ids[0] == 2
    assert row.ids.count(3) == 2
    assert row.ids[-1] == 3
    assert row.type_ids[-1] == 1


def test_decomposed_and_wide_characters_are_the_same_words(trained: Tokenizer, texts: list[str]) -> None:
    for text in texts[:50]:
        ids = trained.encode([text])[0].ids
        assert trained.encode([unicodedata.normalize("NFD", text)])[0].ids == ids
    wide, narrow = trained.encode(["ＤＶＤ를", "DVD를"])
    assert wide.ids == narrow.ids


def test_spans_lie_where_the_pieces_are(trained: Tokenizer) -> None:
    text = "  영화를   추천합니다. "
    (listing,) = Lister(trained).table([text])
    words = [token for token in listing.tokens if token.side == 0]
    assert [token.text for token in words] == [token.token.removeprefix("▁") for token in words]
    assert all(text[token.start : token.end] == token.text for token in words)


@pytest.mark.parametrize("kind", SENTENCEPIECE)
def test_case_is_dropped_or_kept(kind: str) -> None:
    texts = ["Apple apple Apple apple ＡＰＰＬＥ"] * 5
    lower = train_vocabulary(texts, kind=kind, size=60, lowercase=True)
    cased = train_vocabulary(texts, kind=kind, size=60, lowercase=False)
    first, second, third = lower.encode(["Apple", "apple", "ＡＰＰＬＥ"])
    assert first.ids == second.ids == third.ids
    assert not any(piece != piece.lower() for piece in lower.backend.get_vocab() if piece not in lower.special.present)
    upper, small_letters = cased.encode(["Apple", "apple"])
    assert upper.ids != small_letters.ids


@pytest.mark.parametrize("kind", VOCABULARY_TYPES)
def test_transformers_gives_the_same_ids(kind: str, texts: list[str], tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = train_vocabulary(texts, kind=kind, size=300, lowercase=True)
    tokenizer.save(tmp_path)
    reference = AutoTokenizer.from_pretrained(str(tmp_path))
    rows = [*texts[:100], *small.HARD]
    assert reference(rows)["input_ids"] == [row.ids for row in tokenizer.encode(rows)]
    pair = reference("책을", "노래를 부른다")
    own = tokenizer.encode(["책을"], ["노래를 부른다"])[0]
    assert (pair["input_ids"], pair["token_type_ids"]) == (own.ids, own.type_ids)


@pytest.mark.parametrize("kind", VOCABULARY_TYPES)
def test_a_size_without_room_for_the_characters_is_refused_with_the_room_they_take(kind: str, texts: list[str]) -> None:
    with pytest.raises(
        DataError, match=r"^20 pieces are too few: .* alone take (\d+); raise --size above it\.$"
    ) as error:
        train_vocabulary(texts, kind=kind, size=20, lowercase=True)
    least = int(str(error.value).split("take ")[1].split(";")[0])
    assert train_vocabulary(texts, kind=kind, size=least + 1, lowercase=True).vocab_size <= least + 1


@pytest.mark.parametrize("kind", SENTENCEPIECE)
@pytest.mark.parametrize("texts", [[], [" \t"], ["\u200b"], ["▅"]])
def test_sentencepiece_has_nothing_to_learn(kind: str, texts: list[str]) -> None:
    with pytest.raises(DataError, match=r"in these texts|no text to train"):
        train_vocabulary(texts, kind=kind, size=100, lowercase=True)


def test_a_very_long_text_is_learnt_from_whole() -> None:
    words = [f"낱말{chr(0xAC00 + i)}" for i in range(60)]
    tokenizer = train_vocabulary([" ".join(words * 40)], kind="bpe", size=400, lowercase=True)
    unknown = tokenizer.id_of("[UNK]", "unknown")
    assert all(unknown not in row.ids for row in tokenizer.encode(words))


def test_an_unknown_type_is_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match="wordpiece, bpe, unigram"):
        train_vocabulary(["a"], kind="byte", size=100, lowercase=True)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_long_lines_without_spaces_are_learnt_from(kind: str) -> None:
    line = "바람이불고비가오는날에는집에서책을읽는다" * 300
    tokenizer = train_vocabulary([line, line[::-1], "짧은 줄"], kind=kind, size=120, lowercase=False)
    assert set("바람책읽는다짧") <= {character for piece in tokenizer.backend.get_vocab() for character in piece}
