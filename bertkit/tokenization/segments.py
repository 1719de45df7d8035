"""Segment ids that tell a pair encoder which tokens stand on both sides.

A small encoder trained on a few thousand pairs does not learn to compare tokens: finding a
token's twin in the other sentence takes an attention pattern that so few examples do not
teach, and it ends at the majority answer. Written into the segment ids, the comparison is
an input, and what is left to learn is how to weigh it. The ids are a function of the token
ids alone, so they work in any language and with any vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

# 0, 1: first and second sentence; 2, 3: the same, for tokens that the other sentence has too
OVERLAP_SEGMENTS = 4


def overlap_segments(ids: Sequence[int], type_ids: Sequence[int], special_ids: Collection[int]) -> list[int]:
    """Add 2 to the segment of every token that also stands in the other sentence.

    Args:
        ids: token ids of a pair, special tokens included.
        type_ids: 0 or 1 for each token.
        special_ids: ids that belong to neither sentence.

    Returns:
        The new segment ids, each in 0..3.
    """
    first = {i for i, side in zip(ids, type_ids, strict=True) if side == 0}
    second = {i for i, side in zip(ids, type_ids, strict=True) if side == 1}
    shared = (first & second).difference(special_ids)
    return [side + 2 if i in shared else side for i, side in zip(ids, type_ids, strict=True)]
