"""Which tokens pushed a model to a wrong answer: gradient × input on the word embeddings.

The figure of a token is the dot product of its embedding with the gradient, at that
embedding, of how much more the model says its own answer than the right one (Shrikumar et
al. 2016, "Not Just a Black Box"; Denil et al. 2014 for texts). It is a first-order guess at
what would change without the token: positive figures pushed towards the mistake, negative
ones away from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from bertkit.bundle import Bundle
from bertkit.data.records import Example, Question
from bertkit.errors import DataError
from bertkit.tasks.base import Task, TrainingOptions
from bertkit.tasks.encoding import encode_rows, joined_texts
from bertkit.tokenization.base import Encoding
from bertkit.tokenization.segments import Span
from bertkit.tokenization.spans import whole_characters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from bertkit.models.heads import TaskModel

Scalar = Callable[["Tensor"], "Tensor"]
"""From the logits of a row's parts to the one number whose gradient is taken."""


@dataclass(frozen=True, slots=True)
class Push:
    """What a stretch of a text did: `weight` is 1 for the strongest push of the row, and negative against it."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class PushedText:
    """One text as the model read it, with its tokens' pushes; `name` says which text it is."""

    name: str
    text: str
    pushes: tuple[Push, ...]


@dataclass(frozen=True)
class _Part:
    """An encoding with the places of its tokens in the texts it was made of."""

    encoding: Encoding
    spans: Sequence[Span]
    texts: tuple[str, ...]
    names: tuple[str, ...]


def can_attribute(task: str) -> bool:
    """Tell whether there is one number to take the gradient of, for rows of a task."""
    return task in _READERS


def attribute(run: Bundle, example: Example, output: Any) -> tuple[PushedText, ...]:
    """Return the texts of a row with the pushes of their tokens; nothing where there is nothing to tell.

    Of a long row that is read in windows the first one is looked at.

    Args:
        run: the model; its parameters' gradients are left alone.
        example: the row.
        output: what the task made of it.
    """
    task = run.task
    found = _READERS[task.settings.task](task, example, output)
    if found is None:
        return ()
    parts, scalar = found
    figures = _gradient_times_input(run.model, task, [part.encoding for part in parts], scalar)
    texts = [text for part, row in zip(parts, figures, strict=True) for text in _pushed(part, row)]
    strongest = max((abs(push.weight) for text in texts for push in text.pushes), default=0.0)
    return tuple(_scaled(text, strongest) for text in texts) if strongest else ()


def _gradient_times_input(
    model: TaskModel, task: Task, encodings: Sequence[Encoding], scalar: Scalar
) -> list[list[float]]:
    """Compute the figure of every token of every encoding."""
    import torch

    device = str(next(model.parameters()).device)
    batch = task.batch(encodings).to(device)
    with torch.enable_grad(), _embeddings(model) as captured:
        value = scalar(model(**batch.inputs))
        (gradient,) = torch.autograd.grad(value, captured)  # (B, L, E)
    products = (gradient * captured[0]).sum(dim=-1).detach().float().cpu()  # (B, L)
    return [row[: len(e.ids)].tolist() for row, e in zip(products, encodings, strict=True)]


@contextmanager
def _embeddings(model: TaskModel) -> Iterator[list[Tensor]]:
    """Catch the word embeddings of the next forward pass, as the leaf of its graph."""
    from torch import nn

    table = model.encoder.embeddings_weight
    module = next(m for m in model.modules() if isinstance(m, nn.Embedding) and m.weight is table)
    captured: list[Tensor] = []

    def catch(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        captured.append(output.detach().requires_grad_())
        return captured[-1]

    handle = module.register_forward_hook(catch)
    try:
        yield captured
    finally:
        handle.remove()


def _of_sequence(task: Task, example: Example, output: Any) -> tuple[list[_Part], Scalar] | None:
    """Read a text or a pair: the answer's logit less the right one's, or the error of a number."""
    settings = task.settings
    cut = len(settings.columns.text)
    first, *second = (
        joined_texts([texts], settings, task.tokenizer)[0]
        for texts in (example.texts[:cut], example.texts[cut:])
        if texts
    )
    seconds = second or None
    spanned = encode_rows(task.tokenizer, [first], seconds, [example], settings, with_spans=True)[0].parts[0]
    encoding = task.encode([example])[0].parts[0]
    names = (" + ".join(settings.columns.text), *((settings.columns.pair or "pair",) if second else ()))
    part = _Part(encoding, spanned.spans, (first, *second), names)
    if settings.task == "regression":
        sign = 1.0 if float(output[0]) > float(example.label or 0.0) else -1.0
        return [part], lambda logits: sign * logits[0, 0]
    given = int(output.argmax())
    gold = settings.labels.index(example.label) if example.label in settings.labels else None
    if gold is None:
        return [part], lambda logits: logits[0, given]
    return [part], lambda logits: logits[0, given] - logits[0, gold]


def _of_question(task: Task, example: Example, output: Any) -> tuple[list[_Part], Scalar] | None:
    """Read a question with the choice taken and with the right one: the difference of their figures."""
    question = cast(Question, example)
    stem, *choices = joined_texts(
        [question.texts, *((choice,) for choice in question.choices)], task.settings, task.tokenizer
    )
    given, gold = int(output.argmax()), question.names.index(question.label or "")
    if given == gold:
        return None
    parts = []
    for place, name in ((given, "taken"), (gold, "right")):
        encodings = task.tokenizer.encode(
            [stem], [choices[place]], max_length=task.settings.max_length, with_spans=True, keep_pairs=True
        )
        names = (f"question, with {question.names[place]}", f"{question.names[place]} ({name})")
        parts.append(_Part(encodings[0], encodings[0].spans, (stem, choices[place]), names))
    return parts, lambda figures: figures[0, 0] - figures[1, 0]


def _of_tags(task: Task, example: Example, output: Any) -> tuple[list[_Part], Scalar] | None:
    """Read a tagged text: over the units with a wrong tag, its logit less the right one's."""
    try:
        target = task.training_rows([example], TrainingOptions())[0].target
    except DataError:  # an entity of a kind that training never saw
        return None
    spanned = encode_rows(task.tokenizer, [example.texts[0]], None, [example], task.settings, with_spans=True)
    encoding = spanned[0].parts[0]
    part = _Part(encoding, encoding.spans, example.texts, task.settings.columns.text)

    def surplus(logits: Tensor) -> Tensor:
        gold = logits.new_tensor(target).long()  # (L)
        tagged = logits[0][gold >= 0]  # (U, C)
        return (tagged.max(dim=1).values - tagged.gather(1, gold[gold >= 0][:, None])[:, 0]).sum()

    return [part], surplus


_READERS: Mapping[str, Callable[[Task, Example, Any], tuple[list[_Part], Scalar] | None]] = {
    "classify": _of_sequence,
    "regression": _of_sequence,
    "choice": _of_question,
    "ner": _of_tags,
}


def _pushed(part: _Part, figures: Sequence[float]) -> list[PushedText]:
    """Part the figures of an encoding by the texts its tokens stand in; special tokens have no place."""
    places = whole_characters(part.spans, part.texts)
    found = []
    for side, (name, text) in enumerate(zip(part.names, part.texts, strict=True)):
        pushes = [
            Push(span.start, span.end, figure)
            for span, figure in zip(places, figures, strict=False)
            if span.side == side and span.end > span.start
        ]
        found.append(PushedText(name, text, tuple(pushes)))
    return found


def _scaled(pushed: PushedText, strongest: float) -> PushedText:
    scaled = (replace(push, weight=push.weight / strongest) for push in pushed.pushes)
    return replace(pushed, pushes=tuple(scaled))
