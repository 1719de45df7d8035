"""Files that commands write: never half-written, never replaced unasked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bertkit.errors import OutputError


def refuse_existing(path: Path | None, flag: str, *, force: bool) -> None:
    """Refuse to replace a file.

    Raises:
        OutputError: the file is there, and --force is not given.
    """
    if path is not None and path.is_file() and not force:
        raise OutputError(f"{flag} {path}: exists; add --force to replace it.")


@contextmanager
def writing(path: Path, flag: str) -> Iterator[TextIO]:
    """Open a file that gets its name only when all is written.

    A device or a named pipe (/dev/stdout) is written to as it is: a rename would put a
    file in its place.

    Raises:
        OutputError: it cannot be written; the message names `flag`.
    """
    special = path.exists() and not path.is_file() and not path.is_dir()
    beside = path if special else path.with_name(f".{path.name}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        if not special:
            beside.replace(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{flag} {path}: cannot be written ({error.strerror}); choose another file.") from error
    finally:
        if not special:
            beside.unlink(missing_ok=True)
