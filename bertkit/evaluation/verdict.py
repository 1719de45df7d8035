"""Is the model better than a baseline? One metric decides, on the same resampled rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bertkit.metrics.names import greater_is_better, in_words
from bertkit.tasks.base import Interval

_NAMES: Mapping[str, str] = {"tfidf": "TF-IDF", "textrank": "TextRank"}


@dataclass(frozen=True)
class Verdict:
    """How a model stands to a baseline.

    `difference` is the 95 % interval of the model's figure minus the baseline's.
    """

    who: str
    baseline: str
    metric: str
    figure: float
    other: float
    difference: Interval

    @property
    def sentence(self) -> str:
        """Say so where the model is not shown to be better; empty where it is.

        >>> Verdict("the model", "tfidf", "accuracy", 0.8, 0.79, (-0.02, 0.04)).sentence
        'the model shows no significant difference from the TF-IDF baseline in accuracy (95 % CI of the difference includes 0: -0.0200 to +0.0400; 0.8000 against 0.7900)'
        """  # noqa: E501 - the sentence is whole
        low, high = self.difference
        # How much better the model is, whichever way its metric goes.
        worst, best = (low, high) if greater_is_better(self.metric) else (-high, -low)
        if worst > 0:
            return ""
        than = f"the {_NAMES.get(self.baseline, self.baseline)} baseline in {in_words(self.metric)}"
        figures = f"{low:+.4f} to {high:+.4f}; {self.figure:.4f} against {self.other:.4f}"
        if best < 0:
            return f"{self.who} is significantly worse than {than} (95 % CI of the difference: {figures})"
        return (
            f"{self.who} shows no significant difference from {than} (95 % CI of the difference includes 0: {figures})"
        )
