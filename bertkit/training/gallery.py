"""What TensorBoard shows of a finished training: vectors of rows and words, figures, wrong rows, hyperparameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.compute.batching import TOKEN_BUDGET, token_budget_batches
from bertkit.compute.device import Placement, autocast
from bertkit.data.records import Example, LabelSet
from bertkit.evaluation.run import Scored
from bertkit.reporting.figures import draw_figures
from bertkit.reporting.style import drawing
from bertkit.tasks.base import EncodedRow
from bertkit.training.tracking import expendable, silent_writers

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

# Points that the projector still draws quickly, and rows that a person still reads.
MOST_VECTORS, MOST_MISTAKES = 1_000, 100
_SHOWN_CHARACTERS = 160
# What the projector says of a row; tasks whose answers are right or wrong.
TOLD = ("text", "label", "prediction", "right")
LABELLED = ("classify", "choice", "multilabel")
# Options that say where something lies, which is nobody's hyperparameter.
_PLACES = ("data_dir", "tokenizer", "columns")


def write_gallery(
    folder: Path,
    scored: Scored,
    rows: Sequence[EncodedRow],
    placement: Placement,
    step: int,
    warn: Callable[[str], None],
) -> None:
    """Write vectors, figures and wrong rows of the validation split as events, as far as they can be written.

    Args:
        folder: where the run's events are.
        scored: the best weights' answers.
        rows: the validation rows, encoded.
        placement: device and precision.
        step: of the best weights.
        warn: told that they cannot be written.
    """
    from torch.utils.tensorboard import SummaryWriter

    with silent_writers(), expendable(warn), closing(SummaryWriter(str(folder), filename_suffix=".gallery")) as writer:
        for kind, table in mistake_tables(scored):
            writer.add_text(f"mistakes/{kind}", table, step)
        with drawing():
            for picture in draw_figures(scored):
                writer.add_figure(f"validation/{picture.name}", picture.figure, step)
        chosen = range(min(MOST_VECTORS, len(rows)))
        vectors = sentence_vectors(scored, [rows[i] for i in chosen], placement)
        told = list(told_of_rows(scored, chosen))
        writer.add_embedding(vectors, told, tag="validation", global_step=step, metadata_header=list(TOLD))
        words, vectors = word_vectors(scored, rows)
        writer.add_embedding(vectors, words, tag="words", global_step=step)
        write_hyperparameters(writer, scored, step)


def told_of_rows(scored: Scored, rows: Sequence[int]) -> Iterator[list[str]]:
    """Yield what the projector says of each row: `TOLD`; empty where a task has no such thing."""
    task, wrong = scored.run.task, frozenset[int]()
    if task.settings.task in LABELLED:
        wrong = frozenset(row for row, _ in task.mistakes(scored.examples, scored.outputs))
    for i in rows:
        example = scored.examples[i]
        verdict = ("wrong" if i in wrong else "right") if task.settings.task in LABELLED else ""
        yield [_short(" / ".join(example.texts)), _gold(example), _predicted(scored, i), verdict]


def _gold(example: Example) -> str:
    if isinstance(example, LabelSet):
        return ", ".join(example.labels or ())
    return _answer(example)


def _predicted(scored: Scored, row: int) -> str:
    """Return what the run answers a row, where that is a label or a number."""
    task = scored.run.task
    if task.settings.task not in (*LABELLED, "regression"):
        return ""
    found = task.record(scored.examples[row], scored.outputs[row], 0)
    answer = found.get("labels", found.get("label", found.get("score", "")))
    return _short(", ".join(answer) if isinstance(answer, list) else str(answer))


def word_vectors(scored: Scored, rows: Sequence[EncodedRow]) -> tuple[list[str], Tensor]:
    """Return the tokens that the rows have most often, and their embeddings, (N, E)."""
    tokenizer = scored.run.tokenizer
    counts = Counter(int(i) for row in rows for part in row.parts for i in part.ids)
    ids = [i for i, _ in counts.most_common() if i not in tokenizer.special_ids][:MOST_VECTORS]
    words = [_short(str(tokenizer.backend.id_to_token(i))) or "?" for i in ids]
    return words, scored.run.model.encoder.embeddings_weight.detach().float().cpu()[ids]


def write_hyperparameters(writer: SummaryWriter, scored: Scored, step: int) -> None:
    """Write the options of the run beside its final metrics, for the tab HPARAMS."""
    from torch.utils.tensorboard.summary import hparams

    config = {**scored.run.manifest.config, "model": scored.run.manifest.model}
    kept = {name: value for name, value in config.items() if isinstance(value, bool | int | float | str)}
    options = {name: value for name, value in kept.items() if name not in _PLACES}
    metrics = {f"final/{name}": value for name, value in scored.evaluation.metrics.items()}
    file: Any = writer.file_writer
    for summary in hparams(options, metrics):  # type: ignore[no-untyped-call]
        file.add_summary(summary)
    for name, value in metrics.items():
        writer.add_scalar(name, value, step)


def sentence_vectors(scored: Scored, rows: Sequence[EncodedRow], placement: Placement) -> Tensor:
    """Average the encoder's last hidden states over the tokens of each row's first part, (N, H)."""
    import torch

    task, encoder = scored.run.task, scored.run.model.eval().encoder
    parts = [row.parts[0] for row in rows]
    vectors = torch.zeros(len(parts), encoder.hidden_size)
    with torch.inference_mode(), autocast(placement):
        for chosen in token_budget_batches([len(part.ids) for part in parts], budget=TOKEN_BUDGET):
            batch = task.batch([parts[i] for i in chosen]).to(placement.device)
            hidden = encoder(batch.input_ids, batch.attention_mask, batch.token_type_ids, batch.global_mask)
            text = torch.ones_like(batch.input_ids) if batch.attention_mask is None else batch.attention_mask
            weights = text.unsqueeze(-1).float()  # (B, L, 1)
            vectors[chosen] = ((hidden.float() * weights).sum(dim=1) / weights.sum(dim=1)).cpu()
    return vectors


def mistake_tables(scored: Scored) -> Iterator[tuple[str, str]]:
    """Make Markdown tables of wrong rows: false positives and false negatives where a label is positive.

    Yields:
        (kind, table), the surest mistakes first.
    """
    positive = scored.run.task.settings.positive
    groups: dict[str, list[str]] = {}
    for row, figures in scored.run.task.mistakes(scored.examples, scored.outputs):
        example = scored.examples[row]
        kind = "all"
        if positive is not None:
            kind = "false_positives" if figures.get("predicted") == positive else "false_negatives"
        group = groups.setdefault(kind, [_head(scored, figures)])
        if len(group) <= MOST_MISTAKES:
            cells = [*example.texts, _answer(example), *(str(value) for value in figures.values())]
            group.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return ((kind, "\n".join(lines)) for kind, lines in groups.items())


def _head(scored: Scored, figures: dict[str, object]) -> str:
    names = [*scored.run.task.settings.columns.inputs, "label", *figures]
    return f"| {' | '.join(_cell(name) for name in names)} |\n|{'---|' * len(names)}"


def _answer(example: Example) -> str:
    return "" if example.answer is None else str(example.answer)


def _cell(text: str) -> str:
    return _short(text).replace("|", "\\|")


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN_CHARACTERS else f"{flat[:_SHOWN_CHARACTERS]}…"
