"""Start: how long whole commands take, from the shell's return key to the last byte.

`bertkit --help` against `transformers --help` and against that of an app of Typer's with as many commands,
which do nothing; tokenizing a line; and the first prediction against just importing torch and
transformers' BertModel.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from folders import MODELS, is_packaged, write_text_classifier
from inputs import load_pairs
from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Contender, Turn, alternate, speed_ratios, time_ratios

LINE = "The shop opens at nine, and the baker has been up since four."
HELP, THEIR_HELP, EMPTY_HELP = "bertkit --help", "transformers --help", "an empty app of Typer's --help"
TOKENIZE, PREDICT, IMPORT = "bertkit tokenize", "bertkit predict", "import torch, BertModel"
BY_ONNX = "bertkit predict --engine onnx"
IMPORTS = "import torch; from transformers import BertModel"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=7)
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder of the run that predicts")
    parser.add_argument("--skip", nargs="*", default=[], choices=("help", "tokenize", "predict"), help="parts left out")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Time the commands."""
    report = Report("start", "one line of text", {"model": options.model})
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        contenders: list[Contender] = []
        if "help" not in options.skip:
            empty = _empty_app(Path(place) / "app.py")
            contenders += [
                _command(HELP, [*_bertkit(), "--help"]),
                _command(EMPTY_HELP, [sys.executable, str(empty), "--help"]),
                _command(THEIR_HELP, [*_transformers(), "--help"]),
            ]
        if "tokenize" not in options.skip:
            contenders.append(_tokenizing(run, options, report))
        if "predict" not in options.skip:
            report.notes.append(f"the run that predicts: {_run_of(run, options)}")
            contenders.append(_command(PREDICT, [*_bertkit(), "predict", str(run), "-"]))
            if all(find_spec(package) for package in ("onnxruntime", "onnx", "onnxscript")):
                # The first round makes the graph, and does not count.
                contenders.append(_command(BY_ONNX, [*_bertkit(), "predict", str(run), "-", "--engine", "onnx"]))
            else:
                report.notes.append(f"left out: {BY_ONNX} (onnxruntime, onnx and onnxscript are not all installed)")
            contenders.append(_command(IMPORT, [sys.executable, "-c", IMPORTS]))
        courses = alternate(contenders, options.repetitions, budget_s=options.budget)
    report.add_seconds(courses.values())
    for key, name in (("help_seconds", HELP), ("tokenize_seconds", TOKENIZE)):
        if name in courses:
            report.add(f"start.{key}", name, courses[name].seconds, "s")
    if HELP in courses:
        ratio = speed_ratios(courses[HELP], courses[THEIR_HELP])
        report.add("start.help", f"{THEIR_HELP} / {HELP}, time", ratio)
        ratio = time_ratios(courses[HELP], courses[EMPTY_HELP])
        report.add("start.help_empty", f"{HELP} / {EMPTY_HELP}, time", ratio)
    if PREDICT in courses:
        ratio = time_ratios(courses[PREDICT], courses[IMPORT])
        report.add("start.predict", f"{PREDICT} of one line / {IMPORT}, time", ratio)
    if BY_ONNX in courses:
        ratio = time_ratios(courses[BY_ONNX], courses[IMPORT])
        report.add("start.predict_onnx", f"{BY_ONNX} of one line / {IMPORT}, time", ratio)
    return report


def _empty_app(path: Path) -> Path:
    """Write an app of Typer's with as many commands as bertkit shows, each with a line of help and no option."""
    from bertkit.cli.app import app

    shown = [command for command in app.registered_commands if not command.hidden]
    names = [f"command_{number}" for number in range(len(shown) + len(app.registered_groups))]
    commands = "".join(f'@app.command()\ndef {name}() -> None:\n    """Do nothing."""\n\n\n' for name in names)
    path.write_text(f"import typer\n\napp = typer.Typer()\n\n\n{commands}app()\n", encoding="utf-8")
    return path


def _tokenizing(run: Path, options: argparse.Namespace, report: Report) -> Contender:
    """Tokenize with MiniLM's tokenizer where it is, else with that of the run."""
    packaged = is_packaged("minilm") and options.model == "minilm"
    if not packaged:
        _run_of(run, options)
    report.notes.append(f"tokenized by {'minilm' if packaged else 'a vocabulary made for this'}")
    return _command(TOKENIZE, [*_bertkit(), "tokenize", LINE, "--model", "minilm" if packaged else str(run)])


def _run_of(run: Path, options: argparse.Namespace) -> str:
    texts = [text for example in load_pairs(options.data, 400).examples for text in example.texts]
    return write_text_classifier(run, texts, model=options.model)


def _command(name: str, words: Sequence[str]) -> Contender:
    """Make a contender of a command; a line of text is its standard input.

    Its turns raise Missing where the command fails: a time to the error message would be no figure.
    """

    def take_turn() -> Turn:
        began = time.perf_counter()
        done = subprocess.run(words, input=f"{LINE}\n", capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise Missing(f"{name} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
        return Turn(seconds, value=done.stdout)

    return Contender(name, take_turn)


def _bertkit() -> list[str]:
    return _script("bertkit") or [sys.executable, "-m", "bertkit"]


def _transformers() -> list[str]:
    return _script("transformers") or [sys.executable, "-m", "transformers.cli.transformers"]


def _script(name: str) -> list[str]:
    """Return the installed command beside this Python, if it is there."""
    path = Path(sys.executable).with_name(name)
    return [str(path)] if os.access(path, os.X_OK) else []


if __name__ == "__main__":
    sys.exit(main())
