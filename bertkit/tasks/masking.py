"""Which tokens of a row are masked, and by what.

Source: Devlin et al. 2019 (of the tokens asked for 80 % are masked, 10 % replaced, 10 % left; whole
words in the authors' later release).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.segments import Span

SHARE = 0.15


def words_of(tokenizer: Tokenizer, part: Encoding, texts: tuple[str, ...], *, whole: bool) -> NDArray[np.int64]:
    """Number the tokens' words, (tokens), -1 for special tokens.

    Args:
        tokenizer: knows the special tokens.
        part: encoded with spans where `whole` is wanted.
        texts: the text of each side.
        whole: whether the tokens of a word have one number; without it each token is a word.
    """
    is_text = ~np.isin(part.ids, list(tokenizer.special_ids))
    begins = is_text.copy()
    if whole:
        glued = np.array([_is_glued(*pair, texts) for pair in pairwise(part.spans)], dtype=bool)
        begins[1:] &= ~(glued & is_text[:-1])
    return np.where(is_text, np.cumsum(begins) - 1, -1)


def mask_randomly(
    tokenizer: Tokenizer, part: Encoding, words: NDArray[np.int64], share: float, rng: np.random.Generator
) -> Encoding:
    """Choose words up to a share of the tokens; mask 80 % of them, replace 10 % and leave 10 %.

    Args:
        tokenizer: knows the mask, and the ids that replace others.
        part: what is read.
        words: the word of each token, from `words_of`.
        share: of the tokens, 0 to 1; one word is chosen at least.
        rng: the source of the choice.

    Returns:
        The part with its `masked` tokens; itself where it has no text.
    """
    sizes = np.bincount(words[words >= 0])
    if not len(sizes):
        return part
    order = rng.permutation(len(sizes))
    n_words = np.searchsorted(sizes[order].cumsum(), round(share * sizes.sum()), side="right")
    chosen = np.flatnonzero(np.isin(words, order[: max(1, int(n_words))]))
    ids, coins = list(part.ids), rng.random(len(chosen))
    for place, coin in zip(chosen.tolist(), coins, strict=True):
        if coin < 0.8:
            ids[place] = tokenizer.mask_id
        elif coin < 0.9:
            ids[place] = _random_id(tokenizer, rng)
    return replace(part, ids=ids, masked=tuple((p, part.ids[p]) for p in chosen.tolist()))


def mask_by_hash(tokenizer: Tokenizer, part: Encoding) -> Encoding:
    """Hide 15 % of a row's tokens behind the mask, chosen by a hash of its ids: the same ones every time."""
    places = [i for i, token in enumerate(part.ids) if token not in tokenizer.special_ids]
    if not places:
        return part
    digest = hashlib.blake2b(np.asarray(part.ids, dtype=np.int64).tobytes(), digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(digest, "little"))
    chosen = sorted(rng.permutation(places)[: max(1, round(SHARE * len(places)))].tolist())
    ids = list(part.ids)
    for place in chosen:
        ids[place] = tokenizer.mask_id
    return replace(part, ids=ids, masked=tuple((p, part.ids[p]) for p in chosen))


def _random_id(tokenizer: Tokenizer, rng: np.random.Generator) -> int:
    while True:
        token = int(rng.integers(tokenizer.vocab_size))
        if token not in tokenizer.special_ids:
            return token


def _is_glued(before: Span, span: Span, texts: Sequence[str]) -> bool:
    """Tell whether a token goes on with the word of the token before it."""
    if span.side < 0 or (before.side, before.end) != (span.side, span.start):
        return False
    return texts[span.side][span.start - 1 : span.start + 1].isalnum()
