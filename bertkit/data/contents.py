"""What the columns of a table hold, told from its first rows where their names do not say it.

A column of few values that come again and again is the label; one of long texts, each of them
different, is the text; one of lists of places holds entities. Where exactly one column can be
each part that is what it is; else the likeliest are proposed, and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from bertkit.data.column_names import ANSWERED, ASKED, LABEL_NAMES, folded
from bertkit.data.columns import SAID_OF_TARGETS, ColumnChoice, UnnamedColumnsError, named_parts, say_which, text_of
from bertkit.data.records import AUTO, CLASSES, ENTITIES, QUESTIONS, SCORES, TEXTS, ColumnMap, Row
from bertkit.data.tagged.schemes import are_tags, is_entity_tag, is_like_tag
from bertkit.data.values import JsonText, RowError, field_of, is_number, is_whole, parse_list
from bertkit.errors import DataError
from bertkit.plain import listed, quoted, shell_words, shortened

ROWS_LOOKED_AT = 1000
# Of fewer rows it is not told what a column holds.
_ENOUGH = 10
_NEARLY_ALL, _MOSTLY = 0.9, 0.8
# Values that come again this often, on average, and are no more than this are labels.
_OFTEN, _MOST_LABELS = 3, 50
_LABEL_WORDS, _LABEL_CHARACTERS = 3, 40
# Texts have as many words, or, where words are long, characters; and come again seldom.
_TEXT_WORDS, _TEXT_CHARACTERS, _DIFFERENT = 3, 12, 0.6
_NONE = ("[]", "()")  # nothing in any row tells nothing of what a column is for
_NO_PROSE = re.compile(
    r"https?://\S*|[\d\s:./,+-]+(?:[A-Z]{1,4})?|[\d\s:./,-]+(?:[AaPp]\.?[Mm]\.?|오전|오후)[\d\s:]*(?:(?:GMT|UTC|KST)[+\d:-]*)?"
)
# Names of what is told of a row, and is never learnt unless somebody says so.
_NO_LABEL = re.compile(
    r"(?:^|[\W_])(?:id|ids|idx|index|no|nr|uuid|guid|date|time|url|status|split|fold|user|author|annotator|agent)$"
    r"|(?<=[a-z])(?:Id|ID|Date|Time)$|번호$|아이디$|날짜$|일시$",
    re.IGNORECASE,
)
# Of these what a person may mean all the same.
_TOLD_OF_ROW = re.compile(r"(?:^|[\W_])(?:status|author|user|agent|annotator)$", re.IGNORECASE)
_SHOWN, _FEWEST_CHOICES = 4, 3
_MOST_LIKELY = 3  # columns that a refusal proposes as the label
# Of rows one in so many has the text of another one, and another label.
_SOME_APART = 5
_LABELS = frozenset(map(folded, LABEL_NAMES))
_NUMBERED = re.compile(r"(.*?\D)[\W_]?\d{1,2}")
_NAMES_OF_SPLIT = frozenset({"split", "set", "subset", "partition", "datasplit", "usage"})
_SPLITS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "public", "private"}
    | {"학습", "훈련", "검증", "평가", "테스트", "시험"}
)
_ENTITIES = ("entities", "entitylabels")
_OF_TRAINING = frozenset({"train", "training", "학습", "훈련"})
# Columns of 0 and 1, or of numbers, that say which split or fold a row is of.
_SAYS_SPLIT = re.compile(r"(?:is|in)[\W_]?(?:train|test|valid|val|dev)(?:ing)?|(?:cv|k)?[\W_]?folds?", re.IGNORECASE)
_MARK_OF_SPLIT = re.compile(r"(?:(?:cv|k)?[\W_]?fold[\W_]?)?\d{1,2}(?:\.0)?|true|false|yes|no|[tfyn]|[a-e]")
# Rows of which the columns are looked at for texts and labels.
_ROWS_OF_TEXTS = 50
_RELATED = ("relations",)
_OTHER_TAGS = ("nertags", "nertag", "nerlabels")
# What stands beside a question and a text, and is what the label judges.
_ANSWERS = frozenset({"answer", "response", "candidate", "reply", "답변", "응답"})
# What a stance or a sentiment is about.
_TARGETS = frozenset({"target", "aspect", "aspectterm", "aspectcategory", "entity", "term", "대상", "속성"})
_SHORTEST_WORD = 3
# How much longer, or at least how long, other texts are than those that are read, where they are named.
_LONGER, _ALIKE = 1.5, 0.5


@dataclass(frozen=True, slots=True)
class Told:
    """What the columns of a table are by what is in them.

    Attributes:
        choice: the parts, as `--columns` would name them.
        shape: what the rows hold; "auto" where the labels are to say it.
        why: the reason, as a clause; empty where it is not sure.
    """

    choice: ColumnChoice
    shape: str
    why: str = ""

    @property
    def option(self) -> str:
        """The `--columns` that this amounts to."""
        parts = [f"text={'+'.join(self.choice.text) or 'COLUMN'}"]
        parts += [f"pair={self.choice.pair}"] if self.choice.pair is not None else []
        parts += [f"choices={'+'.join(self.choice.choices)}"] if self.choice.choices else []
        parts += [f"label={self.choice.label or 'COLUMN'}"] if self.shape != TEXTS else []
        return f"--columns {shell_words([shortened(','.join(parts), 80)])}"


@dataclass(frozen=True, slots=True)
class _Column:
    """What the values of a column look like; `repeats`: few come again and again, whatever the column is called."""

    name: str
    place: int
    words: float
    characters: float
    values: tuple[str, ...]
    is_text: bool
    is_label: bool
    is_places: bool
    repeats: bool = False


def tell_columns(
    rows: Sequence[Row], names: Sequence[str], shape: str, choice: ColumnChoice | None, *, need_label: bool = True
) -> Told | None:
    """Tell columns that go by no usual name; None where there is nothing to tell, or this is not for the shape.

    Args:
        rows: the first rows of the table.
        names: its columns.
        shape: what is looked for, or "auto".
        choice: what `--columns` said; it stays.
        need_label: whether there must be a label.
    """
    if shape not in (AUTO, CLASSES, SCORES, ENTITIES, TEXTS) or not rows:
        return None
    texts, pair, label = named_parts(names, choice)
    taken = {*texts, pair, label}
    columns = [_look_at(name, place, rows) for place, name in enumerate(names) if name and name not in taken]
    free = sorted((c for c in columns if c.is_text), key=lambda c: -c.characters)
    if shape == AUTO and choice is None and len(rows) >= _ENOUGH and (lettered := _lettered_choices(rows, columns)):
        return lettered
    places = [c for c in columns if c.is_places] if shape in (AUTO, ENTITIES) and label is None else []
    labels = places or [c for c in columns if c.is_label]
    found = ENTITIES if places else shape
    needs_label = need_label and shape != TEXTS and label is None
    if len(rows) >= _ENOUGH and (texts or len(free) == 1) and (not needs_label or len(labels) == 1):
        answer = label or (labels[0].name if needs_label else None)
        texts = (ASKED,) if answer == ANSWERED and choice is None else texts
        told = ColumnChoice(texts or (free[0].name,), pair, answer)
        return Told(told, found, _reason([] if texts else free, labels if needs_label else []))
    return Told(_proposed(texts, pair, label, free, labels), found)


def _lettered_choices(rows: Sequence[Row], columns: Sequence[_Column]) -> Told | None:
    """Tell a question, its choices and the letter of the right one, side by side without names (as in MMLU)."""
    if len(columns) < _FEWEST_CHOICES + 2:
        return None
    *others, label = columns
    letters = ascii_uppercase[: len(others) - 1]
    question, *choices = others
    is_letter = len(label.values) > 1 and set(label.values) <= set(letters)
    if (
        not is_letter
        or not question.is_text
        or any(not _value(row.fields, column.name) for row in rows for column in choices)
    ):
        return None
    told = ColumnChoice((question.name,), None, label.name, tuple(column.name for column in choices))
    first, last = quoted(choices[0].name), quoted(choices[-1].name)
    return Told(told, QUESTIONS, f"{quoted(label.name)} holds letters of the choices {first} to {last}")


def told_or_refused(
    place: str,
    rows: Sequence[Row],
    shape: str,
    choice: ColumnChoice | None,
    error: UnnamedColumnsError,
    *,
    need_label: bool = True,
) -> tuple[Told, str]:
    """Tell columns that go by no usual name, as `tell_columns` does, and say so in a sentence.

    Args:
        place: what the table is called.
        rows: its first rows.
        shape: what is looked for, or "auto".
        choice: what `--columns` said.
        error: what was raised because of the names.
        need_label: whether there must be a label.

    Raises:
        DataError: it is not sure what they hold; the likeliest are proposed.
    """
    names = list(rows[0].fields) if rows else []
    told = tell_columns(rows, names, shape, choice, need_label=need_label)
    if told is None or (not told.why and len(names) == 1):
        raise DataError(f"{place}: {error}") from None
    if not told.why:
        like = likely_labels(rows, choice) if need_label and shape not in (ENTITIES, TEXTS) else ""
        said = "; ".join(filter(None, (error.what, like, say_which(told.option))))
        raise DataError(f"{place}: {said}.") from None
    return told, f"{place}: columns were recognised by their contents: {told.why}; read as {told.option}"


def likely_labels(rows: Sequence[Row], choice: ColumnChoice | None, taken: Sequence[str] = ()) -> str:
    """Say in a clause which columns hold few values that come again and again, as labels do; nothing if none does.

    Args:
        rows: the first rows of a table.
        choice: what `--columns` said.
        taken: columns that are something else.
    """
    names = list(rows[0].fields) if rows else []
    texts, pair, label = named_parts(names, choice)
    if label is not None:
        return ""
    free = [name for name in names if name and name not in {*texts, pair, *taken}]
    looked = [_look_at(name, place, rows) for place, name in enumerate(free)]
    found = [column for column in looked if column.is_label or (column.repeats and _TOLD_OF_ROW.search(column.name))]
    found.sort(key=lambda column: (not column.is_label, not _is_called_label(column.name)))
    shown = ", ".join(f"{quoted(column.name)} ({len(column.values)})" for column in found[:_MOST_LIKELY])
    shown += ", …" if len(found) > _MOST_LIKELY else ""
    return f"the label may be {shown}, with so many different values for {len(rows):,} rows" if found else ""


def unread_columns(rows: Sequence[Row], columns: ColumnMap, shape: str) -> Iterator[str]:
    """Say of columns that are not read what makes one look twice: texts, classes beside entities, names of splits.

    Args:
        rows: the first rows of a table.
        columns: those that are read.
        shape: what the rows hold.
    """
    taken = {*columns.inputs, columns.label, *columns.labels, *columns.choices}
    many, rows = rows, rows[:_ROWS_OF_TEXTS]
    looked = [_look_at(name, place, rows) for place, name in enumerate(rows[0].fields)] if rows else []
    free = [column for column in looked if column.name not in taken]
    for column in free:
        if values := _values_of_split(column, many):
            yield (
                f"the column {quoted(column.name)} says which split each row is of ({listed(values)}), and "
                "it is not read; write the rows of each to a file of its own"
            )
    if shape in (AUTO, CLASSES, SCORES) and (like := _like_labels(rows, free, columns)):
        others, option = listed(like, joint=" and "), shell_words([f"label={like[0]}"])
        yield (
            f"the label is {quoted(columns.label)}; {others} may hold labels, too, and no other is read (choose with "
            f"--columns {option})"
        )
    part = _unread_part(rows, free, columns) if shape in (AUTO, CLASSES) and columns.label else ""
    part = part or (_unread_words(rows, looked, columns) if shape in (AUTO, CLASSES, SCORES) and columns.label else "")
    part = part or (_unread_target(free, columns) if shape in (AUTO, CLASSES, SCORES) else "")
    if part:
        yield part
    if shape == ENTITIES:
        yield from _unread_beside_entities(rows, free, columns)
    elif shape in (AUTO, CLASSES, SCORES) and (said := _unread_text(looked, free, columns)):
        yield said
    if shape in (AUTO, CLASSES):
        found = [c.name for c in free if folded(c.name) in _ENTITIES and any(v.startswith("[{") for v in c.values)]
        yield from (f"the entities in {quoted(name)} are not read (--task ner does)" for name in found[:1])
    if shape in (AUTO, CLASSES) and (tagged := [c.name for c in free if _tags_words(rows, c.name, columns)]):
        option = f"text={columns.text[0]},label={tagged[0]}"
        yield f"{quoted(tagged[0])} has a tag for each word, and is not read (--task ner --columns {option} does)"


def _unread_beside_entities(rows: Sequence[Row], free: Sequence[_Column], columns: ColumnMap) -> Iterator[str]:
    """Say what else there is to learn in rows of which the entities are read."""
    classes = [c for c in free if c.is_label and _is_called_label(c.name) and folded(c.name) not in _NAMES_OF_SPLIT]
    option = f"--columns text={columns.text[0]},label={classes[0].name}" if classes else ""
    yield from (f"entities are read, and the classes in {quoted(c.name)} are not ({option})" for c in classes[:1])
    related = [c.name for c in free if folded(c.name) in _RELATED and any(v not in _NONE for v in c.values)]
    yield from (f"entities are read, and the relations in {quoted(name)} are not" for name in related[:1])
    tags = [c.name for c in free if folded(c.name).endswith(_OTHER_TAGS) and rows[0].fields.get(c.name, "")[:1] == "["]
    yield from (
        f"the tags in {quoted(columns.label)} are read, and those in {quoted(name)} are not (--columns "
        f"text={columns.text[0]},label={name})"
        for name in tags[:1]
    )


def _values_of_split(column: _Column, rows: Sequence[Row]) -> list[str]:
    """Return what a column holds that says which split or fold a row is of; empty where it does not.

    Rows are often sorted by it, so that many say the same; of the first thousand one value is enough, if it is called
    so.
    """
    if column.is_text or len(column.values) > _MOST_LABELS:
        return []
    found = list(dict.fromkeys(value for row in rows if (value := _value(row.fields, column.name))))
    folded_values = {value.casefold() for value in found}
    is_named = folded(column.name) in _NAMES_OF_SPLIT
    if folded_values and folded_values <= _SPLITS and (is_named or not _OF_TRAINING.isdisjoint(folded_values)):
        return found if len(found) > 1 or (is_named and len(rows) >= ROWS_LOOKED_AT) else []
    are_marks = all(map(_MARK_OF_SPLIT.fullmatch, folded_values))
    return found if are_marks and 1 < len(found) <= _MOST_LABELS and _SAYS_SPLIT.fullmatch(column.name) else []


def _tags_words(rows: Sequence[Row], name: str, columns: ColumnMap) -> bool:
    """Tell whether a column has a tag for each word of the text."""
    cut = [(_value(row.fields, columns.text[0]).split(), _value(row.fields, name).split()) for row in rows]
    tags = {tag for _, own in cut for tag in own}
    return len(columns.inputs) == 1 and all(len(text) == len(own) for text, own in cut) and are_tags(sorted(tags))


def _like_labels(rows: Sequence[Row], free: Sequence[_Column], columns: ColumnMap) -> list[str]:
    """Return the columns that may be the label as well: called like it but for a number, or as labels usually are."""
    label = columns.label or ""
    numbered = _NUMBERED.fullmatch(label)
    found = [c.name for c in free if numbered and (o := _NUMBERED.fullmatch(c.name)) and o[1] == numbered[1]]
    usual = _LABELS - {"target"} if folded(label) in SAID_OF_TARGETS else _LABELS
    for column in free if label else ():
        is_usual = column.name not in found and folded(column.name) in usual
        may_be = not column.is_text and not column.is_places and len(column.values) > 1
        if is_usual and may_be and not _is_other_name(rows, label, column.name):
            found.append(column.name)
    return found


def _is_other_name(rows: Sequence[Row], label: str, other: str) -> bool:
    """Tell whether a column says the same as the label in other words: each value goes with one of the other's."""
    pairs = {(_value(row.fields, label), _value(row.fields, other)) for row in rows}
    return len(pairs) == len({one for one, _ in pairs}) == len({two for _, two in pairs})


def _unread_part(rows: Sequence[Row], free: Sequence[_Column], columns: ColumnMap) -> str:
    """Say which column may tell rows of one text apart that have different labels, as that of an aspect does."""
    of_text: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        of_text.setdefault(tuple(_value(row.fields, name) for name in columns.inputs), []).append(row)
    apart = [own for own in of_text.values() if len({_value(row.fields, columns.label or "") for row in own}) > 1]
    if _SOME_APART * sum(map(len, apart)) < len(rows):
        return ""
    named = [c.name for c in free if not is_never_label(c.name)]
    differ = [
        name for name in named if all(len({_value(row.fields, name) for row in own}) == len(own) for own in apart)
    ]
    if not apart or not differ:
        return ""
    option = shell_words([f"text={'+'.join([*columns.inputs, differ[0]])}"])
    return (
        f"rows of one text have different labels, and {quoted(differ[0])}, which is not read, tells them apart "
        f"(--columns {option} reads both)"
    )


def _unread_words(rows: Sequence[Row], looked: Sequence[_Column], columns: ColumnMap) -> str:
    """Say which columns hold words of the text, of which the label may be: a target, the word that is asked for."""
    taken = {*columns.inputs, columns.label}
    names = [name for column in looked for name in _with_inner(column, rows) if column.name not in taken]
    found = [name for name in names if not is_never_label(name) and _are_words_of(rows, name, columns)]
    if not found:
        return ""
    option = shell_words([f"text={'+'.join([*columns.inputs, *found])}"])
    return (
        f"{listed(found, joint=' and ')} may say what words of the text the label is of, which is not read (--columns "
        f"{option} reads all)"
    )


def _unread_target(free: Sequence[_Column], columns: ColumnMap) -> str:
    """Say which column may name what a stance or a sentiment is about."""
    found = [c.name for c in free if folded(c.name) in _TARGETS and len(c.values) > 1]
    if folded(columns.label or "") not in SAID_OF_TARGETS or not found or len(columns.inputs) > 1:
        return ""
    option = shell_words([f"text={'+'.join([*columns.inputs, found[0]])}"])
    return (
        f"{listed([columns.label or ''])} may be about what {listed(found[:1])} holds, which is not read (--columns "
        f"{option} reads both)"
    )


def _with_inner(column: _Column, rows: Sequence[Row]) -> list[str]:
    """Return a column's name, or the names of what the objects in it hold."""
    if not column.values or not column.values[0].startswith("{"):
        return [column.name]
    try:
        found = parse_list(next(text for row in rows if (text := _value(row.fields, column.name))))
    except RowError:
        return []
    return [f"{column.name}.{key}" for key in found] if isinstance(found, dict) else []


def _are_words_of(rows: Sequence[Row], name: str, columns: ColumnMap) -> bool:
    """Tell whether nearly all values of a column are words of their row's texts."""
    count, met = 0, set()
    for row in rows:
        try:
            word = (field_of(row.fields, name) or "").strip()
            texts = "\n".join(text_of(row.fields, text) for text in columns.inputs)
        except RowError:
            return False
        if len(word) < (_SHORTEST_WORD if word.isascii() else 1) or is_number(word) or word == texts:
            continue
        met.add(word)
        count += re.search(rf"\b{re.escape(word)}", texts, re.IGNORECASE) is not None
    return len(rows) >= _ENOUGH and len(met) > 1 and count >= _MOSTLY * len(rows)


def _unread_text(looked: Sequence[_Column], free: Sequence[_Column], columns: ColumnMap) -> str:
    own = [column for column in looked if column.name in columns.inputs]
    answers = [c for c in free if len(own) > 1 and folded(c.name) in _ANSWERS and len(c.values) > 1 and columns.label]
    others = answers or [column for column in free if column.is_text]
    if len(own) < len(columns.inputs) or not others or len(columns.text) > 1:
        return ""
    longest = max(others, key=lambda column: column.characters)
    read, other = listed([column.name for column in own], joint=" and "), quoted(longest.name)
    added = shell_words([f"text={'+'.join([*columns.inputs, longest.name])}"])
    if len(own) > 1:
        # Of an answer to a question in a text it does not matter how long it is.
        is_long = bool(answers) or longest.characters > _ALIKE * min(column.characters for column in own)
        return (
            f"the texts are {read}; {other} holds texts, too, and is not read (--columns {added} reads all)" * is_long
        )
    if longest.characters > _LONGER * own[0].characters:
        return f"the text is {read}; {other} holds longer ones and is not read (--columns {added} reads both)"
    if longest.characters > _ALIKE * own[0].characters:
        both = shell_words([f"text={own[0].name},pair={longest.name}"])
        return f"the text is {read}; {other} holds texts, too, and is not read (--columns {both} reads pairs)"
    return ""


def _proposed(
    texts: tuple[str, ...], pair: str | None, label: str | None, free: Sequence[_Column], labels: Sequence[_Column]
) -> ColumnChoice:
    """Choose the longest text, a second one that is as long as its pair, and the label that is called so."""
    likeliest = sorted(labels, key=lambda column: not _is_called_label(column.name))
    if not texts and free:
        alike = len(free) == 2 and free[1].characters > free[0].characters / 2
        first, second = sorted(free, key=lambda column: column.place) if alike else (free[0], None)
        texts, pair = (first.name,), None if second is None else second.name
    return ColumnChoice(texts, pair, label or (likeliest[0].name if likeliest else None))


def _reason(texts: Sequence[_Column], labels: Sequence[_Column]) -> str:
    said = [f"{quoted(column.name)} holds texts" for column in texts]
    for column in labels:
        if column.is_places:
            said.append(f"{quoted(column.name)} holds the places of entities")
        else:
            shown = listed(column.values[:_SHOWN])
            more = ", …" if len(column.values) > _SHOWN else ""
            said.append(f"{quoted(column.name)} has {len(column.values)} values ({shown}{more})")
    return " and ".join(said)


def is_never_label(name: str) -> bool:
    """Tell whether a column is called as what is told of a row, an id or a date, and not as a label."""
    return _NO_LABEL.search(name) is not None and not _is_called_label(name)


def _is_called_label(name: str) -> bool:
    return any(folded(word) in folded(name) for word in LABEL_NAMES)


def _look_at(name: str, place: int, rows: Sequence[Row]) -> _Column:
    values = [text for row in rows if (text := _value(row.fields, name))]
    different = tuple(dict.fromkeys(values))
    count = max(1, len(values))
    words = sum(len(value.split()) for value in values) / count
    characters = sum(map(len, values)) / count
    prose = [value for value in values if _NO_PROSE.fullmatch(value) is None and value[:1] not in "[{("]
    is_text = (
        len(values) >= _NEARLY_ALL * len(rows)
        and len(prose) >= _NEARLY_ALL * count
        and (words >= _TEXT_WORDS or (characters >= _TEXT_CHARACTERS and words > 1.5))
        and len(different) >= _DIFFERENT * count
    )
    repeats = (
        not is_text
        and len(values) >= _MOSTLY * len(rows)
        and 2 <= len(different) <= min(_MOST_LABELS, count // _OFTEN)
        and words <= _LABEL_WORDS
        and characters <= _LABEL_CHARACTERS
        and not any(is_number(value) and not is_whole(value) for value in different)
    )
    is_places = any(value not in _NONE for value in values) and all(map(_holds_places, values[:_ENOUGH]))
    is_places = is_places or _are_lists_of_tags(values)
    repeats = repeats and not is_places
    is_label = repeats and not is_never_label(name)
    return _Column(name, place, words, characters, different, is_text, is_label, is_places, repeats)


def _value(fields: Mapping[str, str], name: str) -> str:
    try:
        found = fields.get(name, "")
        # A list of words is read as a text.
        return (text_of(fields, name) if isinstance(found, JsonText) and found.startswith('["') else found).strip()
    except RowError:
        return ""


def _holds_places(value: str) -> bool:
    """Tell a list of entities that say where they start and end; an empty one may be of them."""
    if not value.startswith("["):
        return False
    try:
        items = parse_list(value)
    except RowError:
        return False
    return isinstance(items, list) and all(map(_is_place, items))


def _are_lists_of_tags(values: Sequence[str]) -> bool:
    """Tell cells that hold a tag for each of several words, with spaces or commas between them."""
    cut = [value.split() if " " in value else value.split(",") for value in values[:_ROWS_OF_TEXTS]]
    tags = {tag for own in cut for tag in own}
    return sum(map(len, cut)) > 2 * len(cut) > 0 and all(map(is_like_tag, tags)) and any(map(is_entity_tag, tags))


def _is_place(item: object) -> bool:
    if isinstance(item, dict):
        return "start" in item and "end" in item
    return isinstance(item, list) and len(item) == 3 and all(type(place) is int for place in item[:2])
