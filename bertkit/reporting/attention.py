"""What a model attends to in one text: `bertkit attention`, and the page of `--report`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit import bundle
from bertkit.data.records import ColumnMap
from bertkit.errors import UsageError
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.models.tokenizers import open_named
from bertkit.plain import to_json
from bertkit.reporting.page import Child, Html, document, joined, section, table, tag, write_document
from bertkit.run_folder import check_outputs, is_run
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.encoding import joined_texts
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.encoding import Encoding
from bertkit.tokenization.segments import overlap_segments

if TYPE_CHECKING:
    from bertkit.models.attention_weights import LayerAttention
    from bertkit.models.heads import Encoder

# --- What a model looks at in one text: the text goes the way that rows go, and its attention is kept

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
        """Yield each token of a layer with those it attends to most, mean over the heads."""
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


# --- The page of `bertkit attention --report`: lines between tokens, a map, and figures of each head
#
# It works from a file without a network. Layer, head and part are chosen with the mouse or the
# keyboard; without scripts the tables are still there.

_SCALE = 65_535
_ROW = 26  # pixels; as in attention.js
_CSS = f"""
.controls {{ display: flex; flex-wrap: wrap; gap: 0.6rem 1.2rem; margin: 1.2rem 0; }}
.controls label {{ display: flex; gap: 0.4rem; align-items: baseline; font-size: 0.9rem; color: var(--muted); }}
select {{ font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--line);
  border-radius: 5px; padding: 0.2rem 0.4rem; max-width: 100%; }}
.sides {{ display: grid; gap: 1.75rem 2.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }}
.links {{ display: grid; grid-template-columns: minmax(0, auto) minmax(3rem, 1fr) minmax(0, auto); }}
.links ul {{ list-style: none; margin: 0; padding: 0; font-size: 0.88rem; min-width: 0; }}
.links li {{ height: {_ROW}px; display: flex; align-items: center; min-width: 0;
  border: 0; margin: 0; padding: 0; }}
#queries li {{ justify-content: flex-end; }}
#queries button, #keys .token {{ font: inherit; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  color: inherit; background: none; border: 1px solid transparent; border-radius: 4px; padding: 0 0.35rem;
  line-height: {_ROW - 4}px; max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
#queries button {{ cursor: pointer; }}
#queries button.row {{ background: var(--panel); border-color: var(--line); }}
#queries button[aria-pressed="true"] {{ border-color: var(--blue); }}
#queries button:focus-visible, select:focus-visible {{ outline: 2px solid var(--blue); outline-offset: 1px; }}
#keys li {{ background: linear-gradient(90deg, var(--blue), var(--blue)) left bottom / var(--share, 0%) 2px
  no-repeat; }}
#keys .percent {{ color: var(--muted); font-size: 0.78rem; min-width: 1.6rem; margin-left: auto; text-align: right; }}
#lines {{ width: 100%; }}
#lines line {{ stroke: var(--blue); vector-effect: non-scaling-stroke; }}
#map {{ width: 100%; max-width: 26rem; image-rendering: pixelated; border: 1px solid var(--line); }}
#said {{ min-height: 1.6rem; }}
"""


def write_page(path: Path, view: AttentionView) -> None:
    """Write the page.

    Raises:
        OutputError: it cannot be written.
    """
    write_document(path, build_page(view))


def build_page(view: AttentionView) -> str:
    """Return the page."""
    script = files("bertkit.reporting").joinpath("attention.js").read_text(encoding="utf-8")
    cut = "; the text is longer than the model reads, and was cut" if view.truncated else ""
    data = Html(to_json(_data(view)).replace("<", "\\u003c"))
    return document(
        f"What {view.model} attends to",
        f"{len(view.tokens)} tokens{cut}. A line leads from a token to those it attends to; its width is the weight.",
        tag("div", _controls(view), _figure(view), id="drawn", hidden="hidden"),
        tag("noscript", tag("p", "A script draws the lines and the map; the tables below need none.")),
        section("Heads", tag("p", _HEADS, class_="muted"), _head_table(view)),
        section(f"Strongest links in layer {view.layers[-1].number}", _link_table(view)),
        tag("script", data, type="application/json", id="data"),
        css=_CSS,
        script=script,
    )


_HEADS = (
    "Entropy: how evenly a token attends (0 bits: to a single token; the maximum: to all tokens equally). "
    "Distance: how "
    "many tokens away. Both are means over the tokens. Pairs allowed: those that this kind of attention permits."
)


def _controls(view: AttentionView) -> Html:
    heads = view.layers[0].heads
    layers = [(str(i), f"{layer.number}") for i, layer in enumerate(view.layers)]
    own = [(str(i), f"{head.number}") for i, head in enumerate(heads)]
    mean = [("mean", f"mean of {len(heads)}")] if len(heads) > 1 else []
    controls = [_select("layer", "Layer", layers, last=True), _select("head", "Head", mean + own)]
    if heads[0].parts is not None:
        parts = [("-1", "all together"), *((str(i), name) for i, name in enumerate(PARTS))]
        controls.append(_select("part", "Part of the scores", parts))
    return tag("div", *controls, class_="controls")


def _select(name: str, label: str, options: list[tuple[str, str]], *, last: bool = False) -> Html:
    chosen = len(options) - 1 if last else 0
    boxes = (
        tag("option", shown, value=value, selected="selected" if i == chosen else None)
        for i, (value, shown) in enumerate(options)
    )
    return tag("label", label, tag("select", *boxes, id=name))


def _figure(view: AttentionView) -> Html:
    height = _ROW * len(view.tokens)
    queries = (
        tag("li", tag("button", token, type="button", title=token, aria_pressed="false")) for token in view.tokens
    )
    keys = (
        tag("li", tag("span", token, class_="token", title=token), tag("span", class_="percent"))
        for token in view.tokens
    )
    lines = tag(
        "svg", viewBox=f"0 0 100 {height}", height=height, preserveAspectRatio="none", id="lines", aria_hidden="true"
    )
    links = tag("div", tag("ul", *queries, id="queries"), lines, tag("ul", *keys, id="keys"), class_="links")
    said = "Each row of the map is a query token, each column a key token it attends to. Grey: not allowed."
    if view.layers[0].heads[0].parts is not None:
        said += " Of a part of the scores, blue is above the mean of its row and orange below."
    map_ = tag("canvas", id="map", role="img", aria_label="Weights of all pairs of tokens, and which pairs are allowed")
    right = tag("div", map_, tag("p", said, class_="muted"))
    return joined([tag("p", id="said", aria_live="polite"), tag("div", links, right, class_="sides")])


def _head_table(view: AttentionView) -> Html:
    rows: list[list[Child]] = [
        [f"{layer.number}", f"{head.number}", f"{head.entropy:.2f}", f"{head.distance:.1f}", _pattern(head)]
        for layer in view.layers
        for head in layer.heads
    ]
    return table(
        ["layer", "head", "entropy, bits", "distance, tokens", "pairs allowed"], rows, numeric=0, class_="compact"
    )


def _pattern(head: Head) -> str:
    return "all" if head.allowed.all() else f"{head.allowed.mean():.0%}"


def _link_table(view: AttentionView) -> Html:
    rows: list[list[Child]] = [
        [token, ", ".join(f"{other} {share:.0%}" for other, share in best)]
        for token, best in view.links(view.layers[-1])
    ]
    return table(["token", "attends most to (mean of the heads)"], rows, numeric=2)


def _data(view: AttentionView) -> dict[str, Any]:
    layers = [{"heads": [_head_data(head) for head in layer.heads]} for layer in view.layers]
    return {"tokens": list(view.tokens), "layers": layers}


def _head_data(head: Head) -> dict[str, Any]:
    return {
        "w": _packed(np.round(head.weights * _SCALE).astype("<u2")),
        "a": None if head.allowed.all() else _packed(np.packbits(head.allowed)),
        "p": None if head.parts is None else [_packed(part.astype("<f4")) for part in head.parts],
    }


def _packed(values: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
