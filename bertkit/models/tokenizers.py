"""The tokenizer of a model: of a row of the table, the hub, or a folder; and what `bertkit vocab` does."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers import models

from bertkit.data.formats.opened import metered
from bertkit.data.sources import input_files
from bertkit.data.streaming import Texts, open_texts
from bertkit.errors import ModelError, OutputError, TokenizerError, UsageError
from bertkit.files import exists, is_dir, is_file, put_in_place, temporary, write_errors
from bertkit.hub import hub_errors, is_cached, require
from bertkit.locks import LOCK, held
from bertkit.models.finding import first_line, is_packaged, package_way_on, packaged_model
from bertkit.models.registry import find_model
from bertkit.models.sizes import fetch_files
from bertkit.models.table import ModelSpec
from bertkit.plain import Progress, quoted, unheard
from bertkit.run_folder import MANIFEST, MODEL_TYPE, check_outputs, lasting, restored
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.health import Coverage, measure_coverage
from bertkit.tokenization.loading import (
    CONFIG_FILE,
    NAMES_FILE,
    NO_LIMIT,
    check_opened,
    length_of,
    open_stored,
    read_json,
    sound_file,
    with_bounds,
)
from bertkit.tokenization.published import (
    DEBERTA_FILE,
    KOBERT_FILES,
    fix_characters,
    has_kobert_shape,
    is_kobert,
    open_deberta,
    open_kobert,
)
from bertkit.tokenization.sentencepiece import frame
from bertkit.tokenization.vocab import train_vocabulary

# --- Open the tokenizer of a model: of a row of the table, the hub, or a folder -------------------
#
# tokenizer.json, KoBERT's files and DeBERTa's spm.model are read here; only a vocabulary of
# another form goes through transformers, which takes seconds to import.

WAYS_ON = (
    "give a folder that has it with --tokenizer DIR",
    "copy the cache of a machine that has it (HF_HOME)",
    "train from scratch with --model scratch",
)
USUAL_LENGTH = 512
STORED_FILES = ("config.json", "tokenizer.json", CONFIG_FILE, NAMES_FILE)
SENTENCEPIECE_FILES = (*KOBERT_FILES, DEBERTA_FILE)
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
    if is_file(folder / DEBERTA_FILE) and model_type in ("deberta-v2", None):
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
        raise ModelError(f"a folder {hub_id} hides the hub's model of that name; rename it or give ./{hub_id}.")
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


# --- The tokenizer a user names with --model, and the one that is taken where none is named -------

USUAL = "minilm"
_WAYS_TO_A_NAMED_ONE = ("name a folder that has it instead", "copy the cache of a machine that has it (HF_HOME)")


def open_named(name: str | None) -> Tokenizer:
    """Open a tokenizer by what stands on a command line; torch is not imported.

    Args:
        name: a run directory, a folder with a tokenizer, a name of the table, or hf:org/name;
            None: minilm, if it is on this machine.

    Raises:
        UnknownNameError: no model has the name.
        ModelError: the model has no tokenizer of its own, or none is named and none is here.
        HubError: the hub is needed and cannot be reached, or does not have it.
        TokenizerError: there is no tokenizer there, or it is damaged.
    """
    spec = find_model(name) if name is not None else _usual()
    if spec.is_scratch:
        raise ModelError(
            f"{spec.name} has no vocabulary before it is trained; give its run directory, "
            "or a folder that `bertkit vocab build` has written."
        )
    if spec.is_linear:
        raise ModelError(f"{spec.name} has no tokenizer: it reads words; name a model that is an encoder.")
    if spec.hub_id is not None and not is_packaged(spec.hub_id):
        require(spec.hub_id, "tokenizer", ways_on=(*package_way_on(spec.hub_id), *_WAYS_TO_A_NAMED_ONE))
    folder = Path(spec.name)
    return open_folder(folder) if spec.hub_id is None and _is_bare(folder) else open_tokenizer(spec)


def _usual() -> ModelSpec:
    spec = find_model(USUAL)
    hub_id = str(spec.hub_id)
    if not is_packaged(hub_id) and not is_cached(hub_id, "tokenizer"):
        raise ModelError(
            f"--model is not given, and {USUAL}, the usual one, is not on this machine; name a run directory, "
            "a folder with a tokenizer, a model of `bertkit models` or hf:org/name with --model."
        )
    return spec


def _is_bare(folder: Path) -> bool:
    """Tell whether a folder holds a tokenizer alone, which knows best how much it may read."""
    return not is_file(folder / "config.json")


# --- What `bertkit vocab` does: train on files and keep the result, list entries, measure coverage

FILES = frozenset({"tokenizer.json", "tokenizer_config.json"})
MEASURED_TEXTS = 10_000
_COUNTED = 1000


@dataclass(frozen=True)
class VocabularyRequest:
    """What to train: the files (- is stdin), wordpiece, bpe or unigram, and where it goes."""

    files: Sequence[str]
    kind: str
    size: int
    output: Path
    lowercase: bool = True
    columns: str | None = None
    force: bool = False


@dataclass(frozen=True)
class BuiltVocabulary:
    """A vocabulary that was trained and written.

    `columns` are those that were read, by file; `measured` is how many of the texts, evenly
    evenly spaced among them, `tokens_per_word` and `unknown_share` (0 to 1) were measured on.
    """

    output: Path
    type: str
    size: int
    texts: int
    columns: dict[str, tuple[str, ...]]
    tokens_per_word: float
    unknown_share: float
    measured: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values."""
        return {
            "output": str(self.output),
            "type": self.type,
            "size": self.size,
            "tokens_per_word": round(self.tokens_per_word, 4),
            "unknown_share": round(self.unknown_share, 6),
            "texts": self.texts,
            "measured_texts": self.measured,
            "columns": {name: list(columns) for name, columns in self.columns.items()},
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """An id of a vocabulary; `rank` is when BPE made the piece, `score` a unigram's log probability."""

    id: int
    token: str
    rank: int | None
    score: float | None


def build_vocabulary(request: VocabularyRequest, progress: Progress = unheard) -> BuiltVocabulary:
    """Train a vocabulary on files and write it as a tokenizer; the same files give the same bytes.

    Args:
        request: what to train.
        progress: is told how many texts were read, and how many there may be.

    Raises:
        OutputError: the folder is not empty (and `force` is not given), or cannot be written.
        DataError: a file, its columns or its rows cannot be read, there is no text, or the
            size is too small for its characters.
    """
    with ExitStack() as stack:
        for name in FILES:  # text may be named like this
            if is_file(path := request.output / name):
                check_outputs({"--output": path}, request.files, force=True)
        _take_place(request.output, stack, force=request.force)
        meter = stack.enter_context(metered())
        meter.expect(request.files)
        files = dict.fromkeys(input_files(request.files))
        opened = {name: open_texts(name, columns=request.columns) for name in files}
        sample = _Sample(
            (text for texts in opened.values() for text in texts.texts),
            lambda seen: progress(seen, meter.expected(seen)),
        )
        trained = train_vocabulary(sample, kind=request.kind, size=request.size, lowercase=request.lowercase)
        covered = measure_coverage(trained, sample.kept, most=0)
        with _writing(request.output):
            _write(trained, lasting(request.output))
    return BuiltVocabulary(
        output=request.output,
        type=request.kind,
        size=trained.vocab_size,
        texts=sample.seen,
        columns={name: texts.columns for name, texts in opened.items() if texts.columns},
        tokens_per_word=covered.tokens_per_word,
        unknown_share=covered.unknown_share,
        measured=covered.texts,
        notes=_notes(opened.values()),
    )


def cover_files(
    tokenizer: Tokenizer, files: Sequence[str], *, columns: str | None = None, most: int | None = None
) -> tuple[Coverage, tuple[str, ...]]:
    """Measure how a tokenizer covers the texts of files.

    Args:
        tokenizer: what is measured.
        files: paths, or - for standard input.
        columns: the value of --columns.
        most: how many unknown words to list; None: all.

    Returns:
        The figures, and notes on how files were read.

    Raises:
        DataError: a file, its columns or its rows cannot be read.
    """
    opened = [open_texts(name, columns=columns) for name in dict.fromkeys(input_files(files))]
    return measure_coverage(tokenizer, (t for texts in opened for t in texts.texts), most=most), _notes(opened)


def list_entries(tokenizer: Tokenizer, *, pattern: str | None = None) -> Iterator[Entry]:
    """Iterate the entries of a vocabulary in id order.

    Args:
        tokenizer: whose vocabulary it is.
        pattern: a regular expression that is to be found in the token; None: all.

    Raises:
        UsageError: the pattern is none.
    """
    try:
        wanted = re.compile(pattern or "")
    except re.error as error:
        raise UsageError(f"--grep {pattern!r}: is not a regular expression ({error}).") from None
    model = json.loads(tokenizer.backend.to_str())["model"]
    ranks: dict[str, int] = {}
    if model["type"] == "BPE":
        for rank, merge in enumerate(model["merges"]):
            ranks.setdefault("".join(merge), rank)
    scores = dict(model["vocab"]) if model["type"] == "Unigram" else {}
    vocabulary = tokenizer.backend.get_vocab(with_added_tokens=True)
    for token, token_id in sorted(vocabulary.items(), key=lambda item: item[1]):
        if wanted.search(token):
            score = None if token_id in tokenizer.special_ids else scores.get(token)
            yield Entry(token_id, token, ranks.get(token), None if score is None else round(score, 6))


class _Sample:
    """Hands texts on and keeps some of them, evenly spaced over however many there are."""

    def __init__(self, texts: Iterable[str], count: Callable[[int], None]) -> None:
        self._texts, self._count = texts, count
        self._every = 1
        self.seen = 0
        self.kept: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            if self.seen % self._every == 0:
                self.kept.append(text)
            self.seen += 1
            if self.seen % _COUNTED == 0:
                self._count(self.seen)
            if len(self.kept) > MEASURED_TEXTS:
                self.kept, self._every = self.kept[::2], 2 * self._every
            yield text
        self._count(self.seen)


def _notes(opened: Iterable[Texts]) -> tuple[str, ...]:
    return tuple(note for texts in opened for note in texts.notes)


def _take_place(place: Path, stack: ExitStack, *, force: bool) -> None:
    """Make the folder and keep other processes out of it: said now, and not after an hour of training."""
    with _writing(place):
        _check_place(place, force=force)
        stack.enter_context(held(lasting(place), place))
        _check_place(place, force=force)  # another process may have been here meanwhile


def _check_place(place: Path, *, force: bool) -> None:
    if not exists(place):
        return
    if not is_dir(place):
        raise OutputError(f"--output {place}: is a file, not a folder; choose another name.")
    left = (LOCK, _beside(place).name)  # by a process that was killed
    there = {entry.name: is_file(entry) for entry in place.iterdir() if entry.name not in left}
    if foreign := sorted(name for name, is_plain in there.items() if name not in FILES or not is_plain):
        named = ", ".join(quoted(name) for name in foreign[:3])
        raise OutputError(f"--output {place}: holds other files than a vocabulary ({named}); choose another folder.")
    if there and not force:
        raise OutputError(f"--output {place}: holds a vocabulary; add --force to replace it.")


def _write(tokenizer: Tokenizer, place: Path) -> None:
    """Write both files before either is replaced; an instant without tokenizer.json keeps old and new apart."""
    beside = _beside(place)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        tokenizer.save(beside)
        (place / "tokenizer.json").unlink(missing_ok=True)
        for name in ("tokenizer_config.json", "tokenizer.json"):
            put_in_place(beside / name, place / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _beside(place: Path) -> Path:
    return temporary(place / "vocabulary")


def _writing(place: Path) -> AbstractContextManager[None]:
    return write_errors(place, "--output", way_on="choose another folder")
