"""What a masked LM made of the tokens it was asked for, and of pairs of sentences, as scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.perplexity import perplexity_difference, perplexity_intervals, perplexity_metrics
from bertkit.metrics.sentence_order import pair_accuracy, pair_accuracy_difference, pair_accuracy_interval
from bertkit.tasks.base import Interval, Outputs
from bertkit.tokenization.base import Encoding

if TYPE_CHECKING:
    from torch import Tensor

TRUE_PAIR, FALSE_PAIR = 0, 1  # as BERT has it


@dataclass(frozen=True, slots=True)
class MaskedOutput:
    """What is known of a row's masked tokens, (tokens, …), and whether its pair was told right; None: it has none."""

    tokens: NDArray[np.float64]
    pair_right: bool | None = None


def judged(logs: Tensor, targets: Tensor) -> Tensor:
    """Return log-probability of each target, and 1 where it is the likeliest, (M, 2)."""
    import torch

    return torch.stack([logs.gather(1, targets[:, None])[:, 0], (logs.argmax(dim=-1) == targets).float()], dim=1)


def is_pair(part: Encoding) -> bool:
    """Tell whether a scored part is a pair: no other is asked for its first token."""
    return part.masked[:1] in (((0, TRUE_PAIR),), ((0, FALSE_PAIR),))


def masked_metrics(outputs: Outputs) -> dict[str, float]:
    """Return perplexity of the masked tokens, their mean loss, how many were found, and of pairs how many."""
    tokens, pairs = _apart(outputs)
    return perplexity_metrics(tokens) | pair_accuracy(pairs)


def masked_intervals(outputs: Outputs) -> dict[str, Interval]:
    """Return the bootstrap interval of each metric."""
    tokens, pairs = _apart(outputs)
    return perplexity_intervals(tokens) | pair_accuracy_interval(pairs)


def masked_difference(outputs: Outputs, others: Outputs) -> dict[str, Interval]:
    """Return the interval of each metric's difference, `outputs` minus `others`."""
    (tokens, pairs), (their_tokens, their_pairs) = _apart(outputs), _apart(others)
    return perplexity_difference(tokens, their_tokens) | pair_accuracy_difference(pairs, their_pairs)


def _apart(outputs: Outputs) -> tuple[list[NDArray[np.float64]], list[bool | None]]:
    """Separate masked tokens and pairs of rows."""
    return [output.tokens for output in outputs], [output.pair_right for output in outputs]
