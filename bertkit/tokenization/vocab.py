"""Train a vocabulary on the user's own texts (WordPiece, BPE, unigram), and look words up in one."""

from __future__ import annotations

import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from bertkit.errors import DataError, UsageError
from bertkit.plain import quoted
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.sentencepiece import CONTROL, SPACE, SentencePieceFile, add_special_tokens, read_model_proto

# --- Train BPE and unigram vocabularies with SentencePiece, and make fast tokenizers of them ------
#
# Sennrich et al. 2016 and Kudo 2018. The trainer is handed each word once with its count: no
# text is too long for it, and memory grows with the number of different words only. The result
# is a tokenizer.json; SentencePiece is not needed to read it.

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
    words = _counted_words(texts, lowercase)
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


def _counted_words(texts: Iterable[str], lowercase: bool) -> Counter[str]:
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


# --- Train a vocabulary on the user's own texts ---------------------------------------------------
#
# Two runs over the same texts give the same bytes. The trainer of the `tokenizers` library
# alone does not: it numbers the continuation characters ("##a") in the order of a hash map.
# Handing them in as special tokens, sorted, fixes their order; the tokenizer is then built
# anew from the resulting vocabulary, in which they are ordinary pieces again. BPE and unigram
# vocabularies come from SentencePiece's trainer, whose bytes do not change.

CONTINUATION = "##"
VOCABULARY_TYPES = ("wordpiece", "bpe", "unigram")


def train_vocabulary(
    texts: Iterable[str], *, kind: str, size: int, lowercase: bool, max_length: int = 512
) -> Tokenizer:
    """Train a vocabulary of one of the VOCABULARY_TYPES, never larger than asked for.

    Args:
        texts: the texts, read once.
        kind: wordpiece, bpe or unigram.
        size: largest number of pieces, special tokens included.
        lowercase: whether case is dropped.
        max_length: tokens the model will read; stored with the tokenizer.

    Raises:
        DataError: there is no text to learn from, or the size leaves no room for its characters.
        UsageError: there is no such type.
    """
    if kind not in VOCABULARY_TYPES:
        raise UsageError(f"--type {quoted(kind)}: choose one of {', '.join(VOCABULARY_TYPES)}.")
    if kind != "wordpiece":
        return train_sentencepiece(texts, kind=kind, size=size, lowercase=lowercase, max_length=max_length)
    trained = train_wordpiece(texts, size=size, lowercase=lowercase, max_length=max_length)
    if trained.vocab_size > size:
        raise too_small(size, trained.vocab_size)
    return trained


def train_wordpiece(texts: Iterable[str], *, size: int, lowercase: bool, max_length: int = 512) -> Tokenizer:
    """Train a WordPiece vocabulary (Schuster & Nakajima 2012, in BERT's form).

    Args:
        texts: the texts; the same texts in the same order give the same vocabulary.
        size: largest number of pieces, special tokens included; more come where the
            characters alone take more.
        lowercase: whether case is dropped.
        max_length: tokens the model will read; stored with the tokenizer.

    Raises:
        DataError: there is no text to learn from.
    """
    special = SpecialTokens()
    words = _words(texts, lowercase)
    if not words:
        raise DataError("there is no text to train a vocabulary on; check the text columns.")
    characters = sorted({character for word in words for character in word})
    continuations = [CONTINUATION + character for character in characters]
    learner = Backend(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=max(size, len(special.present) + len(characters) + len(continuations)),
        special_tokens=[*_in_bert_order(special), *continuations],
        initial_alphabet=characters,
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    learner.train_from_iterator((w for word in sorted(words) for w in [word] * words[word]), trainer)
    return bert_tokenizer(learner.get_vocab(), lowercase=lowercase, max_length=max_length)


def bert_tokenizer(vocabulary: dict[str, int], *, lowercase: bool, max_length: int = 512) -> Tokenizer:
    """Build BERT's tokenizer around a WordPiece vocabulary (piece → id).

    Text is composed to NFC first and accents are kept: BERT's own accent stripping takes
    Hangul syllables apart into letters that no vocabulary has.
    """
    special = SpecialTokens()
    backend = Backend(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    backend.normalizer = _normalizer(lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    backend.decoder = decoders.WordPiece(prefix=CONTINUATION)
    backend.add_special_tokens(_in_bert_order(special))
    return Tokenizer(backend, special, max_length)


def _normalizer(lowercase: bool) -> normalizers.Normalizer:
    bert = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=lowercase
    )
    return normalizers.Sequence([normalizers.NFC(), bert])


def _words(texts: Iterable[str], lowercase: bool) -> dict[str, int]:
    """Count the words as BERT's tokenizer will cut them, in one place for all trainers."""
    normalizer, cutter = _normalizer(lowercase), pre_tokenizers.BertPreTokenizer()
    counts: dict[str, int] = {}
    for text in texts:
        for word, _ in cutter.pre_tokenize_str(normalizer.normalize_str(text)):
            counts[word] = counts.get(word, 0) + 1
    return counts


def _in_bert_order(special: SpecialTokens) -> list[str]:
    """[PAD] first, so that its id is 0 as in every published BERT vocabulary."""
    return [str(token) for token in (special.pad, special.unk, special.cls, special.sep, special.mask)]


# --- Look words up in a vocabulary, and give unknown ones an id of their own ----------------------
#
# The hashing trick (Weinberger et al. 2009): an unknown word gets one of N ids that follow the
# vocabulary, the same one in every process and on every machine, so that a model can learn
# something about words it has no entry for.

_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What a vocabulary says of a token.

    Attributes:
        token: what was looked up.
        id: its id; of an unknown one that of its bucket, else that of the unknown token,
            None where the vocabulary has no such token.
        oov: whether it is out of the vocabulary.
        bucket: 0 .. N-1; None for a known token, and where there are no buckets.
    """

    token: str
    id: int | None
    oov: bool
    bucket: int | None


def bucket_of(token: str, buckets: int) -> int:
    """Return a token's bucket: BLAKE2b of its NFC form in UTF-8, 8 bytes, big-endian, modulo `buckets`."""
    composed = unicodedata.normalize("NFC", token).encode("utf-8")
    return int.from_bytes(blake2b(composed, digest_size=_DIGEST_BYTES).digest(), "big") % buckets


class Lookup:
    """Looks tokens up in the vocabulary of a tokenizer.

    Args:
        tokenizer: whose vocabulary it is.
        buckets: how many ids after the last one of the vocabulary are for unknown words.
    """

    def __init__(self, tokenizer: Tokenizer, buckets: int = 0) -> None:
        self.tokenizer = tokenizer
        self.buckets = buckets
        vocabulary = tokenizer.backend.get_vocab(with_added_tokens=True)
        # Not the number of ids: some vocabularies leave ids out.
        self.first_free = max(vocabulary.values(), default=-1) + 1
        unk = tokenizer.special.unk
        self.unknown_id: int | None = None if unk is None else vocabulary.get(unk)

    def find(self, tokens: Iterable[str]) -> list[Found]:
        """Look tokens up.

        A token is known if the vocabulary lists it as it is written, or if the tokenizer
        reads it, as a word, as one piece ("Apple" as "apple", "영화" as "▁영화").
        """
        return [self._find(token) for token in tokens]

    def _find(self, token: str) -> Found:
        known = self.tokenizer.backend.token_to_id(token)
        if known is None:
            known = self._as_word(token)
        if known is not None:
            return Found(token, known, oov=False, bucket=None)
        if not self.buckets:
            return Found(token, self.unknown_id, oov=True, bucket=None)
        bucket = bucket_of(token, self.buckets)
        return Found(token, self.first_free + bucket, oov=True, bucket=bucket)

    def _as_word(self, token: str) -> int | None:
        ids = self.tokenizer.backend.encode(token, add_special_tokens=False).ids
        return ids[0] if len(ids) == 1 and ids[0] != self.unknown_id else None
