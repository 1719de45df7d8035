"""KLUE's own figures beside the usual ones, where a data set is one of KLUE's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from bertkit.data.records import Example, TaggedText
from bertkit.metrics.klue import klue_entities, klue_macro_f1, klue_relations, klue_similarity
from bertkit.tasks.base import Outputs, Task
from bertkit.tasks.class_answers import MANY_LABELS, gathered
from bertkit.tasks.objectives import Classification
from bertkit.tasks.relation import RelationTask
from bertkit.tasks.sequence import SequenceTask

_NAME = re.compile(r"klue[-_. ]?(?:v1\.1[-_. ])?(ynat|tc|sts|nli|ner|re)(?![a-z])", re.IGNORECASE)


def klue_figures(task: Task, data: str, examples: Sequence[Example], outputs: Outputs) -> dict[str, float]:
    """Compute what KLUE's code would say of answers; nothing where a data set is none of KLUE's.

    Args:
        task: whose answers they are.
        data: what the data set is called: a name of the catalog, or of a file as KLUE publishes it.
        examples: N rows with labels.
        outputs: what was said of each, by the model or by a baseline.
    """
    found = _NAME.search(data)
    if found is None or not examples:
        return {}
    name, word = found[1].lower(), task.settings.task
    if name == "sts" and word == "regression":
        return klue_similarity([float(e.label or 0) for e in examples], np.asarray(outputs)[:, 0].tolist())
    if name in ("ynat", "tc", "nli") and isinstance(task, SequenceTask) and isinstance(task.objective, Classification):
        gold, predicted = [e.label or "" for e in examples], task.objective.predicted(outputs)
        if name == "nli":
            return {"klue_accuracy": float(np.mean([a == b for a, b in zip(gold, predicted, strict=True)]))}
        return {"klue_macro_f1": klue_macro_f1(gold, predicted)}
    if name == "re" and isinstance(task, RelationTask) and len(task.settings.labels) <= MANY_LABELS:
        gold, predicted = [e.label or "" for e in examples], task.objective.predicted(outputs)  # type: ignore[attr-defined]
        return klue_relations(gold, predicted, gathered(outputs), task.settings.labels)
    if name == "ner" and word == "ner":
        gold_places = [_places(e.entities or ()) for e in examples if isinstance(e, TaggedText)]
        texts, types = [e.texts[0] for e in examples], task.settings.labels
        return klue_entities(texts, gold_places, [_places(output.entities) for output in outputs], types)
    return {}


def _places(entities: Sequence[Any]) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.label) for entity in entities]
