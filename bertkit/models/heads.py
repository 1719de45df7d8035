"""Heads on an encoder: for rows, for tokens, and for masked words.

Shapes in the margin: B rows, L tokens, H hidden, C outputs, M masked tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from bertkit.models.deberta import EnhancedMaskDecoder
from bertkit.models.weights import stored_head

# --- How each token of a pair differs from its counterpart on the other side ----------------------
#
# Means over a whole side hide the one word that is not said again. So every token is set beside
# a mixture of the other side's tokens, the most alike foremost, and the difference is looked at.
# Source: Parikh et al. 2016 (soft alignment); Chen et al. 2017 (difference, mean and maximum).
# Shapes in the margin: B rows, L tokens, H hidden.

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


POOLINGS = ("cls", "pooler", "mean", "match", "align")
OF_FIRST_TOKEN = ("cls", "pooler")  # what they make of a row needs no other token's last hidden state


_VECTORS = {"match": 4, "align": 6, "entities": 2}  # of H figures each; all other poolings make one


class Encoder(Protocol):
    """What a head needs to know of an encoder; BertModel and PretrainedEncoder have it.

    `prefix` is the name transformers gives the encoder inside a model with a head; `inner`
    is where the weights stand inside our module. `window` is how many tokens local attention
    reaches over, None where every token sees every other. `source` is the folder or hub id
    that the weights came from, None for weights of our own. `max_positions` is the longest row
    the table of positions has room for, None where there is no table. `keeps_padding_out` says
    whether a row's states are the same alone and padded; where not, the encoder sees to it.
    """

    prefix: str
    inner: str
    hidden_size: int
    vocab_size: int
    window: int | None
    source: str | None
    max_positions: int | None
    segments: int
    keeps_padding_out: bool

    @property
    def pooler(self) -> nn.Module | None:
        """The encoder's own layer over the first token, where it has one."""
        ...

    @property
    def embeddings_weight(self) -> Tensor:
        """The table of word embeddings, (V, E)."""
        ...

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The layers, the lowest first; empty where an architecture has no stack of them."""
        ...

    def __call__(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        *,
        first_only: bool = False,
    ) -> Tensor:
        """Return the last hidden states, (B, L, H), or only the first token's, (B, 1, H).

        Args:
            input_ids: token ids, (B, L).
            attention_mask: 1 for text, 0 for padding, (B, L); None: no padding.
            token_type_ids: segment ids, (B, L).
            global_mask: 1 where a token attends to all and is attended by all, (B, L); of
                use to encoders whose attention is local.
            first_only: whether the first token's is wanted and no other; an encoder saves
                what it can of its last layer.
        """
        ...

    def transformers_config(self) -> dict[str, Any]:
        """Return the config.json with which transformers opens the encoder."""
        ...

    def grow_vocabulary(self, size: int) -> None:
        """Note that the table of embeddings has become longer."""
        ...


class TaskModel(nn.Module):
    """An encoder with a head; each task has its own kind.

    `head_names` gives, for the beginnings of our weights' names, those transformers uses;
    `frozen` are parts that are not trained and stay in evaluation mode; `reads_arrays` says that a
    batch need be no tensors.
    """

    reads_arrays: ClassVar[bool] = False

    encoder: Encoder
    dropout: nn.Dropout
    head_names: ClassVar[Mapping[str, str]] = {}
    frozen: tuple[nn.Module, ...] = ()

    def train(self, mode: bool = True) -> Self:
        """Set the mode, training or evaluation, of all parts but the frozen ones."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def finish_row(self, parts: Iterable[NDArray[np.float64]]) -> Iterable[NDArray[np.float64]]:
        """Compute what needs all parts of a row at once, from the output of each; most models need nothing."""
        return parts


class SequenceModel(TaskModel):
    """An encoder, one vector per row, dropout, a linear layer.

    Args:
        encoder: gives the hidden states.
        outputs: number of outputs C.
        pooling: cls (first token), pooler (the encoder's own layer over the first
            token), mean (over text tokens), match (for pairs: mean, first token, and how
            the means of the two sides differ and agree), or align (match, and how tokens
            differ from their counterparts on the other side: mean and maximum).
        dropout: dropout before the linear layer.
        second_segment: segment ids from this one on mark the second text of a pair.
    """

    def __init__(
        self, encoder: Encoder, outputs: int, *, pooling: str, dropout: float, second_segment: int = 1
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.second_segment = second_segment
        self.dropout = nn.Dropout(dropout)
        self.classifier = _linear(encoder.hidden_size * _VECTORS.get(pooling, 1), outputs)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (B, C); arguments as in `Encoder`."""
        first_only = self.pooling in OF_FIRST_TOKEN
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, global_mask, first_only=first_only)
        logits: Tensor = self.classifier(self.dropout(self.pool(hidden, attention_mask, token_type_ids)))
        return logits

    def pool(self, hidden: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor) -> Tensor:
        """Reduce hidden states, (B, L, H) or the first token's (B, 1, H), to vectors: (B, H), 4H match, 6H align."""
        if self.pooling == "pooler" and self.encoder.pooler is not None:
            return cast(Tensor, self.encoder.pooler(hidden))
        if self.pooling not in ("mean", *_VECTORS):
            return hidden[:, 0]
        text = torch.ones_like(token_type_ids) if attention_mask is None else attention_mask
        mean = _mean(hidden, text)
        if self.pooling == "mean":
            return mean
        # Each side in the light of the other, compared as sentence vectors are (Conneau et al. 2017).
        second = text * (token_type_ids >= self.second_segment)
        a, b = _mean(hidden, text - second), _mean(hidden, second)
        vectors = [mean, hidden[:, 0], (a - b).abs(), a * b]
        if self.pooling == "align":
            unlike = differences(hidden, text - second, second)  # (B, L, H)
            vectors += [_mean(unlike, text), unlike.amax(dim=1)]
        return torch.cat(vectors, dim=-1)


class RelationModel(SequenceModel):
    """An encoder, the vectors of the markers before the two entities, dropout, a linear layer.

    What Baldini Soares et al. 2019 call entity start. In a row without a marker the first token stands for it.

    Args:
        encoder: gives the hidden states.
        outputs: number of outputs C.
        markers: the ids of the two markers.
        dropout: dropout before the linear layer.
    """

    def __init__(self, encoder: Encoder, outputs: int, *, markers: tuple[int, int], dropout: float) -> None:
        super().__init__(encoder, outputs, pooling="entities", dropout=dropout)
        self.markers = markers

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (B, C); arguments as in `Encoder`."""
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, global_mask)  # (B, L, H)
        found = []
        for marker in self.markers:
            place = (input_ids == marker).to(torch.int64).argmax(dim=1)  # (B), 0 where there is none
            place = place.view(-1, 1, 1).expand(-1, 1, hidden.shape[-1])  # (B, 1, H)
            found.append(hidden.gather(1, place).squeeze(1))
        logits: Tensor = self.classifier(self.dropout(torch.cat(found, dim=-1)))  # (B, 2H) to (B, C)
        return logits


class ChoiceModel(SequenceModel):
    """One figure for a question with one of its choices; the choices of a row compete."""

    def __init__(self, encoder: Encoder, *, pooling: str, dropout: float) -> None:
        super().__init__(encoder, 1, pooling=pooling, dropout=dropout)


class TokenModel(TaskModel):
    """An encoder and a linear layer over every token.

    Args:
        encoder: gives the hidden states.
        outputs: number of tags C.
        dropout: dropout before the linear layer.
    """

    def __init__(self, encoder: Encoder, outputs: int, *, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.classifier = _linear(encoder.hidden_size, outputs)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the logits of every token, (B, L, C)."""
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, global_mask)  # (B, L, H)
        logits: Tensor = self.classifier(self.dropout(hidden))
        return logits


class SpanModel(TokenModel):
    """An encoder and two figures a token: how much an answer begins there, and ends there, (B, L, 2).

    Args:
        encoder: gives the hidden states.
        dropout: dropout before the linear layer.
    """

    head_names: ClassVar[Mapping[str, str]] = {"classifier.": "qa_outputs."}

    def __init__(self, encoder: Encoder, *, dropout: float) -> None:
        super().__init__(encoder, 2, dropout=dropout)


class MaskedLanguageModel(TaskModel):
    """An encoder with BERT's head for masked tokens, and one for pairs of sentences.

    The output layer is the table of word embeddings (Devlin et al. 2019; tying: Press and
    Wolf 2017). An encoder from a checkpoint that has such a head starts with it.

    Args:
        encoder: gives the hidden states.
        with_pairs: whether the order of two sentences is learnt too.
        dropout: dropout before the layer of the pairs.
        positions: the longest row, where absolute places join at the end (`deberta.py`); None: they do not.
    """

    head_names: ClassVar[Mapping[str, str]] = {
        "transform.": "cls.predictions.transform.",
        "bias": "cls.predictions.bias",
        "order.": "cls.seq_relationship.",
    }

    def __init__(self, encoder: Encoder, *, with_pairs: bool, dropout: float, positions: int | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.mask_decoder = None if positions is None else EnhancedMaskDecoder(encoder, positions)
        self.dropout = nn.Dropout(dropout)
        width = encoder.embeddings_weight.shape[1]
        self.transform = nn.ModuleDict(
            {"dense": _linear(encoder.hidden_size, width), "LayerNorm": nn.LayerNorm(width, eps=1e-12)}
        )
        self.bias = nn.Parameter(torch.zeros(encoder.embeddings_weight.shape[0]))
        self.order = _linear(encoder.hidden_size, 2) if with_pairs else None
        stored = None if encoder.source is None else stored_head(encoder.source)
        rows = getattr(encoder, "kept_rows", None)  # of a vocabulary that was trimmed
        if stored is not None and rows is not None:
            stored["bias"] = stored["bias"][rows]
        own = self.state_dict()
        fits = stored is not None and all(weight.shape == own[name].shape for name, weight in stored.items())
        self.has_stored_head = fits
        if stored is not None and fits:
            self.load_state_dict(stored, strict=False)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the logits of masked tokens, and those of the order of sentences.

        Args:
            input_ids: as for the other models, like the next three.
            attention_mask: see there.
            token_type_ids: see there.
            global_mask: see there.
            positions: places of the masked tokens in the flattened batch, (M); None: all
                places.

        Returns:
            Logits over the vocabulary, (M, V), and over the two orders, (B, 2), or None.
        """
        if self.mask_decoder is None:
            hidden = for_words = self.encoder(input_ids, attention_mask, token_type_ids, global_mask)  # (B, L, H)
        else:
            for_words, hidden = self.mask_decoder(input_ids, attention_mask, token_type_ids, global_mask)
        asked = for_words.flatten(0, 1)  # (B·L, H)
        asked = asked if positions is None else asked[positions]  # (M, H)
        asked = self.transform["LayerNorm"](nn.functional.gelu(self.transform["dense"](asked)))
        logits = asked @ self.encoder.embeddings_weight.T.to(asked.dtype) + self.bias  # (M, V)
        return logits, None if self.order is None else self.order(self.dropout(hidden[:, 0]))


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the hidden states (B, L, H) where a mask (B, L) is 1, (B, H)."""
    weights = mask.to(hidden.dtype).unsqueeze(-1)  # (B, L, 1)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


def exported_weights(model: TaskModel) -> dict[str, Tensor]:
    """Return the weights under the names transformers uses, float32, on the CPU."""
    names = _names(model)
    return {
        _renamed(name, names): weight.detach().to("cpu", torch.float32).contiguous()
        for name, weight in model.state_dict().items()
    }


def exported_names(model: TaskModel) -> Iterator[tuple[str, Tensor]]:
    """Yield each parameter after its name in `exported_weights`."""
    names = _names(model)
    yield from ((_renamed(name, names), weight) for name, weight in model.named_parameters())


def exported_shapes(model: TaskModel) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what `exported_weights` gives."""
    names = _names(model)
    return {_renamed(name, names): tuple(weight.shape) for name, weight in model.state_dict().items()}


def imported_weights(model: TaskModel, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `exported_weights`: give weights the names `model.load_state_dict` expects."""
    names = {others: ours for ours, others in _names(model).items()}
    return {_renamed(name, names): weight for name, weight in weights.items()}


_COPY = "extractor.encoder."


def _names(model: TaskModel) -> dict[str, str]:
    """Map the beginnings of our names to those of transformers."""
    names = {f"encoder.{model.encoder.inner}": f"{model.encoder.prefix}.", **model.head_names}
    if inner := getattr(model.encoder, "inner_of_copies", ""):
        names[_COPY] = _COPY + inner
    return names


def _renamed(name: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


# --- Two texts read apart by one encoder, and compared as vectors (a bi-encoder) ------------------
#
# Source: Conneau et al. 2017 (the features of a pair); Reimers and Gurevych 2019 (BERT as the
# encoder, cosine for similarity). Shapes in the margin: P texts, B pairs, L tokens, H hidden,
# C outputs.

# What people call unrelated and the same lies between cosines of about 0.1 and 1; the first
# weights spread that over a standard deviation or two to each side.
_STEEPNESS, _MIDDLE = 4.0, 0.6


class SiameseModel(TaskModel):
    """An encoder, the mean over each text's tokens, and a comparison of two such vectors.

    Args:
        encoder: gives the hidden states.
        outputs: number of outputs C.
        by_cosine: whether the cosine alone is looked at (similarity), or vectors,
            difference and product (labels).
        dropout: dropout before the linear layer over the features.
    """

    def __init__(self, encoder: Encoder, outputs: int, *, by_cosine: bool, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.by_cosine = by_cosine
        self.dropout = nn.Dropout(0.0 if by_cosine else dropout)
        self.classifier = nn.Linear(1 if by_cosine else 4 * encoder.hidden_size, outputs)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)
        if by_cosine:
            nn.init.constant_(self.classifier.weight, _STEEPNESS)
            nn.init.constant_(self.classifier.bias, -_STEEPNESS * _MIDDLE)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Return the texts' vectors, (P, H), or the logits of pairs of them, (B, C).

        Args:
            input_ids: as for the other models, like the next three.
            attention_mask: see there.
            token_type_ids: see there.
            global_mask: see there.
            positions: which texts make a pair, (B, 2); None: the vectors are wanted.
        """
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, global_mask)  # (P, L, H)
        text = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weights = text.to(hidden.dtype).unsqueeze(-1)  # (P, L, 1)
        vectors = (hidden * weights).sum(dim=1) / weights.sum(dim=1)  # (P, H)
        vectors = nn.functional.normalize(vectors.float(), dim=-1)
        return vectors if positions is None else self.compare(vectors[positions[:, 0]], vectors[positions[:, 1]])

    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the logits of pairs of vectors, (B, C)."""
        if self.by_cosine:
            cosine = (first * second).sum(dim=-1, keepdim=True)  # (B, 1)
            # bfloat16 would leave a score of 4 in steps of 1/32.
            with torch.autocast(cosine.device.type, enabled=False):
                return cast(Tensor, self.classifier(cosine.to(self.classifier.weight.dtype)))
        else:
            features = torch.cat([first, second, (first - second).abs(), first * second], dim=-1)  # (B, 4H)
        logits: Tensor = self.classifier(self.dropout(features))
        return logits

    def finish_row(self, parts: Iterable[NDArray[np.float64]]) -> Iterable[NDArray[np.float64]]:
        """Compare the vectors of a pair's texts; the logits come back as one part, (C)."""
        weight = self.classifier.weight
        first, second = (torch.from_numpy(part).to(weight.device, weight.dtype).unsqueeze(0) for part in parts)
        logits: NDArray[np.float64] = self.compare(first, second)[0].double().cpu().numpy()
        return [logits]
