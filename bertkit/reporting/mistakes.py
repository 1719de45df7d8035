"""The worst mistakes on a page: what was said, what is right, and what the words did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bertkit.data.records import Example, LabelSet, ReadingQuestion
from bertkit.evaluation.run import Scored
from bertkit.reporting.attribution import Explainer, Explanation, Push, PushedText, can_attribute
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
    explainer = None
    if can_attribute(task):
        explainer = Explainer(scored.run)
        yield _legend(task)
    for row, figures in mistakes[:MOST]:
        yield _mistake(scored, row, figures, explainer)


# What leaving a word out does where it is orange, and where it is blue.
_EFFECTS = {
    "regression": ("moves the number towards the gold one", "moves it away"),
    "ner": ("makes the wrong tags of the row's other words less probable", "makes them more probable"),
}
_EFFECTS_ON_ANSWERS = "lowers the score of the predicted label", "raises it"


def _legend(task: str) -> Html:
    orange, blue = _EFFECTS.get(task, _EFFECTS_ON_ANSWERS)
    return tag(
        "p",
        tag("mark", "orange, underlined", class_="for", style="--w:.7"),
        f": leaving the word out {orange}; ",
        tag("mark", "blue", class_="against", style="--w:.7"),
        f": {blue}. Every word was left out in turn, several at a time in long texts, and the row answered again "
        "(occlusion). Full colour is the row's largest change; point at a word for its own.",
        class_="muted",
    )


def _mistake(scored: Scored, row: int, figures: Mapping[str, Any], explainer: Explainer | None) -> Html:
    example = scored.examples[row]
    if explainer is not None:
        found = explainer.explain(example, scored.outputs[row], characters=_MOST_CHARACTERS)
    else:
        names = scored.run.task.settings.columns.inputs
        found = Explanation(tuple(PushedText(*text) for text in zip(names, example.texts, strict=False)))
    note = tag("p", found.note, class_="muted") if found.note else None
    place = tag("p", f"{example.source}:{example.line}", class_="place")
    return tag("article", definitions(_facts(example, figures)), *map(_text, found.texts), note, place)


def _facts(example: Example, figures: Mapping[str, Any]) -> Iterator[tuple[str, Child]]:
    """Say in a few words what is gold and what was predicted."""
    probabilities = figures.get("probabilities", {})
    if example.label is not None:
        likely = probabilities.get(example.label)
        yield "gold", example.label if likely is None else f"{example.label} ({likely:.3f})"
    if isinstance(example, LabelSet):
        yield "gold", ", ".join(example.labels or ()) or "no label"
        yield "predicted", ", ".join(figures["predicted"]) or "no label"
        for name in ("lacking", "extra"):
            if figures[name]:
                yield name, ", ".join(f"{label} ({probabilities.get(label, 0.0):.3f})" for label in figures[name])
        return
    if isinstance(example, ReadingQuestion):
        yield "gold", " / ".join(example.answers) or "no answer"
        yield "predicted", f"{figures['predicted'] or 'no answer'} ({figures['score']:.3f})"
        return
    if "predicted" in figures:
        predicted = figures["predicted"]
        shown = f"{predicted:.4g}" if isinstance(predicted, float) else str(predicted)
        yield "predicted", f"{shown} ({figures['score']:.3f})" if "score" in figures else shown
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


def _text(pushed: PushedText) -> Html:
    name = tag("span", f"{pushed.name}  ", class_="muted")
    return tag("p", name, joined(_coloured(pushed)), class_="text")


def _coloured(pushed: PushedText) -> Iterator[Child]:
    """Cut a text into plain and coloured stretches."""
    reached = 0
    for push in pushed.pushes:
        start = max(push.start, reached)
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
    return tag("mark", text, class_=kind, style=f"--w:{abs(push.weight):.2f}", title=f"{push.change:+.3g} without it")
