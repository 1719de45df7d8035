"""Pairs of sentences that follow each other, and pairs that do not, from texts line by line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bertkit.data.records import Example
from bertkit.data.splits import follows
from bertkit.errors import DataError


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A true pair and a false one, as row numbers."""

    first: int
    second: int
    false_first: int
    false_second: int


def pair_up(examples: Sequence[Example], *, kind: str) -> list[SentencePair]:
    """Pair each line with the next one of the same passage.

    Lines of a file follow each other where no blank line stands between them.

    Args:
        examples: the rows, in the order of their files.
        kind: "nsp": the false pair has a sentence from elsewhere (Devlin et al. 2019);
            "sop": it is the true pair in the wrong order (Lan et al. 2020).

    Raises:
        DataError: no two lines follow each other.
    """
    true = [i for i, pair in enumerate(pairwise(examples)) if follows(*pair)]
    if not true:
        source = examples[0].source if examples else "the training rows"
        raise DataError(
            f"{source}: no two lines follow each other; --sentence-pairs needs one sentence a line, "
            "and a blank line between passages."
        )
    if kind == "sop":
        return [SentencePair(i, i + 1, i + 1, i) for i in true]
    return [SentencePair(i, i + 1, i, _elsewhere(i, examples)) for i in true]


def _elsewhere(i: int, examples: Sequence[Example]) -> int:
    """Choose a row by a hash of the text, so that the same data gives the same pairs."""
    n = len(examples)
    if n == 2:
        return i  # there is no third row, and a row does not follow itself
    digest = hashlib.blake2b(f"{i}\x1f{examples[i].texts[0]}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    chosen = int.from_bytes(digest, "little") % n
    while chosen in (i, i + 1):
        chosen = (chosen + 1) % n
    return chosen
