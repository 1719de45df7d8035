"""One self-contained HTML page: its frame, its look, and elements whose texts are escaped.

Control characters in somebody's text are shown as escapes, but for line ends and tabs.

A page needs no network, and runs no script but one that is part of it, told by its digest; its
content security policy forbids both. Colours
follow the reader's scheme, and tables scroll inside themselves where a telephone is too
narrow for them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from bertkit import __version__
from bertkit.files import writing
from bertkit.plain import visible
from bertkit.reporting.style import css_variables

_VOID = frozenset({"meta", "rect", "line", "br"})


class Html(str):
    """Text that is markup already; any other text is escaped where it becomes part of a page."""

    __slots__ = ()


Child = str | int | None


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Html:
    """Write an element.

    Args:
        name: of the element.
        children: markup, or text that is escaped; None is left out.
        attributes: `class_` is class; None is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}>" if name in ("meta", "br") else f"<{name}{given}/>")
    return Html(f"<{name}{given}>{joined(children)}</{name}>")


def joined(children: Iterable[Child]) -> Html:
    """Put markup and text one after the other."""
    return Html("".join(c if isinstance(c, Html) else _text(c) for c in children if c is not None))


def _text(value: str | float) -> str:
    return escape(visible(str(value), keep="\n\t"))


def table(head: Sequence[Child], rows: Iterable[Sequence[Child]], *, numeric: int = 1, class_: str = "") -> Html:
    """Write a table that scrolls inside itself; from column `numeric` on, cells are numbers."""

    def cells(kind: str, values: Sequence[Child]) -> Html:
        return joined(tag(kind, value, class_="num" if i >= numeric else None) for i, value in enumerate(values))

    body = tag("tbody", *(tag("tr", cells("td", row)) for row in rows))
    return tag("div", tag("table", tag("thead", tag("tr", cells("th", head))), body), class_=f"scroll {class_}".strip())


def section(title: str, *children: Child) -> Html:
    """Write a part of the page under a heading."""
    return tag("section", tag("h2", title), *children)


def definitions(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Write names with their values, side by side."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))


def document(title: str, subtitle: Child, *sections: Child, css: str = "", script: str = "") -> str:
    """Write the whole page.

    Args:
        title: its heading.
        subtitle: the line below.
        sections: what follows.
        css: rules for these alone.
        script: code that runs once all is there; it is bertkit's own, and no other may run.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = _POLICY + (f"; script-src 'sha256-{digest}'" if script else "")
    head = joined(
        [
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("title", title),
            tag("style", Html(_CSS + css)),
        ]
    )
    header = tag("header", tag("h1", title), tag("p", subtitle, class_="muted"))
    footer = tag("footer", f"Made by bertkit {__version__}.")
    code = tag("script", Html(script)) if script else None
    page = tag("html", tag("head", head), tag("body", tag("main", header, *sections, footer), code), lang="en")
    return f"<!doctype html>\n{page}\n"


def write_document(path: Path, text: str) -> None:
    """Write a page to the place that --report names.

    Raises:
        OutputError: it cannot be written.
    """
    with writing(path, "--report") as stream:
        stream.write(text)


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_CSS = (
    f"""
:root {{ {css_variables(0)} color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{ :root {{ {css_variables(1)} }} }}
"""
    + """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans KR", sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 3rem; }
h1, h2, h3 { line-height: 1.25; font-weight: 650; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 0.9rem; padding-top: 1.1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 0.5rem; }
p { margin: 0.4rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.muted, figcaption, footer, .place { color: var(--muted); }
.muted, figcaption, footer { font-size: 0.9rem; }
header p { margin-top: 0.35rem; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
code, pre, .place { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.85rem; }
pre { background: var(--panel); padding: 0.8rem 1rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: 0.6rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; min-width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.4rem 0.9rem 0.4rem 0; text-align: left; vertical-align: baseline;
  border-bottom: 1px solid var(--line); }
th { color: var(--muted); font-weight: 500; white-space: nowrap; }
td:last-child, th:last-child { padding-right: 0; }
.num { text-align: right; white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
.compact table { min-width: 0; }
.names td:first-child { max-width: 15rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.bars td:nth-child(2) { width: 99%; min-width: 6rem; vertical-align: middle; }
svg.bar { display: block; width: 100%; height: 0.6rem; }
svg.figure { display: block; width: 100%; height: auto; }
svg.figure text { font-family: inherit; }
svg.figure * { stroke-linejoin: round; }
.grid { display: grid; margin-top: 1.5rem; gap: 1.75rem 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.grid.figures { grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
figure { margin: 0; min-width: 0; max-width: 34rem; }
figure h3 { margin-top: 0; }
figure.wide { grid-column: 1 / -1; max-width: 46rem; }
.tiles { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); margin: 1.5rem 0; }
.tile { background: var(--panel); border-radius: 6px; padding: 0.7rem 0.9rem; min-width: 0; }
.tile b { display: block; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { display: block; font-size: 0.82rem; color: var(--muted); overflow-wrap: anywhere; }
.box { background: var(--panel); border-left: 4px solid var(--muted); border-radius: 4px; padding: 0.7rem 1rem;
  margin: 1.25rem 0; }
.box p { margin: 0; }
.box.error { border-color: var(--red); } .box.warning { border-color: var(--amber); }
.box.info { border-color: var(--green); }
ul { padding: 0; margin: 0; list-style: none; }
li { padding: 0.7rem 0; border-bottom: 1px solid var(--line); }
li:last-child { border-bottom: 0; }
.badge { font-size: 0.78rem; font-weight: 600; margin-right: 0.5rem; white-space: nowrap; }
.badge.error { color: var(--red); } .badge.warning { color: var(--amber); } .badge.info { color: var(--muted); }
.place { margin: 0.2rem 0; }
article { padding: 1rem 0; border-bottom: 1px solid var(--line); }
article:last-child { border-bottom: 0; }
article p.text { max-width: 52rem; white-space: pre-wrap; line-height: 1.75; }
dl { display: flex; flex-wrap: wrap; gap: 0.15rem 1.5rem; margin: 0.25rem 0; font-size: 0.9rem; }
dl div { min-width: 0; overflow-wrap: anywhere; }
dt, dd { display: inline; margin: 0; } dt { color: var(--muted); } dt::after { content: " "; }
dd { font-variant-numeric: tabular-nums; font-weight: 550; }
mark { color: inherit; border-radius: 3px; padding: 0.08em 0; }
mark.for { background: color-mix(in srgb, var(--orange) calc(var(--w) * 60%), transparent);
  box-shadow: inset 0 -2px 0 color-mix(in srgb, var(--orange) calc(var(--w) * 100%), transparent); }
mark.against { background: color-mix(in srgb, var(--blue) calc(var(--w) * 60%), transparent); }
@media (max-width: 30rem) {
  main { padding: 1.5rem 1rem 2rem; } h1 { font-size: 1.4rem; } .grid { gap: 1.5rem; }
  th, td { padding-right: 0.7rem; } .names td:first-child { max-width: 8rem; }
}
@media print { main { max-width: none; } figure, article, li { break-inside: avoid; } }
"""
)
