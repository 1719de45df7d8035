"""The flags all scripts share, and how a script runs: parse, measure, show."""

from __future__ import annotations

import argparse
import compileall
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from report import Report, show

MISSING = 3


class Missing(Exception):  # noqa: N818 - it is not a fault of the script
    """What a script cannot do without is not installed; the message says how to get it."""


def script_parser(description: str, *, repetitions: int = 5) -> argparse.ArgumentParser:
    """Make a parser with the shared flags.

    Args:
        description: what the script compares; the first line of its docstring.
        repetitions: default of --repetitions.
    """
    parser = argparse.ArgumentParser(description=description.strip().splitlines()[0])
    root = os.environ.get("BERTKIT_DATA") or os.environ.get("BERTKIT_TEST_DATA")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=Path(root) if root else None,
        help="folder that holds mrpc/ and cnn_dm/ (default: BERTKIT_DATA); generated rows stand in where it does not",
    )
    parser.add_argument("--repetitions", type=int, default=repetitions, help=f"rounds (default: {repetitions})")
    parser.add_argument(
        "--budget", type=float, default=150.0, help="seconds after which no further round begins (default: 150)"
    )
    parser.add_argument("--threads", type=int, help="CPU threads of every contender (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return parser


def run_script(
    parser: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], Report], argv: Sequence[str] | None
) -> int:
    """Parse, measure and show.

    Args:
        parser: of `script_parser`.
        measure: does the work.
        argv: the words after the script's name; None: those of this process.

    Returns:
        The exit code: 3 where something is missing, said in a sentence on standard error.
    """
    options = parser.parse_args(argv)
    if options.threads is not None:
        _set_threads(options.threads)
    import bertkit
    from bertkit.errors import BertkitError

    compile_as_pip_does(Path(bertkit.__file__).parent)

    try:
        report = measure(options)
    except (Missing, BertkitError) as error:
        print(f"{Path(parser.prog).name}: {error}", file=sys.stderr)
        return MISSING
    shared = {"repetitions": options.repetitions, "budget": options.budget}
    report.settings = {**shared, **report.settings}
    show(report, as_json=options.json)
    return 0


def compile_as_pip_does(package: Path) -> None:
    """Write the bytecode of a package, which peers are installed with and a source tree may lack."""
    compileall.compile_dir(package, quiet=2)


@contextmanager
def silent() -> Iterator[None]:
    """Keep the warnings of a peer about itself off the screen."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _set_threads(threads: int) -> None:
    """Tell torch, and by the environment whatever is started or loaded later."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(threads)
