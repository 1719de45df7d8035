"""Documents as encodings of whole sentences: [CLS] one [SEP] [CLS] two [SEP] …, in windows.

A document that is longer than the encoder reads is read in windows of whole sentences.
Neighbouring windows share up to two sentences, a quarter of a window at most, so that none
stands at an edge without knowing what is beyond; each sentence is answered by one window only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from bertkit.documents.sentences import Sentence
from bertkit.tasks.base import EncodedRow
from bertkit.tokenization.base import Encoding, Tokenizer

SHARED = 2
_SPECIAL = 2  # tokens round a sentence
# Sentences that are handed to the Rust library at once.
_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class SentenceWindow(Encoding):
    """A window of a document.

    `heads` are the places of the first tokens of its sentences; it answers for those whose
    numbers in the window are in `own`, and these are `sentences`.
    """

    heads: tuple[int, ...] = ()
    own: range = range(0)
    sentences: tuple[Sentence, ...] = ()

    @property
    def answered(self) -> tuple[int, ...]:
        """The places of the first tokens of the sentences it answers for."""
        return self.heads[self.own.start : self.own.stop]


def encode_documents(
    documents: Sequence[Sequence[Sentence]], tokenizer: Tokenizer, *, max_length: int, only_first: bool = False
) -> list[EncodedRow]:
    """Encode documents as windows.

    A sentence that is longer than a window is cut, and its row counts as truncated. A
    document without sentences is one window without text.

    Args:
        documents: the sentences of each.
        tokenizer: the encoder's.
        max_length: longest window in tokens, special tokens included.
        only_first: whether a document ends where its first window does.

    Raises:
        TokenizerError: the tokenizer has no token that begins or ends a sentence.
    """
    pieces = iter(sentence_ids([s.text for sentences in documents for s in sentences], tokenizer))
    opening, closing = boundaries(tokenizer)
    rows = []
    for sentences in documents:
        full = list(islice(pieces, len(sentences)))
        ids = [[opening, *piece[: max_length - _SPECIAL], closing] for piece in full]
        lost = [len(piece) + _SPECIAL - len(kept) for piece, kept in zip(full, ids, strict=True)]
        plan = plan_windows([len(piece) for piece in ids], max_length, only_first=only_first)
        rows.append(_row(sentences, ids, lost, plan) if ids else _empty(opening, closing))
    return rows


def sentence_ids(texts: Sequence[str], tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Yield the token ids of each text, special tokens left out.

    Equal ids are one object: a corpus has millions, and an int of its own takes 28 bytes.
    """
    known: dict[int, int] = {}
    for start in range(0, len(texts), _CHUNK):
        found = tokenizer.backend.encode_batch_fast(list(texts[start : start + _CHUNK]), add_special_tokens=False)
        for encoding in found:
            yield [known.setdefault(token, token) for token in encoding.ids]


def boundaries(tokenizer: Tokenizer) -> tuple[int, int]:
    """Return the ids of the tokens before and after a sentence.

    Raises:
        TokenizerError: the tokenizer lacks one of them.
    """
    special = tokenizer.special
    return tokenizer.id_of(special.cls, "first (cls)"), tokenizer.id_of(special.sep, "separator")


def plan_windows(lengths: Sequence[int], max_length: int, *, only_first: bool = False) -> list[tuple[range, range]]:
    """Divide the sentences of a document into as few windows as will do, of about the same length.

    Args:
        lengths: tokens of each sentence, none more than `max_length`.
        max_length: most tokens of a window.
        only_first: plan the first window alone, as long as it may be.

    Returns:
        For each window the sentences it reads, and those it answers for.
    """
    shared = max_length // 4
    reads = _filled(lengths, max_length, shared)
    if only_first:
        return [(read, read) for read in reads[:1]]
    narrowest, widest = max(lengths, default=0), max_length
    while narrowest < widest:  # at `widest` it is never more windows
        middle = (narrowest + widest) // 2
        narrower = _filled(lengths, middle, shared)
        if len(narrower) <= len(reads):
            reads, widest = narrower, middle
        else:
            narrowest = middle + 1
    # Of shared sentences the first half is answered by the earlier window, which knows what comes before.
    cuts = [(later.start + earlier.stop + 1) // 2 for earlier, later in pairwise(reads)]
    owns = map(range, [0, *cuts], [*cuts, len(lengths)])
    return list(zip(reads, owns, strict=False))


def _filled(lengths: Sequence[int], max_length: int, shared: int) -> list[range]:
    """Fill windows one after the other; neighbours share `shared` tokens at most."""
    reads: list[range] = []
    start = end = 0
    while end < len(lengths):
        room = max_length - sum(lengths[start:end])
        while end < len(lengths) and lengths[end] <= room:
            room -= lengths[end]
            end += 1
        reads.append(range(start, end))
        if end < len(lengths):
            start = _next_start(lengths, start, end, min(shared, max_length - lengths[end]))
    return reads


def _next_start(lengths: Sequence[int], start: int, end: int, room: int) -> int:
    """Begin the next window as many sentences before the new one as may be shared and have room."""
    first = end
    while first - 1 > start and end - first < SHARED and lengths[first - 1] <= room:
        first -= 1
        room -= lengths[first]
    return first


def _row(
    sentences: Sequence[Sentence], ids: list[list[int]], lost: list[int], plan: list[tuple[range, range]]
) -> EncodedRow:
    windows = []
    n_tokens = sum(map(len, ids)) + sum(lost)
    is_cut = plan[-1][0].stop < len(ids)
    for reads, own in plan:
        heads: list[int] = []
        tokens: list[int] = []
        types: list[int] = []
        for number in reads:
            heads.append(len(tokens))
            tokens += ids[number]
            types += [(number - reads.start) % 2] * len(ids[number])
        windows.append(
            SentenceWindow(
                tokens,
                types,
                n_tokens if is_cut else len(tokens) + sum(lost[number] for number in reads),
                heads=tuple(heads),
                own=range(own.start - reads.start, own.stop - reads.start),
                sentences=tuple(sentences[own.start : own.stop]),
            )
        )
    return EncodedRow(tuple(windows), n_tokens, truncated=is_cut or any(lost))


def _empty(opening: int, closing: int) -> EncodedRow:
    return EncodedRow((SentenceWindow([opening, closing], [0, 0], _SPECIAL),), _SPECIAL, truncated=False)
