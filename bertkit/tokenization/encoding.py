"""Rows as ids: words left out if asked, cut to a length or into windows, encoded word by word where need be."""

from __future__ import annotations

import json
import re
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer

from bertkit.errors import TokenizerError
from bertkit.tokenization.segments import (
    AT_ONCE,
    KINDS,
    PackedSpans,
    Span,
    WordTable,
    stretches,
    whole_characters,
    words_at,
)

# --- Leave words out before encoding: English stop words, Korean particles ------------------------
#
# Offered because it is what learners try first. An encoder rarely gains by it, since word
# order and function words carry meaning that it can use; `eval` shows whether it did.

STOP_WORDS = frozenset(
    """
    a about above after again against all am an and any are as at be because been before being below
    between both but by can could did do does doing down during each few for from further had has have
    having he her here hers herself him himself his how i if in into is it its itself just me more most
    my myself of off on once only or other our ours ourselves out over own same shall she should so some
    such than that the their theirs them themselves then there these they this those through to too under
    until up very was we were what when where which while who whom why will with would you your yours
    yourself yourselves
    """.split()
)

# Longest first, so that 에서는 is taken before 에서 and 는.
_PARTICLES = sorted(
    """
    은 는 이 가 을 를 의 에 에게 께 한테 에서 으로 로 와 과 랑 이랑 하고 도 만 까지 부터 마저 조차 밖에 처럼
    보다 께서 이나 라도 이라도 이라고 라고 에는 에도 에서는 에서도 에게는 에게서 으로는 로는 으로도 로도
    와는 과는 와의 과의 으로서 로서 으로써 로써 까지는 부터는 만은 만을 들은 들이 들을 들의
    """.split(),
    key=len,
    reverse=True,
)
# A stem of at least two syllables must be left: 나이 and 도로 are words, not stem and particle.
_EOJEOL = re.compile(rf"(?<![가-힣])([가-힣]{{2,}}?)(?:{'|'.join(_PARTICLES)})(?![가-힣])")
# Whole words only: the i of i7 is not a word, and the can of can't would take the negation along.
_WORD = re.compile(r"(?<!\w)[A-Za-z]+(?:['’][A-Za-z]+)?(?!\w)")
_SPACES = re.compile(r"[ \t]{2,}")


def leave_words_out(text: str, what: str) -> str:
    """Return the text without the words named by `what`.

    Args:
        text: a text.
        what: none, stop-words (English function words; negations stay), particles
            (Korean postpositions, by rule and so now and then wrong), or both.

    Returns:
        The shortened text; the text itself where nothing would be left.
    """
    if what == "none":
        return text
    if len(text) > AT_ONCE:
        return " ".join(leave_words_out(stretch, what) for _, stretch in stretches(text))
    shorter = unicodedata.normalize("NFC", text)
    if what in ("stop-words", "both"):
        shorter = _WORD.sub(lambda m: "" if m.group().lower() in STOP_WORDS else m.group(), shorter)
    if what in ("particles", "both"):
        shorter = _EOJEOL.sub(r"\1", shorter)
    shorter = _SPACES.sub(" ", shorter).strip()
    return shorter if any(c.isalnum() for c in shorter) else text


# --- Cut encoded rows to a length, or into windows: which of their tokens stay --------------------
#
# This is how the Rust library cuts. Of a pair of long texts it makes every window of the one
# with every window of the other, though, whose number is the square of the pair's length, and
# it wants each row encoded once more.

# Tokens that must be left of a text that is cut for it to be worth reading.
MIN_WINDOW = 4

T = TypeVar("T")


class Sides(NamedTuple):
    """Where the tokens of the two texts of a row stand; special tokens stand around them."""

    first: range
    second: range
    length: int

    @property
    def special(self) -> int:
        """How many tokens belong to neither text."""
        return self.length - len(self.first) - len(self.second)


Kept = Sequence[slice]
"""The stretches of a row's tokens that stay."""


def sides_of(row: Any) -> Sides:
    """Find the two texts in a row of the library's."""
    sides = row.sequence_ids
    found = []
    for side in (0, 1):
        count = sides.count(side)
        start = sides.index(side) if count else 0
        found.append(range(start, start + count))
    return Sides(found[0], found[1], len(sides))


def kept(things: Sequence[T], places: Kept) -> list[T]:
    """Return what stays of something that a row has for each token."""
    return [thing for place in places for thing in things[place]]


def cut_longest(sides: Sides, max_length: int) -> Kept:
    """Cut the ends of both texts, that of the longer one first."""
    room = max(0, max_length - sides.special)
    short, long = sorted((len(sides.first), len(sides.second)))
    if short + max(short, room - short) > room:
        short = room // 2
        long = room - short
    else:
        long = room - short
    first, second = (short, long) if len(sides.first) <= len(sides.second) else (long, short)
    lost = [
        range(min(side.start + most, side.stop), side.stop)
        for side, most in ((sides.first, first), (sides.second, second))
    ]
    return _without(lost, sides.length)


def can_keep_second(sides: Sides, max_length: int) -> bool:
    """Tell whether the first text is the longer one, and something is left of it if it alone is cut."""
    return len(sides.first) > len(sides.second) and max_length - (sides.length - len(sides.first)) >= MIN_WINDOW


def cut_beginning(sides: Sides, max_length: int) -> Kept:
    """Cut the beginning of the first text."""
    lost = sides.length - max_length
    return _without([range(sides.first.start, sides.first.start + lost)], sides.length)


def windows(sides: Sides, max_length: int, *, is_pair: bool) -> Iterator[Kept]:
    """Read the longer text in windows that overlap by a quarter; the other one stands in each.

    Raises:
        TokenizerError: both texts of a pair are too long.
    """
    long, short = sides.first, sides.second
    if is_pair and len(long) <= len(short):
        long, short = short, long
    room = max_length - sides.special - len(short)
    if is_pair and room < MIN_WINDOW:
        raise both_too_long(max_length)
    for start in range(long.start, long.stop, room - room // 4):
        end = min(start + room, long.stop)
        yield _without([range(long.start, start), range(end, long.stop)], sides.length)
        if end == long.stop:
            return


def both_too_long(max_length: int) -> TokenizerError:
    """Build the error for a pair of which neither text fits a window beside some of the other."""
    return TokenizerError(f"both texts of a row are too long for windows of {max_length} tokens; raise --max-length.")


def _without(lost: Sequence[range], length: int) -> Kept:
    places, start = [], 0
    for part in sorted(lost, key=lambda part: part.start):
        if part:
            places.append(slice(start, part.start))
            start = part.stop
    return [*places, slice(start, length)]


# --- Rows as ids: what a tokenizer returns, and how a part is cut from a whole --------------------

Texts = tuple[str, ...]
"""What a row is made of: a text, or the two of a pair."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One row as ids.

    `n_tokens` is the row's full length, special tokens included, before it was cut. Of a
    very long text only a part may have been looked at; then it counts that, and `is_part` is
    true. `spans` are the tokens' places in the row's texts, where asked for; `hidden` are
    (place, true id) of tokens that a task has masked. `begins` marks the windows of a very
    long text that share nothing with the one before.
    """

    ids: Sequence[int]
    type_ids: list[int]
    n_tokens: int
    spans: Sequence[Span] = ()
    masked: tuple[tuple[int, int], ...] = ()
    is_part: bool = False
    begins: bool = False

    @property
    def truncated(self) -> bool:
        """Whether tokens were cut away."""
        return self.is_part or self.n_tokens > len(self.ids)


@dataclass(frozen=True, slots=True)
class EncodedColumns:
    """Many rows of one text as ids, N in T tokens, without an object for each.

    Attributes:
        ids: of all rows, one after the other, (T).
        starts: where each row begins in `ids`, and where the last one ends, (N + 1).
        n_tokens: the rows' full lengths, special tokens included, before they were cut, (N).
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int32]
    n_tokens: NDArray[np.int32]

    @property
    def cut(self) -> tuple[int, int]:
        """How many rows were cut, and how many tokens were lost."""
        lost = self.n_tokens - np.diff(self.starts)
        return int(np.count_nonzero(lost)), int(lost.sum())


@dataclass(slots=True)
class LaidRow:
    """A row as the library encoded it, brought into Python once; its parts are cut from this.

    `skipped` are, of each text, the characters that stand before `texts`.
    """

    ids: list[int]
    type_ids: list[int]
    spans: list[Span]
    texts: Texts
    skipped: tuple[int, int] = (0, 0)

    def part(self, places: Kept | None, *, n_tokens: int = 0, is_part: bool = False) -> Encoding:
        """Take the tokens at some places, or all of them, as an encoding.

        Args:
            places: what stays; None: everything.
            n_tokens: the row's length; 0: that of the part.
            is_part: whether characters were left out before.
        """
        ids, types, spans = self.ids, self.type_ids, self.spans
        if places is not None:
            ids, types, spans = kept(ids, places), kept(types, places), kept(spans, places)
        found: Sequence[Span] = whole_characters(spans, self.texts) if spans else ()
        if found and (places is not None or any(self.skipped)):
            found = PackedSpans(found, self.skipped)
        return Encoding(ids, types, n_tokens or len(ids), found, is_part=is_part)


def packed(encoding: Encoding) -> Encoding:
    """Hold ids in four bytes each, for there are many."""
    return replace(encoding, ids=array("i", encoding.ids))


def spans_of(row: Any) -> list[Span]:
    """Return the places of a row's tokens as the library gives them."""
    sides = [-1 if side is None else side for side in row.sequence_ids]
    places = ((side, *place) for side, place in zip(sides, row.offsets, strict=True))
    # As `Span._make` does, without a call of Python for each of so many.
    return list(map(tuple.__new__, repeat(Span), places))


# --------------------------------------------------------------------------------------------------
# Encode word by word, where a tokenizer reads each by itself: in BERT's the same words need cutting only once.
#
# A text's tokens are those of its words, one after the other, where nothing in the tokenizer looks
# across a space: BERT's normalizer and pre-tokenizer, and WordPiece. Of a million rows nearly
# all words have come before.

FEWEST = 512
"""Rows for which it is worth while."""
# Words that are kept; when there are more, it begins anew.
_MOST = 50_000


@dataclass(frozen=True, slots=True)
class WordsRow:
    """A row as the library would have encoded it; `counts` are the tokens of each of its texts."""

    ids: list[int]
    type_ids: list[int]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sequence_ids(self) -> list[int | None]:
        """Which text each token is of, (tokens)."""
        sides: list[int | None] = [None]
        for side, count in enumerate(self.counts):
            sides += [side] * count
            sides.append(None)
        return sides


class WordsApart:
    """Encodes rows word by word.

    Args:
        backend: for which `reads_apart` is true.
        numbers: the whole numbers from 0 on, that ids be these.
    """

    def __init__(self, backend: Backend, numbers: Sequence[int]) -> None:
        self._backend, self._numbers = backend, numbers
        self._known: dict[str, list[int]] = {}

    def encode(self, rows: Sequence[Texts]) -> list[WordsRow]:
        """Encode rows of one text, or of two."""
        split = [[text.split(" ") for text in texts] for texts in rows]
        self._learn({word for texts in split for words in texts for word in words})
        opening, closing = self.frame
        known = self._known
        found = []
        for texts in split:
            ids: list[int] = [opening]
            counts: tuple[int, ...] = ()
            for words in texts:
                before = len(ids)
                for word in words:
                    ids += known[word]
                counts += (len(ids) - before,)
                ids.append(closing)
            types = [0] * (counts[0] + 2) + [1] * (len(ids) - counts[0] - 2)
            found.append(WordsRow(ids, types, counts))
        return found

    def encode_columns(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Encode texts, none of whose words becomes an object if it has come before in them.

        Returns:
            The ids of all texts without special tokens, one text after the other, (T), and how many each has, (N).
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        split = pc.split_pattern(pa.array(texts, pa.string()), " ")
        words = split.values.dictionary_encode()
        different = words.dictionary.to_pylist()
        self._learn(set(different))
        pieces = [self._known[word] for word in different]
        starts = np.zeros(len(pieces) + 1, np.int32)
        np.cumsum([len(ids) for ids in pieces], out=starts[1:])
        flat = np.fromiter(chain.from_iterable(pieces), np.int32, int(starts[-1]))
        by_word = pa.ListArray.from_arrays(pa.array(starts), pa.array(flat))
        ends = np.zeros(len(words) + 1, np.int64)
        np.cumsum(np.diff(starts)[words.indices.to_numpy()], out=ends[1:])
        return by_word.take(words.indices).flatten().to_numpy(), np.diff(ends[split.offsets.to_numpy()])

    @property
    def frame(self) -> tuple[int, int]:
        """The ids before and behind a text."""
        opening, closing = self._backend.encode("").ids
        return opening, closing

    def _learn(self, words: set[str]) -> None:
        new = sorted(words.difference(self._known))
        if len(self._known) + len(new) > _MOST:
            self._known, new = {}, sorted(words)
        for word, encoding in zip(new, self._backend.encode_batch_fast(new, add_special_tokens=False), strict=True):
            # Equal ids are one object: there are many.
            self._known[word] = [self._numbers[i] if i < len(self._numbers) else i for i in encoding.ids]


# A word that is cut no further, and of which no character is parted or left out.
_WHOLE = re.compile(r"[0-9A-Za-z가-힣]+")
# Characters that are a part of no other one, whatever stands before them.
_STARTERS = re.compile(r"[\x00-\x7f가-힣“”‘’…·]*")


class Ragged:
    """Rows of numbers, of different lengths, one after the other.

    Attributes:
        values: of all rows, (T).
        starts: where each row begins, and where the last one ends, (N + 1).
    """

    def __init__(self) -> None:
        self.values, self.starts = np.zeros(0, np.int32), np.zeros(1, np.int64)

    def extend(self, rows: Sequence[Sequence[int]]) -> None:
        """Add rows."""
        ends = np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)))
        flat = np.fromiter(chain.from_iterable(rows), np.int32, int(ends[-1]) if len(ends) else 0)
        self.starts = np.concatenate((self.starts, ends + self.starts[-1]))
        self.values = np.concatenate((self.values, flat))

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the numbers of some rows, one row after the other, and how many each has."""
        counts = self.starts[rows + 1] - self.starts[rows]
        return self.values[_from(self.starts[rows], counts)], counts


def _from(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of stretches, one stretch after the other."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


class PairsApart:
    """Encodes pairs word by word, and writes into the segment ids how each word stands to the other text.

    Args:
        backend: for which `reads_apart` is true.
        numbers: the whole numbers from 0 on, that ids be these.
        blank: what stands between columns, and is no word to compare; empty: nothing.
    """

    def __init__(self, backend: Backend, numbers: Sequence[int], blank: str) -> None:
        self._backend, self._shared, self._blank = backend, numbers, blank
        self._frame = WordsApart(backend, ()).frame
        self._forget()

    def _forget(self) -> None:
        self._known: dict[str, int] = {}
        self._table = WordTable()
        # Of each word that spaces part: its ids, the words that it is cut into, and in which of them each id ends.
        self._ids, self._cut, self._place = Ragged(), Ragged(), Ragged()
        # Whether each can lose its end, and no token that stays would reach into what is lost.
        self._parts_clean = bytearray()

    def encode(self, firsts: Sequence[str], seconds: Sequence[str], max_length: int) -> list[Encoding | None]:
        """Encode pairs, the longer text of a row that is too long cut first.

        Args:
            firsts: first texts, (N).
            seconds: second texts, (N).
            max_length: longest row in tokens, special tokens included.

        Returns:
            The pairs; None for one that is cut where a character goes on.
        """
        pairs, texts = len(firsts), [*firsts, *seconds]
        words = self._numbers(" ".join(texts).split(" "))
        in_text = np.fromiter((text.count(" ") + 1 for text in texts), np.int64, len(texts))
        text_of = np.repeat(np.arange(len(texts)), in_text)
        ids, in_word = self._ids.take(words)
        types = self._segments(words, text_of, in_word, pairs)
        ends = np.concatenate(([0], np.cumsum(in_word)))[np.concatenate(([0], np.cumsum(in_text)))]
        counts = np.diff(ends)
        left = _left(counts[:pairs], counts[pairs:], max_length)
        taken = _from(ends[:-1], left)
        found = self._framed(ids[taken], types[taken], left, counts[:pairs] + counts[pairs:] + 3)
        cut = np.flatnonzero((left < counts) & (left > 0))
        last_words = words[np.searchsorted(np.cumsum(in_word), (ends[:-1] + left)[cut])] if len(cut) else words[:0]
        unclean = cut[np.frombuffer(bytes(self._parts_clean), np.uint8)[last_words] == 0]
        alone = set((unclean % pairs).tolist())
        return [None if i in alone else encoding for i, encoding in enumerate(found)] if alone else [*found]

    def _segments(
        self, words: NDArray[np.int64], text_of: NDArray[np.int64], in_word: NDArray[np.int64], pairs: int
    ) -> NDArray[np.int32]:
        """Return the segment id of every token, (T)."""
        cut, in_cut = self._cut.take(words)
        kinds = np.append(self._table.kinds(cut, np.repeat(text_of, in_cut), pairs), np.uint8(0))
        place, _ = self._place.take(words)
        at = np.where(place < 0, len(cut), place + np.repeat(np.cumsum(in_cut) - in_cut, in_word))
        types = kinds[at].astype(np.int32)
        return types + KINDS * ((types > 0) & np.repeat(text_of >= pairs, in_word))

    def _framed(
        self, ids: NDArray[np.int32], types: NDArray[np.int32], left: NDArray[np.int64], n_tokens: NDArray[np.int64]
    ) -> list[Encoding]:
        """Put the tokens of both texts of each pair between special tokens."""
        pairs, (opening, closing) = len(n_tokens), self._frame
        first, second = left[:pairs], left[pairs:]
        ends = np.cumsum(first + second + 3)
        starts = ends - (first + second + 3)
        places = _from(np.concatenate((starts + 1, starts + first + 2)), left)
        whole_ids, whole_types = np.full(int(ends[-1]), closing, np.int32), np.zeros(int(ends[-1]), np.int32)
        whole_ids[starts], whole_ids[places], whole_types[places] = opening, ids, types
        all_ids, all_types = whole_ids.tolist(), whole_types.tolist()
        if int(whole_ids.max()) < len(self._shared):
            all_ids = [self._shared[i] for i in all_ids]
        stretches_of = zip(starts.tolist(), ends.tolist(), n_tokens.tolist(), strict=True)
        return [Encoding(all_ids[start:end], all_types[start:end], count) for start, end, count in stretches_of]

    def _numbers(self, words: list[str]) -> NDArray[np.int64]:
        different = set(words)
        if new := different.difference(self._known):
            if len(self._known) + len(new) > _MOST:
                self._forget()
                new = different
            self._learn(sorted(new))
        return np.fromiter(map(self._known.__getitem__, words), np.int64, len(words))

    def _learn(self, words: Sequence[str]) -> None:
        cut, places, ids = [], [], []
        for word, row in zip(words, self._backend.encode_batch(words, add_special_tokens=False), strict=True):
            self._known[word] = len(self._known)
            ids.append(row.ids)
            self._parts_clean.append(_STARTERS.fullmatch(word) is not None)
            if _WHOLE.fullmatch(word):
                cut.append([self._table.number(next(words_at(word))[0])])
                places.append([0 if end > start else -1 for start, end in row.offsets])
                continue
            bare = word.replace(self._blank, " " * len(self._blank)) if self._blank else word
            own, at = [], [-1] * len(word)
            for number, (part, start, end) in enumerate(words_at(bare)):
                own.append(self._table.number(part))
                at[start:end] = [number] * (end - start)
            spans = whole_characters([Span(0, *place) for place in row.offsets], (word,))
            cut.append(own)
            places.append([at[span.end - 1] if span.end > span.start else -1 for span in spans])
        for held, new in ((self._ids, ids), (self._cut, cut), (self._place, places)):
            held.extend(new)


def _left(first: NDArray[np.int64], second: NDArray[np.int64], max_length: int) -> NDArray[np.int64]:
    """Say how many tokens of each text stay, (2 N): what `cut_longest` does."""
    room = max(0, max_length - 3)
    short, is_first = np.minimum(first, second), first <= second
    short = np.where(short + np.maximum(short, room - short) > room, room // 2, short)
    ends = np.where(is_first, short, room - short), np.where(is_first, room - short, short)
    is_long = first + second > room
    return np.concatenate(
        [np.where(is_long, np.minimum(own, end), own) for own, end in zip((first, second), ends, strict=True)]
    )


def reads_apart(backend: Backend) -> bool:
    """Tell whether a tokenizer reads each word of a text by itself, between one token before and one behind."""
    if not (
        isinstance(backend.model, WordPiece)
        and _is_berts(json.loads(backend.normalizer.__getstate__()) if backend.normalizer else {})
        and isinstance(backend.pre_tokenizer, BertPreTokenizer)
    ):
        return False
    if any(" " in token.content for token in backend.get_added_tokens_decoder().values()):
        return False
    frame, word, pair = backend.encode(""), backend.encode("a"), backend.encode("a", "a a")
    if len(frame.ids) != 2 or len(word.ids) < 3 or len(set(frame.type_ids)) != 1:
        return False
    opening, closing = frame.ids
    own = word.ids[1:-1]
    return (
        word.ids == [opening, *own, closing]
        and pair.ids == [opening, *own, closing, *own, *own, closing]
        and pair.type_ids == [0] * (len(own) + 2) + [1] * (2 * len(own) + 1)
    )


def _is_berts(normalizer: dict[str, Any]) -> bool:
    """Tell BERT's normalizer, alone or behind NFC, which composes nothing with a space."""
    parts = normalizer["normalizers"] if normalizer.get("type") == "Sequence" else [normalizer]
    kinds = [part.get("type") for part in parts]
    return kinds in (["BertNormalizer"], ["NFC", "BertNormalizer"])
