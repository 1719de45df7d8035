"""What tasks share on the way from texts to encoded rows, and of these through a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import TOKEN_BUDGET, Batch, token_budget_batches
from bertkit.compute.device import give_back_growth, no_gradients
from bertkit.data.records import Document, Example, Question
from bertkit.errors import DataError
from bertkit.kinds import MisfitError
from bertkit.tasks.base import EncodedRow, Task, TaskSettings
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.encoding import leave_words_out

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

# --- What tasks share on the way from texts to encoded rows: joining columns, limits, masked tokens


def joined_texts(
    rows: Iterable[Sequence[str]], settings: TaskSettings, tokenizer: Tokenizer, *, but: Sequence[str] = ()
) -> list[str]:
    """Join the texts of each row with the separator token, words left out as asked.

    Where the tokenizer reads special tokens as such, those that the texts spell are respelt,
    but some.
    """
    separator = f" {tokenizer.special.sep or ' '} "
    respell = tokenizer.reads_control

    def own(text: str) -> str:
        left = leave_words_out(text, settings.leave_out)
        return tokenizer.plain(left, but=but) if respell else left

    return [separator.join(map(own, texts)) for texts in rows]


def encode_rows(
    tokenizer: Tokenizer,
    firsts: Sequence[str],
    seconds: Sequence[str] | None,
    examples: Sequence[Example],
    settings: TaskSettings,
    *,
    with_spans: bool = False,
) -> list[EncodedRow]:
    """Encode one row for each example, long ones as --on-long says.

    Args:
        tokenizer: the encoder's.
        firsts: first (or only) text of each row.
        seconds: second text of each row, or None.
        examples: where the rows stand, for the sentence that names one.
        settings: length and what happens to longer rows.
        with_spans: whether the tokens' places in the texts are wanted.

    Raises:
        DataError: a row is too long and --on-long is error.
        TokenizerError: both texts of a row are too long to be read in windows.
    """
    limit = settings.max_length
    if settings.on_long == "window":
        windows = tokenizer.encode_windows(firsts, seconds, max_length=limit, with_spans=with_spans)
        return [EncodedRow(parts, n_tokens, truncated=False) for n_tokens, parts in windows]
    encodings = tokenizer.encode(firsts, seconds, max_length=limit, with_spans=with_spans)
    if settings.on_long == "error":
        refuse_long(encodings, examples, limit)
    return [EncodedRow.whole(encoding) for encoding in encodings]


def refuse_long(
    encodings: Sequence[Encoding], examples: Sequence[Example], max_length: int, *, has_windows: bool = True
) -> None:
    """Refuse rows that were cut.

    Args:
        encodings: one or several for each row.
        examples: the row of each encoding.
        max_length: what they were cut to.
        has_windows: whether the task could read them in windows instead.

    Raises:
        DataError: a row was; the message names it.
    """
    windows = " or --on-long window read it in parts" * has_windows
    for encoding, example in zip(encodings, examples, strict=True):
        if encoding.truncated:
            more = "more than " if encoding.is_part else ""
            raise DataError.at(
                example.source,
                example.line,
                f"the row has {more}{encoding.n_tokens} tokens and --max-length is {max_length}; raise it where the "
                f"model reads more, or let --on-long truncate cut it{windows}.",
            )


def with_sides(part: Encoding) -> Encoding:
    """Tell the sides of a pair apart by segment ids, for tokenizers that do not."""
    types, side = [], 0
    for span in part.spans:
        side = max(side, span.side)
        types.append(side)
    return replace(part, type_ids=part.type_ids if any(part.type_ids) else types, spans=())


def mask_tokens(batch: Batch, tokenizer: Tokenizer, share: float, rng: np.random.Generator) -> Batch:
    """Hide a share of the tokens; special tokens and segment ids stay as they are."""
    import torch

    ids = batch.input_ids.numpy()
    masked = (rng.random(ids.shape) < share) & ~np.isin(ids, list(tokenizer.special_ids))
    return replace(batch, input_ids=torch.from_numpy(np.where(masked, tokenizer.mask_id, ids)))


# --- Run a model over the parts of rows, in batches of like length --------------------------------

Tick = Callable[[float], None]

# Rows that are computed together: enough for batches of like length.
SLAB = 4096
# Figures that are held of parts before their rows are answered (32 MB at most).
MOST_FIGURES = 2**22


def rows_of_parts(
    model: TaskModel,
    task: Task,
    rows: Iterable[EncodedRow],
    device: str,
    *,
    batch_size: int | None = None,
    tick: Tick = lambda _: None,
) -> Iterator[tuple[EncodedRow, Iterable[NDArray[np.float64]]]]:
    """Compute the outputs of the parts of each row; gradients are for the caller to switch off.

    Args:
        model: in evaluation mode, on the device.
        task: collates parts and reads logits.
        rows: N rows, taken as they are computed.
        device: where the batches go.
        batch_size: most parts of a batch; None: as many as fit the token budget.
        tick: is told after each batch how many parts it had.

    Yields:
        Each row, and what the model makes of its parts' outputs, to be used up before the next
        row's. Those of a row with very many parts are computed as they are taken.
    """
    for slab in _slabs(task, rows):
        parts = [part for row in slab for part in row.parts]
        if len(slab) == 1 and _figures(task, slab[0]) > MOST_FIGURES:
            yield slab[0], model.finish_row(_bit_by_bit(model, task, slab[0], device, batch_size, tick))
            continue
        outputs = _part_outputs(model, task, parts, device, batch_size, tick)
        start = 0
        for row in slab:
            end = start + len(row.parts)
            yield row, model.finish_row(outputs[start:end])
            start = end
        give_back_growth()


def _figures(task: Task, row: EncodedRow) -> int:
    """Tell about how many figures the outputs of a row's parts are."""
    labels = len(task.settings.labels)
    if task.settings.task == "ner":
        return sum(len(part.ids) for part in row.parts) * (2 * labels + 1)
    if task.settings.task == "qa":
        return sum(len(part.ids) for part in row.parts) * 2
    return len(row.parts) * max(1, labels)


def _slabs(task: Task, rows: Iterable[EncodedRow]) -> Iterator[list[EncodedRow]]:
    """Group rows that are computed together."""
    slab: list[EncodedRow] = []
    held = 0
    for row in rows:
        own = _figures(task, row)
        if slab and (len(slab) == SLAB or held + own > MOST_FIGURES):
            yield slab
            slab, held = [], 0
        slab.append(row)
        held += own
    if slab:
        yield slab


def _bit_by_bit(
    model: TaskModel, task: Task, row: EncodedRow, device: str, batch_size: int | None, tick: Tick
) -> Iterator[NDArray[np.float64]]:
    """Compute the outputs of a row's parts, some at a time."""
    step = max(1, min(SLAB // 8, len(row.parts) * MOST_FIGURES // _figures(task, row)))
    for start in range(0, len(row.parts), step):
        yield from _part_outputs(model, task, row.parts[start : start + step], device, batch_size, tick)


def _part_outputs(
    model: TaskModel, task: Task, parts: Sequence[Encoding], device: str, batch_size: int | None, tick: Tick
) -> list[NDArray[np.float64]]:
    batches = token_budget_batches([len(part.ids) for part in parts], budget=TOKEN_BUDGET)
    if batch_size is not None:
        batches = [batch[i : i + batch_size] for batch in batches for i in range(0, len(batch), batch_size)]
    outputs: list[NDArray[np.float64]] = [np.zeros(0)] * len(parts)
    for chosen in batches:
        batch = task.batch([parts[i] for i in chosen])
        batch = batch if model.reads_arrays else batch.to(device)
        logits = model(**batch.inputs)
        for part, output in zip(chosen, task.part_outputs(logits, batch), strict=True):
            outputs[part] = output
        tick(len(chosen))
        give_back_growth()
    return outputs


# --------------------------------------------------------------------------------------------------
# One made-up row through a task and its model: what they cannot do, they say before anybody's row is read.

_WORDS = ("a", "b")


def try_out(task: Task, model: TaskModel) -> None:
    """Answer one short row.

    Args:
        task: with its tokenizer.
        model: in evaluation mode, on the CPU.

    Raises:
        MisfitError: the answer is not a number.
        Exception: whatever a task, a tokenizer or a model raises that do not belong together.
    """
    example = _example(task)
    with no_gradients():  # what layers keep of a row is of use in training, too
        rows = task.encode([example])
        ((_, outputs),) = rows_of_parts(model, task, rows, "cpu")
        parts = list(outputs)
        if not all(np.isfinite(np.asarray(part, np.float64)).all() for part in parts):
            raise MisfitError("its weights and config.json give answers that are not numbers")
        task.record(example, task.row_output(rows[0], parts), 0)


def _example(task: Task) -> Example:
    settings, source = task.settings, "a row that is made up"
    word = (task.settings.task == "mlm" and task.tokenizer.special.mask) or _WORDS[0]
    texts = (word,) * len(settings.columns.inputs)
    match settings.task:
        case "choice":
            return Question(texts, None, 1, source, _WORDS, _WORDS)
        case "extractive" | "matching":
            return Document(("\n".join(_WORDS),), None, 1, source, None, _WORDS)
        case _:
            return Example(texts, None, 1, source)
