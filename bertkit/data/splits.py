"""Holding out the splits a data set does not come with, and the request that gives the same rows again."""

from __future__ import annotations

import hashlib
import json
import math
import random
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.data.catalog import SPLITS
from bertkit.data.columns import GROUP_FORM
from bertkit.data.records import DataSet, Example, columns_of, row_keys
from bertkit.data.sources import lasting_names
from bertkit.data.store import Block, blocks_of, labels_of, taken
from bertkit.data.values import is_number
from bertkit.errors import DataError, UsageError
from bertkit.kinds import MisfitError, record_of
from bertkit.plain import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# --- Holding out the splits that a data set does not come with from its training rows -------------
#
# Rows are ordered by a hash of the seed and their texts, never by a generator's state, so a
# row falls on the same side on every machine, and mostly still does when other rows are
# added. Rows that are the same (`same_row`) stay together: a copy on the other side would be a
# leak. So do rows of one group, where there are groups.

# Numeric labels with more values than this are scores; a stratum for each would be noise.
_MAX_NUMERIC_STRATA = 20
# Lines of a passage that stay together: of ten that follow each other one place is cut, and a
# file without blank lines still has enough blocks to choose from.
MAX_BLOCK = 10
# Which rows are the same when they are split; a run stores it, so that it finds its rows again.
SPLIT_FORM = 2


def hold_out(
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
        order, and a note says what was held out. The fingerprint stays that of the rows read.

    Raises:
        UsageError: a fraction is not in [0, 1), or no training rows would be left.
        DataError: there are too few rows to hold out from.
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
        raise DataError(f"{dataset.name}: there is no train split to hold {' and '.join(missing)} out of.")
    keep = _Keep(seed, dataset.columns.pair is not None, stratify=stratify, passages=passages, group=group, form=form)
    return _hold_out_missing(dataset, missing, keep)


@dataclass(frozen=True)
class _Keep:
    """What is kept when rows are set aside: which rows together, and whether the shares of labels."""

    seed: int
    is_pair: bool
    stratify: bool
    passages: bool
    group: str | None
    form: int

    def keys(self, part: Block | Sequence[Example]) -> Iterator[int]:
        """Yield what is equal for rows that are the same.

        It is Python's hash of 64 bits, another one in each process: among a million texts, two
        different ones share one with probability 3e-8.
        """
        if self.form >= SPLIT_FORM:
            texts = part.rows_of_text if isinstance(part, Block) else list(map(columns_of, part))
            return map(hash, row_keys(texts, is_pair=self.is_pair))
        rows = part.examples if isinstance(part, Block) else part
        return (hash(tuple(sorted(row.texts)) if self.is_pair else row.all_texts) for row in rows)

    def ordered_by(self, part: Block | Sequence[Example]) -> Iterable[str]:
        """Return what rows are ordered by, as JSON with the seed before it."""
        if self.group is None and not self.is_pair:
            seed, quote = f"[{self.seed}, ", encode_basestring_ascii
            texts = part.rows_of_text if isinstance(part, Block) else [row.all_texts for row in part]
            return (f"{seed}{', '.join(map(quote, own))}]" for own in texts)
        rows = part.examples if isinstance(part, Block) else part
        return (json.dumps([self.seed, *_ordered_by(row, self)]) for row in rows)

    def choose(self, rows: Sequence[Example], target: int) -> tuple[NDArray[np.bool_], str]:
        """Choose about `target` rows; return which they are, (N), and what was kept, in words."""
        if self.passages:
            blocks = _blocks(rows, self.seed, target)
            chosen = _choose(blocks, max(target, 2))
            chosen = chosen if self.form < SPLIT_FORM else self._without_copies(rows, chosen)
            return chosen, ", lines that follow each other together"
        groups = _groups(rows, self)
        if self.group is not None:
            chosen = _choose_whole(groups, target, len(rows))
            short = "; larger groups stay whole, so there are fewer than asked" if chosen.sum() < target / 2 else ""
            return chosen, f", rows of one {quoted(self.group)} together{short}"
        strata = _strata(rows) if self.stratify else None
        chosen = _choose(groups, target, strata)
        return chosen, ", stratified by label" if strata is not None else ""

    def _without_copies(self, rows: Sequence[Example], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Leave out chosen rows that also stand among the others."""
        import numpy as np

        keys = np.fromiter((key for part in blocks_of(rows) for key in self.keys(part)), np.int64, len(rows))
        return chosen & ~np.isin(keys, keys[~chosen])


def _hold_out_missing(dataset: DataSet, missing: dict[str, float], keep: _Keep) -> DataSet:
    import numpy as np

    rest = dataset.splits["train"]
    total = len(rest)
    held: dict[str, Sequence[Example]] = {}
    notes = []
    # Test first: a changed --validation-fraction leaves the test rows as they were.
    for split in sorted(missing):
        chosen, how = keep.choose(rest, round(missing[split] * total) or 1)
        if not chosen.any() or chosen.all():
            place = rest[0].source if rest else dataset.name
            raise DataError(
                f"{place}: {_too_few(rest, keep)} to hold out {split} rows from; give more rows, or a "
                f"directory that has a {split} file."
            )
        held[split] = taken(rest, np.flatnonzero(chosen))
        rest = taken(rest, np.flatnonzero(~chosen))
        notes.append(f"{split}: {len(held[split])} of {total} training rows held out (seed {keep.seed}){how}")
    splits = {**dataset.splits, **held, "train": rest}
    ordered = {split: splits[split] for split in SPLITS if split in splits}
    return replace(dataset, splits=ordered, notes=(*dataset.notes, *notes))


def limited(dataset: DataSet, limit: int | None, *, seed: int, passages: bool) -> DataSet:
    """Leave so many of the training rows, drawn by the seed; with `passages`, lines that follow each other together."""
    import numpy as np

    train = dataset.splits["train"]
    if limit is None or limit >= len(train):
        return dataset
    rng = random.Random(seed)
    if passages:
        blocks = passage_blocks(train)
        kept = sorted([i for block in rng.sample(blocks, len(blocks)) for i in block][:limit])
    else:
        kept = sorted(rng.sample(range(len(train)), limit))
    return replace(dataset, splits={**dataset.splits, "train": taken(train, np.asarray(kept))})


def _too_few(rows: Sequence[Example], keep: _Keep) -> str:
    different = len(_groups(rows, keep))
    if keep.group is None:
        return f"{len(rows)} training rows ({different} different) are too few"
    return (
        f"{len(rows)} training rows fall into {different} part{'s' * (different != 1)} by --group {quoted(keep.group)} "
        "(groups that have a row in common are one), which is too few"
    )


@dataclass(frozen=True)
class _Groups:
    """Rows that stay together, N in G groups, in the order in which they are chosen.

    Attributes:
        group: which group a row is of, (N).
        sizes: rows of each group, (G).
        first: the first row of each, (G).
    """

    group: NDArray[np.integer[Any]]
    sizes: NDArray[np.integer[Any]]
    first: NDArray[np.integer[Any]]

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def of(cls, numbers: NDArray[np.int64], order: NDArray[np.uint64]) -> _Groups:
        """Number groups by the lowest of their rows' hashes.

        Args:
            numbers: equal for rows of one group, (N).
            order: hash of each row, (N).
        """
        import numpy as np

        # What np.unique would give with all that it can return takes four times this memory.
        index: type[np.integer[Any]] = np.int32 if len(numbers) < np.iinfo(np.int32).max else np.int64
        by_number = np.argsort(numbers, kind="stable").astype(index)
        gathered = numbers[by_number]
        begins = np.ones(len(numbers), np.bool_)
        np.not_equal(gathered[1:], gathered[:-1], out=begins[1:])
        del gathered
        starts = np.flatnonzero(begins)
        lowest = np.minimum.reduceat(order[by_number], starts) if len(starts) else order[:0]
        ranked = np.argsort(lowest, kind="stable").astype(index)
        del lowest
        sizes = np.diff(starts, append=len(numbers)).astype(index)[ranked]
        first = by_number[starts][ranked]
        del starts
        place = np.empty_like(ranked)
        place[ranked] = np.arange(len(ranked), dtype=index)
        group: NDArray[np.integer[Any]] = np.empty(len(numbers), index)
        group[by_number] = np.repeat(place, sizes[place])
        return cls(group, sizes, first)


def _groups(rows: Sequence[Example], keep: _Keep) -> _Groups:
    """Gather rows that are the same, or of one group."""
    import numpy as np

    keys, order, groups = array("q"), array("Q"), array("q")
    for part in blocks_of(rows):
        keys.extend(keep.keys(part))
        order.frombytes(b"".join([hashlib.sha256(text.encode()).digest()[:8] for text in keep.ordered_by(part)]))
        if keep.group is not None:
            own = part.groups if isinstance(part, Block) else [row.group for row in part]
            groups.extend([hash(group) if group else 0 for group in own])
    numbers = np.asarray(keys, np.int64)
    if keep.group is not None:
        numbers = _together(numbers, np.asarray(groups, np.int64))
    hashes = np.asarray(order)
    return _Groups.of(numbers, hashes.byteswap(inplace=True) if sys.byteorder == "little" else hashes)


def _ordered_by(row: Example, keep: _Keep) -> Sequence[str]:
    if keep.group is not None and row.group:
        return "group", row.group  # of rows, many would have a lower hash than few
    return sorted(row.texts) if keep.is_pair else row.all_texts


def _together(keys: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number rows that must not be parted: those that have anything in common, by however many steps."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, has_group = len(keys), groups != 0
    _, key_numbers = np.unique(keys, return_inverse=True)
    _, group_numbers = np.unique(groups[has_group], return_inverse=True)
    ends = np.concatenate([key_numbers + n, group_numbers + 2 * n])
    starts = np.concatenate([np.arange(n), np.flatnonzero(has_group)])
    links = coo_array((np.ones(len(ends), np.int8), (starts, ends)), shape=(3 * n, 3 * n))
    found: NDArray[np.int64] = connected_components(links, directed=False)[1][:n].astype(np.int64)
    return found


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


def _blocks(examples: Sequence[Example], seed: int, target: int) -> _Groups:
    """Gather passages in the order of their hash, in blocks small enough for some to make `target` rows."""
    import numpy as np

    group, order = np.zeros(len(examples), np.int64), np.zeros(len(examples), np.uint64)
    for number, block in enumerate(passage_blocks(examples, most=min(MAX_BLOCK, max(2, target // 2)))):
        words = json.dumps([seed, *(examples[i].texts for i in block)])
        group[block] = number
        order[block] = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8])
    return _Groups.of(group, order)


def _strata(rows: Sequence[Example]) -> NDArray[np.int32] | None:
    """Number the rows' labels, those without one too; None where they are none that have shares to keep."""
    import numpy as np

    number: dict[str | None, int] = {}
    found = array("i")
    found.extend(number.setdefault(label, len(number)) for label in labels_of(rows))
    labels = [label for label in number if label is not None]
    if not labels or (len(labels) > _MAX_NUMERIC_STRATA and all(map(is_number, labels))):
        return None
    place = {label: i for i, label in enumerate(sorted(number, key=lambda label: label or ""))}
    return np.asarray([place[label] for label in number], np.int32)[np.asarray(found, np.int32)]


def _choose(groups: _Groups, target: int, strata: NDArray[np.int32] | None = None) -> NDArray[np.bool_]:
    """Choose about `target` rows, group by group; of each stratum something stays behind.

    Args:
        groups: in their order.
        target: how many rows.
        strata: a number for each row, in the order in which equal claims are met; a group is of its first row's.
    """
    import numpy as np

    own = np.zeros(len(groups), np.int32) if strata is None else strata[groups.first]
    weights = np.bincount(own, groups.sizes).astype(np.int64)
    present = np.flatnonzero(weights)
    quotas = _quotas({int(number): int(weights[number]) for number in present}, target)
    taken_groups: NDArray[np.bool_] = np.zeros(len(groups), np.bool_)
    for number in present.tolist():
        # The last group of a stratum stays for training, whatever the quota says.
        members = np.flatnonzero(own == number)[:-1]
        left = quotas[number]
        for member in members:
            if left <= 0:
                break
            if groups.sizes[member] <= left:
                taken_groups[member] = True
                left -= int(groups.sizes[member])
    chosen: NDArray[np.bool_] = taken_groups[groups.group]
    return chosen


def _choose_whole(groups: _Groups, target: int, rows: int) -> NDArray[np.bool_]:
    """Choose groups of about `target` rows together; one that is larger than wanted rather than next to none."""
    import numpy as np

    chosen = _choose(groups, target)
    left = np.flatnonzero(~chosen[groups.first])
    smallest = left[np.argmin(groups.sizes[left])]
    count = int(chosen.sum())
    if count < target / 2 and len(left) > 1 and count + groups.sizes[smallest] <= rows / 2:
        chosen |= groups.group == smallest
    return chosen


def _quotas(sizes: dict[int, int], target: int) -> Counter[int]:
    """Share `target` out in proportion to `sizes`, by largest remainders (Hamilton's method)."""
    total = sum(sizes.values())
    exact = {label: target * size / total for label, size in sizes.items()}
    quotas = Counter({label: math.floor(share) for label, share in exact.items()})
    by_remainder = sorted(exact, key=lambda label: (quotas[label] - exact[label], -sizes[label], label))
    for label in by_remainder[: target - quotas.total()]:
        quotas[label] += 1
    return quotas


# --- Which rows a run uses: a request that gives the same splits every time it is loaded ----------

# How labels are spelt; a run stores it, so that it finds its labels again.
LABEL_FORM = 2


@dataclass(frozen=True)
class DataRequest:
    """DATA and how it is split; JSON both ways.

    `passages` says that lines that follow each other are needed together, `group` the column
    whose equal values are. `split_form` is which rows are the same (`splits.SPLIT_FORM`), `label_form`
    how labels are spelt (1: as they stand there), `group_form` which records have their row's group.
    `on_error` is what becomes of rows that cannot be used: stop or skip.
    """

    names: tuple[str, ...]
    data_dir: str | None = None
    columns: str | None = None
    task: str = "auto"
    validation_fraction: float = 0.1
    test_fraction: float = 0.0
    limit: int | None = None
    seed: int = 1
    passages: bool = False
    group: str | None = None
    split_form: int = SPLIT_FORM
    label_form: int = LABEL_FORM
    group_form: int = GROUP_FORM
    on_error: str = "stop"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; paths are made absolute, so that a run can be moved."""
        data_dir = None if self.data_dir is None else Path(self.data_dir).resolve()
        names = lasting_names(self.names, data_dir)
        return {**asdict(self), "names": names, "data_dir": None if data_dir is None else str(data_dir)}

    @classmethod
    def from_json(cls, values: Any, name: str = "") -> DataRequest:
        """Build a request from what `to_json` returned, in this version or an earlier one.

        Raises:
            MisfitError: a value is missing or of another kind.
        """
        if isinstance(values, Mapping):
            values = {"split_form": 1, "label_form": 1, "group_form": 1, **values}
        request = record_of(cls, values, name)
        if not request.names or (request.limit is not None and request.limit < 1):
            raise MisfitError(f"{name or 'it'} asks for no rows")
        return request
