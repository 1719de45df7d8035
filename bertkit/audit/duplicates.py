"""Duplicates: exact, near (MinHash), across splits, or with a different label."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import combinations
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.findings import Chunk, Finding, Severity, counted
from bertkit.cache import cache_folder, scratch_array, scratch_file
from bertkit.data.faults import MAX_PLACES
from bertkit.data.records import Example, LabelSet, Place, ReadingQuestion, TaggedText, plain_form
from bertkit.data.store import MANY
from bertkit.data.values import is_score
from bertkit.files import write_errors

# --- The one thing that is kept of every row: 64-bit hashes of its texts and answer, and its place
#
# Some 50 bytes a row, whatever the length of the texts. The hashes are BLAKE2b's, so two
# processes, and two machines, find the same rows. Among a million texts, two different ones
# share a hash with probability 3e-8.

Keys = NDArray[np.uint64]
# Figures of a row that are kept, and rows that are compared at once.
_COLUMNS, _PART_ROWS = 6, 1 << 16


@dataclass(frozen=True)
class RowKeys:
    """The rows of one split, N of them with C columns of text.

    `answers` are hashes, or in regression the numbers themselves; `has_answer` tells the
    rows that have one.
    """

    exact: Keys  # (N)
    columns: Keys  # (N, C), of the normalised texts
    answers: NDArray[Any]  # (N) of uint64, or of float64
    has_answer: NDArray[np.bool_]  # (N)
    lines: NDArray[np.int64]  # (N)
    files: NDArray[np.int32]  # (N)
    file_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.exact)

    @cached_property
    def normal(self) -> Keys:
        """One key a row, of its normalised texts in their order, (N)."""
        return _combined(self.columns, lambda part: part)

    @cached_property
    def unordered(self) -> Keys:
        """The same, but a swapped pair is the same pair, (N)."""
        return _combined(self.columns, lambda part: np.sort(part, axis=1))

    def place(self, index: int) -> Place:
        """Tell where a row stands."""
        return Place(self.file_names[self.files[index]], int(self.lines[index]))

    def places(self, indices: Iterable[int]) -> tuple[Place, ...]:
        """Tell where several rows stand."""
        return tuple(self.place(int(index)) for index in indices)


class _Column:
    """One figure (or several) of each row, as they come; of many rows in a file without a name, and not in memory."""

    def __init__(self) -> None:
        self._parts: list[NDArray[Any]] = []
        self._rows = 0
        self._stream: IO[bytes] | None = None

    def add(self, part: NDArray[Any]) -> None:
        """Take the figures of some rows."""
        self._rows += len(part)
        if self._stream is None and self._rows <= MANY:
            self._parts.append(part)
            return
        if self._stream is None:
            self._stream = scratch_file()
            for earlier in self._parts:
                self._stream.write(earlier.tobytes())
            self._parts = [part[:0]]
        with write_errors(cache_folder()):
            self._stream.write(part.tobytes())

    def whole(self) -> NDArray[Any]:
        """Return those of all rows."""
        if self._stream is None:
            return np.concatenate(self._parts)
        self._stream.flush()
        kind = self._parts[0]
        return np.asarray(np.memmap(self._stream, kind.dtype, "r", shape=(self._rows, *kind.shape[1:])))


class KeyTable:
    """Gathers the keys of every split.

    Args:
        numeric: whether answers are numbers (regression).
    """

    def __init__(self, *, numeric: bool = False) -> None:
        self._numeric = numeric
        self._columns: dict[str, list[_Column]] = defaultdict(lambda: [_Column() for _ in range(_COLUMNS)])
        self._files: dict[str, int] = {}

    def see(self, chunk: Chunk) -> None:
        """Hash some rows."""
        answer = _number if self._numeric else _answer_key
        figures: tuple[NDArray[Any], ...] = (
            _hash_columns([("\x1f".join(texts),) for texts in chunk.texts])[:, 0],
            _hash_columns(chunk.normal),
            np.array(list(map(answer, chunk.rows)), dtype=np.float64 if self._numeric else np.uint64),
            np.array([row.answer is not None for row in chunk.rows]),
            np.array([row.line for row in chunk.rows], dtype=np.int64),
            np.array([self._file(row.source) for row in chunk.rows], dtype=np.int32),
        )
        for column, part in zip(self._columns[chunk.split], figures, strict=True):
            column.add(part)

    def tables(self) -> dict[str, RowKeys]:
        """Join what was gathered, by split, and let go of the pieces."""
        names = tuple(self._files)
        return {
            split: RowKeys(*(column.whole() for column in self._columns.pop(split)), file_names=names)  # type: ignore[misc, arg-type]
            for split in list(self._columns)
        }

    def _file(self, source: str) -> int:
        return self._files.setdefault(source, len(self._files))


def in_parts(keys: Keys) -> Iterator[NDArray[np.int64]]:
    """Part rows so that those with equal keys are in one part, of some ten thousand rows where there are many.

    Yields:
        The places of a part's rows, ascending.
    """
    count = 1
    while len(keys) > count * _PART_ROWS:
        count *= 2
    if count == 1:
        yield np.arange(len(keys))
        return
    part_of = by_row(len(keys), "uint16")
    for start in range(0, len(keys), _PART_ROWS):
        part = keys[start : start + _PART_ROWS]
        part_of[start : start + _PART_ROWS] = part % np.uint64(count)
    for number in range(count):
        yield np.flatnonzero(part_of == number)


def by_row(rows: int, kind: str) -> NDArray[Any]:
    """Make an array of a figure for each row; of many, one that is not held in memory."""
    return scratch_array((rows,), kind) if rows > MANY else np.zeros(rows, kind)


def stable_key(text: str) -> int:
    """Hash a text to 64 bits, the same in every process."""
    return int.from_bytes(_digest(text), "little")


def combine(columns: Keys) -> Keys:
    """Mix the keys of each row, (N, C), into one that depends on their order, (N)."""
    mixed = np.full(len(columns), columns.shape[1], dtype=np.uint64)
    for column in columns.T:
        # one round of SplitMix64's finalizer (Steele et al. 2014) a column
        mixed = (mixed ^ column) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _combined(columns: Keys, ordered: Callable[[Keys], Keys]) -> Keys:
    found = by_row(len(columns), "uint64")
    for start in range(0, len(columns), _PART_ROWS):
        found[start : start + _PART_ROWS] = combine(ordered(columns[start : start + _PART_ROWS]))
    return found


def _hash_columns(rows: list[tuple[str, ...]]) -> Keys:
    digests = b"".join([_digest(text) for texts in rows for text in texts])
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64).reshape(len(rows), -1)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _answer_key(row: Example) -> int:
    if isinstance(row, TaggedText):
        # by what an entity says, not where it stands: white space may be all that moved it
        said = [(entity.label, plain_form(row.texts[0][entity.start : entity.end])) for entity in row.entities or ()]
        return stable_key(repr(said))
    if isinstance(row, ReadingQuestion):
        return _label_key(repr(sorted(map(plain_form, row.answers))))
    if isinstance(row, LabelSet):
        return _label_key(repr(sorted(row.labels or ())))
    return _label_key(row.label or "")


@lru_cache(maxsize=4096)
def _label_key(label: str) -> int:
    return stable_key(label)


def _number(row: Example) -> float:
    return float(row.label) if row.label is not None and is_score(row.label) else 0.0


# --- Rows of one split that repeat each other, and repeat each other with another answer ----------

Indices = NDArray[np.int64]

# two scores of the same text are at odds when this share of the whole range lies between them
_TOLERANCE = 0.1
_EMPTY = np.uint64(stable_key(""))


@dataclass(frozen=True, slots=True)
class _Sameness:
    """One sense in which two texts are the same."""

    copies: str
    conflicts: str
    severity: Severity
    repeat: str
    conflict: str


_EXACT = _Sameness("duplicate_rows", "conflicting_labels", "warning", "exactly", "the same text as another row")
_NORMALISED = _Sameness(
    "normalised_duplicates",
    "normalised_conflicts",
    "info",
    "but for letter case, white space or punctuation",
    "another row's text apart from letter case, white space or punctuation,",
)


def duplicate_findings(split: str, rows: RowKeys, *, is_pair: bool) -> Iterator[Finding]:
    """Find what repeats within a split; rows without any text are left to the empty rows."""
    filled = ~is_empty(rows)
    exact, normal = first_rows(rows.exact), first_rows(rows.normal)
    # What is told of each row is written where it stands: of many rows these arrays take no memory.
    copies, near_copies = _is_later(exact), _is_later(normal)
    copies &= filled
    near_copies &= filled
    np.greater(near_copies, copies, out=near_copies)  # and not copies
    yield from _copies(split, rows, _EXACT, exact, copies)
    yield from _copies(split, rows, _NORMALISED, normal, near_copies)
    conflicting, loosely = _conflicting(rows, rows.exact), _conflicting(rows, rows.normal)
    conflicting &= filled
    yield from _conflicts(split, rows, _EXACT, exact, conflicting)
    loosely &= filled
    np.greater(loosely, conflicting, out=loosely)
    yield from _conflicts(split, rows, _NORMALISED, normal, loosely)
    if is_pair:
        yield from _same_sentences(split, rows)
        yield from _shared_sentences(split, rows, filled)


def first_rows(keys: Keys) -> Indices:
    """Return for each row the first row that has its key, (N)."""
    rows: Indices = by_row(len(keys), "int64")
    for places in in_parts(keys):
        _, first, group = np.unique(keys[places], return_index=True, return_inverse=True)
        rows[places] = places[first[group]]
    return rows


def _is_later(first: Indices) -> NDArray[np.bool_]:
    """Tell the rows before which another one stands, (N)."""
    later: NDArray[np.bool_] = by_row(len(first), "bool")
    for start in range(0, len(first), MANY):
        part = first[start : start + MANY]
        later[start : start + MANY] = part != np.arange(start, start + len(part))
    return later


def is_empty(rows: RowKeys) -> NDArray[np.bool_]:
    """Tell the rows that have no text in any column, (N)."""
    empty: NDArray[np.bool_] = np.ones(len(rows), np.bool_)
    for column in rows.columns.T:
        empty &= column == _EMPTY
    return empty


def _copies(split: str, rows: RowKeys, how: _Sameness, first: Indices, copies: NDArray[np.bool_]) -> Iterator[Finding]:
    where = np.flatnonzero(copies)
    if not len(where):
        return
    message = f"{split}: {counted(len(where), 'row', 'repeat')} an earlier row {how.repeat}."
    places = side_by_side(rows, first[where], rows, where)
    yield Finding(how.copies, how.severity, len(where), message, places)


def _conflicting(rows: RowKeys, keys: Keys) -> NDArray[np.bool_]:
    """Tell the rows of which another row with the same key has another answer, (N)."""
    conflicting: NDArray[np.bool_] = by_row(len(rows), "bool")
    known_at_all = rows.answers if rows.has_answer.all() else rows.answers[rows.has_answer]
    if not len(known_at_all):
        return conflicting
    least, most = known_at_all.min(), known_at_all.max()
    for places in in_parts(keys):
        known = places[rows.has_answer[places]]
        answers = rows.answers[known]
        groups, group = np.unique(keys[known], return_inverse=True)
        lowest = np.full(len(groups), most, dtype=answers.dtype)
        highest = np.full(len(groups), least, dtype=answers.dtype)
        np.minimum.at(lowest, group, answers)
        np.maximum.at(highest, group, answers)
        is_number = answers.dtype == np.float64
        at_odds = highest - lowest > _TOLERANCE * (most - least) if is_number else highest != lowest
        conflicting[known] = at_odds[group]
    return conflicting


def _conflicts(
    split: str, rows: RowKeys, how: _Sameness, first: Indices, conflicting: NDArray[np.bool_]
) -> Iterator[Finding]:
    where = np.flatnonzero(conflicting)
    if not len(where):
        return
    together = where[np.argsort(first[where], kind="stable")]
    message = (
        f"{split}: {counted(len(where), 'row', 'have')} {how.conflict} and a different label; "
        "decide which label is right, or drop them."
    )
    yield Finding(how.conflicts, how.severity, len(where), message, rows.places(together[:MAX_PLACES]))


def _same_sentences(split: str, rows: RowKeys) -> Iterator[Finding]:
    same = np.flatnonzero((rows.columns[:, 0] == rows.columns[:, 1]) & (rows.columns[:, 0] != _EMPTY))
    if len(same):
        message = f"{split}: {counted(len(same), 'row', 'have')} the same sentence on both sides."
        yield Finding("same_sentence_in_pair", "warning", len(same), message, rows.places(same[:MAX_PLACES]))


def _shared_sentences(split: str, rows: RowKeys, filled: NDArray[np.bool_]) -> Iterator[Finding]:
    """Find sentences that stand in several different pairs; copies of a pair do not count."""
    pairs = np.flatnonzero(filled & (first_rows(rows.unordered) == np.arange(len(rows))))
    columns = rows.columns[pairs]
    once = np.where(columns[:, 1] == columns[:, 0], _EMPTY, columns[:, 1])
    columns = np.column_stack([columns[:, 0], once])
    _, group, size = np.unique(columns, return_inverse=True, return_counts=True)
    shared = ((size[group.reshape(columns.shape)] > 1) & (columns != _EMPTY)).any(axis=1)
    where = pairs[shared]
    if len(where):
        message = (
            f"{split}: {counted(len(where), 'row', 'share')} a sentence with another row; "
            "a random split puts some of these sentences on both sides."
        )
        yield Finding("shared_sentences", "info", len(where), message, rows.places(where[:MAX_PLACES]))


def side_by_side(left: RowKeys, left_rows: Indices, right: RowKeys, right_rows: Indices) -> tuple[Place, ...]:
    """Tell where the first few rows of two lists stand, each beside the other."""
    few = slice(MAX_PLACES // 2)
    both = zip(left.places(left_rows[few]), right.places(right_rows[few]), strict=True)
    return tuple(dict.fromkeys(place for pair in both for place in pair))


# --- Rows and sentences that stand in two splits, so that a score on one of them is too good ------

# from this share of the held-out rows on, its score can no longer be believed
SERIOUS = 0.01


def leakage_findings(tables: Mapping[str, RowKeys], *, is_pair: bool) -> Iterator[Finding]:
    """Compare every two splits, normalised texts against normalised texts.

    Args:
        tables: the splits, the one that is trained on first.
        is_pair: whether rows are pairs of sentences; then a swapped pair is the same row,
            and single sentences are looked for too.
    """
    for (name, rows), (held_name, held) in combinations(tables.items(), 2):
        yield from _between(name, rows, held_name, held, is_pair=is_pair)


def severity_of(count: int, held_rows: int) -> Severity:
    """Judge leaked rows by their share of the held-out split."""
    return "error" if count >= SERIOUS * held_rows else "warning"


def _between(name: str, rows: RowKeys, held_name: str, held: RowKeys, *, is_pair: bool) -> Iterator[Finding]:
    filled = ~is_empty(held)
    same = filled & np.isin(held.normal, rows.normal)
    share = same.sum() / max(1, len(held))
    message = (
        f"{held_name} and {name} have {counted(int(same.sum()), 'row')} in common ({share:.1%} of {held_name}); "
        f"take them out of one of the two."
    )
    yield from _in_both("rows_in_two_splits", message, (held, held.normal), (rows, rows.normal), same)
    if not is_pair:
        return
    swapped = filled & ~same & np.isin(held.unordered, rows.unordered)
    message = (
        f"{held_name} and {name} have {counted(int(swapped.sum()), 'pair')} in common with the sentences swapped; "
        "take them out of one of the two."
    )
    yield from _in_both("swapped_rows_in_two_splits", message, (held, held.unordered), (rows, rows.unordered), swapped)
    yield from _sentences(name, rows, held_name, held, filled & ~same & ~swapped)


def _in_both(
    kind: str, message: str, held: tuple[RowKeys, Keys], trained: tuple[RowKeys, Keys], found: NDArray[np.bool_]
) -> Iterator[Finding]:
    """Report held-out rows that stand among the others, too, by the keys of both."""
    where = np.flatnonzero(found)
    if len(where):
        first = where[:MAX_PLACES]
        places = side_by_side(held[0], first, trained[0], _first_of(held[1][first], trained[1]))
        yield Finding(kind, severity_of(len(where), len(held[0])), len(where), message, places)


def _sentences(name: str, rows: RowKeys, held_name: str, held: RowKeys, others: NDArray[np.bool_]) -> Iterator[Finding]:
    """Find single sentences on both sides of the split, in rows that are not the same as a whole."""
    known = np.isin(held.columns, rows.columns) & (held.columns != _EMPTY)
    where = np.flatnonzero(others & known.any(axis=1))
    if not len(where):
        return
    columns = known[where].argmax(axis=1)
    sentences = held.columns[where, columns]
    flat = rows.columns.ravel()
    matches = _first_of(sentences[:MAX_PLACES], flat) // rows.columns.shape[1]
    message = f"{held_name}: {counted(len(where), 'row', 'have')} a sentence that is also in {name}, in another pair."
    places = side_by_side(held, where, rows, matches)
    yield Finding("sentences_in_two_splits", "info", len(where), message, places)


def _first_of(wanted: Keys, keys: Keys) -> Indices:
    """Return where each wanted key stands first; all of them do."""
    found: Indices = np.array([np.flatnonzero(keys == key)[0] for key in wanted], dtype=np.int64)
    return found


# --- Rows of two splits that are almost the same text: MinHash signatures in a banded index -------
#
# Broder 1997, "On the resemblance and containment of documents", with the bands of Leskovec
# et al., "Mining of Massive Datasets", chapter 3. Shingles are runs of four characters of the
# normalised text, which suits Korean, where a changed ending changes the word. All rows of a
# chunk are hashed at once: about 4 µs a row of 115 characters, against 95 µs for one row
# after the other with datasketch 2.0, which also needs 1.8 KB a row for its index.

SIMILARITY = 0.8  # Jaccard similarity of the shingles from which rows are almost the same
MAX_INDEXED = 200_000  # rows of a split that others are compared with
_SHINGLE = 4
_BANDS, _BAND_ROWS = 8, 5  # finds 96 % of the rows with a similarity of 0.8, 99 % at 0.85
_SIGNATURE = _BANDS * _BAND_ROWS
_PER_BUCKET = 3  # rows of one bucket that are compared; a template fills buckets by the thousand
_MIN_CHARACTERS = 25  # shorter texts resemble each other by nature
_MAX_CHARACTERS = 2000  # of a longer text half comes from its beginning, half from its end
_HASHED_ROWS = 512  # at once: what fits the processor's cache

Signatures = NDArray[np.uint32]
_FACTORS, _MASKS = np.random.RandomState(1997).randint(0, 2**31, (2, _SIGNATURE), dtype=np.int64).astype(np.uint32)
_FACTORS = _FACTORS * np.uint32(2) + np.uint32(1)


class NearDuplicates:
    """Compares each split with those that were seen before it.

    Splits come one after the other. At most `MAX_INDEXED` rows of a split are kept for
    comparison, some 300 bytes each; the last split is only compared, so it may have any size.

    Args:
        last: the split that comes last.
    """

    def __init__(self, last: str) -> None:
        self._last = last
        self._indices: dict[str, _Index] = {}
        self._passed: dict[str, int] = {}

    def see(self, chunk: Chunk) -> None:
        """Compare some rows with the earlier splits, and keep them for the later ones."""
        offset = self._passed.get(chunk.split, 0)
        self._passed[chunk.split] = offset + len(chunk.rows)
        texts = [_comparable(normal) for normal in chunk.normal]
        numbers = [number for number, text in enumerate(texts) if len(text) >= _MIN_CHARACTERS]
        for start in range(0, len(numbers), _HASHED_ROWS):
            part = numbers[start : start + _HASHED_ROWS]
            signatures = minhash([texts[number] for number in part])
            self._take(chunk.split, signatures, np.array(part, dtype=np.int64) + offset)

    def notes(self) -> tuple[str, ...]:
        """Say which splits were compared only in part."""
        return tuple(
            f"near-duplicates were looked for among the first {MAX_INDEXED:,} rows of {split} only"
            for split, index in self._indices.items()
            if index.is_full
        )

    def findings(self, tables: Mapping[str, RowKeys]) -> Iterator[Finding]:
        """Report near-duplicates that are not the same row outright.

        Args:
            tables: the keys of every split, the one that is trained on first.
        """
        order = list(tables)
        for held, index in self._indices.items():
            for split, best in index.best.items():
                first, second = sorted((split, held), key=order.index)
                pairs = best.pairs()
                pairs = pairs if second == held else pairs[:, ::-1]
                yield from _report(first, tables[first], second, tables[second], pairs)

    def _take(self, split: str, signatures: Signatures, numbers: Indices) -> None:
        bands = _bands(signatures)
        for other, index in self._indices.items():
            if other != split:
                index.compare(split, bands, signatures, numbers)
        if split != self._last:
            self._indices.setdefault(split, _Index()).add(bands, signatures, numbers)


@dataclass
class _Best:
    """The most similar row of another split for each row of an index, -1 where there is none."""

    numbers: Indices  # (N) of the index's rows
    nearest: Indices  # (N)
    similarity: NDArray[np.float32]  # (N)

    def pairs(self) -> Indices:
        """List (nearest, row) of the rows that have a near duplicate, (M, 2)."""
        found = self.nearest >= 0
        return np.column_stack([self.nearest[found], self.numbers[found]])


@dataclass
class _Index:
    """The signatures of one split, by band."""

    best: dict[str, _Best] = field(default_factory=dict)
    is_full: bool = False
    _count: int = 0
    _bands: list[Keys] = field(default_factory=list)
    _signatures: list[Signatures] = field(default_factory=list)
    _numbers: list[Indices] = field(default_factory=list)
    _orders: list[Indices] = field(default_factory=list)

    def add(self, bands: Keys, signatures: Signatures, numbers: Indices) -> None:
        room = MAX_INDEXED - self._count
        self.is_full = self.is_full or len(numbers) > room
        self._count += min(room, len(numbers))
        self._bands.append(bands[:, :room])
        self._signatures.append(signatures[:, :room])
        self._numbers.append(numbers[:room])

    def compare(self, split: str, bands: Keys, signatures: Signatures, numbers: Indices) -> None:
        """Look up some rows of another split; keep the nearest of each row here."""
        self._settle()
        if split not in self.best:
            self.best[split] = _Best(
                self._numbers[0], np.full(self._count, -1, dtype=np.int64), np.zeros(self._count, dtype=np.float32)
            )
        row, mine = self._candidates(bands)
        alike = (signatures[:, row] == self._signatures[0][:, mine]).mean(axis=0, dtype=np.float32)
        # in ascending order, so that the best of several writes last
        order = np.argsort(alike, kind="stable")
        order = order[alike[order] >= SIMILARITY]
        best = self.best[split]
        better = order[alike[order] > best.similarity[mine[order]]]
        best.similarity[mine[better]] = alike[better]
        best.nearest[mine[better]] = numbers[row[better]]

    def _settle(self) -> None:
        """Join what was added, once it is complete, and sort each band."""
        if self._orders:
            return
        self._numbers = [np.concatenate(self._numbers)]
        self._signatures = [np.concatenate(self._signatures, axis=1)]
        bands = np.concatenate(self._bands, axis=1)
        self._orders = [np.argsort(band, kind="stable") for band in bands]
        self._bands = [band[order] for band, order in zip(bands, self._orders, strict=True)]

    def _candidates(self, bands: Keys) -> tuple[Indices, Indices]:
        """Pair each row with those here that share a band with it."""
        rows, mine = [], []
        for band, known, order in zip(bands, self._bands, self._orders, strict=True):
            start = np.searchsorted(known, band)
            for step in range(_PER_BUCKET):
                at = np.minimum(start + step, len(known) - 1)
                hit = np.flatnonzero(known[at] == band)
                rows.append(hit)
                mine.append(order[at[hit]])
        return np.concatenate(rows), np.concatenate(mine)


def minhash(texts: Sequence[str]) -> Signatures:
    """Compute the signatures of texts of four characters or more, (40, rows)."""
    shingles, starts = _shingles(texts)
    signatures = np.empty((_SIGNATURE, len(texts)), dtype=np.uint32)
    hashed = np.empty_like(shingles)
    for row, factor, mask in zip(signatures, _FACTORS, _MASKS, strict=True):
        np.multiply(shingles, factor, out=hashed)
        np.bitwise_xor(hashed, mask, out=hashed)
        np.minimum.reduceat(hashed, starts, out=row)
    return signatures


def _shingles(texts: Sequence[str]) -> tuple[NDArray[np.uint32], Indices]:
    """Hash every run of four characters; tell where those of each text start."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    ends = np.cumsum(lengths)
    count = len(codes) - _SHINGLE + 1
    hashed = np.zeros(count, dtype=np.uint32)
    for place in range(_SHINGLE):
        hashed = hashed * np.uint32(0x9E3779B1) + codes[place : place + count]
    inside = np.ones(len(codes), dtype=np.bool_)
    for back in range(1, _SHINGLE):
        inside[ends - back] = False  # a run that starts here would reach into the next text
    # MurmurHash3's finalizer
    hashed ^= hashed >> np.uint32(16)
    hashed *= np.uint32(0x85EBCA6B)
    hashed ^= hashed >> np.uint32(13)
    hashed *= np.uint32(0xC2B2AE35)
    hashed ^= hashed >> np.uint32(16)
    lengths -= _SHINGLE - 1
    return hashed[inside[:count]], np.cumsum(lengths) - lengths


def _bands(signatures: Signatures) -> Keys:
    """Fold the signatures, (40, rows), into one key for each band, (8, rows)."""
    grouped = signatures.reshape(_BANDS, _BAND_ROWS, -1).astype(np.uint64)
    return np.stack([combine(band.T) for band in grouped])


def _comparable(texts: tuple[str, ...]) -> str:
    joined = " ".join(sorted(texts))
    half = _MAX_CHARACTERS // 2
    return joined if len(joined) <= _MAX_CHARACTERS else joined[:half] + joined[-half:]


def _report(name: str, rows: RowKeys, held_name: str, held: RowKeys, pairs: Indices) -> Iterator[Finding]:
    """Report (row, held row) pairs; a row that stands in the other split outright is not a near-duplicate."""
    pairs = pairs[~np.isin(held.unordered[pairs[:, 1]], rows.unordered)]
    _, once = np.unique(pairs[:, 1], return_index=True)
    pairs = pairs[once]
    if not len(pairs):
        return
    message = (
        f"{held_name}: {counted(len(pairs), 'row', 'have')} almost the text of a row of {name} "
        f"({len(pairs) / len(held):.1%} of {held_name}; {SIMILARITY:.0%} or more of the character n-grams are "
        f"the same)."
    )
    places = side_by_side(held, pairs[:, 1], rows, pairs[:, 0])
    yield Finding("near_duplicates", "warning", len(pairs), message, places)
