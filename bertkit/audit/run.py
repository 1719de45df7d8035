"""One pass over every split, past all parts of the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor

from bertkit.audit.chunk import Observer, chunks
from bertkit.audit.duplicates import duplicate_findings
from bertkit.audit.encoding import Encoding
from bertkit.audit.findings import Finding, worst_first
from bertkit.audit.groups import Groups
from bertkit.audit.keys import KeyTable
from bertkit.audit.label_cues import LabelCues
from bertkit.audit.labels import Labels
from bertkit.audit.leakage import leakage_findings
from bertkit.audit.lengths import Lengths
from bertkit.audit.near_duplicates import NearDuplicates
from bertkit.audit.report import Audit, build_split
from bertkit.audit.special_tokens import SpecialTokens
from bertkit.audit.verdict import TrainCommand, suggest_command, write_verdict
from bertkit.data.catalog import SPLITS
from bertkit.data.records import ColumnMap, Example

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
    train = figures[order[0]] if order else None
    return Audit(
        data=name,
        splits=figures,
        findings=findings,
        verdict=write_verdict(findings, sum(split.rows for split in figures.values())),
        suggested_command=suggest_command(
            command, task, train.labels if train else {}, train.fitting_length if train else None
        ),
        notes=observers.near.notes(),
    )


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
