"""Which column of a file with a token a line is the token, and which the tag.

The token is mostly the first column and the tag the last. But files number their tokens
(1, 2, 3 from the start of each sentence), begin each line with the id of its sentence, or have
columns of other annotation behind the tag.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from bertkit.data.tagged.schemes import are_tags, is_entity_tag, is_like_tag, is_tag

Columns = Sequence[str]
"""The fields of one line."""

# What stands above the columns where a file names them.
_HEADER_WORDS = frozenset(
    {"token", "tokens", "word", "words", "form", "text", "label", "labels", "tag", "tags", "ner", "ner_tag", "ner_tags"}
    | {"entity", "bio", "iob", "pos", "chunk", "lemma", "id", "index", "idx", "no", "#", "sentence", "sentence #"}
    | {"ne", "nes", "upos", "xpos", "iob2", "sentence_id", "sent_id", "token_id"}
    | {"단어", "토큰", "어절", "품사", "태그", "레이블", "라벨", "개체명"}
)
_DOCUMENT = "-DOCSTART-"
# CoNLL-U's lines of several words at once (1-2) and of words that are not in the text (5.1).
_NO_WORD = re.compile(r"\d+[-.]\d+")
# CoNLL-U's last column: a list of keys and values, of which one may be the tag.
_KEYED = re.compile(r"(?:^|\|)(?:NER?|Entity|NamedEntity|Name|BIO|IOB2?)=([^|]*)", re.IGNORECASE)
_CONLLU_WIDTH = 10
_ALIKE = 0.8  # Lines of so great a share have the same number of columns.
_ONE_SENTENCE = 100  # Lines of which a file without a blank one may be a single sentence.
_STRAY_LINES = 10  # Tagged text may have one line in so many that is none.
_MOST = 0.9
_MOST_LEADING = 4  # Columns before the token: document, part and number, as OntoNotes has them.
# GermEval's lines above a sentence: its source. Of its two columns of tags the first counts.
GERMEVAL = "#\t"


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of token and tag in a line.

    `numbered` says that the first column is no token, `keyed` that the tag is one of the keys of
    the last column.
    """

    token: int = 0
    tag: int = -1
    numbered: bool = False
    keyed: bool = False

    def is_word(self, columns: Columns) -> bool:
        """Tell whether a line is a word of its text."""
        return not (self.numbered and _NO_WORD.fullmatch(columns[0]))

    def has_tag(self, columns: Columns) -> bool:
        """Tell whether a line is long enough to have a tag behind its token."""
        place = self.tag if self.tag >= 0 else len(columns) + self.tag
        return self.token != place and max(self.token, place) < len(columns)

    def tag_of(self, columns: Columns) -> str:
        """Return the tag of a line."""
        tag = columns[self.tag]
        if not self.keyed:
            return tag
        found = _KEYED.search(tag)
        return "O" if found is None else found[1]


def cut_line(text: str, comma: str = " ") -> list[str]:
    """Cut a line; the last column comes without white space, the first keeps its own: it may be a space.

    Args:
        text: the line without its end.
        comma: what parts its columns; a space stands for tabs and spaces.
    """
    if comma != " ":
        columns = _cut_at(text, comma)
    elif "\t" in text:
        columns = text.split("\t")
        while len(columns) > 1 and not columns[-1].strip():
            del columns[-1]
    else:
        columns = [column for column in text.split(" ") if column] or [text]
    return columns if len(columns) == 1 else [*columns[:-1], columns[-1].strip()]


def _cut_at(text: str, comma: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=comma), [text])
    except csv.Error:  # a lone carriage return, or a cell without end
        return text.split(comma)


def looks_tagged_lines(lines: Sequence[str], *, is_named: bool) -> str | None:
    """Tell whether lines are tagged text, and what parts their columns.

    Args:
        lines: lines of the file, blank ones too.
        is_named: whether the file's name says that it is; else blank lines must part its sentences.

    Returns:
        A comma, a semicolon, a bar or " " (which stands for tabs and spaces); None: they are none.
    """
    parted = any(line.strip() and not after.strip() for line, after in pairwise(lines[:-1]))
    tagged = [line for line in lines if line.strip() and not line.startswith(("##", "# ", GERMEVAL, _DOCUMENT))]
    if not tagged:
        return " " if is_named else None
    for comma in (" ", ",", ";", "|"):
        if comma != " " and not all(comma in line for line in tagged):
            continue
        rows = [cut_line(line, comma) for line in tagged]
        has_header = len(rows) > 1 and is_header(rows[0])
        rows = rows[1:] if has_header else rows
        if not parted and not is_named and (has_header or not comes_in_runs(rows)):
            if len(lines) <= _ONE_SENTENCE and not has_header and _is_one_sentence(rows):
                return comma
            continue
        if _are_tagged(rows) or _tag_column(rows, 1, tabs=["\t" in line for line in tagged]) is not None:
            return comma
    return None


def _are_tagged(rows: Sequence[Columns]) -> bool:
    """Tell whether lines end, or begin, in tags; or are CoNLL-U's."""
    if all(len(row) == _CONLLU_WIDTH and row[0][:1].isdigit() for row in rows):
        return True
    # A slip or two are faults of their lines, and make no prose of the others.
    if _STRAY_LINES * sum(len(row) < 2 or not is_tag(row[-1].strip()) for row in rows) <= len(rows):
        return True
    if _is_tag_first(rows) and any(is_entity_tag(row[0].strip()) for row in rows):
        return True
    # Tags without letters, or with many slips: few labels, and much that is O.
    widths = Counter(map(len, rows))
    width, alike = widths.most_common(1)[0]
    wide = [row for row in rows if len(row) == width > 1]
    words = sum(" " not in row[0].strip() for row in wide)
    return alike >= _ALIKE * len(rows) and words >= _MOST * len(rows) * _ALIKE and are_tags([row[-1] for row in wide])


def _is_one_sentence(rows: Sequence[Columns]) -> bool:
    """Tell whether lines without a blank one are the words of a sentence, each with its tag."""
    cells = [row[-1].strip() for row in rows]
    alike = len({len(row) for row in rows}) == 1 and len(rows[0]) > 1
    words = not any(" " in row[0].strip() for row in rows)
    return alike and words and len(rows) > 1 and all(map(is_tag, cells)) and any(map(is_entity_tag, cells))


def _is_tag_first(rows: Sequence[Columns]) -> bool:
    """Tell whether the first column of lines of tagged text holds their tags, and the last does not."""
    if len(rows) < 2 or any(len(row) < 2 for row in rows):
        return False
    first, last = [row[0].strip() for row in rows], [row[-1].strip() for row in rows]
    tags_last = sum(map(is_tag, last)) >= _MOST * len(last)
    return not tags_last and sum(map(is_tag, first)) >= _MOST * len(first)


def is_header(columns: Columns) -> bool:
    """Tell whether a line names the columns of a file."""
    folded = [column.strip().casefold() for column in columns]
    return len(columns) > 1 and all(column in _HEADER_WORDS or column.endswith("_tags") for column in folded)


def find_layout(sentences: Iterable[Sequence[Columns]], *, need_tags: bool, is_germeval: bool = False) -> Layout:
    """Tell the layout of a file from its sentences.

    Args:
        sentences: the lines of each.
        need_tags: whether lines have tags; if not, there may be any column behind the token.
        is_germeval: whether the lines above sentences are GermEval's.
    """
    rows = [[row for row in sentence if not _NO_WORD.fullmatch(row[0])] for sentence in sentences]
    rows = [sentence for sentence in rows if sentence]
    token = 0
    if _is_tag_first([row for sentence in rows for row in sentence]):
        return Layout(1, 0, numbered=False) if need_tags else Layout(1)
    least = 3 if need_tags else 2
    while token < _MOST_LEADING and _is_no_token(rows, token, least + token):
        token += 1
    every = [row for sentence in rows for row in sentence]
    if not need_tags or not every:
        return Layout(token, numbered=token > 0)
    if is_germeval and token == 1:
        return Layout(1, 2, numbered=True)
    if all(len(row) == _CONLLU_WIDTH for row in every) and any(_KEYED.search(row[-1]) for row in every):
        return Layout(token, -1, numbered=token > 0, keyed=True)
    # A slip in the last column must not move the tags, where all lines are alike.
    alike = len({len(row) for row in every}) == 1
    last = [row[-1] for row in every]
    is_last = alike and 2 * sum(map(is_like_tag, last)) >= len(last) and any(map(is_entity_tag, last))
    place = None if is_last else _tag_column(every, token + 1)
    if place is not None and all(len(row) <= place + 1 for row in every):
        place = None
    return Layout(token, -1 if place is None else place, numbered=token > 0)


def _is_no_token(sentences: Sequence[Sequence[Columns]], place: int, least: int) -> bool:
    """Tell whether a column numbers the tokens of each sentence, or is the same on all lines of one."""
    if not sentences or any(len(row) < least for sentence in sentences for row in sentence):
        return False
    firsts = [[row[place].strip() for row in sentence] for sentence in sentences]
    long = [first for first in firsts if len(first) > 1]
    if long and (all(_counts(first, steps=1) for first in firsts) or _counts([c for first in firsts for c in first])):
        return True
    # Of one sentence alone this could be chance: "bye bye".
    return len(long) > 1 and all(len(set(first)) == 1 for first in long)


def _counts(column: Sequence[str], *, steps: int | None = None) -> bool:
    """Tell whether numbers go up: from 0 or 1 by `steps`, or from line to line of a file as they like."""
    if not all(cell.isascii() and cell.isdigit() for cell in column):
        return False
    numbers = [int(cell) for cell in column]
    if steps is None:
        return all(after > before for before, after in pairwise(numbers))
    return numbers[0] in (0, 1) and all(after == before + steps for before, after in pairwise(numbers))


def comes_in_runs(rows: Sequence[Columns]) -> bool:
    """Tell whether the first column of lines without a blank one names their sentence: each value on several lines."""
    if any(len(row) < 3 or not is_like_tag(row[-1]) for row in rows):
        return False
    runs = [value for value, _ in groupby(row[0] for row in rows)]
    return 1 < len(runs) <= len(rows) / 2 and len(set(runs)) == len(runs) and any(is_entity_tag(r[-1]) for r in rows)


def _tag_column(rows: Sequence[Columns], first: int, tabs: Sequence[bool] | None = None) -> int | None:
    """Find the last column of which nearly all fields are tags and some of them are of entities."""
    if not rows or (tabs is not None and not all(tabs) and not _ends_with_odd_tags(rows)):
        return None
    width = min(len(row) for row in rows)
    for place in range(max(map(len, rows)) - 1, first - 1, -1):
        cells = [row[place].strip() for row in rows if len(row) > place]
        enough = place < width or len(cells) >= _MOST * len(rows)
        if enough and sum(map(is_like_tag, cells)) >= _MOST * len(cells) and any(map(is_entity_tag, cells)):
            return place
    return None


def _ends_with_odd_tags(rows: Sequence[Columns]) -> bool:
    """Tell whether lines that spaces part all end in a tag: prose has words everywhere else."""
    return all(len(row) > 1 and is_like_tag(row[-1]) for row in rows)
