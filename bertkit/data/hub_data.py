"""Data sets of the hub as rows of text.

The `datasets` library fetches, verifies and caches; what comes out of here are the same
`Row`s that a file would give, so that nothing further up knows where rows come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bertkit import hub
from bertkit.data.formats.arrow_rows import ArrowBatch, ArrowFields
from bertkit.data.records import Row
from bertkit.errors import HubError
from bertkit.files import is_dir
from bertkit.plain import quoted

_ROWS_AT_A_TIME = 1000


@dataclass(frozen=True)
class HubData:
    """The splits of a data set, and the names behind the integers of its label columns.

    A column of classes (or of lists of classes, as tags are) holds integers as text in the
    rows; `class_names[column][i]` is what `i` means.
    """

    splits: Mapping[str, Iterable[Row]]
    class_names: Mapping[str, tuple[str, ...]]


def open_hub_data(repo_id: str, config: str | None = None, *, ways_on: Sequence[str] = ()) -> HubData:
    """Open a data set of the hub, from the cache where it is already there.

    Args:
        repo_id: `organisation/name`.
        config: one of the configurations of the data set; None where it has only one.
        ways_on: what the user can do where the hub is out of reach, each a clause.

    Raises:
        HubError: out of reach, unknown, gated, or no such config.
    """
    if is_dir(Path(repo_id)):
        raise HubError(
            f"a folder {quoted(repo_id)} lies here, and the datasets library would open it instead of the "
            "data set of that name on the hub: give the folder's path as the data, or run from elsewhere."
        )
    hub.require(repo_id, "dataset", config=config, ways_on=ways_on)
    with hub.hub_errors(repo_id, "dataset"):
        from datasets import load_dataset

        loaded = load_dataset(repo_id, config)
    features = next(iter(loaded.values())).features
    return HubData(
        splits={name: _HubRows(split) for name, split in loaded.items()},
        class_names={name: names for name in features if (names := _class_names(features[name]))},
    )


@dataclass(frozen=True)
class _HubRows:
    """A split, read from the start each time."""

    split: Any

    def __iter__(self) -> Iterator[Row]:
        """Iterate it in slices: one Arrow slice becomes text far faster than its rows one by one."""
        line = 0
        for table in self.split.with_format("arrow").iter(_ROWS_AT_A_TIME):
            batch = ArrowBatch({name: name for name in table.column_names}, partial(_arrays, table))
            for place in range(table.num_rows):
                line += 1
                yield Row(line, ArrowFields(batch, place))


def _arrays(table: Any, name: str) -> Sequence[Any]:
    chunks: Sequence[Any] = table.column(name).chunks
    return chunks


def _class_names(feature: Any) -> tuple[str, ...]:
    """Return the names of a class feature, or of a list of one; of any other feature, nothing."""
    names = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
    return tuple(names or ())
