"""Look words up in a vocabulary, and give unknown ones an id of their own.

The hashing trick (Weinberger et al. 2009): an unknown word gets one of N ids that follow the
vocabulary, the same one in every process and on every machine, so that a model can learn
something about words it has no entry for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from bertkit.tokenization.base import Tokenizer

_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What a vocabulary says of a token.

    Attributes:
        token: what was looked up.
        id: its id; of an unknown one that of its bucket, else that of the unknown token,
            None where the vocabulary has no such token.
        oov: whether it is out of the vocabulary.
        bucket: 0 .. N-1; None for a known token, and where there are no buckets.
    """

    token: str
    id: int | None
    oov: bool
    bucket: int | None


def bucket_of(token: str, buckets: int) -> int:
    """Return a token's bucket: BLAKE2b of its NFC form in UTF-8, 8 bytes, big-endian, modulo `buckets`."""
    composed = unicodedata.normalize("NFC", token).encode("utf-8")
    return int.from_bytes(blake2b(composed, digest_size=_DIGEST_BYTES).digest(), "big") % buckets


class Lookup:
    """Looks tokens up in the vocabulary of a tokenizer.

    Args:
        tokenizer: whose vocabulary it is.
        buckets: how many ids after the last one of the vocabulary are for unknown words.
    """

    def __init__(self, tokenizer: Tokenizer, buckets: int = 0) -> None:
        self.tokenizer = tokenizer
        self.buckets = buckets
        vocabulary = tokenizer.backend.get_vocab(with_added_tokens=True)
        # Not the number of ids: some vocabularies leave ids out.
        self.first_free = max(vocabulary.values(), default=-1) + 1
        unk = tokenizer.special.unk
        self.unknown_id: int | None = None if unk is None else vocabulary.get(unk)

    def find(self, tokens: Iterable[str]) -> list[Found]:
        """Look tokens up.

        A token is known if the vocabulary lists it as it is written, or if the tokenizer
        reads it, as a word, as one piece ("Apple" as "apple", "영화" as "▁영화").
        """
        return [self._find(token) for token in tokens]

    def _find(self, token: str) -> Found:
        known = self.tokenizer.backend.token_to_id(token)
        if known is None:
            known = self._as_word(token)
        if known is not None:
            return Found(token, known, oov=False, bucket=None)
        if not self.buckets:
            return Found(token, self.unknown_id, oov=True, bucket=None)
        bucket = bucket_of(token, self.buckets)
        return Found(token, self.first_free + bucket, oov=True, bucket=bucket)

    def _as_word(self, token: str) -> int | None:
        ids = self.tokenizer.backend.encode(token, add_special_tokens=False).ids
        return ids[0] if len(ids) == 1 and ids[0] != self.unknown_id else None
