"""Does an export predict the same as its run? Checked on texts, as its user would call it.

Texts go through the plain tokenizer call of transformers and through the artefact; the
answers are compared with those that bertkit gives in float32.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.bundle import Bundle
from bertkit.data.records import MARKERS, Example, Question, TaggedText
from bertkit.data.splits import DataRequest
from bertkit.errors import BertkitError, DataError, ModelError
from bertkit.plain import visible
from bertkit.tasks.base import EncodedRow, TaskSettings
from bertkit.tasks.encoding import joined_texts
from bertkit.tasks.multilabel import USUAL
from bertkit.tasks.rows import load_data, load_splits

if TYPE_CHECKING:
    from torch import Tensor

# --- The rows that an export is checked on: the run's own, those of --data, or made ones ----------

CHECKED = 64
MADE_UP = "made-up texts"
_SEED = 1
_WORDS = (3, 30)  # of a made text, from and to


@dataclass(frozen=True)
class CheckRows:
    """Rows of a run's kind.

    `labelled` says that their labels are true, `name` where they are from; `others` are rows to
    compare on where these are few.
    """

    examples: Sequence[Example]
    labelled: bool
    name: str
    others: Sequence[Example] = ()


def rows_for(run: Bundle, data: Sequence[str], note: Callable[[str], None], *, need_labels: bool = False) -> CheckRows:
    """Load rows to check an export on.

    Args:
        run: whose rows they are.
        data: what --data names; empty for the run's own validation rows.
        note: told what the run itself names, before it is opened, for anybody may have written it;
            and where rows are made up because that cannot be read.
        need_labels: whether made rows will not do.

    Raises:
        DataError: labels are needed and the data cannot be read.
        BertkitError: what --data names cannot be read.
    """
    settings = run.manifest.settings
    if data:
        loaded = load_data(
            data, task=settings.task, stored=settings.columns, as_split="validation", need_label=need_labels
        )
        split = next(name for name in ("validation", "test", "train") if name in loaded.splits)
        return CheckRows(loaded.splits[split], need_labels, loaded.name)
    request = DataRequest.from_json(run.manifest.data["request"])
    place = f" in {visible(request.data_dir)}" if request.data_dir else ""
    for name in request.names:
        note(f"the run's own data: {visible(name)}{place}")
    try:
        own = load_splits(request)
    except BertkitError as error:
        reason = str(error).rstrip(".")
        if need_labels:
            raise DataError(f"the run's data cannot be read ({reason}); name rows with --data FILE.") from error
        note(
            f"the run's data cannot be read ({reason}); the export is checked on made-up texts; name others with --data"
        )
        return CheckRows(made_rows(run), labelled=False, name=MADE_UP)
    return CheckRows(own.splits["validation"], labelled=True, name=own.name, others=own.splits["train"])


def to_compare(run: Bundle, rows: CheckRows, most: int = CHECKED) -> list[Example]:
    """Take some rows, the same each time, of all lengths; a word is masked where a run fills masked words."""
    some = _of_all_lengths(rows.examples, most)
    some += _of_all_lengths(rows.others, most - len(some))
    if run.manifest.settings.task != "mlm":
        return some
    return [_with_hidden_word(example, run.tokenizer.special.mask or "") for example in some]


def _of_all_lengths(rows: Sequence[Example], most: int) -> list[Example]:
    ordered = sorted(rows, key=lambda row: sum(map(len, row.all_texts)))
    if len(ordered) <= most:
        return ordered
    return [ordered[i * (len(ordered) - 1) // max(1, most - 1)] for i in range(most)]


def _with_hidden_word(example: Example, mask: str) -> Example:
    """Mask the first word of a text, if none is masked: it is never among those that are cut away."""
    text = example.texts[0]
    if mask in text:
        return example
    words = text.split(maxsplit=1)
    return replace(example, texts=(" ".join([mask, *words[1:]]), *example.texts[1:]))


def made_rows(run: Bundle, count: int = CHECKED) -> list[Example]:
    """Make rows of a run's kind out of the words of its vocabulary."""
    settings, rng = run.manifest.settings, random.Random(_SEED)
    special = set(run.tokenizer.special.present)
    vocabulary = run.tokenizer.backend.get_vocab(with_added_tokens=False)
    words = sorted(word for word in vocabulary if word.isalnum() and word not in special) or ["a"]

    def text() -> str:
        return " ".join(rng.choice(words) for _ in range(rng.randint(*_WORDS)))

    rows: list[Example] = []
    for line in range(1, count + 1):
        texts = tuple(text() for _ in settings.columns.inputs)
        if settings.task == "choice":
            names = settings.labels or tuple("ABCD")
            rows.append(Question(texts, None, line, "made", names=names, choices=tuple(text() for _ in names)))
        elif settings.task == "ner":
            rows.append(TaggedText(texts, None, line, "made", entities=()))
        elif settings.task == "mlm":
            masked = f"{text()} {run.tokenizer.special.mask} {text()}"
            rows.append(Example((masked,), None, line, "made"))
        else:
            rows.append(Example(texts, None, line, "made"))
    return rows


# What a float32 computation in another order may differ by, in a probability or a label's unit.
TOLERANCE = 1e-4
_AT_ONCE = 8
# Places of a text whose masked word is compared: each has a figure for every word there is.
_PLACES = 4

Artefact = Callable[["dict[str, Tensor]"], "Tensor"]
"""From the tensors of a tokenizer call to logits."""


@dataclass(frozen=True)
class Checked:
    """How an export's answers compare with the run's, over `rows` rows.

    `difference` is the largest one of any output; `labels_equal` the share of rows or tokens
    whose best label is the same, 1.0 where there are no labels.
    """

    rows: int
    difference: float
    labels_equal: float


@dataclass(frozen=True)
class _Probe:
    """One input of the model: its texts, the ids that bertkit makes of them, and what it answers."""

    place: str
    texts: tuple[str, str | None]
    ids: list[int]
    expected: NDArray[np.float64]


def check_export(run: Bundle, examples: Sequence[Example], folder: Path, artefact: Artefact) -> Checked:
    """Compare an artefact with the run it was made of.

    Args:
        run: its model on the CPU, in evaluation mode, float32.
        examples: rows to compare on; left out are those that bertkit reads in windows, questions that
            it cuts at their beginning, and of questions and masked words those that spell special tokens.
        folder: holds the exported tokenizer.
        artefact: computes logits from what the tokenizer call gives.

    Raises:
        ModelError: a text becomes other ids, or an output differs by more than `TOLERANCE`.
    """
    probes = _probes(run, examples)
    if not probes:
        longest = run.task.settings.max_length
        raise ModelError(f"no row to check on has up to {longest} tokens; name shorter ones with --data.")
    tokenizer, worst, equal, seen = _tokenizer(folder), 0.0, 0, 0
    for some in _groups(probes):
        inputs = _called(tokenizer, some, run)
        outputs = _read(run, artefact(inputs), inputs["attention_mask"])
        for probe, found in zip(some, outputs, strict=True):
            difference = float(np.abs(found - probe.expected).max())
            if not difference <= TOLERANCE * _scale(run, probe.expected):
                raise ModelError(
                    f"{probe.place}: the export's answers differ from the run's (by {difference:.2g}, and "
                    f"{TOLERANCE:g} is allowed); nothing was written."
                )
            worst = max(worst, difference)
            mine, others = decided(run.task.settings, probe.expected), decided(run.task.settings, found)
            equal += int((mine == others).sum())
            seen += int(np.size(mine))
    return Checked(len({probe.place for probe in probes}), worst, equal / seen)


def decided(settings: TaskSettings, values: NDArray[np.float64]) -> NDArray[Any]:
    """Return what is answered by probabilities or figures: the likeliest of the last axis, or which labels."""
    if settings.task == "multilabel":
        return np.asarray(values >= np.asarray(settings.thresholds or (USUAL,)))
    # Of a question the tokens where its answer is likeliest to begin and to end.
    return np.asarray(values.argmax(-2 if settings.task == "qa" else -1))


def _scale(run: Bundle, expected: NDArray[np.float64]) -> float:
    """Probabilities differ by what they differ; numbers and figures relative to their size."""
    return (
        1.0
        if run.task.settings.task in ("classify", "multilabel", "relation", "ner")
        else max(1.0, float(np.abs(expected).max()))
    )


def _probes(run: Bundle, examples: Sequence[Example]) -> list[_Probe]:
    """Let bertkit answer; rows that a plain call reads otherwise are left out."""
    import torch

    encoded = [(example, row) for example, row in zip(examples, run.task.encode(examples), strict=True)]
    whole = [(e, row) for e, row in encoded if len(row.parts) == len(_texts(run, e)) and not _is_ours(run, e, row)]
    probes = []
    for start in range(0, len(whole), _AT_ONCE):
        parts = [(e, text, part) for e, row in whole[start : start + _AT_ONCE] for text, part in _pairs(run, e, row)]
        batch = run.task.batch([part for _, _, part in parts])
        with torch.inference_mode():
            inputs = {name: tensor for name, tensor in batch.inputs.items() if name != "positions"}
            logits = run.model(**inputs)
        outputs = _read(run, _tensor(logits, batch.input_ids), batch.attention_mask)
        for (example, text, part), output in zip(parts, outputs, strict=True):
            probes.append(_Probe(f"{example.source}:{example.line}", text, list(part.ids), output))
    return probes


def _is_ours(run: Bundle, example: Example, row: EncodedRow) -> bool:
    """Whether a row is one that only bertkit reads so: a question cut at its beginning, or special tokens as text."""
    if run.task.settings.task == "relation":
        return row.truncated  # it is cut around its entities
    if run.task.settings.task not in ("choice", "mlm"):
        return False
    mask = run.tokenizer.special.mask
    kept = (mask,) if run.task.settings.task == "mlm" and mask else ()
    is_respelt = any(run.tokenizer.plain(text, but=kept) != text for text in example.all_texts)
    return is_respelt or (isinstance(example, Question) and row.truncated)


def _pairs(run: Bundle, example: Example, row: EncodedRow) -> Iterator[tuple[tuple[str, str | None], Any]]:
    yield from zip(_texts(run, example), row.parts, strict=True)


def _texts(run: Bundle, example: Example) -> list[tuple[str, str | None]]:
    """Return the texts that one call of a tokenizer takes, for each part of a row."""
    settings, tokenizer = run.task.settings, run.tokenizer
    if isinstance(example, Question):
        (stem,) = joined_texts([example.texts], settings, tokenizer)
        return [(stem, choice) for choice in example.choices]
    if settings.task in ("ner", "mlm"):
        return [(example.texts[0], None)]
    cut, markers = len(settings.columns.text), MARKERS if settings.task == "relation" else ()
    (first,) = joined_texts([example.texts[:cut]], settings, tokenizer, but=markers)
    return [(first, example.texts[cut] if settings.is_pair else None)]


def _groups(probes: Sequence[_Probe]) -> Iterator[Sequence[_Probe]]:
    ordered = sorted(probes, key=lambda probe: len(probe.ids))
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)


def _called(tokenizer: Any, probes: Sequence[_Probe], run: Bundle) -> dict[str, Tensor]:
    """Call a tokenizer as its users do; where it cuts, it goes by its own tokenizer_config.json.

    Raises:
        ModelError: it makes other ids than bertkit.
    """
    firsts, seconds = [p.texts[0] for p in probes], [p.texts[1] for p in probes]
    called: dict[str, Tensor] = dict(
        tokenizer(
            firsts,
            seconds if seconds[0] is not None else None,
            padding=True,
            truncation=True,
            return_tensors="pt",
        )
    )
    for probe, ids, mask in zip(probes, called["input_ids"], called["attention_mask"], strict=True):
        if ids[mask.bool()].tolist() != probe.ids:
            raise ModelError(
                f"{probe.place}: a plain tokenizer call gives this row other ids than bertkit; nothing was written."
            )
    return called


def _tensor(found: Any, ids: Tensor) -> Tensor:
    """Take the logits out of what a model returns; of masked words, by place."""
    if isinstance(found, tuple):
        words: Tensor = found[0]
        return words.view(*ids.shape, -1)
    logits: Tensor = found
    return logits


def _read(run: Bundle, logits: Tensor, mask: Tensor | None) -> list[NDArray[np.float64]]:
    """Turn logits into one array for each input: probabilities, values, or figures; padding left out."""
    task, rows = run.task.settings.task, list(logits)
    if task in ("ner", "qa", "mlm") and mask is not None:
        rows = [row[:length] for row, length in zip(rows, mask.sum(dim=1).tolist(), strict=True)]
    if task == "mlm":
        rows = [row[:: max(1, len(row) // _PLACES)] for row in rows]
    values = [row.double().cpu() for row in rows]
    if task == "multilabel":
        return [row.sigmoid().numpy() for row in values]
    has_labels = task in ("classify", "relation", "ner", "mlm")
    return [(row.softmax(dim=-1) if has_labels else row).numpy() for row in values]
