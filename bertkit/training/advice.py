"""What a user should know of the cost of a training before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bertkit.compute.batching import padding_share, training_batches
from bertkit.tasks.encoded import lengths_of
from bertkit.training.freezing import layers_frozen
from bertkit.training.prepare import Prepared

if TYPE_CHECKING:
    from bertkit.models.heads import Encoder

# Tokens that an encoder with full attention reads.
USUAL_LENGTH = 512


def advice(prepared: Prepared, encoder: Encoder) -> Iterator[str]:
    """Say what is frozen, how many rows are scored, what padding costs local attention, and whether rows need it.

    Args:
        prepared: the rows and how they are batched.
        encoder: knows its layers, the window of its attention, and whether padding changes answers.
    """
    if frozen := prepared.config.freeze:
        yield f"the embeddings and the lowest {frozen} of {len(encoder.layers)} layers are frozen"
    after = prepared.config.freeze_after
    if after is not None and layers_frozen(1.0, len(encoder.layers), after=after):
        yield f"after {after:.0%} of the steps layers are frozen one by one, the lowest first"
    scored, there = len(prepared.scored_rows), len(prepared.validation)
    if scored < there:
        yield f"after each epoch {scored:,} of {there:,} validation rows are scored, at the end all of them"
    if not encoder.keeps_padding_out:
        yield (
            f"{prepared.spec.name} changes its output with padding, so only rows of equal length share a batch: "
            "the results are right, and it takes longer"
        )
    if encoder.window is None:
        return
    lengths = lengths_of(prepared.rows)
    batches = training_batches(
        lengths, batch_size=int(prepared.config.batch_size or 1), seed=prepared.config.seed, epoch=0
    )
    yield (
        f"{prepared.spec.name} reads rows in windows of up to {encoder.window} tokens and does not pad rows to "
        f"full windows; {padding_share(lengths, batches):.0%} of the computation is padding"
    )
    if max(lengths) <= USUAL_LENGTH:
        yield (
            f"every row fits into {USUAL_LENGTH} tokens: a model with full attention (bert, roberta, deberta) "
            f"reads them just as well and computes less"
        )
