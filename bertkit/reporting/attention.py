"""What a model looks at in one text: the text goes the way that rows go, and its attention is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit import bundle
from bertkit.data.records import ColumnMap
from bertkit.errors import UsageError
from bertkit.models.named_tokenizer import open_named
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.outputs import check_outputs
from bertkit.run_folder import is_run
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.encoding import joined_texts
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.encoding import Encoding
from bertkit.tokenization.segments import overlap_segments

if TYPE_CHECKING:
    from bertkit.models.attention_weights import LayerAttention
    from bertkit.models.heads import Encoder

PARTS = ("content to content", "content to position", "position to content")
# Weights that a page or an answer holds; of a base model that is a text of 160 tokens.
MOST_WEIGHTS = 4_000_000
# Links of a token that a table shows.
STRONGEST = 3


@dataclass(frozen=True)
class AttentionRequest:
    """What `bertkit attention` is asked; `layer` and `head` count from 1, None: all of them."""

    model: str
    text: str
    pair: str | None = None
    layer: int | None = None
    head: int | None = None
    report: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class Head:
    """One head of a layer.

    Attributes:
        number: from 1.
        weights: the share of token j in what token i mixes, (L, L).
        allowed: whether i may look at j, (L, L).
        parts: of disentangled attention, the three parts of the scores, (3, L, L); None elsewhere.
    """

    number: int
    weights: NDArray[np.float64]
    allowed: NDArray[np.bool_]
    parts: NDArray[np.float64] | None

    @property
    def entropy(self) -> float:
        """How evenly a token looks, mean over the tokens, in bits: 0 is at one token alone."""
        shares = np.where(self.weights > 0, self.weights, 1.0)
        return float(-(self.weights * np.log2(shares)).sum(-1).mean())

    @property
    def distance(self) -> float:
        """How many tokens away a token looks, mean over the tokens."""
        places = np.arange(len(self.weights))
        return float((self.weights * np.abs(places[:, None] - places)).sum(-1).mean())


@dataclass(frozen=True)
class AttentionLayer:
    """One layer, counted from 1, with the heads that were asked for."""

    number: int
    heads: tuple[Head, ...]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean of the heads' weights, (L, L)."""
        found: NDArray[np.float64] = np.mean([head.weights for head in self.heads], axis=0)
        return found


@dataclass(frozen=True)
class AttentionView:
    """What a model looks at in a text.

    Attributes:
        model: as it was named.
        tokens: special tokens included.
        truncated: whether tokens were cut away.
        layers: the lowest first.
    """

    model: str
    tokens: tuple[str, ...]
    truncated: bool
    layers: tuple[AttentionLayer, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "model": self.model,
            "tokens": list(self.tokens),
            "truncated": self.truncated,
            "layers": [
                {"layer": layer.number, "heads": [_head_json(head) for head in layer.heads]} for layer in self.layers
            ],
        }

    def links(self, layer: AttentionLayer) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Yield each token of a layer with those it takes most from, mean over the heads."""
        for token, row in zip(self.tokens, layer.mean, strict=True):
            best = np.argsort(-row, kind="stable")[:STRONGEST]
            yield token, [(self.tokens[j], float(row[j])) for j in best if row[j] > 0]


def _head_json(head: Head) -> dict[str, Any]:
    values: dict[str, Any] = {
        "head": head.number,
        "entropy": round(head.entropy, 4),
        "distance": round(head.distance, 4),
        "weights": np.round(head.weights, 6).tolist(),
    }
    if not head.allowed.all():
        values["allowed"] = head.allowed.astype(int).tolist()
    if head.parts is not None:
        values["parts"] = {name: np.round(part, 6).tolist() for name, part in zip(PARTS, head.parts, strict=True)}
    return values


def view_attention(request: AttentionRequest, note: Callable[[str], None] = lambda _: None) -> AttentionView:
    """Read a text with a model and return what its heads look at; with --report, a page is written.

    Raises:
        UsageError: there is no such layer or head, or more weights than a page holds.
        ModelError: the model is none, or shows no attention.
        OutputError: the page cannot be written.
    """
    check_outputs({"--report": request.report}, [request.model], force=request.force)
    settings, tokenizer, encoder = _opened(request.model)
    encoding = _encoded(request, settings, tokenizer)
    if encoding.truncated:
        note(f"the text has {encoding.n_tokens:,} tokens, and {len(encoding.ids):,} are read")
    view = _view(request, _attention(encoder, encoding, request.model), encoding, tokenizer)
    if request.report is not None:
        from bertkit.reporting.attention_page import write_page

        write_page(request.report, view)
    return view


def _opened(name: str) -> tuple[TaskSettings, Tokenizer, Encoder]:
    """Open a run, or the weights of a model, to be read with."""
    if is_run(Path(name)):
        run = bundle.load(Path(name))
        return run.task.settings, run.tokenizer, run.model.encoder
    spec, tokenizer = find_model(name), open_named(name)
    options = BuildOptions(tokenizer.vocab_size, tokenizer.pad_id, dropout=0.0, with_pooler=False)
    encoder: Any = load_target(spec.builder)(spec, options)
    longest = min(spec.max_length, tokenizer.max_length)
    return TaskSettings("mlm", ColumnMap(("text",)), max_length=longest), tokenizer, encoder.eval()


def _encoded(request: AttentionRequest, settings: TaskSettings, tokenizer: Tokenizer) -> Encoding:
    """Encode the text as the run encodes its rows, cut where it cuts them.

    Raises:
        UsageError: a pair, and the run reads its texts apart; or the text is empty.
    """
    if not request.text.strip() or (request.pair is not None and not request.pair.strip()):
        raise UsageError("TEXT: is empty; there is nothing to look at.")
    if request.pair is not None and settings.pooling == "siamese":
        raise UsageError("--pair: this run reads its two texts apart; look at each by itself.")
    (first,) = joined_texts([(request.text,)], settings, tokenizer)
    seconds = None if request.pair is None else joined_texts([(request.pair,)], settings, tokenizer)
    (encoding,) = tokenizer.encode([first], seconds, max_length=settings.max_length, with_spans=True)
    if not settings.overlap_segments or seconds is None:
        return encoding
    segments = overlap_segments(encoding.spans, first, seconds[0])
    return Encoding(encoding.ids, segments, encoding.n_tokens, is_part=encoding.is_part)


def _attention(encoder: Encoder, encoding: Encoding, name: str) -> list[LayerAttention]:
    import torch

    from bertkit.models.attention_weights import attention_of

    ids, types = torch.tensor([list(encoding.ids)]), torch.tensor([encoding.type_ids])
    return attention_of(encoder, ids, types, name)


def _view(
    request: AttentionRequest, found: Sequence[LayerAttention], encoding: Encoding, tokenizer: Tokenizer
) -> AttentionView:
    layers = _chosen(request.layer, len(found), "--layer", "layers")
    heads = _chosen(request.head, len(found[0].weights), "--head", "heads")
    length = len(encoding.ids)
    each = 1 if found[0].parts is None else 1 + len(PARTS)
    wanted = len(layers) * len(heads) * length * length * each
    if wanted > MOST_WEIGHTS:
        raise UsageError(
            f"{len(layers)} layers of {len(heads)} heads over {length} tokens are {wanted:,} weights, and "
            f"{MOST_WEIGHTS:,} can be looked at; choose a --layer, a --head, or a shorter text."
        )
    tokens = tuple(str(tokenizer.backend.id_to_token(int(i))) for i in encoding.ids)
    views = tuple(AttentionLayer(i + 1, tuple(_head(found[i], j) for j in heads)) for i in layers)
    return AttentionView(request.model, tokens, encoding.truncated, views)


def _head(layer: LayerAttention, number: int) -> Head:
    parts = None if layer.parts is None else layer.parts[:, number].double().numpy()
    return Head(number + 1, layer.weights[number].double().numpy(), layer.allowed[number].numpy(), parts)


def _chosen(asked: int | None, there: int, flag: str, what: str) -> range:
    if asked is None:
        return range(there)
    if not 1 <= asked <= there:
        raise UsageError(f"{flag} {asked}: the model has {there} {what}, counted from 1.")
    return range(asked - 1, asked)
