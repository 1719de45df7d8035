"""DeBERTa's tokenizer cuts as its SentencePiece model does, compatibility characters included."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece
from tokenizers import normalizers

from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.loading import load_tokenizer
from bertkit.tokenization.published import fix_characters, open_deberta
from bertkit.tokenization.segments import whole_characters
from bertkit.tokenization.vocab import bert_tokenizer
from tests import small_sentencepiece as small

COMPATIBLE = ("ＡＢＣ를 ＤＶＤ를", "㈜회사를", "ﬁ를", "２０１９년에", "ㅎㅏㄱㅛ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.write_deberta(tmp_path_factory.mktemp("deberta"), small.sentences())


@pytest.fixture(scope="module")
def deberta(folder: Path) -> Tokenizer:
    return open_deberta(folder, {}, 512)


def raw(folder: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=(folder / "spm.model").read_bytes())


def test_pieces_are_those_of_sentencepiece(deberta: Tokenizer, folder: Path) -> None:
    model = raw(folder)
    texts = [t for t in (*COMPATIBLE, *small.HARD, *small.sentences(seed=1), *small.runs_of_dots(300)) if "[" not in t]
    for text, row in zip(texts, deberta.encode(texts), strict=True):
        assert row.ids == [1, *model.encode(text), 2], text


@pytest.mark.parametrize("text", COMPATIBLE)
def test_compatibility_characters_are_known_and_have_places(deberta: Tokenizer, text: str) -> None:
    (row,) = deberta.encode([text], with_spans=True)
    assert 3 not in row.ids
    spans = whole_characters(row.spans, (text,))
    assert {i for span in spans for i in range(span.start, span.end)} == {i for i, c in enumerate(text) if c != " "}


def test_special_tokens_have_the_ids_transformers_gives_them(deberta: Tokenizer, folder: Path) -> None:
    small.message_class()
    from transformers import DebertaV2Tokenizer

    reference = DebertaV2Tokenizer.from_pretrained(folder)
    ids = {name: deberta.id_of(name, name) for name in ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")}
    assert ids == {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "[MASK]": raw(folder).get_piece_size()}
    assert ids == {name: reference.convert_tokens_to_ids(name) for name in ids}
    assert deberta.vocab_size == len(reference)
    pairs = [[t for t in small.sentences(seed=seed) if "ㅋ" not in t][:50] for seed in (1, 2)]
    ours, rows = deberta.encode(*pairs), reference(*pairs)
    # Sorted: among equal cuts, transformers does not decide as SentencePiece does.
    assert [sorted(ids) for ids in rows["input_ids"]] == [sorted(row.ids) for row in ours]
    assert rows["token_type_ids"] == [row.type_ids for row in ours]


def test_bytes_stand_for_what_no_piece_covers(tmp_path: Path) -> None:
    folder = small.write_deberta(
        tmp_path, small.sentences(), byte_fallback=True, vocab_size=600, hard_vocab_limit=False
    )
    model = raw(folder)
    for text in ("좋다👍🏽 뷁", "映画"):
        assert open_deberta(folder, {}, 512).encode([text])[0].ids == [1, *model.encode(text), 2]


def test_pieces_that_users_defined_stay_whole(tmp_path: Path) -> None:
    folder = small.write_deberta(tmp_path, small.sentences(), user_defined_symbols=["<url>"])
    (row,) = open_deberta(folder, {}, 512).encode(["영화를<url>"])
    assert raw(folder).piece_to_id("<url>") in row.ids


def test_settings_of_the_folder_count(folder: Path, deberta: Tokenizer) -> None:
    lower = open_deberta(folder, {"do_lower_case": True}, 512)
    assert lower.encode(["ABC"]) == deberta.encode(["abc"]) != deberta.encode(["ABC"])
    split = open_deberta(folder, {"split_by_punct": True}, 512)
    assert split.encode(["영화..."])[0].ids.count(deberta.id_of(".", ".")) == 3


def test_what_is_saved_gives_the_same_ids_everywhere(deberta: Tokenizer, folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    small.write_json(tmp_path / "config.json", model_type="deberta-v2")
    deberta.save(tmp_path)
    texts = [*COMPATIBLE, *small.HARD]
    ids = [row.ids for row in deberta.encode(texts)]
    assert [row.ids for row in load_tokenizer(tmp_path).encode(texts)] == ids
    assert AutoTokenizer.from_pretrained(tmp_path)(texts)["input_ids"] == ids


def test_what_transformers_stored_is_mended(deberta: Tokenizer, folder: Path, tmp_path: Path) -> None:
    small.message_class()
    from transformers import DebertaV2Tokenizer

    DebertaV2Tokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    stored = load_tokenizer(tmp_path)
    assert 3 in stored.encode(["ＡＢＣ"])[0].ids
    fix_characters(stored.backend)
    assert [row.ids for row in stored.encode(COMPATIBLE)] == [row.ids for row in deberta.encode(COMPATIBLE)]


def test_what_needs_no_mending_is_left_alone(deberta: Tokenizer) -> None:
    words = bert_tokenizer({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5}, lowercase=False)
    for tokenizer in (deberta, words):
        before = tokenizer.backend.to_str()
        fix_characters(tokenizer.backend)
        assert tokenizer.backend.to_str() == before


def test_a_tokenizer_without_normalizer_is_mended(folder: Path) -> None:
    bare = open_deberta(folder, {}, 512)
    bare.backend.normalizer = normalizers.Sequence([])
    assert 3 in bare.encode(["ＡＢＣ"])[0].ids
    fix_characters(bare.backend)
    assert 3 not in bare.encode(["ＡＢＣ"])[0].ids
