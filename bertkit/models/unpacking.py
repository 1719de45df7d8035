"""A model in 4 bits as a folder that transformers opens."""

from __future__ import annotations

from pathlib import Path

from bertkit.errors import ModelError
from bertkit.files import write_json
from bertkit.kinds import MisfitError
from bertkit.models.four_bits import read_four_bits, write_safetensors
from bertkit.tokenization.xlm_roberta import build_xlm_roberta


def unpack(path: Path, folder: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files into a folder.

    Raises:
        ModelError: the file is no encoder in 4 bits, or damaged.
        OSError: the folder cannot be written.
    """
    try:
        found = read_four_bits(path)
        tokenizer = build_xlm_roberta(found.pieces, found.scores, found.characters, found.positions)
    except MisfitError as error:
        raise ModelError(f"{path}: {error}; install its package again.") from error
    write_json(folder / "config.json", found.config())
    tokenizer.save(folder)
    write_safetensors(found, folder / "model.safetensors")
