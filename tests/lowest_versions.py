"""Try bertkit beside the lowest versions that pyproject.toml allows, in an environment of its own.

    python -m tests.lowest_versions            # make it, install, try; 0 where all is well
    python -m tests.lowest_versions --only     # say which versions those are, and stop

Every dependency is installed at its lower bound. torch alone is taken from constraints.txt: its
older versions pull gigabytes of libraries for graphics cards. Then small commands and a few tests
run there: such as need no model type that a later transformers brought.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_LOWERED = ("torch",)
BESIDE = ("pytest>=8.3",)
TESTS = (
    "tests/tokenization/test_kobert.py",
    "tests/tokenization/test_vocab.py",
    "tests/models/test_four_bits.py",
    "tests/models/test_tokenizers.py",
    "tests/models/test_bert.py",
    "tests/training/test_trimmed_runs.py",
)
# It lets transformers itself write a folder, which imports sentencepiece's message class.
LEFT_OUT = "tests/models/test_tokenizers.py::test_a_deberta_that_transformers_stored_is_mended"
COMMANDS = (
    ["train", "sample:paraphrase", "--model", "scratch", "--epochs", "1", "--output", "{run}"],
    ["eval", "{run}"],
    ["inspect-data", "sample:paraphrase"],
    ["models"],
)
_BOUND = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?\s*>=\s*([0-9][0-9A-Za-z.]*)")


def lowest() -> Iterator[str]:
    """Yield the dependencies at their lower bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(_pins())
    for dependency in project["dependencies"]:
        found = _BOUND.match(dependency)
        if found is None:
            raise SystemExit(f"pyproject.toml: {dependency} has no lower bound")
        name, bound = found.groups()
        yield f"{name}=={pinned[name] if name in NOT_LOWERED else bound}"


def _pins() -> Iterator[tuple[str, str]]:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith("#"):
            name, _, version = line.partition("==")
            yield name.strip(), version.strip()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="store_true", help="say which versions, and stop")
    parser.add_argument("--place", type=Path, help="folder of the environment (default: a temporary one)")
    options = parser.parse_args(argv)
    wanted = list(lowest())
    print("\n".join(wanted))
    if options.only:
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        place = options.place or Path(temporary) / "venv"
        if not (place / "bin" / "python").exists():
            venv.create(place, with_pip=True)
        return _tried(place / "bin" / "python", wanted, Path(temporary) / "run")


def _tried(python: Path, wanted: Sequence[str], run: Path) -> int:
    """Install, run the commands and the tests; 1 where one of them fails."""
    beside = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    steps = [
        [str(python), "-m", "pip", "install", "--quiet", *wanted, *BESIDE],
        *([str(python), "-m", "bertkit", *(word.format(run=run) for word in words)] for words in COMMANDS),
        [
            str(python),
            "-m",
            "pytest",
            "-q",
            "-W",
            "default",
            "--deselect",
            LEFT_OUT,
            *(test for test in TESTS if (ROOT / test).is_file()),
        ],
    ]
    for step in steps:
        print("$", *(step[1:] if step[0] == str(python) else step), flush=True)
        done = subprocess.run(
            step, check=False, cwd=ROOT, env=beside, stdout=subprocess.DEVNULL if "bertkit" in step else None
        )
        if done.returncode:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
