"""qa: the answer to a question as a part of a text, or that the text has none.

Long texts are read in windows that overlap; in each, two figures a token say where the answer
begins and ends (Devlin et al. 2019), and its first token stands for "not here".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.compute.device import to_figures
from bertkit.data.records import CharSpan, Entity, Example, ReadingQuestion
from bertkit.data.values import is_number
from bertkit.errors import DataError, UsageError
from bertkit.metrics.intervals import MOST_DRAWN, bootstrap_chunks, normal_means, percentiles
from bertkit.metrics.spans import (
    Score,
    best,
    character_f1,
    klue_exact,
    klue_rouge_w,
    korquad_exact,
    squad_exact,
    squad_f1,
)
from bertkit.plain import quoted
from bertkit.tasks.base import (
    EncodedRow,
    Endings,
    Interval,
    Mistakes,
    Outputs,
    Scores,
    TaskSettings,
    TrainingOptions,
    TrainingRow,
    learn_endings,
)
from bertkit.tasks.encoding import joined_texts, refuse_long
from bertkit.tasks.registry import KEPT_ANSWERS
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.segments import PackedSpans, Span

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder, SpanModel, TaskModel

# --------------------------------------------------------------------------------------------------
# From two figures a token to the likeliest stretches of a text: the windows of a question put together.
#
# A window says of each of its tokens how much it looks like the beginning and the end of the
# answer; its first token stands for "not here". How much likelier a stretch is than that is the same
# measure in every window, so stretches of different windows compete by it.

MOST_TOKENS = 64
"""Tokens of the longest answer."""
KEPT = KEPT_ANSWERS
"""Stretches of a text that are kept."""


@dataclass(frozen=True, slots=True)
class Found:
    """The likeliest stretches of a text as places in it, with their probabilities, falling; `none`: of no answer."""

    places: tuple[CharSpan, ...]
    probabilities: tuple[float, ...]
    none: float

    @property
    def answerable(self) -> float:
        """The probability that the text has an answer."""
        return 1.0 - self.none


def stretches(windows: Iterable[tuple[Sequence[Span], NDArray[np.float64]]]) -> Found:
    """Find the likeliest stretches of a text.

    Args:
        windows: of each the places of its L tokens, those of the text on side 1, and their
            figures, (L, 2).
    """
    best: dict[CharSpan, float] = {}
    for spans, figures in windows:
        for place, gain in _of_window(spans, figures):
            best[place] = max(gain, best.get(place, gain))
    kept = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:KEPT]
    if not kept:
        return Found((), (), 1.0)
    gains = np.array([0.0, *(gain for _, gain in kept)])
    raised = np.exp(gains - gains.max())
    shares = (raised / raised.sum()).tolist()
    return Found(tuple(place for place, _ in kept), tuple(shares[1:]), shares[0])


def _of_window(spans: Sequence[Span], figures: NDArray[np.float64]) -> list[tuple[CharSpan, float]]:
    """Return the best stretches of a window, each with how much likelier than none it is (log odds)."""
    places = np.array([tuple(span) for span in spans], np.int64).reshape(-1, 3)
    tokens = np.flatnonzero((places[:, 0] == 1) & (places[:, 2] > places[:, 1]))
    if not len(tokens):
        return []
    starts, ends = figures[tokens, 0] - figures[0, 0], figures[tokens, 1] - figures[0, 1]
    gains = starts[:, None] + ends[None, :]  # (text tokens, text tokens)
    count = len(tokens)
    allowed = np.triu(np.ones((count, count), bool)) & ~np.triu(np.ones((count, count), bool), MOST_TOKENS)
    flat = np.where(allowed, gains, -np.inf).ravel()
    most = min(KEPT, int(allowed.sum()))
    chosen = np.argpartition(-flat, most - 1)[:most]
    found = []
    for i in chosen.tolist():
        first, last = divmod(i, count)
        start, end = int(places[tokens[first], 1]), int(places[tokens[last], 2])
        if start < end:
            found.append(((start, end), float(flat[i])))
    return found


def tokens_of(place: CharSpan, spans: Sequence[Span]) -> tuple[int, int]:
    """Return the first and last token of a stretch in a window; (0, 0) where it is not whole in it."""
    inside = [i for i, s in enumerate(spans) if s.side == 1 and s.start < place[1] and place[0] < s.end]
    if not inside:
        return 0, 0
    first, last = spans[inside[0]], spans[inside[-1]]
    # A window that begins or ends within the stretch holds only some of it.
    is_whole = first.start <= place[0] and place[1] <= last.end
    return (inside[0], inside[-1]) if is_whole else (0, 0)


# --------------------------------------------------------------------------------------------------
# Answers compared with right ones: figures of all rows, their intervals, and where "no answer" is said.

Array = NDArray[np.float64]


class ReadingScores:
    """The figures of some rows.

    Args:
        given: the answer of each row; empty where there is said to be none.
        rights: the right answers of each row; none where there is none.
        are_korean: whether KorQuAD's and KLUE's figures are wanted.
    """

    def __init__(self, given: Sequence[str], rights: Sequence[Sequence[str]], are_korean: bool) -> None:
        self._given = given
        self._rights = rights
        self._are_korean = are_korean

    @cached_property
    def exact(self) -> Array:
        """Whether each answer is right to the letter, (N): as KorQuAD compares Korean, as SQuAD compares others."""
        return self._each(korquad_exact if self._are_korean else squad_exact)

    @cached_property
    def nearness(self) -> Array:
        """The F1 of each answer, (N): of characters in Korean, of words in other languages."""
        return self._each(character_f1) if self._are_korean else self._f1

    @cached_property
    def _f1(self) -> Array:
        return self._each(squad_f1)

    @cached_property
    def _sums(self) -> dict[str, tuple[Array, Array]]:
        """Of each figure what each row adds to the sum and to what it is divided by."""
        ones = np.ones(len(self._given))
        found = {"f1": (self._f1, ones), "exact_match": (self.exact, ones)}
        if self._are_korean:
            found["char_f1"] = (self.nearness, ones)
            found["klue_exact_match"] = (self._each(klue_exact), ones)
            found["klue_rouge_w"] = (self._each(klue_rouge_w), ones)
        has = np.asarray([bool(answers) for answers in self._rights], np.float64)
        if 0 < has.sum() < len(has):
            says_none = np.asarray([not text for text in self._given], np.float64)
            found["has_answer_f1"] = (self.nearness * has, has)
            found["no_answer_accuracy"] = (says_none * (1.0 - has), 1.0 - has)
        return found

    def metrics(self) -> dict[str, float]:
        """Return the figures; 0.0 for no rows."""
        return {name: float(part.sum() / max(1.0, whole.sum())) for name, (part, whole) in self._sums.items()}

    def intervals(self) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each figure."""
        if len(self._given) > MOST_DRAWN:
            return percentiles(self._of_means(normal_means(self._columns.__getitem__, len(self._given), 0)))
        return bootstrap_chunks(self._drawn, len(self._given))

    def difference(self, other: ReadingScores) -> Mapping[str, Interval]:
        """Return the interval of each figure less another's, rows paired."""

        def score(draws: NDArray[np.intp]) -> dict[str, Array]:
            others = other._drawn(draws)
            return {name: values - others[name] for name, values in self._drawn(draws).items()}

        if len(self._given) > MOST_DRAWN:
            both = np.concatenate([self._columns, other._columns], axis=1)
            means = normal_means(both.__getitem__, len(both), 0)
            mine, others = (self._of_means(own) for own in np.split(means, 2, axis=1))
            return percentiles({name: values - others[name] for name, values in mine.items()})
        return bootstrap_chunks(score, len(self._given))

    @cached_property
    def _columns(self) -> Array:
        """What each row adds to both sums of each figure, (rows, figures times two)."""
        return np.stack([column for both in self._sums.values() for column in both], axis=1)

    def _of_means(self, means: Array) -> dict[str, Array]:
        """Compute the figures of draws from the means of `_columns` in them."""
        return {
            name: np.asarray(means[:, 2 * i] / np.maximum(1.0 / len(self._given), means[:, 2 * i + 1]))
            for i, name in enumerate(self._sums)
        }

    def _drawn(self, draws: NDArray[np.intp]) -> dict[str, Array]:
        return {
            name: np.asarray(part[draws].sum(axis=1) / np.maximum(1.0, whole[draws].sum(axis=1)))
            for name, (part, whole) in self._sums.items()
        }

    def _each(self, score: Score) -> Array:
        pairs = zip(self._given, self._rights, strict=True)
        return np.asarray([best(score, given, rights) for given, rights in pairs], np.float64)


def best_threshold(nearness: Array, has_none: Sequence[bool], outputs: Outputs) -> float:
    """Choose from which probability of an answer on one is given, by the mean score.

    Args:
        nearness: how near each row's answer is to the right one, were all given, (N).
        has_none: whether each row has no answer, (N).
        outputs: what was found in each row.
    """
    found = [output if isinstance(output, Found) else Found((), (), 1.0) for output in outputs]
    likely = np.asarray([output.answerable if output.places else -1.0 for output in found])
    # Whoever is not answered scores where there is no answer; whoever is, where it is near.
    gain = np.asarray(nearness) * (likely >= 0) - np.asarray(has_none, np.float64)
    order = np.argsort(-likely, kind="stable")
    falling, sums = likely[order], np.cumsum(gain[order])
    ends = np.flatnonzero(np.append(falling[:-1] != falling[1:], True) & (falling >= 0))
    if not len(ends) or sums[ends].max() <= 0:
        return 1.0
    last = int(ends[int(np.argmax(sums[ends]))])
    below = max(0.0, float(falling[last + 1])) if last + 1 < len(falling) else 0.0
    return float((falling[last] + below) / 2.0)


# Training rows that show where in their last tokens answers end.
_ROWS_FOR_ENDINGS = 5_000
_HANGUL = re.compile("[가-힣\u1100-\u11ff]")


class QuestionAnsweringTask:
    """Questions about texts.

    Args:
        settings: columns, lengths, and from which probability on there is an answer.
        tokenizer: the encoder's tokenizer.
    """

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        tokenizer.reads_control = False
        # While one is trained no threshold has been chosen, and an epoch is judged by the one that suits it.
        self._is_learning = False

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> QuestionAnsweringTask:
        """Learn where in its last token an answer ends: a Korean one may hold a particle besides.

        Raises:
            DataError: none has.
        """
        if not any(_reading(example).places for example in examples):
            source = examples[0].source if examples else "the training rows"
            raise DataError(f"{source}: no question has an answer; qa needs some to learn from.")
        endings = cls(settings, tokenizer)._endings(itertools.islice(examples, _ROWS_FOR_ENDINGS))
        task = cls(replace(settings, endings=endings), tokenizer)
        task._is_learning = True
        return task

    def _endings(self, examples: Iterable[Example]) -> Endings:
        """Learn it from rows that are read whole."""
        kept = [example for example in examples if _reading(example).places]
        found = []
        for example, row in zip(kept, self._encoded(kept), strict=True):
            if len(row.parts) == 1:
                spans = [span for span in row.parts[0].spans if span.side == 1]
                places = _reading(example).places or ()
                found += [(example.texts[1], [Entity(start, end, "")], spans) for start, end in places]
        return learn_endings(found)

    def build_model(self, encoder: Encoder, *, dropout: float) -> SpanModel:
        """Put two figures a token on an encoder."""
        from bertkit.models.heads import SpanModel

        return SpanModel(encoder, dropout=dropout)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode question and text; the spans of the encodings are places in the user's own texts.

        A token ends where an answer would that ends with it.

        Raises:
            DataError: a row is too long and --on-long is error.
        """
        rows, endings = self._encoded(examples), self.settings.endings
        if not endings:
            return rows
        return [replace(row, parts=_cut(row.parts, e.texts, endings)) for e, row in zip(examples, rows, strict=True)]

    encode_scored = encode

    def _encoded(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode question and text, every token whole."""
        questions, contexts = ([e.texts[side] for e in examples] for side in (0, 1))
        questions = joined_texts(((text,) for text in questions), self.settings, self.tokenizer)
        limit = self.settings.max_length
        windows = self.tokenizer.encode_windows(questions, contexts, max_length=limit, with_spans=True)
        rows = []
        for (n_tokens, parts), example in zip(windows, examples, strict=True):
            is_cut = self.settings.on_long != "window" and len(parts) > 1
            if is_cut and self.settings.on_long == "error":
                refuse_long([replace(parts[0], n_tokens=n_tokens)], [example], limit)
            kept = parts[:1] if is_cut else parts
            packed = tuple(replace(part, spans=PackedSpans(part.spans)) for part in kept)
            rows.append(EncodedRow(packed, n_tokens, truncated=is_cut))
        return rows

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode questions with the tokens of their answers; every window is a row of its own."""
        rows = []
        for example, row in zip(examples, self._encoded(examples), strict=True):
            places, at = _reading(example).places or (), f"{example.source}:{example.line}"
            for part in row.parts:
                spans = tuple(part.spans)
                found = (tokens_of(place, spans) for place in places)
                target = next((tokens for tokens in found if tokens != (0, 0)), (0, 0))
                rows.append(TrainingRow(EncodedRow.whole(replace(part, spans=())), None, target, at))
        return rows

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate rows; targets are the first and last tokens of answers, (B, 2)."""
        import torch

        batch = self.batch([row.encoded.parts[0] for row in rows])
        return replace(batch, targets=torch.tensor([row.target for row in rows]))

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate parts; the first token and those of the question attend to all."""
        separator = self.tokenizer.special.sep
        number = None if separator is None else self.tokenizer.id_of(separator, "separator")
        asked = [range(1 + next((i for i, t in enumerate(part.ids) if t == number), 0)) for part in parts]
        return collate(parts, pad_id=self.tokenizer.pad_id, global_positions=[tuple(places) for places in asked])

    def losses(self, logits: Tensor, batch: Batch, options: TrainingOptions) -> Tensor:
        """Mean cross entropy of where the answer begins and ends, over the tokens of each row, (B)."""
        from torch.nn import functional

        if batch.targets is None:
            raise ValueError("a training batch has no targets")
        figures_of = logits.float()  # (B, L, 2)
        if batch.attention_mask is not None:
            figures_of = figures_of.masked_fill(batch.attention_mask.unsqueeze(-1) == 0, -1e4)
        losses = functional.cross_entropy(figures_of, batch.targets.long(), reduction="none")  # (B, 2)
        return losses.mean(dim=1)

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return the figures of every token, (L, 2) for each part."""
        given = to_figures(logits)
        if batch.attention_mask is None:
            return list(given)
        lengths = batch.attention_mask.sum(-1).tolist()
        return [row[:length] for row, length in zip(given, lengths, strict=True)]

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Found:
        """Put the windows of a row together."""
        return stretches(((part.spans, given) for part, given in zip(row.parts, parts, strict=True)))

    def answer(self, example: Example, output: Found) -> str:
        """Return the answer that is given; empty where there is said to be none."""
        return example.texts[1][slice(*output.places[0])] if self.gives(output) else ""

    def gives(self, output: Found) -> bool:
        """Tell whether an answer is given: one was found, and it is likely enough that there is one."""
        least = self.settings.thresholds[0] if self.settings.thresholds else 0.0
        return bool(output.places) and output.answerable >= least

    def record(self, example: Example, output: Found, top_k: int) -> dict[str, Any]:
        """Return the answer with its exact place in the user's text, or that there is none."""
        text = example.texts[1]
        best = [
            {"answer": text[start:end], "start": start, "end": end, "score": round(p, 6)}
            for (start, end), p in zip(output.places, output.probabilities, strict=True)
        ]
        none = {"answer": None, "start": None, "end": None, "score": round(output.none, 6)}
        key = example.key if isinstance(example, ReadingQuestion) else ""
        found = {**({"id": key} if key else {}), **(best[0] if self.gives(output) else none)}
        return {**found, "top": best[:top_k]} if top_k else found

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record."""
        parts = ("answer", "start", "end", "score")
        return ["id", *parts, *(f"top{i}_{part}" for i in range(1, top_k + 1) for part in parts)]

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return exact match and F1, of Korean also KorQuAD's and KLUE's own figures."""
        if self._is_learning:
            judged = QuestionAnsweringTask(self.settings, self.tokenizer)
            judged.tune(examples, outputs)
            return judged.score(examples, outputs)
        scored = self._scored(examples, outputs)
        return Scores(scored.metrics(), warnings=tuple(self._doubts(examples, outputs)))

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each metric, over questions."""
        return self._scored(examples, outputs).intervals()

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> Mapping[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        return self._scored(examples, outputs).difference(self._scored(examples, others))

    def settle(self, model: TaskModel) -> None:
        """Nothing to settle: only differences between tokens matter."""

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> Mistakes:
        """Return (row, its figures) for answers that are not exactly right, the furthest off first."""
        scored = self._scored(examples, outputs)
        wrong = [i for i in range(len(examples)) if not scored.exact[i]]
        wrong.sort(key=lambda i: (scored.nearness[i], -max(outputs[i].probabilities, default=0.0)))

        def shown(i: int) -> dict[str, Any]:
            record = self.record(examples[i], outputs[i], 0)
            return {
                "predicted": record["answer"],
                "score": record["score"],
                "start": record["start"],
                "end": record["end"],
                "f1": round(scored.nearness[i], 6),
            }

        return Mistakes(wrong, shown)

    def tune(self, examples: Sequence[Example], outputs: Outputs) -> str:
        """Choose from which probability on there is an answer, where some rows have none."""
        self._is_learning = False
        unanswerable = sum(not _reading(example).places for example in examples)
        if not unanswerable:
            return ""
        every = replace(self.settings, thresholds=())
        scored = QuestionAnsweringTask(every, self.tokenizer)._scored(examples, outputs)
        threshold = best_threshold(scored.nearness, [not e.answers for e in map(_reading, examples)], outputs)
        self._take(threshold)
        return (
            f"an answer is given where its text has one with a probability of at least {threshold:.4f}, chosen by F1 "
            f"on the {len(examples):,} validation rows, {unanswerable:,} of which have none (predict and eval "
            "--threshold override it)"
        )

    def override(self, word: str) -> None:
        """Take a threshold that somebody names (--threshold).

        Raises:
            UsageError: it is not a number from 0 to 1.
        """
        if not is_number(word.strip()) or not 0.0 <= float(word) <= 1.0:
            raise UsageError(f"--threshold {quoted(word)}: for qa it is a number from 0 to 1.")
        self._take(float(word))

    def sureness(self, outputs: Outputs) -> NDArray[np.float64]:
        """Return the probability of what is said of each row: of its answer, or that there is none, (N)."""
        return np.asarray([o.probabilities[0] if self.gives(o) else o.none for o in outputs], np.float64)

    def _take(self, threshold: float) -> None:
        self.settings = replace(self.settings, thresholds=(threshold,))

    def _scored(self, examples: Sequence[Example], outputs: Outputs) -> ReadingScores:
        given = [
            output.text if isinstance(output, Said) else self.answer(example, output)
            for example, output in zip(examples, outputs, strict=True)
        ]
        return ReadingScores(given, [_reading(example).answers for example in examples], are_korean(examples))

    def _doubts(self, examples: Sequence[Example], outputs: Outputs) -> Iterable[str]:
        found = [output for output in outputs if isinstance(output, Found)]
        if len(found) > 1 and not any(self.gives(output) for output in found):
            answered = sum(bool(_reading(example).places) for example in examples)
            if answered:
                yield "the model says of every row that there is no answer: it has learned nothing; try more epochs"


class Said:
    """An answer of whoever has no probabilities: its text, empty for none."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def are_korean(examples: Sequence[Example]) -> bool:
    """Tell whether questions are in Korean: most of some of them have Hangul."""
    some = examples[:200]
    return 2 * sum(bool(_HANGUL.search(example.texts[0])) for example in some) > len(some)


def _reading(example: Example) -> ReadingQuestion:
    if not isinstance(example, ReadingQuestion):
        raise DataError.at(example.source, example.line, "the row is not a question about a text.")
    return example


def _cut(parts: Sequence[Encoding], texts: Sequence[str], endings: Endings) -> tuple[Encoding, ...]:
    """Let the tokens of the text end where an answer would; those of the question stay."""
    text = texts[1]
    return tuple(
        replace(
            part,
            spans=PackedSpans(
                Span(side, start, end - endings.behind(text[start:end]) if side == 1 else end)
                for side, start, end in part.spans
            ),
        )
        for part in parts
    )
