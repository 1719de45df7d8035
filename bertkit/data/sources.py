"""What DATA on the command line means: a catalog name, a sample, files, a folder (also one of classes), the hub."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unicodedata import normalize

from bertkit.data.catalog import DATASETS, SPLITS, DatasetSpec
from bertkit.data.formats.lines import BOM, decoding_fault, sniff_encoding
from bertkit.data.formats.opened import ANNOTATIONS, is_annotated, open_bytes
from bertkit.data.records import CLASSES, READINGS, RELATIONS, BadRow, Row
from bertkit.errors import DataError, UnknownNameError, UsageError, is_spelling
from bertkit.files import PACKED_SUFFIXES, entries, exists, is_dir, is_file, without_packing
from bertkit.plain import STDIN_NAME, as_typed, listed, quoted, shell_words

# --- The files of a folder: which of them hold data, and which split each is ----------------------
#
# A name that is a split's word and nothing else (train.csv, dev.tsv.gz) says it; the names of a
# release that the catalog knows do; else a word that stands apart in a name (ratings_train.txt).

# Words for a split, in file names and on the hub.
SPLIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "학습", "훈련"),
    "validation": ("validation", "valid", "val", "dev", "검증"),
    "test": ("test", "testing", "평가", "테스트", "시험"),
}
_SPLIT_OF_WORD = {word: split for split, words in SPLIT_WORDS.items() for word in words}
_SHOWN = 4
_LABEL_WORDS = ("labels", "label", "targets", "target", "y", "레이블", "라벨", "정답")
DATA_SUFFIXES = (
    *("csv", "tsv", "tab", "txt", "jsonl", "ndjson", "json", "xml"),
    *("parquet", "arrow", "feather", "conll", "bio", "iob", "iob2", "conllu", "conllx"),
)
_PACKED = rf"(?:{'|'.join(map(re.escape, PACKED_SUFFIXES))})?"
# train.tsv, dev.csv.gz, the hub's train-00000-of-00002-abc.parquet, and train_1.csv beside train_2.csv
_SPLIT_FILE = re.compile(
    rf"(?P<word>{'|'.join(_SPLIT_OF_WORD)})(?P<shard>-\d+-of-\d+(-[0-9a-f]+)?|[-_ ]?(?:part)?[-_]?\d{{1,3}})?"
    rf"\.({'|'.join(DATA_SUFFIXES)}){_PACKED}",
    re.IGNORECASE,
)
# ratings_train.txt, and dev-v1.json: the word stands apart.
_LIKE_SPLIT = re.compile(
    rf"(?:.*[_.-])?(?P<word>{'|'.join(_SPLIT_OF_WORD)})(?:[_.-].*)?\.({'|'.join(DATA_SUFFIXES)}){_PACKED}",
    re.IGNORECASE,
)
_SAVED, _OF_SAVED = re.compile(r"(?:data-\d+-of-\d+|dataset)\.arrow"), "dataset_dict.json"


def is_data_file(path: Path) -> bool:
    """Tell by its name whether a file in a folder may hold rows or texts; hidden ones do not."""
    name = without_packing(path.name.lower())
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
    """Give the file, or what it is packed in if only that is there."""
    packed = (path.with_name(f"{path.name}{suffix}") for suffix in PACKED_SUFFIXES)
    return [candidate for candidate in (path, *packed) if is_file(candidate)][:1]


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
            labels, texts = sorted((earlier[0].name, path.name), key=lambda name: "label" not in name.lower())
            if "label" in labels.lower():
                raise DataError(
                    f"{folder}: texts and labels are in two files, {texts} and {labels}; join them line by line: "
                    f"paste {texts} {labels} > {split}.tsv."
                )
            raise DataError(f"{folder}: both {earlier[0].name} and {path.name} could be {split}; name the files.")
        if is_shard:
            sharded.add(split)
        earlier.append(path)
    return {split: tuple(found[split]) for split in SPLITS if split in found}


def labels_beside(table: Path) -> Path | None:
    """Find the table beside one without labels that is called as it is and after its labels."""
    if not is_file(table) or table.suffix.lower() not in (".csv", ".tsv"):
        return None
    suffix, stem = table.suffix.lower(), without_packing(table.name).partition(".")[0].lower()
    of_labels = {*(f"{stem}{joint}{word}" for joint in "_-. " for word in _LABEL_WORDS), *_LABEL_WORDS}
    of_labels |= {f"{word}_{stem}" for word in _LABEL_WORDS} | {
        stem.replace("_text", "").replace("_data", "") + "_labels"
    }
    others = (path for path in entries(table.parent) if path.suffix.lower() == suffix and path.name != table.name)
    return next((path for path in others if path.stem.lower() in of_labels and is_file(path)), None)


def saved_files(folder: Path, split: str) -> dict[str, tuple[Path, ...]]:
    """Find the files of `save_to_disk` of the datasets library by split; what it saved without one is `split`."""
    below = {_SPLIT_OF_WORD[path.name]: path for path in entries(folder) if path.name in _SPLIT_OF_WORD}
    folders = below if is_file(folder / _OF_SAVED) else {split: folder}
    found = {
        name: tuple(sorted(path for path in entries(one) if _SAVED.fullmatch(path.name)))
        for name, one in folders.items()
    }
    return {name: found[name] for name in SPLITS if found.get(name)}


def looked_for(spec: DatasetSpec | None) -> str:
    """List the names that were looked for, as a clause of an error."""
    releases = [name for layout in (spec.layouts if spec else ()) for names in layout.values() for name in names]
    generic = "train, validation (or dev) and test files (.tsv, .csv, .jsonl, .parquet, .txt, each also .gz)"
    return ", ".join([*releases, generic])


# --- Folders of texts whose names are classes: pos/1.txt, neg/2.txt, and train/pos/1.txt, test/neg/2.txt
#
# Each file is one text. Folders are read so only where nothing else is possible: two or more of
# them hold texts and nothing below.

_FIRST_BYTES = 64
# What a folder of a split may be called, alone or apart from what stands before it.
_SPLIT_FOLDER = re.compile(
    rf"(?P<before>.*[_. -])?(?P<word>{'|'.join(_SPLIT_OF_WORD)})(?:ing)?(?P<number>_\d.*)?", re.IGNORECASE
)
# Folders of texts that nobody has labelled.
_UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled", "unsupervised"})
# Folders of AI Hub whose files have labels: 라벨링데이터, [라벨]…, TL1 and VL1; and those of their sources.
_OF_LABELS = re.compile(r"(?:\d+[._ -]*|\[)?라벨|[TV]L(?:[\d_.-].*)?$", re.IGNORECASE)
_OF_SOURCES = re.compile(r"(?:\d+[._ -]*|\[)?원천|[TV]S(?:[\d_.-].*)?$", re.IGNORECASE)


def class_files(folder: Path, split: str) -> dict[str, tuple[Path, ...]]:
    """Find the texts of class folders by split, those of a class together; empty where there are none.

    Args:
        folder: holds a folder for each class, or one for each split with those in it.
        split: what the texts are where no folder says it.
    """
    of_splits = _split_folders(folder)
    by_split = {name: [path for path in paths if len(_classes(path)) > 1] for name, paths in of_splits.items()}
    by_split = {name: paths for name, paths in by_split.items() if paths}
    if by_split and all(len(paths) == 1 for paths in by_split.values()):
        return {name: _texts(_classes(by_split[name][0])) for name in SPLITS if name in by_split}
    found = {} if _are_of_splits(folder, of_splits) else _classes(folder)
    return {split: _texts(found)} if len(found) > 1 else {}


def _are_of_splits(folder: Path, of_splits: Mapping[str, Sequence[Path]]) -> bool:
    """Tell folders of splits from classes: beside others `blood test`, `test_2` and TL may be names of such."""
    found = {path for paths in of_splits.values() for path in paths}
    others = [path for path in _folders(folder) if path not in found and not _is_called(path, _OF_SOURCES)]
    names = [match for path in found if (match := _SPLIT_FOLDER.fullmatch(normalize("NFC", path.name)))]
    are_sure = any(not match["number"] and not (match["before"] or "").endswith(" ") for match in names)
    return bool(found) and (are_sure or not others)


def tables_below(folder: Path, split: str, deep: int = 3) -> dict[str, tuple[Path, ...]]:
    """Find the tables in the folders of splits, at most so deep; beside folders of labels others hold bare texts.

    Where a folder holds tables of its own none are looked for further below.
    """
    below = _folders(folder)
    of_splits = _split_folders(folder) or ({split: [folder]} if any(map(_is_of_labels, below)) else {})
    found = {name: tuple(file for path in paths for file in _tables(path)) for name, paths in of_splits.items()}
    if any(found.values()) or not deep or any(path.suffix != ".txt" for path in _files_in(folder)):
        return {name: found[name] for name in (*SPLITS, "") if found.get(name)}
    inner = [tables for path in below if (tables := tables_below(path, split, deep - 1))]
    return inner[0] if len(inner) == 1 else {}


def _split_folders(folder: Path) -> dict[str, list[Path]]:
    """Return the folders whose names say a split: train, 20news-bydate-test, 1.Training, TL1 beside VL1."""
    found: dict[str, list[Path]] = {}
    below = _folders(folder)
    are_labels = {path.name[:2].upper() for path in below if _is_of_labels(path)} >= {"TL", "VL"}
    for path in below:
        if (name := _split_of(path)) is not None:
            found.setdefault(name, []).append(path)
        elif are_labels and _is_of_labels(path):
            found.setdefault("train" if path.name[:1].upper() == "T" else "validation", []).append(path)
    return {name: [path for path in paths if not _is_other(path)] or paths for name, paths in found.items()}


def _split_of(folder: Path) -> str | None:
    match = _SPLIT_FOLDER.fullmatch(normalize("NFC", folder.name))
    return None if match is None else _SPLIT_OF_WORD[match["word"].lower()]


def _is_other(folder: Path) -> bool:
    """Tell a folder with a word before that of its split, which counts where no folder has none: old_train."""
    match = _SPLIT_FOLDER.fullmatch(normalize("NFC", folder.name))
    return match is not None and any(map(str.isalpha, match["before"] or ""))


def _tables(folder: Path) -> list[Path]:
    below = [path for path in _folders(folder) if not path.is_symlink()]
    inner = [file for path in list(filter(_is_of_labels, below)) or below for file in _tables(path)]
    return [*_files_in(folder), *inner]


def _files_in(folder: Path) -> list[Path]:
    files = [file for file in entries(folder) if is_file(file) and is_data_file(file)]
    saved = [file for file in files if _SAVED.fullmatch(file.name)]  # what is beside them tells of them
    return [file for file in saved or files if file.name != _OF_SAVED]


def _is_of_labels(folder: Path) -> bool:
    return _is_called(folder, _OF_LABELS)


def _is_called(folder: Path, form: re.Pattern[str]) -> bool:
    return form.match(normalize("NFC", folder.name)) is not None


def annotated_files(folder: Path, split: str, deep: int = 3) -> tuple[dict[str, list[Path]], int]:
    """Find the texts with brat's annotations in a folder and below it, at most so deep, by split; count those without.

    The arguments are those of `class_files`.
    """
    inside = entries(folder)
    annotations = {path.stem for path in inside if path.suffix == ANNOTATIONS}
    texts = sorted(path for path in inside if path.suffix == ".txt")
    found = {split: [path for path in texts if path.stem in annotations]}
    bare = len(texts) - len(found[split])
    for path in _folders(folder) if deep else ():
        if path.is_symlink():  # it may lead back
            continue
        below, more = annotated_files(path, _split_of(path) or split, deep - 1)
        for name, paths in below.items():
            found.setdefault(name, []).extend(paths)
        bare += more if any(below.values()) else 0
    return {name: found[name] for name in SPLITS if found.get(name)}, bare


class TextFile(str):
    """The name of a file that is one text, and whose folder is its class."""

    __slots__ = ()


def class_texts(folder: Path) -> list[str]:
    """Return the names of all texts of class folders, whatever split they are of."""
    return [TextFile(path) for paths in class_files(folder, "").values() for path in paths]


def are_tables(paths: Sequence[Path]) -> bool:
    """Tell whether what folders hold is JSON, as RACE's questions are: then they are not classes of texts."""
    with open_bytes(paths[0]) as stream:
        return stream.read(_FIRST_BYTES).removeprefix(BOM).lstrip()[:1] == b"{"


def _unlabelled(top: Path, files: Mapping[str, Sequence[Path]]) -> str:
    """Name the first folder of texts without a label beside those of the files that are read; empty without one."""
    found: list[Path] = []
    read = {one for paths in files.values() for path in paths for one in path.parents}
    for folder in sorted(read):
        beside = _folders(folder) if folder.is_relative_to(top) else []
        are_marked = any(map(_is_of_labels, beside))
        left = (path for path in beside if path not in read)
        found += [p for p in left if p.name.lower() in _UNLABELLED or (are_marked and not _is_of_labels(p))]
    return f"left out: {found[0]}, whose texts have no label" if found else ""


def _beside(top: Path, files: Mapping[str, Sequence[Path]]) -> str:
    """Name the first folder with files of data beside those of splits that are read; empty without one."""
    read = {one for paths in files.values() for path in paths for one in path.parents}
    beside = [path for one in sorted(read) if one.is_relative_to(top) and _split_folders(one) for path in _folders(one)]
    found = next((path for path in beside if path not in read and _tables(path)), None)
    return "" if found is None else f"left out: {found}, which lies beside the folders of splits"


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


# --- What DATA on the command line means: a catalog name, a sample, files, a directory, the hub ---
#
# Only names and paths are looked at here; no file is opened and no request is made.

SAMPLES = Path(__file__).parent / "samples"
DATA_ROOT_VARIABLE = "BERTKIT_DATA"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a data set will be read from: files by split, or an id (and config) on the hub.

    `are_texts` tells that each file is one text, of the class that its folder is called; `note` says what of a
    folder is not read.
    """

    name: str
    spec: DatasetSpec | None = None
    files: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    hub_id: str | None = None
    hub_config: str | None = None
    is_sample: bool = False
    are_texts: bool = False
    note: str = ""


def find_source(names: Sequence[str], *, data_dir: Path | None = None, as_split: str | None = None) -> Source:
    """Resolve DATA to files or to a hub id.

    Args:
        names: the words of DATA; several must all be files.
        data_dir: where the files of a catalog name lie (and relative paths, if they do).
        as_split: the split that bare files are; train if not given.

    Raises:
        UsageError: nothing is named, or names are mixed that cannot be.
        UnknownNameError: a bare word that is neither in the catalog nor a path.
        DataError: a file or directory is missing, or holds nothing that fits.
    """
    if not names:
        raise UsageError("DATA is missing; name a data set, a sample or a file.")
    if "" in names:
        raise UsageError("DATA is empty: name a data set, a file or a directory.")
    if data_dir is not None and not is_dir(data_dir):
        raise DataError(f"{data_dir}: no such directory (--data-dir).")
    if len(names) == 1:
        special = _special_source(names[0], data_dir)
        if special is not None:
            return special
    paths = [_find_path(name, data_dir) for name in names]
    if len(paths) == 1 and is_dir(paths[0]):
        return _directory_source(paths[0], as_split or "train")
    folder = next((path for path in paths if is_dir(path)), None)
    if folder is not None:
        raise UsageError(f"DATA: {folder} is a directory; if you name several, all must be files.")
    return Source(
        name=bare_stem(paths[0]),
        spec=_spec_of_files(paths),
        files={as_split or "train": tuple(paths)},
    )


def files_of(names: Sequence[str], data_dir: Path | None) -> list[Path]:
    """List the local files that DATA means; none of what lies on the hub, or is not there.

    Raises:
        PlaceError: a folder on the way may not be looked into.
    """
    try:
        source = find_source(names, data_dir=data_dir)
    except (DataError, UnknownNameError, UsageError):  # whoever reads it will say so
        return []
    return [path for paths in source.files.values() for path in paths]


def lasting_names(names: Sequence[str], data_dir: Path | None) -> list[str]:
    """Return DATA so that it means the same from every directory: names as they are, paths absolute."""
    if len(names) == 1 and (as_typed(names[0]) == STDIN_NAME or _is_no_path(names[0], data_dir)):
        return [as_typed(names[0])]
    return [str((_existing_path(name, data_dir) or Path(name)).resolve()) for name in names]


def bare_stem(path: Path) -> str:
    """Name a file without its directory and its suffixes."""
    stem = without_packing(path.name)
    return Path(stem).stem or stem


def input_files(
    names: Sequence[str],
    of_folder: Callable[[Path], list[str]] | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Return the files that names stand for: those in a folder in the order of their names, or those of its classes.

    Args:
        names: files and folders; - is standard input.
        of_folder: lists what is read of a folder; None: tables, or texts that are called as their class.
        note: is told of folders in one whose files are read.

    Raises:
        DataError: a file is missing, or a folder holds none.
        UsageError: standard input is named twice.
    """
    if list(names).count("-") > 1:
        raise UsageError("-: standard input can be read only once.")
    files: list[str] = []
    for name in names:
        path = Path(name)
        if not name or (name != "-" and not exists(path)):
            if "://" in name:
                raise DataError(f"{name}: is an address; only `bertkit predict --ray` reads addresses.")
            raise DataError(f"{name or quoted(name)}: no such file.")
        files += [name] if name == "-" or not is_dir(path) else (of_folder or partial(_data_files, note=note))(path)
    return files


def say_skipped(folder: Path, others: Sequence[str], note: Callable[[str], None]) -> None:
    """Say what in a folder is not read, if anything."""
    if others:
        note(f"{folder}: skipped {listed(others)}; to read them, name them.")


def _data_files(folder: Path, note: Callable[[str], None]) -> list[str]:
    found = [str(file) for file in _files_in(folder)]
    if found:
        say_skipped(folder, [path.name for path in _folders(folder)], note)
    found = found or class_texts(folder)
    found = found or [str(file) for files in tables_below(folder, "").values() for file in files]
    if not found:
        raise DataError(
            f"{folder}: there is no file in it that can be read (.txt, .csv, .tsv, .jsonl, .parquet, …)"
            f"{name_folders(folder)}."
        )
    return sorted(found)


def sample_names() -> tuple[str, ...]:
    """List the bundled samples."""
    return tuple(sorted(path.parent.name for path in SAMPLES.glob("*/train.*")))


def sample_shape(name: str) -> str:
    """Say what the rows of a bundled sample hold."""
    return next((shape for shape in (READINGS, RELATIONS) if name.startswith(shape[:-1])), CLASSES)


def _special_source(name: str, data_dir: Path | None) -> Source | None:
    """Resolve a name that is not a path."""
    if name == STDIN_NAME and not exists(Path(name)):
        raise DataError(
            "-: this data came from standard input and was not kept; name DATA again: a file, or - with the same rows."
        )
    if name.startswith("sample:"):
        return _sample_source(name.removeprefix("sample:"))
    if name.startswith("hf:"):
        hub_id, _, config = name.removeprefix("hf:").partition(":")
        if not hub_id:
            raise UsageError("DATA 'hf:': name the data set, like hf:org/name or hf:org/name:config.")
        return Source(name.removeprefix("hf:"), hub_id=hub_id, hub_config=config or None)
    spec = _spec_of_name(name, data_dir)
    return None if spec is None else _catalog_source(spec, data_dir)


def _is_no_path(name: str, data_dir: Path | None) -> bool:
    return name.startswith(("sample:", "hf:")) or _spec_of_name(name, data_dir) is not None


def _spec_of_name(name: str, data_dir: Path | None) -> DatasetSpec | None:
    """Find a data set; other spellings (klue_ner, MRPC) only where no file or directory has that name."""
    spec = DATASETS.get(name)
    if spec is not None or _existing_path(name, data_dir) is not None:
        return spec
    return next((spec for own, spec in DATASETS.items() if is_spelling(name, own)), None)


def _sample_source(name: str) -> Source:
    known = sample_names()
    if name not in known:
        there_are = f"the samples are {', '.join(known)}" if known else "no samples are installed"
        raise UnknownNameError.among("sample", name, known, there_are)
    files = split_files(SAMPLES / name)
    return Source(f"sample:{name}", files=files, is_sample=True)


def _catalog_source(spec: DatasetSpec, data_dir: Path | None) -> Source:
    """Choose between --data-dir, BERTKIT_DATA and the hub, in this order."""
    folder = data_dir or _folder_below_root(spec)
    if folder is None:
        if spec.hub_id is None:
            raise DataError(
                f"the data set {spec.name!r} is not on the hub: name the folder of its files with --data-dir DIR."
            )
        return Source(spec.name, spec, hub_id=spec.hub_id, hub_config=spec.hub_config)
    files = layout_files(folder, spec) or split_files(folder)
    if not files:
        raise DataError(f"{folder}: no file of {spec.name!r} is there; looked for {looked_for(spec)}.")
    return Source(spec.name, spec, files)


def _folder_below_root(spec: DatasetSpec) -> Path | None:
    root = os.environ.get(DATA_ROOT_VARIABLE)
    if not root:
        return None
    folders = (Path(root) / name for name in (spec.name, *spec.folders))
    return next((folder for folder in folders if is_dir(folder)), None)


def _directory_source(folder: Path, split: str) -> Source:
    """Read a directory by its split names, or as the original release of a data set we know."""
    files = split_files(folder) or saved_files(folder, split)
    if not files and is_dir(folder / "data"):  # as a repository of the hub has them
        files = split_files(folder / "data")
    if files:
        return Source(folder.resolve().name, files=files)
    for spec in DATASETS.values():
        files = layout_files(folder, spec)
        if files:
            return Source(spec.name, spec, files)
    files = {} if any(map(is_annotated, entries(folder))) else split_files(folder, exact=False)
    if "train" in files or len(files) > 1:
        return Source(folder.resolve().name, files=files)
    annotated, bare = annotated_files(folder, split)
    if annotated:
        files = {name: tuple(paths) for name, paths in annotated.items()}
        note = f"left out: {bare:,} text{'s' if bare > 1 else ''} in {folder} without annotations ({ANNOTATIONS})"
        return Source(folder.resolve().name, files=files, note=note if bare else "")
    of_classes = class_files(folder, split)
    if of_classes:
        are_texts = not are_tables(next(iter(of_classes.values())))
        note = _unlabelled(folder, of_classes) or _beside(folder, of_classes)
        return Source(folder.resolve().name, files=of_classes, are_texts=are_texts, note=note)
    if below := tables_below(folder, split):
        note = _unlabelled(folder, below) or _beside(folder, below)
        return Source(folder.resolve().name, files=below, note=note)
    raise DataError(
        f"{folder}: no data is there; looked for {looked_for(None)}, or for a folder of texts for each class "
        "(pos/1.txt, neg/2.txt); or name the files themselves."
    )


def _spec_of_files(paths: Sequence[Path]) -> DatasetSpec | None:
    """Recognise the files of an original release by their names."""
    names = {without_packing(path.name) for path in paths}
    for spec in DATASETS.values():
        known = {name for layout in spec.layouts for files in layout.values() for name in files}
        if names <= known:
            return spec
    return None


def _existing_path(name: str, data_dir: Path | None) -> Path | None:
    """Find a file or directory, below the data directory first."""
    places = (Path(name),) if data_dir is None else (data_dir / name, Path(name))
    return next((place for place in places if exists(place)), None)


def _find_path(name: str, data_dir: Path | None) -> Path:
    path = _existing_path(name, data_dir)
    if path is not None:
        return path
    if _looks_like_path(name):
        raise DataError(f"{name}: no such file or directory.")
    known = [*DATASETS, *(f"sample:{sample}" for sample in sample_names())]
    way_on = "`bertkit datasets` lists the names; a file or a directory of that name is not there either"
    raise UnknownNameError.among("data set", name, known, way_on)


def _looks_like_path(name: str) -> bool:
    suffix = Path(without_packing(name)).suffix.lower().removeprefix(".")
    return name.startswith((".", "~")) or "/" in name or "\\" in name or suffix in DATA_SUFFIXES
