"""Damaged examples of every form of data that docs/data.md shows: case N is the same in every process.

What comes of their rows is not known here as it is in `fuzz`; that no command breaks, and that
whoever refuses one says where, must hold for all of them. A new form is tried as soon as it is shown.
"""

from __future__ import annotations

import importlib.util
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from tests.campaign.commands import Call
from tests.campaign.damage import harm
from tests.campaign.inprocess import WALL_SECONDS, run_here
from tests.campaign.oracle import manners
from tests.campaign.outcome import Outcome, Part, one_line
from tests.campaign.processes import ROOT
from tests.campaign.rows import TASKS
from tests.campaign.runs import TINY, Runs
from tests.campaign.seeds import Draft, Piece

CASES = 4_000
_PIPED = 0.3
_KINDS = {".csv": "csv", ".tsv": "tsv", ".json": "jsonl", ".jsonl": "jsonl", ".conll": "conll"}


@cache
def _shown() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_data_of_campaign", ROOT / "docs" / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@cache
def forms() -> Sequence[dict[str, str]]:
    """List the files of each example, by name; the first of them is what is read."""
    return [form.files for section in _shown().SECTIONS.values() for form in section]


def damaged(files: dict[str, str], rng: random.Random) -> tuple[str, bytes, list[str]]:
    """Damage the first file of an example; return its name, its bytes, and what was done."""
    name = next(iter(files))
    stem, suffix = Path(name).stem, Path(name).suffix
    lines = files[name].encode().splitlines(keepends=True)
    kind = _KINDS.get(suffix, "txt")
    pieces = [Piece(line, is_header=not i and kind in ("csv", "tsv")) for i, line in enumerate(lines)]
    draft = Draft("classify", kind, suffix, [], pieces, stem)
    harm(draft, rng)
    return draft.stem + draft.suffix, draft.data(), draft.story


def draw_call(name: str, runs: Runs, rng: random.Random) -> Call:
    """Draw a command for an example."""
    piped = rng.random() < _PIPED
    given = "-" if piped else name
    word = rng.choices(("inspect-data", "train", "eval", "predict", "summarize"), (5, 3, 2, 3, 2))[0]
    match word:
        case "inspect-data":
            words: tuple[str, ...] = (word, given)
        case "train":
            words = (word, given, "--dry-run", *TINY, "--output", "run")
        case "summarize":
            words = (word, given, "--method", rng.choice(("lead", "textrank")), "--sentences", "1")
        case _:
            words = (word, str(runs.of(rng.choice(TASKS))), given)
    return Call(word, "nothing", words, piped=piped)


def _faults(ran_in: Path, name: str, data: bytes, call: Call, runs: Runs) -> Iterator[str]:
    before = {path.name for path in ran_in.iterdir()}
    ran = run_here(call.arguments, ran_in, data if call.piped else b"")
    yield from manners(ran, call, ("<stdin>", name, str(runs.folder)))
    for extra in sorted({path.name for path in ran_in.iterdir()} - before):
        yield f"left over: {extra}"


def case(number: int, runs: Runs) -> Outcome:
    """Run a case for the count."""
    rng = random.Random(f"form {number}")
    files = forms()[number % len(forms())]
    name, data, story = damaged(files, rng)
    call = draw_call(name, runs, rng)
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    try:
        for other, text in files.items():
            (folder / other).write_text(text, encoding="utf-8")
        (folder / next(iter(files))).unlink()
        (folder / name).write_bytes(data)
        found = one_line(_faults(folder, name, data, call, runs))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    told = f"case {number}: {name!r}: {', '.join(story) or 'whole'}\n  bertkit {' '.join(call.arguments)}"
    return Outcome(call.kind, found, told, spent=any(fault.startswith("hang") for fault in found))


PART = Part("forms", lambda _: CASES, case, patience_s=WALL_SECONDS + 60)
