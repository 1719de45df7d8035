"""How many tokens rows have, and whether the tokenizer that counts them fits their texts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from bertkit.audit import Finding, Place
from bertkit.data.faults import MAX_PLACES
from bertkit.data.marked import MARKERS
from bertkit.data.records import ColumnMap, Example
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import ANOTHER, examine

Rows = list[tuple[str, ...]]
"""All texts of some rows."""
_TO_COUNT = re.compile("|".join(map(re.escape, MARKERS)))


class TokenCounter:
    """Counts the tokens of rows, special tokens included, as the task would have them read.

    Args:
        tokenizer: the model's.
        task: a choice is as long as the question with its longest choice.
        columns: says what is the second text of a pair.
    """

    def __init__(self, tokenizer: Tokenizer, task: str, columns: ColumnMap) -> None:
        self._tokenizer = tokenizer
        # As the tasks do, which put separators between columns.
        self._respells = tokenizer.reads_control = len(columns.text) > 1 or task in ("choice", "mlm")
        # Masks that are to be filled stay what they are.
        self._masks = tuple(filter(None, ("[MASK]", "<mask>", tokenizer.special.mask))) if task == "mlm" else ()
        self._separator = f" {tokenizer.special.sep or ' '} "
        self._own = len(columns.text)
        self._has_choices = task == "choice"
        self._are_marked = task == "relation"
        self._is_pair = columns.pair is not None and task != "mlm"

    def __call__(self, rows: Rows) -> list[int]:
        """Return the number of tokens of each row."""
        if self._has_choices:
            return self._of_choices(rows)
        if self._are_marked:  # each marker will be one token
            return [length + len(MARKERS) for length in self._lengths([_TO_COUNT.sub(" ", row[0]) for row in rows])]
        if not self._is_pair:
            return self._lengths([self._joined(texts) for texts in rows])
        firsts, seconds = ([self._joined(part) for part in parts] for parts in self._parts(rows))
        return self._lengths(list(zip(firsts, seconds, strict=True)))

    def _parts(self, rows: Rows) -> tuple[Rows, Rows]:
        return [texts[: self._own] for texts in rows], [texts[self._own :] for texts in rows]

    def _of_choices(self, rows: Rows) -> list[int]:
        stems, choices = self._parts(rows)
        pairs = [
            (self._joined(stem), self._joined((choice,)))
            for stem, own in zip(stems, choices, strict=True)
            for choice in own
        ]
        lengths = iter(self._lengths(pairs))
        return [max(itertools.islice(lengths, len(own)), default=0) for own in choices]

    def _lengths(self, rows: Sequence[str] | Sequence[tuple[str, str]]) -> list[int]:
        # The ids stay in the Rust library: to bring them all into Python takes longer than to count.
        return [len(row) for row in self._tokenizer.backend.encode_batch_fast(list(rows))]

    def _joined(self, texts: Sequence[str]) -> str:
        if not self._respells:
            return self._separator.join(texts)
        return self._separator.join(self._tokenizer.plain(text, but=self._masks) for text in texts)


def fit_findings(tokenizer: Tokenizer, model: str, sample: Sequence[Example]) -> Iterator[Finding]:
    """Say so where a tokenizer does not fit the texts of a sample of rows."""
    texts = [text for row in sample for text in row.all_texts]
    tokenizer.reads_control = False  # whatever the task needs: here, what is spelt is text
    fit = examine(tokenizer, texts)
    places = _unknown_places(tokenizer, sample) if fit.faults or fit.doubts else ()
    for fault in fit.faults:
        message = f"the tokenizer of {model} does not fit {fault}; {ANOTHER}."
        yield Finding("tokenizer_misfit", "error", len(sample), message, places)
    for doubt in fit.doubts:
        yield Finding("tokenizer_doubt", "warning", len(sample), f"{doubt} ({model}).", places)


def _unknown_places(tokenizer: Tokenizer, sample: Sequence[Example]) -> tuple[Place, ...]:
    """Return where the rows with most unknown tokens stand."""
    if tokenizer.special.unk is None:
        return ()
    unknown = tokenizer.id_of(tokenizer.special.unk, "unknown")
    encoded = tokenizer.encode([" ".join(row.all_texts) for row in sample])
    counts = [encoding.ids.count(unknown) for encoding in encoded]
    worst = sorted((i for i, count in enumerate(counts) if count), key=lambda i: -counts[i])[:MAX_PLACES]
    return tuple(Place(sample[i].source, sample[i].line) for i in worst)
