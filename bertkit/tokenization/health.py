"""Does a tokenizer fit the texts it is to read, and the model that is to read its ids?

A vocabulary opened by the wrong class turns nearly every word into [UNK], and a model still
trains on that and answers one class for everything. So a sample of the texts is encoded
first, and a tokenizer that does not fit stops the command.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bertkit.errors import TokenizerError
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.segments import Span
from bertkit.tokenization.spans import whole_characters
from bertkit.tokenization.word_pieces import too_many_pieces
from bertkit.troubleshooting import see

SAMPLE = 1000
# Places are looked at in fewer texts: each token is.
PLACED_SAMPLE = 50
STOP_SHARE, WARN_SHARE = 0.30, 0.05
ANOTHER = f"choose another --model or --tokenizer ({see('tokenizer')})"


@dataclass(frozen=True)
class Fit:
    """What a sample of texts shows of a tokenizer.

    Attributes:
        unknown: share of tokens that are unknown, special tokens not counted.
        lost: share of characters that are in no token; white space and characters that
            cannot be seen are not counted.
        faults: why it cannot be used, one clause each.
        doubts: what is odd and can be lived with, one clause each.
    """

    unknown: float = 0.0
    lost: float = 0.0
    faults: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def unknown_share(tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Return the share of tokens that are unknown, special tokens not counted, from 0 to 1."""
    return _unknown_share(tokenizer, tokenizer.encode(list(texts)))


def check_fit(
    tokenizer: Tokenizer, texts: Sequence[str], *, name: str = "", model_ids: int | None = None
) -> tuple[str, ...]:
    """Check a tokenizer on a sample of texts, evenly spread over them.

    Args:
        tokenizer: what is checked.
        texts: the texts it is to read.
        name: where it is from: a run, or a flag and its value.
        model_ids: how many ids the model has embeddings for; None: not known.

    Returns:
        Warnings, such as that 5 % of the tokens or more are unknown; mostly nothing.

    Raises:
        TokenizerError: 30 % of the tokens or more are unknown, or another fault that
            `examine` finds.
    """
    fit = examine(tokenizer, texts, model_ids=model_ids)
    if fit.faults:
        whose = f"{name}: " if name else ""
        raise TokenizerError(f"{whose}the tokenizer does not fit {fit.faults[0]}; {ANOTHER}.")
    return fit.doubts


def examine(tokenizer: Tokenizer, texts: Sequence[str], *, model_ids: int | None = None) -> Fit:
    """Encode a sample and look at unknown tokens, ids, special tokens, segments and places.

    Args:
        tokenizer: what is examined.
        texts: the texts it is to read; a sample evenly spread over them is encoded.
        model_ids: how many ids the model has embeddings for; None: not known.
    """
    sample = _evenly(texts, SAMPLE)
    encodings = tokenizer.encode(sample)
    unknown = _unknown_share(tokenizer, encodings)
    lost, misplaced = _places(tokenizer, _evenly(texts, PLACED_SAMPLE))
    faults, doubts = [], []
    for share, what in ((unknown, "tokens are unknown to"), (lost, "characters are in no token of")):
        if share >= STOP_SHARE:
            faults.append(f"these texts: {share:.0%} of their {what} it")
        elif share >= WARN_SHARE:
            doubts.append(f"{share:.0%} of the {what} the tokenizer; another one may fit these texts better")
    if not faults:
        doubts += too_many_pieces(tokenizer, sample)
    if model_ids is not None and tokenizer.vocab_size > model_ids:
        doubts.append(f"the tokenizer has {tokenizer.vocab_size:,} ids and the model knows {model_ids:,} of them")
    unframed = _missing_token(tokenizer)
    framed = [] if unframed else [*_ids_beyond(tokenizer, encodings, model_ids), *_wrong_segments(tokenizer, sample)]
    return Fit(unknown, lost, (*faults, *misplaced, *unframed, *framed), tuple(doubts))


def _evenly(texts: Sequence[str], size: int) -> list[str]:
    # rounded up, so that the sample reaches the last texts
    return list(texts[:: max(1, -(-len(texts) // size))])


def _unknown_share(tokenizer: Tokenizer, encodings: Sequence[Encoding]) -> float:
    if tokenizer.special.unk is None:
        return 0.0
    unk = tokenizer.id_of(tokenizer.special.unk, "unknown")
    ids = [i for encoding in encodings for i in encoding.ids]
    text_tokens = sum(i == unk or i not in tokenizer.special_ids for i in ids)
    return ids.count(unk) / text_tokens if text_tokens else 0.0


def _missing_token(tokenizer: Tokenizer) -> list[str]:
    """Say which special token has a name and is not there, or is not put round the texts.

    Encoders of today may read texts without any; a name that nothing goes by is a damage.
    """
    special = tokenizer.special
    (row,) = tokenizer.encode(["a"])
    for name, token in (("first", special.cls), ("separator", special.sep)):
        if token is None:
            continue
        known = tokenizer.backend.token_to_id(token)
        if known is None:
            return [f"an encoder: it has no {name} token"]
        if known not in row.ids:
            return [f"an encoder: it does not put {token} round a text"]
    return []


def _ids_beyond(tokenizer: Tokenizer, encodings: Sequence[Encoding], model_ids: int | None) -> list[str]:
    highest = max((i for encoding in encodings for i in encoding.ids), default=0)
    highest = max(highest, tokenizer.pad_id)
    if model_ids is None or highest < model_ids:
        return []
    return [f"the model: its ids go up to {highest:,} and the model has embeddings for {model_ids:,}"]


def _wrong_segments(tokenizer: Tokenizer, sample: Sequence[str]) -> list[str]:
    """Say so where a tokenizer that knows segments gives them to the wrong text of a pair."""
    text = next((text for text in sample if text.strip()), "a")
    (row,) = tokenizer.encode([text], [text], with_spans=True)
    sides = ({t for t, span in zip(row.type_ids, row.spans, strict=True) if span.side == side} for side in (0, 1))
    first, second = sides
    if not any(row.type_ids) or not first or not second or (first, second) == ({0}, {1}):
        return []
    return ["an encoder: the segment ids of a pair are not 0 for its first text and 1 for its second"]


def _places(tokenizer: Tokenizer, sample: list[str]) -> tuple[float, list[str]]:
    """Return the share of characters in no token, and the fault of spans that are none."""
    characters = covered = 0
    for text, row in zip(sample, tokenizer.encode(sample, with_spans=True), strict=True):
        if not _is_ordered([span for span in row.spans if span.side == 0], len(text)):
            return 0.0, ["these texts: the places of its tokens are out of order or outside the text"]
        spans = [span for span in whole_characters(row.spans, (text,)) if span.side == 0]
        visible = [_is_visible(character) for character in text]
        characters += sum(visible)
        covered += sum(visible[i] for i in _positions(spans))
    return (1 - covered / characters if characters else 0.0), []


def _is_ordered(spans: Sequence[Span], length: int) -> bool:
    starts, ends = [span.start for span in spans], [span.end for span in spans]
    inside = all(0 <= span.start <= span.end <= length for span in spans)
    return inside and starts == sorted(starts) and ends == sorted(ends)


def _positions(spans: Sequence[Span]) -> Iterator[int]:
    """Yield each position in a span once; spans are in order and may overlap."""
    reached = 0
    for span in spans:
        yield from range(max(reached, span.start), span.end)
        reached = max(reached, span.end)


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character)[0] not in "CM"


class FitWatch:
    """Counts unknown tokens while a stream is encoded, and says once whether there are too many.

    Args:
        tokenizer: the tokenizer that encodes the stream.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        unk = tokenizer.special.unk
        self._unk = -1 if unk is None else tokenizer.id_of(unk, "unknown")
        self._special = tokenizer.special_ids - {self._unk}
        self.tokens = 0
        self.unknown = 0
        self.truncated = 0

    def see(self, encodings: Sequence[Encoding]) -> None:
        """Count the tokens of some rows."""
        for encoding in encodings:
            self.truncated += encoding.truncated
            self.unknown += encoding.ids.count(self._unk)
            self.tokens += len(encoding.ids) - sum(encoding.ids.count(special) for special in self._special)

    @property
    def misfit(self) -> str | None:
        """A sentence where 30 % of the tokens seen are unknown, else None."""
        if self.tokens and self.unknown / self.tokens >= STOP_SHARE:
            share = self.unknown / self.tokens
            return f"the run's tokenizer does not fit these texts: {share:.0%} of their tokens are unknown to it"
        return None
