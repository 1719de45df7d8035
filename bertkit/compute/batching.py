"""Rows of different lengths to batches with little padding.

Prediction sorts by length and fills batches up to a token budget; training shuffles, sorts
inside pools of some dozens of batches, and shuffles the batches. Both are functions of their
arguments alone, so a resumed run sees the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.device import laid_out
from bertkit.tokenization.base import Encoding

if TYPE_CHECKING:
    from torch import Tensor

# Batches whose rows are sorted together: large enough to leave about 2 % of padding,
# small enough that the batches of two epochs differ.
POOL = 32
# Tokens of a prediction batch, padding included: what keeps two CPU cores busy without
# leaving their caches.
TOKEN_BUDGET = 4096
# Padding of a prediction batch, as a share of its tokens, that does not justify another one; and
# the tokens from which a batch is worth a pass of its own.
MOST_PADDING, BUSY_TOKENS = 0.03, 512


@dataclass(frozen=True)
class Batch:
    """Padded encodings as tensors (B encodings, L tokens).

    Attributes:
        input_ids: token ids, (B, L).
        token_type_ids: segment ids, (B, L).
        attention_mask: 1 for text and 0 for padding, (B, L); None where nothing is padded.
        global_mask: 1 where a token attends to the whole row, (B, L); None: nowhere.
        targets: what training compares with; its shape is the task's.
        positions: places in the flattened batch whose tokens are asked for, (M), or (D, S)
            where they belong to D rows, with -1 in rows that have fewer than S.
        features: figures that are known of the rows besides their tokens; their shape is the task's.
        sizes: how many encodings each row has, where rows have several; with positions
            (M), how many of these each encoding has.
    """

    input_ids: Tensor
    token_type_ids: Tensor
    attention_mask: Tensor | None
    global_mask: Tensor | None = None
    targets: Tensor | None = None
    positions: Tensor | None = None
    features: Tensor | None = None
    sizes: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens that are text."""
        mask = self.attention_mask
        return int(self.input_ids.numel() if mask is None else mask.sum())

    @property
    def inputs(self) -> dict[str, Tensor | None]:
        """What the model is called with."""
        names = ("input_ids", "attention_mask", "token_type_ids", "global_mask")
        inputs = {name: getattr(self, name) for name in names}
        extra = {"positions": self.positions, "features": self.features}
        return inputs | {name: tensor for name, tensor in extra.items() if tensor is not None}

    def to(self, device: str) -> Batch:
        """Copy the tensors to a device."""
        names = ("input_ids", "token_type_ids", "attention_mask", "global_mask", "targets", "positions", "features")
        moved = {
            name: tensor.to(device, non_blocking=True) for name in names if (tensor := getattr(self, name)) is not None
        }
        return replace(self, **moved)


def token_budget_batches(lengths: Sequence[int], *, budget: int = TOKEN_BUDGET) -> list[list[int]]:
    """Group rows of like length so that rows × longest row stays within a budget, and little of it is padding.

    A batch that keeps the processor busy ends where its padding would become more than
    `MOST_PADDING` of it.

    Args:
        lengths: tokens of each row.
        budget: tokens of a batch, padding included; a longer row gets its own batch.

    Returns:
        Lists of row indices, longest rows first (memory runs out early or never).
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    batches: list[list[int]] = []
    longest = text = 0
    for row in order.tolist():
        own = lengths[row]
        places = (len(batches[-1]) + 1) * longest if batches else budget + 1
        if places > budget or (text >= BUSY_TOKENS and text + own < (1 - MOST_PADDING) * places):
            batches.append([])
            longest, text = max(1, own), 0
        batches[-1].append(row)
        text += own
    return batches


class Batches(Sequence[list[int]]):
    """Rows in batches, as one array of them all: of millions of rows, numbers of Python's own would fill gigabytes.

    Args:
        order: the rows, batch after batch, (N).
        batch_size: rows of each batch; the last one may be smaller.
        which: in which order the batches are taken.
    """

    def __init__(self, order: NDArray[np.int32], batch_size: int, which: NDArray[np.int64]) -> None:
        self._order, self._size, self._which = order, batch_size, which

    def __len__(self) -> int:
        return len(self._which)

    @overload
    def __getitem__(self, index: int) -> list[int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[int]]: ...

    def __getitem__(self, index: int | slice) -> list[int] | list[list[int]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start = int(self._which[index]) * self._size
        rows: list[int] = self._order[start : start + self._size].tolist()
        return rows


def training_batches(
    lengths: Sequence[int] | NDArray[np.integer[Any]], *, batch_size: int, seed: int, epoch: int
) -> Batches:
    """Shuffle rows into batches of like length.

    Args:
        lengths: tokens of each row.
        batch_size: rows of a batch; the last one may be smaller.
        seed: seed of the run.
        epoch: 0-based pass over the rows.

    Returns:
        Lists of row indices; every row stands in exactly one.
    """
    rng = np.random.default_rng((seed, epoch))
    sizes = np.asarray(lengths)
    order = np.arange(len(sizes), dtype=np.int32)
    rng.shuffle(order)
    pool = batch_size * POOL
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        order[start : start + pool] = rows[np.argsort(sizes[rows], kind="stable")]
    return Batches(order, batch_size, rng.permutation(-(-len(order) // batch_size)))


def padding_share(lengths: Sequence[int] | NDArray[np.integer[Any]], batches: Sequence[Sequence[int]]) -> float:
    """Return the share of a batching's tokens that are padding, from 0 to 1."""
    text = padded = 0
    sizes = np.asarray(lengths, np.int64)
    for batch in batches:
        own = sizes[batch]
        text += int(own.sum())
        padded += len(own) * int(own.max())
    return 1 - text / padded if padded else 0.0


def collate(
    encodings: Sequence[Encoding],
    *,
    pad_id: int,
    global_positions: Sequence[Sequence[int]] | None = None,
    targets: Tensor | None = None,
) -> Batch:
    """Pad encodings to their longest and make tensors of them (arrays where torch is not at work).

    Args:
        encodings: B encodings.
        pad_id: the id that fills short rows.
        global_positions: for each encoding the tokens that attend to all; None: no mask.
        targets: handed on.
    """
    lengths = np.array([len(e.ids) for e in encodings])
    longest = int(lengths.max())
    ids = np.full((len(encodings), longest), pad_id, dtype=np.int64)
    types = np.zeros_like(ids)
    for i, encoding in enumerate(encodings):
        ids[i, : lengths[i]] = encoding.ids
        types[i, : lengths[i]] = encoding.type_ids
    mask = None
    if int(lengths.min()) < longest:
        mask = laid_out((np.arange(longest) < lengths[:, None]).astype(np.int64))
    global_mask = None
    if global_positions is not None:
        marks = np.zeros_like(ids)
        for i, places in enumerate(global_positions):
            marks[i, list(places)] = 1
        global_mask = laid_out(marks)
    return Batch(laid_out(ids), laid_out(types), mask, global_mask, targets)
