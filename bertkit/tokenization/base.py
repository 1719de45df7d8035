"""Text to ids: one class around the Rust `tokenizers` library, and what it returns.

Knows no torch. A tokenizer is stored as tokenizer.json and tokenizer_config.json, in the
form transformers' AutoTokenizer opens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, normalizers
from tokenizers import Tokenizer as Backend

from bertkit.errors import TokenizerError
from bertkit.files import write_json, write_text
from bertkit.tokenization.encoding import (
    FEWEST,
    EncodedColumns,
    Encoding,
    Kept,
    LaidRow,
    PairsApart,
    Sides,
    Texts,
    WordsApart,
    WordsRow,
    both_too_long,
    can_keep_second,
    cut_beginning,
    cut_longest,
    packed,
    reads_apart,
    sides_of,
    spans_of,
    windows,
)
from bertkit.tokenization.segments import AT_ONCE, looked_at, most_at_once, portions, stretches

# --- Control tokens that people type: `[SEP]` in a review is five characters, not the end of a side
#
# The library reads them as control tokens unless it is told not to, and a vocabulary may hold
# their names as pieces, which a text then matches all the same.

# Goes for the first character of a name that is not to be matched: it is in every vocabulary,
# and the text stays as long as it was.
STAND_IN = "("


def as_text(backend: Backend, names: Sequence[str]) -> tuple[str, ...]:
    """Let a tokenizer read control tokens in a text as text; it is changed.

    Args:
        backend: of the library.
        names: control tokens that it may not know as such: files of some models leave them unmarked,
            or have them found in cleaned text, where small letters spell them too.

    Returns:
        All its control tokens, those with a name first.
    """
    added = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    control = tuple(dict.fromkeys([*names, *(name for name, token in added.items() if token.special)]))
    for name in control:
        token = added.get(name)
        if backend.token_to_id(name) is not None and (token is None or not token.special or token.normalized):
            left, right = (token is not None and token.lstrip), (token is not None and token.rstrip)
            backend.add_special_tokens([AddedToken(name, lstrip=left, rstrip=right, normalized=False, special=True)])
    backend.encode_special_tokens = True
    if respelt := [normalizers.Replace(name, _respelt(name)) for name in control if _is_matched(backend, name)]:
        # Last, so that characters that become those of a name are caught too.
        own = [] if backend.normalizer is None else [backend.normalizer]
        backend.normalizer = normalizers.Sequence([*own, *respelt])
    return control


def _is_matched(backend: Backend, name: str) -> bool:
    """Tell whether a text that spells a control token gives it all the same, as a piece of the vocabulary."""
    token_id = backend.token_to_id(name)
    spelt, respelt = (backend.encode(text, add_special_tokens=False).ids for text in (name, _respelt(name)))
    return token_id in spelt and token_id not in respelt  # in both: it is what unknown characters give


class Speller:
    """Respells control tokens in texts so that they are not matched; places stay.

    Args:
        names: the control tokens.
    """

    def __init__(self, names: Sequence[str]) -> None:
        # The longest first: one name may begin another.
        ordered = sorted((name for name in names if name), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str, *, but: Sequence[str] = ()) -> str:
        """Return the text with each name but some begun by another character."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: found[0] if found[0] in but else _respelt(found[0]), text)


def _respelt(name: str) -> str:
    return STAND_IN + name[1:]


# Characters of pairs whose tokens are columns at the same time, some tens of bytes each.
_IN_COLUMNS = 1 << 20

__all__ = ["Encoding", "SpecialTokens", "Tokenizer"]


@dataclass(frozen=True)
class SpecialTokens:
    """The five tokens every encoder of the family has, by part; a part may be missing."""

    unk: str | None = "[UNK]"
    pad: str | None = "[PAD]"
    cls: str | None = "[CLS]"
    sep: str | None = "[SEP]"
    mask: str | None = "[MASK]"

    @property
    def present(self) -> tuple[str, ...]:
        """The tokens that exist, in the order unk, pad, cls, sep, mask."""
        parts = (self.unk, self.pad, self.cls, self.sep, self.mask)
        return tuple(token for token in parts if token is not None)


class Tokenizer:
    """A fast tokenizer with the names of its special tokens.

    Special tokens that a text spells are text, unless `reads_control` is set: then they are
    what they are called, and whoever sets it respells with `plain` what people have typed.

    Args:
        backend: the Rust tokenizer; truncation and padding stored in it are switched
            off, because they would cut rows silently.
        special: its special tokens.
        max_length: tokens the model can read.

    Attributes:
        control: all tokens that a text may not spell: these, and what else the model has for chats and the like.
    """

    def __init__(self, backend: Backend, special: SpecialTokens, max_length: int) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.control = as_text(backend, special.present)
        self.backend = backend
        self.special = special
        self.max_length = max_length
        self._typed = Speller(self.control)
        # Equal ids are one object: a corpus has millions, and an int of its own takes 28 bytes.
        self._numbers = list(range(self.vocab_size))
        self.special_ids = frozenset(
            token_id for token in special.present if (token_id := backend.token_to_id(token)) is not None
        )

    @cached_property
    def vocab_size(self) -> int:
        """How many rows a table needs for its ids: the highest one plus 1, added tokens included."""
        return max(self.backend.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    @cached_property
    def _words_apart(self) -> WordsApart | None:
        return WordsApart(self.backend, self._numbers) if reads_apart(self.backend) else None

    @cached_property
    def _pairs_apart(self) -> PairsApart | None:
        return (
            PairsApart(self.backend, self._numbers, self.special.sep or "") if self._words_apart is not None else None
        )

    def id_of(self, token: str | None, part: str) -> int:
        """Return the id of a special token.

        Raises:
            TokenizerError: the tokenizer has no such token.
        """
        found = None if token is None else self.backend.token_to_id(token)
        if found is None:
            raise TokenizerError(f"the tokenizer has no {part} token; take one that has.")
        return int(found)

    @property
    def pad_id(self) -> int:
        """Id that fills short rows of a batch, where it is masked: any will do if there is no padding token."""
        filling = (self.special.pad, self.special.sep, self.special.cls, self.special.unk)
        found = (self.backend.token_to_id(token) for token in filling if token is not None)
        return int(next((i for i in found if i is not None), 0))

    @property
    def mask_id(self) -> int:
        """Id that hides a token."""
        return self.id_of(self.special.mask, "mask")

    @property
    def reads_control(self) -> bool:
        """Whether special tokens in a text are read as such."""
        return not self.backend.encode_special_tokens

    @reads_control.setter
    def reads_control(self, value: bool) -> None:
        if value != self.reads_control:
            self._forget_words()  # what it knows of them is otherwise
        self.backend.encode_special_tokens = not value

    def add_control(self, tokens: Sequence[str]) -> None:
        """Add control tokens to the vocabulary, as far as it lacks them."""
        self.backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])
        self.__dict__.pop("vocab_size", None)
        self._forget_words()
        self._numbers = list(range(self.vocab_size))

    def _forget_words(self) -> None:
        for name in ("_words_apart", "_pairs_apart"):
            self.__dict__.pop(name, None)

    def know_control(self, tokens: Sequence[str]) -> None:
        """Let `plain` respell further control tokens, those of a task, too."""
        self._typed = Speller((*self.control, *tokens))
        ids = (self.backend.token_to_id(token) for token in tokens)
        self.special_ids |= {token_id for token_id in ids if token_id is not None}

    def plain(self, text: str, *, but: Sequence[str] = ()) -> str:
        """Respell the special tokens in a text, but some, so that they are read as text; places stay."""
        return self._typed(text, but=but)

    def encode(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int | None = None,
        with_spans: bool = False,
        keep_pairs: bool = False,
    ) -> list[Encoding]:
        """Encode rows.

        Args:
            texts: first (or only) text of each row.
            pairs: second text of each row, or None.
            max_length: longest row in tokens, special tokens included; the longer side
                of a pair is cut first, and of a very long text no more than `most_at_once`
                characters are looked at. None: nothing is cut.
            with_spans: whether the tokens' places in the texts are wanted (slower).
            keep_pairs: cut only the beginning of the first text, wherever that is the longer
                one and something of it is left.

        Returns:
            One encoding per row, in order.
        """
        rows, found = _rows(texts, pairs), []
        most = None if max_length is None else most_at_once(max_length)
        for some in portions(map(_size, rows)):
            read, skipped, is_part = rows[some], (0, 0), False
            if most is not None and _longest(read[0]) > most:  # such a row is a portion of its own
                own, skipped = looked_at(read[0], most, keep_end=keep_pairs)
                read, is_part = [own], True
            for row, own in zip(self._encoded(read, with_spans), read, strict=True):
                laid = self._laid(row, own, with_spans, skipped)
                places = None
                if max_length is not None and len(row) > max_length:
                    places = _places_left(sides_of(row), max_length, keep_pairs=keep_pairs)
                found.append(laid.part(places, n_tokens=len(row), is_part=is_part))
        return found

    def encode_columns(self, texts: Sequence[str], *, max_length: int) -> EncodedColumns | None:
        """Encode many rows of one text each, as `encode` does, in a fraction of the time.

        Args:
            texts: of the rows.
            max_length: longest row in tokens, special tokens included.

        Returns:
            The rows; None where this tokenizer, or one of the texts, wants rows one by one.
        """
        apart = self._words_apart
        if apart is None or len(texts) < FEWEST or max(map(len, texts)) > most_at_once(max_length):
            return None
        ids, counts = apart.encode_columns(texts)
        opening, closing = frame = apart.frame
        left = np.minimum(counts, max(0, max_length - len(frame)))
        if (left < counts).any():
            places = np.arange(len(ids)) - np.repeat(np.cumsum(counts) - counts, counts)
            ids = ids[places < np.repeat(left, counts)]
        starts = np.zeros(len(texts) + 1, np.int32)
        np.cumsum(left + len(frame), out=starts[1:])
        found, is_text = np.empty(int(starts[-1]), np.int32), np.ones(int(starts[-1]), np.bool_)
        found[starts[:-1]], found[starts[1:] - 1] = opening, closing
        is_text[starts[:-1]] = is_text[starts[1:] - 1] = False
        found[is_text] = ids
        return EncodedColumns(found, starts, (counts + len(frame)).astype(np.int32))

    def encode_marked(
        self, firsts: Sequence[str], seconds: Sequence[str], *, max_length: int
    ) -> list[Encoding | None] | None:
        """Encode many pairs, with segment ids that say how each word stands to the other text (`overlap_segments`).

        The separator is no word to compare.

        Args:
            firsts: first text of each pair.
            seconds: second text of each pair.
            max_length: longest row in tokens, special tokens included; the longer text is cut first.

        Returns:
            One encoding per pair, in order, None for one that is to be encoded by itself; None where this
            tokenizer, or one of the texts, wants that of all.
        """
        if len(firsts) < FEWEST or max(map(len, (*firsts, *seconds))) > AT_ONCE or self._pairs_apart is None:
            return None
        found: list[Encoding | None] = []
        for some in portions(map(_size, zip(firsts, seconds, strict=True)), _IN_COLUMNS):
            found += self._pairs_apart.encode(firsts[some], seconds[some], max_length)
        return found

    def encode_windows(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int, with_spans: bool = False
    ) -> list[tuple[int, tuple[Encoding, ...]]]:
        """Encode rows, long ones as windows that overlap by a quarter.

        Of a pair the longer side is cut into windows, and the other stands in each of them.
        A very long text is parted into stretches of up to `most_at_once` characters first,
        and each of these is read in windows of its own.

        Args:
            texts: first (or only) text of each row.
            pairs: second text of each row, or None.
            max_length: longest window in tokens, special tokens included.
            with_spans: see `encode`.

        Returns:
            For each row its length in tokens and its windows, in order; a row that fits has
            one.

        Raises:
            TokenizerError: both sides of a pair are too long.
        """
        rows, found = _rows(texts, pairs), []
        most = most_at_once(max_length)
        for some in portions(map(_size, rows)):
            if _longest(rows[some][0]) > most:  # such a row is a portion of its own
                found.append(self._in_stretches(rows[some][0], most, max_length, with_spans))
                continue
            for row, own in zip(self._encoded(rows[some], with_spans), rows[some], strict=True):
                laid = self._laid(row, own, with_spans)
                found.append((len(row), tuple(_windows(row, laid, max_length))))
        return found

    def _in_stretches(
        self, texts: Texts, most: int, max_length: int, with_spans: bool
    ) -> tuple[int, tuple[Encoding, ...]]:
        """Read the longer text of a row stretch by stretch, each of them in windows."""
        side = max(range(len(texts)), key=lambda i: len(texts[i]))
        if any(len(text) > most for text in (*texts[:side], *texts[side + 1 :])):
            raise both_too_long(max_length)
        n_tokens, parts = 0, list[Encoding]()
        for start, stretch in stretches(texts[side], most // 4):
            own = (*texts[:side], stretch, *texts[side + 1 :])
            (row,) = self._encoded([own], with_spans)
            first, second, length = sides_of(row)
            around = length - len(second if side else first)
            if parts and len(row) == around:
                continue  # nothing but white space
            n_tokens += len(row) - (around if parts else 0)
            laid = self._laid(row, own, with_spans, (0, start) if side else (start, 0))
            opening, *others = _windows(row, laid, max_length)
            parts += [packed(replace(opening, begins=bool(parts))), *map(packed, others)]
        return n_tokens, tuple(parts)

    def _encoded(self, rows: Sequence[Texts], with_spans: bool) -> list[Any]:
        """Hand rows to the library; nothing is cut. Of many rows, words that came before need not go there."""
        if not with_spans and len(rows) >= FEWEST and self._words_apart is not None:
            return self._words_apart.encode(rows)
        encode_batch = self.backend.encode_batch if with_spans else self.backend.encode_batch_fast
        return list(encode_batch([row if len(row) > 1 else row[0] for row in rows]))

    def _laid(self, row: Any, texts: Texts, with_spans: bool, skipped: tuple[int, int] = (0, 0)) -> LaidRow:
        ids = row.ids
        if isinstance(row, WordsRow):
            return LaidRow(ids, row.type_ids, [], texts, skipped)
        # Where a vocabulary has gaps, its highest ids are beyond the numbers.
        with suppress(IndexError):
            ids = [self._numbers[i] for i in ids]
        return LaidRow(ids, row.type_ids, spans_of(row) if with_spans else [], texts, skipped)

    def save(self, directory: Path, *, max_length: int | None = None, with_segments: bool = True) -> None:
        """Write tokenizer.json and tokenizer_config.json.

        Args:
            directory: where to.
            max_length: most tokens of a row, where those who open the files are to cut them
                sooner than the model has to.
            with_segments: whether they are to give segment ids, which some encoders have no table for.

        Raises:
            OSError: the folder cannot be written.
        """
        write_text(directory / "tokenizer.json", self.backend.to_str(pretty=True))
        names = {f"{part}_token": getattr(self.special, part) for part in ("unk", "pad", "cls", "sep", "mask")}
        config = {
            # Without this class name AutoTokenizer builds a model-specific tokenizer from scraps.
            "tokenizer_class": "TokenizersBackend",
            "model_max_length": max_length or self.max_length,
            "model_input_names": ["input_ids", *(["token_type_ids"] if with_segments else []), "attention_mask"],
            "split_special_tokens": not self.reads_control,
            **names,  # null for what it has not: without the key, usual names are looked for
        }
        write_json(directory / "tokenizer_config.json", dict(sorted(config.items())))


def _rows(texts: Sequence[str], pairs: Sequence[str] | None) -> list[Texts]:
    return [(text,) for text in texts] if pairs is None else list(zip(texts, pairs, strict=True))


def _size(row: Texts) -> int:
    return sum(map(len, row))


def _longest(row: Texts) -> int:
    return max(map(len, row))


def _places_left(sides: Sides, max_length: int, *, keep_pairs: bool) -> Kept:
    """Say which tokens stay of a row that is too long."""
    if keep_pairs and can_keep_second(sides, max_length):
        return cut_beginning(sides, max_length)
    return cut_longest(sides, max_length)


def _windows(row: Any, laid: LaidRow, max_length: int) -> Iterator[Encoding]:
    """Cut a row into windows, if it is too long."""
    if len(row) <= max_length:
        yield laid.part(None)
        return
    types: list[int] = []
    for places in windows(sides_of(row), max_length, is_pair=len(laid.texts) > 1):
        window = laid.part(places)
        # Those of neighbours are mostly the same, and then one object.
        types = types if window.type_ids == types else window.type_ids
        yield replace(window, type_ids=types)
