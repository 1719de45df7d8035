"""Text to ids: one class around the Rust `tokenizers` library, and what it returns.

Knows no torch. A tokenizer is stored as tokenizer.json and tokenizer_config.json, in the
form transformers' AutoTokenizer opens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from bertkit.errors import TokenizerError
from bertkit.files import is_file, write_json, write_text
from bertkit.kinds import MisfitError, read_object, shown, value_of
from bertkit.tokenization.checked import check_opened, check_tokenizer, library_faults
from bertkit.tokenization.segments import Span
from bertkit.tokenization.spans import whole_characters

# Tokens that must be left of a text that is cut for it to be worth reading.
MIN_WINDOW = 4
# Tokens of a row where a folder names no length, and the most that any may name.
USUAL_LENGTH, LONGEST = 512, 2**20


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


@dataclass(frozen=True, slots=True)
class Encoding:
    """One row as ids.

    `n_tokens` is the row's full length, special tokens included, before it was cut;
    `spans` are the tokens' places in the row's texts, where asked for; `hidden` are
    (place, true id) of tokens that a task has hidden.
    """

    ids: list[int]
    type_ids: list[int]
    n_tokens: int
    spans: tuple[Span, ...] = ()
    hidden: tuple[tuple[int, int], ...] = ()

    @property
    def truncated(self) -> bool:
        """Whether tokens were cut away."""
        return self.n_tokens > len(self.ids)


class Tokenizer:
    """A fast tokenizer with the names of its special tokens.

    Args:
        backend: the Rust tokenizer; truncation and padding stored in it are switched
            off, because they would cut rows silently.
        special: its special tokens.
        max_length: tokens the model can read.
    """

    def __init__(self, backend: Backend, special: SpecialTokens, max_length: int) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend
        self.special = special
        self.max_length = max_length
        self.special_ids = frozenset(
            token_id for token in special.present if (token_id := backend.token_to_id(token)) is not None
        )

    @cached_property
    def vocab_size(self) -> int:
        """How many rows a table needs for its ids: the highest one plus 1, added tokens included."""
        return max(self.backend.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def id_of(self, token: str | None, part: str) -> int:
        """Return the id of a special token.

        Raises:
            TokenizerError: the tokenizer has no such token.
        """
        found = None if token is None else self.backend.token_to_id(token)
        if found is None:
            raise TokenizerError(f"the tokenizer has no {part} token; give one that has with --tokenizer.")
        return int(found)

    @property
    def pad_id(self) -> int:
        """Id that fills short rows of a batch."""
        return self.id_of(self.special.pad, "padding")

    @property
    def mask_id(self) -> int:
        """Id that hides a token."""
        return self.id_of(self.special.mask, "mask")

    def encode(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int | None = None,
        with_spans: bool = False,
        keep_pairs: bool = False,
    ) -> list[Encoding]:
        """Encode rows in one batch.

        Args:
            texts: first (or only) text of each row.
            pairs: second text of each row, or None.
            max_length: longest row in tokens, special tokens included; the longer side
                of a pair is cut first. None: nothing is cut.
            with_spans: whether the tokens' places in the texts are wanted (slower).
            keep_pairs: cut only the beginning of the first text, wherever that is the longer
                one and something of it is left.

        Returns:
            One encoding per row, in order.
        """
        rows: list[Any] = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        encode_batch = self.backend.encode_batch if with_spans else self.backend.encode_batch_fast
        full = encode_batch(rows)
        lengths = [len(row) for row in full]
        if max_length is not None:
            long = [i for i, length in enumerate(lengths) if length > max_length]
            kept = [i for i in long if keep_pairs and self._can_keep_pair(full[i], max_length)]
            for i, cut in zip(kept, self._cut([rows[i] for i in kept], max_length, keep_pairs=True), strict=True):
                full[i] = cut
            rest = sorted({*long}.difference(kept))
            for i, cut in zip(rest, self._cut([rows[i] for i in rest], max_length), strict=True):
                full[i] = cut
        return [
            Encoding(row.ids, row.type_ids, n, _spans(row, texts) if with_spans else ())
            for row, n, texts in zip(full, lengths, rows, strict=True)
        ]

    def _can_keep_pair(self, row: Any, max_length: int) -> bool:
        sides = row.sequence_ids
        first, second = sides.count(0), sides.count(1)
        return bool(first > second and max_length - (len(sides) - first) >= MIN_WINDOW)

    def _cut(self, rows: list[Any], max_length: int, *, keep_pairs: bool = False) -> list[Any]:
        if not rows:
            return []
        how = {"strategy": "only_first", "direction": "left"} if keep_pairs else {}
        self.backend.enable_truncation(max_length, **how)
        try:
            return list(self.backend.encode_batch(rows))
        finally:
            self.backend.no_truncation()

    def encode_windows(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int, with_spans: bool = False
    ) -> list[tuple[int, tuple[Encoding, ...]]]:
        """Encode rows in one batch, long ones as windows that overlap by a quarter.

        Of a pair the longer side is cut into windows, and the other stands in each of them.

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

        def windows(i: int, row: Encoding) -> tuple[Encoding, ...]:
            if len(row.ids) <= max_length:
                return (row,)
            return self._windows(texts[i], None if pairs is None else pairs[i], max_length, with_spans)

        rows = self.encode(texts, pairs, with_spans=with_spans)
        return [(len(row.ids), windows(i, row)) for i, row in enumerate(rows)]

    def _windows(self, text: str, pair: str | None, max_length: int, with_spans: bool) -> tuple[Encoding, ...]:
        strategy = "longest_first"
        if pair is not None:
            first, second = (len(row) for row in self.backend.encode_batch_fast([text, pair], add_special_tokens=False))
            strategy = "only_first" if first > second else "only_second"
            room = max_length - self.backend.num_special_tokens_to_add(is_pair=True) - min(first, second)
            if room < MIN_WINDOW:
                raise TokenizerError(
                    f"both texts of a row are too long for windows of {max_length} tokens; raise --max-length."
                )
        else:
            room = max_length - self.backend.num_special_tokens_to_add(is_pair=False)
        self.backend.enable_truncation(max_length, stride=room // 4, strategy=strategy)
        try:
            row = self.backend.encode(text, pair)
        finally:
            self.backend.no_truncation()
        return tuple(
            Encoding(
                part.ids,
                part.type_ids,
                len(part.ids),
                _spans(part, text if pair is None else (text, pair)) if with_spans else (),
            )
            for part in (row, *row.overflowing)
        )

    def save(self, directory: Path) -> None:
        """Write tokenizer.json and tokenizer_config.json.

        Raises:
            OSError: the folder cannot be written.
        """
        write_text(directory / "tokenizer.json", self.backend.to_str(pretty=True))
        names = {f"{part}_token": getattr(self.special, part) for part in ("unk", "pad", "cls", "sep", "mask")}
        config = {
            # Without this class name AutoTokenizer builds a model-specific tokenizer from scraps.
            "tokenizer_class": "TokenizersBackend",
            "model_max_length": self.max_length,
            "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
            **{name: token for name, token in names.items() if token is not None},
        }
        write_json(directory / "tokenizer_config.json", dict(sorted(config.items())))


def _spans(row: Any, texts: str | tuple[str, str]) -> tuple[Span, ...]:
    found = [
        Span(-1 if side is None else side, start, end)
        for side, (start, end) in zip(row.sequence_ids, row.offsets, strict=True)
    ]
    return whole_characters(found, (texts,) if isinstance(texts, str) else texts)


def load_tokenizer(directory: Path) -> Tokenizer:
    """Open a tokenizer that was saved with its tokenizer.json.

    Raises:
        TokenizerError: the files are missing or damaged.
        PlaceError: the right to read them is missing.
    """
    path, named = directory / "tokenizer.json", directory / "tokenizer_config.json"
    if not is_file(path):
        raise TokenizerError(f"{directory}: no tokenizer.json there; give a folder that has one with --tokenizer.")
    with sound_file(path):
        values = read_object(path)
        check_tokenizer(values)
        with library_faults():
            backend = Backend.from_file(str(path))
        backend.no_truncation()
        backend.no_padding()
        check_opened(backend, values)
    with sound_file(named):
        config = read_object(named) if is_file(named) else {}
        length, special = own_length(config), _special_tokens(config, backend)
    return Tokenizer(backend, special, USUAL_LENGTH if length is None else min(length, LONGEST))


@contextmanager
def sound_file(path: Path) -> Iterator[None]:
    """Say in one sentence what is wrong with a file of a tokenizer.

    Raises:
        TokenizerError: it is damaged.
    """
    try:
        yield
    except MisfitError as error:
        raise TokenizerError(f"{path}: {error}; copy it again.") from error


def own_length(config: Mapping[str, Any]) -> int | None:
    """Return the longest row in tokens by tokenizer_config.json; None where it says nothing.

    Raises:
        MisfitError: it is no number from 1 on.
    """
    length = value_of(float | None, config.get("model_max_length"), "model_max_length")
    if length is not None and length < 1:
        raise MisfitError(f"model_max_length is {shown(length)} and should be at least 1")
    return None if length is None else int(length)


def _special_tokens(config: Mapping[str, Any], backend: Backend) -> SpecialTokens:
    found: dict[str, str | None] = {}
    for part, usual in (
        ("unk", ("[UNK]", "<unk>")),
        ("pad", ("[PAD]", "<pad>")),
        ("cls", ("[CLS]", "<s>")),
        ("sep", ("[SEP]", "</s>")),
        ("mask", ("[MASK]", "<mask>")),
    ):
        named = named_token(config, f"{part}_token")
        candidates = (named,) if named is not None else usual
        found[part] = next((t for t in candidates if backend.token_to_id(t) is not None), None)
    return SpecialTokens(**found)


def named_token(config: Mapping[str, Any], key: str) -> str | None:
    """Return a special token that a file names, as a text or with its flags.

    Raises:
        MisfitError: it is neither.
    """
    named = config.get(key)
    if isinstance(named, dict):
        key, named = f"{key}.content", named.get("content", "")
    token: str | None = value_of(str | None, named, key)
    return token
