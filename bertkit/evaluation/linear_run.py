"""A run without an encoder: the TF-IDF baseline as a model of its own (`--model tfidf`).

It answers the tasks that have such a baseline, classify and regression, from the files that
every run of these tasks keeps in its folder `baseline`. It needs neither torch nor transformers,
reads a row whole, and has words where other runs have tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bertkit import bundle
from bertkit.bundle import Bundle, Manifest
from bertkit.compute.device import Placement
from bertkit.data.records import Example
from bertkit.engines.opening import Note, Way, open_run
from bertkit.errors import DeviceError, UsageError
from bertkit.evaluation.baselines import load_labelled
from bertkit.evaluation.sequence_baselines import SequenceBaselines
from bertkit.evaluation.tfidf import split_words
from bertkit.models.table import TFIDF
from bertkit.run_folder import read_steadily, unchanged
from bertkit.tasks.base import LONGEST, EncodedRow, Outputs, TaskSettings
from bertkit.tasks.published import Standing
from bertkit.tasks.sequence import SequenceTask
from bertkit.tokenization.base import SpecialTokens, Tokenizer

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

TASKS = ("classify", "regression")
PLACEMENT = Placement("cpu", "float32", 1)
STANDING = Standing(None, "it is a TF-IDF model, and there is no encoder to open")
_UNKNOWN = "[UNK]"


@dataclass(frozen=True, slots=True)
class WordRow(EncodedRow):
    """A row that is read as it is; `n_tokens` counts its words and marks."""

    example: Example | None = None


class LinearTask(SequenceTask):
    """classify and regression for a model that reads words."""

    def __init__(self, settings: TaskSettings) -> None:
        super().__init__(settings, _no_tokenizer())

    @classmethod
    def learn(cls, settings: TaskSettings, examples: Sequence[Example]) -> TaskSettings:
        """Learn the labels of training rows, as `SequenceTask.fit` does.

        Raises:
            DataError: one label only, a label that is not a number, a missing positive label.
        """
        return SequenceTask.fit(settings, _no_tokenizer(), examples).settings

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Take rows as they are; none is too long."""
        return [
            WordRow((), sum(len(split_words(text)) for text in row.texts), truncated=False, example=row)
            for row in examples
        ]


@dataclass(frozen=True)
class LinearAnswers:
    """What stands in the place of a run's model."""

    fitted: SequenceBaselines

    def answers(self, rows: Sequence[EncodedRow]) -> Outputs:
        """Answer the rows of `LinearTask.encode`."""
        return self.fitted.predict([cast(Example, cast(WordRow, row).example) for row in rows])[TFIDF]


def is_linear(manifest: Manifest) -> bool:
    """Tell whether a run has no encoder."""
    return manifest.family == TFIDF


def run_of(directory: Path, manifest: Manifest, fitted: SequenceBaselines, identity: Any = None) -> Bundle:
    """Put a run together from its parts."""
    task = LinearTask(manifest.settings)
    return Bundle(directory, manifest, task.tokenizer, task, cast("TaskModel", LinearAnswers(fitted)), identity)


def all_others(baselines: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """Return what stands beside a TF-IDF model: every baseline but itself."""
    return {name: outputs for name, outputs in baselines.items() if name != TFIDF}


def open_to_answer(directory: Path, way: Way, note: Note = lambda _: None) -> tuple[Bundle, Placement]:
    """Open whatever answers rows: a run with an encoder, an export, or a run without an encoder.

    Raises:
        UsageError: an engine is asked for where there is no encoder.
        DeviceError: a device other than the CPU is, there.
        RunError: no run is there, or it is damaged or newer; and see `open_run`.
    """
    if not is_linear(bundle.load_manifest(directory)):
        return open_run(directory, way, note)
    if way.engine not in ("auto", "torch"):
        raise UsageError(f"--engine {way.engine}: {directory} is a TF-IDF run, which has no encoder; leave it out.")
    if way.device not in ("auto", "cpu"):
        raise DeviceError(
            f"--device {way.device}: {directory} is a TF-IDF run, which computes on the CPU; leave it out."
        )
    return read_steadily(directory, lambda: _opened(directory)), PLACEMENT


def _opened(directory: Path) -> Bundle:
    with unchanged(directory) as identity:
        manifest = bundle.load_manifest(directory)
        with bundle.sound(directory):
            task = LinearTask(manifest.settings)
        return run_of(directory, manifest, load_labelled(directory / "baseline", task), identity)


def _no_tokenizer() -> Tokenizer:
    """Return a tokenizer that knows no word, for what asks every run for one."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import models

    special = SpecialTokens(_UNKNOWN, None, None, None, None)
    return Tokenizer(Backend(models.WordLevel({_UNKNOWN: 0}, unk_token=_UNKNOWN)), special, LONGEST)
