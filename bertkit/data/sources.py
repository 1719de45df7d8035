"""What DATA on the command line means: a catalog name, a sample, files, a directory, the hub.

Only names and paths are looked at here; no file is opened and no request is made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bertkit.data.catalog import DATASETS, DatasetSpec
from bertkit.data.class_folders import are_tables, class_files, class_texts
from bertkit.data.folders import (
    DATA_SUFFIXES,
    SPLIT_WORDS,
    is_data_file,
    layout_files,
    looked_for,
    name_folders,
    split_files,
)
from bertkit.data.formats.opened import is_annotated
from bertkit.data.shape_names import CLASSES, READINGS, RELATIONS
from bertkit.errors import DataError, UnknownNameError, UsageError
from bertkit.files import entries, exists, is_dir, is_file
from bertkit.names import is_spelling
from bertkit.plain import quoted

SAMPLES = Path(__file__).parent / "samples"
DATA_ROOT_VARIABLE = "BERTKIT_DATA"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a data set will be read from: files by split, or an id (and config) on the hub.

    `are_texts` tells that each file is one text, of the class that its folder is called.
    """

    name: str
    spec: DatasetSpec | None = None
    files: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    hub_id: str | None = None
    hub_config: str | None = None
    is_sample: bool = False
    are_texts: bool = False


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
        raise UsageError(f"DATA: {folder} is a directory; where there are several, all must be files.")
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
    if len(names) == 1 and _is_no_path(names[0], data_dir):
        return list(names)
    return [str((_existing_path(name, data_dir) or Path(name)).resolve()) for name in names]


def bare_stem(path: Path) -> str:
    """Name a file without its directory and its suffixes."""
    stem = path.name.removesuffix(".gz")
    return Path(stem).stem or stem


def input_files(names: Sequence[str]) -> list[str]:
    """Return the files that names stand for: those in a folder in the order of their names, or those of its classes.

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
                raise DataError(f"{name}: is an address, and files are read; `bertkit predict --ray` reads addresses.")
            raise DataError(f"{name or quoted(name)}: no such file.")
        if name == "-" or not is_dir(path):
            files.append(name)
            continue
        found = [str(file) for file in entries(path) if is_file(file) and is_data_file(file)]
        found = found or class_texts(path, SPLIT_WORDS)
        if not found:
            raise DataError(
                f"{name}: there is no file in it that can be read (.txt, .csv, .tsv, .jsonl, .parquet, …)"
                f"{name_folders(path)}."
            )
        files += sorted(found)
    return files


def sample_names() -> tuple[str, ...]:
    """List the bundled samples."""
    return tuple(sorted(path.parent.name for path in SAMPLES.glob("*/train.*")))


def sample_shape(name: str) -> str:
    """Say what the rows of a bundled sample hold."""
    return next((shape for shape in (READINGS, RELATIONS) if name.startswith(shape[:-1])), CLASSES)


def _special_source(name: str, data_dir: Path | None) -> Source | None:
    """Resolve a name that is no path."""
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
    spec = next((spec for spec in DATASETS if spec.name == name), None)
    if spec is not None or _existing_path(name, data_dir) is not None:
        return spec
    return next((spec for spec in DATASETS if is_spelling(name, spec.name)), None)


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
                f"the data set {spec.name!r} is not on the hub: say where its files lie with --data-dir DIR."
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
    files = split_files(folder)
    if files:
        return Source(folder.resolve().name, files=files)
    for spec in DATASETS:
        files = layout_files(folder, spec)
        if files:
            return Source(spec.name, spec, files)
    annotated = tuple(path for path in entries(folder) if is_annotated(path))
    if annotated:
        return Source(folder.resolve().name, files={"train": annotated})
    files = split_files(folder, exact=False)
    if "train" in files or len(files) > 1:
        return Source(folder.resolve().name, files=files)
    of_classes = class_files(folder, split, SPLIT_WORDS)
    if of_classes:
        are_texts = not are_tables(next(iter(of_classes.values())))
        return Source(folder.resolve().name, files=of_classes, are_texts=are_texts)
    raise DataError(
        f"{folder}: no data is there; looked for {looked_for(None)}, or for a folder of texts for each class "
        "(pos/1.txt, neg/2.txt); or name the files themselves."
    )


def _spec_of_files(paths: Sequence[Path]) -> DatasetSpec | None:
    """Recognise the files of an original release by their names."""
    names = {path.name.removesuffix(".gz") for path in paths}
    for spec in DATASETS:
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
    known = [*(spec.name for spec in DATASETS), *(f"sample:{sample}" for sample in sample_names())]
    way_on = "`bertkit datasets` lists the names; a file or a directory of that name is not there either"
    raise UnknownNameError.among("data set", name, known, way_on)


def _looks_like_path(name: str) -> bool:
    suffix = Path(name.removesuffix(".gz")).suffix.lower().removeprefix(".")
    return name.startswith((".", "~")) or "/" in name or "\\" in name or suffix in DATA_SUFFIXES
