"""Inputs of a cluster: files of a disk that all machines see, or of an object store, by Arrow's file systems.

What Arrow has no file system for, fsspec may have (http, az, webdav, …), as Ray reads it.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from bertkit.data.folders import is_data_file
from bertkit.data.formats.opened import GZIP_MAGIC, HEAD_BYTES, Opened, open_bytes, open_input
from bertkit.data.sources import input_files
from bertkit.errors import DataError, UsageError
from bertkit.plain import brief

# What may stand in an address as it is; a blank or a letter of Korean is written as bytes of its own (%20).
_IN_ADDRESSES = ":/?#[]@!$&'()*+,;=%~"
# What would mean something else in an address than in the name of a file.
_NOT_IN_NAMES = re.compile("[%?#]")
_KEY = re.compile(r"(?<=://)[^/@:]*:[^/@]*@")
# What the end of a name in an object store says; a file of a disk is told by what is in it, too.
_KINDS = {".parquet": "parquet", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def is_address(name: str) -> bool:
    """Tell whether a name is one of an object store (s3://…, gs://…, hdfs://…, file://…)."""
    return "://" in name


def all_files(names: Sequence[str]) -> dict[str, str]:
    """Return the files that names stand for, each with where it is.

    That is a whole path, for another machine's folder is another one, or an address with its key.

    Raises:
        UsageError: standard input is among them, or one is named twice.
        DataError: a file is missing, or a folder holds none.
    """
    if "-" in names:
        raise UsageError("--ray: needs files that every machine can read, and standard input is none; name them.")
    files: list[str] = []
    for name in names:
        if is_address(name):
            files += _stored_files(name)
        else:
            files += input_files([name])
    if len(set(map(without_key, files))) < len(files):
        raise UsageError("--ray: a file is named twice, and its rows would be answered twice; name each once.")
    return {without_key(file): file if is_address(file) else str(Path(file).resolve()) for file in files}


def file_system(name: str) -> tuple[Any, str]:
    """Return Arrow's file system for an address, and the path in it.

    Raises:
        DataError: there is none for it.
    """
    from pyarrow import fs

    spelt = quote(name, safe=_IN_ADDRESSES)
    try:
        found, path = fs.FileSystem.from_uri(spelt)
    except (OSError, ValueError) as error:
        if "Unrecognized" not in str(error):
            raise DataError(f"{shown(name)}: no file system is known for this address ({_reason(error)}).") from error
        return _by_fsspec(name)
    return found, path


def _by_fsspec(name: str) -> tuple[Any, str]:
    import fsspec
    from pyarrow import fs

    try:
        found, path = fsspec.core.url_to_fs(name)
    except (ImportError, OSError, ValueError) as error:
        raise DataError(f"{shown(name)}: no file system is known for this address ({_reason(error)}).") from error
    return fs.PyFileSystem(fs.FSSpecHandler(found)), path


def without_key(name: str) -> str:
    """Return an address as it is said and stored: without a key and its secret before an @.

    >>> without_key("s3://KEY:SECRET@bucket/rows.jsonl")
    's3://bucket/rows.jsonl'
    """
    return _KEY.sub("", name)


def shown(name: str) -> str:
    """Return a name as an error says it."""
    return brief(without_key(name), 300)


def _reason(error: Exception) -> str:
    return brief(without_key(str(error)), 200)


def open_stored(name: str) -> Any:
    """Open a file to be sought in.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    if not is_address(name):
        return Path(name).open("rb")
    system, path = file_system(name)
    try:
        return system.open_input_file(path)
    except OSError as error:
        raise DataError(f"{shown(name)}: cannot be read ({_reason(error)}).") from error


def opened_at(name: str) -> Opened:
    """Look at the beginning of a file, as `open_input` does.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    if not is_address(name):
        return open_input(name)
    stream = stream_of(name)
    head = stream.read(HEAD_BYTES)
    stream.close()
    return Opened(name, head, len(head) < HEAD_BYTES, stream_of(name))


def stream_of(name: str) -> BinaryIO:
    """Open all bytes of a file, unpacked.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    if not is_address(name):
        return open_bytes(Path(name))
    raw = io.BufferedReader(open_stored(name), HEAD_BYTES)
    if raw.peek(2)[:2] == GZIP_MAGIC:
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    return cast("BinaryIO", raw)


def kind_of(name: str, input_format: str) -> str:
    """Return what an input is said to be: of a stored file its name says it, too."""
    if input_format != "auto" or not is_address(name):
        return input_format
    path = name.partition("?")[0]
    return _KINDS.get(Path(path.removesuffix(".gz")).suffix.lower(), "auto")


def _stored_files(name: str) -> list[str]:
    from pyarrow import fs

    system, path = file_system(name)
    try:
        found = system.get_file_info(path)
        inside = system.get_file_info(fs.FileSelector(path)) if found.type == fs.FileType.Directory else []
    except OSError as error:
        raise DataError(f"{shown(name)}: cannot be looked into ({_reason(error)}).") from error
    if found.type == fs.FileType.NotFound:
        raise DataError(f"{shown(name)}: no such file.")
    if found.type != fs.FileType.Directory:
        return [name]
    files = sorted(file.base_name for file in inside if file.is_file and is_data_file(Path(file.base_name)))
    if not files:
        raise DataError(f"{shown(name)}: there is no file in it that can be read (.csv, .tsv, .jsonl, .parquet, …).")
    # what an address says beside the path (a key, a host, options after ?) is of its files, too
    folder, mark, options = name.partition("?")
    return [f"{folder.rstrip('/')}/{_NOT_IN_NAMES.sub(_in_bytes, file)}{mark}{options}" for file in files]


def _in_bytes(found: re.Match[str]) -> str:
    return quote(found[0], safe="")
