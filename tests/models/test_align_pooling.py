"""Soft alignment: each token beside what is said of it on the other side."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from bertkit.models.heads import TEMPERATURE, differences

HIDDEN = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(3))
FIRST = torch.tensor([[1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]])
SECOND = torch.tensor([[0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]])


def slowly(hidden: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """The definition, a token at a time."""
    unlike = torch.zeros_like(hidden)
    for row in range(hidden.shape[0]):
        for mine, others in ((first, second), (second, first)):
            others_hidden = hidden[row, others[row].bool()]
            for place in mine[row].nonzero().flatten().tolist():
                alike = cosine_similarity(hidden[row, place], others_hidden, dim=-1)
                counterpart = (alike / TEMPERATURE).softmax(dim=0) @ others_hidden
                unlike[row, place] = (hidden[row, place] - counterpart).abs()
    return unlike


def test_it_is_what_the_definition_says() -> None:
    torch.testing.assert_close(differences(HIDDEN, FIRST, SECOND), slowly(HIDDEN, FIRST, SECOND))


def test_what_is_said_on_both_sides_differs_less_than_what_is_said_once() -> None:
    hidden = 5 * HIDDEN.clone()
    hidden[0, 2] = hidden[0, 0]
    unlike = differences(hidden, FIRST, SECOND)[0].norm(dim=-1)
    assert max(unlike[0], unlike[2]) < 0.1 * min(unlike[1], unlike[3])


def test_neither_side_knows_of_padding_or_of_its_own_tokens() -> None:
    changed = HIDDEN.clone()
    changed[0, 4:] = 100.0  # padding
    changed[0, 1] = 7.0  # a neighbour
    before, after = differences(HIDDEN, FIRST, SECOND), differences(changed, FIRST, SECOND)
    assert torch.equal(before[0, 0], after[0, 0])
    assert not after[0, 4:].any()


def test_a_row_without_a_second_side_has_no_differences_and_whole_gradients() -> None:
    hidden = HIDDEN.clone().requires_grad_()
    unlike = differences(hidden, FIRST, SECOND * torch.tensor([[1], [0]]))
    assert unlike[0].any()
    assert not unlike[1].any()
    unlike.sum().backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    assert torch.isfinite(hidden.grad).all()
