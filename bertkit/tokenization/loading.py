"""Open a tokenizer that was saved as tokenizer.json: looked at first, for anybody may have written it."""

from __future__ import annotations

import base64
import math
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers import normalizers

from bertkit.errors import TokenizerError
from bertkit.files import is_file
from bertkit.kinds import MisfitError, read_object, shown, value_of
from bertkit.tokenization.base import SpecialTokens, Tokenizer, as_text

# --- A tokenizer.json that anybody may have written, looked at before the library reads it --------
#
# The library trusts the file: ids, pieces and special tokens that do not belong together end in
# wrong answers, in the middle of a text, or with the process. So each part is held here against
# the others first.

Ids = dict[str, int]
# What the library takes models for that do not say their type, by what they have.
_BY_PARTS = (("merges", "BPE"), ("continuing_subword_prefix", "WordPiece"), ("unk_id", "Unigram"))
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
# Ids may leave gaps, but a table of embeddings has a row for each of them.
_EVENLY, _FREE_GAPS = 4, 10_000
# Texts with which a fault shows that only encoding shows: none, usual, and what no vocabulary has.
_TRIED = ("", "a B.", "\u0378 가 \N{DROMEDARY CAMEL} \u0301")


def check_tokenizer(values: Mapping[str, Any]) -> None:
    """Check what a tokenizer.json holds.

    Raises:
        MisfitError: a part is of another kind, or does not go with the others.
    """
    model = value_of(dict[str, Any], values.get("model"), "model")
    ids = _ids_of(model)
    taken = set(ids.values())
    for i, token in enumerate(_rows(values, "added_tokens")):
        _add(ids, taken, value_of(dict[str, Any], token, f"added_tokens[{i}]"))
    _check_frame(values.get("post_processor"), ids)
    for name in ("normalizer", "pre_tokenizer", "decoder"):
        for step in _objects(values.get(name)):
            _check_step(name, step)


def _ids_of(model: Mapping[str, Any]) -> Ids:
    """Check a model and return the id of each of its pieces."""
    kind = model.get("type") or next((kind for part, kind in _BY_PARTS if part in model), "WordLevel")
    if kind == "Unigram":
        return _ids_of_unigram(model)
    if kind not in ("BPE", "WordPiece", "WordLevel"):
        raise MisfitError(f"model.type is {shown(kind)}, and this bertkit knows BPE, WordPiece, WordLevel and Unigram")
    ids = model.get("vocab")
    if not isinstance(ids, dict) or not ids:
        raise MisfitError(f"model.vocab is {shown(ids)} and should be an object of pieces with their ids")
    strange = next((piece for piece, i in ids.items() if type(i) is not int or i < 0), None)
    if strange is not None:
        raise MisfitError(f"model.vocab gives {shown(strange)} the id {shown(ids[strange])}")
    if len(set(ids.values())) < len(ids):
        raise MisfitError("model.vocab gives one id to two pieces")
    most = _EVENLY * len(ids) + _FREE_GAPS
    if max(ids.values()) >= most:
        raise MisfitError(f"model.vocab has {len(ids):,} pieces, and one of them the id {max(ids.values()):,}")
    unknown = model.get("unk_token", None if kind == "BPE" else "[UNK]")
    if not (unknown is None and kind == "BPE") and not (isinstance(unknown, str) and unknown in ids):
        raise MisfitError(f"model.unk_token is {shown(unknown)}, which is not a piece of the vocabulary")
    if kind == "BPE":
        _check_merges(model, ids)
    return dict(ids)


def _ids_of_unigram(model: Mapping[str, Any]) -> Ids:
    pieces, unknown = _rows(model, "vocab"), model.get("unk_id")
    for i, entry in enumerate(pieces):
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise MisfitError(f"model.vocab[{i}] is {shown(entry)} and should be a piece with its score")
        if type(entry[1]) is not float or not math.isfinite(entry[1]):  # mostly it is, and there are many
            value_of(float, entry[1], f"the score of {shown(entry[0])}")
    ids = {piece: i for i, (piece, _) in enumerate(pieces)}
    has_bytes = model.get("byte_fallback") is True and all(piece in ids for piece in _BYTES)
    if unknown is None and has_bytes:
        return ids
    if type(unknown) is not int or not 0 <= unknown < len(pieces):
        raise MisfitError(f"model.unk_id is {shown(unknown)}, and there are {len(pieces):,} pieces")
    return ids


def _check_merges(model: Mapping[str, Any], ids: Ids) -> None:
    prefix = model.get("continuing_subword_prefix") or ""
    value_of(str, prefix, "model.continuing_subword_prefix")
    for i, merge in enumerate(_rows(model, "merges")):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        is_pair = isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, str) for part in parts)
        if not is_pair or not all(part in ids for part in parts) or not parts[1].startswith(prefix):
            raise MisfitError(f"model.merges[{i}] is {shown(merge)}, which is not a pair of pieces of the vocabulary")
        if parts[0] + parts[1].removeprefix(prefix) not in ids:
            raise MisfitError(f"model.merges[{i}] is {shown(merge)}, and the vocabulary lacks what it makes")


def _add(ids: Ids, taken: set[int], token: Mapping[str, Any]) -> None:
    """Take an added token in, which must have an id of its own, or that of its piece."""
    content, place = value_of(str, token.get("content"), "added_tokens.content"), token.get("id")
    if type(place) is not int or not 0 <= place < _EVENLY * len(ids) + _FREE_GAPS:
        raise MisfitError(f"the added token {shown(content)} has the id {shown(place)}, and there are {len(ids):,}")
    if ids.get(content, place) != place:
        raise MisfitError(f"the added token {shown(content)} has the id {place}, and in the vocabulary {ids[content]}")
    if content not in ids and place in taken:
        raise MisfitError(f"the added token {shown(content)} has the id {place}, which is another's")
    ids[content] = place
    taken.add(place)


def _check_frame(step: Any, ids: Ids) -> None:
    """Check what puts special tokens round texts: each must be in the vocabulary, under its own id."""
    if not isinstance(step, Mapping):
        return  # none, or nothing that the library reads
    for inner in _rows(step, "processors"):
        _check_frame(inner, ids)
    for name in ("sep", "cls"):
        if name in step:
            _check_pair(step[name], ids, f"post_processor.{name}")
    if step.get("type") != "TemplateProcessing":
        return
    special = value_of(dict[str, Any], step.get("special_tokens", {}), "post_processor.special_tokens")
    for name, entry in special.items():
        where = f"post_processor.special_tokens.{name}"
        values = value_of(dict[str, Any], entry, where)
        pairs = value_of(list[str], values.get("tokens"), f"{where}.tokens")
        numbers = value_of(list[int], values.get("ids"), f"{where}.ids")
        if not pairs or len(pairs) != len(numbers):
            raise MisfitError(f"{where} has {len(pairs)} tokens and {len(numbers)} ids")
        for pair in zip(pairs, numbers, strict=True):
            _check_pair(list(pair), ids, where)
    for name, sides in (("single", ("A",)), ("pair", ("A", "B"))):
        _check_template(_rows(step, name), special, sides, f"post_processor.{name}")


def _check_template(pieces: list[Any], special: Mapping[str, Any], sides: tuple[str, ...], name: str) -> None:
    for i, piece in enumerate(pieces):
        (kind, values), *_ = [*piece.items(), (None, None)] if isinstance(piece, dict) else [(None, None)]
        part = str(values.get("id")) if isinstance(values, dict) else None
        if (kind == "SpecialToken" and part in special) or (kind == "Sequence" and part in sides):
            continue
        raise MisfitError(f"{name}[{i}] is {shown(piece)}, and names neither a special token there is nor a text")


def _check_pair(pair: Any, ids: Ids, name: str) -> None:
    token, number = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
    if not isinstance(token, str) or type(number) is not int or ids.get(token) != number:
        has = ids.get(token) if isinstance(token, str) else None
        raise MisfitError(f"{name} is {shown(pair)}, and the vocabulary has {'no such token' if has is None else has}")


def _check_step(name: str, step: Mapping[str, Any]) -> None:
    """Check a step of cleaning, cutting or putting together again."""
    pattern = step.get("pattern")
    if isinstance(pattern, Mapping) and "" in pattern.values():
        raise MisfitError(f"{name} looks for the empty text")
    if step.get("type") == "FixedLength" and step.get("length") == 0:
        raise MisfitError(f"{name} cuts texts into pieces of no characters")
    if step.get("type") == "Precompiled":
        try:
            characters = base64.b64decode(step.get("precompiled_charsmap") or "", validate=True)
        except (ValueError, TypeError) as error:
            raise MisfitError(f"{name} has a map of characters that is not base64") from error
        check_character_map(characters)


def check_character_map(content: bytes) -> None:
    """Check SentencePiece's map of characters: a table of steps, and the texts they lead to.

    Raises:
        MisfitError: a step leads out of the table, or to no text.
    """
    size = int.from_bytes(content[:4], "little")
    table, texts = array("I"), content[4 + size :]
    if not size or size % 4 or size > len(content) - 4 or table.itemsize != 4:
        raise MisfitError("its map of characters is damaged (a table that is not there)")
    table.frombytes(content[4 : 4 + size])
    count = len(table)
    try:
        texts.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MisfitError("its map of characters is damaged (a text that is not UTF-8)") from error
    for place, unit in enumerate(table):
        if unit >> 31:
            continue  # the end of a way: a place among the texts, read from the step before
        target = place ^ ((unit >> 10) << ((unit & 0x200) >> 6))
        if target | 0xFF >= count:
            raise MisfitError("its map of characters is damaged (a step that leads nowhere)")
        if unit & 0x100:
            start = table[target] & 0x7FFFFFFF
            if start >= len(texts) or texts[start] & 0xC0 == 0x80:
                raise MisfitError("its map of characters is damaged (a way that ends in no text)")


def check_opened(backend: Backend, values: Mapping[str, Any] | None = None) -> None:
    """Try a tokenizer on a few texts, alone and in pairs.

    Args:
        backend: without truncation and padding.
        values: the tokenizer.json that it was made of, if it was.

    Raises:
        MisfitError: it gives a token another id than the file, or cannot encode.
    """
    with library_faults():
        cleaning = backend.normalizer
        for token in _rows(values or {}, "added_tokens"):
            content = token["content"]
            if content and backend.token_to_id(content) != token["id"]:
                raise MisfitError(f"the added token {shown(content)} has the id {token['id']}, which is not the next")
            if content and cleaning and token.get("normalized") and not cleaning.normalize_str(content):
                raise MisfitError(f"the added token {shown(content)} is the empty text once it is cleaned")
        for text in _TRIED:
            backend.encode(text)
            backend.encode(text, text)


@contextmanager
def library_faults() -> Iterator[None]:
    """Turn what the library raises for a file it cannot use, which is not a class of its own.

    Raises:
        MisfitError: it does; the message is the library's.
    """
    try:
        yield
    except MisfitError:
        raise
    except BaseException as error:
        # What a panic of Rust raises is no Exception.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise MisfitError(f"the library refuses it ({str(error).strip() or type(error).__name__})") from error
        raise


def _rows(values: Mapping[str, Any], name: str) -> list[Any]:
    rows = values.get(name)
    if rows is not None and not isinstance(rows, list):
        raise MisfitError(f"{name} is {shown(rows)} and should be a list")
    return rows or []


def _objects(values: Any) -> Iterator[Mapping[str, Any]]:
    """Yield all objects in a value, the outer ones first."""
    if isinstance(values, Mapping):
        yield values
    if isinstance(values, Mapping | list):
        for value in values.values() if isinstance(values, Mapping) else values:
            yield from _objects(value)


# --- Open a tokenizer that was saved as tokenizer.json, with the names and the length beside it ---

PARTS = ("unk", "pad", "cls", "sep", "mask")
# Keys of files that name control tokens beside those that every encoder has.
FURTHER = ("bos_token", "eos_token", "additional_special_tokens", "extra_special_tokens")
# Tokens of a row where a folder names no length, and the most that any may name.
USUAL_LENGTH, LONGEST = 512, 2**20


def load_tokenizer(directory: Path) -> Tokenizer:
    """Open a tokenizer that was saved with its tokenizer.json.

    Raises:
        TokenizerError: the files are missing or damaged.
        PlaceError: the right to read them is missing.
    """
    path, named = directory / "tokenizer.json", directory / "tokenizer_config.json"
    if not is_file(path):
        raise TokenizerError(f"{directory}: no tokenizer.json there; give a folder that has one.")
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
        mark_control(backend, config)
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
        MisfitError: it is not a number from 1 on.
    """
    length = value_of(float | None, config.get("model_max_length"), "model_max_length")
    if length is not None and length < 1:
        raise MisfitError(f"model_max_length is {shown(length)} and should be at least 1")
    return None if length is None else int(length)


def _special_tokens(config: Mapping[str, Any], backend: Backend) -> SpecialTokens:
    found: dict[str, str | None] = {}
    for part, usual, bound in (
        ("unk", ("[UNK]", "<unk>"), None),
        ("pad", ("[PAD]", "<pad>"), None),
        ("cls", ("[CLS]", "<s>"), "bos_token"),
        ("sep", ("[SEP]", "</s>"), "eos_token"),
        ("mask", ("[MASK]", "<mask>"), None),
    ):
        key = f"{part}_token"
        named = named_token(config, key)
        if named is None and key in config:
            continue  # it is said to have none
        # A name as decoders have it counts where it stands round a text, for `with_bounds` to see.
        other = None if bound is None else named_token(config, bound)
        candidates = (named,) if named is not None else tuple(token for token in usual if token != other)
        found[part] = next((t for t in candidates if backend.token_to_id(t) is not None), None)
    return with_bounds(SpecialTokens(**dict.fromkeys(PARTS) | found), config, backend)


def with_bounds(special: SpecialTokens, config: Mapping[str, Any], backend: Backend) -> SpecialTokens:
    """Take the tokens that begin and end a text for the first one and the separator, where these have no names.

    Encoders made after decoders name bos and eos only. They count where the tokenizer puts
    them round a text.

    Raises:
        MisfitError: a name is none.
    """
    cls, sep = special.cls, special.sep
    if cls is not None and sep is not None:
        return special
    tokens = backend.encode("a").tokens
    first, last = named_token(config, "bos_token"), named_token(config, "eos_token")
    if cls is None and first is not None and tokens[:1] == [first]:
        cls = first
    if sep is None and last is not None and tokens[-1:] == [last]:
        sep = last
    return replace(special, cls=cls, sep=sep)


def mark_control(backend: Backend, config: Mapping[str, Any]) -> None:
    """Let a tokenizer know control tokens that a file names beside the usual five; it is changed."""
    values = [config.get(key) for key in FURTHER]
    listed = [one for value in values for one in (value if isinstance(value, list) else [value])]
    contents = [one.get("content") if isinstance(one, dict) else one for one in listed]
    as_text(backend, [content for content in contents if isinstance(content, str) and content])


def named_token(config: Mapping[str, Any], key: str) -> str | None:
    """Return a special token that a file names, as a text or with its flags.

    Raises:
        MisfitError: it is neither.
    """
    named = config.get(key)
    if isinstance(named, dict):
        content: str = value_of(str, named.get("content"), f"{key}.content")
        return content
    token: str | None = value_of(str | None, named, key)
    return token


# --- What lies beside a tokenizer: the names of its special tokens, its length, its habits --------
#
# Two files may say it: tokenizer_config.json, and in older folders special_tokens_map.json.

CONFIG_FILE, NAMES_FILE = "tokenizer_config.json", "special_tokens_map.json"
# A tokenizer without a limit of its own says 10^30, or nothing.
NO_LIMIT = 1_000_000


def open_stored(folder: Path) -> Tokenizer:
    """Open a folder's tokenizer.json, read as transformers would read it.

    Returns:
        The tokenizer; its `max_length` is NO_LIMIT where the folder names none.

    Raises:
        TokenizerError: a file is damaged.
    """
    stored = load_tokenizer(folder)
    config = read_json(folder / CONFIG_FILE)
    with sound_file(folder / CONFIG_FILE):
        _follow(stored.backend, config)
        length = length_of(config)
    with sound_file(folder / NAMES_FILE):
        names = read_json(folder / NAMES_FILE)
        special = _stored_tokens(stored, config, names)
        mark_control(stored.backend, names)
    return Tokenizer(stored.backend, special, length)


def length_of(config: Mapping[str, Any]) -> int:
    """Return the longest row in tokens by tokenizer_config.json; NO_LIMIT where there is none.

    Raises:
        MisfitError: it is not a number from 1 on.
    """
    length = own_length(config)
    return NO_LIMIT if length is None else min(length, NO_LIMIT)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object a JSON file holds; an empty one where there is no file.

    Raises:
        TokenizerError: it is damaged.
        PlaceError: the right to read it is missing.
    """
    with sound_file(path):
        return read_object(path) if is_file(path) else {}


def _stored_tokens(stored: Tokenizer, config: dict[str, Any], names: dict[str, Any]) -> SpecialTokens:
    """Return the names of the config, else of the map, else those that are usual."""
    found: dict[str, str | None] = {}
    for part in PARTS:
        key = f"{part}_token"
        mapped = named_token(names, key)
        is_known = mapped is not None and stored.backend.token_to_id(mapped) is not None
        found[part] = mapped if is_known and not config.get(key) else getattr(stored.special, part)
    return with_bounds(SpecialTokens(**found), {**names, **config}, stored.backend)


def _follow(backend: Backend, config: dict[str, Any]) -> None:
    """Let what the config says of case and accents win over tokenizer.json, as in transformers."""
    normalizer = backend.normalizer
    if not isinstance(normalizer, normalizers.BertNormalizer):
        return
    for key, attribute in (
        ("do_lower_case", "lowercase"),
        ("strip_accents", "strip_accents"),
        ("tokenize_chinese_chars", "handle_chinese_chars"),
    ):
        wanted = value_of(bool | None, config.get(key), key)
        if wanted is not None and getattr(normalizer, attribute) != wanted:
            setattr(normalizer, attribute, wanted)
