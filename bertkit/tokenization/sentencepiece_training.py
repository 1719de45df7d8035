"""Train BPE and unigram vocabularies with SentencePiece, and make fast tokenizers of them.

Sennrich et al. 2016 and Kudo 2018. The trainer is handed each word once with its count: no
text is too long for it, and memory grows with the number of different words only. The result
is a tokenizer.json; SentencePiece is not needed to read it.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers

from bertkit.errors import DataError
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.model_proto import CONTROL, read_model_proto
from bertkit.tokenization.sentencepiece_files import SPACE, SentencePieceFile, add_special_tokens

# The trainer adds up in as many parts as it has threads, so another number gives other scores.
THREADS = 4
# Rare characters are worth leaving out where characters would fill much of the vocabulary.
CROWDED = 4
COVERAGE_WHERE_CROWDED = 0.9995
# The trainer leaves out, without a word, what is longer than 4,192 bytes: a line of Chinese may be.
_LONGEST_WORD = 1000
_RULE = "nmt_nfkc"
_TOO_SMALL = re.compile(r"required_chars\. \d+ vs (\d+)")
_UNKNOWN_ID = 1
_NAMES = SpecialTokens()
_SPECIAL: Mapping[str, Any] = {
    "pad_id": 0,
    "unk_id": _UNKNOWN_ID,
    "bos_id": 2,
    "eos_id": 3,
    "pad_piece": _NAMES.pad,
    "unk_piece": _NAMES.unk,
    "bos_piece": _NAMES.cls,
    "eos_piece": _NAMES.sep,
    "control_symbols": [_NAMES.mask],
}


def train_sentencepiece(
    texts: Iterable[str], *, kind: str, size: int, lowercase: bool, max_length: int = 512
) -> Tokenizer:
    """Train a vocabulary whose pieces know where words begin ("▁").

    Text is brought to NFKC. Ids 0 to 4 are [PAD], [UNK], [CLS], [SEP] and [MASK], as in BERT.

    Args:
        texts: the texts; the same texts give the same vocabulary.
        kind: bpe or unigram.
        size: largest number of pieces, special tokens included; fewer come where the texts
            do not have as many.
        lowercase: whether case is dropped.
        max_length: tokens the model will read; stored with the tokenizer.

    Raises:
        DataError: there is no text to learn from, or the size leaves no room for its characters.
    """
    words = _words(texts, lowercase)
    if not words:
        raise DataError("there is no text to train a vocabulary on; check the text columns.")
    proto = read_model_proto(_train(words, kind, size))
    pieces = tuple((piece.piece, piece.score) for piece in proto.pieces)
    file = SentencePieceFile(
        scores=pieces,
        control=frozenset(piece.piece for piece in proto.pieces if piece.type == CONTROL),
        whole=(),
        unk_id=_UNKNOWN_ID,
        byte_fallback=False,
        character_map=proto.character_map,
        is_nfkc=True,
        collapses_spaces=True,
        has_prefix=True,
    )
    backend = file.backend(pieces, _UNKNOWN_ID, []) if kind == "unigram" else _bpe_backend([p for p, _ in pieces])
    lower = [normalizers.Lowercase()] if lowercase else []
    backend.normalizer = normalizers.Sequence([*file.normalizers(), *lower])
    add_special_tokens(backend, _NAMES)
    return Tokenizer(backend, _NAMES, max_length)


def _words(texts: Iterable[str], lowercase: bool) -> Counter[str]:
    """Count what stands between white space, in the form in which the tokenizer will see it."""
    lower = [normalizers.Lowercase()] if lowercase else []
    normalizer = normalizers.Sequence([normalizers.NFKC(), *lower])
    words: Counter[str] = Counter()
    for text in texts:
        for word in normalizer.normalize_str(text).split():
            words.update(word[start : start + _LONGEST_WORD] for start in range(0, len(word), _LONGEST_WORD))
    return words


def _train(words: Mapping[str, int], kind: str, size: int) -> bytes:
    """Run the trainer and return its model file."""
    from sentencepiece import SentencePieceTrainer

    written = io.BytesIO()
    characters = len(set().union(*words))
    try:
        SentencePieceTrainer.train(
            sentence_iterator=(f"{word}\t{words[word]}" for word in sorted(words)),
            input_format="tsv",
            model_writer=written,
            model_type=kind,
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=COVERAGE_WHERE_CROWDED if characters * CROWDED > size else 1.0,
            normalization_rule_name=_RULE,
            **_SPECIAL,
            num_threads=THREADS,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _refusal(str(error), size) from error
    return written.getvalue()


def _refusal(message: str, size: int) -> DataError:
    """Put the trainer's message into a sentence."""
    if needed := _TOO_SMALL.search(message):
        return too_small(size, int(needed[1]))
    return DataError(f"there is nothing in these texts that SentencePiece can train on ({message.strip()}).")


def too_small(size: int, least: int) -> DataError:
    """Build the error for a size that cannot hold the characters of the texts."""
    return DataError(
        f"{size:,} pieces are too few: the characters of the texts alone take {least:,}; raise --size above it."
    )


def _bpe_backend(pieces: list[str]) -> Backend:
    """Build a BPE tokenizer, without normalization and special tokens.

    SentencePiece stores pieces in the order in which it made them, and not of what: any two
    pieces that make up a third may be merged, the earliest third first.
    """
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    model = models.BPE(
        vocab=vocabulary,
        merges=[pair for piece in pieces for pair in _halves(piece, vocabulary)],
        unk_token=str(_NAMES.unk),
        fuse_unk=True,
    )
    backend = Backend(model)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="always")
    backend.decoder = decoders.Metaspace(SPACE, prepend_scheme="always")
    return backend


def _halves(piece: str, vocabulary: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    if piece in _NAMES.present:
        return
    for i in range(1, len(piece)):
        if piece[:i] in vocabulary and piece[i:] in vocabulary:
            yield piece[:i], piece[i:]
