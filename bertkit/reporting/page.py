"""The look of pages and charts, and their parts: one frame, one palette, small charts, escaped texts."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit import __version__
from bertkit.audit.texts import Bar
from bertkit.errors import OutputError
from bertkit.files import exists, is_dir, replacing, write_errors, writing
from bertkit.plain import brief, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# --- How figures and pages look: one palette for matplotlib and for CSS, in a light and a dark form
#
# Figures are drawn in the light colours. On a page every one of those becomes the CSS variable
# of its name, so that a figure follows the reader's colour scheme as the text does.

# name → (light, dark); no two light ones may be equal, for a figure's colours are told by them
PALETTE: Mapping[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#15181c"),
    "panel": ("#f5f6f8", "#1d2126"),
    "line": ("#d8dde3", "#363d46"),
    "muted": ("#5c6570", "#9ba5b1"),
    "ink": ("#1e2227", "#e5e8ec"),
    "blue": ("#2b6ca3", "#74b3e0"),
    "orange": ("#c05a24", "#ec9a68"),
    "green": ("#45845a", "#82c294"),
    "purple": ("#7657a3", "#b59be0"),
    "red": ("#b0291f", "#f28b82"),
    "amber": ("#855400", "#e0b35a"),
}
COLOURS = {name: light for name, (light, _) in PALETTE.items()}
SERIES = tuple(COLOURS[name] for name in ("blue", "orange", "green", "purple"))

_INCHES_WIDE, _INCHES_HIGH = 4.7, 3.5  # as wide as a telephone's page, so that the type is as large as the text
_DPI = 160
# Fonts with Hangul, of the systems people have; matplotlib's own has none.
_HANGUL = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans CJK JP",
    "UnDotum",
)
_LONGEST_LABEL = 22
_MOST_READ = 1000
_STYLE_ELEMENT = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_STYLE = re.compile(r'style="[^"]*"')
_GROUP_ID = re.compile(r'<g id="[^"]*"')
_FONT_FAMILY = re.compile(r"(font: [^;\"]*?px)[^;\"]*|font-family:[^;\"]*;?")
_SIZE = re.compile(r'\b(?:width|height)="[^"]*"')
_WHITE_SPACE = re.compile(r"\s*\n\s*")


def css_variables(dark: int) -> str:
    """Write the palette as CSS; `dark` is 0 for light and 1 for dark."""
    return " ".join(f"--{name}: {colours[dark]};" for name, colours in PALETTE.items())


@contextmanager
def drawing() -> Iterator[None]:
    """Set matplotlib up for the figures of the body, and nowhere else."""
    # Where it can keep no settings or fonts it says so, and goes on without.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl

    with mpl.rc_context(_settings()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(*, height: float = _INCHES_HIGH, width: float = _INCHES_WIDE) -> tuple[Figure, Axes]:
    """Make a figure with one axes; sizes in inches."""
    figure, (axes,) = side_by_side(1, height=height, width=width)
    return figure, axes


def side_by_side(columns: int, *, height: float, width: float) -> tuple[Figure, tuple[Axes, ...]]:
    """Make a figure with several axes that share what they have on the left; sizes in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, tuple(figure.subplots(1, columns, sharey=True, squeeze=False)[0])


def light_grid(axes: Axes, axis: str = "both") -> None:
    """Draw a grid behind everything."""
    axes.grid(visible=True, axis=axis, color=COLOURS["line"], linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def legend_above(axes: Axes, *, columns: int = 2) -> None:
    """Put the legend above the axes, where it hides nothing."""
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns)


def short(label: str) -> str:
    """Shorten a label to what an axis has room for, and show its control characters.

    A name that begins with _ is none to matplotlib: it would be missing in a legend.
    """
    shown = visible(" ".join(label[:_MOST_READ].split()))
    cut = shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"
    return f" {cut}" if cut.startswith("_") else cut


def as_png(figure: Figure) -> bytes:
    """Draw a figure on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def as_svg(figure: Figure, label: str) -> str:
    """Draw a figure for a page: an svg element in the page's colours and type.

    Args:
        figure: drawn in the light colours of the palette.
        label: what a screen reader says of it.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    _, _, svg = buffer.getvalue().partition("<svg ")
    svg = _STYLE_ELEMENT.sub("", svg)  # it would hold for the whole page
    svg = _STYLE.sub(_in_page_style, svg)
    svg = _GROUP_ID.sub("<g", svg)  # the same in every figure
    opening, closing, rest = svg.partition(">")
    inner = _WHITE_SPACE.sub(" ", _SIZE.sub("", opening) + closing + rest)
    return f'<svg class="figure" role="img" aria-label="{escape(label)}" {inner}'


def _in_page_style(style: re.Match[str]) -> str:
    """Write one style attribute in the page's colours, with the page's font."""
    found = style.group()
    for name, colour in COLOURS.items():
        found = found.replace(colour, f"var(--{name})")
    return _FONT_FAMILY.sub(r"\1", found)


def _settings() -> Any:
    ink, muted = COLOURS["ink"], COLOURS["muted"]
    return {
        "font.family": ["DejaVu Sans", *_hangul_fonts()],
        "font.size": 9,
        "text.parse_math": False,
        "text.color": ink,
        "axes.edgecolor": muted,
        "axes.facecolor": "none",
        "axes.labelcolor": ink,
        "axes.labelsize": 9,
        "axes.linewidth": 0.8,
        "axes.prop_cycle": _cycle(),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.unicode_minus": True,
        "figure.facecolor": COLOURS["paper"],
        "legend.fontsize": 8,
        "legend.frameon": False,
        "lines.linewidth": 1.6,
        "savefig.facecolor": "auto",
        "svg.fonttype": "none",
        "svg.hashsalt": "bertkit",
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
    }


def _cycle() -> Any:
    from cycler import cycler

    return cycler(color=list(SERIES))


@cache
def _hangul_fonts() -> tuple[str, ...]:
    """Return the first installed font that has Hangul; pictures show boxes where there is none."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return tuple(name for name in _HANGUL if name in installed)[:1]


# --- Folders of figures: never half-written, never replaced unasked -------------------------------

PLOTS = "--plots"


def refuse_figures(folder: Path | None, names: Iterable[str], *, force: bool) -> None:
    """Refuse to replace figures, and to write into what is not a folder.

    Raises:
        OutputError: `folder` is a file, or holds one of the names and --force is not given.
    """
    if folder is None:
        return
    if exists(folder) and not is_dir(folder):
        raise OutputError(f"{PLOTS} {brief(folder, 300)}: is a file; name a folder.")
    there = next((name for name in names if exists(folder / name)), None)
    if there is not None and not force:
        raise OutputError(f"{PLOTS} {brief(folder, 300)}: {there} exists; add --force to replace it.")


def write_figures(folder: Path, figures: Mapping[str, bytes]) -> None:
    """Write pictures into a folder, which is made where it is missing: all of them, or none.

    Raises:
        OutputError: it cannot be written.
    """
    is_new = not exists(folder)
    with write_errors(folder, PLOTS, way_on="choose another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            # They get their names when the last one is written.
            with ExitStack() as written:
                for name, picture in figures.items():
                    written.enter_context(replacing(folder / name)).write_bytes(picture)
        except OSError:
            if is_new:
                with suppress(OSError):
                    folder.rmdir()
            raise


# --- One self-contained HTML page: its frame, its look, and elements whose texts are escaped ------
#
# Control characters in somebody's text are shown as escapes, but for line ends and tabs.
#
# A page needs no network, and runs no script but one that is part of it, told by its digest; its
# content security policy forbids both. Colours
# follow the reader's scheme, and tables scroll inside themselves where a telephone is too
# narrow for them.

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


# --- Small charts as inline SVG, for pages: bars of shares, columns of a histogram, ranges --------

_WIDE, _HIGH = 340, 150
_LEFT, _BOTTOM, _TOP = 2, 20, 14
_CHARACTER = 5.6  # width of a figure at the size of the labels


def share_bar(share: float) -> Html:
    """Draw a share from 0 to 1 as a bar as wide as its place."""
    track = tag("rect", width=100, height=8, fill="var(--line)", opacity=0.55)
    filled = tag("rect", width=round(100 * share, 2), height=8, fill="var(--blue)")
    return _stretched(track, filled)


def range_bar(low: float, first: float, middle: float, third: float, high: float) -> Html:
    """Draw a distribution as a line from `low` to `high`, a box between the quartiles and a mark at the middle.

    All five are shares of the width, from 0 to 1.
    """
    a, b, c, d, e = (round(100 * share, 2) for share in (low, first, middle, third, high))
    line = tag("rect", x=a, y=3.4, width=max(0.4, round(e - a, 2)), height=1.2, fill="var(--muted)")
    box = tag("rect", x=b, y=0.5, width=max(0.8, round(d - b, 2)), height=7, fill="var(--blue)", opacity=0.65)
    mark = tag("rect", x=round(c - 0.4, 2), y=0, width=0.8, height=8, fill="var(--ink)")
    return _stretched(line, box, mark)


def histogram(bars: Sequence[Bar], unit: str) -> Html:
    """Draw a histogram as columns; the number of rows is told where one points at a column."""
    tallest = max(bar.count for bar in bars)
    step = (_WIDE - 2 * _LEFT) / len(bars)
    widest = max(len(_name(bar, bar is bars[-1])) for bar in bars)
    every = max(1, -(-int(widest * _CHARACTER + 4) // int(step)))
    parts: list[Html] = [tag("text", f"{tallest:,} rows", x=_LEFT, y=9, font_size=9, fill="var(--muted)")]
    for i, bar in enumerate(bars):
        height = (_HIGH - _BOTTOM - _TOP) * bar.count / tallest
        x, y = _LEFT + i * step, _HIGH - _BOTTOM - height
        title = tag("title", f"{_span(bar)} {unit}: {bar.count:,} rows")
        column = {"x": round(x + 1, 2), "y": round(y, 2), "width": round(step - 2, 2), "height": round(height, 2)}
        parts.append(tag("g", title, tag("rect", **column, fill="var(--blue)")))
        if i % every == 0:
            name = _name(bar, bar is bars[-1])
            parts.append(tag("text", name, x=round(x + 1, 2), y=_HIGH - 7, font_size=9, fill="var(--muted)"))
    base = {"x1": 0, "x2": _WIDE, "y1": _HIGH - _BOTTOM + 0.5, "y2": _HIGH - _BOTTOM + 0.5}
    parts.append(tag("line", **base, stroke="var(--muted)"))
    label = f"Histogram of {unit}: most often {_span(max(bars, key=lambda bar: bar.count))}"
    return tag("svg", *parts, class_="figure", role="img", aria_label=label, viewBox=f"0 0 {_WIDE} {_HIGH}")


def _stretched(*parts: Html) -> Html:
    view = {"viewBox": "0 0 100 8", "preserveAspectRatio": "none"}
    return tag("svg", *parts, class_="bar", aria_hidden="true", **view)


def _span(bar: Bar) -> str:
    return str(bar.low) if bar.low == bar.high else f"{bar.low}–{bar.high}"


def _name(bar: Bar, is_last: bool) -> str:
    return f"{bar.low}+" if is_last and bar.high > bar.low else str(bar.low)
