"""Sets of sentences and the network that compares them."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch
from torch import nn

from bertkit.documents.selection import BEST, FIGURES, SIZES, SetScorer, set_figures, summary_sets

SCORES = [0.1, 0.9, 0.2, 0.8, 0.05, 0.3, 0.7, 0.4]


def test_all_small_sets_of_the_best_sentences():
    sets = summary_sets(SCORES)
    assert len(sets) == len(set(sets)) == sum(comb(BEST, size) for size in SIZES)
    assert set().union(*sets) == {1, 2, 3, 5, 6, 7}
    assert all(list(found) == sorted(found) for found in sets)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_short_documents_have_the_sets_there_are(count):
    assert summary_sets([0.5] * count) == [c for size in SIZES for c in combinations(range(count), size)]


def test_figures_tell_sets_apart():
    words = [["a", "b", "c", "d"], ["x", "b", "c", "d"], ["e", "f"], ["g"]]
    table = set_figures([(0, 1), (0, 2), (3,)], [0.9, 0.8, 0.1, 1.0], words)
    assert table.shape == (3, FIGURES)
    assert np.isfinite(table).all()
    repeats, others, alone = table
    assert (repeats[0], others[0], alone[0]) == (2, 2, 1)
    assert (repeats[12], others[12]) == (1, 0)  # pairs that share three words in a row
    assert repeats[3] == pytest.approx(1.7)  # the sum of the scores


def test_sure_scores_have_figures_too():
    assert np.isfinite(set_figures([(0,), (0, 1)], [0.0, 1.0], [[], []])).all()


def test_the_network_is_that_of_torch():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(FIGURES, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))
    layers = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in network if isinstance(m, nn.Linear)]
    mean, scale = np.full(FIGURES, 0.5, np.float32), np.full(FIGURES, 2, np.float32)
    scorer = SetScorer(mean, scale, tuple(layers))
    figures = np.random.default_rng(0).normal(size=(7, FIGURES)).astype(np.float32)
    wanted = network((torch.from_numpy(figures) - 0.5) / 2).detach()[:, 0].numpy()
    assert scorer(figures) == pytest.approx(wanted, abs=1e-6)
    again = SetScorer.from_arrays(scorer.to_arrays())
    assert (again(figures) == scorer(figures)).all()
