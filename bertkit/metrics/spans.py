"""Scores of what is found in a text: entities, answers, relations; and KLUE's own figures."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.classification import ratio, regression_metrics
from bertkit.metrics.intervals import MOST_DRAWN, Interval, bootstrap_cells, bootstrap_chunks

# --- Scores of found entities: precision, recall and F1 over exact (start, end, label) ------------
#
# An entity counts as found if place and label are right, and as wrong in every other case
# (CoNLL-2003; Tjong Kim Sang and De Meulder 2003). All figures are micro averages: they
# follow from three counts per sentence, so that a thousand resampled sets of sentences are
# scored as sums of counts. A ratio without a denominator is 0.0.
#
# Strict and lenient figures differ in how tags are read as entities, which is not told here:
# `tag_metrics` is handed both readings as functions, and the others take entities.

Spans = Collection[tuple[int, int, str]]
"""The entities of one sentence: start, end, label; start and end in characters or in tokens."""
ReadTags = Callable[[Sequence[str]], Spans]
"""Reads the tags of one sentence as entities."""

_Counts = NDArray[np.float64]


def tagging_metrics(
    gold: Sequence[Spans], predicted: Sequence[Spans]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Compute entity_precision, entity_recall and entity_f1, and figures per label.

    Args:
        gold: the true entities of each sentence.
        predicted: those found.

    Returns:
        The metrics; and by label, in code-point order, precision, recall, f1, support
        (gold entities) and predicted (entities).

    Raises:
        ValueError: the sequences differ in length.
    """
    sums = _sentence_counts(gold, predicted).sum(axis=0)
    return {name: float(value) for name, value in _count_metrics(sums).items()}, _per_label(gold, predicted)


def tag_metrics(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, strict: ReadTags, lenient: ReadTags
) -> dict[str, float]:
    """Compute the metrics of `tagging_metrics` and entity_f1_lenient from sequences of tags.

    Gold and predicted tags are read the same way, strictly for one and leniently for the other.

    Raises:
        ValueError: there are more sequences of one kind, or two of a pair differ in length.
    """
    for true, given in zip(gold, predicted, strict=True):
        if len(true) != len(given):
            raise ValueError(f"{len(true)} gold tags and {len(given)} predicted ones")
    strictly, _ = tagging_metrics([strict(tags) for tags in gold], [strict(tags) for tags in predicted])
    leniently, _ = tagging_metrics([lenient(tags) for tags in gold], [lenient(tags) for tags in predicted])
    return {**strictly, "entity_f1_lenient": leniently["entity_f1"]}


def tagging_intervals(gold: Sequence[Spans], predicted: Sequence[Spans], *, seed: int = 0) -> dict[str, Interval]:
    """Return the bootstrap interval of each metric of `tagging_metrics`, over sentences.

    Raises:
        ValueError: the sequences differ in length.
    """
    return _sum_intervals(_sentence_counts(gold, predicted), _count_metrics, seed)


def tagging_difference(
    gold: Sequence[Spans], model: Sequence[Spans], baseline: Sequence[Spans], *, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of model minus baseline for each metric, on the same drawn sentences.

    Raises:
        ValueError: the sequences differ in length.
    """
    both = np.concatenate([_sentence_counts(gold, model), _sentence_counts(gold, baseline)], axis=1)
    return _sum_intervals(both, lambda sums: _less(*map(_count_metrics, np.split(sums, 2, axis=-1))), seed)


def _sum_intervals(counts: _Counts, score: Callable[[_Counts], dict[str, _Counts]], seed: int) -> dict[str, Interval]:
    """Return the interval of figures that follow from sums of whole numbers over rows.

    Args:
        counts: those of each row, (rows, K); of very many rows equal ones are drawn together.
        score: computes the figures of draws from their sums, (draws, K).
        seed: sets the draws.
    """
    if len(counts) > MOST_DRAWN:
        cells, times = np.unique(counts, axis=0, return_counts=True)
        return bootstrap_cells(lambda drawn: score(drawn @ cells), times, seed)
    # one column at a time, so that no more than one number per drawn row is held
    return bootstrap_chunks(
        lambda draws: score(np.stack([column[draws].sum(axis=1) for column in counts.T], axis=1)),
        len(counts),
        seed=seed,
    )


def _less(model: Mapping[str, _Counts], baseline: Mapping[str, _Counts]) -> dict[str, _Counts]:
    return {name: model[name] - baseline[name] for name in model}


def _sentence_counts(gold: Sequence[Spans], predicted: Sequence[Spans]) -> _Counts:
    """Count the correct, gold and predicted entities of each sentence; shape (sentences, 3)."""
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold sentences and {len(predicted)} predicted ones")
    pairs = [(set(true), set(found)) for true, found in zip(gold, predicted, strict=True)]
    rows = [(len(true & found), len(true), len(found)) for true, found in pairs]
    return np.asarray(rows, np.float64).reshape(len(gold), 3)


def _count_metrics(sums: _Counts) -> dict[str, _Counts]:
    """Compute the metrics from counts on the last axis; each has the shape of `sums` less that axis."""
    correct, gold, predicted = (sums[..., column] for column in range(3))
    return {
        "entity_precision": ratio(correct, predicted),
        "entity_recall": ratio(correct, gold),
        "entity_f1": ratio(2.0 * correct, gold + predicted),
    }


def _per_label(gold: Sequence[Spans], predicted: Sequence[Spans]) -> dict[str, dict[str, float]]:
    correct, support, given = Counter[str](), Counter[str](), Counter[str]()
    for true, found in zip(gold, predicted, strict=True):
        support.update(label for _, _, label in set(true))
        given.update(label for _, _, label in set(found))
        correct.update(label for _, _, label in set(true) & set(found))
    return {
        label: {
            "precision": _share(correct[label], given[label]),
            "recall": _share(correct[label], support[label]),
            "f1": _share(2 * correct[label], support[label] + given[label]),
            "support": support[label],
            "predicted": given[label],
        }
        for label in sorted(support | given)
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


# --- Scores of answers that are stretches of a text: SQuAD's, KorQuAD's and KLUE-MRC's own --------
#
# Each data set has a program that scores it, and figures are only comparable where answers are
# brought to the same form first. No answer is the empty text.

_PUNCTUATION = frozenset(string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
# KorQuAD 1.0's program puts a blank in place of each of these.
_KORQUAD_MARKS = re.compile("['\"《》<>〈〉()‘’]")
# KLUE's means to do the same, but a bracket of its pattern closes too early: it finds only one of
# these characters with all of ()‘’ behind it, so that 《》 stay in an answer.
_KLUE_MARKS = re.compile("['\"《》<>〈〉]\\(\\)‘’")

Score = Callable[[str, str], float]
"""How near an answer is to a right one, 0 to 1."""


def squad_form(text: str) -> str:
    """Bring an answer to the form in which SQuAD compares: lower case, no punctuation, no articles."""
    bare = "".join(char for char in text.lower() if char not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def korquad_form(text: str) -> str:
    """Bring an answer to the form in which KorQuAD 1.0 compares."""
    bare = "".join(char for char in _KORQUAD_MARKS.sub(" ", text).lower() if char not in _PUNCTUATION)
    return " ".join(bare.split())


def klue_form(text: str) -> str:
    """Bring an answer to the form in which KLUE-MRC compares; 《》, 〈〉 and ‘’ stay."""
    bare = "".join(char for char in _KLUE_MARKS.sub(" ", text.lower()) if char not in _PUNCTUATION)
    return " ".join(bare.split())


def squad_exact(given: str, right: str) -> float:
    """Return 1 where two answers are the same in SQuAD's form, else 0."""
    return float(squad_form(given) == squad_form(right))


def squad_f1(given: str, right: str) -> float:
    """Return the F1 of the words of an answer; where one has none, whether both have none."""
    return _f1_of_answer(squad_form(given).split(), squad_form(right).split())


def korquad_exact(given: str, right: str) -> float:
    """Return 1 where two answers are the same in KorQuAD's form, else 0."""
    return float(korquad_form(given) == korquad_form(right))


def character_f1(given: str, right: str) -> float:
    """Return KorQuAD's F1 of the characters of an answer, blanks left out."""
    return _f1_of_answer(list(korquad_form(given).replace(" ", "")), list(korquad_form(right).replace(" ", "")))


def klue_exact(given: str, right: str) -> float:
    """Return 1 where two answers are the same in KLUE's form, else 0."""
    return float(klue_form(given) == klue_form(right))


def klue_rouge_w(given: str, right: str) -> float:
    """Return what KLUE calls ROUGE-W: the F1 of the longest stretch of characters that two answers share."""
    mine, gold = klue_form(given), klue_form(right)
    if not gold:
        return float(mine == gold)
    shared = SequenceMatcher(None, mine, gold).find_longest_match(0, len(mine), 0, len(gold)).size
    return 0.0 if not shared else 2.0 * shared / (len(mine) + len(gold))


def best(score: Score, given: str, rights: Sequence[str]) -> float:
    """Return the score beside the right answer that is nearest; where there is none, no answer is right."""
    return max(score(given, right) for right in rights or ("",))


def _f1_of_answer(given: Sequence[str], right: Sequence[str]) -> float:
    if not given or not right:
        return float(list(given) == list(right))
    same = sum((Counter(given) & Counter(right)).values())
    return 2.0 * same / (len(given) + len(right)) if same else 0.0


# --------------------------------------------------------------------------------------------------
# Figures of relations between entities: micro F1 without those that are none, and areas under precision and recall.
#
# The area of a label is that under the curve of precision over recall, by trapezoids from precision 1 at recall 0 on,
# as KLUE's code computes it (scikit-learn's `auc` of its `precision_recall_curve`); of a label that no row has, recall
# counts as 1 throughout.

Figures = NDArray[np.float64]
Answers = tuple[Sequence[str], Any]
"""The labels that N rows were given, and the probabilities of all labels, (N, C), or None where these are not kept."""
# Figures (rows times labels) up to which areas have intervals: more would take longer than all else.
_MOST_FIGURES = 500_000


def relation_metrics(
    gold: Sequence[str], predicted: Sequence[str], scores: Any, labels: Sequence[str], related: AbstractSet[str]
) -> dict[str, float]:
    """Compute micro_f1, micro_precision and micro_recall over the labels that are relations, and auprc over all.

    Args:
        gold: the labels of N rows.
        predicted: those that were given.
        scores: probabilities, (N, C); None: there is no area.
        labels: C labels, in the order of the probabilities.
        related: those that are relations.
    """
    everything = np.arange(len(gold))[None, :]
    drawn = _scorer(gold, (predicted, scores), labels, related)(everything)
    return {name: float(values[0]) for name, values in drawn.items()}


def relation_intervals(
    gold: Sequence[str], predicted: Sequence[str], scores: Any, labels: Sequence[str], related: AbstractSet[str]
) -> dict[str, Interval]:
    """Return the bootstrap interval of each figure; of areas only where rows and labels are not too many."""
    if len(gold) > MOST_DRAWN:
        return _sum_intervals(_relation_counts(gold, predicted, related), _micro_figures, 0)
    return bootstrap_chunks(_scorer(gold, (predicted, _few(scores)), labels, related), len(gold))


def relation_difference(
    gold: Sequence[str], mine: Answers, other: Answers, labels: Sequence[str], related: AbstractSet[str]
) -> dict[str, Interval]:
    """Return the interval of each figure's difference, rows paired."""
    if len(gold) > MOST_DRAWN:
        both = np.concatenate([_relation_counts(gold, answers[0], related) for answers in (mine, other)], axis=1)
        return _sum_intervals(both, lambda sums: _less(*map(_micro_figures, np.split(sums, 2, axis=-1))), 0)
    ours = _scorer(gold, (mine[0], _few(mine[1])), labels, related)
    others = _scorer(gold, (other[0], _few(other[1])), labels, related)

    def difference(draws: NDArray[np.intp]) -> dict[str, Figures]:
        found = others(draws)
        return {name: values - found[name] for name, values in ours(draws).items() if name in found}

    return bootstrap_chunks(difference, len(gold))


def area_of(is_label: NDArray[np.bool_], scores: Figures, weights: Figures | None = None) -> Figures:
    """Return the area under precision and recall of one label, for each drawing of the rows.

    Args:
        is_label: which of N rows have it.
        scores: its probability, (N).
        weights: how often each row was drawn, (draws, N); None: each once.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores are one step
    drawn = np.ones((1, len(order))) if weights is None else weights[:, order]
    right, given = ((drawn * is_label[order]).cumsum(axis=1)[:, ends], drawn.cumsum(axis=1)[:, ends])
    precision = np.where(given > 0, ratio(right, given), 1.0)
    total = right[:, -1:]
    recall = np.where(total > 0, ratio(right, np.broadcast_to(total, right.shape)), 1.0)
    start = np.ones((len(drawn), 1))
    heights = np.concatenate([start, precision], axis=1)
    steps = np.diff(np.concatenate([0.0 * start, recall], axis=1), axis=1)
    return np.asarray((steps * (heights[:, 1:] + heights[:, :-1]) / 2.0).sum(axis=1))


def _scorer(
    gold: Sequence[str], answers: Answers, labels: Sequence[str], related: AbstractSet[str]
) -> Callable[[NDArray[np.intp]], Mapping[str, Figures]]:
    """Make what scores drawn rows, (draws, rows)."""
    predicted, scores = answers
    counts = _relation_counts(gold, predicted, related)
    table = None if scores is None or not len(gold) else np.asarray(scores, np.float64)
    own = [np.asarray([label == row for row in gold], bool) for label in labels] if table is not None else []

    def score(draws: NDArray[np.intp]) -> dict[str, Figures]:
        found = _micro_figures(np.stack([column[draws].sum(axis=1) for column in counts.T], axis=1))
        if table is not None:
            weights = np.stack([np.bincount(draw, minlength=len(gold)) for draw in draws]).astype(np.float64)
            areas = [area_of(is_label, table[:, i], weights) for i, is_label in enumerate(own)]
            found["auprc"] = np.mean(areas, axis=0)
        return found

    return score


def _relation_counts(gold: Sequence[str], predicted: Sequence[str], related: AbstractSet[str]) -> Figures:
    """Return of each row whether it has the relation that was given, whether one was given, and whether it has one."""
    rows = [(a == b and a in related, b in related, a in related) for a, b in zip(gold, predicted, strict=True)]
    return np.asarray(rows, np.float64).reshape(len(gold), 3)


def _micro_figures(sums: Figures) -> dict[str, Figures]:
    hits, answered, due = (sums[..., column] for column in range(3))
    return {
        "micro_f1": ratio(2.0 * hits, answered + due),
        "micro_precision": ratio(hits, answered),
        "micro_recall": ratio(hits, due),
    }


def _few(scores: Any) -> Any:
    return None if scores is None or np.size(scores) > _MOST_FIGURES else scores


# --- KLUE's own figures, as its published code computes them (KLUE-benchmark/KLUE-baseline), from 0 to 1
#
# They are not always the usual ones. Entities are scored strictly, as a mean over their types; the
# characters of all sentences are one list with an O before and behind each sentence, blanks left out,
# and the mean over labels includes O and counts a label that nobody has as 1. Similarity is scored a second
# time as a question of yes or no: is it 3 or more?

OUTSIDE = "O"
SIMILAR = 3.0
Place = tuple[int, int, str]
"""An entity: start, end (characters) and type."""


def klue_similarity(gold: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """Return klue_pearson, and klue_f1 of being at least 3."""
    right = np.asarray(gold, np.float64) >= SIMILAR
    given = np.asarray(predicted, np.float64) >= SIMILAR
    both, all_of_them = int((right & given).sum()), int(right.sum() + given.sum())
    pearson = regression_metrics(list(gold), list(predicted))["pearson"]
    return {"klue_pearson": pearson, "klue_f1": 2.0 * both / all_of_them if all_of_them else 0.0}


def klue_macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the mean F1 over the labels that rows have or were given."""
    labels = sorted({*gold, *predicted})
    return float(np.mean([_f1_of_label(gold, predicted, label, 0.0) for label in labels])) if labels else 0.0


def klue_entities(
    texts: Sequence[str], gold: Sequence[Iterable[Place]], predicted: Sequence[Iterable[Place]], types: Sequence[str]
) -> dict[str, float]:
    """Return klue_entity_f1 (strict, a mean over types) and klue_char_f1 (of characters, a mean over B-, I- and O).

    Args:
        texts: N sentences.
        gold: the entities of each.
        predicted: those that were found.
        types: the types of the data set; each has a B- and an I- label.
    """
    gold_tags, given_tags = character_tags(texts, list(gold)), character_tags(texts, list(predicted))
    spans = [set(_runs(own)) for own in (gold_tags, given_tags)]
    present = sorted({type_ for own in spans for _, _, type_ in own})
    each = []
    for type_ in present:
        right, given = ({span for span in own if span[2] == type_} for own in spans)
        each.append(2.0 * len(right & given) / (len(right) + len(given)))
    labels = [OUTSIDE, *(f"{mark}-{type_}" for type_ in types for mark in "BI")]
    characters = float(np.mean([_f1_of_label(gold_tags, given_tags, label, 1.0) for label in labels]))
    return {"klue_entity_f1": float(np.mean(each)) if each else 0.0, "klue_char_f1": characters}


def character_tags(texts: Sequence[str], places: Sequence[Iterable[Place]]) -> list[str]:
    """Return a tag for each character that is not a blank, in one list, with an O before and behind each text."""
    found: list[str] = []
    for text, own in zip(texts, places, strict=True):
        tags = [OUTSIDE] * len(text)
        for start, end, type_ in own:
            first = next((i for i in range(start, end) if not text[i].isspace()), end)
            tags[first:end] = [f"B-{type_}", *[f"I-{type_}"] * (end - first - 1)][: end - first]
        kept = [tag for tag, char in zip(tags, text, strict=True) if not char.isspace()]
        found += [OUTSIDE, *kept, OUTSIDE]
    return found


def _runs(tags: Sequence[str]) -> Iterable[Place]:
    """Yield the entities of tags; one begins with a B and goes on with the I of its type (strict IOB2)."""
    start = 0
    while start < len(tags):
        mark, _, type_ = tags[start].partition("-")
        end = start + 1
        if mark == "B":
            while end < len(tags) and tags[end] == f"I-{type_}":
                end += 1
            yield start, end, type_
        start = end


def _f1_of_label(gold: Sequence[str], predicted: Sequence[str], label: str, for_none: float) -> float:
    """Return the F1 of a label; `for_none` where nobody has it."""
    pairs = Counter(zip(gold, predicted, strict=True))
    both = pairs[label, label]
    either = sum(count * ((a == label) + (b == label)) for (a, b), count in pairs.items())
    return 2.0 * both / either if either else for_none


def klue_relations(
    gold: Sequence[str], predicted: Sequence[str], probabilities: Sequence[Sequence[float]], labels: Sequence[str]
) -> dict[str, float]:
    """Return klue_micro_f1 without no_relation, and klue_auprc: the mean area under precision and recall.

    Args:
        gold: the labels of N rows.
        predicted: those that were given.
        probabilities: of each label, (N, C).
        labels: C labels.
    """
    related = [label for label in labels if label != "no_relation"]
    right = sum(a == b for a, b in zip(gold, predicted, strict=True) if a in related)
    given, wanted = (sum(label in related for label in own) for own in (predicted, gold))
    scores = np.asarray(probabilities, np.float64)
    own = np.asarray(gold, object)
    areas = [area_of(np.asarray(own == label, bool), scores[:, i])[0] for i, label in enumerate(labels)]
    micro = 2.0 * right / (given + wanted) if given + wanted else 0.0
    return {"klue_micro_f1": micro, "klue_auprc": float(np.mean(areas))}
