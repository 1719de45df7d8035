"""Train a vocabulary on the user's own texts.

Two runs over the same texts give the same bytes. The trainer of the `tokenizers` library
alone does not: it numbers the continuation characters ("##a") in the order of a hash map.
Handing them in as special tokens, sorted, fixes their order; the tokenizer is then built
anew from the resulting vocabulary, in which they are ordinary pieces again. BPE and unigram
vocabularies come from SentencePiece's trainer, whose bytes do not change.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from bertkit.errors import DataError, UsageError
from bertkit.plain import quoted
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.sentencepiece_training import too_small, train_sentencepiece

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
