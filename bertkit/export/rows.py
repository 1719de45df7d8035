"""The rows that an export is checked on: the run's own, those of --data, or made ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bertkit.bundle import Bundle
from bertkit.data.records import Example, Question, TaggedText
from bertkit.data.request import DataRequest
from bertkit.errors import BertkitError, DataError
from bertkit.plain import visible
from bertkit.tasks.reading import load_data, load_splits

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
        note(f"the run's data cannot be read ({reason}); the export is checked on made-up texts; --data names others")
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
