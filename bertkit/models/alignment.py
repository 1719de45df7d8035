"""How each token of a pair differs from its counterpart on the other side.

Means over a whole side hide the one word that is not said again. So every token is set beside
a mixture of the other side's tokens, the most alike foremost, and the difference is looked at.
Source: Parikh et al. 2016 (soft alignment); Chen et al. 2017 (difference, mean and maximum).
Shapes in the margin: B rows, L tokens, H hidden.
"""

from __future__ import annotations

from torch import Tensor  # noqa: TID253 - computes with it
from torch.nn.functional import normalize  # noqa: TID253

# Of the cosine that tokens are compared by: the counterpart is the likest few, not the average.
TEMPERATURE = 0.1
LEAST = -1e4


def differences(hidden: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Subtract from each token its counterpart, without sign.

    Args:
        hidden: hidden states, (B, L, H).
        first: 1 for tokens of the first side, (B, L).
        second: 1 for tokens of the second side, (B, L).

    Returns:
        (B, L, H); zeros where a token is of no side, or the other side is empty.
    """
    first, second = first.bool(), second.bool()
    across = first.unsqueeze(2) & second.unsqueeze(1)
    across = across | across.transpose(1, 2)  # (B, L, L): whether two tokens are of different sides
    direction = normalize(hidden, dim=-1)
    alike = (direction @ direction.transpose(1, 2) / TEMPERATURE).float()  # (B, L, L)
    # Infinity would make gradients of a row without a second side no numbers.
    shares = alike.masked_fill(~across, LEAST).softmax(dim=-1)
    counterpart = shares.to(hidden.dtype) @ hidden
    return (hidden - counterpart).abs().masked_fill(~across.any(dim=-1, keepdim=True), 0.0)
