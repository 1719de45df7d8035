"""What tasks share on the way from texts to encoded rows: joining columns, limits, masked tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from bertkit.compute.batching import Batch
from bertkit.data.records import Example
from bertkit.errors import DataError
from bertkit.tasks.base import EncodedRow, TaskSettings
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.leave_out import leave_words_out


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
