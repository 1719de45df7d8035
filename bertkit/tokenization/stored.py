"""What lies beside a tokenizer: the names of its special tokens, its length, its habits.

Two files may say it: tokenizer_config.json, and in older folders special_tokens_map.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers import normalizers

from bertkit.files import is_file
from bertkit.kinds import read_object, value_of
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.loading import (
    PARTS,
    load_tokenizer,
    mark_control,
    named_token,
    own_length,
    sound_file,
    with_bounds,
)

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
        special = _special_tokens(stored, config, names)
        mark_control(stored.backend, names)
    return Tokenizer(stored.backend, special, length)


def length_of(config: Mapping[str, Any]) -> int:
    """Return the longest row in tokens by tokenizer_config.json; NO_LIMIT where there is none.

    Raises:
        MisfitError: it is no number from 1 on.
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


def _special_tokens(stored: Tokenizer, config: dict[str, Any], names: dict[str, Any]) -> SpecialTokens:
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
