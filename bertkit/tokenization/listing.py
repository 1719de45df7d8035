"""Texts as the lines and rows of `bertkit tokenize`, by one tokenizer or by two side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bertkit.errors import UsageError
from bertkit.plain import to_json
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.segments import Span, whole_characters
from bertkit.tokenization.sentencepiece import SPACE

# --- Texts as the lines and rows of `bertkit tokenize`, at the speed of the Rust library ----------
#
# A stream of lines is formatted by hand: what a JSON encoder would do for each token anew, its
# spelling in JSON, is done once for each entry of the vocabulary.

# Scripts in which no character is a part of the one before it, and spans are whole as they are.
_PLAIN = re.compile(
    "[\x00-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u20cf\u2100-\u23ff\u2500-\u25ff\u3000-\u3029"
    "\u3041-\u3096\u30a1-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff9d]*"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A row of the table.

    `start` and `end` are characters of the text the token is from, `text` is what lies there;
    `side` is 0 or 1, and -1 for special tokens; `role` is "", "special", "unknown" or "padding".
    """

    token: str
    id: int
    segment: int
    mask: int
    side: int
    start: int
    end: int
    text: str
    role: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One text with its tokens; `valid_length` is the number of tokens that are not padding."""

    text: str
    pair: str | None
    tokens: tuple[Token, ...]
    valid_length: int
    unknown: int


class Lister:
    """Encodes texts and writes them down.

    Args:
        tokenizer: encodes; truncation and padding are switched on in it.
        pair: a second text for each text.
        max_length: where rows are cut, in tokens, special tokens included; None: nowhere.
        pad: whether rows are filled to `max_length`, or to what the model reads.

    Raises:
        UsageError: `max_length` has no room for a text beside the special tokens.
        TokenizerError: there is no padding token.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, pair: str | None = None, max_length: int | None = None, pad: bool = False
    ) -> None:
        self.tokenizer = tokenizer
        self.pair = pair
        self._backend = tokenizer.backend
        self._unk: int = -1 if tokenizer.special.unk is None else tokenizer.id_of(tokenizer.special.unk, "unknown")
        self._names: dict[int, str] = {i: token for token, i in self._backend.get_vocab().items()}
        self._spelled = _Spelled(self._names)
        self._space: int | None = self._backend.token_to_id(SPACE)
        self._padded = pad
        if max_length is not None:
            self._cut_at(max_length)
        if pad:
            tokenizer.id_of(tokenizer.special.pad, "padding")  # raises
            self._backend.enable_padding(
                length=max_length or tokenizer.max_length, pad_id=tokenizer.pad_id, pad_token=str(tokenizer.special.pad)
            )

    def _cut_at(self, max_length: int) -> None:
        framing = self._backend.num_special_tokens_to_add(is_pair=self.pair is not None)
        sides = 1 if self.pair is None else 2
        if max_length < framing + sides:
            raise UsageError(f"--max-length {max_length}: is too short; special tokens alone take {framing}.")
        self._backend.enable_truncation(max_length)

    def ids(self, texts: Sequence[str]) -> list[str]:
        """Return a line for each text: its ids, separated by spaces."""
        return [str(row.ids)[1:-1].replace(",", "") for row in self._encode(texts, with_offsets=False)]

    def tokens(self, texts: Sequence[str]) -> list[str]:
        """Return a line for each text: its tokens, separated by spaces."""
        names = self._names
        return [" ".join([names[i] for i in row.ids]) for row in self._encode(texts, with_offsets=False)]

    def json(self, texts: Sequence[str]) -> list[str]:
        """Return a line for each text: a JSON object.

        Its keys are tokens, ids, type_ids, attention_mask, offsets (pairs of characters, from
        the start of the text a token is of), valid_length and unknown (how many are).
        """
        rows = self._encode(texts, with_offsets=True)
        return [self._object(row, text) for row, text in zip(rows, texts, strict=True)]

    def table(self, texts: Sequence[str]) -> list[Listing]:
        """Return the rows of a table for each text."""
        rows = self._encode(texts, with_offsets=True)
        return [self._listing(row, text) for row, text in zip(rows, texts, strict=True)]

    def _encode(self, texts: Sequence[str], *, with_offsets: bool) -> Any:
        rows: list[Any] = list(texts) if self.pair is None else [(text, self.pair) for text in texts]
        return self._backend.encode_batch(rows) if with_offsets else self._backend.encode_batch_fast(rows)

    def _object(self, row: Any, text: str) -> str:
        # A list of numbers is written alike in Python and in JSON.
        ids, mask = row.ids, row.attention_mask
        offsets = str(self._places(row, ids, text)).replace("(", "[").replace(")", "]")
        return (
            f'{{"tokens": [{", ".join([self._spelled[i] for i in ids])}], "ids": {ids}, '
            f'"type_ids": {row.type_ids}, "attention_mask": {mask}, "offsets": {offsets}, '
            f'"valid_length": {sum(mask) if self._padded else len(ids)}, "unknown": {ids.count(self._unk)}}}'
        )

    def _listing(self, row: Any, text: str) -> Listing:
        texts, ids = (text, self.pair or ""), row.ids
        places = self._places(row, ids, text)
        fields = zip(ids, row.type_ids, row.attention_mask, row.sequence_ids, places, strict=True)
        tokens = []
        for token, segment, mask, sequence, (start, end) in fields:
            side = -1 if sequence is None else sequence
            covered = texts[side][start:end] if side >= 0 else ""
            role = self._role(token, side, mask)
            tokens.append(Token(self._names[token], token, segment, mask, side, start, end, covered, role))
        return Listing(text, self.pair, tuple(tokens), sum(row.attention_mask), ids.count(self._unk))

    def _role(self, token: int, side: int, mask: int) -> str:
        if not mask:
            return "padding"
        if token == self._unk:
            return "unknown"
        return "special" if side < 0 or token in self.tokenizer.special_ids else ""

    def _places(self, row: Any, ids: list[int], text: str) -> list[tuple[int, int]]:
        places = self._spans(row, text)
        if self._space not in ids:
            return places
        # The mark of a word's beginning covers nothing; the library lends it the first character.
        return [
            (start, start if token == self._space else end) for token, (start, end) in zip(ids, places, strict=True)
        ]

    def _spans(self, row: Any, text: str) -> list[tuple[int, int]]:
        offsets: list[tuple[int, int]] = row.offsets
        if self.pair is None and _PLAIN.fullmatch(text):
            return _without_space(offsets, text)
        sides = (-1 if side is None else side for side in row.sequence_ids)
        spans = [Span(side, start, end) for side, (start, end) in zip(sides, offsets, strict=True)]
        return [(start, end) for _, start, end in whole_characters(spans, (text, self.pair or ""))]


class _Spelled(dict[int, str]):
    """Tokens as JSON strings, by id, each made when it is first asked for."""

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names

    def __missing__(self, token: int) -> str:
        spelled = self[token] = to_json(self._names[token])
        return spelled


def _without_space(offsets: list[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    """Cut white space off the ends of spans, as `whole_characters` does."""
    for i, (start, end) in enumerate(offsets):
        if start < end and (text[start].isspace() or text[end - 1].isspace()):
            covered = text[start:end].rstrip()
            last = start + len(covered)
            offsets[i] = last - len(covered.lstrip()), last
    return offsets


# --- Two tokenizations of one text side by side: where both part the text, a new row begins -------


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
