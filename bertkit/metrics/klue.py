"""KLUE's own figures, as its published code computes them (KLUE-benchmark/KLUE-baseline), from 0 to 1.

They are not always the usual ones. Entities are scored strictly, as a mean over their types; the
characters of all sentences are one list with an O before and behind each sentence, blanks left out,
and the mean over labels includes O and counts a label that nobody has as 1. Similarity is scored a second
time as a question of yes or no: is it 3 or more?
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from bertkit.metrics.regression import regression_metrics
from bertkit.metrics.relations import area_of

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
    return float(np.mean([_f1(gold, predicted, label, 0.0) for label in labels])) if labels else 0.0


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
    present = sorted({kind for own in spans for _, _, kind in own})
    each = []
    for kind in present:
        right, given = ({span for span in own if span[2] == kind} for own in spans)
        each.append(2.0 * len(right & given) / (len(right) + len(given)))
    labels = [OUTSIDE, *(f"{mark}-{kind}" for kind in types for mark in "BI")]
    characters = float(np.mean([_f1(gold_tags, given_tags, label, 1.0) for label in labels]))
    return {"klue_entity_f1": float(np.mean(each)) if each else 0.0, "klue_char_f1": characters}


def character_tags(texts: Sequence[str], places: Sequence[Iterable[Place]]) -> list[str]:
    """Return a tag for each character that is no blank, in one list, with an O before and behind each text."""
    found: list[str] = []
    for text, own in zip(texts, places, strict=True):
        tags = [OUTSIDE] * len(text)
        for start, end, kind in own:
            first = next((i for i in range(start, end) if not text[i].isspace()), end)
            tags[first:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - first - 1)][: end - first]
        kept = [tag for tag, char in zip(tags, text, strict=True) if not char.isspace()]
        found += [OUTSIDE, *kept, OUTSIDE]
    return found


def _runs(tags: Sequence[str]) -> Iterable[Place]:
    """Yield the entities of tags; one begins with a B and goes on with the I of its type (strict IOB2)."""
    start = 0
    while start < len(tags):
        mark, _, kind = tags[start].partition("-")
        end = start + 1
        if mark == "B":
            while end < len(tags) and tags[end] == f"I-{kind}":
                end += 1
            yield start, end, kind
        start = end


def _f1(gold: Sequence[str], predicted: Sequence[str], label: str, for_none: float) -> float:
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
