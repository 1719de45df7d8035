"""The Korean analyser kiwipiepy (extra `ko`), where it is installed."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

from bertkit.errors import TokenizerError


def kiwi_installed() -> bool:
    """Tell whether the Korean analyser can be used, without loading it."""
    return importlib.util.find_spec("kiwipiepy") is not None


def load_kiwi() -> Any:
    """Return the analyser, loaded once for the process (two seconds, half a gigabyte).

    Raises:
        TokenizerError: the extra `ko` is not installed.
    """
    if not kiwi_installed():
        raise TokenizerError(
            "Korean morphemes need the package kiwipiepy, which is not installed; pip install kiwipiepy."
        )
    return _build_kiwi()


@cache
def _build_kiwi() -> Any:
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)
