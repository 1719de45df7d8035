"""What `bertkit vocab` does: train on files and keep the result, list entries, measure coverage."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.data.formats.metering import metered
from bertkit.data.sources import input_files
from bertkit.data.texts import Texts, open_texts
from bertkit.errors import OutputError, UsageError
from bertkit.files import exists, is_dir, is_file, put_in_place, temporary, write_errors
from bertkit.locks import LOCK, held
from bertkit.outputs import check_outputs
from bertkit.plain import quoted
from bertkit.progress import Progress, unheard
from bertkit.run_folder import lasting
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.coverage import Coverage, measure_coverage
from bertkit.tokenization.vocab import train_vocabulary

FILES = frozenset({"tokenizer.json", "tokenizer_config.json"})
MEASURED_TEXTS = 10_000
_COUNTED = 1000


@dataclass(frozen=True)
class VocabularyRequest:
    """What to train: the files (- is stdin), wordpiece, bpe or unigram, and where it goes."""

    files: Sequence[str]
    kind: str
    size: int
    output: Path
    lowercase: bool = True
    columns: str | None = None
    force: bool = False


@dataclass(frozen=True)
class BuiltVocabulary:
    """A vocabulary that was trained and written.

    `columns` are those that were read, by file; `measured` is how many of the texts, evenly
    spread over them, `tokens_per_word` and `unknown_share` (0 to 1) were measured on.
    """

    output: Path
    type: str
    size: int
    texts: int
    columns: dict[str, tuple[str, ...]]
    tokens_per_word: float
    unknown_share: float
    measured: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values."""
        return {
            "output": str(self.output),
            "type": self.type,
            "size": self.size,
            "tokens_per_word": round(self.tokens_per_word, 4),
            "unknown_share": round(self.unknown_share, 6),
            "texts": self.texts,
            "measured_texts": self.measured,
            "columns": {name: list(columns) for name, columns in self.columns.items()},
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """An id of a vocabulary; `rank` is when BPE made the piece, `score` a unigram's log probability."""

    id: int
    token: str
    rank: int | None
    score: float | None


def build_vocabulary(request: VocabularyRequest, progress: Progress = unheard) -> BuiltVocabulary:
    """Train a vocabulary on files and write it as a tokenizer; the same files give the same bytes.

    Args:
        request: what to train.
        progress: is told how many texts were read, and how many there may be.

    Raises:
        OutputError: the folder is not empty (and `force` is not given), or cannot be written.
        DataError: a file, its columns or its rows cannot be read, there is no text, or the
            size is too small for its characters.
    """
    with ExitStack() as stack:
        for name in FILES:  # text may be named like this
            if is_file(path := request.output / name):
                check_outputs({"--output": path}, request.files, force=True)
        _take_place(request.output, stack, force=request.force)
        meter = stack.enter_context(metered())
        meter.expect(request.files)
        files = dict.fromkeys(input_files(request.files))
        opened = {name: open_texts(name, columns=request.columns) for name in files}
        sample = _Sample(
            (text for texts in opened.values() for text in texts.texts),
            lambda seen: progress(seen, meter.expected(seen)),
        )
        trained = train_vocabulary(sample, kind=request.kind, size=request.size, lowercase=request.lowercase)
        covered = measure_coverage(trained, sample.kept, most=0)
        with _writing(request.output):
            _write(trained, lasting(request.output))
    return BuiltVocabulary(
        output=request.output,
        type=request.kind,
        size=trained.vocab_size,
        texts=sample.seen,
        columns={name: texts.columns for name, texts in opened.items() if texts.columns},
        tokens_per_word=covered.tokens_per_word,
        unknown_share=covered.unknown_share,
        measured=covered.texts,
        notes=_notes(opened.values()),
    )


def cover_files(
    tokenizer: Tokenizer, files: Sequence[str], *, columns: str | None = None, most: int | None = None
) -> tuple[Coverage, tuple[str, ...]]:
    """Measure how a tokenizer covers the texts of files.

    Args:
        tokenizer: what is measured.
        files: paths, or - for standard input.
        columns: the value of --columns.
        most: how many unknown words to list; None: all.

    Returns:
        The figures, and notes on how files were read.

    Raises:
        DataError: a file, its columns or its rows cannot be read.
    """
    opened = [open_texts(name, columns=columns) for name in dict.fromkeys(input_files(files))]
    return measure_coverage(tokenizer, (t for texts in opened for t in texts.texts), most=most), _notes(opened)


def list_entries(tokenizer: Tokenizer, *, pattern: str | None = None) -> Iterator[Entry]:
    """Iterate the entries of a vocabulary in id order.

    Args:
        tokenizer: whose vocabulary it is.
        pattern: a regular expression that is to be found in the token; None: all.

    Raises:
        UsageError: the pattern is none.
    """
    try:
        wanted = re.compile(pattern or "")
    except re.error as error:
        raise UsageError(f"--grep {pattern!r}: is no regular expression ({error}).") from None
    model = json.loads(tokenizer.backend.to_str())["model"]
    ranks: dict[str, int] = {}
    if model["type"] == "BPE":
        for rank, merge in enumerate(model["merges"]):
            ranks.setdefault("".join(merge), rank)
    scores = dict(model["vocab"]) if model["type"] == "Unigram" else {}
    vocabulary = tokenizer.backend.get_vocab(with_added_tokens=True)
    for token, token_id in sorted(vocabulary.items(), key=lambda item: item[1]):
        if wanted.search(token):
            score = None if token_id in tokenizer.special_ids else scores.get(token)
            yield Entry(token_id, token, ranks.get(token), None if score is None else round(score, 6))


class _Sample:
    """Hands texts on and keeps some of them, evenly spread over however many there are."""

    def __init__(self, texts: Iterable[str], count: Callable[[int], None]) -> None:
        self._texts, self._count = texts, count
        self._every = 1
        self.seen = 0
        self.kept: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            if self.seen % self._every == 0:
                self.kept.append(text)
            self.seen += 1
            if self.seen % _COUNTED == 0:
                self._count(self.seen)
            if len(self.kept) > MEASURED_TEXTS:
                self.kept, self._every = self.kept[::2], 2 * self._every
            yield text
        self._count(self.seen)


def _notes(opened: Iterable[Texts]) -> tuple[str, ...]:
    return tuple(note for texts in opened for note in texts.notes)


def _take_place(place: Path, stack: ExitStack, *, force: bool) -> None:
    """Make the folder and keep other processes out of it: said now, and not after an hour of training."""
    with _writing(place):
        _check_place(place, force=force)
        stack.enter_context(held(lasting(place), place))
        _check_place(place, force=force)  # another process may have been here meanwhile


def _check_place(place: Path, *, force: bool) -> None:
    if not exists(place):
        return
    if not is_dir(place):
        raise OutputError(f"--output {place}: is a file, not a folder; choose another name.")
    left = (LOCK, _beside(place).name)  # by a process that was killed
    there = {entry.name: is_file(entry) for entry in place.iterdir() if entry.name not in left}
    if foreign := sorted(name for name, is_plain in there.items() if name not in FILES or not is_plain):
        named = ", ".join(quoted(name) for name in foreign[:3])
        raise OutputError(f"--output {place}: holds other files than a vocabulary ({named}); choose another folder.")
    if there and not force:
        raise OutputError(f"--output {place}: holds a vocabulary; add --force to replace it.")


def _write(tokenizer: Tokenizer, place: Path) -> None:
    """Write both files before either is replaced; an instant without tokenizer.json keeps old and new apart."""
    beside = _beside(place)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        tokenizer.save(beside)
        (place / "tokenizer.json").unlink(missing_ok=True)
        for name in ("tokenizer_config.json", "tokenizer.json"):
            put_in_place(beside / name, place / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _beside(place: Path) -> Path:
    return temporary(place / "vocabulary")


def _writing(place: Path) -> AbstractContextManager[None]:
    return write_errors(place, "--output", way_on="choose another folder")
