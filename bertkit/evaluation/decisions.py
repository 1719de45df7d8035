"""What `--threshold` and `--abstain-below` ask of a run's answers, beside what the run itself decides by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.errors import UsageError
from bertkit.tasks.base import Outputs, Task
from bertkit.tasks.choice import ChoiceTask
from bertkit.tasks.class_answers import Chosen, best_numbers, gathered
from bertkit.tasks.multilabel import MultiLabelTask
from bertkit.tasks.question_answering import QuestionAnsweringTask
from bertkit.tasks.sequence import SequenceTask
from bertkit.tasks.thresholds import parse_thresholds

if TYPE_CHECKING:
    from bertkit.evaluation.baselines import Baselines

_FLAG = "--abstain-below"


@dataclass(frozen=True)
class Decisions:
    """What somebody asks of answers.

    Attributes:
        threshold: how likely a label must be, as `--threshold` takes it; None: as the run has it.
        abstain_below: the probability that an answer must have to be given; None: any.

    Raises:
        UsageError: `abstain_below` is no probability.
    """

    threshold: str | None = None
    abstain_below: float | None = None

    def __post_init__(self) -> None:
        """Check the number."""
        if self.abstain_below is not None and not 0.0 <= self.abstain_below <= 1.0:
            raise UsageError(f"{_FLAG} {self.abstain_below}: must be from 0 to 1.")

    def apply(self, task: Task) -> None:
        """Let a task decide by the thresholds, and make sure that it has what the rest asks for.

        Raises:
            UsageError: the task does not have it, or no label is called so.
        """
        word = task.settings.task
        if self.abstain_below is not None and not isinstance(task, ChoiceTask) and word not in _OF_CLASSES:
            raise UsageError(f"{_FLAG}: is for answers with one probability, which {word} does not have; leave it out.")
        if self.threshold is None:
            return
        if isinstance(task, MultiLabelTask | QuestionAnsweringTask):
            task.override(self.threshold)
        elif isinstance(task, SequenceTask) and word in _OF_CLASSES:
            task.decide_by(_of_classes(self.threshold, task))
        else:
            raise UsageError(f"--threshold: is for answers that are labels, and this run is {word}; leave it out.")

    def are_given(self, task: Task, outputs: Outputs) -> NDArray[np.bool_]:
        """Tell which answers are given, (N): those whose labels reach the thresholds and are sure enough."""
        if not isinstance(task, ChoiceTask) and task.settings.task not in _OF_CLASSES:
            return np.ones(len(outputs), bool)
        assert isinstance(task, ChoiceTask | SequenceTask)
        sureness, least = task.sureness(outputs), self.abstain_below
        return np.asarray(sureness >= (0.0 if least is None else least))

    def record(self, task: Task, answer: dict[str, Any], output: Any) -> dict[str, Any]:
        """Return a record's keys, without the answer where it is not sure enough."""
        if self.abstain_below is None or "abstained" in answer or self.are_given(task, [output])[0]:
            return answer
        return {"label": None, "score": answer["score"], "abstained": True} | {
            name: value for name, value in answer.items() if name not in ("label", "score")
        }

    def fields(self, task: Task) -> list[str]:
        """Name the keys that a record may have because of them; a set of labels and an answer may be empty anyway."""
        if isinstance(task, MultiLabelTask | QuestionAnsweringTask):
            return []
        return ["abstained"] if self.abstain_below is not None or self.threshold is not None else []


_OF_CLASSES = ("classify", "relation")
AS_TRAINED = Decisions()


def _of_classes(word: str, task: SequenceTask) -> tuple[float, ...]:
    """Read --threshold for classes: of two, one number is the positive one's."""
    labels, positive = task.settings.labels, task.settings.positive
    named = parse_thresholds(word, labels)
    if positive is not None and "=" not in word:
        named = {positive: named[positive]}
    # A threshold of 0 stands for none, so one that every row reaches is the least number above it.
    return tuple(max(named[label], math.ulp(0.0)) if label in named else 0.0 for label in labels)


def beside(task: Task, baselines: Baselines | None, answers: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """Return the answers of baselines as these decide: by thresholds of their own, or by the likeliest label.

    Args:
        task: whose own answers are decided by its thresholds, where it has some.
        baselines: knows the thresholds that were chosen for them; None: there are none.
        answers: by name.
    """
    if not task.settings.thresholds or task.settings.task not in _OF_CLASSES:
        return dict(answers)
    from bertkit.evaluation.sequence_baselines import SequenceBaselines  # `predict` does without

    own = baselines.threshold if isinstance(baselines, SequenceBaselines) else 0.0
    place = task.settings.labels.index(task.settings.positive) if task.settings.positive else 0
    return {
        name: decided(outputs, place, own) if own and name == "tfidf" else decided(outputs)
        for name, outputs in answers.items()
    }


def decided(outputs: Outputs, place: int = 0, threshold: float = 0.0) -> list[Chosen]:
    """Decide answers by the likeliest label, or of two labels by the threshold of the one at `place`."""
    found = gathered(outputs)
    if not isinstance(found, np.ndarray):
        raise UsageError("--threshold: is for up to 500 labels; leave it out.")
    numbers: Iterable[int] = best_numbers(found)
    if threshold:
        numbers = [place if row[place] >= threshold else 1 - place for row in found]
    return [Chosen(row, number) for row, number in zip(found, numbers, strict=True)]
