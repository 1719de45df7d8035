"""Which columns of a table are the text, the pair and the label, which name groups, and which go through (`--keep`)."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any, Generic, Protocol, TypeVar

from bertkit.data.column_names import (
    ASKED,
    CHAT_NAMES,
    DISAGREED,
    LABEL_NAMES,
    PAIR_NAMES,
    SENDER_NAMES,
    TEXT_NAMES,
    MadeColumn,
    column_name,
    first_named,
    folded,
)
from bertkit.data.records import BadRow, ColumnMap, DataSet, Example, Kept, LeftOut, Row
from bertkit.data.values import JsonText, NotMeantError, RowError, field_of, needed_field, parse_cell, parse_list
from bertkit.errors import DataError, UsageError
from bertkit.plain import listed, quoted, shell_words, shortened

# --- Which columns of a table are the text, the pair and the label, and rows as examples ----------
#
# Columns are found by the names a run has stored, then by their synonyms; `--columns` goes
# before both. Names are compared in NFC, synonyms without regard to case. What fits nothing
# is not guessed: the error names the columns that are there and shows the flag.

# A longer "name" is rather a text in the first line of a file without a header.
_LONG_NAME = 30
# Names among which a misspelt one is looked for.
_MOST_COMPARED = 1000
# Names of columns that hold no text, whatever else they may hold; answers least of all.
_NO_TEXT = re.compile(
    r"(?:^|[\W_])(?:id|ids|idx|index|no|nr|key|date|time|timestamp|at|created|updated|url|link|file|line|lang|language|year)$"
    r"|^(?:answer|gold|label|target|score|correct|cop$)|(?<=[a-z])(?:Id|ID|Key|At|Date|Time)$|(?:번호|아이디|날짜|일시|타임스탬프)$",
    re.IGNORECASE,
)
_NO_TABLE = (
    "give a table that has one (text,label as csv), or lines that tell it: `__label__pos a text`, `<PER>a name</PER>`, "
    "`a/O Name/B-PER`, or a word and its tag a line with blank lines between sentences"
)
_OF_SUMMARIES = " (--task extractive reads texts with summaries)"
_PARTS = ("text", "pair", "label", "choices", "spans")
_MANY = ("text", "choices", "label", "spans")


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What `--columns` said; a part it did not name is empty and found by name.

    `labels` are several columns of labels (`label=a+b`); `label` is empty beside them. `spans` are the
    two that say where the entities of a relation are.
    """

    text: tuple[str, ...] = ()
    pair: str | None = None
    label: str | None = None
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()

    def renamed(self, renames: Mapping[str, str]) -> ColumnChoice:
        """Rewrite the names of an original release as those its rows go by."""
        text, choices, labels, spans = (
            tuple(renames.get(name, name) for name in names)
            for names in (self.text, self.choices, self.labels, self.spans)
        )
        pair, label = (name and renames.get(name, name) for name in (self.pair, self.label))
        return ColumnChoice(text, pair, label, choices, labels, spans)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What columns are looked for in a table.

    Attributes:
        choice: what `--columns` said.
        usual: the columns that the catalog has for the data set; they serve as stored ones.
        stored: the columns a run was trained with.
        need_label: whether a missing label is an error; if not, one that is there is still found.
    """

    choice: ColumnChoice | None = None
    usual: ColumnMap | None = None
    stored: ColumnMap | None = None
    need_label: bool = True

    @property
    def known(self) -> list[ColumnMap]:
        """The columns of the run, and of the catalog, as far as there are any."""
        return [columns for columns in (self.stored, self.usual) if columns is not None]

    @property
    def needs_pair(self) -> bool:
        """Whether a run of pairs looks for them."""
        return self.stored is not None and self.stored.pair is not None

    def chosen(self, names: Sequence[str]) -> ColumnChoice:
        """Return what `--columns` said, which must be among the names.

        Raises:
            DataError: it is not.
        """
        chosen = self.choice or ColumnChoice()
        check_mapped(names, chosen)
        return chosen


class UnnamedColumnsError(DataError):
    """No column goes by a name that says what it holds.

    Args:
        what: what is missing, and which columns there are.
        way_on: what the user can do.
    """

    def __init__(self, what: str, way_on: str) -> None:
        super().__init__(f"{what}; {way_on}.")
        self.what, self.way_on = what, way_on


def say_which(option: str) -> str:
    """Say in a clause how columns are named."""
    return f"say which is which, for example {option}"


def named_parts(names: Sequence[str], choice: ColumnChoice | None) -> tuple[tuple[str, ...], str | None, str | None]:
    """Return the texts, the pair and the label that `--columns` or usual names tell; what they do not is empty."""
    chosen = choice or ColumnChoice()
    texts, pair = chosen.text, chosen.pair
    if not texts and (found := _synonym_texts(names, None, need_pair=pair is not None)) is not None:
        texts, pair = found[0], pair or found[1]
    return texts, pair, chosen.label or _resolve_label(names, (), taken=(*texts, pair))


def parse_columns(mapping: str) -> ColumnChoice:
    """Parse the value of `--columns`, such as `text=midterm+final,label=grade`.

    Several columns of text, of choices or of labels (one of 0 and 1 for each) are joined with `+`;
    texts and choices may be named one by one (`text=a,text=b`).

    Raises:
        UsageError: a part is no `part=column`, is unknown, or is given twice; or choices
            stand beside a pair.
    """
    named: dict[str, list[str]] = {part: [] for part in _PARTS}
    for item in mapping.split(","):
        part, equals, column = (piece.strip() for piece in item.partition("="))
        if not equals or not column:
            raise _malformed(f"{quoted(item.strip())} is not part=column")
        if part not in named:
            raise _malformed(f"there is no part {quoted(part)}{did_you_mean(part, _PARTS)}")
        names = [column_name(name) for name in (column.split("+") if part in _MANY else [column])]
        if not all(names):
            raise _malformed(f"{quoted(item.strip())} names an empty column")
        named[part].extend(names)
    given = [item.partition("=")[0].strip() for item in mapping.split(",")]
    twice = next((part for part in ("pair", "label") if given.count(part) > 1), None)
    if twice is not None:
        raise _malformed(f"{twice} is given twice")
    if named["pair"] and named["choices"]:
        raise _malformed("pair cannot be used with choices; a context is another text (text=context+question)")
    if len(named["spans"]) not in (0, 2):
        raise _malformed("spans are two columns, as in spans=subject+object")
    chosen = [name for part in _PARTS for name in named[part]]
    repeated = next((name for name in chosen if chosen.count(name) > 1), None)
    if repeated is not None:
        raise _malformed(f"the column {quoted(repeated)} is used twice")
    pair, label = (next(iter(named[part]), None) for part in ("pair", "label"))
    labels = tuple(named["label"]) if len(named["label"]) > 1 else ()
    choices, spans = tuple(named["choices"]), tuple(named["spans"])
    return ColumnChoice(tuple(named["text"]), pair, None if labels else label, choices, labels, spans)


def resolve_columns(names: Sequence[str], wanted: Wanted, *, need_pair: bool = False) -> ColumnMap:
    """Find the columns of a table: what `--columns` said first, then stored names, then synonyms.

    Args:
        names: the columns that are there.
        wanted: what is looked for; stored columns also say how many texts a row has.
        need_pair: whether there must be a second text.

    Raises:
        DataError: a column is missing; the message lists those that are there.
    """
    known = [columns for columns in wanted.known if len(columns.inputs) == len(wanted.known[0].inputs)]
    chosen = wanted.chosen(names)
    if chosen.labels:
        raise DataError(
            f"{listed(chosen.labels, joint=' and ')} are several columns of labels, which --task multilabel reads; "
            "name one column, as in label=COLUMN."
        )
    text, pair = _resolve_texts(names, chosen, known, need_pair=need_pair, need_label=wanted.need_label)
    label = chosen.label or _resolve_label(names, known, taken=(*text, pair))
    if wanted.need_label and label is None:
        way_on = _example(names, text, pair) if set(names) - {*text, pair} else _NO_TABLE
        hint = _OF_SUMMARIES if first_named(others(names, *text, pair), ("summary",)) is not None else ""
        raise UnnamedColumnsError(f"no column for the label{hint}: {there_are(names)}", way_on)
    if need_pair and pair is None:
        raise DataError(f"no column for the second text: {there_are(names)}; add pair=COLUMN to --columns.")
    return ColumnMap(text, pair, label)


def of_whole_chat(names: Sequence[str], columns: ColumnMap, stored: ColumnMap) -> str:
    """Say that whole conversations with a model are read by a run that learnt from another column; or nothing."""
    whole = first_named(columns.text, CHAT_NAMES)
    if whole is None or first_named(stored.text, CHAT_NAMES) is not None:
        return ""
    option = f" (--columns text={ASKED} reads what was asked)" if ASKED in names else ""
    return (
        f"the run learnt from {quoted(stored.text[0])}, which is not here; the whole of each conversation in "
        f"{quoted(whole)} is read, answers included{option}"
    )


def check_mapped(names: Sequence[str], chosen: ColumnChoice) -> None:
    """Refuse columns of `--columns` that a table does not have.

    Raises:
        DataError: one is missing; the nearest name is suggested, those that are there are listed.
    """
    for name in (*chosen.text, chosen.pair, chosen.label, *chosen.choices, *chosen.labels, *chosen.spans):
        if name is not None and not has_column(names, name):
            raise DataError(f"no column {quoted(name)}{did_you_mean(name, names)}: {there_are(names)}; fix --columns.")


def _resolve_texts(
    names: Sequence[str], chosen: ColumnChoice, known: Sequence[ColumnMap], *, need_pair: bool, need_label: bool
) -> tuple[tuple[str, ...], str | None]:
    if chosen.text:
        return chosen.text, chosen.pair
    wanted = next(iter(known), None)
    stored = next((columns for columns in known if all(has_column(names, name) for name in columns.inputs)), None)
    if stored is not None:
        return stored.text, chosen.pair or stored.pair
    found = _synonym_texts(names, wanted, need_pair=need_pair or chosen.pair is not None)
    if found is None:
        way_on = _example(names, (), None, known, need_label=need_label)
        raise UnnamedColumnsError(f"{_missing_texts(wanted)}: {there_are(names)}", way_on)
    text, pair = found
    return text, chosen.pair or pair


def _synonym_texts(
    names: Sequence[str], wanted: ColumnMap | None, *, need_pair: bool
) -> tuple[tuple[str, ...], str | None] | None:
    """Find texts of the shape that is wanted: one, a pair, or (nothing stored) either."""
    if wanted is not None and len(wanted.text) > 1:
        return None
    if wanted is None or wanted.pair is not None:
        for pair in PAIR_NAMES:
            first, second = (first_named(names, [name]) for name in pair)
            if first is not None and second is not None:
                return (first,), second
    if need_pair or (wanted is not None and wanted.pair is not None):
        return None
    found = first_named(names, TEXT_NAMES)
    return None if found is None else ((found,), None)


def _resolve_label(names: Sequence[str], known: Sequence[ColumnMap], taken: Sequence[str | None]) -> str | None:
    if (there := first_there(names, [c.label for c in known])) is not None:
        return there
    free = others(names, *taken)
    found = first_named(free, LABEL_NAMES)
    if found is None or folded(found) != "target":
        return found
    # Beside what is said of it a target is no label but what the text speaks of; an answer may be a text, too.
    said = first_named(free, SAID_OF_TARGETS) or found
    return None if folded(said) == "answer" else said


SAID_OF_TARGETS = ("stance", "sentiment", "polarity", "answer")


def first_there(names: Sequence[str], known: Iterable[str | None]) -> str | None:
    """Return the first of some columns that is there; None where none is."""
    return next((name for name in known if name is not None and has_column(names, name)), None)


def all_there(names: Sequence[str], known: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the first of some groups of columns that are all there; an empty one where none is."""
    return next((own for own in known if own and all(has_column(names, name) for name in own)), ())


def others(names: Sequence[str], *taken: str | None) -> list[str]:
    """Return the columns that are not taken."""
    return [name for name in names if name not in taken]


def has_column(names: Collection[str], name: str) -> bool:
    """Tell whether there is such a column, or the one whose JSON object `name` reaches into."""
    return name in names or ("." in name and name.partition(".")[0] in names)


def _missing_texts(wanted: ColumnMap | None) -> str:
    if wanted is None:
        return "no column is recognised as the text"
    if len(wanted.inputs) == 1:
        return f"the text column {quoted(wanted.inputs[0])} (or a synonym) is missing"
    return f"the text columns {listed(wanted.inputs, 80, joint=' and ')} (or their synonyms) are missing"


def there_are(names: Sequence[str]) -> str:
    """List the columns of a table as a clause of an error."""
    if not names:
        return "it has no columns"
    made = [name for name in names if isinstance(name, MadeColumn)]
    own = [name for name in names if name not in made] or list(names)
    shown = f"the {'column is' if len(own) == 1 else 'columns are'} {listed(own)}"
    if len(own) < len(names):
        shown += f", and {listed(made)} {'is' if len(made) == 1 else 'are'} made of {'it' if len(own) == 1 else 'them'}"
    elif made:
        shown += " (made of what the rows hold)"
    if list(names) == [str(position) for position in range(1, len(names) + 1)]:
        return f"there is no header line, so {shown}"
    if any(len(name) > _LONG_NAME for name in names):
        return f"{shown} (is the first line a header?)"
    return shown


def _example(
    names: Sequence[str],
    text: Sequence[str],
    pair: str | None,
    known: Sequence[ColumnMap] = (),
    *,
    need_label: bool = True,
) -> str:
    """Show `--columns` filled with names of this very table, as far as they can be told."""
    label = _resolve_label(names, known, taken=(*text, pair))
    free = [
        name
        for name in names
        if name not in {*text, pair, label} and not _NO_TEXT.search(name) and len(name) <= _LONG_NAME
    ]
    parts = [f"text={'+'.join(text) or next(iter(free), 'COLUMN')}"]
    if pair is not None or any(columns.pair is not None for columns in known):
        parts.append(f"pair={pair or next(iter(free[1:]), 'COLUMN')}")
    parts += [f"label={label or 'COLUMN'}"] if need_label else []
    return say_which(f"--columns {shell_words([shortened(','.join(parts), 80)])}")


def _malformed(what: str) -> UsageError:
    return UsageError(
        f"--columns: {what}; write it like text=a,pair=b,label=c (several texts: text=a+b; choices: choices=c+d)."
    )


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Suggest the nearest of the names there are, as a clause of an error; empty where none is near."""
    folded = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), list(folded)[:_MOST_COMPARED], n=1, cutoff=0.6)
    return f", did you mean {quoted(folded[near[0]])}?" if near else ""


# --------------------------------------------------------------------------------------------------
# What the cells of a row hold once it is known which column is what: its texts, and why a row cannot be used.

# Keys under which objects in a list have their text, and who says it.
_TEXT_KEYS = (
    *("sentence", "text", "utterance", "content", "form", "original_form", "dialogue", "message", "문장", "발화"),
    *("sent", "context", "paragraph", "transcript", "body", "value"),
)
_NAME_KEYS = ("name", "nickname", "label", "id")
_PROFILE_KEYS = ("real_name", "display_name", "name")
# What Slack writes for people, channels, groups and addresses, with or without what is shown of them.
_OF_SLACK = re.compile(
    r"<(?:@(?P<user>[UWB][A-Z0-9]+)|#(?P<channel>C[A-Z0-9]+)|!(?P<all>here|channel|everyone)"
    r"|!(?:subteam|date)\^[^<>|]*|(?P<address>(?:mailto:|tel:|\w{2,10}://)[^<>|\s]+))(?:\|(?P<shown>[^<>]*))?>"
)
# Messages of the messenger itself, by their type.
_OF_MESSENGER = re.compile(r"service$|(?:channel|group)_(?:join|leave|topic|purpose|name|archive)")
# How a list begins in which there may be objects.
_OBJECTS = ("[{", "[[")
_UNUSED = ("reject", "ignore")
REJECTED = "the answer is reject (Prodigy)"
_PRODIGY = ("_task_hash", "_input_hash", "spans", "_session_id", "_annotator_id", "_view_id")


def texts_of(row: Row, columns: ColumnMap) -> tuple[str, ...]:
    """Return the texts of a row, in the order of `columns.inputs`.

    Raises:
        RowError: a column is missing, or cannot be read as text.
    """
    return tuple([text_of(row.fields, name) for name in columns.inputs])


def text_of(fields: Mapping[str, str], name: str) -> str:
    """Return the text that a column holds; the texts of a JSON list are joined with spaces, those of objects by lines.

    Raises:
        RowError: the column is missing, or holds an object or a list of other things.
    """
    found = fields.get(name)
    if type(found) is str and not found.startswith(_OBJECTS):
        return found
    if found is not None and (lines := lines_in_objects(found)):
        return "\n".join(lines)
    if not isinstance(found, JsonText) or not found.startswith(("[", "{")):
        return needed_field(fields, name)
    value = found.value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    what = f"an object of {listed(value)}" if isinstance(value, dict) else "a list that is not of texts alone"
    inner = (
        next((key for key, text in value.items() if isinstance(text, str)), None) if isinstance(value, dict) else None
    )
    way_on = (
        "" if inner is None else f"; name the one that counts, as in --columns text={shell_words([f'{name}.{inner}'])}"
    )
    raise RowError(f"the column {quoted(name)} holds {what} and no text{way_on}")


Turn = tuple[str, str]
"""Who says a line, empty where that is not known, and the line."""


def lines_in_objects(written: str) -> list[str] | None:
    """Return the lines of `turns_in_objects`, each with its speaker before it.

    Raises:
        RowError: the list cannot be used.
    """
    turns = turns_in_objects(written)
    return None if turns is None else [as_line(turn) for turn in turns]


def as_line(turn: Turn) -> str:
    """Return what is said with the speaker before it."""
    speaker, line = turn
    return f"{speaker}: {line}" if speaker else line


def turns_in_objects(written: str) -> list[Turn] | None:
    """Return the texts of a list that holds objects, however deep: paragraphs of sentences, turns of a conversation.

    Between paragraphs stands an empty one. None: it is not such a list; empty: its objects have no text.

    Raises:
        RowError: the list cannot be used.
    """
    if "{" not in written[:200] or not written.lstrip().startswith("["):
        return None
    found = parse_list(written)
    return list(_turns(found)) if isinstance(found, list) and any(map(_has_object, found)) else None


def _has_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_object, value)))


def _turns(value: Any) -> Iterator[Turn]:
    if isinstance(value, str):
        yield "", " ".join(value.split())
    elif isinstance(value, dict):
        if any(_OF_MESSENGER.match(str(value.get(key, ""))) for key in ("type", "subtype")):
            return
        text = next((text for key in _TEXT_KEYS if (text := _written(value.get(key))) is not None), None)
        if text and text.strip():
            said = said_in_slack(text) if value.get("type") == "message" else text
            yield sender_of(value), " ".join(said.split())
        else:
            yield from (turn for inner in value.values() if isinstance(inner, list) for turn in _turns(inner))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            if place and isinstance(part, list):
                yield "", ""
            yield from _turns(part)


def _written(value: Any) -> str | None:
    """Return a text, also where it is in pieces, some of them links; None where it is no text."""
    if isinstance(value, list) and any(isinstance(piece, str) for piece in value):
        pieces = [str(piece.get("text", "")) if isinstance(piece, dict) else piece for piece in value]
        has_links = any(isinstance(piece, dict) for piece in value)
        return "".join(pieces) if has_links and all(isinstance(piece, str) for piece in pieces) else None
    return value if isinstance(value, str) else None


def said_in_slack(text: str, names: Mapping[str, str] | None = None) -> str:
    """Return a message of Slack as it is shown: people, channels and addresses by their names.

    Args:
        text: as exports have it.
        names: of people, by their ids.
    """

    def shown(mark: re.Match[str]) -> str:
        user, sign = mark["user"], "@" if mark["user"] or mark["all"] else "#" if mark["channel"] else ""
        name = mark["shown"] or (names or {}).get(user or "") or user or mark["channel"] or mark["all"]
        return sign + (name or re.sub(r"(?:mailto|tel):", "", mark["address"] or ""))

    return unescape(_OF_SLACK.sub(shown, text))


def sender_of(value: Mapping[str, Any]) -> str:
    """Return who says what an object or a row holds; empty where that is not known."""
    profile = value.get("user_profile")  # Slack's, beside an id
    if isinstance(profile, dict) and (name := next(filter(None, map(profile.get, _PROFILE_KEYS)), None)):
        return str(name).strip()
    by_folded = {folded(name): found for name, found in reversed(list(value.items()))}
    for key in SENDER_NAMES:
        found = by_folded.get(folded(key))
        if isinstance(found, dict):
            found = next((found[name] for name in _NAME_KEYS if isinstance(found.get(name), str | int)), None)
        if isinstance(found, str | int) and str(found).strip():
            return str(found).strip()
    return ""


def refuse_rejected(fields: Mapping[str, str], label: str | None) -> None:
    """Refuse a row that nobody annotated, that was not annotated alike, or that Prodigy's user rejected or passed over.

    Args:
        fields: of the row.
        label: the column that is learnt, where there is one; an annotation stands in it.

    Raises:
        NotMeantError: it is one.
    """
    if fields.get("annotation_id") == DISAGREED:
        raise NotMeantError("its annotators did not agree")
    if not fields.get("annotation_id", "1").strip() and not (field_of(fields, label or "") or "").strip():
        raise NotMeantError("it is not annotated")
    answer = fields.get("answer")
    if answer not in _UNUSED or (answer == "reject" and label == "answer"):  # then it is what is learnt
        return
    if any(name in fields for name in _PRODIGY) or (
        "text" in fields and "label" in fields and "question" not in fields
    ):
        raise NotMeantError(REJECTED if answer == "reject" else "the answer is ignore (Prodigy)")


def examples_of(rows: Iterable[Row | BadRow], make: Callable[[Row], Example]) -> Iterator[Example | BadRow]:
    """Make a record of each row; what stays of one that is refused stands in its place.

    It is left out where it is not meant to be a row.
    """
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield make(row)
        except RowError as error:
            yield (LeftOut if isinstance(error, NotMeantError) else BadRow)(row.line, str(error))


def missing_label(raw: str | None, column: str | None) -> str:
    """Say in a clause that a row has no label."""
    if raw is None:
        return f"label is missing (column {quoted(column)})"
    return f"label is empty (column {quoted(column)})"


class LabelRules(Protocol):
    """What a data set that is known by name says of its labels."""

    @property
    def withheld(self) -> frozenset[str]:
        """What stands in place of a label that is not published."""
        ...

    def canonical_label(self, label: str) -> str | None:
        """Give the official word for a label; None if there is no such label."""
        ...

    def strange_label(self, label: str) -> str:
        """Say in a clause that there is no such label."""
        ...


@dataclass(frozen=True, slots=True)
class RowRules:
    """What records are made of rows by: which column is what, the rows' file, and what is known of their labels."""

    columns: ColumnMap
    source: str
    spec: LabelRules | None = None
    need_label: bool = True

    def answer_in(self, row: Row) -> str | None:
        """Return what stands in the column of labels; None where nothing does.

        Raises:
            NotMeantError: nobody shall learn from the row.
        """
        if self.columns.label is None and not self.columns.labels:
            return None
        refuse_rejected(row.fields, self.columns.label)
        return None if self.columns.label is None else field_of(row.fields, self.columns.label)

    def label_of(self, written: str | None, label: str) -> str | None:
        """Return a label as its data set spells it; None where there is none.

        Args:
            written: what stands in its column.
            label: what it says.

        Raises:
            RowError: it is missing, or strange to its data set, and there must be one.
        """
        if not label:
            if self.need_label:
                raise RowError(missing_label(written, self.columns.label))
            return None
        canonical = label if self.spec is None else self.spec.canonical_label(label)
        if canonical is None and self.spec is not None and self.need_label:
            raise RowError(self.spec.strange_label(label))
        return canonical or label


class Shape:
    """One way to read a table: it finds the columns, and makes a record of each row."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find the columns.

        Raises:
            DataError: a column is missing; the message lists those that are there.
        """
        raise NotImplementedError

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: LabelRules | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Turn rows into records; one that lacks what it needs becomes a `BadRow`."""
        return self.records(rows, RowRules(columns, source, spec, need_label))

    def records(self, rows: Iterable[Row | BadRow], rules: RowRules) -> Iterator[Example | BadRow]:
        """Turn rows into records, each by itself."""
        return examples_of(rows, lambda row: self.example(row, rules))

    def example(self, row: Row, rules: RowRules) -> Example:
        """Make a record of a row.

        Raises:
            RowError: it cannot be used.
        """
        raise NotImplementedError


# --- What goes round the shapes: columns of a row that no task reads, for the record that is made of it

Taken = TypeVar("Taken")


@dataclass
class RoundShapes(Generic[Taken]):
    """Takes something of rows as they pass, and gives it to what is made of them.

    Args:
        take: what of a row is meant.
        put: what a record becomes with it.
        of_all: whether every row of a line counts; else the last of those that are read ahead.
    """

    take: Callable[[Row], Taken]
    put: Callable[[Example | BadRow, Taken], Example | BadRow]
    of_all: bool = True
    _of_line: dict[int, deque[Taken]] = field(default_factory=lambda: defaultdict(deque))

    def note(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Hand rows on, and remember what is taken of them."""
        for row in rows:
            if isinstance(row, Row):
                if not self.of_all:
                    self._of_line.pop(row.line, None)
                self._of_line[row.line].append(self.take(row))
            yield row

    def give(self, examples: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Hand records on, each with what is of its row; of those that could not be read there is nothing."""
        for example in examples:
            waiting = self._of_line.get(example.line)
            if not waiting:
                yield example
                continue
            taken = waiting.popleft()
            if not waiting:
                del self._of_line[example.line]
            yield self.put(example, taken)


# --- Groups of rows that belong together: of one author, one document, one conversation -----------

# Which of several records of one line have a group: all (2), or the first (1); a run stores it.
GROUP_FORM = 2


def groups_of(column: str, form: int) -> RoundShapes[str]:
    """Make what gives records the groups that a column names; `form` as `GROUP_FORM`."""

    def grouped(example: Example | BadRow, group: str) -> Example | BadRow:
        return example if isinstance(example, BadRow) or not group else replace(example, group=group)

    return RoundShapes(lambda row: (field_of(row.fields, column) or "").strip(), grouped, of_all=form > 1)


def find_group(column: str | None, names: Sequence[str], place: str, renames: Mapping[str, str]) -> str | None:
    """Find the column of `--group` in a table; None where none was asked for.

    Args:
        column: what `--group` said.
        names: the columns that are there.
        place: the table, for the error.
        renames: names of an original release, and those its rows go by.

    Raises:
        DataError: there is no such column.
    """
    if column is None:
        return None
    wanted = column_name(column)
    wanted = renames.get(wanted, wanted)
    if not has_column(names, wanted):
        raise DataError(
            f"{place}: --group: no column {quoted(wanted)}{did_you_mean(wanted, names)}: {there_are(names)}."
        )
    return wanted


def shared_groups(dataset: DataSet, column: str) -> Iterator[str]:
    """Say which splits hold rows of the training rows' groups: official ones, for held-out ones hold none."""
    own = {row.group for row in dataset.splits.get("train", ()) if row.group}
    for split, rows in dataset.splits.items():
        shared = sum(row.group in own for row in rows) if split != "train" else 0
        if shared:
            yield (
                f"{split}: {shared:,} of {len(rows):,} rows have a value of {quoted(column)} that training rows have "
                "too; its scores are inflated"
            )


def refuse_groups(column: str | None, place: str) -> None:
    """Refuse `--group` where a file has no columns.

    Raises:
        DataError: it was given.
    """
    if column is not None:
        raise DataError(f"{place}: --group {quoted(column)}: the file has no columns but its tags; leave --group out.")


# --- Columns that nobody reads and that go through to the answers (`--keep`), so that these can be joined

ALL = "all"
# Where a record says which of several files it is of.
FILE = "file"


@dataclass(frozen=True, slots=True)
class Keep:
    """What `--keep` said: names of columns, or none of them for all; notes which of them rows have had."""

    names: tuple[str, ...] = ()
    _met: set[str] = field(default_factory=set, compare=False)

    @property
    def is_all(self) -> bool:
        """Whether every column is kept."""
        return not self.names

    def of(self, fields: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        """Take what is kept out of a row, JSON values as what they were; a column that it lacks is empty."""
        for name in fields if self.is_all else self.names:
            if has_column(fields, name):
                self._met.add(name)
            try:
                yield name, _value(fields, name)
            except RowError:
                yield name, ""

    def doubts(self) -> tuple[str, ...]:
        """Say which columns no row had, once all have passed: of JSON each row speaks for itself."""
        strange = [name for name in self.names if name not in self._met]
        return (f"--keep: no row has {listed(strange)}; it stays empty in the records",) if strange else ()

    def check(self, names: Sequence[str]) -> None:
        """Refuse a column that a table does not have.

        Raises:
            DataError: it lacks one.
        """
        for name in self.names:
            if not has_column(names, name):
                raise DataError(f"--keep: no column {quoted(name)}{did_you_mean(name, names)}: {there_are(names)}.")


def parse_keep(said: str) -> Keep:
    """Parse the value of `--keep`: names with commas between them, or "all".

    Raises:
        UsageError: a name is empty or occurs twice.
    """
    names = tuple(column_name(name) for name in said.split(","))
    if names == (ALL,):
        return Keep()
    if not all(names) or len(set(names)) < len(names):
        raise UsageError(f"--keep {quoted(said)}: write the columns like id,author (each once), or all.")
    return Keep(names)


def kept_columns(keep: Keep) -> RoundShapes[Kept]:
    """Make what gives records the columns that are kept of their rows."""
    return RoundShapes(lambda row: tuple(keep.of(row.fields)), lambda example, kept: replace(example, kept=kept))


def _value(fields: Mapping[str, str], name: str) -> Any:
    if name in fields:
        found = fields[name]
        return found.value if isinstance(found, JsonText) else found
    outer, _, inner = name.partition(".")
    found = fields.get(outer, "")
    whole = found.value if isinstance(found, JsonText) else parse_cell(found)
    return whole[inner] if isinstance(whole, dict) and inner in whole else ""
