"""Cut texts into sentences that know where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bertkit.documents.language import detect_language, resolve_language
from bertkit.documents.layout import blocks, has_words
from bertkit.documents.readers.passage import Passage
from bertkit.documents.sentences_english import Habits, english_ends, read_habits
from bertkit.documents.sentences_korean import korean_ends

__all__ = ["Sentence", "detect_language", "sentences_of", "split_sentences"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a document, which stands at document[start:end].

    Attributes:
        start: where it begins.
        end: where it ends.
        text: as a person reads it. In plain text that is exactly document[start:end], broken
            lines as they are; elsewhere markup is left out, and it is on one line.
        section: the heading that it stands under; empty where there is none.
        speaker: who says it, in a dialogue.
        said_from: where in `text` the speaker's name is over.
        page: of a PDF, from 1.
        paragraph: of a Word document, from 1.
    """

    start: int
    end: int
    text: str
    section: str = ""
    speaker: str = ""
    said_from: int = 0
    page: int | None = None
    paragraph: int | None = None

    @property
    def said(self) -> str:
        """The text without the speaker's name."""
        return self.text[self.said_from :]


def split_sentences(text: str, language: str = "auto") -> list[Sentence]:
    """Return the sentences of a document in order, in time linear in its length.

    Markup that stands alone, rules, bullets and heading marks are between the sentences,
    not in them.

    Args:
        text: the document.
        language: "en", "ko", or "auto" to look at each paragraph.

    Raises:
        UnknownNameError: the language is none of these.
    """
    habits = read_habits(text)
    sentences: list[Sentence] = []
    for start, end in blocks(text):
        begin = start
        for behind in [*_ends(text, start, end, language, habits), end]:
            piece = text[begin:behind].strip()
            if has_words(piece):
                at = text.index(piece[0], begin)
                sentences.append(Sentence(at, at + len(piece), piece))
            begin = behind
    return sentences


def sentences_of(passages: Sequence[Passage], language: str = "auto") -> list[Sentence]:
    """Return the sentences of what a reader made of a document, in order; see `split_sentences`.

    Raises:
        UnknownNameError: the language is none of these.
    """
    habits = read_habits("\n".join(passage.text for passage in passages))
    return [sentence for passage in passages for sentence in _of_passage(passage, language, habits)]


def _of_passage(passage: Passage, language: str, habits: Habits) -> Iterator[Sentence]:
    text, begin = passage.text, 0
    for behind in [*_ends(text, passage.said_from, len(text), language, habits), len(text)]:
        piece = text[begin:behind].strip()
        if has_words(piece):
            at = text.index(piece[0], begin)
            said_from = max(0, passage.said_from - at)
            start, end = passage.place(at, at + len(piece))
            yield Sentence(
                start,
                end,
                piece,
                passage.section,
                passage.speaker,
                said_from,
                passage.page_at(start),
                passage.paragraph,
            )
        begin = behind


def _ends(text: str, start: int, end: int, language: str, habits: Habits) -> Iterator[int]:
    if resolve_language(language, text[start:end]) == "en":
        return english_ends(text, start, end, habits)
    return korean_ends(text, start, end)
