"""The TF-IDF baseline of very many classes: the class whose mean row is nearest.

Logistic regression fits each class against all others, with a weight for every feature: with
10,000 classes that is hours and gigabytes. Means of rows cost as much as the rows themselves.
Source: Rocchio 1971; Han and Karypis 2000 (centroids of TF-IDF rows, compared by cosine).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.tasks.class_answers import MANY_LABELS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Of more classes than these the nearest mean row is the baseline. Below, results of earlier runs stand.
MANY_CLASSES = MANY_LABELS
# Cosines are turned into probabilities by a softmax of so many times their value.
_SHARPNESS = 16.0
_NAMES = ("centroid_values", "centroid_places", "centroid_starts")


@dataclass(frozen=True)
class CentroidModel:
    """The direction of each class's mean row, (classes, features), float32, sparse."""

    centroids: csr_matrix

    def probabilities(self, features: csr_matrix) -> NDArray[np.float64]:
        """Return the probability of each class, (rows, classes); rows without a known feature have no favourite."""
        cosines = np.asarray((_directions(features) @ self.centroids.T).todense(), np.float64)
        cosines -= cosines.max(axis=1, keepdims=True)
        np.exp(_SHARPNESS * cosines, out=cosines)
        cosines /= cosines.sum(axis=1, keepdims=True)
        return cosines

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a file holds of it."""
        parts = (self.centroids.data, self.centroids.indices, self.centroids.indptr)
        kinds = (np.float32, np.int32, np.int64)
        return {name: np.asarray(part, kind) for name, part, kind in zip(_NAMES, parts, kinds, strict=True)}

    @property
    def shape(self) -> tuple[int, int]:
        """How many classes and features it is of."""
        classes, features = self.centroids.shape
        return int(classes), int(features)


def fit_centroids(features: csr_matrix, classes: NDArray[np.int64], count: int) -> CentroidModel:
    """Average the directions of each class's rows.

    Args:
        features: one row for each text.
        classes: its class number, 0 to count - 1, of which each has a row.
        count: how many classes there are.
    """
    from scipy.sparse import csr_matrix

    rows = len(classes)
    member = csr_matrix((np.ones(rows, np.float32), (classes, np.arange(rows))), shape=(count, rows))
    return CentroidModel(_directions(csr_matrix(member @ _directions(features))))


def holds_centroids(tensors: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether a file of baselines holds centroids, and not the weights of a linear model."""
    return _NAMES[0] in tensors


def centroids_from(tensors: Mapping[str, NDArray[Any]], width: int) -> CentroidModel:
    """Build the model that `CentroidModel.tensors` came from.

    Args:
        tensors: what the file holds.
        width: how many features a row has.

    Raises:
        KeyError: a tensor is missing.
        ValueError: they do not belong together.
    """
    from scipy.sparse import csr_matrix

    values, places, starts = (tensors[name] for name in _NAMES)
    if any(part.ndim != 1 for part in (values, places, starts)) or len(starts) < 1:
        raise ValueError("centroids are lists")
    found = csr_matrix((values.astype(np.float32), places, starts), shape=(len(starts) - 1, width))
    found.check_format(full_check=True)
    return CentroidModel(found)


def _directions(rows: csr_matrix) -> csr_matrix:
    """Scale rows to length 1; a row of zeros stays one."""
    from scipy.sparse import csr_matrix, diags

    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths, dtype=np.float64), where=lengths > 0)
    return csr_matrix(diags(scale.astype(np.float32)) @ rows, dtype=np.float32)
