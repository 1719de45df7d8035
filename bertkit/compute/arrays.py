"""Figures as torch has them where torch computes, and as numpy has them where another engine does.

To import torch takes longer than ONNX Runtime needs to answer some hundred rows. So whoever
lays out a batch asks here: a process in which nobody has imported torch does not need it.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def torch_is_here() -> bool:
    """Tell whether torch has been imported."""
    return "torch" in sys.modules


def laid_out(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor of the same memory; the array itself where torch is not at work."""
    if not torch_is_here():
        return array  # type: ignore[return-value]
    import torch

    return torch.from_numpy(array)


def figures(logits: Tensor | NDArray[Any]) -> NDArray[np.float64]:
    """Return what a model has computed, in 64 bits; any shape."""
    if isinstance(logits, np.ndarray):
        return logits.astype(np.float64)
    array: NDArray[np.float64] = logits.double().cpu().numpy()
    return array


def probabilities(logits: Tensor | NDArray[Any], dtype: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """Return the softmax over the last axis; any shape.

    Args:
        logits: what a model has computed.
        dtype: in which it is computed, and returned.
    """
    if isinstance(logits, np.ndarray):
        values = logits.astype(dtype)
        raised = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype)
    wide = logits.double() if dtype is np.float64 else logits.float()
    array: NDArray[Any] = wide.softmax(dim=-1).cpu().numpy()
    return array


def each_by_itself(logits: Tensor | NDArray[Any]) -> NDArray[np.float64]:
    """Return the sigmoid of each figure, in 64 bits; any shape."""
    if isinstance(logits, np.ndarray):
        values = np.exp(-np.abs(logits.astype(np.float64)))
        return np.asarray(np.where(logits < 0, values, 1.0) / (1.0 + values), np.float64)
    array: NDArray[np.float64] = logits.double().sigmoid().cpu().numpy()
    return array


def no_gradients() -> AbstractContextManager[Any]:
    """Return the context in which torch keeps nothing for a backward pass, where it is at work at all."""
    if not torch_is_here():
        return nullcontext()
    import torch

    return torch.no_grad()
