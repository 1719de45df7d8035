"""Predictions without or beside an encoder: `--model tfidf`, and the members of an ensemble with their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bertkit import bundle
from bertkit.baselines.pairs import WordVectors
from bertkit.baselines.sequence import SequenceBaselines, fit_sequence_baselines
from bertkit.baselines.tfidf import split_words
from bertkit.bundle import Bundle, Manifest, sound
from bertkit.cache import scratch_array
from bertkit.compute.device import Placement
from bertkit.data.records import Example
from bertkit.data.store import MANY
from bertkit.engines.opening import Note, Way, open_run
from bertkit.errors import DeviceError, RunError, UsageError
from bertkit.kinds import MisfitError, shown
from bertkit.models.table import TFIDF
from bertkit.run_folder import MANIFEST, read_steadily, refuse_replaced, unchanged
from bertkit.tasks.base import LONGEST, EncodedRow, Outputs, Task, TaskSettings
from bertkit.tasks.multilabel import Decided
from bertkit.tasks.objectives import MANY_LABELS
from bertkit.tasks.published import Standing
from bertkit.tasks.registry import TASKS_WITH
from bertkit.tasks.sequence import SequenceTask
from bertkit.tokenization.base import SpecialTokens, Tokenizer

if TYPE_CHECKING:
    from bertkit.baselines.table import Baselines
    from bertkit.models.heads import TaskModel

# --- A run without an encoder: the TF-IDF baseline as a model of its own (`--model tfidf`) --------
#
# It answers the tasks that have such a baseline, classify and regression, from the files that
# every run of these tasks keeps in its folder `baseline`. It needs neither torch nor transformers,
# reads a row whole, and has words where other runs have tokens.

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
    from bertkit.baselines.table import load_labelled  # reads documents, too, which a prediction need not wait for

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


# --- Blend the answers of two models that err on different rows -----------------------------------
#
# Of classes the answer is p^a * q^b, normalised: the logarithmic opinion pool (Genest and Zidek 1986,
# "Combining probability distributions"). a and b are fitted on rows from which neither has
# learnt (stacking, Wolpert 1992), so that a model that is too sure of itself is toned down
# too (temperature scaling, Guo et al. 2017). Of scores it is a weighted mean (the linear opinion pool,
# Stone 1961), its weights fitted on such rows too (stacked regressions, Breiman 1996).

# Rows that are blended at once.
_BLOCK = MANY
# Smallest probability that is believed; a label the baseline has never seen has none at all.
_FLOOR = 1e-6
# What the weights are before any row is seen: half and half, give or take as much. It counts
# where there are few rows, and keeps weights finite where the two are never wrong.
_PRIOR, _PRIOR_SD = 0.5, 0.5


@dataclass(frozen=True)
class Blend:
    """The exponents of the probabilities of an encoder and of the other member; at least 0."""

    encoder: float
    member: float

    def mix(self, own: Outputs, others: Outputs) -> list[NDArray[np.float64]]:
        """Blend probabilities (N, C) of the encoder and of the other member; N rows of (C) come out."""
        from scipy.special import softmax

        if not len(own):
            return []
        if len(own) > _BLOCK:
            found: list[NDArray[np.float64]] = _mixed_in_parts(self, own, others)
            return found
        logits = np.tensordot([self.encoder, self.member], _logs(own, others), axes=1)  # (N, C)
        return list(softmax(logits, axis=1))


class SetBlend(Blend):
    """The same where each label is a question of its own, so that a row may have several."""

    def mix(self, own: Outputs, others: Outputs) -> list[NDArray[np.float64]]:
        """Blend probabilities of labels, N rows of (C); as many come out."""
        if len(own) > _BLOCK:
            found: list[NDArray[np.float64]] = _mixed_in_parts(self, own, others)
            return found
        if not len(own):
            return []
        odds = np.tensordot([self.encoder, self.member], _odds(own, others), axes=1)  # (N, C)
        return list(0.5 * (1.0 + np.tanh(0.5 * odds)))  # the logistic function, without overflow


class ScoreBlend(Blend):
    """The shares of an encoder and of the other member in a score; together they are 1."""

    def mix(self, own: Outputs, others: Outputs) -> list[NDArray[np.float64]]:
        """Average scores of the encoder and of the other member, N rows of (1) each; as many come out."""
        if len(own) > _BLOCK:
            found: list[NDArray[np.float64]] = _mixed_in_parts(self, own, others)
            return found
        both = np.asarray([own, others], np.float64)  # (2, N, 1)
        return list(np.tensordot([self.encoder, self.member], both, axes=1)) if len(own) else []


def blend_of(task: str, encoder: float, member: float) -> Blend:
    """Return weights as those of the task's kind of answer: classes, sets of labels, or scores."""
    kinds: Mapping[str, type[Blend]] = {"regression": ScoreBlend, "multilabel": SetBlend}
    return kinds.get(task, Blend)(encoder, member)


def fit_blend(gold: Sequence[str | None], labels: Sequence[str], own: Outputs, others: Outputs) -> Blend:
    """Fit the exponents by likelihood.

    Args:
        gold: labels of N rows that neither model learnt from; rows whose label is none of
            `labels` are left out.
        labels: C labels in the order of the probabilities.
        own: probabilities of the encoder, N rows of (C).
        others: probabilities of the other member, likewise.
    """
    from scipy.optimize import minimize
    from scipy.special import logsumexp, softmax

    place = {label: i for i, label in enumerate(labels)}
    known = [i for i, label in enumerate(gold) if label in place]
    classes = np.asarray([place[gold[i] or ""] for i in known], np.int64)
    logs = _logs(own, others)[:, known]  # (2, rows, C)
    hit = np.take_along_axis(logs, classes[None, :, None], axis=2)[:, :, 0]  # (2, rows)

    def cost(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = np.tensordot(weights, logs, axes=1)  # (rows, C)
        off = (weights - _PRIOR) / _PRIOR_SD
        loss = (logsumexp(logits, axis=1) - weights @ hit).sum() + (off**2).sum() / 2
        slope = (softmax(logits, axis=1) * logs).sum(axis=(1, 2)) - hit.sum(axis=1) + off / _PRIOR_SD
        return float(loss), slope

    found = minimize(cost, np.full(2, _PRIOR), jac=True, bounds=[(0.0, None)] * 2, method="L-BFGS-B")
    encoder, member = np.round(found.x, 4).tolist()
    return Blend(encoder, member)


def fit_score_blend(gold: Sequence[float], own: Outputs, others: Outputs) -> Blend:
    """Fit the shares of scores by least squares.

    Args:
        gold: scores of N rows that neither model learnt from.
        own: scores of the encoder, N rows of (1).
        others: scores of the other member, likewise.
    """
    right, mine, other = (np.asarray(values, np.float64).reshape(-1) for values in (gold, own, others))
    apart = other - mine
    size = float(apart @ apart)
    share = float(np.clip((right - mine) @ apart / size, 0.0, 1.0)) if size else 0.0
    return ScoreBlend(round(1 - share, 4), round(share, 4))


def fit_set_blend(gold: NDArray[np.bool_], own: Outputs, others: Outputs) -> Blend:
    """Fit the exponents for sets of labels by likelihood: of each label of each row, is it one of the row's?

    Args:
        gold: the labels of N rows that neither model learnt from, (N, C).
        own: probabilities of the encoder, N rows of (C).
        others: probabilities of the other member, likewise.
    """
    from scipy.optimize import minimize

    odds = _odds(own, others).reshape(2, -1)  # (2, N * C)
    is_own = gold.ravel().astype(np.float64)

    def cost(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        both = weights @ odds
        off = (weights - _PRIOR) / _PRIOR_SD
        loss = (np.logaddexp(0.0, both) - is_own * both).sum() + (off**2).sum() / 2
        slope = odds @ (0.5 * (1.0 + np.tanh(0.5 * both)) - is_own) + off / _PRIOR_SD
        return float(loss), slope

    found = minimize(cost, np.full(2, _PRIOR), jac=True, bounds=[(0.0, None)] * 2, method="L-BFGS-B")
    encoder, member = np.round(found.x, 4).tolist()
    return SetBlend(encoder, member)


def _mixed_in_parts(blend: Blend, own: Outputs, others: Outputs) -> Any:
    """Blend many rows, some at a time."""
    table: NDArray[np.float64] = scratch_array((len(own), len(own[0])), "float64")
    for start in range(0, len(own), _BLOCK):
        part = slice(start, start + _BLOCK)
        table[part] = blend.mix(own[part], others[part])
    return table


def _odds(own: Outputs, others: Outputs) -> NDArray[np.float64]:
    """Return log-odds, (2, N, C)."""
    both = np.clip(np.asarray([own, others], np.float64), _FLOOR, 1.0 - _FLOOR)
    return np.asarray(np.log(both) - np.log1p(-both))


def _logs(own: Outputs, others: Outputs) -> NDArray[np.float64]:
    """Return log-probabilities, (2, N, C)."""
    both = np.asarray([own, others], np.float64)
    return np.asarray(np.log(np.clip(both, _FLOOR, 1.0)))


# --- The ensemble of a run's encoder and a baseline: the other member, and the weights of both ----
#
# For single texts, and for sets of labels, it is the TF-IDF baseline. For pairs it is a model of that kind which also
# compares the words' vectors, as the encoder's table of embeddings has them: `overlap`.

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
        """Write the other member beside the baselines, where it is not one of them."""
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
            f"{bundle.directory}: an earlier bertkit ensembled its answers, which is for up to {MANY_LABELS} "
            f"labels now; "
            "train it again."
        )
    from bertkit.baselines.table import load_baselines, load_labelled  # see above

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
