"""The rows of DATA for the tasks of the table: the doors of `data/`, told which shape each task reads."""

from __future__ import annotations

from functools import partial

from bertkit.data import loading, streaming
from bertkit.tasks.registry import SHAPE_OF

load_data = partial(loading.load_data, tasks=SHAPE_OF)
load_splits = partial(loading.load_splits, tasks=SHAPE_OF)
stream_data = partial(streaming.stream_data, tasks=SHAPE_OF)
