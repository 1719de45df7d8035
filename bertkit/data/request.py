"""Which rows a run uses: a request that gives the same splits every time it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertkit.data.sources import lasting_names
from bertkit.data.splits import SPLIT_FORM
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
