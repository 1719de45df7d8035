"""Carving the splits a data set does not come with out of its training rows.

Rows are ordered by a hash of the seed and their texts, never by a generator's state, so a
row falls on the same side on every machine, and mostly still does when other rows are
added. Rows with the same texts stay together: a copy on the other side would be a leak.
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
from bertkit.errors import DataError, UsageError

# Numeric labels with more values than this are scores; a stratum for each would be noise.
_MAX_NUMERIC_STRATA = 20
# Lines of a passage that stay together: of ten that follow each other one place is cut, and a
# file without blank lines still has enough blocks to choose from.
MAX_BLOCK = 10


def carve(
    dataset: DataSet,
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    stratify: bool = True,
    passages: bool = False,
) -> DataSet:
    """Make the splits that are missing from the training rows; official ones are not touched.

    Args:
        dataset: a data set with a train split.
        validation_fraction: share of the training rows to set aside, 0 for none.
        test_fraction: the same for test.
        seed: another seed, another choice of rows.
        stratify: whether the shares of the labels are kept.
        passages: whether lines that follow each other stay together, rather than equal ones.

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
    return _carve_missing(dataset, missing, seed, stratify=stratify, passages=passages)


def _carve_missing(
    dataset: DataSet, missing: dict[str, float], seed: int, *, stratify: bool, passages: bool
) -> DataSet:
    rest = dataset.splits["train"]
    total = len(rest)
    carved: dict[str, tuple[Example, ...]] = {}
    notes = []
    # Test first: a changed --validation-fraction leaves the test rows as they were.
    for split in sorted(missing):
        target, is_pair = round(missing[split] * total) or 1, dataset.columns.pair is not None
        groups = _blocks(rest, seed, target) if passages else _groups(rest, seed, is_pair=is_pair)
        by_label = stratify and _has_strata(rest)
        chosen = _choose(groups, max(target, 2) if passages else target, by_label=by_label)
        if not chosen or len(chosen) == len(rest):
            place = rest[0].source if rest else dataset.name
            raise DataError(
                f"{place}: {len(rest)} training rows ({len(groups)} different) are too few to carve "
                f"{split} from; give more rows, or a directory that has a {split} file."
            )
        carved[split] = tuple(example for index, example in enumerate(rest) if index in chosen)
        rest = tuple(example for index, example in enumerate(rest) if index not in chosen)
        how = ", stratified by label" if by_label else ""
        how += ", lines that follow each other together" if passages else ""
        notes.append(f"{split}: {len(carved[split])} of {total} training rows, carved with seed {seed}{how}")
    splits = {**dataset.splits, **carved, "train": rest}
    ordered = {split: splits[split] for split in SPLITS if split in splits}
    return replace(dataset, splits=ordered, notes=(*dataset.notes, *notes))


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows with the same texts: their places in the split, and the label of the first."""

    indices: tuple[int, ...]
    label: str | None


def _groups(examples: Sequence[Example], seed: int, *, is_pair: bool) -> list[_Group]:
    """Gather rows with the same texts, in the order of their hash; a swapped pair is the same pair."""
    by_key: dict[bytes, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        texts = sorted(example.texts) if is_pair else example.all_texts
        by_key[hashlib.sha256(json.dumps([seed, *texts]).encode()).digest()].append(index)
    return [_Group(tuple(indices), examples[indices[0]].label) for _, indices in sorted(by_key.items())]


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


def _quotas(sizes: dict[str | None, int], target: int) -> Counter[str | None]:
    """Share `target` out in proportion to `sizes`, by largest remainders (Hamilton's method)."""
    total = sum(sizes.values())
    exact = {label: target * size / total for label, size in sizes.items()}
    quotas = Counter({label: math.floor(share) for label, share in exact.items()})
    by_remainder = sorted(exact, key=lambda label: (quotas[label] - exact[label], -sizes[label], label or ""))
    for label in by_remainder[: target - quotas.total()]:
        quotas[label] += 1
    return quotas
