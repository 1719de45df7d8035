"""What an encoder does, found by asking it once: names of architectures do not tell.

A decoder's first token sees no other; some kinds of attention let padding through, so that
an answer depends on the rows beside it; and some give another answer each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch  # noqa: TID253 - asks a model of it
from torch import Tensor  # noqa: TID253

from bertkit.kinds import MisfitError

if TYPE_CHECKING:
    from bertkit.models.encoder import PretrainedEncoder

TOKENS = 6
# Relative to the largest figure. What is masked adds exactly nothing; the order of sums may
# differ between a row alone and the same row padded.
NOTHING, ROUNDING = 1e-6, 1e-4


def probe(encoder: PretrainedEncoder) -> bool:
    """Read a few tokens alone, changed and padded, without gradients; the encoder is in evaluation mode.

    Args:
        encoder: with its weights, on the CPU and in float32.

    Returns:
        Whether padding stays out: True where a row's states are the same alone and padded.

    Raises:
        MisfitError: what comes out is no numbers, of another width than config.json says, or
            differs from one time to the next; or the first token sees no other.
    """
    ids = _some_ids(encoder.vocab_size, getattr(encoder.model.config, "pad_token_id", None))
    with torch.no_grad():
        alone = _read(encoder, ids[None, :TOKENS])
        if alone.shape[-1] != encoder.hidden_size:
            raise MisfitError(
                f"its states are {alone.shape[-1]} wide and its config.json says {encoder.hidden_size}, "
                "so no head fits them"
            )
        if not torch.isfinite(alone).all():
            raise MisfitError("its weights and config.json make vectors that are no numbers")
        if not _alike(alone, _read(encoder, ids[None, :TOKENS]), NOTHING):
            raise MisfitError("it gives another answer each time it reads the same text")
        if not any(_is_seen(encoder, ids, alone, place) for place in (TOKENS - 1, 1)):
            raise MisfitError(
                "its first token does not see the last one, as in a decoder, which reads from left to right; "
                "bertkit needs an encoder that sees the whole text"
            )
        return _keeps_padding_out(encoder, ids, alone)


def _is_seen(encoder: PretrainedEncoder, ids: Tensor, alone: Tensor, place: int) -> bool:
    """Tell whether the first state moves when another token does; in a narrow window it is the next one that counts."""
    other = ids[None, :TOKENS].clone()
    other[0, place] = ids[TOKENS]
    return not _alike(alone[:, 0], _read(encoder, other)[:, 0], NOTHING)


def _keeps_padding_out(encoder: PretrainedEncoder, ids: Tensor, alone: Tensor) -> bool:
    mask = torch.tensor([[1] * TOKENS + [0] * TOKENS])
    padded = torch.cat([ids[:TOKENS], ids[:1].expand(TOKENS)])[None]
    refilled = torch.cat([ids[:TOKENS], ids[TOKENS:].expand(TOKENS)])[None]
    states = [_read(encoder, row, mask)[:, :TOKENS] for row in (padded, refilled)]
    return _alike(states[0], states[1], NOTHING) and _alike(alone, states[0], ROUNDING)


def _read(encoder: PretrainedEncoder, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    states: Tensor = encoder(ids, mask, torch.zeros_like(ids))
    return states


def _some_ids(vocab_size: int, pad_id: int | None) -> Tensor:
    """Return ids of different tokens, spread over the vocabulary, padding not among them; (TOKENS + 1,)."""
    evenly = torch.tensor(sorted({i * (vocab_size - 1) // (3 * TOKENS) for i in range(3 * TOKENS + 1)}))
    known = evenly[evenly != (-1 if pad_id is None else pad_id)]
    return torch.cat([known] * (TOKENS + 1))[: TOKENS + 1]


def _alike(one: Tensor, other: Tensor, tolerance: float) -> bool:
    scale = float(one.abs().max()) or 1.0
    return bool(float((one - other).abs().max()) <= tolerance * scale)
