"""What the tasks that choose sentences share: documents in windows, references, and ROUGE of what was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import Document, Example
from bertkit.documents.rouge import highlight_lines, resolve_mode, score_corpus, score_table, signature, tokenize
from bertkit.documents.selection import oracle_sentences
from bertkit.documents.sentences import Sentence, split_sentences
from bertkit.errors import DataError
from bertkit.metrics.intervals import mean_intervals
from bertkit.tasks.base import EncodedRow, Interval, NothingToLearnError, Outputs, Scores, TaskSettings
from bertkit.tokenization.base import Encoding, Tokenizer

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

# --- What the tasks of summaries read of a document: its sentences, its reference, the best sentences

CHOSEN = 3
"""Sentences of a summary."""


def sentences_of(example: Example) -> tuple[Sentence, ...]:
    """Return the sentences of a document with their places; those of a file that comes split stay as they are."""
    given = example.sentences if isinstance(example, Document) else ()
    if not given:
        return tuple(split_sentences(example.texts[0]))
    found, start = [], 0
    for text in given:
        found.append(Sentence(start, start + len(text), text))
        start += len(text) + 1  # the line break
    return tuple(found)


def reference_of(example: Example) -> str:
    """Return the reference summary with a sentence on each line.

    Raises:
        DataError: the document has none.
    """
    summary = example.summary if isinstance(example, Document) else None
    if summary is None:
        raise DataError.at(example.source, example.line, "the document has no reference summary.")
    lines = highlight_lines(summary)
    if "\n" in lines:
        return lines
    return "\n".join(one_line(sentence.text) for sentence in split_sentences(lines)) or lines


def summary_lines(sentences: tuple[Sentence, ...], chosen: tuple[int, ...]) -> str:
    """Return chosen sentences as ROUGE reads them: one on each line, whatever lines the document has."""
    return "\n".join(one_line(sentences[i].text) for i in chosen)


def one_line(text: str) -> str:
    """Write a text on one line."""
    return " ".join(text.split())


def oracle_of(sentences: tuple[Sentence, ...], reference: str) -> tuple[int, ...]:
    """Return the sentences that say best what the reference says, up to `CHOSEN`, in document order."""
    return tuple(oracle_sentences(*rouge_tokens(sentences, reference), CHOSEN))


def rouge_tokens(sentences: tuple[Sentence, ...], reference: str) -> tuple[list[list[str]], list[str]]:
    """Return the tokens of each sentence and of the reference, as ROUGE compares them; Korean as eojeol."""
    mode = resolve_mode("auto", chain([reference], (sentence.text for sentence in sentences)))
    return [tokenize(sentence.text, mode).tokens for sentence in sentences], tokenize(reference, mode).tokens


# --- ROUGE of chosen sentences: means, intervals and paired differences over documents ------------

METRICS = ("rouge1", "rouge2", "rougeLsum")

PerDocument = Mapping[str, NDArray[np.float64]]
"""F1 of each document by metric, 0 to 1, (documents) each."""


@dataclass(frozen=True, slots=True)
class Extract:
    """Sentences of a document with their scores; `chosen` are the numbers of some, in document order.

    `candidates` are the sets among which it was chosen, the best first, where there were any.
    """

    sentences: tuple[Sentence, ...]
    scores: tuple[float, ...]
    chosen: tuple[int, ...]
    candidates: tuple[tuple[int, ...], ...] = ()

    @property
    def lines(self) -> str:
        """The chosen sentences, one on each line."""
        return summary_lines(self.sentences, self.chosen)


class SummaryScorer:
    """Scores extracts against references; what was scored once is remembered.

    Metrics, intervals and differences ask for the same scores, and so does each epoch as
    far as its choices are those of the last one.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[float, ...]] = {}

    def per_document(self, examples: Sequence[Example], extracts: Sequence[Extract]) -> PerDocument:
        """Return the scores of each extract.

        Raises:
            DataError: a document has no reference.
        """
        references = [reference_of(example) for example in examples]
        mode = resolve_mode("auto", references)
        keys = [(mode, reference, extract.lines) for reference, extract in zip(references, extracts, strict=True)]
        new = list(dict.fromkeys(key for key in keys if key not in self._known))
        if new:
            found = score_table([key[1:] for key in new], mode, METRICS)
            self._known |= dict(zip(new, map(tuple, found.tolist()), strict=True))
        table = np.array([self._known[key] for key in keys], np.float64).reshape(len(keys), len(METRICS))
        return {name: table[:, i] for i, name in enumerate(METRICS)}

    def signature(self, examples: Sequence[Example]) -> str:
        """Say how the references of some documents are compared."""
        return signature(resolve_mode("auto", [reference_of(example) for example in examples]))


def mean_scores(scores: PerDocument) -> dict[str, float]:
    """Return the mean of each metric; 0.0 for no documents."""
    return {name: float(values.mean()) if len(values) else 0.0 for name, values in scores.items()}


def difference_intervals(scores: PerDocument, others: PerDocument, seed: int = 0) -> dict[str, Interval]:
    """Return the interval of the mean difference, `scores` minus `others`, documents paired."""
    return mean_intervals({name: values - others[name] for name, values in scores.items()}, seed)


# --- What extractive and matching share: both choose sentences, and are scored by what these say --

# References that are looked at before training for whether ROUGE can read them.
_SAMPLE = 50
# Share of documents of which a model may take just the first sentences without being asked about it.
_NEARLY_ALL = 0.99


class SummaryTask:
    """The half of a task that reads `Extract`s: records, scores, mistakes.

    Args:
        settings: columns and how rows are encoded.
        tokenizer: the encoder's tokenizer.
    """

    method: ClassVar[str]
    """What `summarize` calls it."""

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self._scorer = SummaryScorer()

    def record(self, example: Example, output: Extract, top_k: int) -> dict[str, Any]:
        """Return the chosen sentences with their places, and the summary they make."""
        sentences: list[dict[str, Any]] = []
        for index in output.chosen:
            sentence = output.sentences[index]
            place = {"index": index, "start": sentence.start, "end": sentence.end, "text": sentence.text}
            sentences.append({**place, "score": round(output.scores[index], 6)})
        summary = "\n".join(sentence["text"] for sentence in sentences)
        return {"source": example.source, "method": self.method, "sentences": sentences, "summary": summary}

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record."""
        return ["source", "method", "sentences", "summary"]

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return the mean ROUGE F1 of the summaries, and how it was computed."""
        metrics = mean_scores(self._per_document(examples, outputs))
        signature = self._scorer.signature(examples) if examples else ""
        return Scores(metrics, warnings=tuple(_doubts(outputs)), signature=signature)

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each metric, over documents."""
        return mean_intervals(self._per_document(examples, outputs))

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> Mapping[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        return difference_intervals(self._per_document(examples, outputs), self._per_document(examples, others))

    def settle(self, model: TaskModel) -> None:
        """Nothing to settle: scores are only compared."""

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> list[tuple[int, dict[str, Any]]]:
        """Return (row, what was chosen and its ROUGE) for all documents, the furthest from their references first."""
        scores = self._per_document(examples, outputs)
        found = []
        for i, output in enumerate(outputs):
            figures = {name: round(float(values[i]), 6) for name, values in scores.items()}
            found.append((i, {**figures, "chosen": list(output.chosen), "summary": output.lines}))
        return sorted(found, key=lambda row: float(row[1]["rouge1"]))

    def _per_document(self, examples: Sequence[Example], outputs: Outputs) -> PerDocument:
        return self._scorer.per_document(examples, outputs)


def check_references(examples: Sequence[Example]) -> None:
    """Refuse training rows that no summary can be scored on, before anything is computed.

    Raises:
        DataError: there are no rows, a row has no reference, or ROUGE cannot read their language.
    """
    if not examples:
        raise DataError("there are no documents to learn from.")
    references = [reference_of(example) for example in examples[:_SAMPLE]]
    score_corpus(references, references)


def refuse_nothing(kept: int, examples: Sequence[Example], what: str) -> None:
    """Refuse training rows of which nothing can be learnt.

    Raises:
        NothingToLearnError: no row was kept.
    """
    if not kept:
        source = examples[0].source if examples else "the training rows"
        raise NothingToLearnError(f"{source}: {what}, so there is nothing to learn; are the columns the right ones?")


def _doubts(outputs: Outputs) -> list[str]:
    longer = [output for output in outputs if len(output.sentences) > CHOSEN]
    leads = sum(output.chosen == tuple(range(CHOSEN)) for output in longer)
    if len(longer) < 10 or leads < _NEARLY_ALL * len(longer):
        return []
    return [f"the model takes the first {CHOSEN} sentences of nearly every document: it has learned no more than lead"]


# --- Documents as encodings of whole sentences: [CLS] one [SEP] [CLS] two [SEP] …, in windows -----
#
# A document that is longer than the encoder reads is read in windows of whole sentences.
# Neighbouring windows share up to two sentences, a quarter of a window at most, so that none
# stands at an edge without knowing what is beyond; each sentence is answered by one window only.

SHARED = 2
_SPECIAL = 2  # tokens round a sentence
# Sentences that are handed to the Rust library at once.
_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class SentenceWindow(Encoding):
    """A window of a document.

    `heads` are the places of the first tokens of its sentences; it answers for those whose
    numbers in the window are in `own`, and these are `sentences`.
    """

    heads: tuple[int, ...] = ()
    own: range = range(0)
    sentences: tuple[Sentence, ...] = ()

    @property
    def answered(self) -> tuple[int, ...]:
        """The places of the first tokens of the sentences it answers for."""
        return self.heads[self.own.start : self.own.stop]


def encode_documents(
    documents: Sequence[Sequence[Sentence]], tokenizer: Tokenizer, *, max_length: int, only_first: bool = False
) -> list[EncodedRow]:
    """Encode documents as windows.

    A sentence that is longer than a window is cut, and its row counts as truncated. A
    document without sentences is one window without text.

    Args:
        documents: the sentences of each.
        tokenizer: the encoder's.
        max_length: longest window in tokens, special tokens included.
        only_first: whether a document ends where its first window does.

    Raises:
        TokenizerError: the tokenizer has no token that begins or ends a sentence.
    """
    pieces = iter(sentence_ids([s.text for sentences in documents for s in sentences], tokenizer))
    opening, closing = boundaries(tokenizer)
    rows = []
    for sentences in documents:
        full = list(islice(pieces, len(sentences)))
        ids = [[opening, *piece[: max_length - _SPECIAL], closing] for piece in full]
        lost = [len(piece) + _SPECIAL - len(kept) for piece, kept in zip(full, ids, strict=True)]
        plan = plan_windows([len(piece) for piece in ids], max_length, only_first=only_first)
        rows.append(_row(sentences, ids, lost, plan) if ids else _empty(opening, closing))
    return rows


def sentence_ids(texts: Sequence[str], tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Yield the token ids of each text, special tokens left out.

    Equal ids are one object: a corpus has millions, and an int of its own takes 28 bytes.
    """
    known: dict[int, int] = {}
    for start in range(0, len(texts), _CHUNK):
        found = tokenizer.backend.encode_batch_fast(list(texts[start : start + _CHUNK]), add_special_tokens=False)
        for encoding in found:
            yield [known.setdefault(token, token) for token in encoding.ids]


def boundaries(tokenizer: Tokenizer) -> tuple[int, int]:
    """Return the ids of the tokens before and after a sentence.

    Raises:
        TokenizerError: the tokenizer lacks one of them.
    """
    special = tokenizer.special
    return tokenizer.id_of(special.cls, "first (cls)"), tokenizer.id_of(special.sep, "separator")


def plan_windows(lengths: Sequence[int], max_length: int, *, only_first: bool = False) -> list[tuple[range, range]]:
    """Divide the sentences of a document into as few windows as will do, of about the same length.

    Args:
        lengths: tokens of each sentence, none more than `max_length`.
        max_length: most tokens of a window.
        only_first: plan the first window alone, as long as it may be.

    Returns:
        For each window the sentences it reads, and those it answers for.
    """
    shared = max_length // 4
    reads = _filled(lengths, max_length, shared)
    if only_first:
        return [(read, read) for read in reads[:1]]
    narrowest, widest = max(lengths, default=0), max_length
    while narrowest < widest:  # at `widest` it is never more windows
        middle = (narrowest + widest) // 2
        narrower = _filled(lengths, middle, shared)
        if len(narrower) <= len(reads):
            reads, widest = narrower, middle
        else:
            narrowest = middle + 1
    # Of shared sentences the first half is answered by the earlier window, which knows what comes before.
    cuts = [(later.start + earlier.stop + 1) // 2 for earlier, later in pairwise(reads)]
    owns = map(range, [0, *cuts], [*cuts, len(lengths)])
    return list(zip(reads, owns, strict=False))


def _filled(lengths: Sequence[int], max_length: int, shared: int) -> list[range]:
    """Fill windows one after the other; neighbours share `shared` tokens at most."""
    reads: list[range] = []
    start = end = 0
    while end < len(lengths):
        room = max_length - sum(lengths[start:end])
        while end < len(lengths) and lengths[end] <= room:
            room -= lengths[end]
            end += 1
        reads.append(range(start, end))
        if end < len(lengths):
            start = _next_start(lengths, start, end, min(shared, max_length - lengths[end]))
    return reads


def _next_start(lengths: Sequence[int], start: int, end: int, room: int) -> int:
    """Begin the next window as many sentences before the new one as may be shared and have room."""
    first = end
    while first - 1 > start and end - first < SHARED and lengths[first - 1] <= room:
        first -= 1
        room -= lengths[first]
    return first


def _row(
    sentences: Sequence[Sentence], ids: list[list[int]], lost: list[int], plan: list[tuple[range, range]]
) -> EncodedRow:
    windows = []
    n_tokens = sum(map(len, ids)) + sum(lost)
    is_cut = plan[-1][0].stop < len(ids)
    for reads, own in plan:
        heads: list[int] = []
        tokens: list[int] = []
        types: list[int] = []
        for number in reads:
            heads.append(len(tokens))
            tokens += ids[number]
            types += [(number - reads.start) % 2] * len(ids[number])
        windows.append(
            SentenceWindow(
                tokens,
                types,
                n_tokens if is_cut else len(tokens) + sum(lost[number] for number in reads),
                heads=tuple(heads),
                own=range(own.start - reads.start, own.stop - reads.start),
                sentences=tuple(sentences[own.start : own.stop]),
            )
        )
    return EncodedRow(tuple(windows), n_tokens, truncated=is_cut or any(lost))


def _empty(opening: int, closing: int) -> EncodedRow:
    return EncodedRow((SentenceWindow([opening, closing], [0, 0], _SPECIAL),), _SPECIAL, truncated=False)
