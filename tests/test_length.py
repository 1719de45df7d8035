"""No function is longer than a screen; the commands whose list of options is longer are named here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bertkit

MOST = 50
# Nearly all of each is its list of options, one a line.
OPTION_LISTS = {
    "eval_command",
    "inspect_command",
    "predict_command",
    "summarize_command",
    "tokenize_command",
    "tune_command",
}
ROOT = Path(bertkit.__file__).parent


def long_functions(source: str) -> Iterator[tuple[str, int, int]]:
    """Yield name, lines with signature and docstring, and lines of the body."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > MOST:
                yield node.name, lines, (node.end_lineno or 0) - node.body[0].lineno + 1


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_fits_on_a_screen(path: Path) -> None:
    found = [each for each in long_functions(path.read_text(encoding="utf-8")) if each[0] not in OPTION_LISTS]
    assert not found, f"{path}: (name, lines, lines of the body)"


def test_the_exceptions_are_option_lists() -> None:
    found = {
        name: body for path in (ROOT / "cli").glob("*.py") for name, _, body in long_functions(path.read_text("utf-8"))
    }
    assert found.keys() == OPTION_LISTS, "one that has become shorter needs no exception"
    assert max(found.values()) <= MOST


def test_a_long_function_would_be_found() -> None:
    body = "\n".join(f"    x = {number}" for number in range(MOST))
    assert list(long_functions(f"def f():\n{body}\n")) == [("f", MOST + 1, MOST)]
    assert not list(long_functions(f"def f():\n{body[: body.rindex(chr(10))]}\n"))
