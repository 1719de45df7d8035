"""The worst mistakes on a page: what was said, what is right, and the tokens that pushed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bertkit.data.records import Example
from bertkit.evaluation.run import Scored
from bertkit.reporting.attribution import Push, PushedText, attribute, can_attribute
from bertkit.reporting.page import Child, Html, definitions, joined, tag

MOST = 20
_MOST_CHARACTERS = 1500
_MOST_ENTITIES = 8
_LEAST_WEIGHT = 0.05  # of a push that is coloured


def show_mistakes(scored: Scored) -> Iterator[Child]:
    """Write the worst mistakes of an evaluation."""
    mistakes = scored.run.task.mistakes(scored.examples, scored.outputs)
    task = scored.run.task.settings.task
    if not mistakes:
        yield tag("p", "There are none.")
        return
    if task in ("regression", "mlm", "extractive", "matching"):
        yield tag("p", f"The {min(MOST, len(mistakes))} rows that are furthest off.", class_="muted")
    else:
        yield tag(
            "p", f"{len(mistakes):,} of {len(scored.examples):,} rows are wrong; the worst first.", class_="muted"
        )
    if can_attribute(task):
        yield _LEGEND
    for row, figures in mistakes[:MOST]:
        yield _mistake(scored, row, figures)


_LEGEND = tag(
    "p",
    tag("mark", "orange, underlined", class_="for", style="--w:.7"),
    " pushed towards the mistake, ",
    tag("mark", "blue", class_="against", style="--w:.7"),
    " against it: gradient × input on the encoder's word embeddings, as a share of the row's strongest push. "
    "It is a hint, not a proof.",
    class_="muted",
)


def _mistake(scored: Scored, row: int, figures: Mapping[str, Any]) -> Html:
    example = scored.examples[row]
    texts: list[PushedText] = []
    if can_attribute(scored.run.task.settings.task):
        texts = list(attribute(scored.run, example, scored.outputs[row]))
    if not texts:
        names = scored.run.task.settings.columns.inputs
        texts = [PushedText(name, text, ()) for name, text in zip(names, example.texts, strict=False)]
        texts += [PushedText(name, text, ()) for name, text in figures.get("choices", {}).items()]
    place = tag("p", f"{example.source}:{example.line}", class_="place")
    return tag("article", definitions(_facts(example, figures)), *map(_text, _without_repeats(texts)), place)


def _facts(example: Example, figures: Mapping[str, Any]) -> Iterator[tuple[str, Child]]:
    """Say in a few words what is right and what was answered."""
    probabilities = figures.get("probabilities", {})
    if example.label is not None:
        likely = probabilities.get(example.label)
        yield "right", example.label if likely is None else f"{example.label} ({likely:.3f})"
    if "predicted" in figures:
        predicted = figures["predicted"]
        shown = f"{predicted:.4g}" if isinstance(predicted, float) else str(predicted)
        yield "answered", f"{shown} ({figures['score']:.3f})" if "score" in figures else shown
    if "error" in figures:
        yield "error", f"{figures['error']:+.4g}"
    if "perplexity" in figures:
        yield "perplexity", f"{figures['perplexity']:,.1f}"
    if "rouge1" in figures:
        yield "ROUGE-1", f"{figures['rouge1']:.3f}"
        yield "chosen", figures["summary"]
        yield "reference", str(example.answer)
    for name in ("missed", "invented"):
        if figures.get(name):
            yield name, _entities(figures[name])


def _entities(found: Sequence[Mapping[str, Any]]) -> str:
    shown = ", ".join(f"{entity['text']} ({entity['label']})" for entity in found[:_MOST_ENTITIES])
    more = len(found) - _MOST_ENTITIES
    return f"{shown} and {more} more" if more > 0 else shown


def _without_repeats(texts: Sequence[PushedText]) -> Iterator[PushedText]:
    """Leave out a text that came before: two choices are read with the same question."""
    seen: set[str] = set()
    for text in texts:
        if text.text not in seen:
            seen.add(text.text)
            yield text


def _text(pushed: PushedText) -> Html:
    name = tag("span", f"{pushed.name}  ", class_="muted")
    return tag("p", name, joined(_coloured(pushed)), class_="text")


def _coloured(pushed: PushedText) -> Iterator[Child]:
    """Cut a text into plain and coloured stretches."""
    reached = 0
    for push in pushed.pushes:
        start = max(push.start, reached)
        if push.end > _MOST_CHARACTERS:
            break
        if start >= push.end or abs(push.weight) < _LEAST_WEIGHT:
            continue
        yield pushed.text[reached:start]
        yield _mark(pushed.text[start : push.end], push)
        reached = push.end
    yield pushed.text[reached:_MOST_CHARACTERS]
    if len(pushed.text) > _MOST_CHARACTERS:
        yield f"… ({len(pushed.text) - _MOST_CHARACTERS:,} characters more)"


def _mark(text: str, push: Push) -> Html:
    kind = "for" if push.weight > 0 else "against"
    return tag("mark", text, class_=kind, style=f"--w:{abs(push.weight):.2f}", title=f"{push.weight:+.2f}")
