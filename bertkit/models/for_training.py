"""What training changes in a model: tables of embeddings, rows that are added or cut, dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253 - computes with it
from torch import Tensor, nn  # noqa: TID253
from torch.nn.functional import embedding  # noqa: TID253

from bertkit.errors import UsageError

if TYPE_CHECKING:
    from bertkit.models.encoder import PretrainedEncoder
    from bertkit.models.heads import Encoder

# --- Tables of embeddings whose gradient stays in one place ---------------------------------------
#
# torch allocates the gradient of a whole table anew in every step, though a batch touches a few
# hundred of its rows, and the system hands over so much memory page by page. On a CPU that can
# take longer than a layer. Here the table keeps the memory of its gradient: it is set to zero,
# and the rows that were read are added to. The sums are the same.


class LastingEmbedding(nn.Embedding):
    """`nn.Embedding` for training on a CPU; elsewhere, and compiled, it is torch's own.

    `weight.grad` is set and not returned to autograd: `torch.autograd.grad` does not see it.
    """

    _gradient: Tensor | None

    def forward(self, ids: Tensor) -> Tensor:
        """Look up ids of any shape, (…) to (…, H)."""
        learns = self.training and torch.is_grad_enabled() and self.weight.requires_grad
        if not learns or self.weight.device.type != "cpu" or torch.compiler.is_compiling():
            as_usual: Tensor = super().forward(ids)
            return as_usual
        vectors: Tensor = _LookUp.apply(self.weight, ids, self)  # type: ignore[no-untyped-call]
        return vectors

    def collect(self, ids: Tensor, gradient: Tensor) -> None:
        """Add the gradient of the vectors of ids (N), (N, H), to that of the table."""
        if self.weight.grad is None:
            if self._gradient is None:
                self._gradient = torch.empty_like(self.weight)
            self.weight.grad = self._gradient.zero_()
        if self.padding_idx is not None:
            gradient = gradient.masked_fill((ids == self.padding_idx).unsqueeze(-1), 0.0)
        self.weight.grad.index_add_(0, ids, gradient.to(self.weight.dtype))

    def forget(self) -> None:
        """Give up the memory of the gradient; a further step takes it anew."""
        self._gradient = None


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, table: LastingEmbedding) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.table = table
        return embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None]:
        (ids,) = ctx.saved_tensors
        ctx.table.collect(ids.flatten(), gradient.reshape(-1, gradient.shape[-1]))
        return None, None, None


def use_lasting_embeddings(model: nn.Module) -> None:
    """Let all tables of a model keep the memory of their gradients; their class is changed in place."""
    for module in model.modules():
        if type(module) is nn.Embedding and module.max_norm is None and not module.scale_grad_by_freq:
            module.__class__ = LastingEmbedding
            module._gradient = None  # type: ignore[assignment]


# --- Dropout whose random numbers cost little on a processor --------------------------------------
#
# torch draws one random number of 32 bits for each value, one after another: up to an eighth of
# a training step in float32, and more where matrices are multiplied in bfloat16. One draw of 64
# bits is enough for four values: each is dropped by 16 bits of it, so that the share of dropped
# values is `p` to within 2 ** -17. Draws come from torch's generator, so equal seeds drop equally.

BITS = 16  # of a draw, for one value
VALUES_PER_DRAW = 64 // BITS


class QuickDropout(nn.Dropout):
    """`nn.Dropout` (Srivastava et al. 2014), quicker on a CPU; elsewhere, and compiled, it is torch's own."""

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor of any shape to itself, or in training to `drop` of it."""
        if not self.training or x.device.type != "cpu" or torch.compiler.is_compiling():
            as_usual: Tensor = super().forward(x)
            return as_usual
        return drop(x, self.p)


def drop(x: Tensor, p: float) -> Tensor:
    """Set a share `p` of the values to 0 by chance, and divide the others by 1 - p; any shape."""
    least = round(p * 2**BITS)
    if least == 0:
        return x
    if least == 2**BITS:
        return x * 0
    draws = torch.empty(-(-x.numel() // VALUES_PER_DRAW), dtype=torch.int64).random_(-(2**63), None)
    kept: Tensor = draws.view(torch.int16)[: x.numel()] >= least - 2 ** (BITS - 1)
    return x * kept.view(x.shape).to(x.dtype).mul_(1 / (1 - p))


def use_quick_dropout(model: nn.Module) -> None:
    """Let all dropout modules of a model draw quickly; their class is changed in place."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = QuickDropout


# --- Rows of a table of embeddings for tokens that a task adds to a vocabulary --------------------


def add_rows(encoder: Encoder, likes: Sequence[Sequence[int]], ids: Sequence[int]) -> None:
    """Make an encoder's table of word embeddings long enough for added tokens, in place.

    Each begins as the mean of the rows of other tokens: a row drawn by chance is far from all that the
    layers above have learnt to read, and few training rows would not bring it near.

    Args:
        encoder: whose table grows; one that has room already (or starts from scratch) is left as it is.
        likes: for each added token the ids of those that it begins like; none: all of them.
        ids: the ids of the added tokens.
    """
    import torch

    owner, name, table = _table(encoder)
    old = table.num_embeddings
    added = [(number, own) for number, own in zip(ids, likes, strict=True) if number >= old]
    if not added:
        return
    weight = table.weight.detach()
    rows = torch.zeros(max(ids) + 1 - old, table.embedding_dim, dtype=weight.dtype)
    for number, own in added:
        rows[number - old] = weight[list(own)].mean(dim=0) if own else weight.mean(dim=0)
    # Given its weights, it draws none: the head's first ones are those they are without added tokens.
    grown = nn.Embedding(old + len(rows), table.embedding_dim, table.padding_idx, _weight=torch.cat([weight, rows]))
    setattr(owner, name, grown)
    encoder.grow_vocabulary(grown.num_embeddings)


def _table(encoder: Any) -> tuple[Any, str, Any]:
    """Return the module that holds the table, its name there, and the table."""
    weight = encoder.embeddings_weight
    for owner in encoder.modules():
        for name, table in owner.named_children():
            if getattr(table, "weight", None) is weight:
                return owner, name, table
    raise ValueError("an encoder without a table of embeddings")


# --- The rows of a table of embeddings that a trimmed vocabulary still names ----------------------

# Ids that config.json names.
_NAMED = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


def keep_rows(encoder: PretrainedEncoder, rows: Sequence[int], *, name: str) -> None:
    """Cut an encoder's table of word embeddings down, in place.

    Args:
        encoder: whose table is cut.
        rows: by the new ids, the rows of the table as it is.
        name: the model, for the sentence of an error.

    Raises:
        UsageError: the vocabulary has ids that the table has no rows for.
    """
    import torch

    table: Any = encoder.model.get_input_embeddings()
    if max(rows) >= table.num_embeddings:
        raise UsageError(
            f"--trim-vocab: the tokenizer has the id {max(rows):,}, and {name} has embeddings for "
            f"{table.num_embeddings:,}; leave --tokenizer out."
        )
    wanted = torch.tensor(rows)
    new = {old: i for i, old in enumerate(rows)}
    # Given its weights, it draws none: the head's first ones are those they are with the whole table.
    weight = table.weight.detach()[wanted]
    kept = nn.Embedding(len(rows), table.embedding_dim, padding_idx=new.get(table.padding_idx), _weight=weight)
    encoder.model.set_input_embeddings(kept)
    # The other weights may be views of the mapped file, and keep all of it in memory.
    for weight_kept in encoder.parameters():
        weight_kept.data = weight_kept.data.clone()
    config = encoder.model.config
    config.vocab_size = len(rows)
    for part in _NAMED:
        if isinstance(old := getattr(config, part, None), int):
            setattr(config, part, new.get(old))
    encoder.take_vocabulary(wanted)
