"""Tables that keep the memory of their gradient: torch's sums, in one place."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from bertkit.models.for_training import LastingEmbedding, use_lasting_embeddings

IDS = torch.tensor([[1, 5, 5, 0], [2, 1, 0, 0]])
AFTER = torch.tensor([[7, 7, 3], [3, 3, 1]])


def tables(**options: int) -> tuple[nn.Module, nn.Module]:
    """Torch's table and ours, with the same weights, inside models."""
    torch.manual_seed(0)
    reference = nn.ModuleDict({"words": nn.Embedding(9, 4, **options)})
    ours = copy.deepcopy(reference)
    use_lasting_embeddings(ours)
    assert isinstance(ours["words"], LastingEmbedding)
    return reference["words"], ours["words"]


def learn(table: nn.Module, ids: Tensor) -> Tensor:
    """Add a loss's gradient to the table's, and return that."""
    vectors = table(ids)
    (vectors.square() * torch.arange(1, vectors.numel() + 1).view_as(vectors)).sum().backward()
    gradient: Tensor = table.weight.grad  # type: ignore[assignment]
    return gradient


@pytest.mark.parametrize("options", [{}, {"padding_idx": 0}])
def test_gradients_are_those_of_torch_step_after_step(options: dict[str, int]) -> None:
    reference, ours = tables(**options)
    for ids in (IDS, AFTER, IDS.flatten()):
        for table in (reference, ours):
            table.zero_grad(set_to_none=True)
        torch.testing.assert_close(learn(ours, ids), learn(reference, ids))


def test_gradients_of_several_batches_add_up() -> None:
    reference, ours = tables()
    for ids in (IDS, AFTER):
        torch.testing.assert_close(learn(ours, ids), learn(reference, ids))


def test_a_table_that_is_also_an_output_layer_gets_both_gradients() -> None:
    reference, ours = tables()
    for ids in (IDS, AFTER):
        for table in (reference, ours):
            table.zero_grad(set_to_none=True)
            (table(ids) @ table.weight.T).square().sum().backward()  # type: ignore[operator]
        torch.testing.assert_close(ours.weight.grad, reference.weight.grad)


def test_the_memory_is_taken_once() -> None:
    _, ours = tables()
    places = set()
    for ids in (IDS, AFTER):
        ours.zero_grad(set_to_none=True)
        places.add(learn(ours, ids).data_ptr())
    assert len(places) == 1


def test_outside_training_and_where_frozen_it_is_torchs_own() -> None:
    reference, ours = tables()
    assert torch.equal(ours.eval()(IDS), reference(IDS))
    ours.train().requires_grad_(False)
    assert not ours(IDS).requires_grad
    with torch.no_grad():
        assert not ours.requires_grad_()(IDS).requires_grad


def test_a_model_keeps_its_names_and_its_other_tables() -> None:
    model = nn.ModuleList([nn.Embedding(5, 2), nn.Embedding(5, 2, max_norm=1.0), nn.Linear(2, 2)])
    names = list(model.state_dict())
    use_lasting_embeddings(model)
    assert list(model.state_dict()) == names
    assert [type(part) for part in model] == [LastingEmbedding, nn.Embedding, nn.Linear]
    assert torch.equal(copy.deepcopy(model)[0](IDS.clamp(max=4)), model[0](IDS.clamp(max=4)))
