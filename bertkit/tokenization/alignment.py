"""Two tokenizations of one text side by side: where both part the text, a new row begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bertkit.tokenization.listing import Token


@dataclass(frozen=True, slots=True)
class Block:
    """Tokens of both sides that cover the same stretch of text.

    `text` is that stretch, without white space around it.
    """

    left: tuple[Token, ...]
    right: tuple[Token, ...]
    text: str


def align(left: Sequence[Token], right: Sequence[Token], texts: Sequence[str]) -> list[Block]:
    """Cut two lists of tokens into blocks, as short as they can be.

    Special tokens stand beside special tokens only; padding is left out.

    Args:
        left: tokens of the first tokenizer.
        right: tokens of the second one, of the same texts.
        texts: the texts, one, or the two of a pair.
    """
    sides = [[token for token in tokens if token.role != "padding"] for tokens in (left, right)]
    blocks = []
    starts = [0, 0]
    while starts[0] < len(sides[0]) or starts[1] < len(sides[1]):
        ends = _block_ends(sides, starts)
        parts = [tuple(tokens[start:end]) for tokens, start, end in zip(sides, starts, ends, strict=True)]
        blocks.append(Block(parts[0], parts[1], _covered((*parts[0], *parts[1]), texts)))
        starts = ends
    return blocks


def _block_ends(sides: Sequence[Sequence[Token]], starts: Sequence[int]) -> list[int]:
    """Tell where the block that begins at `starts` ends, on either side."""
    heads = [_is_word(tokens, start) for tokens, start in zip(sides, starts, strict=True)]
    if heads[0] != heads[1]:
        word = heads.index(True)
        comes_first = _next_side(sides[1 - word], starts[1 - word]) > sides[word][starts[word]].side
        alone = word if comes_first else 1 - word
        return [start + (k == alone) for k, start in enumerate(starts)]
    ends = [min(start + 1, len(tokens)) for start, tokens in zip(starts, sides, strict=True)]
    while all(heads):
        reached = [tokens[end - 1].end for tokens, end in zip(sides, ends, strict=True)]
        # The side that is behind goes on, and one that has cut a character into several tokens.
        wanting = [k for k in (0, 1) if _goes_on(sides[k], ends[k], max(reached))]
        if not wanting:
            break
        ends[wanting[0]] += 1
    return ends


def _next_side(tokens: Sequence[Token], i: int) -> int:
    """Return the text of the first word from `i` on; a number above all texts where there is none."""
    return next((token.side for token in tokens[i:] if token.side >= 0), 2)


def _goes_on(tokens: Sequence[Token], i: int, reached: int) -> bool:
    return _is_word(tokens, i) and tokens[i].start < reached and tokens[i].side == tokens[i - 1].side


def _is_word(tokens: Sequence[Token], i: int) -> bool:
    return i < len(tokens) and tokens[i].side >= 0


def _covered(tokens: Sequence[Token], texts: Sequence[str]) -> str:
    placed = [token for token in tokens if token.side >= 0]
    if not placed:
        return ""
    side = placed[0].side
    return texts[side][min(token.start for token in placed) : max(token.end for token in placed)].strip()
