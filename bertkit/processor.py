"""Which cores this process may use, and what they can do; without torch.

A container or a batch system gives a process a share: a set of processors (affinity) or an
amount of time (a quota of its control group). A box of 64 cores of which two may be used is
slowest with 64 threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

THREADS_VARIABLE = "OMP_NUM_THREADS"
_ROOT = Path("/")
_WHERE_MOUNTED = Path("sys/fs/cgroup")
_TOPOLOGY = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def usual_threads(root: Path = _ROOT) -> int:
    """Return how many threads compute where nobody says: OMP_NUM_THREADS, or the cores that may be used.

    Args:
        root: where the files of the system are; another one for tests.
    """
    said = os.environ.get(THREADS_VARIABLE, "").partition(",")[0].strip()
    return int(said) if said.isdecimal() and int(said) else usable_cores(root)


def usable_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may use: those of its affinity, as far as its quota of time goes.

    Two processors of one core (hyperthreads) count once: they share the units that multiply.
    A quota of a core and a half counts as one: a second thread would be stopped in the middle
    of each batch, and the first would wait for it.

    Args:
        root: where the files of the system are.
    """
    cores, quota = _cores(_allowed(), root), _quota(root)
    return cores if quota is None else max(1, min(cores, int(quota)))


def _allowed() -> frozenset[int]:
    """Return the numbers of the processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _cores(allowed: Iterable[int], root: Path) -> int:
    """Count the cores that some of the processors are of; each is one where the system does not say."""
    found = {_read(root / _TOPOLOGY.format(number)) or str(number) for number in allowed}
    return max(1, len(found))


def _quota(root: Path) -> float | None:
    """Return how many processors' time the control groups of this process get; None: all there is."""
    quotas = [quota for group in _groups(root) if (quota := _quota_of(group)) is not None]
    return min(quotas, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's control groups and of those around them, of both versions.

    In a container a group's own folder is often mounted in the place of the root.
    """
    mounted = root / _WHERE_MOUNTED
    yield from (mounted, mounted / "cpu", mounted / "cpu,cpuacct")
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            tops = [mounted, mounted / "unified"]
        elif "cpu" in controllers.split(","):
            tops = [mounted / controllers, mounted / "cpu"]
        else:
            continue
        parts = [part for part in Path(path).parts if part not in ("/", "..")]
        for top in tops:
            yield from (top.joinpath(*parts[:i]) for i in range(1, len(parts) + 1))


def _quota_of(group: Path) -> float | None:
    """Return the quota of one control group, in processors."""
    if (both := _read(group / "cpu.max")) is not None:
        quota, _, period = both.partition(" ")
    else:
        quota = _read(group / "cpu.cfs_quota_us") or ""
        period = _read(group / "cpu.cfs_period_us") or ""
    with suppress(ValueError):
        if int(quota) > 0 and int(period or 100_000) > 0:  # max and -1 stand for: no limit
            return int(quota) / int(period or 100_000)
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


@cache
def units(root: Path = _ROOT) -> frozenset[str]:
    """Return the names of the processor's abilities, as Linux spells them (avx2, avx512_bf16, amx_tile, bf16, …).

    Returns:
        Nothing where the system does not say.
    """
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def multiplies_bfloat16() -> bool | None:
    """Whether the processor multiplies bfloat16 in units of its own; None where the system does not say."""
    return bool(units() & {"avx512_bf16", "amx_bf16", "bf16"}) if units() else None


def has_tiles() -> bool:
    """Whether the processor multiplies whole tiles of 8 or 16 bits at a time (AMX)."""
    return bool(units() & {"amx_bf16", "amx_int8"})


def multiplies_bytes() -> bool:
    """Whether the processor has instructions for products of 8 bits (VNNI)."""
    return bool(units() & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"})
