"""Does a tokenizer fit the texts it is to read, and the model that is to read its ids?"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from tokenizers.pre_tokenizers import BertPreTokenizer

from bertkit.errors import TokenizerError
from bertkit.plain import see
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.segments import Span, whole_characters

# --- How well does a vocabulary cover a text: unknown tokens, and words cut into pieces -----------
#
# A word is what BERT takes for one: white space parts words, and each punctuation mark is a
# word of its own. So the figures of two tokenizers for the same text can be compared.

BATCH = 1000
_CUTTER = BertPreTokenizer()


@dataclass(frozen=True)
class Coverage:
    """What was counted; special tokens are not.

    `split` is the number of words that are cut into several pieces; `unknown_words` are the
    words with an unknown token in them and how often they occur, most frequent first.
    """

    texts: int
    words: int
    tokens: int
    unknown: int
    split: int
    unknown_words: tuple[tuple[str, int], ...]

    @property
    def unknown_share(self) -> float:
        """Share of tokens that are unknown, 0 to 1."""
        return self.unknown / self.tokens if self.tokens else 0.0

    @property
    def tokens_per_word(self) -> float:
        """Mean number of tokens for a word."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def split_share(self) -> float:
        """Share of words that are cut, 0 to 1."""
        return self.split / self.words if self.words else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values."""
        return {
            "texts": self.texts,
            "words": self.words,
            "tokens": self.tokens,
            "unknown_share": round(self.unknown_share, 6),
            "tokens_per_word": round(self.tokens_per_word, 4),
            "split_share": round(self.split_share, 4),
            "unknown_words": [{"word": word, "count": count} for word, count in self.unknown_words],
        }


def measure_coverage(tokenizer: Tokenizer, texts: Iterable[str], *, most: int | None = None) -> Coverage:
    """Encode texts and count, a thousand at a time.

    Args:
        tokenizer: what is measured.
        texts: the texts, read once.
        most: how many unknown words to list; None: all.
    """
    counts = _Counts(tokenizer)
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        for text, row in zip(batch, tokenizer.backend.encode_batch(batch, add_special_tokens=False), strict=True):
            counts.see(text, row)
    # Words that are as frequent as each other in a fixed order, whatever the texts' order.
    ranked = sorted(counts.unknown_words.items(), key=lambda item: (-item[1], item[0]))
    return Coverage(counts.texts, counts.words, counts.tokens, counts.unknown, counts.split, tuple(ranked[:most]))


class _Counts:
    def __init__(self, tokenizer: Tokenizer) -> None:
        unk = tokenizer.special.unk
        self._unk = -1 if unk is None else tokenizer.id_of(unk, "unknown")
        self.texts = self.words = self.tokens = self.unknown = self.split = 0
        self.unknown_words: Counter[str] = Counter()

    def see(self, text: str, row: Any) -> None:
        """Count one text; `row` is what the Rust library made of it."""
        ids: list[int] = row.ids
        words = _CUTTER.pre_tokenize_str(text)
        ends = [end for _, (_, end) in words]
        places = [_word_at(ends, start, end) for start, end in row.offsets]
        self.texts += 1
        self.words += len(words)
        self.tokens += len(ids)
        self.split += sum(pieces > 1 for place, pieces in Counter(places).items() if place < len(ends))
        unknown = ids.count(self._unk)
        if unknown:
            self.unknown += unknown
            holes = {place for token, place in zip(ids, places, strict=True) if token == self._unk}
            self.unknown_words.update(words[place][0] for place in holes if place < len(words))


def _word_at(ends: Sequence[int], start: int, end: int) -> int:
    """Return which word a token belongs to: by its last character, for the first may be a space."""
    return bisect_right(ends, max(start, end - 1))


# --- Into how many pieces does a tokenizer cut a word, against what is usual for the language? ----
#
# A tokenizer that was not made for a language need not know a single unknown token: it cuts words
# into letters, and the encoder has never seen what these mean together. A word is what BERT takes
# for one (`health.py`).

# Fewer words say nothing, nor do those of a language that is a small part of the texts.
LEAST_WORDS, LEAST_SHARE = 50, 0.2
# More pieces than syllables: these are cut into letters or bytes.
CUT_SYLLABLES = 1.2
# Words of a script that a vocabulary has few of are cut letter by letter, or into bytes. XLM-R has from .28
# (Russian) to .39 (Arabic) pieces for a letter, and .6 for a character of Chinese; MiniLM .98 for a letter.
LETTER_BY_LETTER, INTO_BYTES = 0.75, 1.5
# In small letters a word in capitals has so much fewer pieces, where its capitals are to blame.
CAPITALS = 2.0


@dataclass(frozen=True)
class _Usual:
    """A language: its words, and how many pieces they make.

    `usual` was measured on film reviews (Korean: KoBERT and XLM-R 2.5) and news (English:
    BERT 1.1, XLM-R 1.2); from `too_many` on a tokenizer does not fit. MiniLM cuts a Korean word
    into 5.3 pieces, KoBERT an English one into 3.9, and vocabularies trained on few texts of a
    language its words into 3.3 (Korean) and 2.0 (English).
    """

    name: str
    code: str
    word: re.Pattern[str]
    usual: float
    too_many: float
    better: str


LANGUAGES = (
    _Usual("Korean", "ko", re.compile("[가-힣]"), 2.5, 4.5, "multilingual-e5-small"),
    # Neither names of variables nor codes: these are not words, and no vocabulary has them whole.
    _Usual("English", "en", re.compile(r"[A-Z]?[a-z]+\Z"), 1.2, 3.0, "minilm"),
)
_IN_CAPITALS = re.compile(r"[A-Z]{2,}\Z")
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
# Letters of no script named above.
_OTHER_LETTERS = re.compile("[^\\W\\d_A-Za-z\u00c0-\u024f\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


def too_many_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[str]:
    """Say where words of a language are cut into far more pieces than usual, one clause each.

    Args:
        tokenizer: what is looked at.
        texts: a sample of those it is to read.
    """
    # Composed, for a syllable is one however it was typed.
    composed = (unicodedata.normalize("NFC", text) for text in texts)
    words = Counter(word for text in composed for word, _ in _CUTTER.pre_tokenize_str(text) if word[0].isalpha())
    for language in LANGUAGES:
        own = {word: count for word, count in words.items() if language.word.match(word)}
        total = sum(own.values())
        if total < LEAST_WORDS or total < LEAST_SHARE * words.total():
            continue
        pieces, syllables = _pieces(tokenizer, own), sum(len(word) * count for word, count in own.items())
        if pieces >= language.too_many * total:
            cuts = " (syllables are cut into letters)" if pieces >= CUT_SYLLABLES * syllables else ""
            yield (
                f"the tokenizer cuts {language.name} words into {pieces / total:.1f} pieces each{cuts}, and about "
                f"{language.usual:.1f} are usual: it was not made for {language.name}; take --model {language.better}, "
                f"or another of `bertkit models --language {language.code}`"
            )
    yield from _in_capitals(tokenizer, words)
    yield from _of_other_scripts(tokenizer, words)


def _in_capitals(tokenizer: Tokenizer, words: Counter[str]) -> Iterator[str]:
    own = {word: count for word, count in words.items() if _IN_CAPITALS.match(word)}
    total = sum(own.values())
    if total < LEAST_WORDS or total < LEAST_SHARE * words.total():
        return
    pieces, small = _pieces(tokenizer, own), _pieces(tokenizer, {word.lower(): own[word] for word in own})
    if pieces >= max(CAPITALS * small, LANGUAGES[-1].too_many * total):
        yield (
            f"the tokenizer cuts words in capital letters into {pieces / total:.1f} pieces each, and in lower "
            f"case into "
            f"{small / total:.1f}: lower-case them, or take a --model that ignores case (minilm)"
        )


def _of_other_scripts(tokenizer: Tokenizer, words: Counter[str]) -> Iterator[str]:
    """Say so where letters of further scripts, or characters of Chinese and Japanese, are a piece each or several."""
    alphabets = {word: count for word, count in words.items() if _OTHER_LETTERS.match(word)}
    ideographs = {word: alphabets.pop(word) for word in list(alphabets) if _IDEOGRAPHS.match(word)}
    letters = sum(len(word) * count for word, count in words.items())
    for own, least, how in (
        (alphabets, LETTER_BY_LETTER, "words of these texts letter by letter"),
        (ideographs, INTO_BYTES, "Chinese and Japanese characters into parts"),
    ):
        total = sum(len(word) * count for word, count in own.items())
        if total < LEAST_WORDS or total < LEAST_SHARE * letters:
            continue
        pieces = _pieces(tokenizer, own)
        if pieces >= least * total:
            yield (
                f"the tokenizer cuts {how} ({pieces / total:.1f} pieces for each): it was not made for them; "
                "take --model multilingual-e5-small, or one that `bertkit models` lists as of many languages"
            )


def _pieces(tokenizer: Tokenizer, words: dict[str, int]) -> int:
    """Count the pieces of words, as they are cut in the midst of a text."""
    rows = tokenizer.backend.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False)
    return sum(len(row.ids) * count for row, count in zip(rows, words.values(), strict=True))


# --- Does a tokenizer fit the texts it is to read, and the model that is to read its ids? ---------
#
# A vocabulary opened by the wrong class turns nearly every word into [UNK], and a model still
# trains on that and answers one class for everything. So a sample of the texts is encoded
# first, and a tokenizer that does not fit stops the command.

SAMPLE = 1000
# Places are looked at in fewer texts: each token is.
PLACED_SAMPLE = 50
STOP_SHARE, WARN_SHARE = 0.30, 0.05
ANOTHER = f"choose another --model or --tokenizer ({see('tokenizer')})"


@dataclass(frozen=True)
class Fit:
    """What a sample of texts shows of a tokenizer.

    Attributes:
        unknown: share of tokens that are unknown, special tokens not counted.
        lost: share of characters that are in no token; white space and characters that
            cannot be seen are not counted.
        faults: why it cannot be used, one clause each.
        doubts: what is odd and can be lived with, one clause each.
    """

    unknown: float = 0.0
    lost: float = 0.0
    faults: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def unknown_share(tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Return the share of tokens that are unknown, special tokens not counted, from 0 to 1."""
    return _unknown_share(tokenizer, tokenizer.encode(list(texts)))


def check_fit(
    tokenizer: Tokenizer, texts: Sequence[str], *, name: str = "", model_ids: int | None = None
) -> tuple[str, ...]:
    """Check a tokenizer on a sample of texts, evenly spaced over them.

    Args:
        tokenizer: what is checked.
        texts: the texts it is to read.
        name: where it is from: a run, or a flag and its value.
        model_ids: how many ids the model has embeddings for; None: not known.

    Returns:
        Warnings, such as that 5 % of the tokens or more are unknown; mostly nothing.

    Raises:
        TokenizerError: 30 % of the tokens or more are unknown, or another fault that
            `examine` finds.
    """
    fit = examine(tokenizer, texts, model_ids=model_ids)
    if fit.faults:
        whose = f"{name}: " if name else ""
        raise TokenizerError(f"{whose}the tokenizer does not fit {fit.faults[0]}; {ANOTHER}.")
    return fit.doubts


def examine(tokenizer: Tokenizer, texts: Sequence[str], *, model_ids: int | None = None) -> Fit:
    """Encode a sample and look at unknown tokens, ids, special tokens, segments and places.

    Args:
        tokenizer: what is examined.
        texts: the texts it is to read; a sample evenly spaced over them is encoded.
        model_ids: how many ids the model has embeddings for; None: not known.
    """
    sample = _evenly(texts, SAMPLE)
    encodings = tokenizer.encode(sample)
    unknown = _unknown_share(tokenizer, encodings)
    lost, misplaced = _places(tokenizer, _evenly(texts, PLACED_SAMPLE))
    faults, doubts = [], []
    for share, what in ((unknown, "tokens are unknown to"), (lost, "characters are in no token of")):
        if share >= STOP_SHARE:
            faults.append(f"these texts: {share:.0%} of their {what} it")
        elif share >= WARN_SHARE:
            doubts.append(f"{share:.0%} of the {what} the tokenizer; another one may fit these texts better")
    if not faults:
        doubts += too_many_pieces(tokenizer, sample)
    if model_ids is not None and tokenizer.vocab_size > model_ids:
        doubts.append(f"the tokenizer has {tokenizer.vocab_size:,} ids and the model knows {model_ids:,} of them")
    unframed = _missing_token(tokenizer)
    framed = [] if unframed else [*_ids_beyond(tokenizer, encodings, model_ids), *_wrong_segments(tokenizer, sample)]
    return Fit(unknown, lost, (*faults, *misplaced, *unframed, *framed), tuple(doubts))


def _evenly(texts: Sequence[str], size: int) -> list[str]:
    # rounded up, so that the sample reaches the last texts
    return list(texts[:: max(1, -(-len(texts) // size))])


def _unknown_share(tokenizer: Tokenizer, encodings: Sequence[Encoding]) -> float:
    if tokenizer.special.unk is None:
        return 0.0
    unk = tokenizer.id_of(tokenizer.special.unk, "unknown")
    ids = [i for encoding in encodings for i in encoding.ids]
    text_tokens = sum(i == unk or i not in tokenizer.special_ids for i in ids)
    return ids.count(unk) / text_tokens if text_tokens else 0.0


def _missing_token(tokenizer: Tokenizer) -> list[str]:
    """Say which special token has a name and is not there, or is not put round the texts.

    Encoders of today may read texts without any; a name that nothing goes by is a damage.
    """
    special = tokenizer.special
    (row,) = tokenizer.encode(["a"])
    for name, token in (("first", special.cls), ("separator", special.sep)):
        if token is None:
            continue
        known = tokenizer.backend.token_to_id(token)
        if known is None:
            return [f"an encoder: it has no {name} token"]
        if known not in row.ids:
            return [f"an encoder: it does not put {token} round a text"]
    return []


def _ids_beyond(tokenizer: Tokenizer, encodings: Sequence[Encoding], model_ids: int | None) -> list[str]:
    highest = max((i for encoding in encodings for i in encoding.ids), default=0)
    highest = max(highest, tokenizer.pad_id)
    if model_ids is None or highest < model_ids:
        return []
    return [f"the model: its ids go up to {highest:,} and the model has embeddings for {model_ids:,}"]


def _wrong_segments(tokenizer: Tokenizer, sample: Sequence[str]) -> list[str]:
    """Say so where a tokenizer that knows segments gives them to the wrong text of a pair."""
    text = next((text for text in sample if text.strip()), "a")
    (row,) = tokenizer.encode([text], [text], with_spans=True)
    sides = ({t for t, span in zip(row.type_ids, row.spans, strict=True) if span.side == side} for side in (0, 1))
    first, second = sides
    if not any(row.type_ids) or not first or not second or (first, second) == ({0}, {1}):
        return []
    return ["an encoder: the segment ids of a pair are not 0 for its first text and 1 for its second"]


def _places(tokenizer: Tokenizer, sample: list[str]) -> tuple[float, list[str]]:
    """Return the share of characters in no token, and the fault of spans that are none."""
    characters = covered = 0
    for text, row in zip(sample, tokenizer.encode(sample, with_spans=True), strict=True):
        if not _is_ordered([span for span in row.spans if span.side == 0], len(text)):
            return 0.0, ["these texts: the places of its tokens are out of order or outside the text"]
        spans = [span for span in whole_characters(row.spans, (text,)) if span.side == 0]
        visible = [_is_visible(character) for character in text]
        characters += sum(visible)
        covered += sum(visible[i] for i in _positions(spans))
    return (1 - covered / characters if characters else 0.0), []


def _is_ordered(spans: Sequence[Span], length: int) -> bool:
    starts, ends = [span.start for span in spans], [span.end for span in spans]
    inside = all(0 <= span.start <= span.end <= length for span in spans)
    return inside and starts == sorted(starts) and ends == sorted(ends)


def _positions(spans: Sequence[Span]) -> Iterator[int]:
    """Yield each position in a span once; spans are in order and may overlap."""
    reached = 0
    for span in spans:
        yield from range(max(reached, span.start), span.end)
        reached = max(reached, span.end)


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character)[0] not in "CM"


class FitWatch:
    """Counts unknown tokens while a stream is encoded, and says once whether there are too many.

    Args:
        tokenizer: the tokenizer that encodes the stream.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        unk = tokenizer.special.unk
        self._unk = -1 if unk is None else tokenizer.id_of(unk, "unknown")
        self._special = tokenizer.special_ids - {self._unk}
        self.tokens = 0
        self.unknown = 0
        self.truncated = 0

    def see(self, encodings: Sequence[Encoding]) -> None:
        """Count the tokens of some rows."""
        self.truncated += sum(encoding.truncated for encoding in encodings)
        count = sum(len(encoding.ids) for encoding in encodings)
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int32, count)
        self.unknown += int(np.count_nonzero(ids == self._unk))
        self.tokens += count - sum(int(np.count_nonzero(ids == special)) for special in self._special)

    @property
    def misfit(self) -> str | None:
        """A sentence where 30 % of the tokens seen are unknown, else None."""
        if self.tokens and self.unknown / self.tokens >= STOP_SHARE:
            share = self.unknown / self.tokens
            return f"the run's tokenizer does not fit these texts: {share:.0%} of their tokens are unknown to it"
        return None
