"""Is the best of a search better than the default recipe, or lucky? Both are trained anew, with other seeds.

With each seed both learn from the same rows and answer the same validation rows; the difference is taken
row by row. Two kinds of noise are in its mean: which rows happen to be there (the bootstrap of each pair), and
which seed (the standard deviation of the differences over seeds, Student's t). The interval holds both, as the
square root of the sum of their squares. As each pair's bootstrap has some of the second kind in it too, it
is rather too wide than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bertkit.metrics.names import greater_is_better, in_words
from bertkit.tasks.base import Interval


@dataclass(frozen=True)
class Pair:
    """One seed: the figures of both, and the interval of their difference over rows (best minus default)."""

    seed: int
    best: float
    default: float
    interval: Interval

    @property
    def difference(self) -> float:
        """How much more the best has."""
        return self.best - self.default


@dataclass(frozen=True)
class Versus:
    """The best of a search beside the default recipe, on `rows` rows: those that chose it, or test rows."""

    metric: str
    rows: int
    pairs: tuple[Pair, ...]
    is_test: bool = False

    @property
    def mean(self) -> float:
        """The mean difference over seeds."""
        return float(np.mean([pair.difference for pair in self.pairs]))

    @property
    def interval(self) -> Interval:
        """Its 95 % interval, rows and seeds both drawn; of one seed, rows alone."""
        reach = math.hypot(
            float(np.mean([(pair.interval[1] - pair.interval[0]) / 2 for pair in self.pairs])),
            _of_seeds([pair.difference for pair in self.pairs]),
        )
        return self.mean - reach, self.mean + reach

    @property
    def is_better(self) -> bool:
        """Whether the best is better beyond noise."""
        low, high = self.interval
        return low > 0 if greater_is_better(self.metric) else high < 0

    @property
    def sentence(self) -> str:
        """Say whether the two differ beyond noise."""
        if not self.is_beyond_noise:
            return f"the best trial does not differ from the default recipe beyond noise ({self.figures})"
        word = "better" if self.is_better else "worse"
        if self.is_test:
            return f"the best trial is {word} than the default recipe beyond noise ({self.figures})"
        return (
            f"the best trial is {word} than the default recipe beyond noise ({self.figures}; the rows that show it "
            "also chose it, which favours it: --test-fraction scores both on rows that chose nothing)"
        )

    @property
    def is_beyond_noise(self) -> bool:
        """Whether the two differ beyond noise."""
        low, high = self.interval
        return not low <= 0 <= high

    @property
    def figures(self) -> str:
        """Say what either has, and how far they may be apart."""
        low, high = self.interval
        seeds = f"{len(self.pairs)} seed{'s' * (len(self.pairs) > 1)} each"
        best, default = _mean(pair.best for pair in self.pairs), _mean(pair.default for pair in self.pairs)
        rows = f"{self.rows:,} test rows, which chose nothing" if self.is_test else f"{self.rows:,} validation rows"
        return (
            f"{in_words(self.metric)} {best:.4f} against {default:.4f}, {seeds}, {rows}; 95 % CI of the difference "
            f"{low:+.4f} to {high:+.4f}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "metric": self.metric,
            "rows": self.rows,
            "pairs": [asdict(pair) for pair in self.pairs],
            "difference": round(self.mean, 6),
            "interval": [round(end, 6) for end in self.interval],
            "beyond_noise": self.is_beyond_noise,
        }


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _of_seeds(differences: Sequence[float]) -> float:
    """Return half the width of the interval of a mean over seeds; 0 of one."""
    from scipy.stats import t

    count = len(differences)
    if count < 2:
        return 0.0
    return float(t.ppf(0.975, count - 1)) * float(np.std(differences, ddof=1)) / math.sqrt(count)
