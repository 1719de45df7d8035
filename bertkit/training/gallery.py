"""What TensorBoard shows of a finished training: sentence vectors, figures, and the wrong rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bertkit.compute.batching import TOKEN_BUDGET, token_budget_batches
from bertkit.compute.device import Placement, autocast
from bertkit.data.records import Example
from bertkit.evaluation.run import Scored
from bertkit.reporting.figures import draw_figures
from bertkit.reporting.style import drawing
from bertkit.tasks.base import EncodedRow
from bertkit.training.tracking import expendable, silent_writers

if TYPE_CHECKING:
    from torch import Tensor

# Points that the projector still draws quickly, and rows that a person still reads.
MOST_VECTORS, MOST_MISTAKES = 1_000, 100
_SHOWN_CHARACTERS = 160


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
        metadata = [[_short(" / ".join(scored.examples[i].texts)), _answer(scored.examples[i])] for i in chosen]
        vectors = sentence_vectors(scored, [rows[i] for i in chosen], placement)
        writer.add_embedding(vectors, metadata, tag="validation", global_step=step, metadata_header=["text", "label"])


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
        cells = [*example.texts, _answer(example), *(str(value) for value in figures.values())]
        group = groups.setdefault(kind, [_head(scored, figures)])
        if len(group) <= MOST_MISTAKES:
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
