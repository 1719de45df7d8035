"""Who has a say in a run's classes beside its encoder, and how much.

For single texts it is the TF-IDF baseline. For pairs it is a model of that kind which also
compares the words' vectors, as the encoder's table of embeddings has them: `overlap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bertkit.bundle import Bundle
from bertkit.data.records import Example
from bertkit.evaluation.baselines import Baselines, load_baselines
from bertkit.evaluation.blend import Blend, fit_blend
from bertkit.evaluation.sequence_baselines import fit_sequence_baselines, load_sequence_baselines
from bertkit.evaluation.word_vectors import WordVectors
from bertkit.tasks.base import Outputs, Task

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

ENCODER = "encoder"
_TFIDF, _OVERLAP = "tfidf", "overlap"  # the second is also the name of its folder beside the baselines


@dataclass(frozen=True)
class Partnership:
    """A partner, its name, and the weights of encoder and partner."""

    blend: Blend
    partner: Baselines
    name: str

    def theirs(self, examples: Sequence[Example]) -> Outputs:
        """Return the partner's probabilities, N rows of (C)."""
        return self.partner.predict(examples)[_TFIDF]

    def weights(self) -> dict[str, float]:
        """Return the weights by name, as a run stores them."""
        return {ENCODER: self.blend.encoder, self.name: self.blend.partner}

    def save(self, baselines: Path) -> None:
        """Write the partner beside the baselines, where it is none of them."""
        if self.name == _OVERLAP:
            self.partner.save(baselines / _OVERLAP)


def fit_partnership(
    task: Task,
    model: TaskModel,
    baselines: Baselines,
    train: Sequence[Example],
    validation: Sequence[Example],
    outputs: Outputs,
    *,
    seed: int,
) -> Partnership:
    """Fit a partner on the training rows, and the weights on the validation rows.

    Args:
        task: classification, with its tokenizer.
        model: whose embeddings the partner reads, and whose `outputs` are blended.
        baselines: those of the run.
        train: rows the model has learnt from.
        validation: rows it has not learnt from.
        outputs: what the model gives for the validation rows.
        seed: as for the baselines.
    """
    settings, partner, name = task.settings, baselines, _TFIDF
    if settings.is_pair:
        vectors, name = _vectors(task, model), _OVERLAP
        partner = fit_sequence_baselines(
            train, task=settings.task, pair=True, labels=settings.labels, seed=seed, vectors=vectors
        )
    theirs = partner.predict(validation)[_TFIDF]
    blend = fit_blend([example.label for example in validation], settings.labels, outputs, theirs)
    return Partnership(blend, partner, name)


def open_partnership(bundle: Bundle) -> Partnership | None:
    """Open what a run has stored; None where its encoder answers alone.

    Raises:
        RunError: the files of baselines or partner are missing or damaged.
    """
    weights, folder = bundle.manifest.blend, bundle.directory / "baseline"
    if not weights:
        return None
    if _OVERLAP not in weights:
        return Partnership(Blend(weights[ENCODER], weights[_TFIDF]), load_baselines(folder, bundle.task), _TFIDF)
    partner = load_sequence_baselines(folder / _OVERLAP, _vectors(bundle.task, bundle.model))
    return Partnership(Blend(weights[ENCODER], weights[_OVERLAP]), partner, _OVERLAP)


def _vectors(task: Task, model: TaskModel) -> WordVectors:
    return WordVectors(task.tokenizer, model.encoder.embeddings_weight.detach().float().cpu().numpy())
