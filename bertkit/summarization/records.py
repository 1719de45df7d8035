"""What is summarized and what comes out: documents, chosen sentences, summaries."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bertkit.data.records import Kept
from bertkit.documents.readers.passage import Passage, candidates
from bertkit.documents.readers.plain import plain_passages
from bertkit.documents.sentences import Sentence, sentences_of
from bertkit.documents.words import is_laughter
from bertkit.plain import Progress, unheard

# Keys of a record; a kept column of such a name gets another.
_OWN_NAMES = frozenset({"source", "index", "method", "sentences", "summary", "rouge", "sections", "baselines", "error"})


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text to summarize, and where it is from.

    `index` is its place in the source, from 0; `line` is its line in a table, from 1; `kept` are
    names and values that go through to the answer. `passages` are what is to be read of it (None: it
    is plain text), `span` the part of `text` that it is, `reference` a summary that came with it.
    """

    text: str
    source: str = "<text>"
    index: int = 0
    line: int | None = None
    kept: Kept = ()
    passages: tuple[Passage, ...] | None = None
    span: tuple[int, int] | None = None
    reference: str = ""

    @property
    def place(self) -> str:
        """Where the document is, for messages."""
        return _place(self.source, self.line)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that cannot be summarized; `message` says why, in one clause."""

    message: str
    source: str = "<text>"
    index: int = 0
    line: int | None = None
    kept: Kept = ()

    @classmethod
    def of(cls, document: SourceText, message: str) -> Unreadable:
        """Say what is wrong with a document."""
        return cls(message, document.source, document.index, document.line, document.kept)

    @property
    def place(self) -> str:
        """Where the document is, for messages."""
        return _place(self.source, self.line)

    def to_json(self) -> dict[str, Any]:
        """Return the error record."""
        return {"source": self.source, "index": self.index, "error": self.message, **_kept(self.kept)}


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen sentence: the `index`-th of its document from 0, which is document[start:end]."""

    index: int
    start: int
    end: int
    text: str
    score: float
    section: str = ""
    speaker: str = ""
    page: int | None = None
    paragraph: int | None = None

    @classmethod
    def of(cls, index: int, sentence: Sentence, score: float) -> Choice:
        """Choose a sentence."""
        s = sentence
        return cls(index, s.start, s.end, s.text, score, s.section, s.speaker, s.page, s.paragraph)

    @property
    def line(self) -> str:
        """The sentence on one line, with who says it."""
        text = on_one_line(self.text)
        return text if not self.speaker or text.startswith(self.speaker) else f"{self.speaker}: {text}"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; section, speaker, page and paragraph only where there are such."""
        values = {"index": self.index, "start": self.start, "end": self.end, "text": self.text, "score": self.score}
        about = {"section": self.section, "speaker": self.speaker, "page": self.page, "paragraph": self.paragraph}
        return values | {name: value for name, value in about.items() if value}


@dataclass(frozen=True, slots=True)
class Rouge:
    """F1 of a summary against its reference, how it was counted, and the share of characters ignored."""

    rouge1: float
    rouge2: float
    rougeLsum: float  # noqa: N815 - the metric's name
    signature: str
    ignored_share: float

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "rouge1": self.rouge1,
            "rouge2": self.rouge2,
            "rougeLsum": self.rougeLsum,
            "signature": self.signature,
            "ignored_share": self.ignored_share,
        }


@dataclass(frozen=True, slots=True)
class SectionSummary:
    """The summary of what stands under a heading; `heading` is empty for what stands above the first."""

    heading: str
    level: int
    summary: str
    sentences: tuple[Choice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        sentences = [choice.to_json() for choice in self.sentences]
        return {"heading": self.heading, "level": self.level, "sentences": sentences, "summary": self.summary}


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary, a sentence on each line; `sentences` are the chosen ones, none where a model wrote it.

    `total` is how many sentences the document has, `sections` the summaries of what stands under
    its headings, where these were asked for, and `baselines` what other methods reach.
    """

    document: SourceText
    method: str
    summary: str
    sentences: tuple[Choice, ...] = ()
    rouge: Rouge | None = None
    total: int = 0
    sections: tuple[SectionSummary, ...] = ()
    baselines: tuple[tuple[str, Rouge], ...] = ()

    @classmethod
    def of_choices(cls, document: SourceText, method: str, choices: Sequence[Choice], total: int = 0) -> Summary:
        """Make a summary of chosen sentences, of so many, which are put into the order of the document."""
        ordered = tuple(sorted(choices, key=lambda choice: choice.index))
        return cls(document, method, "\n".join(choice.line for choice in ordered), ordered, total=total)

    def to_json(self) -> dict[str, Any]:
        """Return the record; `rouge` is there only where there was a reference."""
        values: dict[str, Any] = {
            "source": self.document.source,
            "index": self.document.index,
            "method": self.method,
            "sentences": [choice.to_json() for choice in self.sentences],
            "summary": self.summary,
        }
        if self.sections:
            values["sections"] = [section.to_json() for section in self.sections]
        if self.rouge is not None:
            values["rouge"] = self.rouge.to_json()
        if self.baselines:
            values["baselines"] = {name: rouge.to_json() for name, rouge in self.baselines}
        return values | _kept(self.document.kept)


# A word that a hyphen breaks at a line's end; and first parts of words that are written with one.
_BROKEN = re.compile(r"([^\W\d_]+)([-\u00ad])[ \t]*\r?\n[ \t]*(?=[a-zà-ÿ])")
_COMPOUNDED = re.compile(
    r"(?:"
    r"well|self|non|long|short|high|low|co|anti|pre|post|semi|multi|cross|half|ex|all|ever|so|full|part|"
    r"double|single|two|three|one|four|five|six|ten|first|second|third|mid|old|new|good|best|hand|left|"
    r"right|down|up|over|under|in|on|off"
    r")$",
    re.IGNORECASE,
)


Item = SourceText | Unreadable
Answer = Summary | Unreadable
Answers = Generator[Answer, None, None]
Summarizer = Callable[[Iterable[Item]], Answers]
"""Gives one answer for each item, in order; an item that is unreadable is passed on."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How far the reading of a long document is."""

    place: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears what is not a result: sentences for the user, the progress on long documents, and on all of them."""

    note: Callable[[str], None] = lambda _: None
    progress: Callable[[Windows], None] = lambda _: None
    documents: Progress = unheard


def _kept(kept: Kept) -> dict[str, Any]:
    """Name kept columns for a record: as they are, or otherwise where records use the name."""
    return {f"in_{name}" if name in _OWN_NAMES else name: value for name, value in kept}


def _place(source: str, line: int | None) -> str:
    return source if line is None else f"{source}:{line}"


def document_sentences(document: SourceText, language: str) -> list[Sentence]:
    """Return the sentences of a document that may be chosen, in order.

    What leads in to something else ("Three things are needed:") is half a sentence, and laughter is
    none; both are taken only where there are no others.

    Raises:
        UnknownNameError: the language is not one of auto, en and ko.
    """
    found = sentences_of(passages_of(document), language)
    return [s for s in found if not (s.text.endswith((":", "：")) or is_laughter(s.said))] or found


def passages_of(document: SourceText) -> Sequence[Passage]:
    """Return the passages of a document that a summary may be made of."""
    if document.passages is not None:
        return document.passages
    return candidates(plain_passages(document.text, 0, len(document.text)))


def on_one_line(text: str) -> str:
    """Collapse white space, line ends included, to single spaces; words that were broken at a line's end are whole."""
    if "-\n" in text or "-\r" in text or "\u00ad" in text:
        text = _BROKEN.sub(_unbroken, text)
    return " ".join(text.split())


def _unbroken(match: re.Match[str]) -> str:
    return match[1] + "-" * (match[2] == "-" and _COMPOUNDED.match(match[1]) is not None)


def on_lines(sentences: Sequence[Sentence]) -> str:
    """Write sentences on a line each."""
    return "\n".join(on_one_line(sentence.text) for sentence in sentences)


def word_counts(sentences: Sequence[Sentence]) -> list[int]:
    """Count the words of sentences, as white space parts them."""
    return [len(sentence.text.split()) for sentence in sentences]


def one_by_one(answer: Callable[[SourceText], Answer]) -> Summarizer:
    """Make a summarizer of a function that summarizes a document without looking at others."""

    def summarize(items: Iterable[Item]) -> Answers:
        for item in items:
            yield answer(item) if isinstance(item, SourceText) else item

    return summarize


def nothing_in(text: str) -> str:
    """Say why a text has no sentence."""
    return "there is no sentence in it, only markup or punctuation" if text.strip() else "the document is empty"
