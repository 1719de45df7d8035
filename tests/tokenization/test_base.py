"""The tokenizer around the Rust library: rows, cutting, spans, and what lies on disk."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from bertkit.errors import TokenizerError
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.loading import load_tokenizer
from bertkit.tokenization.segments import Span
from bertkit.tokenization.vocab import train_wordpiece

TEXTS = ["The cat sees a red ball.", "", "music", "A small bird follows the river, the tall tree, and the train!"]
PAIRS = ["my sister", "a dog buys some bread.", "", "An apple"]


@pytest.fixture
def saved(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    tokenizer.reads_control = False  # tests of tasks share the tokenizer, and some of them set it
    tokenizer.save(tmp_path)
    return tmp_path


def edit(path: Path, **changes: object) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **changes}), encoding="utf-8")


# --- rows ---------------------------------------------------------------------------------


def test_single_rows_are_framed(tokenizer: Tokenizer) -> None:
    cls, sep = (tokenizer.id_of(token, token) for token in ("[CLS]", "[SEP]"))
    for encoding in tokenizer.encode(TEXTS):
        assert (encoding.ids[0], encoding.ids[-1]) == (cls, sep)
        assert encoding.ids.count(sep) == 1
        assert set(encoding.type_ids) == {0}
        assert len(encoding.type_ids) == len(encoding.ids) == encoding.n_tokens
        assert not encoding.truncated


def test_pairs_have_two_segments(tokenizer: Tokenizer) -> None:
    sep = tokenizer.id_of("[SEP]", "separator")
    for encoding in tokenizer.encode(TEXTS, PAIRS):
        assert encoding.ids.count(sep) == 2
        length_of_first = encoding.ids.index(sep) + 1
        rest = len(encoding.ids) - length_of_first
        assert encoding.type_ids == [0] * length_of_first + [1] * rest


def test_a_row_does_not_depend_on_its_neighbours(tokenizer: Tokenizer) -> None:
    together = tokenizer.encode(TEXTS, PAIRS)
    alone = [tokenizer.encode([text], [pair])[0] for text, pair in zip(TEXTS, PAIRS, strict=True)]
    assert together == alone


def test_no_rows(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode([]) == []


def test_pairs_must_be_as_many_as_texts(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="shorter"):
        tokenizer.encode(["a", "b"], ["c"])


def test_a_long_single_row_is_cut_at_its_end(tokenizer: Tokenizer) -> None:
    full = tokenizer.encode([TEXTS[3]])[0]
    (cut,) = tokenizer.encode([TEXTS[3]], max_length=8)
    assert cut.ids == [*full.ids[:7], full.ids[-1]]
    assert (cut.n_tokens, cut.truncated) == (full.n_tokens, True)


def test_a_row_of_just_the_length_is_not_cut(tokenizer: Tokenizer) -> None:
    full = tokenizer.encode([TEXTS[3]])[0]
    exact, shorter = (tokenizer.encode([TEXTS[3]], max_length=full.n_tokens - less)[0] for less in (0, 1))
    assert (exact, exact.truncated) == (full, False)
    assert (len(shorter.ids), shorter.n_tokens, shorter.truncated) == (full.n_tokens - 1, full.n_tokens, True)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(12, 2, (5, 2)), (2, 12, (2, 5)), (12, 12, (4, 3)), (5, 4, (4, 3))],
)
def test_the_longer_side_is_cut_first(tokenizer: Tokenizer, first: int, second: int, kept: tuple[int, int]) -> None:
    cat, dog = (tokenizer.encode([word])[0].ids[1] for word in ("cat", "dog"))
    (row,) = tokenizer.encode(["cat " * first], ["dog " * second], max_length=10)
    sides = row.ids.count(cat), row.ids.count(dog)
    # Of two sides that are both too long either may keep the odd token.
    assert sides == kept or (min(first, second) > 3 and sides == kept[::-1])
    assert (len(row.ids), row.n_tokens, row.truncated) == (10, first + second + 3, True)


def test_cutting_one_row_leaves_the_others_and_the_tokenizer_alone(tokenizer: Tokenizer) -> None:
    rows = tokenizer.encode(TEXTS, max_length=8)
    full = tokenizer.encode(TEXTS)
    assert [row.truncated for row in rows] == [full_row.n_tokens > 8 for full_row in full]
    assert [row for row in rows if not row.truncated] == [row for row in full if row.n_tokens <= 8]
    assert [row.n_tokens for row in rows] == [len(row.ids) for row in full]
    assert tokenizer.backend.truncation is None


# --- spans --------------------------------------------------------------------------------


def test_spans_name_side_and_characters(tokenizer: Tokenizer) -> None:
    (row,) = tokenizer.encode(["The  cat"], ["a dog."], with_spans=True)
    wanted = [(-1, 0, 0), (0, 0, 3), (0, 5, 8), (-1, 0, 0), (1, 0, 1), (1, 2, 5), (1, 5, 6), (-1, 0, 0)]
    assert row.spans == tuple(Span(*place) for place in wanted)


def test_spans_point_into_the_text_as_it_was_written(tokenizer: Tokenizer) -> None:
    text = "Cafe\u0301 cat"  # the é is two characters here, and one to the vocabulary
    (row,) = tokenizer.encode([text], with_spans=True)
    assert text[row.spans[-2].start : row.spans[-2].end] == "cat"


def test_spans_change_no_id(tokenizer: Tokenizer) -> None:
    plain, placed = (tokenizer.encode(TEXTS, PAIRS, max_length=9, with_spans=w) for w in (False, True))
    assert [(e.ids, e.type_ids, e.n_tokens) for e in plain] == [(e.ids, e.type_ids, e.n_tokens) for e in placed]
    assert [len(e.spans) for e in placed] == [len(e.ids) for e in placed]
    assert all(e.spans == () for e in plain)


# --- on disk ------------------------------------------------------------------------------


def test_what_is_saved_comes_back(tokenizer: Tokenizer, saved: Path) -> None:
    loaded = load_tokenizer(saved)
    assert loaded.special == tokenizer.special
    assert loaded.special_ids == tokenizer.special_ids
    assert (loaded.max_length, loaded.vocab_size) == (tokenizer.max_length, tokenizer.vocab_size)
    assert loaded.encode(TEXTS, PAIRS, max_length=9) == tokenizer.encode(TEXTS, PAIRS, max_length=9)


def test_saving_what_was_loaded_writes_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    load_tokenizer(saved).save(again)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (again / name).read_bytes() == (saved / name).read_bytes()


def test_autotokenizer_reads_it_alike(tokenizer: Tokenizer, saved: Path) -> None:
    from transformers import AutoTokenizer

    reference = AutoTokenizer.from_pretrained(saved)
    for pairs in (None, PAIRS):
        ours = tokenizer.encode(TEXTS, pairs)
        rows = reference(TEXTS, pairs)
        assert rows["input_ids"] == [e.ids for e in ours]
        assert rows["token_type_ids"] == [e.type_ids for e in ours]
    cut = reference(TEXTS, PAIRS, truncation=True, max_length=9)
    assert cut["input_ids"] == [e.ids for e in tokenizer.encode(TEXTS, PAIRS, max_length=9)]
    assert reference.model_max_length == tokenizer.max_length
    assert (reference.pad_token, reference.mask_token, reference.unk_token) == ("[PAD]", "[MASK]", "[UNK]")
    assert reference.pad_token_id == tokenizer.pad_id


def test_autotokenizer_keeps_accents_syllables_and_case(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    texts = ["Café cafe CAFÉ", "영화가 정말 재미있었다.", unicodedata.normalize("NFD", "영화는 Café")]
    for lowercase in (True, False):
        ours = train_wordpiece(texts * 3, size=200, lowercase=lowercase)
        ours.save(tmp_path)
        reference = AutoTokenizer.from_pretrained(tmp_path)
        assert reference(texts)["input_ids"] == [e.ids for e in ours.encode(texts)]
        assert ours.backend.token_to_id("[UNK]") not in reference(texts[0])["input_ids"]


def test_truncation_and_padding_stored_in_the_file_are_switched_off(tokenizer: Tokenizer, saved: Path) -> None:
    backend = Backend.from_file(str(saved / "tokenizer.json"))
    backend.enable_truncation(6)
    backend.enable_padding(length=12)
    backend.save(str(saved / "tokenizer.json"))
    assert len(Backend.from_file(str(saved / "tokenizer.json")).encode(TEXTS[3]).ids) == 12
    assert load_tokenizer(saved).encode(TEXTS) == tokenizer.encode(TEXTS)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json there; give a folder that has one") as caught:
        load_tokenizer(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b""),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"\xff\xfe\x00"),
        ("tokenizer_config.json", b"{"),
        ("tokenizer_config.json", b"[]"),
        ("tokenizer_config.json", b'{"model_max_length": -1}'),
    ],
)
def test_damaged_files_are_said(saved: Path, name: str, content: bytes) -> None:
    (saved / name).write_bytes(content)
    with pytest.raises(TokenizerError, match=rf"{name}: .+; copy it again\.$") as caught:
        load_tokenizer(saved)
    assert str(saved) in str(caught.value)


def test_a_half_copied_file_is_said(saved: Path) -> None:
    path = saved / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: is not JSON \(.+\); copy it again"):
        load_tokenizer(saved)


def test_without_a_config_the_usual_names_are_taken(tokenizer: Tokenizer, saved: Path) -> None:
    (saved / "tokenizer_config.json").unlink()
    loaded = load_tokenizer(saved)
    assert loaded.special == tokenizer.special
    assert loaded.max_length == 512


def test_names_with_flags_are_read(saved: Path) -> None:
    edit(saved / "tokenizer_config.json", pad_token={"content": "[PAD]", "lstrip": False, "__type": "AddedToken"})
    assert load_tokenizer(saved).special.pad == "[PAD]"


def test_a_length_without_bound_is_bounded(saved: Path) -> None:
    edit(saved / "tokenizer_config.json", model_max_length=1e30)  # what transformers writes for "none"
    assert load_tokenizer(saved).max_length == 2**20


def test_a_missing_special_token_is_said_when_it_is_needed() -> None:
    backend = Backend(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    bare = Tokenizer(backend, SpecialTokens("<unk>", pad=None, cls=None, sep=None, mask="<mask>"), 16)
    assert bare.encode(["a b"])[0].ids == [1, 0]
    assert bare.special_ids == {0}
    assert bare.pad_id == 0  # it is masked, so any will do
    with pytest.raises(TokenizerError, match=r"no mask token; take one that has"):
        _ = bare.mask_id
