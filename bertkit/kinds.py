"""JSON from anybody: read completely or refused, and checked against the types of a record."""

from __future__ import annotations

import errno
import json
import math
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from bertkit.errors import PlaceError
from bertkit.files import is_file
from bertkit.plain import shortened, to_json, visible

T = TypeVar("T")
# Bytes of a JSON file. The largest there are, vocabularies, have 40 million.
LARGEST = 2**29
# Characters of a wrong value that a sentence shows.
_SHOWN = 40
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}


class MisfitError(ValueError):
    """What a file holds is not what it should be; the message is a clause, and names no way on."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say why a file could not be read in the body.

    Raises:
        PlaceError: the right to read it is missing.
        MisfitError: the machine refuses it otherwise.
    """
    try:
        yield
    except PermissionError as error:
        shown = visible(shortened(str(path), 300))
        raise PlaceError(f"{shown}: {os.strerror(errno.EACCES)}; ask its owner for permission to read it.") from error
    except OSError as error:
        raise MisfitError(f"cannot be read ({error.strerror or error})") from error


def read_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        PlaceError: the right to read it is missing.
        MisfitError: it is missing, no regular file, too large, no JSON, or another value.
    """
    if not is_file(path):
        raise MisfitError("is missing")
    with reading(path):
        size = path.stat().st_size
        if size > LARGEST:
            raise MisfitError(f"has {size:,} bytes, and no file of its kind has more than {LARGEST:,}")
        content = path.read_bytes()
    try:
        values = json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise MisfitError("is not readable JSON (it is nested too deeply)") from error
    except ValueError as error:
        raise MisfitError(f"is not JSON ({shortened(str(error))})") from error
    if not isinstance(values, dict):
        raise MisfitError("is not a JSON object")
    return values


def record_of(kind: type[T], values: object, name: str = "") -> T:
    """Build a record of a dataclass from JSON.

    Args:
        kind: the dataclass; its annotations are the kinds, its defaults stand for what is missing.
        values: what JSON says.
        name: what the value is called in the file; empty for the file itself.

    Raises:
        MisfitError: a value is missing, of another kind, not finite, or of a name the record
            does not have.
    """
    if not isinstance(values, Mapping):
        raise _other(name, values, "an object")
    prefix = f"{name}." if name else ""
    known = {spec.name: spec for spec in fields(kind) if spec.init}  # type: ignore[arg-type]
    unknown = next((key for key in values if key not in known), None)
    if unknown is not None:
        raise MisfitError(f"{prefix}{visible(shortened(unknown))} is a key that this bertkit does not know")
    given, hints = {}, get_type_hints(kind)
    for key, spec in known.items():
        if key in values:
            given[key] = value_of(hints[key], values[key], f"{prefix}{key}")
        elif spec.default is MISSING and spec.default_factory is MISSING:
            raise MisfitError(f"{prefix}{key} is missing")
    return kind(**given)


def value_of(kind: Any, value: Any, name: str) -> Any:
    """Return a value of JSON as the kind that an annotation states: lists as tuples, objects as records.

    Raises:
        MisfitError: it is of another kind.
    """
    origin, of = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in of:
            return None
        (first, *_) = (each for each in of if each is not type(None))
        return value_of(first, value, name)
    if origin in (tuple, list, Sequence):
        return _row(origin, of, value, name)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise _other(name, value, "an object")
        return {key: value_of(of[1], each, f"{name}.{visible(shortened(key))}") for key, each in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        return record_of(kind, value, name)
    return _plain(kind, value, name)


def _row(origin: Any, of: tuple[Any, ...], value: Any, name: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _other(name, value, "a list")
    if origin is tuple and of[-1] is not Ellipsis:
        if len(value) != len(of):
            raise _other(name, value, f"a list of {len(of)}")
        return tuple(value_of(kind, each, f"{name}[{i}]") for i, (kind, each) in enumerate(zip(of, value, strict=True)))
    if not _are_all(of[0], value):  # or else a name for each of a million would be made in vain
        value = [value_of(of[0], each, f"{name}[{i}]") for i, each in enumerate(value)]
    return tuple(value) if origin is tuple else list(value)


def _are_all(kind: Any, values: list[Any] | tuple[Any, ...]) -> bool:
    """Tell quickly whether values are all of a plain kind, as they are."""
    if kind not in (int, str, bool) or any(type(value) is not kind for value in values):
        return False
    return kind is not str or _is_text("".join(values))


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(kind: Any, value: Any, name: str) -> Any:
    if kind is float and type(value) in (int, float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        raise _other(name, value, "a finite number")
    if type(value) is not kind:
        raise _other(name, value, _WORDS.get(kind, str(kind)))
    if kind is str and not _is_text(value):
        raise MisfitError(f"{name} holds half a surrogate pair, which is not a character")
    return value


def _other(name: str, value: object, wanted: str) -> MisfitError:
    subject = name or "it"
    return MisfitError(f"{subject} is {shown(value)} and should be {wanted}")


def shown(value: object) -> str:
    """Write a value of JSON for a sentence, a long one cut."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity"
    try:
        return shortened(to_json(value), _SHOWN)
    except (ValueError, TypeError, RecursionError):  # a number of thousands of digits
        return "no value that can be shown"
