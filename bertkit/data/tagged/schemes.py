"""Tags and the entities they spell (IOB1, IOB2, BIOES, BILOU, BMES), and which column of a file holds them."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from bertkit.errors import DataError
from bertkit.plain import quoted

# --- Tags and the entities they spell: IOB1, IOB2, BIOES, BILOU and BMES, B-PER or PER-B ----------
#
# A tag gives its token a part of an entity and the entity's label. The parts are written B
# (begins), I (inside), E (ends) and S (single), whatever letters a file has for them. Two
# ways to read a sequence are in use, and they differ where it breaks its scheme:
#
# - lenient, as `conlleval` (Tjong Kim Sang and De Meulder 2003) and seqeval's default: a run
#   of tags with one label is an entity, whatever it begins with;
# - strict, as seqeval's strict mode: only a run that its scheme allows is one.

OUTSIDE = "O"

_IOB = {"B": "B", "I": "I"}
_LETTERS: Mapping[str, Mapping[str, str]] = {
    "IOB2": _IOB,
    "IOB1": _IOB,
    "BIOES": {"B": "B", "I": "I", "E": "E", "S": "S"},
    "BILOU": {"B": "B", "I": "I", "L": "E", "U": "S"},
    "BMES": {"B": "B", "M": "I", "E": "E", "S": "S"},
}
SCHEMES = tuple(_LETTERS)

_ALL_LETTERS = frozenset(letter for letters in _LETTERS.values() for letter in letters)
# A label may have a few words.
_TAG = re.compile(r"O|[BIELMSU]-\S+(?: \S+){0,2}|\S+-[BIELMSU]")
# Otherwise joined: B_PER, PER_B, B:PER, PER(B); B.PER and B PER where the label is in capitals.
_JOINED = re.compile(
    r"(?P<first>[BIELMSU])(?:[_:]|[. ](?=[A-Z][A-Z_-]*$))(?P<label>\S+)|(?P<before>\S+)[_:](?P<last>[BIELMSU])"
    r"|(?P<outer>[^\s()]+)\((?P<inner>[BIELMSU])\)"
)
_LOWER = re.compile(r"[bielmsu]-\S+")
_OUTSIDE_WORDS = frozenset({"o", "other", "out", "outside", "-", "_", "0"})
# Those among them that are nothing else: in a table of classes, 0 and "-" may be.
_OUTSIDE_NAMES = frozenset({"o", "other", "outside"})
_WELL_FORMED = {name: re.compile("BI*E|S" if "S" in letters.values() else "BI*") for name, letters in _LETTERS.items()}
_IOB1_APART = re.compile("I+")
# What share of O there is at least among tags without letters, and how many labels are few.
_OFTEN, _FEW_LABELS, _EACH_OFTEN = 0.3, 4, 10
# A scheme that spells this share of the tags is the file's; the other tags are slips.
_ENOUGH = 0.95

_Part = tuple[str, str]
_NO_PART: _Part = (OUTSIDE, "")


@dataclass(frozen=True, slots=True)
class TagScheme:
    """A scheme of `SCHEMES`, written before the label (B-PER) or, as `suffix`, behind it (PER-B).

    In IOB1 an entity begins with I, and with B only where it touches one of the same label
    before it; in the others it begins with B, or is one S.
    """

    name: str = "IOB2"
    suffix: bool = False

    def __post_init__(self) -> None:
        if self.name not in _LETTERS:
            raise ValueError(f"{self.name!r} is not one of {', '.join(SCHEMES)}")

    @property
    def has_ends(self) -> bool:
        """Whether the last token of an entity has a letter of its own."""
        return "S" in _LETTERS[self.name].values()

    def knows(self, tag: str) -> bool:
        """Tell whether a tag belongs to the scheme."""
        letter, label = split_tag(tag, suffix=self.suffix)
        return tag == OUTSIDE or (letter in _LETTERS[self.name] and bool(label))

    def parse(self, tag: str) -> tuple[str, str]:
        """Return the part (O, B, I, E or S) and the label of a tag; O has the label "".

        Raises:
            DataError: the tag is outside the scheme.
        """
        if tag == OUTSIDE:
            return _NO_PART
        letter, label = split_tag(tag, suffix=self.suffix)
        part = _LETTERS[self.name].get(letter)
        if part is None or not label:
            raise DataError(f"{self.refusal(tag)}; fix the tag.")
        return part, label

    def spell(self, part: str, label: str) -> str:
        """Write a part (B, I, E or S) of an entity as a tag."""
        letter = next(letter for letter, meant in _LETTERS[self.name].items() if meant == part)
        return f"{label}-{letter}" if self.suffix else f"{letter}-{label}"

    def refusal(self, tag: str) -> str:
        """Say in a clause that a tag is outside the scheme."""
        known = ", ".join(self.spell(part, "LABEL") for part in _LETTERS[self.name].values())
        return f"the tag {quoted(tag)} is outside the scheme {self.name} ({known}, {OUTSIDE})"


@dataclass(frozen=True, slots=True)
class TagSpelling:
    """How a file writes its tags otherwise than B-PER and O.

    Attributes:
        outside: what it has for O, such as "-" or OTHER.
        joined: whether letter and label are joined by something else than a hyphen (B_PER, PER_B, B:PER).
        lower: whether the letter is a small one (b-PER).
        plain: whether tags have no letter, so that neighbours of one label are one entity.
    """

    outside: str = OUTSIDE
    joined: bool = False
    lower: bool = False
    plain: bool = False

    def standard(self, tag: str) -> str:
        """Write a tag as others do; one that fits nothing stays as it is."""
        if tag == self.outside:
            return OUTSIDE
        if self.plain:
            return f"I-{tag}"
        if self.joined and (cut := _JOINED.fullmatch(tag)) is not None:
            tag = "-".join(part for part in cut.groups() if part)
        return tag[:1].upper() + tag[1:] if self.lower and tag[1:2] == "-" else tag


class TaggedSpan(NamedTuple):
    """An entity over tokens `start` to `end` (exclusive), and whether its scheme allows it."""

    start: int
    end: int
    label: str
    well_formed: bool


TokenSpan = tuple[int, int, str]
"""First token, token behind the last, label."""


def is_tag(text: str) -> bool:
    """Tell whether a text has the form of a tag in any scheme and notation."""
    return _TAG.fullmatch(text) is not None


def is_like_tag(text: str) -> bool:
    """Tell whether a text has the form of a tag in any spelling that files have: B_PER, PER_B, b-PER, "-", OTHER."""
    return is_tag(text) or text.casefold() in _OUTSIDE_WORDS or _is_odd(text)


def is_outside(text: str) -> bool:
    """Tell whether a text is O, or what other files have for it."""
    return text.casefold() in _OUTSIDE_WORDS


def are_tags(cells: Sequence[str]) -> bool:
    """Tell whether the cells of a column are tags: in form, or because few labels and much that is O stand there."""
    tags = [cell.strip() for cell in cells]
    if not tags:
        return False
    if all(map(is_like_tag, tags)):
        return True
    outside = sum(tag.casefold() in _OUTSIDE_NAMES for tag in tags)
    return outside >= _OFTEN * len(tags) and len(set(tags)) <= max(_FEW_LABELS, len(tags) // _EACH_OFTEN)


def is_entity_tag(text: str) -> bool:
    """Tell whether a text has the form of a tag that is of an entity, in any spelling."""
    return text != OUTSIDE and (is_tag(text) or _is_odd(text))


def detect_spelling(tags: Iterable[str]) -> TagSpelling:
    """Tell how the tags of a file are spelt.

    Another word for O is one only where there is no O, and other joints and small letters only
    where they are the rule, so that a slip is named as one.
    """
    counts = Counter(tags)
    odd = Counter({tag: count for tag, count in counts.items() if _is_odd(tag)})
    others = sum(count for tag, count in counts.items() if tag != OUTSIDE and is_tag(tag))
    outside = OUTSIDE
    plain = not others and not odd and len(counts) > 1 and any(tag.casefold() in _OUTSIDE_NAMES for tag in counts)
    if OUTSIDE not in counts and (others or odd or plain):
        words = [tag for tag in counts if tag.casefold() in _OUTSIDE_WORDS]
        outside = max(words, key=counts.__getitem__, default=OUTSIDE)
    if plain or odd.total() <= others:
        return TagSpelling(outside, plain=plain)
    joined = sum(count for tag, count in odd.items() if _JOINED.fullmatch(tag))
    return TagSpelling(outside, 2 * joined > odd.total(), any(tag[:1].islower() for tag in odd))


def split_tag(tag: str, *, suffix: bool) -> tuple[str, str]:
    """Cut a tag into letter and label at the outermost hyphen; labels may hold others (B-ORG-GOV)."""
    if suffix:
        label, _, letter = tag.rpartition("-")
    else:
        letter, _, label = tag.partition("-")
    return letter, label


def read_tags(tags: Sequence[str], scheme: TagScheme) -> list[TaggedSpan]:
    """Read a sequence leniently, and say of each entity whether a strict reading has it too.

    Raises:
        DataError: a tag is outside the scheme.
    """
    parts = [scheme.parse(tag) for tag in tags]
    spans = []
    end = 0
    while end < len(parts):
        start, end = end, end + 1
        if parts[start] == _NO_PART:
            continue
        while end < len(parts) and _continues(parts[end - 1], parts[end]):
            end += 1
        before = parts[start - 1] if start else _NO_PART
        spans.append(TaggedSpan(start, end, parts[start][1], _is_allowed(before, parts[start:end], scheme)))
    return spans


def write_tags(spans: Iterable[TokenSpan], length: int, scheme: TagScheme) -> list[str]:
    """Spell entities over `length` tokens as tags; the inverse of `read_tags`.

    Raises:
        ValueError: a span is empty, lies outside the tokens, or overlaps another.
    """
    tags = [OUTSIDE] * length
    last_end, last_label = 0, ""
    for start, end, label in sorted(spans):
        if not last_end <= start < end <= length:
            raise ValueError(f"the span {start} to {end} is empty, outside {length} tokens, or overlaps another")
        touches = start == last_end and label == last_label
        parts = _parts(end - start, scheme, touches=touches)
        tags[start:end] = [scheme.spell(part, label) for part in parts]
        last_end, last_label = end, label
    return tags


def detect_scheme(tag_sequences: Iterable[Sequence[str]]) -> TagScheme:
    """Tell the scheme that most tags of a file follow; IOB2 where there is no telling.

    Tags that fit nothing are left out of account, so that reading them with the scheme of
    the others names them.
    """
    sequences = list(tag_sequences)
    counts = Counter(tag for tags in sequences for tag in tags if tag != OUTSIDE)
    before, behind = (_letter_counts(counts, suffix=suffix) for suffix in (False, True))
    suffix = behind.total() > before.total()
    letters = behind if suffix else before
    named = [name for name in SCHEMES if name != "IOB1"]
    covered = {name: sum(letters[letter] for letter in _LETTERS[name]) for name in named}
    enough = [name for name in named if covered[name] >= _ENOUGH * letters.total()]
    name = enough[0] if enough else max(named, key=covered.__getitem__)
    if name == "IOB2" and _opens_with_i(sequences, suffix=suffix):
        name = "IOB1"
    return TagScheme(name, suffix)


def _is_odd(tag: str) -> bool:
    return _JOINED.fullmatch(tag) is not None or _LOWER.fullmatch(tag) is not None


def _continues(before: _Part, part: _Part) -> bool:
    """Tell whether an entity goes on: the start and end rules of `conlleval`, as one."""
    return before[1] == part[1] and before[0] in "BI" and part[0] in "IE"


def _is_allowed(before: _Part, parts: Sequence[_Part], scheme: TagScheme) -> bool:
    shape = "".join(part for part, _ in parts)
    if scheme.name == "IOB1" and before[1] != parts[0][1]:
        return _IOB1_APART.fullmatch(shape) is not None
    return _WELL_FORMED[scheme.name].fullmatch(shape) is not None


def _parts(length: int, scheme: TagScheme, *, touches: bool) -> str:
    if scheme.has_ends:
        return "S" if length == 1 else f"B{'I' * (length - 2)}E"
    opening = "I" if scheme.name == "IOB1" and not touches else "B"
    return opening + "I" * (length - 1)


def _letter_counts(counts: Counter[str], *, suffix: bool) -> Counter[str]:
    letters: Counter[str] = Counter()
    for tag, count in counts.items():
        letter, label = split_tag(tag, suffix=suffix)
        if letter in _ALL_LETTERS and label:
            letters[letter] += count
    return letters


def _opens_with_i(sequences: Iterable[Sequence[str]], *, suffix: bool) -> bool:
    """Tell whether entities that touch none of their own label begin with I rather than with B."""
    opened = Counter[str]()
    for tags in sequences:
        last = ""
        for tag in tags:
            letter, label = ("", "") if tag == OUTSIDE else split_tag(tag, suffix=suffix)
            if label != last:
                opened[letter] += 1
            last = label
    return opened["I"] > opened["B"]


# --- Which column of a file with a token a line is the token, and which the tag -------------------
#
# The token is mostly the first column and the tag the last. But files number their tokens
# (1, 2, 3 from the start of each sentence), begin each line with the id of its sentence, or have
# columns of other annotation behind the tag.

Columns = Sequence[str]
"""The fields of one line."""

# What stands above the columns where a file names them.
_HEADER_WORDS = frozenset(
    {"token", "tokens", "word", "words", "form", "text", "label", "labels", "tag", "tags", "ner", "ner_tag", "ner_tags"}
    | {"entity", "bio", "iob", "pos", "chunk", "lemma", "id", "index", "idx", "no", "#", "sentence", "sentence #"}
    | {"ne", "nes", "upos", "xpos", "iob2", "sentence_id", "sent_id", "token_id"}
    | {"단어", "토큰", "어절", "형태소", "품사", "태그", "레이블", "라벨", "개체명", "개체", "번호", "순번"}
    | {"문장번호", "문장 번호"}
    | {"gold", "bio_tag", "iob_tag", "ner_label", "entity_tag"}
)
_DOCUMENT = "-DOCSTART-"
# CoNLL-U's lines of several words at once (1-2) and of words that are not in the text (5.1).
_NO_WORD = re.compile(r"\d+[-.]\d+")
# CoNLL-U's last column: a list of keys and values, of which one may be the tag.
# Numbers of a token: in its sentence, its document, or where it starts; and of how many lines they show it.
_NUMBERS, ENOUGH_NUMBERS = re.compile(r"\d+(?:[-.:_/]\d+)*"), 4
_KEYED = re.compile(r"(?:^|\|)(?:NER?|Entity|NamedEntity|Name|BIO|IOB2?)=([^|]*)", re.IGNORECASE)
_CONLLU_WIDTH = 10
# CoNLL-2012's spelling of entities, (PERSON* and *) around their words, and the place of their column.
_BRACKETED = re.compile(r"(?P<outer>(?:\([^()*\s]+(?=\())*)(?:\((?P<label>[^()*\s]+))?\*?(?P<end>\))?(?P<more>\)*)")
_CONLL_2012_WIDTH, _CONLL_2012_TAG = 12, 10
_PARTING = " \t\r,;|"  # a row of a spreadsheet in which nothing stands is a blank line
_ALIKE = 0.8  # Lines of so great a share have the same number of columns.
_ONE_SENTENCE = 100  # Lines of which a file without a blank one may be a single sentence.
_STRAY_LINES = 10  # Tagged text may have one line in so many that is none.
_MOST = 0.9
# A part of speech: of Penn's tags, of Universal Dependencies, of Sejong's, or punctuation as its own.
_SPEECH = re.compile(r"[A-Z]{1,6}\d?\$?|[^\w\s]{1,3}|-[LR]RB-")
_MOST_LEADING = 4  # Columns before the token: document, part and number, as OntoNotes has them.
# GermEval's lines above a sentence: its source. Of its two columns of tags the first counts.
GERMEVAL = "#\t"
WEBANNO = "#FORMAT=WebAnno TSV 3"
_ABOVE = ("##", "# ", "#begin ", "#end ", GERMEVAL, _DOCUMENT)


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of token and tag in a line.

    `numbered` says that the first column is not a token, `keyed` that the tag is one of the keys of
    the last column, `bracketed` that brackets are around the words of an entity, `has_ids` that numbers
    such as 1-1 are those of all words.
    """

    token: int = 0
    tag: int = -1
    numbered: bool = False
    keyed: bool = False
    bracketed: bool = False
    has_ids: bool = False

    def is_word(self, columns: Columns) -> bool:
        """Tell whether a line is a word of its text."""
        return self.has_ids or not (self.numbered and _NO_WORD.fullmatch(columns[0]))

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

    def nested(self, tags: Sequence[str]) -> tuple[int, str] | None:
        """Find the first entity of a sentence that brackets put inside another one: its place and its label."""
        depth = 0
        for place, cell in enumerate(tags if self.bracketed else ()):
            labels = re.findall(r"\(([^()*\s]+)", cell)
            if labels and depth + len(labels) > 1:
                return place, labels[-1]
            depth = max(0, depth + len(labels) - cell.count(")"))
        return None

    def spelt(self, tags: Sequence[str]) -> list[str]:
        """Write the tags of a sentence as tags of tokens."""
        return _without_brackets(tags) if self.bracketed else list(tags)


def _without_brackets(cells: Iterable[str]) -> list[str]:
    """Write (PERSON*, * and *) as B-PERSON and I-PERSON; a cell that is something else stays."""
    tags, open_label = [], ""
    for cell in cells:
        found = _BRACKETED.fullmatch(cell)
        if found is None or not cell:
            tags.append(cell)
            continue
        tags.append(f"B-{found['label']}" if found["label"] else f"I-{open_label}" if open_label else OUTSIDE)
        open_label = "" if found["end"] else found["label"] or open_label
    return tags


def _rank(layer: str) -> int:
    """Tell how likely a layer of WebAnno's holds entities."""
    return (
        2 if layer.endswith(".NamedEntity") else 0 if re.search(r"\.(?:lexmorph|segmentation|syntax)\.", layer) else 1
    )


@dataclass
class WebAnno:
    """The lines of WebAnno's TSV 3, as INCEpTION writes it, as words and their tags.

    `column` is that of the entities, once the lines above have named it: of a layer of names, or else of one that is
    not of the grammar, as parts of speech are. `lost` says what of the last line is not read.
    """

    column: int | None = None
    lost: str = ""
    _layer: str = ""
    _columns: int = 3
    _last: str = ""

    def see(self, line: str) -> None:
        """Read a line above the sentences: a layer and its features, each of which has a column."""
        layer, *features = line.partition("=")[2].split("|")
        self.lost = ""
        if line.startswith("#T_SP=") and (self.column is None or _rank(layer) > _rank(self._layer)):
            of_label = next((f for f in ("value", "label", "type") if f in features), None)
            self.column = self._columns + (features.index(of_label) if of_label else 0)
            layer, self._layer = self._layer, layer
        if line.startswith("#T_SP=") and layer:
            one, other = (name.rpartition(".")[2] for name in (layer, self._layer))
            self.lost = f"the layer {one}, because the layer {other} is read"
        self._columns += max(1, len(features)) if line.startswith("#T_") else 0

    def row(self, line: str) -> list[str] | None:
        """Return the word of a line and its tag; None of a part of a word."""
        columns = line.split("\t")
        self.lost = "what is told of a part of a word" if "." in columns[0] else ""
        if len(columns) < 3 or self.lost:
            return None
        cells = columns[self.column].split("|") if self.column is not None and self.column < len(columns) else [""]
        self.lost = "an entity over a word of another one" if len(cells) > 1 else ""
        label, joint, _ = cells[0].partition("[")
        goes_on, self._last = bool(joint) and cells[0] == self._last, cells[0] if joint else ""
        if label == "*" and not goes_on and not self.lost:
            self.lost = "an entity without a value"
        is_outside, label = label.strip("_* ") == "", re.sub(r"\\(.)", r"\1", label)
        return [columns[2], OUTSIDE if is_outside else f"{'I' if goes_on else 'B'}-{label}"]


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
    lines = [line if line.strip(_PARTING) else "" for line in lines]
    parted = any(line.strip() and not after.strip() for line, after in pairwise(lines[:-1]))
    tagged = [line for line in lines if line.strip() and not line.startswith(_ABOVE)]
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


def have_speech(lines: Sequence[str]) -> bool:
    """Tell whether each line is a word and, at its end, a part of speech, and blank lines part sentences."""
    rows = [cut_line(line) for line in lines if line.strip()]
    parted = any(line.strip() and not after.strip() for line, after in pairwise(lines[:-1]))
    if not parted or len({len(row) for row in rows}) != 1 or any(" " in row[0].strip() for row in rows):
        return False
    last = {row[-1].strip() for row in rows}
    return len(rows[0]) > 1 and len(last) <= len(rows) / 3 and are_speech(last)


def are_speech(tags: Set[str]) -> bool:
    """Tell whether different tags are parts of speech, or stand for none, and not tags of entities."""
    has_outside = any(tag.casefold() in _OUTSIDE_NAMES for tag in tags)
    return tags == {"_"} or (len(tags) >= _FEW_LABELS and not has_outside and all(map(_SPEECH.fullmatch, tags)))


def _are_tagged(rows: Sequence[Columns]) -> bool:
    """Tell whether lines end in tags, or begin with them or with one column more; or are CoNLL-U's."""
    if all(len(row) == _CONLLU_WIDTH and row[0][:1].isdigit() for row in rows) or _bracketed_column(rows, 1):
        return True
    # A slip or two are faults of their lines, and make no prose of the others.
    if _STRAY_LINES * sum(len(row) < 2 or not is_tag(row[-1].strip()) for row in rows) <= len(rows):
        return True
    if any(_is_tag_first(rows, place) and any(is_entity_tag(row[place].strip()) for row in rows) for place in (0, 1)):
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


def _is_tag_first(rows: Sequence[Columns], place: int) -> bool:
    """Tell whether a column before the last of lines of tagged text holds their tags, and the last does not."""
    if len(rows) < 2 or any(len(row) < place + 2 for row in rows):
        return False
    first, last = [row[place].strip() for row in rows], [row[-1].strip() for row in rows]
    tags_last = sum(map(is_tag, last)) >= _MOST * len(last)
    return not tags_last and sum(map(is_tag, first)) >= _MOST * len(first)


def is_header(columns: Columns) -> bool:
    """Tell whether a line names the columns of a file."""
    folded = [column.strip().casefold() for column in columns]
    return len(columns) > 1 and all(column in _HEADER_WORDS or column.endswith(("_tags", "태그")) for column in folded)


def find_layout(sentences: Iterable[Sequence[Columns]], *, need_tags: bool, is_germeval: bool = False) -> Layout:
    """Tell the layout of a file from its sentences.

    Args:
        sentences: the lines of each.
        need_tags: whether lines have tags; if not, there may be any column behind the token.
        is_germeval: whether the lines above sentences are GermEval's.
    """
    whole = [list(sentence) for sentence in sentences]
    rows = [[row for row in sentence if not _NO_WORD.fullmatch(row[0])] for sentence in whole]
    rows = [sentence for sentence in rows if sentence]
    has_ids = bool(whole) and not rows  # 1-1, 1-2: of all words, and not of some alone
    rows, token = rows or whole, 0
    least, every = 3 if need_tags else 2, [row for sentence in rows for row in sentence]
    while not (is_tag := _is_tag_first(every, token)) and (
        token < _MOST_LEADING and _is_no_token(rows, token, least + token)
    ):
        token += 1
    if is_tag:
        return Layout(token + 1, token if need_tags else -1, numbered=token > 0)
    if not need_tags or not every:
        return Layout(token, numbered=token > 0, has_ids=has_ids)
    if is_germeval and token == 1:
        return Layout(1, 2, numbered=True)
    if all(len(row) == _CONLLU_WIDTH for row in every) and any(_KEYED.search(row[-1]) for row in every):
        return Layout(token, -1, numbered=token > 0, keyed=True)
    if (place := _bracketed_column(every, token + 1)) is not None:
        return Layout(token, place, numbered=token > 0, bracketed=True)
    # A slip in the last column must not move the tags, where all lines are alike.
    alike = len({len(row) for row in every}) == 1
    last = [row[-1] for row in every]
    is_last = alike and 2 * sum(map(is_like_tag, last)) >= len(last) and any(map(is_entity_tag, last))
    place = None if is_last else _tag_column(every, token + 1)
    if place is not None and all(len(row) <= place + 1 for row in every):
        place = None
    return Layout(token, -1 if place is None else place, numbered=token > 0, has_ids=has_ids)


def _is_no_token(sentences: Sequence[Sequence[Columns]], place: int, least: int) -> bool:
    """Tell whether a column numbers the tokens of each sentence, or is the same on all lines of one."""
    if not sentences or any(len(row) < least for sentence in sentences for row in sentence):
        return False
    firsts = [[row[place].strip() for row in sentence] for sentence in sentences]
    long = [first for first in firsts if len(first) > 1]
    if long and (all(_counts(first, steps=1) for first in firsts) or _counts([c for first in firsts for c in first])):
        return True
    if _are_numbers_beside_words([row for sentence in sentences for row in sentence], place):
        return True
    # Of one sentence alone this could be chance: "bye bye".
    return len(long) > 1 and all(len(set(first)) == 1 for first in long)


def _are_numbers_beside_words(rows: Sequence[Columns], place: int) -> bool:
    """Tell a column of numbers alone (ids, places in the text), behind which there are words; no text is so."""
    if len(rows) < ENOUGH_NUMBERS or not all(_NUMBERS.fullmatch(row[place].strip()) for row in rows):
        return False
    behind = [cell.strip() for row in rows for cell in row[place + 1 :]]
    return any(cell.isalpha() and not is_like_tag(cell) for cell in behind)


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


def _bracketed_column(rows: Sequence[Columns], first: int) -> int | None:
    """Find the column in which brackets are around the words of entities; None where none is."""
    width = min(map(len, rows), default=0)
    places = [_CONLL_2012_TAG] if width >= _CONLL_2012_WIDTH else reversed(range(first, width))
    for place in places:
        cells = [row[place].strip() for row in rows]
        are_marks = all(cell and _BRACKETED.fullmatch(cell) for cell in cells)
        if are_marks and "*" in cells and any(cell[0] == "(" for cell in cells):
            return place
    return None


def _ends_with_odd_tags(rows: Sequence[Columns]) -> bool:
    """Tell whether lines that spaces part all end in a tag: prose has words everywhere else."""
    return all(len(row) > 1 and is_like_tag(row[-1]) for row in rows)
