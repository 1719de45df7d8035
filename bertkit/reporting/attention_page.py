"""The page of `bertkit attention --report`: lines between tokens, a map, and figures of each head.

It works from a file without a network. Layer, head and part are chosen with the mouse or the
keyboard; without scripts the tables are still there.
"""

from __future__ import annotations

import base64
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.plain import to_json
from bertkit.reporting.attention import PARTS, AttentionView, Head
from bertkit.reporting.page import Child, Html, document, joined, section, table, tag, write_document

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
        f"{len(view.tokens)} tokens{cut}. A line goes from a token to those it takes from; the thicker, the more.",
        tag("div", _controls(view), _figure(view), id="drawn", hidden="hidden"),
        tag("noscript", tag("p", "Lines and map are drawn by a script of this page; the tables below need none.")),
        section("Heads", tag("p", _HEADS, class_="muted"), _head_table(view)),
        section(f"Strongest links in layer {view.layers[-1].number}", _link_table(view)),
        tag("script", data, type="application/json", id="data"),
        css=_CSS,
        script=script,
    )


_HEADS = (
    "Entropy says how evenly a token looks (0 bits: at one token alone; the most: at all alike), distance how many "
    "tokens away, both as means over the tokens. A pattern is what the kind of attention allows at all."
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
    return table(["token", "takes most from (mean of the heads)"], rows, numeric=2)


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
