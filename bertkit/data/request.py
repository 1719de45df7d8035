"""Which rows a run uses: a request that gives the same splits every time it is loaded."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bertkit.data.groups import shared_groups
from bertkit.data.loading import load_data
from bertkit.data.records import DataSet
from bertkit.data.shape_names import CLASSES, READINGS, Tasks
from bertkit.data.sources import lasting_names
from bertkit.data.splits import SPLIT_FORM, carve, passage_blocks
from bertkit.errors import DataError
from bertkit.kinds import MisfitError, record_of

# How labels are spelt; a run stores it, so that it finds its labels again.
LABEL_FORM = 2


@dataclass(frozen=True)
class DataRequest:
    """DATA and how it is split; JSON both ways.

    `passages` says that lines that follow each other are needed together, `group` the column
    whose equal values are. `split_form` is which rows are the same (`splits.SPLIT_FORM`), `label_form` how
    labels are spelt (1: as they stand there). `on_error` is what becomes of rows that cannot be
    used: stop or skip.
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
            values = {"split_form": 1, "label_form": 1, **values}
        request = record_of(cls, values, name)
        if not request.names or (request.limit is not None and request.limit < 1):
            raise MisfitError(f"{name or 'it'} asks for no rows")
        return request


def load_splits(request: DataRequest, *, tasks: Tasks, splits: Sequence[str] = ("train", "validation")) -> DataSet:
    """Load the data of a request and carve the splits it lacks from the training rows.

    Args:
        request: which data.
        tasks: the shape that each task reads.
        splits: the official splits to read; a carved test split needs "test" here too, so
            that it is carved only where there is no official one.

    Raises:
        DataError: the data cannot be read, or has no training rows.
        HubError: the hub is needed and cannot be reached.
    """
    dataset = load_data(
        request.names,
        tasks=tasks,
        data_dir=Path(request.data_dir) if request.data_dir else None,
        columns=request.columns,
        task=request.task,
        splits=splits,
        group=request.group,
        respell=request.label_form >= LABEL_FORM,
        skip_bad=request.on_error == "skip",
    )
    if "train" not in dataset.splits:
        have = ", ".join(dataset.splits)
        raise DataError(f"{dataset.name}: has no training split (only {have}); give a file with training rows.")
    dataset = carve(
        dataset,
        validation_fraction=request.validation_fraction,
        test_fraction=request.test_fraction,
        seed=request.seed,
        stratify=tasks[dataset.task] == CLASSES,
        passages=request.passages,
        group=request.group or _one_text(dataset, tasks),
        form=request.split_form,
    )
    if request.group is not None:
        dataset = replace(dataset, warnings=(*dataset.warnings, *shared_groups(dataset, request.group)))
    return _limited(dataset, request)


def _one_text(dataset: DataSet, tasks: Tasks) -> str | None:
    """Name the column of texts that several rows ask about: their rows stay together."""
    return dataset.columns.pair if tasks[dataset.task] == READINGS else None


def _limited(dataset: DataSet, request: DataRequest) -> DataSet:
    train = dataset.splits["train"]
    if request.limit is None or request.limit >= len(train):
        return dataset
    rng = random.Random(request.seed)
    if request.passages:
        blocks = passage_blocks(train)
        kept = sorted([i for block in rng.sample(blocks, len(blocks)) for i in block][: request.limit])
    else:
        kept = sorted(rng.sample(range(len(train)), request.limit))
    return replace(dataset, splits={**dataset.splits, "train": tuple(train[i] for i in kept)})
