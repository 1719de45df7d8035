"""Open a tokenizer that was saved as tokenizer.json, with the names and the length beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from bertkit.errors import TokenizerError
from bertkit.files import is_file
from bertkit.kinds import MisfitError, read_object, shown, value_of
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.checked import check_opened, check_tokenizer, library_faults
from bertkit.tokenization.typed import as_text

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
        MisfitError: it is no number from 1 on.
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
