"""One pass over every split, past all parts of the audit; and what comes out of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from bertkit.audit.duplicates import KeyTable, NearDuplicates, duplicate_findings, leakage_findings
from bertkit.audit.findings import Chunk, Finding, Observer, Severity, Tally, chunks, counted, worst_first
from bertkit.audit.labels import STRONG_IMBALANCE, LabelCounts, LabelCues, Labels, Numbers, balancing_weights, imbalance
from bertkit.audit.texts import Encoding, Lengths, LengthSummary, SpecialTokens, SplitLengths, fitting_length, summarize
from bertkit.data.catalog import SPLITS
from bertkit.data.column_names import has_text
from bertkit.data.faults import Faults, Unread
from bertkit.data.records import ColumnMap, Example
from bertkit.data.store import Block, blocks_of
from bertkit.plain import as_shown, as_typed, quoted, shell_words

# --- What comes out of an audit, as records and as the JSON of `inspect-data` ---------------------


@dataclass(frozen=True)
class ColumnLengths:
    """The lengths of one text column."""

    words: LengthSummary
    characters: LengthSummary


@dataclass(frozen=True)
class SplitAudit:
    """The figures of one split.

    `class_weights` balance the labels; `numbers` are the labels of a regression. `tokens`,
    `over_max_length` (a share of the rows) and `fitting_length` (the tokens that lose under
    1 % of the rows) are None where no tokens were counted. `sample` pairs tokens with
    labels for a figure, for up to 5,000 rows.
    """

    rows: int
    labels: Mapping[str, int]
    class_weights: Mapping[str, float]
    numbers: Numbers | None
    lengths: Mapping[str, ColumnLengths]
    tokens: LengthSummary | None
    over_max_length: float | None
    fitting_length: int | None
    sample: tuple[tuple[int, str | None], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the split as `inspect-data` prints it; lengths of columns are in words."""
        return {
            "rows": self.rows,
            "labels": dict(self.labels),
            "class_weights": {label: round(weight, 6) for label, weight in self.class_weights.items()},
            "label_numbers": self.numbers.to_json() if self.numbers else None,
            "lengths": {
                name: {"unit": "words", **column.words.to_json(), "characters": column.characters.to_json()}
                for name, column in self.lengths.items()
            },
            "tokens": self.tokens.to_json() if self.tokens else None,
            "over_max_length": None if self.over_max_length is None else round(self.over_max_length, 6),
            "fitting_length": self.fitting_length,
        }


@dataclass(frozen=True)
class Audit:
    """Everything that was found in a data set, the worst first."""

    data: str
    splits: Mapping[str, SplitAudit]
    findings: tuple[Finding, ...]
    verdict: str
    suggested_command: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the audit as `inspect-data` prints it."""
        return {
            "data": self.data,
            "splits": {name: split.to_json() for name, split in self.splits.items()},
            "findings": [finding.to_json() for finding in self.findings],
            "verdict": self.verdict,
            "suggested_command": self.suggested_command,
            "notes": list(map(as_shown, self.notes)),
        }


def build_split(task: str, labels: LabelCounts, lengths: SplitLengths, max_length: int | None) -> SplitAudit:
    """Put the counts of one split together."""
    counts = labels.ordered()
    has_tokens = bool(lengths.tokens)
    over = lengths.cut.count / lengths.tokens.total() if has_tokens and max_length is not None else None
    return SplitAudit(
        rows=labels.rows,
        labels=counts,
        class_weights=balancing_weights(counts) if task == "classify" else {},
        numbers=labels.numbers if task == "regression" else None,
        lengths={
            name: ColumnLengths(summarize(words), summarize(lengths.characters[name]))
            for name, words in lengths.words.items()
        },
        tokens=summarize(lengths.tokens) if has_tokens else None,
        over_max_length=over,
        fitting_length=fitting_length(lengths.tokens) if has_tokens else None,
        sample=tuple(lengths.sample.items),
    )


# --- The end of an audit: one or two sentences, and the command that makes the best of the data ---

# A note on what came on standard input, where nothing was written.
PIPED = "Standard input has been read: pipe the same rows into the suggested command, or keep them with --write FILE."
_TOKEN_STEP = 8  # lengths that suit the hardware
_SHORTEST = 8  # what --max-length takes


@dataclass(frozen=True)
class TrainCommand:
    """What of the suggested command does not come from the findings.

    Args:
        data: the words of DATA.
        model: the name given to --model.
        longest: the most tokens the model can read; None: not known.
        options: further words, kept as they are (`--data-dir`, its folder, …).
    """

    data: tuple[str, ...]
    model: str = "scratch"
    longest: int | None = None
    options: tuple[str, ...] = ()


def write_verdict(findings: Sequence[Finding], rows: int) -> str:
    """Say in one or two sentences whether to train on this."""
    if not rows:
        return "There are no rows to train on."
    errors = _named(findings, "error")
    warnings = _named(findings, "warning")
    if errors:
        rest = f" Worth checking: {warnings}." if warnings else ""
        return f"Fix before training: {errors}.{rest}"
    if warnings:
        return f"Can be trained on. Worth checking: {warnings}."
    return f"Ready to train: nothing to fix in {counted(rows, 'row')}."


def suggest_command(command: TrainCommand, task: str, labels: Mapping[str, int], fitting: int | None) -> str:
    """Write the `train` command for the shell.

    Args:
        command: what is known of it.
        task: the task word; class weights are for classify.
        labels: rows by label.
        fitting: the number of tokens that loses under 1 % of the rows; None: not counted.
    """
    words = ["bertkit", "train", *map(as_typed, command.data), *command.options, "--model", command.model]
    if fitting is not None:
        length = max(_SHORTEST, -(-fitting // _TOKEN_STEP) * _TOKEN_STEP)
        words += ["--max-length", str(min(length, command.longest or length))]
    if task == "classify" and len(labels) > 1 and imbalance(labels) > STRONG_IMBALANCE:
        words += ["--class-weights", "auto"]
    return shell_words(words)


def _named(findings: Sequence[Finding], severity: str) -> str:
    """List the kinds of one severity in words, each once."""
    kinds = list(dict.fromkeys(finding.kind.replace("_", " ") for finding in findings if finding.severity == severity))
    return kinds[0] if len(kinds) == 1 else ", ".join(kinds[:-1]) + " and " + kinds[-1] if kinds else ""


# --- The findings about what could not be read, and so is not among the rows that an audit sees ---


def unread_findings(split: str, unread: Unread) -> Iterator[Finding]:
    """Report rows that cannot be used, entities that are not in their texts, rows of two files, and groups."""
    if unread.unusable.count:
        message = f"{split}: {counted(unread.unusable.count, 'row', 'are')} unusable and left out"
        yield _finding(unread.unusable, "unusable_row", "error", message)
    if unread.left_out.count:
        yield _finding(
            unread.left_out, "left_out_row", "info", f"{split}: left out, because they are not rows of the data"
        )
    if unread.lost.count:
        number = "1 entity" if unread.lost.count == 1 else f"{unread.lost.count:,} entities"
        yield _finding(unread.lost, "lost_entity", "warning", f"{split}: {number} left out")
    if unread.repeated:
        message = f"{split}: {counted(unread.repeated, 'row')} left out, because an earlier file has the same ids."
        yield Finding("repeated_id", "info", unread.repeated, message)
    if unread.group_column is not None:
        found = unread.group_column
        message = (
            f"{split}: {counted(found.shared, 'row', 'share')} the value of {quoted(found.name)} with another row "
            f"({found.values:,} values); if such rows belong together, --group {quoted(found.name)} keeps them on one "
            "side."
        )
        yield Finding("group_column", "info", found.shared, message)


def _finding(faults: Faults, kind: str, severity: Severity, what: str) -> Finding:
    return Finding(kind, severity, faults.count, f"{what}: {faults.summary()}.", tuple(faults.places))


# --- Groups of rows that belong together: how they lie in the splits, and which column might name them


class Groups:
    """Counts the groups of every split, where rows have any.

    Args:
        column: what --group said; None: there are no groups.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._rows: dict[str, Counter[str]] = defaultdict(Counter)

    def see(self, chunk: Chunk) -> None:
        """Count the groups of some rows."""
        if self._column is not None:
            self._rows[chunk.split].update(row.group for row in chunk.rows if row.group)

    def findings(self, order: Sequence[str]) -> Iterator[Finding]:
        """Report how many groups there are, and which splits share some."""
        if self._column is None:
            return
        own = self._rows[order[0]]
        number, rows = counted(len(own), "group"), counted(own.total(), "row")
        largest = max(own.values(), default=0)
        what = f"the largest has {largest:,}" if largest > 1 else "none has two rows, so --group changes nothing"
        yield Finding("groups", "info", len(own), f"{order[0]}: {number} of {quoted(self._column)} in {rows}; {what}.")
        for name, held in combinations(order, 2):
            shared = self._rows[held].keys() & self._rows[name].keys()
            if shared:
                rows = counted(sum(self._rows[held][group] for group in shared), "row", "are")
                message = (
                    f"{held}: {rows} of {counted(len(shared), 'group')} that {name} has too; its score is inflated."
                )
                yield Finding("groups_in_two_splits", "warning", len(shared), message)


# --- One pass over every split, past all parts of the audit ---------------------------------------

TokenCounter = Callable[[list[tuple[str, ...]]], list[int]]


def audit(
    splits: Mapping[str, Iterable[Example]],
    *,
    name: str,
    task: str,
    columns: ColumnMap,
    command: TrainCommand,
    count_tokens: TokenCounter | None = None,
    max_length: int | None = None,
    known: Sequence[Finding] = (),
    group: str | None = None,
    control: Sequence[str] = (),
    mask: str | None = None,
) -> Audit:
    """Find what is wrong with the rows of a data set, and suggest how to train on it.

    Every row is read once and none is kept: an audit holds about 50 bytes a row, and
    samples and indices of a bounded size.

    Args:
        splits: rows by split, each read once.
        name: what the data set is called.
        task: the task word the data decided ("classify", "regression", "ner", …).
        columns: the columns behind `Example.texts`.
        command: what is known of the suggested command.
        count_tokens: turns rows (all texts of each) into numbers of tokens, special tokens
            included; None: tokens are not counted.
        max_length: the most tokens of a row that will be read.
        known: findings from elsewhere, such as a tokenizer that does not fit.
        group: the column behind `Example.group`; None: rows have no groups.
        control: the model's special tokens, looked for in the texts beside those of other encoders.
        mask: the one of them that hides a token.
    """
    reading = _reading_order(splits)
    observers = _Observers(task, columns, max_length, reading, group, SpecialTokens(task, control, mask))
    _read(splits, reading, observers, count_tokens)
    order = sorted(observers.labels.splits, key=_rank)
    findings = worst_first([*known, *observers.findings(order)])
    figures = {
        split: build_split(task, observers.labels.splits[split], observers.lengths.splits[split], max_length)
        for split in order
    }
    return Audit(
        data=name,
        splits=figures,
        findings=findings,
        verdict=write_verdict(findings, sum(split.rows for split in figures.values())),
        suggested_command=_suggested(command, task, figures[order[0]] if order else None),
        notes=observers.near.notes(),
    )


def _suggested(command: TrainCommand, task: str, train: SplitAudit | None) -> str:
    """Suggest how to train, by the labels and lengths of the first split."""
    return suggest_command(command, task, train.labels if train else {}, train.fitting_length if train else None)


def _read(
    splits: Mapping[str, Iterable[Example]],
    reading: Sequence[str],
    observers: _Observers,
    count_tokens: TokenCounter | None,
) -> None:
    """Show every row to the observers, once, and count its tokens meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        for chunk in (chunk for split in reading for chunk in chunks(split, splits[split])):
            # a fast tokenizer computes outside of Python, so it may as well do so meanwhile
            tokens = worker.submit(count_tokens, [row.all_texts for row in chunk.rows]) if count_tokens else None
            for observer in observers:
                observer.see(chunk)
            if tokens is not None:
                observers.lengths.see_tokens(chunk, tokens.result())


class _Observers:
    """The parts of an audit."""

    def __init__(
        self,
        task: str,
        columns: ColumnMap,
        max_length: int | None,
        order: Sequence[str],
        group: str | None,
        special: SpecialTokens,
    ) -> None:
        self.labels = Labels(task)
        self.lengths = Lengths(columns.inputs, max_length, are_marked=task == "relation")
        self.near = NearDuplicates(last=order[-1] if order else "")
        self._is_pair = columns.pair is not None
        self._keys = KeyTable(numeric=task == "regression")
        self._encoding = Encoding()
        self._special = special
        self._groups = Groups(group)
        self._cues = LabelCues() if task == "classify" else None
        self._comparing = len(order) > 1

    def __iter__(self) -> Iterator[Observer]:
        yield from (self.labels, self.lengths, self._encoding, self._special, self._keys, self._groups)
        if self._cues is not None:
            yield self._cues
        if self._comparing:
            yield self.near

    def findings(self, order: Sequence[str]) -> Iterator[Finding]:
        """Ask every part, once all rows were seen; the first split is the one trained on."""
        if not order:
            return
        gathered = self._keys.tables()
        tables = {split: gathered[split] for split in order}
        yield from self.labels.findings(order[0])
        yield from self.lengths.findings()
        yield from self._encoding.findings()
        yield from self._special.findings()
        for split, rows in tables.items():
            yield from duplicate_findings(split, rows, is_pair=self._is_pair)
        yield from leakage_findings(tables, is_pair=self._is_pair)
        yield from self.near.findings(tables)
        yield from self._groups.findings(order)
        if self._cues is not None:
            yield from self._cues.findings(order[0])


def _reading_order(splits: Mapping[str, Iterable[Example]]) -> list[str]:
    """Put the largest split last, where its size is known, and train where it is not.

    Near-duplicates are looked up in the splits that came before.
    """
    if all(isinstance(rows, Sized) for rows in splits.values()):
        return sorted(splits, key=lambda split: len(splits[split]))  # type: ignore[arg-type]
    return sorted(splits, key=_rank, reverse=True)


def _rank(split: str) -> int:
    """Place train first, then validation and test, then whatever else there is."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)


# --------------------------------------------------------------------------------------------------
# What `train` and `eval` should hear of their rows: few of the findings, and none that needs a second look at all rows.

_KINDS = ("label_variants", "placeholder_label", "joined_labels")


def row_doubts(task: str, rows: Sequence[Example], split: str = "train") -> Iterator[str]:
    """Say which labels look alike or like missing ones, and which rows have no text.

    Args:
        task: the task word; empty: labels are not looked at.
        rows: those of the split.
        split: what sentences call it.
    """
    empty, labels = Tally(), Labels(task)
    has_labels = task in ("classify", "relation", "ner")
    for part in blocks_of(rows):
        if isinstance(part, Block) and _all_there(part, split, labels if has_labels else None):
            continue
        examples = part.examples if isinstance(part, Block) else part
        for row in examples:
            if not any(map(has_text, row.all_texts)):
                empty.add(row)
        if has_labels:
            labels.see(Chunk(split, examples))
    if empty.count:
        first = empty.places[0]
        yield f"{split}: {counted(empty.count, 'row', 'have')} no text, the first at {first.file}:{first.line}"
    if not has_labels:
        return
    for finding in labels.findings(split):
        if finding.kind in _KINDS:
            place = next(iter(finding.places), None)
            where = "" if place is None else f" ({place.file}:{place.line})"
            yield f"{finding.message.rstrip('.')}{where}"


def _all_there(block: Block, split: str, labels: Labels | None) -> bool:
    """Count the labels of plain rows, where every row has one, and a text; else tell that one lacks something."""
    there = any(all(map(has_text, texts)) for texts in block.texts)
    own = [] if labels is None else [label for label in block.labels if label is not None]
    if labels is None or not there or len(own) < block.batch.num_rows:
        return there and labels is None
    labels.see_labels(split, own, block.place)
    return True
