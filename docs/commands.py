"""Write docs/commands.md from the commands' own --help, so that the two cannot drift.

python docs/commands.py > docs/commands.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1]))

from bertkit.cli.app import app

COMMANDS = (
    "",
    "tokenize",
    "vocab",
    "vocab build",
    "vocab show",
    "vocab lookup",
    "vocab coverage",
    "inspect-data",
    "train",
    "tune",
    "eval",
    "predict",
    "attention",
    "export",
    "runs",
    "runs list",
    "runs diff",
    "summarize",
    "models",
    "datasets",
    "cache",
    "cache show",
    "cache clear",
)
ENVIRONMENT = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
HEAD = """\
# Commands

The output of `bertkit --help` and of each command's `--help`. This file is written by
`python docs/commands.py > docs/commands.md`; a test compares the two.

Every option of `train` can also be given in the environment (`--max-length` as
`BERTKIT_MAX_LENGTH`) and in a TOML file (`--config`). Flags go before the environment, the
environment before the file, the file before the model's recipe.
"""


def help_text(command: str) -> str:
    """Return what --help prints, without trailing blanks."""
    result = CliRunner().invoke(app, [*command.split(), "--help"], env=ENVIRONMENT, prog_name="bertkit")
    return re.sub(r"[ \t]+$", "", result.stdout, flags=re.MULTILINE).strip("\n")


def document() -> str:
    """Return the whole file."""
    blocks = [f"## `{' '.join(['bertkit', *c.split()])}`\n\n```\n{help_text(c)}\n```\n" for c in COMMANDS]
    return "\n".join([HEAD, *blocks])


if __name__ == "__main__":
    sys.stdout.write(document())
