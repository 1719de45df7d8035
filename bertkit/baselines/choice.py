"""The baselines of multiple choice.

`chance` holds all choices of a row for equally likely. `tfidf` goes by how much a choice
shares with its question. `choices_only` never reads the question: what it gets right, the
choices give away by their words and by their form (Gururangan et al. 2018, "Annotation
artifacts in natural language inference data"), and a model that does no better may have
learned nothing else.

Equal choices would be ranked by their order in the file, which scores that order. So each
choice gets a millionth part of likelihood at most on top, by a hash of its row: chance then
scores what chance should in expectation, and the same row is answered the same everywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.baselines.tfidf import (
    FACTS_NAME,
    LinearModel,
    TokenRows,
    Vocabulary,
    damaged,
    fit_logistic,
    fit_tfidf,
    read_baseline_files,
    tfidf_rows,
    tokenize_rows,
    write_baseline_files,
)
from bertkit.bundle import sound
from bertkit.data.records import Question
from bertkit.errors import DataError
from bertkit.kinds import value_of
from bertkit.metrics.classification import average_ranks
from bertkit.plain import listed, quoted

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

CHOICE_BASELINES = ("chance", "tfidf", "choices_only")

_TASK = "choice"
_FORMS = 5
# Chosen on held training rows of the LLM science exam and of CODAH: the penalty of
# `fit_logistic` suits words at this size (0.3 to 0.5 score the same within 0.2 points).
_TFIDF_SCALE = 0.4
_FORM_SCALE = 0.3
_TIE_BREAK = 1e-6
# The sharpness of `tfidf` is searched between these bounds, with a wide Gaussian prior, so
# that rows without any overlap leave it at 0.
_SHARPEST = 100.0
_SHARPNESS_PRIOR = 0.01


@dataclass(frozen=True)
class ChoiceBaselines:
    """The fitted baselines of questions with choices.

    `sharpness` is what cosines are multiplied with before the softmax; below 0 where wrong
    choices share more with their question. `form_mean` and `form_std` (float32) are
    those of the form features of the training choices, a standard deviation of 0 marking a feature
    that was the same in all of them; `model` reads form features and TF-IDF of one choice.
    """

    seed: int
    vocabulary: Vocabulary
    sharpness: float
    form_mean: NDArray[np.float32]
    form_std: NDArray[np.float32]
    model: LinearModel

    def predict(self, examples: Sequence[Question]) -> dict[str, list[NDArray[np.float64]]]:
        """Answer `examples` with each baseline, by its name: the probabilities of each row's choices."""
        if not examples:
            return {name: [] for name in CHOICE_BASELINES}
        laid = _lay_out(examples)
        tfidf = tfidf_rows(laid.tokens, self.vocabulary)
        features = _choice_features(tfidf[laid.count :], _form(laid), self.form_mean, self.form_std)
        ties = _tie_breaks(examples, self.seed)
        logits = {
            "chance": ties,
            "tfidf": self.sharpness * _cosines(tfidf, laid) + ties,
            "choices_only": self.model.outputs(features)[:, 0] + ties,
        }
        return {name: np.split(_softmax(values, laid), laid.starts[1:]) for name, values in logits.items()}

    def save(self, directory: Path) -> None:
        """Write the baselines to `baselines.json` and `baselines.safetensors` in `directory`."""
        facts = {
            "task": _TASK,
            "seed": self.seed,
            "sharpness": self.sharpness,
            **self.vocabulary.facts,
        }
        tensors: dict[str, NDArray[Any]] = {
            **self.vocabulary.tensors,
            "form_mean": self.form_mean,
            "form_spread": self.form_std,
            "weights": self.model.weights,
            "intercept": self.model.intercept,
        }
        write_baseline_files(directory, facts, tensors)


def fit_choice_baselines(examples: Sequence[Question], *, seed: int) -> ChoiceBaselines:
    """Fit the baselines on training rows; rows without an answer are left out.

    Args:
        examples: the training rows of the model that the baselines stand beside.
        seed: sets how equal choices are told apart, and the order in which the solver of
            logistic regression visits the choices.

    Raises:
        DataError: there is no row with an answer, or an answer names no choice of its row.
    """
    rows = [example for example in examples if example.label is not None]
    if not rows:
        raise DataError("no training row has an answer, so there is nothing to fit baselines on.")
    laid = _lay_out(rows)
    right = laid.starts + np.asarray([_place(row) for row in rows])
    vocabulary, tfidf = fit_tfidf(laid.tokens)
    form = _form(laid)
    mean, std = form.mean(axis=0).astype(np.float32), form.std(axis=0).astype(np.float32)
    std[std < 1e-6] = 0.0
    is_right = np.zeros(len(form), np.int64)
    is_right[right] = 1
    model = fit_logistic(_choice_features(tfidf[laid.count :], form, mean, std), is_right, 2, seed=seed)
    return ChoiceBaselines(seed, vocabulary, _fit_sharpness(_cosines(tfidf, laid), laid, right), mean, std, model)


def load_choice_baselines(directory: Path) -> ChoiceBaselines:
    """Load what `ChoiceBaselines.save` wrote; the predictions are the same to the last bit.

    Raises:
        RunError: a file is missing, damaged, or written by a newer bertkit.
    """
    facts, tensors = read_baseline_files(directory)
    with sound(directory / FACTS_NAME):
        baselines = _from_files(facts, tensors)
    if facts.get("task") != _TASK or not _fits_together(baselines):
        raise damaged(directory)
    return baselines


@dataclass(frozen=True)
class _Laid:
    """Questions and their choices laid flat, so that whole columns are computed at once.

    `tokens` holds a row for each question and then one for each choice; `starts` (count)
    is where the choices of a question begin, `sizes` (count) how many there are, `owner`
    (choices) whose they are.
    """

    tokens: TokenRows
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    owner: NDArray[np.int64]

    @property
    def count(self) -> int:
        return len(self.sizes)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over the choices of a question, for each choice."""
        return np.asarray(np.add.reduceat(values, self.starts) / self.sizes)[self.owner]


def _lay_out(examples: Sequence[Question]) -> _Laid:
    sizes = np.asarray([len(example.choices) for example in examples], np.int64)
    texts = [" ".join(example.texts) for example in examples]
    texts.extend(choice for example in examples for choice in example.choices)
    return _Laid(tokenize_rows(texts), np.cumsum(sizes) - sizes, sizes, np.repeat(np.arange(len(sizes)), sizes))


def _place(row: Question) -> int:
    if row.label not in row.names:
        raise DataError.at(
            row.source,
            row.line,
            f"the answer {quoted(row.label)} is not one of the choices ({listed(row.names, quotes=False)}); "
            "fix or remove the row.",
        )
    return row.names.index(row.label)


def _cosines(tfidf: csr_matrix, laid: _Laid) -> NDArray[np.float64]:
    """Return the cosine of each choice and its question, (choices)."""
    products = tfidf[: laid.count][laid.owner].multiply(tfidf[laid.count :])
    # a TF-IDF row is two halves of length 1
    return np.asarray(products.sum(axis=1), np.float64).ravel() / 2.0


def _form(laid: _Laid) -> NDArray[np.float64]:
    """Describe each choice without its words, beside the others of its question; (choices, forms).

    The forms are its length in words (as a logarithm), the same less the row's mean, its
    rank by length from 0 to 1, the share of its words that another choice has too, and
    that share less the row's mean.
    """
    in_choice = laid.tokens.rows >= laid.count
    ids, choice = laid.tokens.ids[in_choice], laid.tokens.rows[in_choice] - laid.count
    words = np.bincount(choice, minlength=len(laid.owner))
    length = np.log1p(words)
    # ranks over all choices, longer ones of earlier questions before shorter ones of later
    rank = average_ranks(laid.owner * (words.max() + 1.0) + words) - 1.0 - laid.starts[laid.owner]
    shared = _shared_share(ids, choice, laid.owner)
    last = np.maximum(laid.sizes - 1, 1)[laid.owner]
    return np.stack([length, length - laid.mean(length), rank / last, shared, shared - laid.mean(shared)], axis=1)


def _shared_share(ids: NDArray[np.int64], choice: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each choice's distinct words that another choice of its question has too."""
    width = int(ids.max(initial=0)) + 1
    choice, word = np.divmod(np.unique(choice * width + ids), width)
    _, same, holders = np.unique(owner[choice] * width + word, return_inverse=True, return_counts=True)
    distinct = np.bincount(choice, minlength=len(owner))
    shared = np.bincount(choice, holders[same] > 1, minlength=len(owner))
    return np.asarray(shared / np.maximum(distinct, 1))


def _choice_features(
    tfidf: csr_matrix, form: NDArray[np.float64], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> csr_matrix:
    from scipy.sparse import csr_matrix, hstack

    # a constant feature divides by infinity: it says nothing, whatever it is in new rows
    standard = (form - mean) / np.where(std > 0, std, np.inf) * _FORM_SCALE
    return csr_matrix(hstack([csr_matrix(standard), tfidf * _TFIDF_SCALE]), dtype=np.float32)


def _fit_sharpness(cosines: NDArray[np.float64], laid: _Laid, right: NDArray[np.int64]) -> float:
    """Find the sharpness that makes the right choices likeliest; the slope falls, so halving finds its zero."""

    def slope(sharpness: float) -> float:
        expected = _softmax(sharpness * cosines, laid) @ cosines
        return float(cosines[right].sum() - expected - _SHARPNESS_PRIOR * sharpness)

    return _falling_zero(slope, -_SHARPEST, _SHARPEST)


def _falling_zero(slope: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(50):
        middle = (low + high) / 2.0
        value = slope(middle)
        if value == 0.0:
            return middle
        low, high = (middle, high) if value > 0.0 else (low, middle)
    return (low + high) / 2.0


def _softmax(logits: NDArray[np.float64], laid: _Laid) -> NDArray[np.float64]:
    """Return probabilities that sum to 1 over the choices of each question."""
    powers = np.exp(logits - np.maximum.reduceat(logits, laid.starts)[laid.owner])
    return np.asarray(powers / np.add.reduceat(powers, laid.starts)[laid.owner])


def _tie_breaks(examples: Sequence[Question], seed: int) -> NDArray[np.float64]:
    """Return a small number for each choice, uniform over rows and the same in every process."""
    keys = (
        json.dumps([seed, *example.texts, place, choice])
        for example in examples
        for place, choice in enumerate(example.choices)
    )
    hashes = [int.from_bytes(hashlib.sha256(key.encode("ascii")).digest()[:6]) for key in keys]
    return np.asarray(hashes, np.float64) / 2**48 * _TIE_BREAK


def _from_files(facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> ChoiceBaselines:
    vocabulary = Vocabulary.from_files(facts, tensors)
    return ChoiceBaselines(
        seed=value_of(int, facts.get("seed"), "seed"),
        vocabulary=vocabulary,
        sharpness=value_of(float, facts.get("sharpness"), "sharpness"),
        form_mean=tensors["form_mean"],
        form_std=tensors["form_spread"],
        model=LinearModel(tensors["weights"], tensors["intercept"]),
    )


def _fits_together(baselines: ChoiceBaselines) -> bool:
    """Tell whether the sizes of all parts agree, so that `predict` cannot stumble."""
    vocabulary = baselines.vocabulary
    sizes: list[tuple[NDArray[Any], tuple[int, ...]]] = [
        *vocabulary.sizes,
        (baselines.form_mean, (_FORMS,)),
        (baselines.form_std, (_FORMS,)),
        (baselines.model.weights, (1, _FORMS + vocabulary.width)),
        (baselines.model.intercept, (1,)),
    ]
    return all(array.shape == shape for array, shape in sizes)
