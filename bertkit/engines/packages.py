"""The packages of the extra `engines`, and the sentence where one is not installed."""

from __future__ import annotations

import importlib.util
from importlib.metadata import PackageNotFoundError, version

from bertkit.errors import MissingPackageError


def is_installed(package: str) -> bool:
    """Tell whether a package can be imported; it is not."""
    return importlib.util.find_spec(package) is not None


def require(*packages: str, wanted: str = "") -> None:
    """Refuse to go on without packages, before anything heavy is done.

    Args:
        packages: names of modules.
        wanted: the flag that asks for them.

    Raises:
        MissingPackageError: one is not installed.
    """
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        *most, last = missing
        which = f"packages {', '.join(most)} and {last}" if most else f"package {last}"
        are = "is" if len(missing) == 1 else "are"
        raise MissingPackageError(
            f"{wanted or 'ONNX'}: needs the {which}, which {are} not installed; pip install {' '.join(missing)}."
        )


def version_of(package: str) -> str:
    """Return a package's version, nothing where it has none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
