"""Special tokens that people type are text; those that a task needs are read as such."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from bertkit.data.records import ColumnMap, Example
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.masked_lm import MaskedLMTask
from bertkit.tasks.sequence import SequenceTask
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.health import check_fit, examine
from bertkit.tokenization.loading import load_tokenizer

TYPED = "the cat [SEP] a dog [PAD] [MASK] likes [CLS] music [UNK]"


@pytest.fixture
def own(tokenizer: Tokenizer, tmp_path: Path) -> Tokenizer:
    """A copy that a test may change."""
    (tmp_path / "own").mkdir()
    tokenizer.save(tmp_path / "own")
    return load_tokenizer(tmp_path / "own")


def special_in(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    named = {tokenizer.backend.token_to_id(token): token for token in tokenizer.special.present}
    return [named[i] for i in ids if i in named and named[i] != "[UNK]"]


def test_what_is_typed_is_text(own: Tokenizer) -> None:
    (row,) = own.encode([TYPED])
    assert special_in(own, list(row.ids)) == ["[CLS]", "[SEP]"]
    (pair,) = own.encode([TYPED], [TYPED])
    assert special_in(own, list(pair.ids)) == ["[CLS]", "[SEP]", "[SEP]"]


def test_transformers_reads_what_is_saved_alike(own: Tokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    (tmp_path / "saved").mkdir()
    own.save(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    reference = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert reference([TYPED])["input_ids"] == [own.encode([TYPED])[0].ids]


def unigram() -> Tokenizer:
    """A vocabulary that has the names of its special tokens as pieces, which score best of all."""
    pieces = [("<pad>", 0.0), ("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁", -2.0)]
    backend = Backend(models.Unigram([*pieces, *((letter, -3.0) for letter in "<>(/absk")], unk_id=1))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.add_special_tokens(["<pad>", "<unk>", "<s>", "</s>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return Tokenizer(backend, SpecialTokens("<unk>", "<pad>", "<s>", "</s>", None), 64)


def test_pieces_that_spell_a_special_token_are_not_matched_and_places_stay(tmp_path: Path) -> None:
    own = unigram()
    (row,) = own.encode(["a <s>b</s> a"], with_spans=True)
    assert special_in(own, list(row.ids)) == ["<s>", "</s>"]
    assert [(span.start, span.end) for span in row.spans if span.side == 0][-1] == (11, 12)
    own.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.encode(["a <s>b</s> a"])[0].ids == row.ids
    (tmp_path / "twice").mkdir()
    again.save(tmp_path / "twice")
    assert (tmp_path / "twice" / "tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def example(**texts: str) -> Example:
    return Example(texts=tuple(texts.values()), label="x", source="rows.tsv", line=2)


def test_columns_are_still_parted_by_a_separator_of_their_own(own: Tokenizer) -> None:
    columns = ColumnMap(text=("title", "body"), label="label")
    task = SequenceTask(TaskSettings(task="classify", columns=columns, labels=("x", "y"), max_length=64), own)
    (row,) = task.encode([example(title="the cat [SEP] sees", body="a dog")])
    assert special_in(own, list(row.parts[0].ids)) == ["[CLS]", "[SEP]", "[SEP]"]  # its own, and the closing one


def test_masks_are_read_by_the_task_that_fills_them_and_nothing_else_is(own: Tokenizer) -> None:
    settings = TaskSettings(task="mlm", columns=ColumnMap(text=("text",), label=None), max_length=64)
    (row,) = MaskedLMTask(settings, own).encode([example(text="the [SEP] cat [MASK] music")])
    assert special_in(own, list(row.parts[0].ids)) == ["[CLS]", "[MASK]", "[SEP]"]


# --- encoders whose tokenizers name other tokens, or none ---------------------------------


def letters(folder: Path, template: str | None, **names: str) -> Tokenizer:
    """A tokenizer of single letters, framed as asked."""
    vocabulary = {token: i for i, token in enumerate(("<|begin|>", "<|end|>", *"abcdef"))}
    backend = Backend(models.WordLevel(vocabulary, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(["<|begin|>", "<|end|>"])
    if template:
        backend.post_processor = processors.TemplateProcessing(
            single=template, pair=None, special_tokens=[("<|begin|>", 0), ("<|end|>", 1)]
        )
    folder.mkdir()
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64, **names}))
    return load_tokenizer(folder)


def test_tokens_named_after_a_decoders_stand_for_the_first_and_the_separator(tmp_path: Path) -> None:
    names = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}
    both = letters(tmp_path / "both", "<|begin|> $A <|end|>", **names)
    assert (both.special.cls, both.special.sep, both.pad_id) == ("<|begin|>", "<|end|>", 1)
    assert check_fit(both, ["b c", "d"]) == ()
    first = letters(tmp_path / "first", "<|begin|> $A", **names)
    assert (first.special.cls, first.special.sep) == ("<|begin|>", None)
    assert check_fit(first, ["b c", "d"]) == ()
    neither = letters(tmp_path / "neither", None, **names)
    assert (neither.special.cls, neither.special.sep) == (None, None)
    assert examine(neither, ["b c", "d"]).faults == ()
    assert neither.encode(["b c"])[0].ids == [3, 4]


def test_an_end_of_text_that_stands_nowhere_is_no_separator_not_in_a_run_either(tmp_path: Path) -> None:
    backend = Backend(models.WordLevel({token: i for i, token in enumerate(("<s>", "</s>", *"abc"))}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", pair=None, special_tokens=[("<s>", 0)])
    backend.save(str(tmp_path / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", **names}))
    read = load_tokenizer(tmp_path)
    (tmp_path / "run").mkdir()
    read.save(tmp_path / "run")
    for own in (read, load_tokenizer(tmp_path / "run")):
        assert (own.special.cls, own.special.sep) == ("<s>", None)
        assert check_fit(own, ["b c", "c"]) == ()


# --- control tokens that nothing marks, that cleaned text spells, or that have no name ----------


def chat(folder: Path, *, mark: bool = True, **config: object) -> Tokenizer:
    """A WordPiece vocabulary with tokens of a chat; unmarked, its special tokens are pieces and no more."""
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<|im_start|>")
    backend = Backend(
        models.WordPiece({token: i for i, token in enumerate((*names, *"abc[]<>|_("))}, unk_token="[UNK]")
    )
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if mark:
        backend.add_special_tokens([AddedToken(name, normalized=True, special=True) for name in names])
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir()
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64, **config}))
    return load_tokenizer(folder)


@pytest.mark.parametrize("mark", [True, False])
def test_no_spelling_of_a_control_token_is_one_and_a_task_still_has_its_own(mark: bool, tmp_path: Path) -> None:
    own = chat(tmp_path / "chat", mark=mark, additional_special_tokens=["<|im_start|>"])
    assert set(own.control) == {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<|im_start|>"}
    typed = "a <|im_start|> [SEP] [sep] [PAD] [pad] b"
    assert not {0, 3, 4, 5} & set(own.encode([typed])[0].ids[1:-1])
    own.reads_control = True
    assert not {0, 3, 4, 5} & set(own.encode([own.plain(typed)])[0].ids[1:-1])
    assert own.encode(["a [MASK] b [SEP] c"])[0].ids == [2, 6, 4, 7, 3, 8, 3]


def test_a_mask_may_be_written_as_the_tokenizer_calls_it(tmp_path: Path) -> None:
    vocabulary = {token: i for i, token in enumerate(("<|begin|>", "<|end|>", "<|mask|>", *"abcdef"))}
    backend = Backend(models.WordLevel(vocabulary, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(["<|begin|>", "<|end|>", "<|mask|>"])
    own = Tokenizer(backend, SpecialTokens(None, None, "<|begin|>", "<|end|>", "<|mask|>"), 64)
    settings = TaskSettings(task="mlm", columns=ColumnMap(text=("text",), label=None), max_length=64)
    texts = ("a [MASK] b", "a <mask> b", "a <|mask|> b")
    rows = MaskedLMTask(settings, own).encode([example(text=text) for text in texts])
    assert [list(row.parts[0].ids) for row in rows] == [[3, 2, 4]] * 3
