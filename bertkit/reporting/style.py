"""How figures and pages look: one palette for matplotlib and for CSS, in a light and a dark form.

Figures are drawn in the light colours. On a page every one of those becomes the CSS variable
of its name, so that a figure follows the reader's colour scheme as the text does.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from bertkit.plain import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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

_WIDTH, _HEIGHT = 4.7, 3.5  # inches; as wide as a telephone's page, so that the type is as large as the text
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


def new_figure(*, height: float = _HEIGHT, width: float = _WIDTH) -> tuple[Figure, Axes]:
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
    from html import escape

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
