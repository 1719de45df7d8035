"""Words looked up: known ones, and unknown ones in buckets that are the same everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.loading import load_tokenizer
from bertkit.tokenization.vocab import Found, Lookup, bert_tokenizer, bucket_of, train_vocabulary

ROOT = Path(__file__).parents[2]
WORDS = ("뷁", "filmz", "Zzyzx", "🙂", "")
IN_ANOTHER_PROCESS = """
import json, sys
from bertkit.tokenization.vocab import bucket_of
print(json.dumps([bucket_of(word, 1000) for word in json.loads(sys.argv[1])]))
"""


def test_a_known_word_has_its_id(tokenizer: Tokenizer) -> None:
    river = tokenizer.backend.token_to_id("river")
    assert Lookup(tokenizer, 10).find(["river"]) == [Found("river", river, oov=False, bucket=None)]


def test_a_word_is_known_in_the_form_the_tokenizer_reads(tokenizer: Tokenizer) -> None:
    (found,) = Lookup(tokenizer, 10).find(["RIVER"])
    assert (found.id, found.oov) == (tokenizer.backend.token_to_id("river"), False)


def test_a_word_of_sentencepiece_needs_no_mark() -> None:
    tokenizer = train_vocabulary(["영화 영화 영화 노래"] * 9, kind="bpe", size=60, lowercase=True)
    (found,) = Lookup(tokenizer).find(["노래"])
    assert tokenizer.backend.id_to_token(found.id) in ("노래", "▁노래")
    assert not found.oov


def test_an_unknown_word_has_an_id_after_the_vocabulary(tokenizer: Tokenizer) -> None:
    for found in Lookup(tokenizer, 7).find(WORDS):
        assert found.oov
        assert found.bucket is not None
        assert 0 <= found.bucket < 7
        assert found.id == tokenizer.vocab_size + found.bucket


def test_without_buckets_it_is_the_unknown_token(tokenizer: Tokenizer) -> None:
    assert Lookup(tokenizer).find(["뷁"]) == [
        Found("뷁", tokenizer.backend.token_to_id("[UNK]"), oov=True, bucket=None)
    ]


def test_a_vocabulary_without_an_unknown_token(tokenizer: Tokenizer) -> None:
    bare = Tokenizer(tokenizer.backend, SpecialTokens(unk=None), 512)
    assert Lookup(bare).unknown_id is None


def test_buckets_come_after_the_highest_id_where_ids_are_left_out() -> None:
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a")
    tokenizer = bert_tokenizer({word: 3 * i for i, word in enumerate(words)}, lowercase=True)
    (found,) = Lookup(tokenizer, 5).find(["b"])
    assert found.id == 16 + int(found.bucket or 0)


def test_the_hash_is_the_published_one() -> None:
    # what `printf 뷁 | b2sum -l 64` prints
    assert bucket_of("뷁", 2**64) == 0xFBD3988D6E957F8E
    assert bucket_of(unicodedata.normalize("NFD", "뷁"), 2**64) == bucket_of("뷁", 2**64)


def test_all_buckets_are_used() -> None:
    assert {bucket_of(f"word{i}", 16) for i in range(400)} == set(range(16))


@pytest.mark.parametrize("seed", ["1", "77"])
def test_another_process_finds_the_same_buckets(seed: str) -> None:
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, json.dumps(WORDS)]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [bucket_of(word, 1000) for word in WORDS]


def test_a_reloaded_vocabulary_finds_the_same_ids(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert Lookup(again, 50).find(WORDS) == Lookup(tokenizer, 50).find(WORDS)
