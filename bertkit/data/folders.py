"""The files of a folder: which of them hold data, and which split each is.

A name that is a split's word and nothing else (train.csv, dev.tsv.gz) says it; the names of a
release that the catalog knows do; else a word that stands apart in a name (ratings_train.txt).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bertkit.data.catalog import SPLITS, DatasetSpec
from bertkit.errors import DataError
from bertkit.files import entries, is_dir, is_file
from bertkit.plain import shell_words

# Words for a split, in file names and on the hub.
SPLIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
_SPLIT_OF_WORD = {word: split for split, words in SPLIT_WORDS.items() for word in words}
_SHOWN = 4
DATA_SUFFIXES = (
    *("csv", "tsv", "tab", "txt", "jsonl", "ndjson", "json"),
    *("parquet", "conll", "bio", "iob", "iob2", "conllu", "conllx"),
)
# train.tsv, dev.csv.gz, and the hub's train-00000-of-00002-abc.parquet
_SPLIT_FILE = re.compile(
    rf"(?P<word>{'|'.join(_SPLIT_OF_WORD)})(?P<shard>-\d+-of-\d+(-[0-9a-f]+)?)?\.({'|'.join(DATA_SUFFIXES)})(\.gz)?",
    re.IGNORECASE,
)
# ratings_train.txt, and dev-v1.json: the word stands apart.
_LIKE_SPLIT = re.compile(
    rf"(?:.*[_.-])?(?P<word>{'|'.join(_SPLIT_OF_WORD)})(?:[_.-].*)?\.({'|'.join(DATA_SUFFIXES)})(\.gz)?", re.IGNORECASE
)


def is_data_file(path: Path) -> bool:
    """Tell by its name whether a file in a folder may hold rows or texts; hidden ones do not."""
    name = path.name.lower().removesuffix(".gz")
    return not name.startswith(".") and name.rpartition(".")[2] in DATA_SUFFIXES


def name_folders(folder: Path) -> str:
    """Return the clause of an error that names the folders in one; empty where there are none."""
    below = [str(path) for path in entries(folder) if is_dir(path) and not path.name.startswith(".")]
    return (
        f"; name the folders in it: {shell_words(below[:_SHOWN])}{' …' if len(below) > _SHOWN else ''}" if below else ""
    )


def layout_files(folder: Path, spec: DatasetSpec) -> dict[str, tuple[Path, ...]]:
    """Find the files of the releases: for each split, those of the first release that has it."""
    found: dict[str, tuple[Path, ...]] = {}
    for layout in spec.layouts:
        for split, names in layout.items():
            paths = tuple(path for name in names for path in _plain_or_packed(folder / name))
            if paths:
                found.setdefault(split, paths)
    return {split: found[split] for split in SPLITS if split in found}


def _plain_or_packed(path: Path) -> list[Path]:
    """Give the file, or its .gz if only that is there."""
    return [candidate for candidate in (path, path.with_name(f"{path.name}.gz")) if is_file(candidate)][:1]


def split_files(folder: Path, *, exact: bool = True) -> dict[str, tuple[Path, ...]]:
    """Find train, validation (dev, …) and test files in any format; shards belong together.

    Args:
        folder: where.
        exact: whether the word must be all of a name; else it must stand apart in it, and in no
            more than one name of each split.

    Raises:
        DataError: two files could be the same split.
    """
    form = _SPLIT_FILE if exact else _LIKE_SPLIT
    found: dict[str, list[Path]] = {}
    sharded: set[str] = set()
    for path in entries(folder):
        match = form.fullmatch(path.name)
        if match is None or not is_file(path):
            continue
        split = _SPLIT_OF_WORD[match["word"].lower()]
        earlier = found.setdefault(split, [])
        is_shard = exact and bool(match["shard"])
        if earlier and not (is_shard and split in sharded):
            raise DataError(f"{folder}: both {earlier[0].name} and {path.name} could be {split}; name the files.")
        if is_shard:
            sharded.add(split)
        earlier.append(path)
    return {split: tuple(found[split]) for split in SPLITS if split in found}


def looked_for(spec: DatasetSpec | None) -> str:
    """List the names that were looked for, as a clause of an error."""
    releases = [name for layout in (spec.layouts if spec else ()) for names in layout.values() for name in names]
    generic = "train, validation (or dev) and test files (.tsv, .csv, .jsonl, .parquet, .txt, each also .gz)"
    return ", ".join([*releases, generic])
