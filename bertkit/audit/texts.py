"""Texts of each split: encoding faults, special tokens written out, and lengths."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.findings import Chunk, Finding, Reservoir, Severity, Tally, counted
from bertkit.data.column_names import has_text
from bertkit.data.records import bare

# --- Characters that show a text went through the wrong encoding, or that nobody can see ----------

# What the bytes 0x80 to 0xBF become when they are read as Latin-1 or as Windows-1252.
_CONTINUATION = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
# Without what may well follow a capital letter in print: quotes, dashes, dots, a closing »
_UNLIKELY_AFTER_LETTER = "\x80-\xa0¡-º¼-¿€‚ƒ„†‡ˆ‰Š‹ŒŽ•˜™šœžŸ"
_UTF8_AS_LATIN = re.compile(
    f"[ÂÃ][{_UNLIKELY_AFTER_LETTER}]"  # Ã© for é, Â° for °
    f"|â€[{_CONTINUATION}]"  # â€™ for ’
    f"|(?:[á-ï][{_CONTINUATION}]{{2}}){{2}}"  # ì•ˆë…• for 안녕
    f"|ðŸ[{_CONTINUATION}]{{2}}"  # an emoji
    "|ï»¿|ï¿½"  # a byte order mark, a replacement character
)
_CP949_AS_LATIN = re.compile("(?:[°-È][¡-þ]){2,}")  # ¾È³ç for 안녕
_FOREIGN_RUN = re.compile("[^\x00-\x7f]+")
_HANJA = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")

_JAMO = re.compile("[ᄀ-ᇿꥠ-ꥼힰ-ퟻ]")
_PARTS = re.compile(f"{_JAMO.pattern}|[A-Za-z][̀-ͯ]")

# A text without any of these has no fault: one look instead of seven.
_SUSPICIOUS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad°-Èà-ïð̀-ͯᄀ-ᇿ\u200b-\u200f\u202a-\u202e\u2060-\u2069"
    "\u4e00-\u9fff\uf900-\ufaff\ufeff\ufffd\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of broken character: how it is found, and what the rows hold."""

    kind: str
    occurs: Callable[[str], object]
    message: str


def _is_mojibake(text: str) -> bool:
    if _UTF8_AS_LATIN.search(text):
        return True
    if any(_is_cp949(match.group()) for match in _CP949_AS_LATIN.finditer(text)):
        return True
    return _HANJA.search(text) is not None and any(map(_was_utf8, _FOREIGN_RUN.findall(text)))


def _is_cp949(run: str) -> bool:
    """Tell Korean read as Latin-1 from a row of degree signs or dots."""
    hangul = run.encode("latin-1").decode("cp949", "replace")
    return len(set(hangul)) > 1 and all("가" <= char <= "힣" for char in hangul)


def _was_utf8(run: str) -> bool:
    """Tell UTF-8 Korean read as CP949 (안녕 as �븞�뀞) from Hangul beside Hanja.

    Turned back into bytes it is UTF-8 for Hangul nearly throughout, which CP949's own
    Hangul never is.
    """
    if "占쏙옙" in run:  # the replacement character, twice
        return True
    raw = run.encode("cp949", "ignore")
    hangul = sum("가" <= char <= "힣" for char in raw.decode("utf-8", "ignore"))
    return hangul >= 2 and 3 * hangul >= 0.6 * len(raw)


def _is_decomposed(text: str) -> bool:
    """Tell whether composing a text would change it."""
    return _PARTS.search(text) is not None and unicodedata.normalize("NFC", text) != text


def _has_lone_jamo(text: str) -> bool:
    """Tell letters of Hangul that belong to no syllable, and stay where the text is composed."""
    return _JAMO.search(text) is not None and _JAMO.search(unicodedata.normalize("NFC", text)) is not None


FAULTS = (
    Fault(
        "replacement_character",
        re.compile("[\ufffd\ud800-\udfff]").search,
        "characters that were lost in decoding (U+FFFD or half a surrogate pair); read the source again in its "
        "own encoding.",
    ),
    Fault(
        "mojibake",
        _is_mojibake,
        "text decoded with the wrong encoding (such as Ã© for é, or Korean as Latin letters or Hanja); decode "
        "the source again.",
    ),
    Fault(
        "decomposed_characters",
        _is_decomposed,
        "decomposed characters (NFD, as macOS writes file names: Hangul in single letters); normalise to NFC.",
    ),
    Fault(
        "lone_jamo",
        _has_lone_jamo,
        "lone letters of Hangul (U+1100 to U+11FF, as NFKC leaves of ㅋㅋ and ㅠㅠ); people type U+3131 to U+318E, "
        "which are other characters: convert them.",
    ),
    Fault(
        "control_character",
        re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]").search,
        "control characters; remove them.",
    ),
    Fault(
        "invisible_character",
        # a joiner between emoji and a non-joiner in Arabic script are spelling
        re.compile(
            "[\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069]"
            "|(?<![\u0600-\u06ff\u0900-\u0dff])\u200c"
            "|(?<![\u0600-\u06ff\u0900-\u0dff\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d"
        ).search,
        "characters that cannot be seen (zero-width space, soft hyphen, direction marks); remove them.",
    ),
    Fault(
        "byte_order_mark",
        re.compile("\ufeff").search,
        "a byte order mark inside the text; files were joined, save them without one.",
    ),
)


class Encoding:
    """Counts the rows of each split that have each fault."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)

    def see(self, chunk: Chunk) -> None:
        """Look at some rows."""
        if not is_suspicious("".join([text for row in chunk.rows for text in row.all_texts])):
            return
        for row in chunk.rows:
            suspects = [text for text in row.all_texts if is_suspicious(text)]
            if suspects:
                for fault in FAULTS:
                    if any(map(fault.occurs, suspects)):
                        self._tallies[chunk.split, fault.kind].add(row)

    def findings(self) -> Iterator[Finding]:
        """Report each fault of each split."""
        messages = {fault.kind: fault.message for fault in FAULTS}
        for (split, kind), tally in self._tallies.items():
            message = f"{split}: {counted(tally.count, 'row', 'hold')} {messages[kind]}"
            yield from tally.finding(kind, "warning", message)


def is_suspicious(text: str) -> bool:
    """Tell quickly whether a text may have a fault."""
    if text.isascii() and text.isprintable():
        return False
    return _SUSPICIOUS.search(text) is not None


# --- Texts that spell special tokens of encoders, which other tools take for what they are called -

_USUAL = (
    r"\[(?:CLS|SEP|PAD|MASK|UNK|BOS|EOS)\]|</?s>|<(?:pad|unk|mask|cls|sep|bos|eos|(?:start|end)_of_turn)>"
    r"|<\|[\w-]+\|>"
)


class SpecialTokens:
    """Counts the rows of each split that spell a special token.

    Args:
        task: of "mlm", whose texts may hold masks to be filled, masks are not counted.
        control: names of the model's own; those of other encoders count too.
        mask: the model's mask, one of these.
    """

    def __init__(self, task: str, control: Sequence[str] = (), mask: str | None = None) -> None:
        self._but = ("[MASK]", "<mask>", mask) if task == "mlm" else ()
        own = sorted((name for name in control if len(name) > 1), key=len, reverse=True)
        self._spelt = re.compile("|".join([*map(re.escape, own), _USUAL]))
        self._openings = {"[", "<", *(name[0] for name in own)}
        self._tallies: dict[str, Tally] = defaultdict(Tally)

    def see(self, chunk: Chunk) -> None:
        """Look at some rows."""
        whole = "\n".join([text for row in chunk.rows for text in row.all_texts])
        if not any(opening in whole for opening in self._openings) or not self._spells(whole):
            return
        for row in chunk.rows:
            if any(map(self._spells, row.all_texts)):
                self._tallies[chunk.split].add(row)

    def _spells(self, text: str) -> bool:
        return any(found[0] not in self._but for found in self._spelt.finditer(text))

    def findings(self) -> Iterator[Finding]:
        """Report each split."""
        for split, tally in self._tallies.items():
            message = (
                f"{split}: {counted(tally.count, 'row', 'spell')} special tokens of encoders ([SEP], <s>); they are "
                "read as text here, and other tools end a text at them: remove them unless they are meant."
            )
            yield from tally.finding("special_token", "info", message)


# --- How many words a text has, counted for thousands of texts at once ----------------------------
#
# Words and punctuation marks count alike, as `\w+|[^\w\s]` finds them, and as BERT's
# tokenizers split a text before they look into their vocabulary.

_PLANES = 0x20000  # beyond lie rare Hanja, which are letters
_MARK, _LETTER, _SPACE = 0, 1, 2


def count_words(texts: Sequence[str]) -> list[int]:
    """Count the words and punctuation marks of each text."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
    classes = _classes()[np.minimum(codes, _PLANES)]
    starts = classes == _LETTER
    starts[1:] &= classes[:-1] != _LETTER
    # a text that starts with a letter starts a word, whatever the text before it ended with
    first = ends[:-1][ends[:-1] < len(codes)]
    starts[first] = classes[first] == _LETTER
    reached = np.concatenate([[0], np.cumsum(starts | (classes == _MARK))])[ends]
    counts: NDArray[np.int64] = np.diff(reached, prepend=0)
    result: list[int] = counts.tolist()
    return result


@cache
def _classes() -> NDArray[np.uint8]:
    """Tell letters, spaces and marks apart by code point; the last entry stands for all beyond."""
    every = "".join(map(chr, range(_PLANES)))
    classes = np.full(_PLANES + 1, _MARK, dtype=np.uint8)
    classes[_PLANES] = _LETTER
    for pattern, name in ((r"\w+", _LETTER), (r"\s+", _SPACE)):
        for run in re.finditer(pattern, every):
            classes[run.start() : run.end()] = name
    return classes


# --- How long the texts are: characters and words of each column, tokens of each row --------------
#
# A punctuation mark counts as a word, as it does for the tokenizers of BERT.

PERCENTILES = (5, 50, 95, 99)
LOSS = 0.01  # the share of rows that may be cut without a word
_BARS = 12
_SAMPLE = 5000


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram: lengths from `low` to `high`, both included."""

    low: int
    high: int
    count: int


@dataclass(frozen=True)
class LengthSummary:
    """The distribution of a length."""

    count: int
    mean: float
    maximum: int
    percentiles: Mapping[int, int]
    histogram: tuple[Bar, ...]

    @property
    def peak(self) -> Bar | None:
        """The tallest bar."""
        return max(self.histogram, key=lambda bar: bar.count, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return percentiles as p5, p50, …, with mean, maximum and histogram."""
        return {
            **{f"p{percent}": length for percent, length in self.percentiles.items()},
            "max": self.maximum,
            "mean": round(self.mean, 2),
            "peak": [self.peak.low, self.peak.high] if self.peak else None,
            "histogram": [{"from": bar.low, "to": bar.high, "count": bar.count} for bar in self.histogram],
        }


@dataclass
class SplitLengths:
    """The lengths of one split: how many texts there are of each."""

    characters: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    words: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    tokens: Counter[int] = field(default_factory=Counter)
    sample: Reservoir[tuple[int, str | None], tuple[int, str | None]] = field(
        default_factory=lambda: Reservoir(_SAMPLE, keep=lambda pair: pair)
    )
    empty_rows: Tally = field(default_factory=Tally)
    empty_texts: Tally = field(default_factory=Tally)
    cut: Tally = field(default_factory=Tally)


class Lengths:
    """Counts the lengths of every split.

    Args:
        columns: the names of the text columns.
        max_length: the most tokens of a row that a model will read.
    """

    def __init__(self, columns: Sequence[str], max_length: int | None, *, are_marked: bool = False) -> None:
        self._columns = (*columns, "choices")
        self._max_length = max_length
        self._are_marked = are_marked  # the markers of relations are not words of their texts
        self.splits: dict[str, SplitLengths] = defaultdict(SplitLengths)

    def see(self, chunk: Chunk) -> None:
        """Measure the texts of some rows."""
        own = self.splits[chunk.split]
        for name, texts in zip(self._columns, zip(*chunk.texts, strict=True), strict=False):
            said = tuple(map(bare, texts)) if self._are_marked else texts
            own.characters[name].update(map(len, said))
            own.words[name].update(count_words(said))
        for row, texts in zip(chunk.rows, chunk.texts, strict=True):
            if not all(there := tuple(map(has_text, texts))):
                (own.empty_texts if any(there) else own.empty_rows).add(row)

    def see_tokens(self, chunk: Chunk, tokens: Sequence[int]) -> None:
        """Take note of how many tokens each of some rows has."""
        own = self.splits[chunk.split]
        own.tokens.update(tokens)
        own.sample.offer([(length, row.label) for row, length in zip(chunk.rows, tokens, strict=True)])
        if self._max_length is not None and max(tokens) > self._max_length:
            for row, length in zip(chunk.rows, tokens, strict=True):
                if length > self._max_length:
                    own.cut.add(row)

    def findings(self) -> Iterator[Finding]:
        """Report empty and overlong rows."""
        for split, own in self.splits.items():
            message = f"{split}: {counted(own.empty_rows.count, 'row', 'have')} no text at all; drop them."
            yield from own.empty_rows.finding("empty_row", "warning", message)
            message = f"{split}: {counted(own.empty_texts.count, 'row', 'have')} an empty text beside another one."
            yield from own.empty_texts.finding("empty_text", "warning", message)
            yield from self._cut_findings(split, own)

    def _cut_findings(self, split: str, own: SplitLengths) -> Iterator[Finding]:
        if not own.cut.count:
            return
        share = own.cut.count / own.tokens.total()
        severity: Severity = "warning" if share >= LOSS else "info"
        message = (
            f"{split}: {counted(own.cut.count, 'row', 'exceed')} {self._max_length} tokens ({share:.1%}) and would be "
            f"cut; {fitting_length(own.tokens)} tokens cut under {LOSS:.0%} of the rows."
        )
        yield from own.cut.finding("over_max_length", severity, message)


def summarize(lengths: Mapping[int, int]) -> LengthSummary:
    """Summarize how many texts there are of each length; percentiles are nearest ranks."""
    count = sum(lengths.values())
    if not count:
        return LengthSummary(0, 0.0, 0, dict.fromkeys(PERCENTILES, 0), ())
    mean = sum(length * number for length, number in lengths.items()) / count
    percentiles = {percent: percentile(lengths, percent / 100) for percent in PERCENTILES}
    return LengthSummary(count, mean, max(lengths), percentiles, histogram(lengths))


def percentile(lengths: Mapping[int, int], share: float) -> int:
    """Return the smallest length that at least `share` of the texts do not exceed."""
    wanted = share * sum(lengths.values())
    reached = 0
    for length in sorted(lengths):
        reached += lengths[length]
        if reached >= wanted:
            return length
    return 0


def fitting_length(lengths: Mapping[int, int]) -> int:
    """Return the smallest length that fewer than 1 % of the texts exceed."""
    longer = sum(lengths.values())
    allowed = LOSS * longer
    for length in sorted(lengths):
        longer -= lengths[length]
        if longer < allowed:
            return length
    return 0


def histogram(lengths: Mapping[int, int]) -> tuple[Bar, ...]:
    """Draw about a dozen bars of a round width up to the 99th percentile; the last takes the rest."""
    end = percentile(lengths, 0.99)
    width = _round_width((end + 1) / _BARS)
    last = end // width
    bars = Counter[int]()
    for length, number in lengths.items():
        bars[min(length // width, last)] += number
    longest = max(lengths)
    return tuple(
        Bar(bar * width, longest if bar == last else (bar + 1) * width - 1, bars[bar]) for bar in range(last + 1)
    )


def _round_width(least: float) -> int:
    """Return the first of 1, 2, 5, 10, 20, 50, … that is no less than `least`."""
    return next(width for power in itertools.count() for step in (1, 2, 5) if (width := step * int(10**power)) >= least)
