"""The one place that writes files: completely or not at all, durable, readable by colleagues.

A file gets its name by a rename when all of it is written and has reached the disk, so that
neither a crash nor a power cut leaves half of one. What Python, safetensors, tokenizers and
TensorBoard raise where a disk is full, a place read-only or a name too long is turned into
one sentence. Looking for a file never raises for a name that no file can have.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from bertkit.errors import BertkitError, OutputError, PlaceError
from bertkit.plain import shortened, to_json, visible

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

# What names of packed files end in.
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
# What nobody's code is to blame for: the machine has no room, no right, no such name.
MACHINE_ERRORS = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EIO,
    errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST, errno.EBADF,
    errno.ENXIO, errno.ENODEV, errno.ETXTBSY, errno.EBUSY, errno.EXDEV, errno.ENOTEMPTY, errno.ELOOP, errno.ENOMEM,
})  # fmt: skip
# How libraries written in Rust (safetensors, tokenizers) name the error they met.
_RUST_ERROR = re.compile(r"\(os error (\d+)\)")
# How torch says that memory has run out: as a RuntimeError.
_NO_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate memory|failed to allocate", re.IGNORECASE)
_LONGEST_NAME = 255
_STDOUT = 1


def machine_error(error: BaseException) -> str | None:
    """Say in words what the operating system refused, or None if that is not what happened.

    >>> machine_error(OSError(errno.ENOSPC, "No space left on device"))
    'No space left on device'
    """
    if isinstance(error, OSError):
        if error.errno is None:  # some libraries raise one with a sentence alone
            inner = error.__cause__ or error.__context__
            return machine_error(inner) if inner is not None else None
        return os.strerror(error.errno) if error.errno in MACHINE_ERRORS else None
    if isinstance(error, ValueError) and "null byte" in str(error):
        return "a name cannot contain a NUL byte"
    # safetensors raises a class of its own, tokenizers a bare Exception
    found = _RUST_ERROR.search(str(error))
    if found is not None and int(found[1]) in MACHINE_ERRORS:
        return os.strerror(int(found[1]))
    return None


def refusal(error: BaseException) -> str | None:
    """Say in one sentence what the machine has refused, and where if that is known; None for a defect.

    >>> refusal(OSError(errno.EMFILE, "Too many open files", "rows.csv"))
    'rows.csv: Too many open files.'
    """
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))):
        return (
            "there is not enough memory for this; end other programs, or ask for less (as by a smaller --batch-size)."
        )
    reason = machine_error(error)
    if reason is None:
        return None
    place = error.filename if isinstance(error, OSError) else None
    if not isinstance(place, str | bytes | os.PathLike):
        said = error.strerror if isinstance(error, OSError) else None
        return f"the operating system reported an error ({said or reason})."
    return f"{_named(Path(os.fsdecode(place)), '')}: {reason}."


@contextmanager
def write_errors(place: Path, what: str = "", *, way_on: str = "check disk space and permissions") -> Iterator[None]:
    """Turn whatever refuses a write into one `OutputError`.

    Args:
        place: the file or folder that is written.
        what: the flag that named it, if one did.
        way_on: what the user can do, as a clause.

    Raises:
        OutputError: the operating system refused, through whichever library.
    """
    try:
        yield
    except (BrokenPipeError, BertkitError):
        raise
    except Exception as error:  # libraries written in Rust raise classes of their own, or none
        refused = machine_error(error)
        if refused is None and not isinstance(error, OSError):
            raise
        reason = refused or str(error)
        raise OutputError(f"{_named(place, what)}: cannot be written ({reason}); {way_on}.") from error


def _named(place: Path, what: str) -> str:
    shown = visible(shortened(str(place), 300))
    return f"{what} {shown}" if what else shown


def is_file(path: Path) -> bool:
    """Tell whether a file is there; False for a name that no file can have.

    Raises:
        PlaceError: a folder on the way may not be looked into.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_dir(path: Path) -> bool:
    """Tell whether a folder is there; False for a name that no folder can have.

    Raises:
        PlaceError: a folder on the way may not be looked into.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def without_packing(name: str) -> str:
    """Return a name of a file without the suffix that says how it is packed."""
    return next((name[: -len(suffix)] for suffix in PACKED_SUFFIXES if name.lower().endswith(suffix)), name)


def exists(path: Path) -> bool:
    """Tell whether anything is there; False for a name that nothing can have.

    Raises:
        PlaceError: a folder on the way may not be looked into.
    """
    return _mode(path) is not None


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except PermissionError as error:
        raise not_allowed(path) from error
    except (OSError, ValueError):  # a name with a NUL byte, or one that is too long
        return None


def entries(folder: Path) -> list[Path]:
    """List what is in a folder, in the order of names.

    Raises:
        PlaceError: it may not be looked into, or is none.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise PlaceError(f"{_named(folder, '')}: cannot be looked into ({error.strerror}).") from error


def not_allowed(path: Path) -> PlaceError:
    """Build the error for a file or folder that this user may not read."""
    return PlaceError(f"{_named(path, '')}: {os.strerror(errno.EACCES)}; ask its owner for permission to read it.")


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        PlaceError: this user may not read it.
        OSError: it cannot be read for another reason.
    """
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise not_allowed(path) from error


def temporary(path: Path) -> Path:
    """Return the name that a file or folder has while it is written, beside its place."""
    return hidden_beside(path, "tmp")


def hidden_beside(path: Path, ending: str) -> Path:
    """Return a hidden name beside a path, `.name.ending`; a name that would be too long is hashed."""
    name = f".{path.name}.{ending}"
    if len(_encoded(name)) > _LONGEST_NAME:
        import hashlib

        name = f".{hashlib.blake2b(_encoded(path.name), digest_size=12).hexdigest()}.{ending}"
    return path.parent / name


def _encoded(name: str) -> bytes:
    """Return a name's bytes, also of one that no file can have."""
    return name.encode("utf-8", "surrogatepass")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems have no fsync for folders; a full disk must still be heard.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until the files in a folder, and their names in it, have reached the disk."""
    for path in sorted(folder.iterdir()):
        sync(path)
    sync(folder)


def put_in_place(beside: Path, path: Path) -> None:
    """Give a finished file or folder its name, in a way that a power cut does not undo."""
    sync(beside)
    beside.replace(path)
    sync(path.parent)


@contextmanager
def replacing(path: Path, *, lasting: bool = True, keep_interrupted: bool = False) -> Iterator[Path]:
    """Give the place to write a file to; it gets its name at the end, and is gone if that is not reached.

    Whatever made the file, it is as readable as the user's other files.

    Args:
        path: the file.
        lasting: whether to wait until it is on the disk; False where `sync_tree` will.
        keep_interrupted: whether it stays beside its place where Ctrl-C ends the body.
    """
    beside = temporary(path)
    try:
        yield beside
        beside.chmod(0o666 & ~_umask())
        if lasting:
            put_in_place(beside, path)
        else:
            beside.replace(path)
    except BaseException as error:
        if not (keep_interrupted and isinstance(error, KeyboardInterrupt)):
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Read the mask without changing it where the system says it, for other threads write too."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_bytes(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file, whole or not at all; `lasting` as in `replacing`."""
    with replacing(path, lasting=lasting) as beside:
        beside.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a text in UTF-8, whole or not at all; halves of surrogate pairs become question marks."""
    write_bytes(path, content.encode("utf-8", errors="replace"))


def write_json(path: Path, values: Any, *, indent: int | None = 2, lasting: bool = True) -> None:
    """Write JSON, whole or not at all; `lasting` as in `replacing`."""
    write_bytes(path, (to_json(values, indent=indent) + "\n").encode(), lasting=lasting)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, lasting: bool = True) -> None:
    """Write tensors of torch as safetensors, whole or not at all; `lasting` as in `replacing`."""
    from safetensors.torch import save_file

    with replacing(path, lasting=lasting) as beside:
        # One metadata key: with more, the order in the file changes from process to process.
        save_file(dict(tensors), beside, metadata={"format": "pt"})


def save_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays of numpy as safetensors, whole or not at all."""
    from safetensors.numpy import save

    write_bytes(path, save(dict(arrays)))


def is_standard_output(found: os.stat_result) -> bool:
    """Tell whether a file is the one that standard output goes to: whoever reads it reads what is written, for ever."""
    try:
        return stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.fstat(_STDOUT))
    except OSError:  # it is closed
        return False


def _behind_link(path: Path) -> Path:
    """Return what a link points to, be it there or not; any other path as it is."""
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


@contextmanager
def writing(path: Path, flag: str, *, keep_interrupted: bool = False) -> Iterator[TextIO]:
    """Open a text file that gets its name only when all is written.

    Args:
        path: the file.
        flag: the option that named it.
        keep_interrupted: whether what is written by then stays beside it where Ctrl-C ends the
            body, to be gone on with (`writing_on`).

    A device, a named pipe or standard output (/dev/stdout) is written to as it is: a rename
    would put a file in its place. Where the name is a link, what it points to is written.

    Raises:
        OutputError: it cannot be written; the message names `flag`.
    """
    with write_errors(path, flag, way_on="choose another file"):
        path = _behind_link(path)
        is_standard = is_file(path) and is_standard_output(path.stat())
        if is_standard or (exists(path) and not is_file(path) and not is_dir(path)):
            place = os.dup(_STDOUT) if is_standard else path  # opened by its name, the file would be emptied
            with open(place, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:  # noqa: PTH123
                yield stream
            return
        with (
            replacing(path, keep_interrupted=keep_interrupted) as beside,
            beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
        ):
            yield stream


@contextmanager
def writing_on(path: Path, flag: str, source: Path, size: int) -> Iterator[TextIO]:
    """Open a text file at its end, to continue it; it gets its name when all is written.

    Where the body ends before, what is written stays beside its place; a copy that nothing was
    added to does not.

    Args:
        path: the file.
        flag: the option that named it.
        source: what is there of it: its own place, or that beside it.
        size: how many bytes of that are kept.

    Raises:
        OutputError: it cannot be written; the message names `flag`.
    """
    with write_errors(path, flag, way_on="choose another file"):
        path = _behind_link(path)
        beside = temporary(path)
        if source != beside:
            with source.open("rb") as old, replacing(beside, lasting=False) as copied, copied.open("wb") as new:
                shutil.copyfileobj(old, new)
        os.truncate(beside, size)
        try:
            with beside.open("a", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                yield stream
        except BaseException:
            if source != beside and beside.stat().st_size == size:
                beside.unlink()
            raise
        put_in_place(beside, path)
