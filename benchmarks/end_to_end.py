"""Whole commands: `bertkit predict` by the engine that `auto` takes, against a plain script with OpenVINO.

From the shell's return key to the last label: imports, opening, reading, tokenizing, computing, writing.
A file of less than 4 MB, for which `auto` would take torch, gets the engine by its name: a larger one, where
rows come again until there are enough, takes minutes a turn. The graph, which bertkit makes once and the script
is given, is made in the round that does not count.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from folders import MODELS, write_classifier
from inputs import Pairs, load_pairs, write_pairs
from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Contender, Estimate, Turn, alternate, equal_share, speed_ratios

SCRIPT = Path(__file__).resolve().with_name("plain_openvino.py")
OURS, THEIRS = "bertkit predict", "plain script with OpenVINO"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=3)
    parser.add_argument(
        "--rows",
        type=int,
        default=4076,
        help="rows to predict, some of them again where they are fewer (default: 4076)",
    )
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder under a fitted head")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Let both commands answer the same file."""
    from bertkit import bundle
    from bertkit.engines.opening import LARGE_INPUT, choose_engine
    from bertkit.processor import multiplies_bfloat16, usual_threads

    if not find_spec("openvino"):
        raise Missing("OpenVINO is not installed: pip install '.[bench]'.")
    pairs = load_pairs(options.data, options.rows)
    asked = Pairs(tuple(itertools.islice(itertools.cycle(pairs.examples), options.rows)), pairs.source)
    report = Report("end_to_end", pairs.source, {"rows": options.rows, "model": options.model})
    with tempfile.TemporaryDirectory() as place:
        run, data = Path(place) / "run", write_pairs(asked, Path(place) / "rows.tsv")
        report.notes.append(f"model: {write_classifier(run, pairs, options.model)}")
        found = choose_engine(run, bundle.load_manifest(run).settings, device="auto", input_bytes=LARGE_INPUT)
        report.notes.append(f"auto takes {found.engine} for 4 MB and more: {found.reason}")
        engine = "auto" if data.stat().st_size >= LARGE_INPUT else found.engine
        threads = options.threads or usual_threads()
        precision = "bf16" if multiplies_bfloat16() and options.model != "tiny" else "f32"
        model = _converted(run, Path(place) / "model.xml")
        ours = [sys.executable, "-m", "bertkit", "--lang", "en", "predict", str(run), str(data), "--quiet"]
        theirs = [str(SCRIPT), str(model), str(run / "tokenizer.json"), str(data), str(threads), precision]
        contenders = [
            _command(OURS, [*ours, "--engine", engine], place, options.rows),
            _command(THEIRS, [sys.executable, *theirs], place, options.rows),
        ]
        courses = alternate(contenders, options.repetitions, budget_s=options.budget)
    report.add_speeds(courses.values(), "rows/s")
    report.add("end_to_end.auto", f"{OURS} --engine {engine} / {THEIRS}", speed_ratios(courses[OURS], courses[THEIRS]))
    mine = [json.loads(line)["label"] for line in courses[OURS].value.splitlines()]
    equal = 100 * equal_share(mine, courses[THEIRS].value.split())
    report.add("end_to_end.labels", "labels equal", Estimate.exactly(equal), "%")
    return report


def _converted(run: Path, path: Path) -> Path:
    """Write the run's model as OpenVINO reads it."""
    import openvino as ov

    from engines import example_input, reference_model
    from options import silent

    with silent():
        ov.save_model(
            ov.convert_model(reference_model(run), example_input=example_input()), path, compress_to_fp16=False
        )
    return path


def _command(name: str, words: Sequence[str], place: str, rows: int) -> Contender:
    """Make a contender of a command, with a cache of its own for what bertkit makes once.

    Its turns raise Missing where the command fails.
    """
    known = {**os.environ, "BERTKIT_CACHE": str(Path(place) / "cache")}

    def take_turn() -> Turn:
        began = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=known)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise Missing(f"{name} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
        return Turn(seconds, rows, done.stdout)

    return Contender(name, take_turn)


if __name__ == "__main__":
    sys.exit(main())
