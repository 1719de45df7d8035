"""Cut texts into sentences that know where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bertkit.documents.language import detect_language, resolve_language
from bertkit.documents.layout import blocks, has_words
from bertkit.documents.sentences_english import Habits, english_ends, read_habits
from bertkit.documents.sentences_korean import korean_ends

__all__ = ["Sentence", "detect_language", "split_sentences"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a document: `text` is exactly document[start:end], without outer white space.

    Where the document breaks its lines within a sentence, so does `text`.
    """

    start: int
    end: int
    text: str


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


def _ends(text: str, start: int, end: int, language: str, habits: Habits) -> Iterator[int]:
    if resolve_language(language, text[start:end]) == "en":
        return english_ends(text, start, end, habits)
    return korean_ends(text, start, end)
