"""All errors that a user can fix, as one tree.

One class per way of fixing; each carries the exit code of the command line.

    BertkitError                    3
    ├── UsageError                  2   a value the flag itself cannot take
    ├── UnknownNameError            3   a model, data set or task that no table has
    ├── DataError                   3   rows, columns, labels, encodings (file:line)
    ├── HubError                    3   the hub is unreachable or refuses
    ├── ModelError                  3   a model directory that cannot be opened
    ├── TokenizerError              3   a tokenizer that is missing or does not fit
    ├── RunError                    3   a run directory that is damaged, unfinished or newer
    ├── OutputError                 3   a place that cannot be written or is not empty
    ├── PlaceError                  3   a path that may not be looked at
    ├── DeviceError                 3   a device or precision this machine does not have
    ├── MissingPackageError         3   an optional package that is not installed
    ├── ProcessLostError            3   another process of the command that has ended
    ├── NonFiniteError              3   a loss or gradient that is no longer a number
    ├── StrictError                 4   --strict found a problem
    └── Interrupted               130   Ctrl-C or a termination signal, with work saved

A message is one sentence: what is wrong, where, and what to do. Whatever is not
in this tree is a defect of bertkit and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bertkit.plain import quoted


class BertkitError(Exception):
    """Base of all errors a user can fix; `exit_code` is what the shell sees."""

    exit_code: int = 3


class UsageError(BertkitError):
    """A value that the flag itself cannot take."""

    exit_code = 2


class UnknownNameError(BertkitError):
    """A name that no table of bertkit has."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], way_on: str) -> UnknownNameError:
        """Build the error for `name`, with the nearest known name if there is one.

        Args:
            kind: what the name should have been, in words ("model", "data set").
            name: what the user typed.
            known: the names that would have worked.
            way_on: what to do instead, as a clause ("`bertkit models` lists them").
        """
        near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
        guess = f": did you mean {near[0]!r}? " if near else "; "
        return cls(f"unknown {kind} {quoted(name)}{guess}{way_on}.")


class DataError(BertkitError):
    """Rows, columns, labels or encodings that cannot be used."""

    @classmethod
    def at(cls, path: str | Path, line: int | None, message: str) -> DataError:
        """Build the error with its place written as file:line."""
        place = str(path) if line is None else f"{path}:{line}"
        return cls(f"{place}: {message}")


class HubError(BertkitError):
    """The hub cannot be reached, or it refuses."""


class ModelError(BertkitError):
    """A model directory or checkpoint that cannot be opened."""


class TokenizerError(BertkitError):
    """A tokenizer that is missing or does not fit."""


class RunError(BertkitError):
    """A run directory that is damaged, unfinished, or written by a newer bertkit."""


class OutputError(BertkitError):
    """A place that cannot be written, or that is not empty."""


class PlaceError(BertkitError):
    """A path that may not be looked at: a right is missing on the way to it."""


class DeviceError(BertkitError):
    """A device or a precision that this machine does not have."""


class MissingPackageError(BertkitError):
    """An optional package that what was asked for needs, and that is not installed."""


class ProcessLostError(BertkitError):
    """Another process of the command has ended, or cannot be reached."""


class NonFiniteError(BertkitError):
    """A loss or gradient that is no longer a number."""


class StrictError(BertkitError):
    """--strict found a problem."""

    exit_code = 4


class Interrupted(BertkitError):  # noqa: N818 - it is an end, not a fault
    """Ctrl-C or a termination signal; what was done is saved."""

    exit_code = 130


# --- Names: of data sets and models as users spell them, and lists in which none may stand twice --


def is_spelling(typed: str, name: str) -> bool:
    """Tell whether somebody who typed this means that name: klue_ner and KLUE-NER are klue-ner."""
    return _folded(typed) == _folded(name)


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def first_repeated(names: Sequence[str]) -> str | None:
    """Return the first name that occurs twice, or None."""
    if len(set(names)) == len(names):
        return None
    counts = Counter(names)
    return next(name for name in names if counts[name] > 1)
