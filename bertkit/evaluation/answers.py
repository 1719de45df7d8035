"""Predictions of an opened run: rows encoded, computed, decided and made into records, a chunk at a time."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from bertkit.bundle import Bundle
from bertkit.compute.device import Placement, inference
from bertkit.compute.processes import World, unsharded
from bertkit.data.columns import FILE
from bertkit.data.records import BadRow, Example
from bertkit.data.store import MANY
from bertkit.errors import BertkitError, UsageError
from bertkit.evaluation.blend import LinearAnswers
from bertkit.tasks.base import EncodedRow, Outputs, Task
from bertkit.tasks.choice import ChoiceTask
from bertkit.tasks.encoding import MOST_FIGURES, Tick, rows_of_parts
from bertkit.tasks.multilabel import MultiLabelTask, parse_thresholds
from bertkit.tasks.objectives import Chosen, best_numbers, gathered, gathered_outputs
from bertkit.tasks.question_answering import QuestionAnsweringTask
from bertkit.tasks.sequence import SequenceTask

if TYPE_CHECKING:
    from concurrent.futures import Future

    from bertkit.baselines.table import Baselines
    from bertkit.evaluation.blend import Ensemble
    from bertkit.models.heads import TaskModel

# --------------------------------------------------------------------------------------------------
# What `--threshold` and `--abstain-below` ask of a run's answers, beside what the run itself decides by.

_FLAG = "--abstain-below"


@dataclass(frozen=True)
class Decisions:
    """What somebody asks of answers.

    Attributes:
        threshold: how likely a label must be, as `--threshold` takes it; None: as the run has it.
        abstain_below: the probability that an answer must have to be given; None: any.

    Raises:
        UsageError: `abstain_below` is not a probability.
    """

    threshold: str | None = None
    abstain_below: float | None = None

    def __post_init__(self) -> None:
        """Check the number."""
        if self.abstain_below is not None and not 0.0 <= self.abstain_below <= 1.0:
            raise UsageError(f"{_FLAG} {self.abstain_below}: must be from 0 to 1.")

    def apply(self, task: Task) -> None:
        """Let a task decide by the thresholds, and make sure that it has what the rest asks for.

        Raises:
            UsageError: the task does not have it, or no label is called so.
        """
        word = task.settings.task
        if self.abstain_below is not None and not isinstance(task, ChoiceTask) and word not in _OF_CLASSES:
            raise UsageError(f"{_FLAG}: is for answers with one probability, which {word} does not have; leave it out.")
        if self.threshold is None:
            return
        if isinstance(task, MultiLabelTask | QuestionAnsweringTask):
            task.override(self.threshold)
        elif isinstance(task, SequenceTask) and word in _OF_CLASSES:
            task.decide_by(_of_classes(self.threshold, task))
        else:
            raise UsageError(f"--threshold: is for answers that are labels, and this run is {word}; leave it out.")

    def are_given(self, task: Task, outputs: Outputs) -> NDArray[np.bool_]:
        """Tell which answers are given, (N): those whose labels reach the thresholds and are sure enough."""
        if not isinstance(task, ChoiceTask) and task.settings.task not in _OF_CLASSES:
            return np.ones(len(outputs), bool)
        assert isinstance(task, ChoiceTask | SequenceTask)
        sureness, least = task.sureness(outputs), self.abstain_below
        return np.asarray(sureness >= (0.0 if least is None else least))

    def record(self, task: Task, answer: dict[str, Any], output: Any) -> dict[str, Any]:
        """Return a record's keys, without the answer where it is not sure enough."""
        if self.abstain_below is None or "abstained" in answer or self.are_given(task, [output])[0]:
            return answer
        return {"label": None, "score": answer["score"], "abstained": True} | {
            name: value for name, value in answer.items() if name not in ("label", "score")
        }

    def fields(self, task: Task) -> list[str]:
        """Name the keys that a record may have because of them; a set of labels and an answer may be empty anyway."""
        if isinstance(task, MultiLabelTask | QuestionAnsweringTask):
            return []
        return ["abstained"] if self.abstain_below is not None or self.threshold is not None else []


_OF_CLASSES = ("classify", "relation")
AS_TRAINED = Decisions()


def _of_classes(word: str, task: SequenceTask) -> tuple[float, ...]:
    """Read --threshold for classes: of two, one number is the positive one's."""
    labels, positive = task.settings.labels, task.settings.positive
    named = parse_thresholds(word, labels)
    if positive is not None and "=" not in word:
        named = {positive: named[positive]}
    # A threshold of 0 stands for none, so one that every row reaches is the least number above it.
    return tuple(max(named[label], math.ulp(0.0)) if label in named else 0.0 for label in labels)


def beside(task: Task, baselines: Baselines | None, answers: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """Return the answers of baselines as these decide: by thresholds of their own, or by the likeliest label.

    Args:
        task: whose own answers are decided by its thresholds, where it has some.
        baselines: knows the thresholds that were chosen for them; None: there are none.
        answers: by name.
    """
    if not task.settings.thresholds or task.settings.task not in _OF_CLASSES:
        return dict(answers)
    from bertkit.baselines.sequence import SequenceBaselines  # `predict` does without

    own = baselines.threshold if isinstance(baselines, SequenceBaselines) else 0.0
    place = task.settings.labels.index(task.settings.positive) if task.settings.positive else 0
    return {
        name: decided(outputs, place, own) if own and name == "tfidf" else decided(outputs)
        for name, outputs in answers.items()
    }


def decided(outputs: Outputs, place: int = 0, threshold: float = 0.0) -> list[Chosen]:
    """Decide answers by the likeliest label, or of two labels by the threshold of the one at `place`."""
    found = gathered(outputs)
    if not isinstance(found, np.ndarray):
        raise UsageError("--threshold: is for up to 500 labels; leave it out.")
    numbers: Iterable[int] = best_numbers(found)
    if threshold:
        numbers = [place if row[place] >= threshold else 1 - place for row in found]
    return [Chosen(row, number) for row, number in zip(found, numbers, strict=True)]


# --- Run a model over encoded rows, in batches of like length, and give the outputs in order ------

# Rows that a model without an encoder answers at once: few rows as ever, all together.
_AT_ONCE = MANY


def forward(
    model: TaskModel,
    task: Task,
    rows: Sequence[EncodedRow],
    placement: Placement,
    *,
    batch_size: int | None = None,
    tick: Tick = lambda _: None,
) -> Outputs:
    """Compute the output of every row.

    Args:
        model: in evaluation mode, on the placement's device; or what answers without an encoder.
        task: collates parts and reads logits.
        rows: N rows.
        placement: device and precision.
        batch_size: most parts of a batch; None: as many as fit the token budget.
        tick: is told after each batch how many parts it had.

    Returns:
        What the task makes of each row, in the order of the rows; of many rows one array, where
        it is figures.
    """
    if isinstance(model, LinearAnswers):
        parts = iter(rows)
        answers = (model.answers(part) for part in iter(lambda: list(itertools.islice(parts, _AT_ONCE)), []))
        return gathered_outputs(itertools.chain.from_iterable(answers), len(rows))
    with inference(placement):
        computed = rows_of_parts(model, task, rows, placement.device, batch_size=batch_size, tick=tick)
        return gathered_outputs((task.row_output(row, parts) for row, parts in computed), len(rows))


def forward_together(
    world: World, model: TaskModel, task: Task, rows: Sequence[EncodedRow], placement: Placement
) -> Outputs:
    """Compute the output of every row, each process those of its share.

    Returns:
        What `forward` returns, in the first process; in the others an empty list.
    """
    if world.size == 1:
        return forward(model, task, rows, placement)
    return unsharded(world.gather(list(forward(model, task, world.shard(rows), placement))))


# --- Rows answered by an opened run: encoded, computed, and made into records, some at a time -----
#
# Who asks decides which rows go together: `predict` by blocks of its input (`predict.py`), the
# listening predictor by who waits at the moment (`serving/`).

Item = Example | BadRow
Record = dict[str, Any]

# Keys of a record whatever the task; a kept column of such a name gets another.
_OWN_NAMES = frozenset({FILE, "line", "n_tokens", "truncated", "error", "top"})


@dataclass(frozen=True)
class Chunk:
    """Rows answered together; `encoded` has one entry per good row, and so has `others`, the other member's answers.

    Where these are being made while the model computes, they are `awaited`.
    """

    items: Sequence[Item]
    encoded: list[EncodedRow]
    others: Outputs = ()
    awaited: Future[Outputs] | None = None


class Answerer:
    """Answers rows of one run; encoding and computing may be done by two threads, each by one at a time.

    Args:
        bundle: the run; its model is on the placement's device.
        placement: device and precision.
        top_k: how many labels to list; 0 for the best one only.
        batch_size: most rows of a batch; None: by the token budget.
        decisions: which answers are given.

    Raises:
        RunError: the other member of the ensemble is missing or damaged.
    """

    def __init__(
        self,
        bundle: Bundle,
        placement: Placement,
        *,
        top_k: int = 0,
        batch_size: int | None = None,
        decisions: Decisions = AS_TRAINED,
    ) -> None:
        self.bundle, self._placement = bundle, placement
        self._top_k, self._batch_size, self._decisions = top_k, batch_size, decisions
        self._ensemble = _ensemble(bundle)
        self._taken = {*_OWN_NAMES, *bundle.task.record_fields(top_k), *decisions.fields(bundle.task)}

    def encode(self, items: Sequence[Item]) -> Chunk:
        """Encode the good rows, and ask the other member, if any; a row the task refuses becomes an error."""
        chunk = _encoded(self.bundle, items)
        return chunk if self._ensemble is None else replace(chunk, others=self._others(chunk))

    def encode_for(self, idle: Callable[[Chunk], None], items: Sequence[Item]) -> None:
        """Encode rows and hand them to a model that waits for them, so that it and the other member answer at once."""
        chunk = _encoded(self.bundle, items)
        if self._ensemble is None:
            idle(chunk)
            return
        from concurrent.futures import Future

        others: Future[Outputs] = Future()
        idle(replace(chunk, awaited=others))
        try:
            others.set_result(self._others(chunk))
        except BaseException as error:  # raised again where the answers are wanted
            others.set_exception(error)

    def _others(self, chunk: Chunk) -> Outputs:
        assert self._ensemble is not None
        return self._ensemble.member.answers([item for item in chunk.items if isinstance(item, Example)], {})

    def records(self, chunk: Chunk, tick: Tick = lambda _: None) -> list[Record]:
        """Compute the answers.

        Args:
            chunk: rows of `encode`.
            tick: is told how many more rows have been computed.

        Returns:
            A record for each item, in order: `line`, the task's keys, `n_tokens` and `truncated`;
            or `line` and `error`.
        """
        outputs: Iterable[Any] = self._outputs(chunk.encoded, tick)
        if self._ensemble is not None:
            own = list(outputs)
            others = chunk.others if chunk.awaited is None else chunk.awaited.result()
            outputs = self._ensemble.blend.mix(own, others)
        answers = iter(zip(outputs, chunk.encoded, strict=True))
        task, decisions, records = self.bundle.task, self._decisions, []
        for item in chunk.items:
            if isinstance(item, BadRow):
                records.append(_with_kept({"line": item.line, "error": item.message}, item, self._taken))
                continue
            output, row = next(answers)
            answer = decisions.record(task, task.record(item, output, self._top_k), output)
            record = {"line": item.line, **answer, "n_tokens": row.n_tokens, "truncated": row.truncated}
            records.append(_with_kept(record, item, self._taken))
        return records

    def _outputs(self, rows: Sequence[EncodedRow], tick: Tick) -> Iterator[Any]:
        """Yield the output of every row; where labels are many, no more rows are computed than their figures allow."""
        bundle = self.bundle
        step = max(1, MOST_FIGURES // max(1, len(bundle.task.settings.labels)))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            yield from forward(
                bundle.model,
                bundle.task,
                some,
                self._placement,
                batch_size=self._batch_size,
                tick=_by_rows(some, tick),
            )


def kept_of(item: Item, own: Sequence[str]) -> Record:
    """Return what is kept of a row, as its record has it.

    Args:
        item: the row.
        own: the keys that the task's answers have.
    """
    return _with_kept({}, item, {*_OWN_NAMES, *own})


def _by_rows(rows: Sequence[EncodedRow], tick: Tick) -> Tick:
    """Return what hears of parts of rows, and tells of so many rows as that is."""
    share = len(rows) / max(1, sum(len(row.parts) for row in rows))
    return lambda parts: tick(parts * share)


def _ensemble(bundle: Bundle) -> Ensemble | None:
    """Open the ensemble of a run; baselines are imported only where there is one."""
    if not bundle.manifest.blend:
        return None
    from bertkit.evaluation.blend import open_ensemble

    return open_ensemble(bundle)


def _with_kept(record: dict[str, Any], item: Item, taken: Set[str]) -> dict[str, Any]:
    """Add what is kept of a row, under another name where records use it; the file goes first."""
    kept = dict(item.kept)
    file = {FILE: kept.pop(FILE)} if item.kept[:1] and item.kept[0][0] == FILE else {}
    return {**file, **record, **{f"in_{name}" if name in taken else name: value for name, value in kept.items()}}


def _encoded(bundle: Bundle, items: Sequence[Item]) -> Chunk:
    """Encode the good rows; a row the task refuses becomes an error record."""
    good = [item for item in items if isinstance(item, Example)]
    try:
        return Chunk(items, bundle.task.encode(good))
    except BertkitError:
        pass
    kept: list[Item] = []
    encoded: list[EncodedRow] = []
    for item in items:
        if isinstance(item, Example):
            try:
                encoded += bundle.task.encode([item])
            except BertkitError as error:
                kept.append(BadRow(item.line, _clause(error, item), kept=item.kept))
                continue
        kept.append(item)
    return Chunk(kept, encoded)


def _clause(error: BertkitError, row: Example) -> str:
    """Say why a row was refused without its place, which the record has."""
    return str(error).removeprefix(f"{row.source}:{row.line}: ").rstrip(".")


# --- Begin with what takes long while something else is read or waited for ------------------------

T = TypeVar("T")


class Ahead(Generic[T]):
    """Work that has begun in a thread: a run is opened, and torch imported, while the first rows are read.

    Args:
        work: is called once, in the thread.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._found: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), name="bertkit-opener", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._found.append(work())
        except BaseException as error:  # raised again where the result is wanted
            self._error = error

    def result(self) -> T:
        """Wait for the work, and return or raise what it has."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def wait(self) -> None:
        """Wait for the work, whatever comes of it: a thread inside an import when Python ends would abort it."""
        self._thread.join()


@contextmanager
def ahead(work: Callable[[], T]) -> Iterator[Ahead[T]]:
    """Begin with work that the body asks the result of; however the body ends, the work has ended too."""
    begun = Ahead(work)
    try:
        yield begun
    finally:
        begun.wait()
