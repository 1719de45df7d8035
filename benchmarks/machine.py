"""The machine that figures come from: what of it decides how fast an encoder is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# What multiplies matrices, by the names Linux gives it.
FLAGS = {"amx_tile": "AMX", "amx_bf16": "AMX-BF16", "avx512_bf16": "AVX512-BF16", "avx512f": "AVX512", "avx2": "AVX2"}
PACKAGES = (
    "bertkit",
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "scipy",
    "openvino",
    "onnxruntime",
    "sumy",
    "summa",
    "rouge-score",
)


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, flags, threads and the versions that matter, JSON-ready."""
    name, flags = _processor()
    return {
        "processor": name,
        "cores": available_cores(),
        "flags": [word for flag, word in FLAGS.items() if flag in flags],
        "threads": _threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := installed(name)) is not None},
    }


def machine_line(machine: dict[str, Any]) -> str:
    """Say in a line what `describe_machine` returned."""
    versions = machine["versions"]
    parts = [
        machine["processor"],
        f"{machine['cores']} cores",
        " ".join(machine["flags"]) or "no matrix flags known",
        f"{machine['threads']} threads",
        *(f"{name} {versions[name]}" for name in ("torch", "transformers") if name in versions),
    ]
    return ", ".join(parts)


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def installed(package: str) -> str | None:
    """Return the version of a package, or None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _threads() -> int:
    """Return torch's threads, or those it would take."""
    import sys

    if (torch := sys.modules.get("torch")) is not None:
        return int(torch.get_num_threads())
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() else available_cores()


def _processor() -> tuple[str, frozenset[str]]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    fields = dict(reversed([(key.strip(), value.strip()) for key, _, value in _pairs(text)]))
    return fields.get("model name", platform.machine()), frozenset(fields.get("flags", "").split())


def _pairs(text: str) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in text.splitlines() if ":" in line]
