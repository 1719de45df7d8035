"""The options of a training run, as one frozen record that checks itself.

The record is the single place where an option of `bertkit train` is stated: its flag,
its help line, its choices and its bounds stand beside the field, and the command line
is built from them. A value of None means "the model's recipe or the data decide";
`training/recipe.py` turns every None into a figure before anything is computed, and
that resolved record is what a run saves.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import Field as DataclassField
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from bertkit.errors import DataError, UsageError
from bertkit.files import exists, is_dir, is_file
from bertkit.plain import as_typed, brief, quoted

TASKS = (
    "auto",
    "classify",
    "regression",
    "multilabel",
    "relation",
    "ner",
    "qa",
    "choice",
    "mlm",
    "extractive",
    "matching",
)
_LARGEST_CONFIG = 2**20
SIZES = ("tiny", "mini", "small", "base")
ATTENTIONS = ("full", "window", "dilated", "global", "disentangled")
# Flags that are not spelt as their field, because Python has the word for itself.
_FLAGS = {"global_tokens": "--global"}


def option(
    default: Any,
    help_line: str,
    panel: str,
    *,
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    saved: bool = True,
) -> Any:
    """Declare an option of the command line as a dataclass field.

    Args:
        default: value where nobody says anything; None: the recipe or the data decide.
        help_line: what `--help` prints; names the default where None hides it.
        panel: heading of `--help` under which it stands.
        choices: the words it takes, if it takes words.
        minimum: smallest value allowed.
        above: value that must be exceeded.
        maximum: largest value allowed.
        below: value that must not be reached.
        saved: whether the run stores it (a request such as --resume is not part of a run).
    """
    bounds = {"minimum": minimum, "above": above, "maximum": maximum, "below": below}
    metadata = {"help": help_line, "panel": panel, "choices": choices, "saved": saved, **bounds}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrainConfig:
    """Everything `bertkit train` can be told.

    Raises:
        UsageError: a value is outside what its flag takes; the message names the flag.
    """

    data: tuple[str, ...] = ()
    # Names of the values somebody gave, as against defaults; a resumed run compares these.
    given: frozenset[str] = frozenset()

    task: str = option("auto", "Task to learn (default: auto, by the data).", "Data", choices=TASKS)
    data_dir: str | None = option(None, "Folder that holds DATA's files (default: where DATA is found).", "Data")
    columns: str | None = option(
        None, "Column of each part: text=a,pair=b,label=c; text=a+b joins two (default: by their names).", "Data"
    )
    validation_fraction: float = option(
        0.1,
        "Share of the training rows, 0 to 1, held out where the data has no validation split (default: 0.1).",
        "Data",
        above=0,
        below=1,
    )
    test_fraction: float = option(
        0.0, "Share of the training rows, 0 to 1, held out as a test split (default: 0).", "Data", minimum=0, below=1
    )
    folds: int | None = option(
        None,
        "Cross-validation: after the run, train N more models, each without one of N parts (default: none).",
        "Data",
        minimum=2,
        maximum=20,
    )
    group: str | None = option(None, "Column: rows with the same value stay in the same split (default: none).", "Data")
    on_error: str = option(
        "stop",
        "Rows that cannot be read: stop, or skip them (default: stop).",
        "Data",
        choices=("stop", "skip"),
    )
    limit: int | None = option(
        None,
        "Train on at most N rows, drawn at random with --seed; validation and test stay whole (default: all).",
        "Data",
        minimum=2,
    )
    positive: str | None = option(
        None, "Two labels: the one that precision, recall and F1 are about (default: the second in order).", "Data"
    )
    leave_out: str = option(
        "none",
        "Words removed before encoding: stop words, Korean particles, or both (default: none).",
        "Data",
        choices=("none", "stop-words", "particles", "both"),
    )
    max_length: int | None = option(
        None, "Longest input, in tokens (default: the longest row, at most what the model reads).", "Data", minimum=8
    )
    on_long: str | None = option(
        None,
        "Inputs over --max-length: truncate, read in windows, or stop (default: truncate; mlm and qa: window).",
        "Data",
        choices=("truncate", "window", "error"),
    )

    model: str = option(
        "auto",
        "Name of `bertkit models`, folder, hf:org/name or tfidf (default: auto, the best one on this machine).",
        "Model",
    )
    init: str | None = option(
        None,
        "Initial weights (default: by model: scratch random, all others pretrained).",
        "Model",
        choices=("pretrained", "random"),
    )
    size: str | None = option(
        None,
        "Scratch: --layers, --hidden and --heads at once (default: by the number of rows and the task).",
        "Model",
        choices=SIZES,
    )
    layers: int | None = option(
        None, "Number of encoder layers (default: by --size or model).", "Model", minimum=1, maximum=96
    )
    hidden: int | None = option(
        None,
        "Hidden size: numbers in the vector of a token (default: by --size or model).",
        "Model",
        minimum=8,
        maximum=8192,
    )
    heads: int | None = option(
        None, "Attention heads of a layer; must divide --hidden (default: by --size or model).", "Model", minimum=1
    )
    attention: str | None = option(
        None, "Scratch: the tokens that a token attends to (default: full, all of them).", "Model", choices=ATTENTIONS
    )
    window: int | None = option(
        None,
        "Window, dilated, global: width of the window, in tokens; an even number (default: 64).",
        "Model",
        minimum=2,
        maximum=4096,
    )
    dilation: int | None = option(
        None, "Dilated: two heads see every Nth token, the others see neighbours (default: 2).", "Model", minimum=1
    )
    global_tokens: str | None = option(
        None,
        "Global: the tokens that attend to all and are attended to by all (default: first).",
        "Model",
        choices=("first", "question", "columns"),
    )
    distances: int | None = option(
        None,
        "Disentangled: relative positions distinguished on each side, in tokens (default: --max-length).",
        "Model",
        minimum=1,
    )
    buckets: int | None = option(
        None, "Disentangled: far relative positions share N buckets on a log scale (default: none).", "Model", minimum=2
    )
    tokenizer: str | None = option(
        None, "Existing tokenizer: folder or model name (default: the model's; scratch trains one).", "Model"
    )
    vocab_size: int | None = option(
        None,
        "Most tokens of a vocabulary trained on the data (default: by the rows, 1000 to 32000).",
        "Model",
        minimum=64,
    )
    trim_vocab: bool | None = option(
        None,
        "Keep only the tokens of a large vocabulary that the rows need (default: by model: "
        "multilingual E5 yes, others no).",
        "Model",
    )
    lowercase: bool | None = option(None, "Lower-case a vocabulary trained on the data (default: yes).", "Model")
    pooling: str | None = option(
        None,
        "How the tokens of a row become one vector (default: by model and task: scratch "
        "pooler, minilm mean, its pairs align).",
        "Model",
        choices=("cls", "pooler", "mean", "match", "align", "siamese"),
    )
    portable: bool = option(
        False, "Use only what transformers' own classes support, so that they can open the run.", "Model"
    )
    dropout: float | None = option(
        None,
        "Dropout probability in encoder and head (default: by model: scratch 0.3, most others 0.1).",
        "Model",
        minimum=0,
        below=1,
    )

    epochs: int | None = option(
        None,
        "Epochs at most (default: by model and task: scratch 8, minilm 1 to 8, others 2 to 6; "
        "more for few single texts).",
        "Training",
        minimum=1,
    )
    batch_size: int | None = option(
        None,
        "Rows of a batch; a step has --accumulate batches (default: by model: Longformer 8, most others 32).",
        "Training",
        minimum=1,
    )
    accumulate: int = option(1, "Gradient accumulation: batches of a step (default: 1).", "Training", minimum=1)
    lr: float | None = option(
        None,
        "Peak learning rate (default: by model and task: scratch 5e-4, minilm 1e-4 or 2e-4, others 7e-6 to 2e-4).",
        "Training",
        above=0,
        maximum=10,
    )
    head_lr: float | None = option(
        None,
        "Peak learning rate of the head (default: by model and task: minilm up to 5e-3; others as --lr).",
        "Training",
        above=0,
        maximum=10,
    )
    weight_decay: float | None = option(
        None, "AdamW's weight decay, for matrices only (default: by model: all of them 0.01).", "Training", minimum=0
    )
    warmup: float = option(
        0.1,
        "Warmup ratio: share of the steps, 0 to 1, in which the learning rate rises (default: 0.1).",
        "Training",
        minimum=0,
        maximum=1,
    )
    schedule: str = option(
        "linear",
        "Learning-rate schedule after the warmup (default: linear).",
        "Training",
        choices=("linear", "cosine", "constant"),
    )
    clip: float = option(
        1.0, "Gradient clipping: largest norm of the gradient; 0 does not clip (default: 1).", "Training", minimum=0
    )
    freeze: int | None = option(
        None,
        "Freeze the embeddings and the lowest N layers (default: by model and task: multilingual E5 1, minilm for "
        "summaries 4, others 0).",
        "Training",
        minimum=0,
    )
    freeze_after: float | None = option(
        None,
        "Freeze layer after layer, from below, from this share of the steps on, 0 to 1 (default: 1, never).",
        "Training",
        minimum=0,
        maximum=1,
    )
    label_smoothing: float | None = option(
        None,
        "Label smoothing: share of the target probability, 0 to 1, given to all labels equally (default: by "
        "model: all of them 0).",
        "Training",
        minimum=0,
        below=1,
    )
    loss: str = option("mse", "Regression: the loss (default: mse).", "Training", choices=("mse", "mae"))
    class_weights: str = option(
        "none",
        "Weight of each class in the loss: auto balances classes, or label=weight,… (default: none).",
        "Training",
    )
    overlap_segments: bool | None = option(
        None,
        "Pairs: give tokens that both sides share segment ids of their own (default: by "
        "model: scratch yes, others no).",
        "Training",
    )
    swap_pairs: bool | None = option(
        None,
        "Pairs, augmentation: train on both orders of a pair (default: by model: scratch and "
        "minilm yes, most others no).",
        "Training",
    )
    token_masking: float | None = option(
        None,
        "Share of the tokens, 0 to 1, masked in training: mlm's task, augmentation elsewhere "
        "(default: by model: scratch 0.2, others 0; mlm 0.15).",
        "Training",
        minimum=0,
        below=1,
    )
    whole_words: bool = option(False, "Masked LM: mask all tokens of a word together.", "Training")
    sentence_pairs: str = option(
        "none",
        "Masked LM: also learn the order of lines: nsp whether one follows, sop which is first (default: none).",
        "Training",
        choices=("none", "nsp", "sop"),
    )
    mask_decoder: str = option(
        "none",
        "Masked LM: enhanced adds absolute positions before the output (default: none).",
        "Training",
        choices=("none", "enhanced"),
    )
    blend: bool | None = option(
        None,
        "Ensemble encoder and TF-IDF, weights fitted on validation rows (default: by model "
        "and task: minilm's pairs and multilabel yes).",
        "Training",
    )
    calibrate: bool | None = option(
        None,
        "Calibrate probabilities on validation rows (default: yes for pretrained models without --blend).",
        "Training",
    )
    tune_threshold: str | None = option(
        None,
        "Two labels: tune the probability threshold on validation rows for f1, mcc, accuracy, "
        "precision=P or recall=P (default: no).",
        "Training",
    )
    metric: str | None = option(
        None,
        "Metric that chooses the best epoch and decides the verdict (default: by task; macro_f1 for uneven classes).",
        "Training",
    )
    patience: int | None = option(
        None,
        "Early stopping: epochs without a better --metric on validation rows (default: by model: scratch 8, others 3).",
        "Training",
        minimum=1,
    )
    average: int | None = option(
        None,
        "Weight averaging: mean of the last N epochs' weights (default: by model: scratch 3, others 1).",
        "Training",
        minimum=1,
    )
    soup: int | None = option(
        None,
        "Model soup: mean weights of N trainings that differ by their seeds (default: by model and task: multilingual "
        "E5's scored pairs 3, others 1).",
        "Training",
        minimum=1,
        maximum=20,
    )
    log_every: int = option(50, "Steps between two log lines (default: 50).", "Training", minimum=1)
    seed: int = option(
        1, "Seed of everything random, a whole number (default: 1).", "Training", minimum=0, maximum=2**32 - 1
    )

    device: str = option(
        "auto", "Where to compute: auto, cpu, cuda, cuda:N or mps (default: auto, a GPU if there is one).", "Machine"
    )
    precision: str = option(
        "auto",
        "Number format of the computation (default: auto, bfloat16 where the hardware computes with it, else float32).",
        "Machine",
        choices=("auto", "float32", "bfloat16"),
    )
    threads: int | None = option(None, "CPU threads (default: the cores this process may use).", "Machine", minimum=1)
    compile: bool = option(
        False, "Compile the model: long trainings are faster, results not equal to the byte.", "Machine"
    )

    output: str | None = option(None, "Run directory to write (default: runs/<data>-<model>).", "Run", saved=False)
    tensorboard: bool | None = option(None, "Write TensorBoard events (default: yes if it is installed).", "Run")
    resume: bool = option(False, "Continue from the last checkpoint in --output.", "Run", saved=False)
    force: bool = option(False, "Replace the run in --output, once the new one is whole.", "Run", saved=False)
    keep_checkpoints: bool = option(False, "Keep the checkpoints when training is done.", "Run", saved=False)
    dry_run: bool = option(
        False, "Show the resolved options, the time and the memory it will take, then stop.", "Run", saved=False
    )
    strict: bool = option(False, "Exit with code 4 if there is a warning.", "Run", saved=False)

    def __post_init__(self) -> None:
        """Check every value against its own field, then the values against each other."""
        for spec in options(type(self)):
            _check(spec, getattr(self, spec.name))
        if self.hidden and self.heads and self.hidden % self.heads:
            raise UsageError(f"--heads {self.heads} does not divide --hidden {self.hidden}; choose a divisor.")
        if self.validation_fraction + self.test_fraction >= 1:
            raise UsageError("--validation-fraction and --test-fraction together leave no training rows.")
        if self.group is not None and self.sentence_pairs != "none":
            raise UsageError("--group: with --sentence-pairs lines that follow each other stay together; leave it out.")

    def saved(self) -> dict[str, Any]:
        """Return what a run stores, as JSON-ready values."""
        kept = {spec.name for spec in options(type(self)) if spec.metadata["saved"]} | {"data"}
        values = {name: value for name, value in asdict(self).items() if name in kept}
        return {**values, "data": tuple(map(as_typed, self.data))}


def options(config_class: type) -> list[DataclassField[Any]]:
    """List the fields of a config class that are command-line options."""
    return [spec for spec in fields(config_class) if "help" in spec.metadata]


def words_of(name: str) -> tuple[str, ...]:
    """Return the words that an option takes."""
    return next(tuple(spec.metadata["choices"]) for spec in options(TrainConfig) if spec.name == name)


def flag(name: str) -> str:
    """Spell a field's name as its flag.

    >>> flag("max_length")
    '--max-length'
    """
    return _FLAGS.get(name, "--" + name.replace("_", "-"))


def from_mapping(values: Mapping[str, Any], *, source: str, base: TrainConfig | None = None) -> TrainConfig:
    """Build a config from plain values (a TOML or JSON file, or the flags given).

    Args:
        values: values by field name; names may be spelt with - or _.
        source: what is named in an error ("train.toml", "the command line").
        base: config whose other values are kept; None: the defaults.

    Raises:
        UsageError: a name no option has, or a value of the wrong type or out of bounds.
    """
    hints = get_type_hints(TrainConfig)
    known = {spec.name for spec in options(TrainConfig)} | {"data"}
    clean: dict[str, Any] = {}
    for raw_name, value in values.items():
        name = next((field for field, flag in _FLAGS.items() if flag == f"--{raw_name}"), raw_name.replace("-", "_"))
        if name not in known:
            raise UsageError(f"{source}: no option is called {quoted(raw_name)}; `bertkit train --help` lists them.")
        clean[name] = _typed(name, value, hints[name], source)
    base = base or TrainConfig()
    return replace(base, **clean, given=base.given | clean.keys())


def read_toml(path: Path, shown: str = "") -> dict[str, Any]:
    """Read a flat TOML file of options.

    Args:
        path: the file.
        shown: what it is called in an error; empty: as --config names it.

    Raises:
        DataError: the file is missing, unreadable or not TOML.
    """
    import tomllib

    named = brief(shown or f"--config {brief(path, 300)}", 320)
    # What a shell puts in a file's place (<(…)) is a pipe in /dev; any other is waited for in vain.
    if exists(path) and not is_file(path) and not is_dir(path) and not path.is_relative_to("/dev"):
        raise DataError(f"{named}: is not a regular file; name one.")
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_CONFIG + 1)
        if len(content) > _LARGEST_CONFIG:
            raise DataError(f"{named}: has more than {_LARGEST_CONFIG:,} bytes, so it is not a file of options.")
        return tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise DataError(f"{named}: cannot be read ({error.strerror}); check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{named}: is not TOML: {error}.") from error
    except RecursionError:
        raise DataError(f"{named}: is not a file of options: its lists are nested too deeply.") from None
    except ValueError:  # a name with a NUL byte, or with what no name can hold
        raise DataError(f"{named}: no file can have this name; check the path.") from None


def to_toml(config: TrainConfig) -> str:
    """Write a config as TOML that `--config` reads back to an equal config."""
    lines = []
    for name, value in asdict(config).items():
        if value is None or name == "given":
            continue
        # A JSON scalar or list of strings is also TOML, escapes included.
        shown = list(value) if isinstance(value, tuple) else value
        text = json.dumps(shown, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML wants DEL escaped
        lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"


def _check(spec: DataclassField[Any], value: Any) -> None:
    if value is None:
        return
    name, meta = flag(spec.name), spec.metadata
    if meta["choices"] and value not in meta["choices"]:
        raise UsageError(f"{name} {brief(value)}: must be one of {', '.join(meta['choices'])}.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name} {value}: must be a finite number.")
    for bound, (holds, words) in _BOUNDS.items():
        limit = meta[bound]
        if limit is not None and not holds(value, limit):
            raise UsageError(f"{name} {value}: must be {words} {limit}.")


def _typed(name: str, value: Any, hint: Any, source: str) -> Any:
    if name == "data":
        names = (value,) if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
            raise UsageError(f"{source}: data takes a name, a path or a list of paths, not {brief(repr(value))}.")
        return tuple(names)
    kinds = get_args(hint) or (hint,)
    wanted = next(kind for kind in kinds if kind is not type(None))
    if isinstance(value, kinds) and not (wanted is int and isinstance(value, bool)):
        return value
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    raise UsageError(f"{source}: {flag(name)} takes {_WORDS[wanted]}, not {brief(repr(value))}.")


_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "minimum": (operator.ge, "at least"),
    "above": (operator.gt, "greater than"),
    "maximum": (operator.le, "at most"),
    "below": (operator.lt, "less than"),
}
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
