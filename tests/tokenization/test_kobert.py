"""KoBERT's tokenizer gives the ids of the published algorithm, and places in the user's own text."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sentencepiece

from bertkit.errors import TokenizerError
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.loading import load_tokenizer
from bertkit.tokenization.published import KOBERT_FILE, is_kobert, open_kobert
from bertkit.tokenization.segments import whole_characters
from tests import small_sentencepiece as small

Algorithm = Callable[[str], list[int]]


def published_algorithm(folder: Path) -> Algorithm:
    """What KoBertTokenizer (monologg/KoBERT-Transformers) does, step by step."""
    model = sentencepiece.SentencePieceProcessor(model_proto=(folder / KOBERT_FILE).read_bytes())
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    ids = {token: i for i, token in enumerate(tokens)}
    special = re.compile(f"({'|'.join(map(re.escape, small.SPECIAL))})")

    def clean(text: str) -> str:
        text = " ".join(text.strip().split()).replace("``", '"').replace("''", '"')
        return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))

    def cut(text: str) -> list[str]:
        pieces: list[str] = []
        for piece in model.encode(clean(text), out_type=str):
            if not (len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()):
                pieces.append(piece)
                continue
            number = model.encode(piece[:-1].replace("▁", ""), out_type=str)
            if piece[0] != "▁" and number[0][0] == "▁":
                number = number[1:] if len(number[0]) == 1 else [number[0][1:], *number[1:]]
            pieces += [*number, piece[-1]]
        return pieces

    def encode(text: str) -> list[int]:
        parts = [[part] if part in small.SPECIAL else cut(part) for part in special.split(text)]
        return [2, *(ids.get(piece, 0) for part in parts for piece in part), 3]

    return encode


def different(tokenizer: Tokenizer, algorithm: Algorithm, texts: Sequence[str]) -> list[str]:
    """Return the texts on which ids differ."""
    return [t for t, row in zip(texts, tokenizer.encode(texts), strict=True) if row.ids != algorithm(t)]


def places(tokenizer: Tokenizer, text: str) -> list[str]:
    """Return what each token of a text stands for in it."""
    (row,) = tokenizer.encode([text], with_spans=True)
    return [text[span.start : span.end] for span in whole_characters(row.spans, (text,)) if span.side == 0]


@pytest.fixture(scope="module")
def model() -> bytes:
    return small.train(small.sentences())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, model: bytes) -> Path:
    return small.write_kobert(tmp_path_factory.mktemp("kobert"), model)


@pytest.fixture(scope="module")
def kobert(folder: Path) -> Tokenizer:
    return open_kobert(folder)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def real_data() -> Path:
    root = os.environ.get("BERTKIT_TEST_DATA")
    if not root:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    return Path(root)


@pytest.fixture(scope="module")
def real(real_data: Path) -> Tokenizer:
    return open_kobert(real_data / "kobert_tokenizer")


# --- ids ----------------------------------------------------------------------------------


def test_ids_are_those_of_the_algorithm(kobert: Tokenizer, folder: Path) -> None:
    # What spells a special token is text here, and that token there.
    texts = [text for text in (*small.HARD, *small.sentences(seed=1)) if kobert.plain(text) == text]
    assert different(kobert, published_algorithm(folder), texts) == []


def test_ids_are_the_lines_of_the_vocabulary_and_not_those_of_the_model(kobert: Tokenizer, folder: Path) -> None:
    model = sentencepiece.SentencePieceProcessor(model_proto=(folder / KOBERT_FILE).read_bytes())
    (row,) = kobert.encode(["영화를 추천합니다."])
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    assert [tokens[i] for i in row.ids[1:-1]] == model.encode("영화를 추천합니다.", out_type=str)
    assert row.ids[1:-1] != model.encode("영화를 추천합니다.")


def test_equal_cuts_of_a_run_are_decided_as_sentencepiece_decides(kobert: Tokenizer, folder: Path) -> None:
    texts = small.runs_of_dots(1000)
    assert different(kobert, published_algorithm(folder), texts) == []


def test_a_pair_has_two_segments(kobert: Tokenizer) -> None:
    first, second = (kobert.encode([text])[0].ids for text in ("영화를", "노래가"))
    (pair,) = kobert.encode(["영화를"], ["노래가"])
    assert pair.ids == [*first, *second[1:]]
    assert pair.type_ids == [0] * len(first) + [1] * (len(second) - 1)


def test_special_tokens_and_padding(kobert: Tokenizer) -> None:
    assert [kobert.id_of(token, token) for token in small.SPECIAL] == [0, 1, 2, 3, 4]
    assert (kobert.pad_id, kobert.mask_id, kobert.max_length) == (1, 4, 512)


def test_a_special_token_that_is_typed_is_text_unless_it_is_asked_for(folder: Path) -> None:
    kobert = open_kobert(folder)
    (row,) = kobert.encode(["영화를 [MASK] 봤다"])
    assert row.ids.count(4) == 0
    kobert.reads_control = True
    (row,) = kobert.encode(["영화를 [MASK] 봤다"])
    assert row.ids.count(4) == 1
    assert row.ids[1 : row.ids.index(4)] == kobert.encode(["영화를"])[0].ids[1:-1]
    (plain,) = kobert.encode([kobert.plain("영화를 [MASK] 봤다")])
    assert plain.ids.count(4) == 0


def test_decoding_gives_the_text_back(kobert: Tokenizer) -> None:
    (row,) = kobert.encode(["영화를 가장 추천합니다."])
    assert kobert.backend.decode(row.ids) == "영화를 가장 추천합니다."


# --- places -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("친구는 노래를 좋아해요", ["친구", "는", "노래", "를", "좋아해요"]),
        ("ㅋㅋ", ["ㅋ", "ㅋ", "ㅋ"]),  # the first is "▁", which stands for no character of its own
        ("영화  를", ["영화", "", "를"]),
        ("ＡＢＣ", ["Ａ", "Ａ", "Ｂ", "Ｃ"]),
        ("ﬁ", ["ﬁ", "ﬁ", "ﬁ"]),
    ],
)
def test_places_in_the_text_as_it_was_written(kobert: Tokenizer, text: str, wanted: list[str]) -> None:
    assert places(kobert, text) == wanted


def test_places_in_decomposed_text_are_whole_syllables(kobert: Tokenizer) -> None:
    text = "영화를 추천합니다."
    decomposed = unicodedata.normalize("NFD", text)
    assert kobert.encode([decomposed])[0].ids == kobert.encode([text])[0].ids
    assert [unicodedata.normalize("NFC", place) for place in places(kobert, decomposed)] == places(kobert, text)


def test_places_of_letters_that_are_composed(kobert: Tokenizer) -> None:
    text = "ㅇㅕ름"  # typed letter by letter: the first syllable is two characters
    assert kobert.encode([text])[0].ids == kobert.encode(["여름"])[0].ids
    assert "".join(places(kobert, text)) == text


# --- on disk ------------------------------------------------------------------------------


def test_what_is_saved_gives_the_same_ids_everywhere(kobert: Tokenizer, folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    shutil.copy(folder / "config.json", tmp_path)
    kobert.save(tmp_path)
    texts = [*small.HARD, *small.sentences(seed=1)[:200], *small.runs_of_dots(200)]
    ours = kobert.encode(texts, texts[::-1])
    assert load_tokenizer(tmp_path).encode(texts, texts[::-1]) == ours
    reference = AutoTokenizer.from_pretrained(tmp_path)
    rows = reference(texts, texts[::-1])
    assert type(reference).__name__ == "TokenizersBackend"
    assert rows["input_ids"] == [row.ids for row in ours]
    assert rows["token_type_ids"] == [row.type_ids for row in ours]
    assert (reference.pad_token_id, reference.model_max_length) == (1, 512)


def test_saving_what_was_loaded_writes_the_same_bytes(kobert: Tokenizer, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    kobert.save(tmp_path)
    load_tokenizer(tmp_path).save(again)
    assert (again / "tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_the_merged_model_gives_the_same_ids(kobert: Tokenizer, model: bytes, tmp_path: Path) -> None:
    merged = small.write_merged_kobert(tmp_path, model)
    assert is_kobert(merged)
    texts = [*small.HARD, *small.sentences(seed=1)[:200]]
    assert open_kobert(merged).encode(texts, texts[::-1]) == kobert.encode(texts, texts[::-1])


def test_the_first_form_of_the_vocabulary_is_read(kobert: Tokenizer, copy: Path) -> None:
    tokens = (copy / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    (copy / "vocab.txt").unlink()
    small.write_json(copy / "kobertvocab_f38b8a4d6d.json", idx_to_token=tokens)
    assert open_kobert(copy).encode(["영화를"]) == kobert.encode(["영화를"])


def test_windows_line_ends_are_no_part_of_the_pieces(kobert: Tokenizer, copy: Path) -> None:
    path = copy / "vocab.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert open_kobert(copy).encode(["영화를"]) == kobert.encode(["영화를"])


# --- what is KoBERT, and what is broken ------------------------------------------------------


def test_kobert_is_known_by_its_files(folder: Path, copy: Path, tmp_path: Path) -> None:
    assert is_kobert(folder)
    (copy / "tokenizer.json").write_text("{}")  # what transformers made of it
    assert is_kobert(copy)
    (copy / "config.json").unlink()
    assert is_kobert(copy)
    assert not is_kobert(tmp_path)


def test_other_folders_are_no_kobert(tmp_path: Path, model: bytes) -> None:
    small.write_json(tmp_path / "config.json", model_type="albert", vocab_size=30000, pad_token_id=0)
    (tmp_path / "spiece.model").write_bytes(model)
    assert not is_kobert(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n▁\n영화\n##를\n", encoding="utf-8")
    assert not is_kobert(tmp_path)


def test_a_wordpiece_vocabulary_of_kobert_s_size_is_no_kobert(tmp_path: Path) -> None:
    small.write_json(tmp_path / "config.json", model_type="bert", vocab_size=8002, pad_token_id=1)
    assert is_kobert(tmp_path)  # nothing but the config: KoBERT without its files
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n영화\n##를\n", encoding="utf-8")
    assert not is_kobert(tmp_path)


def test_a_run_that_keeps_kobert_s_config_opens_its_tokenizer_json(kobert: Tokenizer, tmp_path: Path) -> None:
    small.write_json(tmp_path / "config.json", model_type="bert", vocab_size=8002, pad_token_id=1)
    kobert.save(tmp_path)
    assert not is_kobert(tmp_path)


def test_the_missing_model_is_named(copy: Path) -> None:
    (copy / KOBERT_FILE).unlink()
    assert is_kobert(copy)
    with pytest.raises(TokenizerError, match=rf"lacks its SentencePiece model; copy {KOBERT_FILE}.*there\.$") as caught:
        open_kobert(copy)
    assert str(copy) in str(caught.value)


def test_the_missing_vocabulary_is_named(copy: Path) -> None:
    (copy / "vocab.txt").unlink()
    with pytest.raises(TokenizerError, match=r"no vocab\.txt, which gives the ids"):
        open_kobert(copy)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("▁영화\n", "▁연극\n", r"does not belong to the SentencePiece model beside it \(2 pieces"),
        ("▁영화\n", "", r"\(1 pieces"),
        ("▁영화\n", "▁영화\n▁영화\n", "does not belong"),
        ("[MASK]\n", "", r"has no \[MASK\] here"),
    ],
)
def test_files_that_do_not_belong_together(copy: Path, old: str, new: str, said: str) -> None:
    path = copy / "vocab.txt"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TokenizerError, match=said):
        open_kobert(copy)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", b"\xff" * 100])
def test_a_damaged_model_is_said(copy: Path, content: bytes) -> None:
    (copy / KOBERT_FILE).write_bytes(content)
    with pytest.raises(TokenizerError, match=r"is not a SentencePiece model \(.+\); copy it again"):
        open_kobert(copy)


def test_a_model_of_another_kind_is_said(copy: Path) -> None:
    (copy / KOBERT_FILE).write_bytes(small.train(small.sentences(), model_type="bpe"))
    with pytest.raises(TokenizerError, match="is not a unigram model"):
        open_kobert(copy)


# --- the published model ----------------------------------------------------------------------


def test_known_answers(real: Tokenizer) -> None:
    (row,) = real.encode(["한국어 모델을 공유합니다."])
    assert row.ids == [2, 4958, 6855, 2046, 7088, 1050, 7843, 54, 3]
    (pair,) = real.encode(["나 보기가 역겨워"], ["김소월"])
    assert pair.ids == [2, 1370, 2362, 5330, 3322, 5411, 7018, 3, 1316, 6607, 7028, 3]
    assert pair.type_ids == [0] * 8 + [1] * 4
    assert real.backend.token_to_id(".") == 54


def test_known_places(real: Tokenizer) -> None:
    assert places(real, "한국어 모델") == ["한국", "어", "모델"]


def test_film_reviews_have_the_ids_of_the_algorithm(real: Tokenizer, real_data: Path) -> None:
    algorithm = published_algorithm(real_data / "kobert_tokenizer")
    rows = [line.split("\t")[1] for path in sorted((real_data / "nsmc").glob("*.txt")) for line in _lines(path)[1:]]
    assert len(rows) == 25_000
    assert len(different(real, algorithm, rows)) <= len(rows) // 10_000


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def test_every_character_has_the_ids_of_the_algorithm(real: Tokenizer, real_data: Path) -> None:
    algorithm = published_algorithm(real_data / "kobert_tokenizer")
    texts = [f"가{chr(code)}나 a{chr(code)}" for code in range(1, 0xA000)]
    assert different(real, algorithm, texts) == []
    assert different(real, algorithm, [text for text in small.HARD if real.plain(text) == text]) == []
