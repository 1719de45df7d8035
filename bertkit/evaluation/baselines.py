"""The table of baselines: for each task the simple answers its scores stand beside.

They are fitted on the model's own training rows and stored with the run. A model that does
not beat them has learned little from its texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bertkit.data.records import Example
from bertkit.data.store import taken
from bertkit.errors import RunError
from bertkit.evaluation.baseline_files import FACTS_NAME
from bertkit.evaluation.choice_baselines import fit_choice_baselines, load_choice_baselines
from bertkit.evaluation.label_set_baselines import (
    LabelSetBaselines,
    fit_label_set_baselines,
    load_label_set_baselines,
)
from bertkit.evaluation.masked_lm_baseline import fit_unigram, load_unigram
from bertkit.evaluation.reading_baselines import fit_reading_baselines, load_reading_baselines
from bertkit.evaluation.sequence_baselines import (
    SequenceBaselines,
    fit_sequence_baselines,
    load_sequence_baselines,
)
from bertkit.evaluation.summary_baselines import SummaryBaselines, load_summary_baselines
from bertkit.evaluation.tagging_baselines import fit_tagging_baselines, load_tagging_baselines
from bertkit.evaluation.word_vectors import WordVectors
from bertkit.tasks.base import Outputs, Task

MOST_FITTED = 200_000
"""Rows that baselines are fitted on: more of them teach a simple model next to nothing, and fill the memory."""


class Baselines(Protocol):
    """The fitted baselines of one run."""

    def predict(self, examples: Sequence[Any]) -> Mapping[str, Outputs]:
        """Answer rows with each baseline, by its name, in the form of the task's outputs."""
        ...

    def save(self, directory: Path) -> None:
        """Write the baselines to a folder."""
        ...


def rows_to_fit(examples: Sequence[Example], *, seed: int) -> Sequence[Example]:
    """Return the training rows that baselines are fitted on: all, or of very many some that are drawn by the seed."""
    if len(examples) <= MOST_FITTED:
        return examples
    drawn = np.random.default_rng((seed, len(examples))).choice(len(examples), MOST_FITTED, replace=False)
    return taken(examples, np.sort(drawn))


def fitted_sentence(rows: int) -> str | None:
    """Say on how many of the training rows baselines are fitted; None where it is all of them."""
    if rows <= MOST_FITTED:
        return None
    return f"baselines are fitted on {MOST_FITTED:,} of the {rows:,} training rows, drawn by --seed"


def fit_baselines(
    task: Task, examples: Sequence[Any], *, seed: int, class_weights: Sequence[float] | None = None
) -> Baselines:
    """Fit the baselines of a task on training rows.

    Args:
        task: with its labels and tokenizer.
        examples: the training rows of the model that the baselines stand beside.
        seed: of whatever is random in fitting.
        class_weights: what a row of each label counts, as for the model; None: all alike.

    Raises:
        DataError: the rows cannot be used.
    """
    settings = task.settings
    match settings.task:
        case "ner":
            return fit_tagging_baselines(examples)
        case "choice":
            return fit_choice_baselines(examples, seed=seed)
        case "multilabel":
            return fit_label_set_baselines(
                examples, pair=settings.is_pair, labels=settings.labels, seed=seed, class_weights=class_weights
            )
        case "qa":
            return fit_reading_baselines(examples)
        case "mlm":
            return fit_unigram(task, examples)
        case "extractive" | "matching":
            return SummaryBaselines()
        case word:
            pair, labels = settings.is_pair, settings.labels
            return fit_sequence_baselines(
                examples, task=word, pair=pair, labels=labels, seed=seed, class_weights=class_weights
            )


def tuned_baselines(baselines: Baselines, examples: Sequence[Any]) -> Baselines:
    """Return baselines whose thresholds, where they have some, are chosen on the rows on which the model's are."""
    return baselines.tuned(examples) if isinstance(baselines, LabelSetBaselines) else baselines


def load_baselines(directory: Path, task: Task) -> Baselines:
    """Load the baselines of a run.

    Raises:
        RunError: a file is missing, damaged, or written by a newer bertkit.
    """
    match task.settings.task:
        case "ner":
            return load_tagging_baselines(directory)
        case "choice":
            return load_choice_baselines(directory)
        case "multilabel":
            return load_label_set_baselines(directory, task.settings.labels)
        case "qa":
            return load_reading_baselines(directory)
        case "mlm":
            return load_unigram(directory, task)
        case "extractive" | "matching":
            return load_summary_baselines(directory)
        case _:
            return load_labelled(directory, task)


def load_labelled(directory: Path, task: Task, vectors: WordVectors | None = None) -> SequenceBaselines:
    """Load baselines of rows with labels or scores, and hold them against the task.

    Raises:
        RunError: a file is missing or damaged, or they are of another task or other labels.
    """
    loaded, settings = load_sequence_baselines(directory, vectors), task.settings
    if (loaded.task, loaded.labels) != (settings.task, settings.labels):
        raise RunError(
            f"{directory / FACTS_NAME}: is of another task or other labels than the run's bertkit.json; "
            "the run is damaged, copy or train it again."
        )
    return loaded
