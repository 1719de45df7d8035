"""One training of a search: it hears its own validation figure after every epoch, and may be ended there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bertkit.config import TrainConfig
from bertkit.data.records import DataSet
from bertkit.evaluation.run import EvalRequest, compare_on
from bertkit.scale.versus import Pair
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, TrainResult, train

Watch = Callable[[StepFacts], None]
"""Hears of every step."""
OnEpoch = Callable[[float, int], bool]
"""Hears the validation figure after an epoch, and tells whether the training should end there."""


class Lags(Exception):  # noqa: N818 - it is an end, not a fault
    """A training that was ended, because others had more after as many epochs."""

    def __init__(self, value: float, epoch: int) -> None:
        super().__init__(value, epoch)
        self.value, self.epoch = value, epoch


def train_trial(
    config: TrainConfig, dataset: DataSet, place: Path, watch: Watch, on_epoch: OnEpoch, metric: str
) -> TrainResult:
    """Train on given rows.

    Args:
        config: the request.
        dataset: the rows, split.
        place: where the run goes.
        watch: hears of every step.
        on_epoch: hears the validation figure after every epoch but the last.
        metric: which figure.

    Raises:
        Lags: `on_epoch` has ended it.
        BertkitError: see `train`.
    """

    def hear(event: Event) -> None:
        if not isinstance(event, StepFacts):
            return
        watch(event)
        if event.scores is not None:
            value = event.scores.metrics[metric]
            if on_epoch(value, event.epoch) and event.step < event.total_steps:
                raise Lags(value, event.epoch)

    return train(replace(config, output=str(place)), hear, dataset)


def answer_both(
    best: Path, default: Path, dataset: DataSet, config: TrainConfig, split: str, *, metric: str, seed: int
) -> Pair:
    """Let two runs answer the rows of a split, and take the difference row by row."""
    request = EvalRequest(
        best, against=(default,), device=config.device, precision=config.precision, on_long=config.on_long
    )
    found = compare_on(dataset.splits[split], request, data=dataset.name, split=split)
    other = str(default)
    return Pair(seed, found.metrics[metric], found.baselines[other][metric], found.difference[other][metric])
