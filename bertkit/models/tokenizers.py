"""Open the tokenizer of a model: of a row of the table, the hub, or a folder.

tokenizer.json, KoBERT's files and DeBERTa's spm.model are read here; only a vocabulary of
another form goes through transformers, which takes seconds to import.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from pathlib import Path

from tokenizers import Tokenizer as Backend
from tokenizers import models

from bertkit.errors import ModelError, TokenizerError
from bertkit.files import exists, is_file
from bertkit.hub import hub_errors, require
from bertkit.model_type import MODEL_TYPE, restored
from bertkit.models.offline import package_way_on, packaged_model
from bertkit.models.opening import first_line
from bertkit.models.sizes import fetch_files
from bertkit.models.table import ModelSpec
from bertkit.run_folder import MANIFEST
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.checked import check_opened
from bertkit.tokenization.deberta import MODEL_FILE, fix_characters, open_deberta
from bertkit.tokenization.kobert import KOBERT_FILES, has_kobert_shape, is_kobert, open_kobert
from bertkit.tokenization.loading import sound_file, with_bounds
from bertkit.tokenization.sentencepiece_files import frame
from bertkit.tokenization.stored import CONFIG_FILE, NAMES_FILE, NO_LIMIT, length_of, open_stored, read_json

WAYS_ON = (
    "give a folder that has it with --tokenizer DIR",
    "copy the cache of a machine that has it (HF_HOME)",
    "train from nothing with --model scratch",
)
USUAL_LENGTH = 512
STORED_FILES = ("config.json", "tokenizer.json", CONFIG_FILE, NAMES_FILE)
SENTENCEPIECE_FILES = (*KOBERT_FILES, MODEL_FILE)
# Classes of transformers 5 that put a second [SEP] between the texts of a pair, or no token round a text.
WRONG_FRAMES = ("DebertaTokenizer", "RemBertTokenizer")
# What transformers makes a tokenizer of; without any, it makes one that knows no word.
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spm.model",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
)


def open_tokenizer(spec: ModelSpec) -> Tokenizer:
    """Open the tokenizer of a model; it reads as many tokens as the model, or fewer.

    Raises:
        HubError: the hub is needed and cannot be reached, or does not have it.
        TokenizerError: there is none, it is damaged, or it comes as Python code only.
    """
    if spec.is_linear:
        raise ModelError(f"{spec.name} has no tokenizer: it reads words; name a model that is an encoder.")
    if spec.hub_id is None:
        tokenizer = _open(Path(spec.name))
    elif (packaged := packaged_model(spec.hub_id)) is not None:
        tokenizer = _open(packaged)
    else:
        tokenizer = _open(_fetched(spec.hub_id), spec.hub_id)
    tokenizer.max_length = min(tokenizer.max_length, spec.max_length)
    return tokenizer


def open_folder(folder: Path) -> Tokenizer:
    """Open the tokenizer of a folder, whatever model it is for.

    Raises:
        TokenizerError: there is none, it is damaged, or it comes as Python code only.
    """
    tokenizer = _open(folder)
    if tokenizer.max_length >= NO_LIMIT:
        tokenizer.max_length = USUAL_LENGTH
    return tokenizer


def _open(folder: Path, hub_id: str | None = None) -> Tokenizer:
    """Open what a folder holds; of a hub's model, the folder holds what `_fetched` looks for."""
    if is_kobert(folder):
        return open_kobert(folder)
    model_type = restored(read_json(folder / "config.json")).get(MODEL_TYPE)
    if is_file(folder / MODEL_FILE) and model_type in ("deberta-v2", None):
        config = read_json(folder / CONFIG_FILE)
        with sound_file(folder / CONFIG_FILE):
            length = length_of(config)
        return open_deberta(folder, config, length)
    if is_file(folder / "tokenizer.json"):
        stored = open_stored(folder)
        if model_type == "deberta-v2":
            fix_characters(stored.backend)
        return stored
    if hub_id is None and not any(is_file(folder / name) for name in VOCABULARIES):
        if is_file(folder / MANIFEST):
            raise TokenizerError(f"{folder}: is a run that reads words (--model tfidf); name one that has an encoder.")
        raise _missing(str(folder))
    return _by_transformers(hub_id or str(folder), from_hub=hub_id is not None)


def _missing(source: str) -> TokenizerError:
    looked_for = f"{', '.join(VOCABULARIES[:-1])} or {VOCABULARIES[-1]}"
    return TokenizerError(
        f"{source}: has no tokenizer there (no {looked_for}); copy its files, or give a folder that has one with "
        "--tokenizer."
    )


def _fetched(hub_id: str) -> Path:
    """Bring the files that tell what a hub's tokenizer is into the cache, and return their folder."""
    if exists(Path(hub_id)):
        raise ModelError(f"a folder {hub_id} stands in the way of the hub's model; rename it or give ./{hub_id}.")
    require(hub_id, "tokenizer", ways_on=(*package_way_on(hub_id), *WAYS_ON))
    with hub_errors(hub_id, "tokenizer"):
        found = fetch_files(hub_id, STORED_FILES)
        config = read_json(found["config.json"]) if "config.json" in found else {}
        if "tokenizer.json" not in found or has_kobert_shape(config):
            found |= fetch_files(hub_id, SENTENCEPIECE_FILES)
    if not found:
        raise _missing(hub_id)
    return next(iter(found.values())).parent


def _by_transformers(source: str, *, from_hub: bool) -> Tokenizer:
    """Open a vocabulary that transformers knows how to read; remote code is never run."""
    from transformers import AutoTokenizer

    with hub_errors(source, "tokenizer"):
        try:
            loaded = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        except Exception as error:  # the Rust library raises bare Exception
            if from_hub and isinstance(error, OSError):
                raise
            raise TokenizerError(f"{source}: {_why(error)}") from error
    backend = getattr(loaded, "backend_tokenizer", None)
    if backend is None:
        raise TokenizerError(f"{source}: its tokenizer has no fast form; give another one with --tokenizer.")
    special = SpecialTokens(
        unk=loaded.unk_token, pad=loaded.pad_token, cls=loaded.cls_token, sep=loaded.sep_token, mask=loaded.mask_token
    )
    if backend.get_vocab_size() <= len(special.present):
        raise _missing(source)
    backend = _with_unknown(backend, special.unk)
    if type(loaded).__name__ in WRONG_FRAMES:
        frame(backend, special)
    backend.no_truncation()
    backend.no_padding()
    with sound_file(Path(source)):
        check_opened(backend)
        length = length_of({"model_max_length": loaded.model_max_length})
        special = with_bounds(special, {"bos_token": loaded.bos_token, "eos_token": loaded.eos_token}, backend)
    return Tokenizer(backend, special, length)


def _why(error: Exception) -> str:
    """Say why transformers opens no tokenizer; a SentencePiece file it cannot read it takes for another kind."""
    said = first_line(error)
    if any(word in said.lower() for word in ("tiktoken", "sentencepiece", "protobuf")):
        try:
            importlib.import_module("sentencepiece.sentencepiece_model_pb2")
        except Exception:  # protobuf raises TypeError, and classes of its own
            return (
                "its SentencePiece file is read by transformers with a message class that refuses protobuf "
                f"{importlib.metadata.version('protobuf')}; pip install --upgrade protobuf, or give a folder that has "
                "a tokenizer.json with --tokenizer."
            )
    return f"has no tokenizer transformers can open ({said})."


def _with_unknown(backend: Backend, unknown: str | None) -> Backend:
    """Let characters of no piece be the unknown token; some classes take the id that their published files have."""
    unknown_id = None if unknown is None else backend.token_to_id(unknown)
    if not isinstance(backend.model, models.Unigram) or unknown_id is None:
        return backend
    values = json.loads(backend.to_str())
    if values["model"]["unk_id"] == unknown_id or unknown_id >= len(values["model"]["vocab"]):
        return backend
    values["model"]["unk_id"] = unknown_id
    return Backend.from_str(json.dumps(values))
