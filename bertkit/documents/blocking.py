"""Choose the best sentences by score, without saying the same thing twice."""

from __future__ import annotations

from collections.abc import Sequence

Trigram = tuple[str, str, str]


def select(
    scores: Sequence[float],
    sentence_tokens: Sequence[Sequence[str]],
    count: int,
    *,
    block_trigrams: bool = True,
    lengths: Sequence[int] = (),
    room: int | None = None,
) -> list[int]:
    """Return the indices of the best sentences, in document order; of equal scores the earlier come first.

    With trigram blocking (Paulus et al. 2018, "A Deep Reinforced Model for Abstractive
    Summarization") a sentence that shares three words in a row with one already chosen is
    passed over. Fewer than `count` come back where all others repeat what is chosen. With
    `room` a sentence is passed over that is longer (by `lengths`) than what is left of it;
    where none fits, the shortest comes back.

    Raises:
        ValueError: there is not one score to each sentence.
    """
    if len(scores) != len(sentence_tokens):
        raise ValueError(f"{len(scores)} scores do not fit {len(sentence_tokens)} sentences")
    chosen: list[int] = []
    said: set[Trigram] = set()
    for index in sorted(range(len(scores)), key=scores.__getitem__, reverse=True):  # which keeps equals in order
        if len(chosen) >= count:
            break
        if room is not None and lengths[index] > room:
            continue
        trigrams = _trigrams(sentence_tokens[index])
        if not (block_trigrams and trigrams & said):
            chosen.append(index)
            said |= trigrams
            room = None if room is None else room - lengths[index]
    if lengths and count and not chosen:
        return [min(range(len(lengths)), key=lengths.__getitem__)]
    return sorted(chosen)


def _trigrams(tokens: Sequence[str]) -> set[Trigram]:
    return set(zip(tokens, tokens[1:], tokens[2:], strict=False))
