"""The worst mistakes, and how leaving out each word changes the prediction."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from bertkit.bundle import Bundle
from bertkit.data.records import Entity, Example, LabelSet, Question, ReadingQuestion, TaggedText
from bertkit.engines.opening import in_float32
from bertkit.errors import BertkitError
from bertkit.evaluation.answers import forward
from bertkit.evaluation.blend import PLACEMENT, is_linear, open_ensemble
from bertkit.evaluation.run import Scored
from bertkit.reporting.page import Child, Html, definitions, joined, tag
from bertkit.tasks.base import Outputs
from bertkit.tasks.tagging import ScoredEntity, TaggingTask

# --- The words of a row's texts, and the texts written without some of them -----------------------

# White space parts words. Ideographs and kana are written without it: each is a word, as BERT cuts them.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


class Stretch(NamedTuple):
    """A word, or neighbouring words: characters `start` to `end` of the row's text number `text`."""

    text: int
    start: int
    end: int


def find_words(text: str) -> list[tuple[int, int]]:
    """Return the places of words; the punctuation before and after one is a word of its own."""
    return [place for piece in _PIECE.finditer(text) for place in _parted(text, *piece.span())]


def find_stretches(texts: Sequence[str], *, of: Iterable[int], characters: int, most: int) -> list[Stretch]:
    """Part texts into words, or into stretches of as many words as it takes.

    A text of one word keeps it: what is left would be no text.

    Args:
        texts: of a row.
        of: numbers of the texts that are parted.
        characters: how much of each text is parted, from its beginning.
        most: about how many stretches come out at most.
    """
    words = {i: [place for place in find_words(texts[i]) if place[1] <= characters] for i in of}
    size = max(1, -(-sum(map(len, words.values())) // most))
    found = []
    for i, places in words.items():
        cut = [places[at : at + size] for at in range(0, len(places), size)]
        if len(cut) > 1:
            found += [Stretch(i, together[0][0], together[-1][1]) for together in cut]
    return found


def without(texts: Sequence[str], stretches: Iterable[Stretch]) -> tuple[str, ...]:
    """Write texts without stretches, and with one gap where there were two."""
    shorter = list(texts)
    for i, start, end in _cuts(texts, stretches):
        shorter[i] = shorter[i][:start] + shorter[i][end:]
    return tuple(shorter)


def moved(place: int, texts: Sequence[str], stretches: Iterable[Stretch], *, text: int = 0) -> int | None:
    """Return where a character of a text stands in what `without` makes of it; None where it is left out."""
    for i, start, end in _cuts(texts, stretches):
        if i == text and start <= place < end:
            return None
        if i == text and end <= place:
            place -= end - start
    return place


def _cuts(texts: Sequence[str], stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Iterate what is cut away, gaps included: the last stretch first, each out of what the others left."""
    left = list(texts)
    for i, start, end in sorted(stretches, reverse=True):
        head, tail = left[i][:start], left[i][end:]
        if not tail.strip():
            head, tail = head.rstrip(), ""
        elif not head or head[-1].isspace():
            tail = tail.lstrip()
        yield Stretch(i, len(head), len(left[i]) - len(tail))
        left[i] = head + tail


def _parted(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Part punctuation off both ends of a piece."""
    first, last = start, end
    while first < end and _is_punctuation(text[first]):
        first += 1
    while last > first and _is_punctuation(text[last - 1]):
        last -= 1
    for place in ((start, first), (first, last), (last, end)):
        if place[0] < place[1]:
            yield place


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


# --- What the words of a row do to a wrong answer: each is left out, and the row is answered again
#
# That is occlusion (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional
# Networks"; of texts Li, Monroe and Jurafsky 2016, "Understanding Neural Networks through
# Representation Erasure"). The text is written without the word and goes the way of every
# text, so that what follows from a word goes with it: segment ids, the places of other words,
# windows, the answers of a blended run's other member.
#
# Slopes at the embeddings do not see all of that. Mean correlation, over wrong rows, of summed
# figures with what leaving out one, two and three neighbouring words does to the score (MRPC
# with the default recipe of scratch; MRPC with MiniLM, blended): gradient × input -0.51 and
# -0.34, integrated gradients (Sundararajan, Taly and Yan 2017; segments included) 0.63 and
# -0.05, leaving words out 0.88 and 0.88.

# Tokens that are read for one row. A row of which that is too little to leave out every
# word has its words left out several at a time, but not in fewer than the stretches below.
_MOST_TOKENS, _FEWEST_STRETCHES = 16_384, 8
# Of the strongest word of a row: words that are a claim of their own, and are tried together.
_STRONG = 0.5
# Cosine of what strong words and their neighbours do together and the sum of what they do alone:
# below this nothing is coloured.
_AGREEMENT = 0.7
# Smallest change that is one, as a share of the figure: less is rounding.
_LEAST_CHANGE = 1e-5

WORDLESS = "Not coloured: no text of the row has two words, of which one could be left out."
ALONE = "Not coloured: leaving out a single word changes nothing here."
TOGETHER = "Not coloured: what its strongest words do alone is not what they do together with others."
UNREADABLE = "Not coloured: without some of its words the row cannot be read."


@dataclass(frozen=True, slots=True)
class Push:
    """What a word does, or neighbouring words that were left out together.

    `change` is what happens to the figure of the answer without them. `weight` is 1 for the
    strongest of the row where that makes the mistake smaller, and -1 where it makes it larger.
    """

    start: int
    end: int
    weight: float
    change: float


@dataclass(frozen=True)
class PushedText:
    """One text with what its words do; `name` says which text it is."""

    name: str
    text: str
    pushes: tuple[Push, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The texts of a row with what their words do, and what is to be said of that."""

    texts: tuple[PushedText, ...]
    note: str = ""


class _Changes(NamedTuple):
    """How the figure of an answer changes without stretches, (V); `towards` is the mistake's side of it, 1 or -1."""

    figure: float
    changes: NDArray[np.float64]
    towards: float = 1.0


_LeftOut = Sequence[tuple[Stretch, ...]]
"""What is left out of a row in each of V shorter ones."""
_Asks = Callable[[_LeftOut], _Changes]


def can_attribute(task: str) -> bool:
    """Tell whether there is a figure that leaving out a word changes, for rows of a task."""
    return task in _CHANGES


class Explainer:
    """Explains answers of a run.

    Args:
        run: its model is where it is to compute. Precision is float32, for what rounding
            does to an answer is not the doing of a word.

    Raises:
        RunError: the other member of the ensemble is missing or damaged.
    """

    def __init__(self, run: Bundle) -> None:
        self.run, self.placement = (run, PLACEMENT) if is_linear(run.manifest) else in_float32(run)
        self._ensemble = open_ensemble(run)

    def explain(self, example: Example, output: Any, *, characters: int) -> Explanation:
        """Leave out each word of a row.

        Args:
            example: the row.
            output: what the task made of it, the answer to be explained.
            characters: how much of each text is looked at, from its beginning.
        """
        shown = _shown(example, output, self.run.task.settings.columns.inputs)
        try:
            stretches = self._stretches(example, shown, characters)
            ask = partial(_CHANGES[self.run.task.settings.task], self, example, output)
            found = ask([(stretch,) for stretch in stretches])
            note = _doubts(example, stretches, found, ask)
        except BertkitError:
            note = UNREADABLE
        if note:
            return Explanation(tuple(PushedText(name, example.all_texts[i]) for i, name in shown.items()), note)
        return _explanation(example, shown, stretches, found)

    def answers(self, examples: Sequence[Example]) -> Outputs:
        """Answer rows as `bertkit predict` does."""
        run = self.run
        own = forward(run.model, run.task, run.task.encode(examples), self.placement)
        if self._ensemble is None:
            return own
        return self._ensemble.blend.mix(own, self._ensemble.member.answers(examples, {}))

    def _stretches(self, example: Example, shown: Mapping[int, str], characters: int) -> list[Stretch]:
        (row,) = self.run.task.encode([example])
        tokens = sum(len(part.ids) for part in row.parts) or row.n_tokens  # without an encoder there are no parts
        most = max(_FEWEST_STRETCHES, _MOST_TOKENS // max(1, tokens))
        return find_stretches(example.all_texts, of=shown, characters=characters, most=most)


def _doubts(example: Example, stretches: Sequence[Stretch], found: _Changes, ask: _Asks) -> str:
    """Say why changes are not to be shown; nothing where they are.

    Colours side by side are read as a sum. What is claimed of strong words is tried on each
    together with its neighbours, and on all at once that push the same way.
    """
    if not stretches:
        return WORDLESS
    sizes = np.abs(found.changes)
    if sizes.max() <= _LEAST_CHANGE * abs(found.figure):
        return ALONE
    strong = np.flatnonzero(sizes >= _STRONG * sizes.max()).tolist()
    beside = [[j for j in (i - 1, i, i + 1) if _same_text(stretches, i, j)] for i in strong]
    sides = [[i for i in strong if side * found.changes[i] > 0] for side in (1, -1)]
    groups = [group for group in (*beside, *sides) if group and _leaves_words(example, [stretches[i] for i in group])]
    joint = ask([tuple(stretches[i] for i in group) for group in groups]).changes
    summed = np.array([found.changes[group].sum() for group in groups])
    near = np.array([group in beside for group in groups], bool)
    agreeing = np.linalg.norm(summed[near]) * np.linalg.norm(joint[near]) * _AGREEMENT <= summed[near] @ joint[near]
    return "" if agreeing and (summed * joint > 0)[~near].all() else TOGETHER


def _same_text(stretches: Sequence[Stretch], i: int, j: int) -> bool:
    return 0 <= j < len(stretches) and stretches[j].text == stretches[i].text


def _leaves_words(example: Example, left_out: Sequence[Stretch]) -> bool:
    """Tell whether each text keeps a word."""
    texts = without(example.all_texts, left_out)
    return all(texts[i].strip() for i, _, _ in left_out)


def _shown(example: Example, output: Any, columns: Sequence[str]) -> dict[int, str]:
    """Name the texts of a row that are looked at, by their number: of choices the one taken and the right one."""
    names = dict(enumerate(columns))
    if isinstance(example, Question):
        given, right = int(np.argmax(output)), example.names.index(example.label or "")
        names[len(example.texts) + given] = f"{example.names[given]} (taken)"
        names[len(example.texts) + right] = f"{example.names[right]} (gold)"
    return names


def _explanation(
    example: Example, shown: Mapping[int, str], stretches: Sequence[Stretch], found: _Changes
) -> Explanation:
    weights = -found.towards * found.changes / np.abs(found.changes).max()
    pushes: dict[int, list[Push]] = {i: [] for i in shown}
    for (text, start, end), weight, change in zip(stretches, weights.tolist(), found.changes.tolist(), strict=True):
        pushes[text].append(Push(start, end, weight, change))
    texts = (PushedText(name, example.all_texts[i], tuple(pushes[i])) for i, name in shown.items())
    return Explanation(tuple(texts))


def _rewritten(example: Example, left_out: _LeftOut) -> list[Example]:
    """Return the row, and then what is left of it without each of some stretches."""
    rows, n = [example], len(example.texts)
    for stretches in left_out:
        texts = without(example.all_texts, stretches)
        row = replace(example, texts=texts[:n])
        rows.append(replace(row, choices=texts[n:]) if isinstance(row, Question) else row)
    return rows


def _of_score(explainer: Explainer, example: Example, output: Any, left_out: _LeftOut) -> _Changes:
    """Follow the score of the answer that was given."""
    scores = np.asarray(explainer.answers(_rewritten(example, left_out)))[:, int(np.argmax(output))]
    return _Changes(float(scores[0]), scores[1:] - scores[0])


def _of_number(explainer: Explainer, example: Example, output: Any, left_out: _LeftOut) -> _Changes:
    """Follow a number; above the right one is the mistake's side of one that is too large."""
    numbers = np.asarray(explainer.answers(_rewritten(example, left_out)))[:, 0]
    towards = 1.0 if float(output[0]) > float(example.label or 0.0) else -1.0
    return _Changes(float(numbers[0]), numbers[1:] - numbers[0], towards)


def _of_tags(explainer: Explainer, example: Example, output: Any, left_out: _LeftOut) -> _Changes:
    """Follow the probability of the types (or of none) that were wrongly given to units, summed over these.

    A unit that is left out itself, or that is not a unit of the shorter text, is in neither sum.
    """
    settings, texts = explainer.run.task.settings, example.all_texts
    task = _Units(settings, explainer.run.task.tokenizer)
    rows = task.encode(_rewritten(example, left_out))
    own, *others = forward(explainer.run.model, task, rows, explainer.placement)  # {place: (C)}
    entities = cast(TaggedText, example).entities or ()
    wrong: dict[int, tuple[int, float]] = {}  # by where the unit begins: the entity type given, and its probability
    for place, tags in own.items():
        given = _type_at(place, output.entities, settings.labels)
        if given != _type_at(place, entities, settings.labels):
            wrong[place[0]] = given, _probability(tags, given)
    changes = np.zeros(len(left_out))
    for i, (stretches, found) in enumerate(zip(left_out, others, strict=True)):
        tags_at = {start: tags for (start, _), tags in found.items()}
        for start, (given, probability) in wrong.items():
            now = moved(start, texts, stretches)
            if now in tags_at:
                changes[i] += _probability(tags_at[now], given) - probability
    return _Changes(sum(probability for _, probability in wrong.values()), changes)


class _Units(TaggingTask):
    """Tagging whose answer to a row is what it thinks of each unit."""

    row_output = TaggingTask.unit_probabilities  # type: ignore[assignment]


def _type_at(place: tuple[int, int], entities: Sequence[Entity | ScoredEntity], labels: Sequence[str]) -> int:
    """Return the number of the entity type at a place: 0 for none, -1 for one that training never saw."""
    for entity in entities:
        if entity.start < place[1] and place[0] < entity.end:
            return labels.index(entity.label) + 1 if entity.label in labels else -1
    return 0


def _probability(tags: NDArray[np.float64], type_: int) -> float:
    """Sum the probabilities of a type's B- and I-, which change places where a neighbour goes."""
    return float(tags[2 * type_ - 1] + tags[2 * type_]) if type_ else float(tags[0])


_CHANGES: Mapping[str, Callable[[Explainer, Example, Any, _LeftOut], _Changes]] = {
    "classify": _of_score,
    "regression": _of_number,
    "choice": _of_score,
    "ner": _of_tags,
}


# --- The worst mistakes on a page: what was said, what is right, and what the words did -----------

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
