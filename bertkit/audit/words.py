r"""How many words a text has, counted for thousands of texts at once.

Words and punctuation marks count alike, as `\w+|[^\w\s]` finds them, and as BERT's
tokenizers split a text before they look into their vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

_PLANES = 0x20000  # beyond lie rare Hanja, which are letters
_MARK, _LETTER, _SPACE = 0, 1, 2


def count_words(texts: Sequence[str]) -> list[int]:
    """Count the words and punctuation marks of each text."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
    classes = _classes()[np.minimum(codes, _PLANES)]
    starts = classes == _LETTER
    starts[1:] &= classes[:-1] != _LETTER
    # a text that starts with a letter starts a word, whatever the text before it ended with
    first = ends[:-1][ends[:-1] < len(codes)]
    starts[first] = classes[first] == _LETTER
    reached = np.concatenate([[0], np.cumsum(starts | (classes == _MARK))])[ends]
    counts: NDArray[np.int64] = np.diff(reached, prepend=0)
    result: list[int] = counts.tolist()
    return result


@cache
def _classes() -> NDArray[np.uint8]:
    """Tell letters, spaces and marks apart by code point; the last entry stands for all beyond."""
    every = "".join(map(chr, range(_PLANES)))
    classes = np.full(_PLANES + 1, _MARK, dtype=np.uint8)
    classes[_PLANES] = _LETTER
    for pattern, name in ((r"\w+", _LETTER), (r"\s+", _SPACE)):
        for run in re.finditer(pattern, every):
            classes[run.start() : run.end()] = name
    return classes
