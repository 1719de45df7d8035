"""A large vocabulary cut down to what the training rows need and what is likely beside it.

Of the 250,000 pieces of a vocabulary for a hundred languages, texts of one language use a tenth;
the rest fills a table of embeddings that is larger than all layers together. Kept are the
special tokens, every single character, every piece seen in the training rows, and the best-scored
further pieces of their scripts. A unigram model cuts a text along the best-scored way
(Kudo 2018), so a text all of whose pieces are kept is cut as before; a word whose piece was
dropped falls into smaller ones, and never into unknown tokens.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend

from bertkit.errors import UsageError
from bertkit.files import is_file, save_arrays
from bertkit.kinds import MisfitError, reading
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.loading import library_faults
from bertkit.tokenization.sentencepiece import SPACE

MOST_PIECES = 27_000
"""Pieces that are kept where fewer were seen: 41 MB of a table of 384 columns."""
DROPPED_FILE = "dropped_pieces.safetensors"
_AT_A_TIME = 1024
# Where a piece has no letter: digits, marks, emoji.
_COMMON = "COMMON"


@dataclass(frozen=True)
class Dropped:
    """Pieces that were dropped, with their scores."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]

    def save(self, path: Path) -> None:
        """Write them, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        texts = [piece.encode("utf-8") for piece in self.pieces]
        arrays: dict[str, NDArray[Any]] = {
            "ends": np.cumsum([len(text) for text in texts], dtype=np.int64),
            "scores": np.array(self.scores, dtype=np.float64),
            "text": np.frombuffer(b"".join(texts), dtype=np.uint8),
        }
        save_arrays(path, arrays)


@dataclass(frozen=True)
class Trimmed:
    """A tokenizer that was cut down.

    Attributes:
        tokenizer: with ids of its own.
        rows: by its ids, the ids of the vocabulary it was cut from.
        dropped: what it lacks of that.
        seen: how many of its pieces the training rows need.
    """

    tokenizer: Tokenizer
    rows: tuple[int, ...]
    dropped: Dropped
    seen: int


def trim(tokenizer: Tokenizer, texts: Iterable[str], *, name: str, most: int = MOST_PIECES) -> Trimmed:
    """Cut a vocabulary down to what texts need; the same texts give the same pieces.

    Args:
        tokenizer: with a unigram model.
        texts: of the training rows.
        name: the model or tokenizer, for the sentence of an error.
        most: pieces that are kept in all, unless more are needed.

    Raises:
        UsageError: the tokenizer has another kind of model.
    """
    values = _values(tokenizer, name)
    pieces: list[tuple[str, float]] = [(piece, score) for piece, score in values["model"]["vocab"]]
    seen = _seen(tokenizer, texts)
    special = {token["content"] for token in values["added_tokens"]}
    needed = {i for i, (piece, _) in enumerate(pieces) if i in seen or piece in special or _is_single(piece)}
    needed.add(values["model"]["unk_id"])
    if values["model"].get("byte_fallback"):
        needed |= {i for i, (piece, _) in enumerate(pieces) if len(piece) == 6 and piece.startswith("<0x")}
    of_text = {i: count for i, count in seen.items() if i not in tokenizer.special_ids}
    kept = needed | set(_further(pieces, of_text, needed, most - len(needed)))
    return _cut(tokenizer, values, kept, seen=sum(i in seen for i in kept))


def trim_alike(tokenizer: Tokenizer, trimmed: Tokenizer, *, name: str) -> Trimmed:
    """Cut a vocabulary down to the pieces of one that was cut from it before.

    Raises:
        UsageError: the tokenizer has another kind of model.
    """
    values, there = _values(tokenizer, name), trimmed.backend.get_vocab(with_added_tokens=True)
    kept = {i for i, (piece, _) in enumerate(values["model"]["vocab"]) if piece in there}
    return _cut(tokenizer, values, kept, seen=0)


def _values(tokenizer: Tokenizer, name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(tokenizer.backend.to_str())
    if values["model"].get("type") != "Unigram":
        raise UsageError(
            f"--trim-vocab: {name} has a vocabulary of the type {values['model'].get('type')}, and only unigram "
            "vocabularies (XLM-R's, DeBERTa v3's) can be trimmed; leave it out."
        )
    return values


def _seen(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """Count the pieces of texts by id."""
    seen, waiting = Counter[int](), iter(texts)
    while some := list(islice(waiting, _AT_A_TIME)):
        for row in tokenizer.encode(some):
            seen.update(row.ids)
    return seen


def _is_single(piece: str) -> bool:
    return len(piece.removeprefix(SPACE)) <= 1


def _further(pieces: Sequence[tuple[str, float]], seen: Mapping[int, int], kept: set[int], room: int) -> Iterator[int]:
    """Choose from the scripts of the texts, from each as its share of the tokens is, the best-scored first."""
    if room <= 0:
        return
    shares = Counter[str]()
    for i, count in seen.items():
        if i < len(pieces):
            shares[_script(pieces[i][0])] += count
    by_script: dict[str, list[int]] = {script: [] for script in shares}
    for i in sorted(range(len(pieces)), key=lambda i: (-pieces[i][1], i)):
        script = _script(pieces[i][0])
        if i not in kept and script in by_script:
            by_script[script].append(i)
    # What one script leaves of its share goes to the others, the rarest first, and in the end to the best-scored.
    for nth, script in enumerate(order := sorted(shares, key=lambda script: (shares[script], script))):
        left = sum(shares[other] for other in order[nth:])
        chosen = by_script[script][: room * shares[script] // left if left else 0]
        room -= len(chosen)
        del by_script[script][: len(chosen)]
        yield from chosen
    left_over = sorted((i for some in by_script.values() for i in some), key=lambda i: (-pieces[i][1], i))
    yield from left_over[:room]


@lru_cache(maxsize=2**18)
def _script(piece: str) -> str:
    """Name the script of a piece's first letter, by the first word of the letter's name."""
    for character in piece:
        if character.isalpha():
            return unicodedata.name(character, _COMMON).split(" ")[0]
    return _COMMON


def _cut(tokenizer: Tokenizer, values: dict[str, Any], kept: set[int], *, seen: int) -> Trimmed:
    """Build the tokenizer of some pieces; ids keep their order, and what they stand for elsewhere follows."""
    pieces = values["model"]["vocab"]
    order = [i for i in range(len(pieces)) if i in kept]
    added = sorted(token["id"] for token in values["added_tokens"] if token["id"] >= len(pieces))
    rows = [*order, *added]
    new = {old: i for i, old in enumerate(rows)}
    values["model"] |= {"vocab": [pieces[i] for i in order], "unk_id": new[values["model"]["unk_id"]]}
    values["added_tokens"] = sorted(
        ({**token, "id": new[token["id"]]} for token in values["added_tokens"]), key=lambda token: token["id"]
    )
    values["post_processor"] = _renumbered(values["post_processor"], new)
    with library_faults():
        backend = Backend.from_str(json.dumps(values))
    lost = [pieces[i] for i in range(len(pieces)) if i not in kept]
    dropped = Dropped(tuple(piece for piece, _ in lost), tuple(score for _, score in lost))
    return Trimmed(Tokenizer(backend, tokenizer.special, tokenizer.max_length), tuple(rows), dropped, seen)


def _renumbered(step: Any, new: Mapping[int, int]) -> Any:
    """Give the special tokens of a post-processor their new ids."""
    if isinstance(step, list):
        return [_renumbered(each, new) for each in step]
    if not isinstance(step, dict):
        return step
    found = {name: _renumbered(value, new) for name, value in step.items()}
    if isinstance(step.get("ids"), list):
        found["ids"] = [new[i] for i in step["ids"]]
    for name in ("cls", "sep"):  # of BertProcessing and RobertaProcessing: a token and its id
        if isinstance(step.get(name), list):
            found[name] = [step[name][0], new[step[name][1]]]
    return found


class DropWatch:
    """Counts rows that need a dropped piece, by cutting them with the whole vocabulary.

    Args:
        tokenizer: the one that was cut down.
        dropped: what it lacks.
    """

    def __init__(self, tokenizer: Tokenizer, dropped: Dropped) -> None:
        self.rows = self.needing = 0
        self._kept, self._dropped = tokenizer, dropped
        self._whole: Backend | None = None
        self._first = self._end = 0

    def see(self, rows: Iterable[Sequence[str]]) -> None:
        """Count rows, each given by its texts."""
        if self._whole is None:  # it takes a second, and nobody is to wait for it
            self._whole = self._built()
        waiting = iter(rows)
        while some := list(islice(waiting, _AT_A_TIME)):
            found = iter(
                self._whole.encode_batch_fast([text for row in some for text in row], add_special_tokens=False)
            )
            for row in some:
                self.rows += 1
                parts = list(islice(found, len(row)))
                self.needing += any(self._first <= i < self._end for part in parts for i in part.ids)

    def _built(self) -> Backend:
        values = json.loads(self._kept.backend.to_str())
        vocabulary = values["model"]["vocab"]
        self._first = len(vocabulary)
        self._end = self._first + len(self._dropped.pieces)
        vocabulary += [list(pair) for pair in zip(self._dropped.pieces, self._dropped.scores, strict=True)]
        values["post_processor"] = None
        for token in values["added_tokens"]:
            token["id"] += len(self._dropped.pieces) * (token["id"] >= self._first)
        with library_faults():
            backend = Backend.from_str(json.dumps(values))
        backend.encode_special_tokens = self._kept.backend.encode_special_tokens
        return backend


def read_dropped(path: Path) -> Dropped | None:
    """Read what a run's vocabulary lacks; None where it lacks nothing that is known of.

    Raises:
        PlaceError: the right to read it is missing.
        MisfitError: the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if not is_file(path):
        return None
    with reading(path):
        content = path.read_bytes()
    try:
        arrays = load(content)
        ends, scores, text = arrays["ends"].tolist(), arrays["scores"].tolist(), arrays["text"].tobytes()
        pieces = tuple(text[a:b].decode("utf-8") for a, b in zip([0, *ends[:-1]], ends, strict=True))
    except (SafetensorError, ValueError, LookupError, TypeError) as error:
        raise MisfitError(f"holds no pieces ({error})") from error
    if len(scores) != len(pieces) or not np.isfinite(scores).all():
        raise MisfitError("holds other scores than pieces")
    return Dropped(pieces, tuple(scores))
