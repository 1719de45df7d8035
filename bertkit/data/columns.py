"""Which columns of a table are the text, the pair and the label, and rows as examples.

Columns are found by the names a run has stored, then by their synonyms; `--columns` goes
before both. Names are compared in NFC, synonyms without regard to case. What fits nothing
is not guessed: the error names the columns that are there and shows the flag.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bertkit.data.column_names import LABEL_NAMES, PAIR_NAMES, TEXT_NAMES, column_name, first_named
from bertkit.data.records import ColumnMap
from bertkit.errors import DataError, UsageError
from bertkit.plain import listed, quoted, shell_words, shortened

# A longer "name" is rather a text in the first line of a file without a header.
_LONG_NAME = 30
# Names among which a misspelt one is looked for.
_MOST_COMPARED = 1000
# Names of columns that hold no text, whatever else they may hold; answers least of all.
_NO_TEXT = re.compile(
    r"(?:^|[\W_])(?:id|ids|idx|index|no|nr|key|date|time|at|created|updated|url|link|file|line|lang|language|year)$"
    r"|^(?:answer|gold|label|target|score|correct|cop$)|(?<=[a-z])(?:Id|ID|Key|At|Date|Time)$|(?:번호|아이디|날짜|일시)$",
    re.IGNORECASE,
)
_NO_TABLE = (
    "give a table that has one (text,label as csv), or lines that tell it: `__label__pos a text`, `<PER>a name</PER>`, "
    "`a/O Name/B-PER`, or a word and its tag a line with blank lines between sentences"
)
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
        return ColumnChoice(
            tuple(renames.get(name, name) for name in self.text),
            None if self.pair is None else renames.get(self.pair, self.pair),
            None if self.label is None else renames.get(self.label, self.label),
            tuple(renames.get(name, name) for name in self.choices),
            tuple(renames.get(name, name) for name in self.labels),
            tuple(renames.get(name, name) for name in self.spans),
        )


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
        self.what = what


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
        raise _malformed("pair does not go with choices; a context is another text (text=context+question)")
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
    text, pair = _resolve_texts(names, chosen, known, need_pair=need_pair)
    label = chosen.label or _resolve_label(names, known, taken=(*text, pair))
    if wanted.need_label and label is None:
        way_on = _example(names, text, pair) if set(names) - {*text, pair} else _NO_TABLE
        raise UnnamedColumnsError(f"no column for the label: {there_are(names)}", way_on)
    if need_pair and pair is None:
        raise DataError(f"no column for the second text: {there_are(names)}; add pair=COLUMN to --columns.")
    return ColumnMap(text, pair, label)


def check_mapped(names: Sequence[str], chosen: ColumnChoice) -> None:
    """Refuse columns of `--columns` that a table does not have.

    Raises:
        DataError: one is missing; the nearest name is suggested, those that are there are listed.
    """
    for name in (*chosen.text, chosen.pair, chosen.label, *chosen.choices, *chosen.labels, *chosen.spans):
        if name is not None and not has_column(names, name):
            raise DataError(f"no column {quoted(name)}{did_you_mean(name, names)}: {there_are(names)}; fix --columns.")


def _resolve_texts(
    names: Sequence[str], chosen: ColumnChoice, known: Sequence[ColumnMap], *, need_pair: bool
) -> tuple[tuple[str, ...], str | None]:
    if chosen.text:
        return chosen.text, chosen.pair
    wanted = next(iter(known), None)
    stored = next((columns for columns in known if all(has_column(names, name) for name in columns.inputs)), None)
    if stored is not None:
        return stored.text, chosen.pair or stored.pair
    found = _synonym_texts(names, wanted, need_pair=need_pair or chosen.pair is not None)
    if found is None:
        raise UnnamedColumnsError(f"{_missing_texts(wanted)}: {there_are(names)}", _example(names, (), None, known))
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
    return first_there(names, [c.label for c in known]) or first_named(others(names, *taken), LABEL_NAMES)


def first_there(names: Sequence[str], known: Iterable[str | None]) -> str | None:
    """Return the first of some columns that is there; None where none is."""
    return next((name for name in known if name is not None and has_column(names, name)), None)


def others(names: Sequence[str], *taken: str | None) -> list[str]:
    """Return the columns that are not taken."""
    return [name for name in names if name not in taken]


def has_column(names: Sequence[str], name: str) -> bool:
    """Tell whether there is such a column, or the one whose JSON object `name` reaches into."""
    return name in names or ("." in name and name.partition(".")[0] in names)


def _missing_texts(wanted: ColumnMap | None) -> str:
    if wanted is None:
        return "no column is recognised as the text"
    return f"the text columns {listed(wanted.inputs, 80, joint=' and ')} (or their synonyms) are missing"


def there_are(names: Sequence[str]) -> str:
    """List the columns of a table as a clause of an error."""
    if not names:
        return "it has no columns"
    shown = f"the {'column is' if len(names) == 1 else 'columns are'} {listed(names)}"
    if list(names) == [str(position) for position in range(1, len(names) + 1)]:
        return f"there is no header line, so {shown}"
    if any(len(name) > _LONG_NAME for name in names):
        return f"{shown} (is the first line a header?)"
    return shown


def _example(names: Sequence[str], text: Sequence[str], pair: str | None, known: Sequence[ColumnMap] = ()) -> str:
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
    parts.append(f"label={label or 'COLUMN'}")
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
