"""What is known of a tokenizer's pieces: how much text is read at once, which segment they are of, where they stand."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray
from tokenizers.pre_tokenizers import BertPreTokenizer

# --- Very long texts: how much of one is read at once, and where it is parted ---------------------
#
# The Rust library takes about 150 bytes for each character it is given, so a text is handed to
# it in stretches. They begin and end at white space, at a line's end where there is one, and
# each is tokenized as it would be inside the text by every tokenizer whose tokens do not reach
# across white space.

# No row that people write is as long; up to here nothing is parted.
AT_ONCE = 1 << 17
# Where --max-length is large: several times what a token of any language takes.
_CHARACTERS_A_TOKEN = 64
# Share of a stretch, at its end, in which a place to part it is looked for.
_SEARCHED = 8
_WHITE_SPACE = " \n\t\r\u3000\u00a0\u2028\u2029"


def most_at_once(max_length: int) -> int:
    """Return how many characters of a text are read at once, for rows of `max_length` tokens."""
    return max(AT_ONCE, _CHARACTERS_A_TOKEN * max_length)


def beginning(text: str, most: int) -> str:
    """Return the text, or what of its beginning has at most `most` characters."""
    return text if len(text) <= most else text[: _parting(text, 0, most)]


def ending(text: str, most: int) -> str:
    """Return the text, or about the last `most` characters of it."""
    if len(text) <= most:
        return text
    earliest = len(text) - most
    return text[_parting(text, earliest, earliest + most // _SEARCHED) :]


def looked_at(row: tuple[str, ...], most: int, *, keep_end: bool) -> tuple[tuple[str, ...], tuple[int, int]]:
    """Return what is looked at of the one or two texts of a row that is going to be cut.

    Args:
        row: the texts.
        most: characters of each.
        keep_end: whether the first text, where it is the longer one, loses its beginning.

    Returns:
        The texts, and how many characters of either stand before them.
    """
    first, *others = row
    cut = ending if keep_end and all(len(first) > len(other) for other in others) else beginning
    looked_at = cut(first, most)
    skipped = len(first) - len(looked_at) if cut is ending else 0
    return (looked_at, *(beginning(other, most) for other in others)), (skipped, 0)


def stretches(text: str, most: int = AT_ONCE) -> Iterator[tuple[int, str]]:
    """Part a text into stretches of about the same length.

    Args:
        text: any text; one of up to `most` characters is one stretch.
        most: characters of the longest stretch.

    Yields:
        (where it begins, the stretch), in order; put together they are the text.
    """
    number = max(1, -(-len(text) // most))
    start = 0
    for i in range(1, number):
        end = _parting(text, start, min(start + most, len(text) * i // number))
        yield start, text[start:end]
        start = end
    while len(text) - start > most:
        end = _parting(text, start, start + most)
        yield start, text[start:end]
        start = end
    yield start, text[start:] if start else text


def portions(lengths: Iterable[int], most: int = AT_ONCE) -> Iterator[slice]:
    """Group neighbouring texts by their characters; a text that alone has more is a group of its own.

    Args:
        lengths: characters of each text, or of each row of texts.
        most: characters of a group.

    Yields:
        The groups, in order.
    """
    start = end = held = 0
    for length in lengths:
        if end > start and held + length > most:
            yield slice(start, end)
            start, held = end, 0
        held += length
        end += 1
    if end > start:
        yield slice(start, end)


def _parting(text: str, start: int, end: int) -> int:
    """Return a place shortly before `end`, and after `start`, at which the text can be parted."""
    first = max(start + 1, end - (end - start) // _SEARCHED)
    place = text.rfind("\n", first, end)
    if place < 0:
        place = max(text.rfind(space, first, end) for space in _WHITE_SPACE)
    if place > 0:
        return place
    # A word without end: let no accent lose its letter, and no syllable one of its parts.
    place = end
    while place > first and _goes_on(text[place]):
        place -= 1
    return place


def _goes_on(character: str) -> bool:
    """Tell whether a character is a part of what stands before it: an accent, or a vowel or final of Hangul."""
    return unicodedata.category(character).startswith("M") or "\u1160" <= character <= "\u11ff"


# --- Segment ids that tell a pair encoder how each word stands to the other sentence --------------
#
# A small encoder trained on a few thousand pairs does not learn to compare words: finding a
# word's twin on the other side takes an attention pattern that so few examples do not teach,
# and it ends at the majority answer. Written into the segment ids, the comparison is an
# input, and what is left to learn is how to weigh it.
#
# The ids are a function of the two texts alone. No table, no language and no vocabulary is
# involved, so they work for any pair task; `docs/scratch.md` has what each part is worth.
#
#     0        special tokens
#     1        a word that only this sentence has
#     2        a number that only this sentence has
#     3        punctuation that only this sentence has
#     4        a word of which the other sentence has a like one (same stem)
#     5 … 8    a word that both have, alone or in a run of 2, 3, or 4 and more

ONLY_HERE, NUMBER_ONLY_HERE, PUNCTUATION_ONLY_HERE, LIKE_ONE_THERE = 1, 2, 3, 4
LONGEST_RUN = 4
KINDS = LIKE_ONE_THERE + LONGEST_RUN + 1
# the kinds of the first sentence, then those of the second
OVERLAP_SEGMENTS = 2 * KINDS

# White space and punctuation part words; vowel signs and combining accents do not.
_CUTTER = BertPreTokenizer()
# The same for a text of ASCII characters, in a fraction of the time; of longer ones words are held once.
_ASCII_WORD = re.compile(r"[!-/:-@\[-`{-~]|[^\t-\r !-/:-@\[-`{-~]+")
_SHORT = 4096
_ONE = [bytes([number]) for number in range(2 * KINDS)]


Kinds = Sequence[int]
"""The kind of the word that each character of a text belongs to; 0 between words."""


class Span(NamedTuple):
    """Where a token stands: side 0 or 1 (-1 for special tokens), characters start to end."""

    side: int
    start: int
    end: int


def overlap_segments(spans: Iterable[Span], first: str, second: str) -> list[int]:
    """Return the segment id of every token of a pair.

    Args:
        spans: the tokens' places in the two texts.
        first: first text.
        second: second text.

    Returns:
        Ids in 0 .. OVERLAP_SEGMENTS - 1, one for each token.
    """
    return segments_at(spans, pair_kinds(first, second))


def segments_at(spans: Iterable[Span], kinds: tuple[Kinds, Kinds]) -> list[int]:
    """Return the segment ids of tokens, from the kinds of the words of both texts."""
    ids = []
    for side, start, end in spans:
        # A token's last character: the first one may be the space that some vocabularies keep.
        kind = kinds[side][end - 1] if side >= 0 and end > start else 0
        ids.append(kind + side * KINDS if kind else 0)
    return ids


def word_kinds(text: str, other: str) -> Kinds:
    """Return the kind of the word at each character of `text`, as against `other`."""
    return pair_kinds(text, other)[0]


def pair_kinds(first: str, second: str) -> tuple[Kinds, Kinds]:
    """Return the kind of the word at each character of two texts, each as against the other."""
    (words, places), (others, there) = _words_and_places(first), _words_and_places(second)
    runs, runs_there = _shared_runs(words, others)
    return (
        _kinds(len(first), words, places, runs, others),
        _kinds(len(second), others, there, runs_there, words),
    )


def _kinds(size: int, words: Sequence[str], places: array[int], runs: bytearray, others: Sequence[str]) -> Kinds:
    stems: set[str] | None = None
    kinds = bytearray(size)
    for i, (word, run) in enumerate(zip(words, runs, strict=True)):
        start, end = places[2 * i], places[2 * i + 1]
        if not run and stems is None:
            stems = {stem for there in others if (stem := _stem(there))}
        kind = LIKE_ONE_THERE + run if run else _unshared(word, stems or set())
        kinds[start:end] = _ONE[kind] * (end - start)
    return kinds


def _words_and_places(text: str) -> tuple[list[str], array[int]]:
    words, places = [], array("q")
    for word, start, end in words_at(text):
        words.append(word)
        places.extend((start, end))
    return words, places


def words_at(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the words of a text, without case, and their places; equal words are one object."""
    known: dict[str, str] = {}
    if len(text) <= _SHORT and text.isascii():
        for found in _ASCII_WORD.finditer(text.lower()):
            word = found[0]
            yield word, found.start(), found.end()
        return
    for before, stretch in stretches(text):
        for word, (start, end) in _CUTTER.pre_tokenize_str(stretch):
            plain = _plain(word)
            yield known.setdefault(plain, plain), before + start, before + end


def _unshared(word: str, stems: set[str]) -> int:
    if not any(character.isalnum() for character in word):
        return PUNCTUATION_ONLY_HERE
    if any(character.isdigit() for character in word):
        return NUMBER_ONLY_HERE
    return LIKE_ONE_THERE if _stem(word) in stems else ONLY_HERE


def _shared_runs(words: Sequence[str], others: Sequence[str]) -> tuple[bytearray, bytearray]:
    """Return, for each word of two texts, how long the longest run around it is that both have."""
    lengths, there = bytearray(len(words)), bytearray(len(others))
    # Runs of the shorter text are held, and only those of the longer one that it has, too.
    fewer, more = sorted((words, others), key=len)
    for n in range(1, LONGEST_RUN + 1):
        held = set(_runs(fewer, n))
        shared = {run for run in _runs(more, n) if run in held}
        if not shared:  # nor is a longer one
            break
        mark = _ONE[n] * n
        for side, found in ((words, lengths), (others, there)):
            for i, run in enumerate(_runs(side, n)):
                if run in shared:
                    found[i : i + n] = mark
    return lengths, there


def _runs(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(islice(words, start, None) for start in range(n)), strict=False)


def _plain(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()


def _stem(word: str) -> str | None:
    """Cut a word to what inflection leaves alone: four letters, or two Hangul syllables."""
    size = 2 if "가" <= word[:1] <= "힣" else 4
    return word[:size] if len(word) >= size else None


# The same of thousands of pairs at once: words are numbers, and the runs that both texts of a pair have
# are those whose numbers the sorted numbers of all runs hold for either side.

_PUNCTUATION, _NUMBER, _OTHER = range(3)
_UNSHARED = np.array([PUNCTUATION_ONLY_HERE, NUMBER_ONLY_HERE, ONLY_HERE], np.uint8)


class WordTable:
    """Gives words numbers, and knows of each what its kind depends on."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._sorts, self._stem_of = array("b"), array("i")

    def __len__(self) -> int:
        return len(self._sorts)

    def number(self, word: str) -> int:
        """Return the number of a word, without case as `words_at` gives it."""
        number = self._numbers.setdefault(word, len(self._sorts))
        if number == len(self._sorts):
            is_read = any(map(str.isalnum, word))
            self._sorts.append((_NUMBER if any(map(str.isdigit, word)) else _OTHER) if is_read else _PUNCTUATION)
            stem = _stem(word)
            self._stem_of.append(self._stems.setdefault(stem, len(self._stems)) if stem else -1)
        return number

    def kinds(self, words: NDArray[np.int32], texts: NDArray[np.int64], pairs: int) -> NDArray[np.uint8]:
        """Return what `pair_kinds` says of each word of many pairs, (W).

        Args:
            words: their numbers, text after text, (W).
            texts: which text each is of, (W): the first ones of N pairs, then the second ones.
            pairs: N.
        """
        runs = _runs_of_many(words, texts, pairs, len(self))
        sorts, stems = np.array(self._sorts), np.array(self._stem_of)[words]
        kinds = np.where(runs > 0, LIKE_ONE_THERE + runs, _UNSHARED[sorts[words]]).astype(np.uint8)
        asked, has_stem = (runs == 0) & (sorts[words] == _OTHER) & (stems >= 0), stems >= 0
        other = np.where(texts < pairs, texts + pairs, texts - pairs)
        size = len(self._stems)
        is_there = np.isin(other[asked] * size + stems[asked], (texts * size + stems)[has_stem])
        kinds[np.flatnonzero(asked)[is_there]] = LIKE_ONE_THERE
        return kinds


def _runs_of_many(words: NDArray[np.int32], texts: NDArray[np.int64], pairs: int, size: int) -> NDArray[np.uint8]:
    """Return, for each word of many pairs, how long the longest run around it is that both texts have, (W)."""
    lengths = np.zeros(len(words), np.uint8)
    begins = np.arange(len(words))  # where the runs stand
    codes = texts % max(1, pairs)  # of the row and the run but its last word
    for n in range(1, LONGEST_RUN + 1):
        ends = begins + n - 1
        inside = ends < len(words)
        inside[inside] = texts[ends[inside]] == texts[begins[inside]]
        begins, ends, codes = begins[inside], ends[inside], codes[inside]
        if not len(begins):
            break
        found, codes = np.unique(codes * size + words[ends], return_inverse=True)
        is_second = texts[begins] >= pairs
        shared = (np.bincount(codes[~is_second], minlength=len(found)) > 0) & (
            np.bincount(codes[is_second], minlength=len(found)) > 0
        )
        kept = shared[codes]  # a longer run begins with a shared one
        begins, codes = begins[kept], codes[kept]
        for place in range(n):
            lengths[begins + place] = n
    return lengths


# --- Places of tokens as a reader would mark them: no white space, no half characters -------------
#
# The Rust library gives a token the space its "▁" stands for. Of characters that its normalizer
# composed, such as decomposed Hangul, it gives the first code point only.


class PackedSpans(Sequence[Span]):
    """Spans in a tenth of their memory; each is made when it is asked for.

    Args:
        spans: some spans.
        skipped: is added to the places, of side 0 and of side 1.

    Attributes:
        flat: side, start and end of one after the other.
    """

    __slots__ = ("flat",)

    def __init__(self, spans: Iterable[Span], skipped: tuple[int, int] = (0, 0)) -> None:
        before = (*skipped, 0)  # side -1 has no place in a text
        self.flat = array("i", chain.from_iterable((i, a + before[i], b + before[i]) for i, a, b in spans))

    def __len__(self) -> int:
        return len(self.flat) // 3

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Span, ...]: ...

    def __getitem__(self, index: int | slice) -> Span | tuple[Span, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        start = 3 * range(len(self))[index]
        return Span._make(self.flat[start : start + 3])

    def __iter__(self) -> Iterator[Span]:
        places = iter(self.flat)
        return map(Span, places, places, places)


def whole_characters(spans: Sequence[Span], texts: Sequence[str]) -> tuple[Span, ...]:
    """Cut white space off the ends of spans, and let them end where their characters do.

    Args:
        spans: the tokens' places, in order; special tokens have side -1.
        texts: the text of each side.

    Returns:
        One span per token; that of a token which stands for white space only is empty.
    """
    if all(map(str.isascii, texts)) and not any(map(_begins_or_ends_blank, spans, repeat(texts))):
        return tuple(spans)
    found = []
    for i, span in enumerate(spans):
        if span.side < 0:
            found.append(span)
            continue
        text = texts[span.side]
        follower = spans[i + 1] if i + 1 < len(spans) else None
        limit = follower.start if follower and follower.side == span.side else len(text)
        found.append(_whole(span, text, max(limit, span.end)))
    return tuple(found)


def _begins_or_ends_blank(span: Span, texts: Sequence[str]) -> bool:
    side, start, end = span
    return side >= 0 and end > start and (texts[side][start].isspace() or texts[side][end - 1].isspace())


def _whole(span: Span, text: str, limit: int) -> Span:
    side, start, end = span
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    while start < end < limit and _belongs(text, start, end):
        end += 1
    return Span(side, start, end)


def _belongs(text: str, start: int, end: int) -> bool:
    """Tell whether the character at `end` is a part of the one before it."""
    follower = text[end]
    if follower.isascii() or follower.isspace():
        return False
    if unicodedata.category(follower).startswith("M"):
        return True
    return _composed_length(text[start : end + 1]) == _composed_length(text[start:end])


def _composed_length(text: str) -> int:
    return len(unicodedata.normalize("NFKC", text))
