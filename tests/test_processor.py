"""How many cores a process may use, by made-up files of the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertkit import processor
from bertkit.processor import units, usable_cores, usual_threads


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "_allowed", lambda: frozenset(range(8)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def put(root: Path, **files: str) -> Path:
    """Write files by path; the keys have _ for / and two of them for _."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CASES = {
    "nothing is said": ({}, 8),
    "v2, no limit": ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
    "v2, two": ({"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
    "v2, half a core": ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
    "v2, one and a half": ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
    "v2, more than there is": ({"sys/fs/cgroup/cpu.max": "3200000 100000\n"}, 8),
    "v2, another period": ({"sys/fs/cgroup/cpu.max": "60000 20000\n"}, 3),
    "v2, in a group": (
        {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n"}, 4,
    ),
    "v2, the group around it is narrower": (
        {
            "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
        }, 3,
    ),
    "v2, above the root of a container": (
        {"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2,
    ),
    "v1, no limit": (
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        }, 8,
    ),
    "v1, at the root of a container": (
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 2,
    ),
    "v1, in a group": (
        {
            "proc/self/cgroup": "9:memory:/x\n4:cpuacct,cpu:/docker/1\n0::/\n",
            "sys/fs/cgroup/cpuacct,cpu/docker/1/cpu.cfs_quota_us": "500000\n",
            "sys/fs/cgroup/cpuacct,cpu/docker/1/cpu.cfs_period_us": "100000\n",
        }, 5,
    ),
    "of another controller": (
        {"proc/self/cgroup": "4:cpuset:/x\n", "sys/fs/cgroup/cpuset/x/cpu.cfs_quota_us": "100000\n"}, 8,
    ),
    "hyperthreads": (
        {f"sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list": f"{i % 4},{i % 4 + 4}\n" for i in range(8)}, 4,
    ),
    "not a number": ({"sys/fs/cgroup/cpu.max": "lots\n"}, 8),
    "nothing in the file": ({"sys/fs/cgroup/cpu.max": "", "proc/self/cgroup": "\n"}, 8),
    "a quota of nothing": ({"sys/fs/cgroup/cpu.max": "0 100000\n"}, 8),
}  # fmt: skip


@pytest.mark.parametrize(("files", "cores"), CASES.values(), ids=CASES)
def test_cores(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert usable_cores(put(tmp_path, **files)) == cores


def test_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "_allowed", lambda: frozenset({3, 5}))
    assert usable_cores(tmp_path) == 2


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("12", 12), ("0", 8), ("", 8), ("many", 8), ("4,2", 4)])
def test_what_the_user_says_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert usual_threads(tmp_path) == threads


def test_units(tmp_path: Path) -> None:
    put(tmp_path, **{"proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nflags : other\n"})
    assert units(tmp_path) == {"fpu", "avx2", "avx512_bf16"}
    assert units(tmp_path / "none") == frozenset()
