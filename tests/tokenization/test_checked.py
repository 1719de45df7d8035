"""A tokenizer.json is looked at before the library reads it."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bertkit.errors import TokenizerError
from bertkit.kinds import MisfitError
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.loading import check_character_map, check_tokenizer, load_tokenizer
from bertkit.tokenization.vocab import train_vocabulary

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def stored(tokenizer: Tokenizer) -> dict[str, Any]:
    return json.loads(tokenizer.backend.to_str())


@pytest.fixture(scope="module")
def bpe(sentences: list[str]) -> dict[str, Any]:
    return json.loads(train_vocabulary(sentences, kind="bpe", size=350, lowercase=True).backend.to_str())


@pytest.fixture(scope="module")
def unigram(sentences: list[str]) -> dict[str, Any]:
    return json.loads(train_vocabulary(sentences, kind="unigram", size=90, lowercase=True).backend.to_str())


def said_of(values: dict[str, Any], change: Change) -> str:
    changed = copy.deepcopy(values)
    change(changed)
    with pytest.raises(MisfitError) as caught:
        check_tokenizer(changed)
    return str(caught.value)


def test_what_the_library_writes_passes(stored: dict[str, Any], bpe: dict[str, Any], unigram: dict[str, Any]) -> None:
    for values in (stored, bpe, unigram):
        check_tokenizer(values)
    old = copy.deepcopy(stored)
    del old["model"]["type"]  # as the library wrote it in its first years
    check_tokenizer(old)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(model=[]), "model is [] and should be an object"),
        (lambda v: v["model"].update(type="Magic"), 'model.type is "Magic"'),
        (lambda v: v["model"].update(vocab=["a"]), "model.vocab is"),
        (lambda v: v["model"]["vocab"].update(the="7"), 'gives "the" the id "7"'),
        (lambda v: v["model"]["vocab"].update(the=True), 'gives "the" the id true'),
        (lambda v: v["model"]["vocab"].update(the=-1), 'gives "the" the id -1'),
        (lambda v: v["model"]["vocab"].update(the=7.5), 'gives "the" the id 7.5'),
        (lambda v: v["model"]["vocab"].update(the=v["model"]["vocab"]["a"]), "gives one id to two pieces"),
        (lambda v: v["model"]["vocab"].update(the=4_000_000_000), "one of them the id 4,000,000,000"),
        (lambda v: v["model"]["vocab"].pop("[UNK]"), 'unk_token is "[UNK]", which is not a piece'),
        (lambda v: v["model"].update(unk_token=["[UNK]"]), "unk_token is"),
        (lambda v: v["added_tokens"][0].update(id=77), "has the id 77, and in the vocabulary 0"),
        (lambda v: v["added_tokens"].append({"id": 3, "content": "new"}), 'token "new" has the id 3, which is another'),
        (lambda v: v["added_tokens"].append({"id": None, "content": "new"}), 'token "new" has the id null'),
        (lambda v: v["post_processor"]["special_tokens"].pop("[SEP]"), "post_processor.single[2] is"),
        (lambda v: v["post_processor"]["special_tokens"]["[CLS]"].update(ids=[9_999]), "special_tokens.[CLS] is"),
        (lambda v: v["post_processor"]["special_tokens"]["[CLS]"].update(ids=[]), "has 1 tokens and 0 ids"),
        (lambda v: v["post_processor"]["single"][1]["Sequence"].update(id="B"), "post_processor.single[1] is"),
        (lambda v: v.update(post_processor={"sep": ["[SEP]", 0], "cls": ["[CLS]", 2]}), 'sep is ["[SEP]", 0]'),
    ],
)  # fmt: skip
def test_parts_that_do_not_go_together_are_named(stored: dict[str, Any], change: Change, said: str) -> None:
    assert said in said_of(stored, change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["merges"].append(["t", "nowhere"]), 'is ["t", "nowhere"], which is not a pair of pieces'),
        (lambda m: m["merges"].append("onepiece"), "which is not a pair of pieces"),
        (lambda m: m["merges"].append(2 * [min(m["vocab"])]), "the vocabulary lacks what it makes"),
        (lambda m: m.update(continuing_subword_prefix=1), "continuing_subword_prefix is 1 and should be text"),
        (lambda m: m.update(merges={}), "merges is {} and should be a list"),
    ],
)
def test_merges_need_their_pieces(bpe: dict[str, Any], change: Change, said: str) -> None:
    assert said in said_of(bpe, lambda v: change(v["model"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(unk_id=None), "unk_id is null"),
        (lambda m: m.update(unk_id=10_000), "unk_id is 10000"),
        (lambda m: m["vocab"].__setitem__(5, ["a", None]), 'the score of "a" is null'),
        (lambda m: m["vocab"].__setitem__(5, ["a", float("nan")]), 'the score of "a" is NaN'),
        (lambda m: m["vocab"].__setitem__(5, "a"), "model.vocab[5] is"),
    ],
)
def test_a_unigram_model_needs_scores_and_what_stands_for_unknown(
    unigram: dict[str, Any], change: Change, said: str
) -> None:
    assert said in said_of(unigram, lambda v: change(v["model"]))


def characters(*units: int, place: int = 0, texts: bytes = b"a\0") -> bytes:
    """A map of a block of 256 steps, all unused but for some from `place` on."""
    table = [*[0] * place, *units, *[0] * (256 - place - len(units))]
    return struct.pack("<I", 4 * len(table)) + struct.pack(f"<{len(table)}I", *table) + texts


def test_a_map_of_characters_leads_from_step_to_step_and_to_a_text() -> None:
    check_character_map(characters())
    check_character_map(characters(0x100 | 1 << 10, 0x80000000))  # a way that ends at once, at the first text
    for content, said in (
        (characters()[:-600], "a table that is not there"),
        (characters(texts=b"\xff"), "a text that is not UTF-8"),
        # Of steps that no character leads to.
        (characters(300 << 10 | 1, place=200), "a step that leads nowhere"),
        (characters(0x100 | 1 << 10 | 1, 0x80000000 | 9, place=200), "a way that ends in no text"),
    ):
        with pytest.raises(MisfitError, match=said):
            check_character_map(content)


def test_a_file_is_refused_with_its_name_before_it_is_used(stored: dict[str, Any], tmp_path: Path) -> None:
    changed = copy.deepcopy(stored)
    changed["added_tokens"].append({**stored["added_tokens"][0], "content": "[NEW]", "id": 5_000})
    (tmp_path / "tokenizer.json").write_text(json.dumps(changed))
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: the added token .* is not the next; copy it again\.$"):
        load_tokenizer(tmp_path)


def test_the_table_of_a_model_needs_a_row_for_the_highest_id(stored: dict[str, Any], tmp_path: Path) -> None:
    changed = copy.deepcopy(stored)
    count = len(changed["model"]["vocab"])
    changed["model"]["vocab"]["rare"] = count + 100
    (tmp_path / "tokenizer.json").write_text(json.dumps(changed))
    assert load_tokenizer(tmp_path).vocab_size == count + 101
