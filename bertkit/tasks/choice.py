"""choice: the right one of a question's choices, all of them ranked.

Every choice is read together with the question; one figure comes out for each, and the
choices of a question compete through a softmax. Any number of choices will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.compute.device import to_figures as in_full
from bertkit.data.records import Example, Question
from bertkit.errors import DataError
from bertkit.metrics.multilabel import ranking_difference, ranking_intervals, ranking_metrics
from bertkit.metrics.probabilities import calibration_error, calibration_interval, class_temperature, tempered
from bertkit.plain import listed, quoted
from bertkit.tasks.base import EncodedRow, Interval, Outputs, Scores, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.encoding import joined_texts, mask_tokens, refuse_long, with_sides
from bertkit.tokenization.base import Encoding, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import ChoiceModel, Encoder, TaskModel


class ChoiceTask:
    """Multiple choice.

    Args:
        settings: columns and how rows are encoded.
        tokenizer: the encoder's tokenizer.
    """

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        tokenizer.reads_control = True  # the separator is put between a context and its question

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> ChoiceTask:
        """Nothing is learnt from the rows: choices have no fixed names.

        Raises:
            DataError: long rows are to be read in windows.
        """
        _refuse_windows(settings)
        return cls(settings, tokenizer)

    def build_model(self, encoder: Encoder, *, dropout: float) -> ChoiceModel:
        """Put pooling and a linear layer with one output on an encoder."""
        from bertkit.models.heads import ChoiceModel

        return ChoiceModel(encoder, pooling=self.settings.pooling, dropout=dropout)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode each question with each of its choices.

        A long question loses its beginning, for what is asked stands at its end, and the
        choices are kept as long as they are the shorter part.

        Raises:
            DataError: a row is too long and --on-long is error, or it is window.
        """
        _refuse_windows(self.settings)
        questions = [_question(e) for e in examples]
        stems = joined_texts((q.texts for q in questions), self.settings, self.tokenizer)
        firsts = [stem for stem, q in zip(stems, questions, strict=True) for _ in q.choices]
        seconds = joined_texts(((choice,) for q in questions for choice in q.choices), self.settings, self.tokenizer)
        limit, sided = self.settings.max_length, self.settings.compares_sides
        parts = self.tokenizer.encode(firsts, seconds, max_length=limit, with_spans=sided, keep_pairs=True)
        parts = [with_sides(part) for part in parts] if sided else parts
        if self.settings.on_long == "error":
            rows_of_parts = [q for q in questions for _ in q.choices]
            refuse_long(parts, rows_of_parts, self.settings.max_length, has_windows=False)
        rows, start = [], 0
        for question in questions:
            end = start + len(question.choices)
            rows.append(EncodedRow.of_choices(parts[start:end]))
            start = end
        return rows

    encode_scored = encode

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode questions with the place of the right choice."""
        return [
            TrainingRow(row, None, _gold(example), f"{example.source}:{example.line}")
            for example, row in zip(examples, self.encode(examples), strict=True)
        ]

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate the choices of all rows; targets are the places of the right ones, (rows)."""
        import torch

        batch = self.batch([part for row in rows for part in row.encoded.parts])
        targets = torch.tensor([row.target for row in rows])
        batch = replace(batch, targets=targets, sizes=tuple(len(row.encoded.parts) for row in rows))
        return mask_tokens(batch, self.tokenizer, options.token_masking, rng) if options.token_masking else batch

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate parts; the first token and those of the question attend to all, a context does not."""
        if self.tokenizer.special.sep is None:  # nothing tells where a question begins
            return collate(parts, pad_id=self.tokenizer.pad_id)
        separator = self.tokenizer.id_of(self.tokenizer.special.sep, "separator")
        closing = self.tokenizer.backend.num_special_tokens_to_add(is_pair=True) - 1
        questions = [(0, *_question_places(part.ids, separator, closing)) for part in parts]
        return collate(parts, pad_id=self.tokenizer.pad_id, global_positions=questions)

    def losses(self, logits: Tensor, batch: Batch, options: TrainingOptions) -> Tensor:
        """Cross entropy over the choices of each row, (rows)."""
        import torch

        if batch.targets is None:
            raise ValueError("a training batch has no targets")
        smoothing, losses = options.label_smoothing, []
        figures_of_rows = torch.split(logits.float().squeeze(-1), list(batch.sizes))
        for figures, target in zip(figures_of_rows, batch.targets, strict=True):
            logs = figures.log_softmax(dim=0)  # (choices)
            losses.append(-(1 - smoothing) * logs[target] - smoothing * logs.mean())
        return torch.stack(losses)

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return the figure of each part, (1)."""
        return list(in_full(logits))

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the probability of each choice of a row."""
        figures = np.concatenate(list(parts))
        raised = np.exp(figures - figures.max())
        probabilities: NDArray[np.float64] = raised / raised.sum()
        return probabilities

    def record(self, example: Example, output: NDArray[np.float64], top_k: int) -> dict[str, Any]:
        """Return the best choice and its probability, and the `top_k` best where wanted."""
        names = _question(example).names
        order = np.argsort(-output, kind="stable")
        best = [{"label": names[i], "score": round(float(output[i]), 6)} for i in order[: max(1, top_k)]]
        return {**best[0], "top": best} if top_k else dict(best[0])

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record."""
        return ["label", "score", *(f"top{i}_{part}" for i in range(1, top_k + 1) for part in ("label", "score"))]

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return accuracy, the metrics of ranking, and cross entropy."""
        gold = [_gold(e) for e in examples]
        metrics = ranking_metrics(gold, outputs)
        metrics["ece"] = calibration_error(self.sureness(outputs), _are_right(gold, outputs))
        return Scores(metrics, warnings=tuple(_doubts([_gold(e) for e in examples], outputs)))

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each metric."""
        gold = [_gold(e) for e in examples]
        of_sureness = calibration_interval(self.sureness(outputs), _are_right(gold, outputs))
        return {**ranking_intervals(gold, outputs), **of_sureness}

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> Mapping[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        return ranking_difference([_gold(e) for e in examples], outputs, others)

    def sureness(self, outputs: Outputs) -> NDArray[np.float64]:
        """Return the probability of the choice that is taken, (N)."""
        return np.asarray([float(np.max(output)) for output in outputs])

    def temperature(self, examples: Sequence[Example], outputs: Outputs) -> float:
        """Fit the temperature that suits rows that were not trained on."""
        return class_temperature([_gold(e) for e in examples], outputs)

    def cooled(self, outputs: Outputs, temperature: float) -> Outputs:
        """Return what outputs would be had the logits been divided by a temperature."""
        return [tempered(output, temperature) for output in outputs]

    def settle(self, model: TaskModel) -> None:
        """Nothing to settle: only differences between choices matter."""

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> list[tuple[int, dict[str, Any]]]:
        """Return (row, its figures) for wrong answers, the surest mistakes first."""
        found = []
        for i, (example, output) in enumerate(zip(examples, outputs, strict=True)):
            question, best = _question(example), int(np.argmax(output))
            if best == _gold(question):
                continue
            probabilities = {name: round(float(p), 6) for name, p in zip(question.names, output, strict=True)}
            figures = {
                "choices": dict(zip(question.names, question.choices, strict=True)),
                "predicted": question.names[best],
                "score": round(float(output[best]), 6),
                "probabilities": probabilities,
            }
            found.append((i, figures))
        return sorted(found, key=lambda row: -float(np.max(outputs[row[0]])))


def _question(example: Example) -> Question:
    if not isinstance(example, Question):
        raise DataError.at(example.source, example.line, "the row is not a question with choices.")
    return example


def _gold(example: Example) -> int:
    question = _question(example)
    if question.label not in question.names:
        names = listed(question.names, quotes=False)
        said = (
            "the row has no answer"
            if question.label is None
            else f"the answer {quoted(question.label)} is not a choice"
        )
        raise DataError.at(question.source, question.line, f"{said} ({names}).")
    return question.names.index(question.label)


def _are_right(gold: Sequence[int], outputs: Outputs) -> NDArray[np.bool_]:
    return np.asarray([int(np.argmax(output)) == place for place, output in zip(gold, outputs, strict=True)], bool)


def _question_places(ids: Sequence[int], separator: int, closing: int) -> range:
    """Find the question in context, question and choice.

    Args:
        ids: of one part.
        separator: stands between them.
        closing: separators from the end of the question on.
    """
    separators = [place for place, token in enumerate(ids) if token == separator]
    if len(separators) < closing:
        return range(0)
    end = separators[-closing]
    return range(max((place + 1 for place in separators if place < end), default=1), end + 1)


def _refuse_windows(settings: TaskSettings) -> None:
    if settings.on_long == "window":
        raise DataError("--on-long window: a question is read whole with each choice; take truncate or error.")


def _doubts(gold: Sequence[int], outputs: Outputs) -> list[str]:
    places = {int(np.argmax(output)) for output in outputs}
    if len(outputs) < 10 or len(places) > 1 or set(gold) == places:
        return []
    return [f"the model always takes choice number {places.pop() + 1}: it has learned nothing; try more epochs"]
