"""Carving the splits a data set does not come with out of its training rows.

Rows are ordered by a hash of the seed and their texts, never by a generator's state, so a
row falls on the same side on every machine, and mostly still does when other rows are
added. Rows that are the same (`same_row`) stay together: a copy on the other side would be a
leak. So do rows of one group, where there are groups.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bertkit.data.catalog import SPLITS
from bertkit.data.numerals import is_number
from bertkit.data.records import DataSet, Example
from bertkit.data.same_row import row_key
from bertkit.errors import DataError, UsageError
from bertkit.plain import quoted

# Numeric labels with more values than this are scores; a stratum for each would be noise.
_MAX_NUMERIC_STRATA = 20
# Lines of a passage that stay together: of ten that follow each other one place is cut, and a
# file without blank lines still has enough blocks to choose from.
MAX_BLOCK = 10
# Which rows are the same when they are split; a run stores it, so that it finds its rows again.
SPLIT_FORM = 2


def carve(
    dataset: DataSet,
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    stratify: bool = True,
    passages: bool = False,
    group: str | None = None,
    form: int = SPLIT_FORM,
) -> DataSet:
    """Make the splits that are missing from the training rows; official ones are not touched.

    Args:
        dataset: a data set with a train split.
        validation_fraction: share of the training rows to set aside, 0 for none.
        test_fraction: the same for test.
        seed: another seed, another choice of rows.
        stratify: whether the shares of the labels are kept.
        passages: whether lines that follow each other stay together; of equal lines that then
            fall on both sides, those to be set aside stay in training.
        group: the column of the rows' groups, whose rows stay together; None: there are none.
        form: which rows are the same: 1: those with equal texts, as in runs of earlier versions.

    Returns:
        The data set with its splits in the order train, validation, test; rows keep their
        order, and a note says what was carved. The fingerprint stays that of the rows read.

    Raises:
        UsageError: a fraction is not in [0, 1), or no training rows would be left.
        DataError: there are too few rows to carve from.
    """
    wanted: dict[str, float] = {"validation": validation_fraction, "test": test_fraction}
    for split, fraction in wanted.items():
        if not 0 <= fraction < 1:
            raise UsageError(f"--{split}-fraction {fraction:g}: give a share between 0 and 1.")
    missing = {split: share for split, share in wanted.items() if share > 0 and split not in dataset.splits}
    if not missing:
        return dataset
    if sum(missing.values()) >= 1:
        raise UsageError("--validation-fraction and --test-fraction together leave no training rows.")
    if "train" not in dataset.splits:
        raise DataError(f"{dataset.name}: there is no train split to carve {' and '.join(missing)} from.")
    keep = _Keep(seed, dataset.columns.pair is not None, stratify=stratify, passages=passages, group=group, form=form)
    return _carve_missing(dataset, missing, keep)


@dataclass(frozen=True)
class _Keep:
    """What is kept when rows are set aside: which rows together, and whether the shares of labels."""

    seed: int
    is_pair: bool
    stratify: bool
    passages: bool
    group: str | None
    form: int

    def key(self, row: Example) -> str:
        """Return what is equal for rows that are the same."""
        if self.form >= SPLIT_FORM:
            return row_key(row, is_pair=self.is_pair)
        return json.dumps(sorted(row.texts) if self.is_pair else row.all_texts)

    def choose(self, rows: Sequence[Example], target: int) -> tuple[set[int], str]:
        """Choose about `target` rows; return their places, and what was kept, in words."""
        if self.passages:
            blocks = _blocks(rows, self.seed, target)
            chosen = _choose(blocks, max(target, 2), by_label=False)
            chosen = chosen if self.form < SPLIT_FORM else self._without_copies(rows, chosen)
            return chosen, ", lines that follow each other together"
        if self.group is not None:
            chosen = _choose_whole(_groups(rows, self), target)
            short = "; larger groups stay whole, so there are fewer than asked" if len(chosen) < target / 2 else ""
            return chosen, f", rows of one {quoted(self.group)} together{short}"
        by_label = self.stratify and _has_strata(rows)
        return _choose(_groups(rows, self), target, by_label=by_label), ", stratified by label" if by_label else ""

    def _without_copies(self, rows: Sequence[Example], chosen: set[int]) -> set[int]:
        """Leave out chosen rows that also stand among the others."""
        keys = [self.key(row) for row in rows]
        others = {key for index, key in enumerate(keys) if index not in chosen}
        return {index for index in chosen if keys[index] not in others}


def _carve_missing(dataset: DataSet, missing: dict[str, float], keep: _Keep) -> DataSet:
    rest = dataset.splits["train"]
    total = len(rest)
    carved: dict[str, tuple[Example, ...]] = {}
    notes = []
    # Test first: a changed --validation-fraction leaves the test rows as they were.
    for split in sorted(missing):
        chosen, how = keep.choose(rest, round(missing[split] * total) or 1)
        if not chosen or len(chosen) == len(rest):
            place = rest[0].source if rest else dataset.name
            raise DataError(
                f"{place}: {_too_few(rest, keep)} to hold out {split} rows from; give more rows, or a "
                f"directory that has a {split} file."
            )
        carved[split] = tuple(example for index, example in enumerate(rest) if index in chosen)
        rest = tuple(example for index, example in enumerate(rest) if index not in chosen)
        notes.append(f"{split}: {len(carved[split])} of {total} training rows held out (seed {keep.seed}){how}")
    splits = {**dataset.splits, **carved, "train": rest}
    ordered = {split: splits[split] for split in SPLITS if split in splits}
    return replace(dataset, splits=ordered, notes=(*dataset.notes, *notes))


def _too_few(rows: Sequence[Example], keep: _Keep) -> str:
    different = len(_groups(rows, keep))
    if keep.group is None:
        return f"{len(rows)} training rows ({different} different) are too few"
    return (
        f"{len(rows)} training rows fall into {different} part{'s' * (different != 1)} by --group {quoted(keep.group)} "
        "(groups that have a row in common are one), which is too few"
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that stay together: their places in the split, and the label of the first."""

    indices: tuple[int, ...]
    label: str | None


def _groups(examples: Sequence[Example], keep: _Keep) -> list[_Group]:
    """Gather rows that are the same, or of one group, in the order of the lowest of their hashes."""
    together = _Together(len(examples))
    hashes = []
    for index, example in enumerate(examples):
        together.join(index, ("row", keep.key(example)))
        if keep.group is not None and example.group:
            together.join(index, ("group", example.group))
            hashed: Sequence[str] = ("group", example.group)  # of rows, many would have a lower one than few
        else:
            hashed = sorted(example.texts) if keep.is_pair else example.all_texts
        hashes.append(hashlib.sha256(json.dumps([keep.seed, *hashed]).encode()).digest())
    found = sorted(together.parts(), key=lambda part: min(hashes[index] for index in part))
    return [_Group(tuple(part), examples[part[0]].label) for part in found]


class _Together:
    """Rows that must not be parted: those that have anything in common, by however many steps."""

    def __init__(self, rows: int) -> None:
        self._before = list(range(rows))  # each row points at one of its part, at last at the part's first
        self._first: dict[tuple[str, str], int] = {}

    def join(self, row: int, key: tuple[str, str]) -> None:
        """Keep a row with those that have the same key."""
        one, other = self._root(row), self._root(self._first.setdefault(key, row))
        self._before[max(one, other)] = min(one, other)

    def parts(self) -> list[list[int]]:
        """List the rows of each part, in their order."""
        parts: dict[int, list[int]] = defaultdict(list)
        for row in range(len(self._before)):
            parts[self._root(row)].append(row)
        return list(parts.values())

    def _root(self, row: int) -> int:
        while self._before[row] != row:
            self._before[row] = row = self._before[self._before[row]]
        return row


def follows(before: Example, example: Example) -> bool:
    """Whether a row stands in the line after another one's."""
    return example.source == before.source and example.line == before.line + 1


def passage_blocks(examples: Sequence[Example], *, most: int = MAX_BLOCK) -> list[list[int]]:
    """Cut rows into blocks of at most `most` lines that follow each other, given by their places."""
    blocks: list[list[int]] = []
    for index, example in enumerate(examples):
        is_next = index > 0 and follows(examples[index - 1], example)
        if is_next and len(blocks[-1]) < most:
            blocks[-1].append(index)
        else:
            blocks.append([index])
    return blocks


def _blocks(examples: Sequence[Example], seed: int, target: int) -> list[_Group]:
    """Gather passages in the order of their hash, in blocks small enough for some to make `target` rows."""

    def key(block: Sequence[int]) -> bytes:
        return hashlib.sha256(json.dumps([seed, *(examples[i].texts for i in block)]).encode()).digest()

    blocks = passage_blocks(examples, most=min(MAX_BLOCK, max(2, target // 2)))
    return [_Group(tuple(block), None) for block in sorted(blocks, key=key)]


def _has_strata(examples: Sequence[Example]) -> bool:
    labels = {example.label for example in examples if example.label is not None}
    return bool(labels) and not (len(labels) > _MAX_NUMERIC_STRATA and all(map(is_number, labels)))


def _choose(groups: Sequence[_Group], target: int, *, by_label: bool) -> set[int]:
    """Choose about `target` rows, group by group; of each label something stays behind."""
    strata: dict[str | None, list[_Group]] = defaultdict(list)
    for group in groups:
        strata[group.label if by_label else None].append(group)
    sizes = {label: sum(len(group.indices) for group in members) for label, members in strata.items()}
    quotas = _quotas(sizes, target)
    chosen: set[int] = set()
    for label, members in strata.items():
        taken = 0
        # The last group of a stratum stays for training, whatever the quota says.
        for group in members[:-1]:
            if taken + len(group.indices) <= quotas[label]:
                chosen.update(group.indices)
                taken += len(group.indices)
    return chosen


def _choose_whole(groups: Sequence[_Group], target: int) -> set[int]:
    """Choose groups of about `target` rows together; one that is larger than wanted rather than next to none."""
    chosen = _choose(groups, target, by_label=False)
    left = [group.indices for group in groups if group.indices[0] not in chosen]
    smallest = min(left, key=len)
    rows = sum(len(group.indices) for group in groups)
    if len(chosen) < target / 2 and len(left) > 1 and len(chosen) + len(smallest) <= rows / 2:
        chosen |= set(smallest)
    return chosen


def _quotas(sizes: dict[str | None, int], target: int) -> Counter[str | None]:
    """Share `target` out in proportion to `sizes`, by largest remainders (Hamilton's method)."""
    total = sum(sizes.values())
    exact = {label: target * size / total for label, size in sizes.items()}
    quotas = Counter({label: math.floor(share) for label, share in exact.items()})
    by_remainder = sorted(exact, key=lambda label: (quotas[label] - exact[label], -sizes[label], label or ""))
    for label in by_remainder[: target - quotas.total()]:
        quotas[label] += 1
    return quotas
