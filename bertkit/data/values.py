"""JSON of files and of cells, read so that nothing in it changes in silence; and when a text is a number."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, NoReturn

from bertkit.errors import first_repeated
from bertkit.plain import quoted

# --- JSON of files and of cells, read so that nothing in it changes in silence --------------------
#
# Numbers with a point or an exponent stay as they are written: 1.10 is no 1.1, and 1e400 no
# "Infinity". A key that stands twice in one object, and half of a surrogate pair
# ("\udc00", which no encoding can write), are faults of the row.

_HALF = re.compile(r"\\u[dD][89a-fA-F]", re.ASCII)
# A string as Python writes it, and a list of some with spaces between them, as numpy does.
_STRING = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
_SPACED = re.compile(rf"\[\s*(?:{_STRING.pattern})(?:\s+(?:{_STRING.pattern}))+\s*\]")
_ARRAY = re.compile(r"\barray\((?P<items>\[[^\[\]()]*\])(?:,\s*dtype=[\w.'<]+)?\)")
_NUMBERS = re.compile(r"\[\s*-?\d+\.?\d*(?:\s+-?\d+\.?\d*)+\s*\]")
# How a list of words, tags or places may begin.
LISTED = ("[", "(", "array([")
# How a list, a tuple, a set or a dict begins in Python's spelling, and how it ends.
_ENDS = {"[": "]", "(": ")", "{": "}"}
# What a category's share is at least where it counts.
_LIKELY = 0.5
TOO_MANY_DIGITS = "invalid JSON: a number has thousands of digits"
HALF_PAIR = "half a surrogate pair (\\ud800 to \\udfff) is not a character"


class RowError(Exception):
    """Why a record cannot be used, as a clause; readers turn it into a `BadRow`."""


class NotMeantError(RowError):
    """Why a record is not meant to be a row, though it could be read."""


class NoJsonError(RowError):
    """The text is no JSON at all."""


class JsonText(str):
    """The text of a JSON value that is not a string, so that it can be written as what it was; null is empty."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        """The value."""
        return json.loads(self) if self else None


class _Written(str):
    """A number as the file writes it; it counts as a text wherever one may stand."""

    __slots__ = ()


def parse_json(text: str) -> Any:
    """Parse JSON; numbers that are not whole come as texts.

    Raises:
        NoJsonError: it is no JSON.
        RowError: it is, but names a key twice in one object, or holds half a surrogate pair.
    """
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NoJsonError(f"invalid JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise NoJsonError("invalid JSON: it is nested too deeply") from None
    except ValueError:  # Python's limit for whole numbers
        raise NoJsonError(TOO_MANY_DIGITS) from None
    if "\\u" in text and _HALF.search(text) and not is_encodable(value_text(value)):
        raise RowError(HALF_PAIR)
    return value


def parse_cell(text: str) -> Any:
    """Parse the JSON that a field may hold; None if it holds none.

    Raises:
        RowError: it names a key twice in one object, or holds half a surrogate pair.
    """
    try:
        return parse_json(text)
    except NoJsonError:
        return None


# Python's reader takes more than a hundred times the room of what it reads.
MOST_OF_PYTHON = 500_000


def parse_list(text: str) -> Any:
    """Parse a list or an object that a field may hold, as JSON or as Python and numpy write it; None if it holds none.

    >>> parse_list("['sand' 'ice']"), parse_list("[(0, 4, 'PER')]")
    (['sand', 'ice'], [[0, 4, 'PER']])

    Raises:
        RowError: an object in it names a key twice, or it holds half a surrogate pair.
    """
    found = parse_cell(text)
    bare = text.strip() if "array([" not in text else _ARRAY.sub(r"\g<items>", text.strip())
    if found is not None or not bare or bare[-1] != _ENDS.get(bare[0]):
        return found
    if len(text) > MOST_OF_PYTHON:
        raise RowError(f"a list in Python's spelling with {len(text):,} characters is too long; write it as JSON")
    if _SPACED.fullmatch(bare):  # Python would join strings that stand side by side
        bare = _STRING.sub(lambda string: f"{string[0]},", bare)
    elif _NUMBERS.fullmatch(bare):
        bare = f"[{','.join(bare.strip('[] ').split())}]"
    try:
        with warnings.catch_warnings():  # of escapes that Python does not know
            warnings.simplefilter("ignore")
            value = ast.literal_eval(bare)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return _as_json(value)


def _as_json(value: Any) -> Any:
    """Return what Python's spelling of a value is in JSON; None where it is nothing of JSON's."""
    if isinstance(value, list | tuple | set):
        return [_as_json(item) for item in (sorted(value, key=repr) if isinstance(value, set) else value)]
    if isinstance(value, dict):
        return {str(name): _as_json(item) for name, item in value.items()}
    return _Written(repr(value)) if isinstance(value, float) else value if isinstance(value, str | int) else None


def field_of(fields: Mapping[str, str], name: str) -> str | None:
    """Look up a column, or a value inside a JSON object, or a list of one: `labels.label` is `label` in `labels`.

    Raises:
        RowError: the field cannot be read as text, or the object is not one that can be used.
    """
    if name in fields or "." not in name:
        found = fields.get(name)
        return found if found is None else str(found)
    outer, _, inner = name.partition(".")
    found = parse_cell(fields.get(outer, ""))
    if isinstance(found, list) and len(found) == 1:
        (found,) = found
    return value_text(found[inner]) if isinstance(found, dict) and inner in found else None


def needed_field(fields: Mapping[str, str], name: str) -> str:
    """Look up a column, as `field_of` does, that must be there.

    Raises:
        RowError: it is missing, or cannot be read.
    """
    found = field_of(fields, name)
    if found is None:
        raise RowError(f"column {quoted(name)} is missing")
    return found


def value_text(value: Any) -> str:
    """Write a value of JSON or parquet as the text of a field; null is the empty text.

    Raises:
        RowError: the value is nested too deeply.
        UnicodeDecodeError: it is bytes that are not UTF-8.
    """
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    try:
        if isinstance(value, list | dict):
            return _container_text(value) if _holds_written(value) else _ENCODER.encode(value)
        if isinstance(value, bool | int | float):
            return _ENCODER.encode(value)
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except RecursionError:
        raise RowError("a value is nested too deeply") from None


def likely_categories(shares: Mapping[str, Any]) -> Any:
    """Return the category that is likely by the shares of all, as spaCy has them; a list where it is not one."""
    likely = [
        name for name, share in shares.items() if isinstance(share, int | float | _Written) and float(share) >= _LIKELY
    ]
    return likely[0] if len(likely) == 1 else likely


def is_encodable(text: str) -> bool:
    """Tell whether a text can be written at all: one with half a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RowError(twice(name for name, _ in pairs))
    return found


def twice(names: Iterable[str]) -> str:
    """Say as a clause that an object has a key twice."""
    return f"the key {quoted(first_repeated(list(names)))} occurs twice"


def _refuse_constant(name: str) -> NoReturn:
    raise NoJsonError(f"invalid JSON: {name} is not a JSON value")


def _holds_written(value: list[Any] | dict[str, Any]) -> bool:
    items: Iterable[Any] = value.values() if isinstance(value, dict) else value
    for item in items:
        kind = type(item)
        if kind is _Written or ((kind is list or kind is dict) and _holds_written(item)):
            return True
    return False


def _container_text(value: Any) -> str:
    """Write a list or an object as JSON, numbers as they were written."""
    if isinstance(value, _Written):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_container_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{encode_basestring(name)}: {_container_text(item)}' for name, item in value.items())}}}"
    return _ENCODER.encode(value)


DECODER = json.JSONDecoder(parse_float=_Written, parse_constant=_refuse_constant, object_pairs_hook=_unique)
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


def cell_of(value: Any) -> str:
    """Write a value as the text of a field, which keeps what is not a text as what it is."""
    text = value_text(value)
    return text if type(value) is str else JsonText(text)


# --- When a field's text is a number: one answer for headers, labels and scores -------------------

# The largest number of 32 bits, in which models compute.
LARGEST = 3.4028234663852886e38
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NO_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


def is_number(text: str) -> bool:
    """Tell whether a text is a decimal number and nothing else; "nan" and "inf" are not."""
    return _NUMBER.fullmatch(text.strip()) is not None


def is_whole(text: str) -> bool:
    """Tell whether a text is a number without a fractional part, as "3" and "3.0" are."""
    return is_number(text) and float(text).is_integer()


def is_score(text: str) -> bool:
    """Tell whether a text is a number that a model can learn: one that 32 bits can hold."""
    return is_number(text) and abs(float(text)) <= LARGEST


def is_no_finite_number(text: str) -> bool:
    """Tell whether a text is what programs write for a number that is none, or has no end: "NaN", "inf"."""
    return _NO_FINITE.fullmatch(text.strip()) is not None


def is_lost_score(text: str) -> bool:
    """Tell whether a text was meant to be a score and is none: beyond 32 bits, "NaN", "inf"; a word was not."""
    return is_no_finite_number(text) or (is_number(text) and not is_score(text))


def score_fault(text: str) -> str:
    """Say in a clause why a label is not a score."""
    if is_number(text):
        return f"the label {quoted(text)} is too large for a model to compute with ({LARGEST:.1e})"
    return f"the label {quoted(text)} is not a number, as regression needs"
