"""Folders of texts whose names are classes: pos/1.txt, neg/2.txt, and train/pos/1.txt, test/neg/2.txt.

Each file is one text. Folders are read so only where nothing else is possible: two or more of
them hold texts and nothing below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bertkit.data.formats.lines import BOM, decoding_fault, sniff_encoding
from bertkit.data.formats.opened import open_bytes
from bertkit.data.records import BadRow, Row
from bertkit.files import entries, is_dir, is_file

_FIRST_BYTES = 64
# Folders of texts that nobody has labelled.
_UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled", "unsupervised"})


def class_files(folder: Path, split: str, words: Mapping[str, Sequence[str]]) -> dict[str, tuple[Path, ...]]:
    """Find the texts of class folders by split, those of a class together; empty where there are none.

    Args:
        folder: holds a folder for each class, or one for each split with those in it.
        split: what the texts are where no folder says it.
        words: for each split, what its folder may be called, alone or apart from what stands before it.
    """
    of_word = {word: name for name, own in words.items() for word in own}
    form = re.compile(rf"(?:.*[_.-])?(?P<word>{'|'.join(of_word)})(?:ing)?", re.IGNORECASE)
    below = _folders(folder)
    by_split: dict[str, list[Path]] = {}
    for path in below:
        match = form.fullmatch(path.name)
        if match is not None and len(_classes(path)) > 1:
            by_split.setdefault(of_word[match["word"].lower()], []).append(path)
    if by_split and all(len(paths) == 1 for paths in by_split.values()):
        return {name: _texts(_classes(by_split[name][0])) for name in words if name in by_split}
    found = {} if any(form.fullmatch(path.name) for path in below) else _classes(folder)
    return {split: _texts(found)} if len(found) > 1 else {}


class TextFile(str):
    """The name of a file that is one text, and whose folder is its class."""

    __slots__ = ()


def class_texts(folder: Path, words: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of all texts of class folders, whatever split they are of; the arguments are `class_files`'."""
    return [TextFile(path) for paths in class_files(folder, "", words).values() for path in paths]


def are_tables(paths: Sequence[Path]) -> bool:
    """Tell whether what folders hold is JSON, as RACE's questions are: then they are no classes of texts."""
    with open_bytes(paths[0]) as stream:
        return stream.read(_FIRST_BYTES).removeprefix(BOM).lstrip()[:1] == b"{"


def unlabelled(folder: Path) -> list[Path]:
    """Return the folders of texts without a class, which are not read."""
    return [path for one in (folder, *_folders(folder)) for path in _folders(one) if path.name.lower() in _UNLABELLED]


def text_reader(path: Path) -> Callable[[], Iterator[Row | BadRow]]:
    """Return what reads a file as one row: its text, and as its label the name of its folder."""
    return lambda: _row(path)


def _row(path: Path) -> Iterator[Row | BadRow]:
    with open_bytes(path) as stream:
        raw = stream.read()
    encoding = sniff_encoding(raw)
    try:
        text = raw.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        yield BadRow(1, decoding_fault(raw, error, encoding))
        return
    yield Row(1, {"text": text.strip("\r\n"), "label": path.parent.name})


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in entries(folder) if is_dir(path) and not path.name.startswith((".", "_")))


def _classes(folder: Path) -> Mapping[Path, Sequence[Path]]:
    """Return the folders that hold texts and no folders, each with its texts; empty where another one is there."""
    found: dict[Path, Sequence[Path]] = {}
    for path in _folders(folder):
        if path.name.lower() in _UNLABELLED:
            continue
        inside = [one for one in entries(path) if not one.name.startswith(".")]
        texts = [one for one in inside if one.suffix.lower() in (".txt", ".text", "") and is_file(one)]
        if not texts or len(texts) < len(inside):
            return {}
        found[path] = sorted(texts)
    return found


def _texts(classes: Mapping[Path, Sequence[Path]]) -> tuple[Path, ...]:
    return tuple(path for paths in classes.values() for path in paths)
