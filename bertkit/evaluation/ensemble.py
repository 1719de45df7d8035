"""The ensemble of a run's encoder and a baseline: the other member, and the weights of both.

For single texts, and for sets of labels, it is the TF-IDF baseline. For pairs it is a model of that kind which also
compares the words' vectors, as the encoder's table of embeddings has them: `overlap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bertkit.bundle import Bundle, sound
from bertkit.data.records import Example
from bertkit.errors import RunError
from bertkit.evaluation.baselines import Baselines, load_baselines, load_labelled
from bertkit.evaluation.blend import Blend, blend_of
from bertkit.evaluation.sequence_baselines import fit_sequence_baselines
from bertkit.evaluation.word_vectors import WordVectors
from bertkit.kinds import MisfitError, shown
from bertkit.run_folder import MANIFEST, refuse_replaced
from bertkit.tasks.base import Outputs, Task, TaskSettings
from bertkit.tasks.class_answers import MANY_LABELS
from bertkit.tasks.multilabel import Decided
from bertkit.tasks.registry import TASKS_WITH

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

ENCODER = "encoder"
_MOST = 1000
_SETS = "multilabel"
_TFIDF, _OVERLAP = "tfidf", "overlap"  # the second is also the name of its folder beside the baselines


@dataclass(frozen=True)
class Member:
    """The ensemble's member beside the encoder: a name, and the baselines that hold its answers as their `tfidf`."""

    name: str
    fitted: Baselines

    def answers(self, examples: Sequence[Example], known: Mapping[str, Outputs]) -> Outputs:
        """Return its probabilities, N rows of (C), or scores, N rows of (1).

        Args:
            examples: N rows.
            known: what baselines give for them, by name; the other member may be among these.
        """
        found = known[self.name] if self.name in known else self.fitted.predict(examples)[_TFIDF]
        return [row.scores if isinstance(row, Decided) else row for row in found] if isinstance(found, list) else found


@dataclass(frozen=True)
class Ensemble:
    """The other member, and the weights of encoder and member."""

    blend: Blend
    member: Member

    def weights(self) -> dict[str, float]:
        """Return the weights by name, as a run stores them."""
        return {ENCODER: self.blend.encoder, self.member.name: self.blend.member}

    def save(self, baselines: Path) -> None:
        """Write the other member beside the baselines, where it is none of them."""
        if self.member.name == _OVERLAP:
            self.member.fitted.save(baselines / _OVERLAP)


def fit_member(task: Task, model: TaskModel, baselines: Baselines, examples: Sequence[Example], *, seed: int) -> Member:
    """Fit the other member on training rows.

    Args:
        task: classification or regression, with its tokenizer.
        model: whose embeddings the other member reads for pairs.
        baselines: those of the run; of single texts they hold the other member.
        examples: rows the model has learnt from.
        seed: as for the baselines.
    """
    settings = task.settings
    if _name_for(settings) == _TFIDF:
        return Member(_TFIDF, baselines)
    vectors, labels = _vectors(task, model), settings.labels
    fitted = fit_sequence_baselines(examples, task=settings.task, pair=True, labels=labels, seed=seed, vectors=vectors)
    return Member(_OVERLAP, fitted)


def open_ensemble(bundle: Bundle) -> Ensemble | None:
    """Open what a run has stored; None where its encoder answers alone.

    Raises:
        RunError: the files of baselines or the other member are missing or damaged.
    """
    weights, folder = bundle.manifest.blend, bundle.directory / "baseline"
    if not weights:
        return None
    if len(bundle.task.settings.labels) > MANY_LABELS:
        raise RunError(
            f"{bundle.directory}: an earlier bertkit blended its answers, which is for up to {MANY_LABELS} labels now; "
            "train it again."
        )
    with sound(bundle.directory / MANIFEST):
        _check_weights(weights, bundle.task.settings)
    if _OVERLAP in weights:
        vectors = _vectors(bundle.task, bundle.model)
        member = Member(_OVERLAP, load_labelled(folder / _OVERLAP, bundle.task, vectors))
    else:
        member = Member(_TFIDF, load_baselines(folder, bundle.task))
    refuse_replaced(bundle.directory, bundle.identity)
    return Ensemble(blend_of(bundle.task.settings.task, weights[ENCODER], weights[member.name]), member)


def _check_weights(weights: Mapping[str, float], settings: TaskSettings) -> None:
    """Refuse weights that no training has fitted.

    Raises:
        MisfitError: of a task without classes, of the other member, or out of bounds.
    """
    if settings.task not in TASKS_WITH["blend"]:
        raise MisfitError(f"blend is there, and the task {settings.task} has neither classes nor scores")
    member = _name_for(settings)
    if weights.keys() != {ENCODER, member}:
        raise MisfitError(f"blend is {shown(dict(weights))} and should have weights of {ENCODER} and {member}")
    if not all(0 <= weight <= _MOST for weight in weights.values()):
        raise MisfitError(f"blend is {shown(dict(weights))}, and weights are from 0 to {_MOST:,}")


def _name_for(settings: TaskSettings) -> str:
    """Name the other member of a run: of pairs with one label each the one that also compares words' vectors."""
    return _OVERLAP if settings.is_pair and settings.task != _SETS else _TFIDF


def _vectors(task: Task, model: TaskModel) -> WordVectors:
    table: Any = model.encoder.embeddings_weight
    return WordVectors(task.tokenizer, table if isinstance(table, np.ndarray) else table.detach().float().cpu().numpy())
