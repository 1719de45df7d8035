"""Encode word by word, where a tokenizer reads each by itself: in BERT's the same words need cutting only once.

A text's tokens are those of its words, one after the other, where nothing in the tokenizer looks
across a space: BERT's normalizer and pre-tokenizer, and WordPiece. Of a million rows nearly
all words have come before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer

from bertkit.tokenization.encoding import Texts

FEWEST = 512
"""Rows for which it is worth while."""
# Words that are kept; when there are more, it begins anew.
_MOST = 50_000


@dataclass(frozen=True, slots=True)
class WordsRow:
    """A row as the library would have encoded it; `counts` are the tokens of each of its texts."""

    ids: list[int]
    type_ids: list[int]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sequence_ids(self) -> list[int | None]:
        """Which text each token is of, (tokens)."""
        sides: list[int | None] = [None]
        for side, count in enumerate(self.counts):
            sides += [side] * count
            sides.append(None)
        return sides


class WordsApart:
    """Encodes rows word by word.

    Args:
        backend: for which `reads_apart` is true.
        numbers: the whole numbers from 0 on, that ids be these.
    """

    def __init__(self, backend: Backend, numbers: Sequence[int]) -> None:
        self._backend, self._numbers = backend, numbers
        self._known: dict[str, list[int]] = {}

    def encode(self, rows: Sequence[Texts]) -> list[WordsRow]:
        """Encode rows of one text, or of two."""
        split = [[text.split(" ") for text in texts] for texts in rows]
        self._learn({word for texts in split for words in texts for word in words})
        opening, closing = self.frame
        known = self._known
        found = []
        for texts in split:
            ids: list[int] = [opening]
            counts: tuple[int, ...] = ()
            for words in texts:
                before = len(ids)
                for word in words:
                    ids += known[word]
                counts += (len(ids) - before,)
                ids.append(closing)
            types = [0] * (counts[0] + 2) + [1] * (len(ids) - counts[0] - 2)
            found.append(WordsRow(ids, types, counts))
        return found

    def encode_columns(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Encode texts, none of whose words becomes an object if it has come before in them.

        Returns:
            The ids of all texts without special tokens, one text after the other, (T), and how many each has, (N).
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        split = pc.split_pattern(pa.array(texts, pa.string()), " ")
        words = split.values.dictionary_encode()
        different = words.dictionary.to_pylist()
        self._learn(set(different))
        pieces = [self._known[word] for word in different]
        starts = np.zeros(len(pieces) + 1, np.int32)
        np.cumsum([len(ids) for ids in pieces], out=starts[1:])
        flat = np.fromiter(chain.from_iterable(pieces), np.int32, int(starts[-1]))
        by_word = pa.ListArray.from_arrays(pa.array(starts), pa.array(flat))
        ends = np.zeros(len(words) + 1, np.int64)
        np.cumsum(np.diff(starts)[words.indices.to_numpy()], out=ends[1:])
        return by_word.take(words.indices).flatten().to_numpy(), np.diff(ends[split.offsets.to_numpy()])

    @property
    def frame(self) -> tuple[int, int]:
        """The ids before and behind a text."""
        opening, closing = self._backend.encode("").ids
        return opening, closing

    def _learn(self, words: set[str]) -> None:
        new = sorted(words.difference(self._known))
        if len(self._known) + len(new) > _MOST:
            self._known, new = {}, sorted(words)
        for word, encoding in zip(new, self._backend.encode_batch_fast(new, add_special_tokens=False), strict=True):
            # Equal ids are one object: there are many.
            self._known[word] = [self._numbers[i] if i < len(self._numbers) else i for i in encoding.ids]


def reads_apart(backend: Backend) -> bool:
    """Tell whether a tokenizer reads each word of a text by itself, between one token before and one behind."""
    if not (
        isinstance(backend.model, WordPiece)
        and _is_berts(json.loads(backend.normalizer.__getstate__()) if backend.normalizer else {})
        and isinstance(backend.pre_tokenizer, BertPreTokenizer)
    ):
        return False
    if any(" " in token.content for token in backend.get_added_tokens_decoder().values()):
        return False
    frame, word, pair = backend.encode(""), backend.encode("a"), backend.encode("a", "a a")
    if len(frame.ids) != 2 or len(word.ids) < 3 or len(set(frame.type_ids)) != 1:
        return False
    opening, closing = frame.ids
    own = word.ids[1:-1]
    return (
        word.ids == [opening, *own, closing]
        and pair.ids == [opening, *own, closing, *own, *own, closing]
        and pair.type_ids == [0] * (len(own) + 2) + [1] * (2 * len(own) + 1)
    )


def _is_berts(normalizer: dict[str, Any]) -> bool:
    """Tell BERT's normalizer, alone or behind NFC, which composes nothing with a space."""
    parts = normalizer["normalizers"] if normalizer.get("type") == "Sequence" else [normalizer]
    kinds = [part.get("type") for part in parts]
    return kinds in (["BertNormalizer"], ["NFC", "BertNormalizer"])
