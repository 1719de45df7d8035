"""docs/learn.md: its commands are run in their order, and print what the page says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.models.finding import is_packaged

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = ("learn.md", "learn.ko.md")
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*")
# What training leaves differs in its last digits from one processor to another.
NEAR = 0.05
# Commands that print a table on a terminal; here they are asked for it.
TABLES = ("train", "eval", "tokenize", "attention", "vocab")
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def steps(page: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a page with the lines that they print."""
    for block in BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        command, lines = "", []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, lines
                command, lines = line[2:], []
            else:
                lines.append(line)
        yield command, lines


def printed(command: str) -> list[str]:
    """Run a command as a terminal would, and return what it prints on standard output."""
    given = None
    if " | " in command:
        first, command = command.split(" | ")
        given = shlex.split(first)[1] + "\n"
    words = shlex.split(command)
    assert words[0] == "bertkit"
    extra = ["--format", "table"] if words[1] in TABLES else []
    result = CliRunner().invoke(app, [*words[1:], *extra], input=given)
    assert result.exit_code == 0, f"{command}: {result.stderr}"
    return result.stdout.splitlines()


def alike(shown: str, found: str) -> bool:
    """Compare two lines by their words, numbers nearly."""
    ours, others = NUMBER.findall(shown), NUMBER.findall(found)
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", found).split() or len(ours) != len(others):
        return False
    pairs = zip((n.replace(",", "") for n in ours), (n.replace(",", "") for n in others), strict=True)
    return all(a == b or ("." in a and abs(float(a) - float(b)) <= NEAR) for a, b in pairs)


def missing(lines: list[str], found: list[str]) -> str | None:
    """Return the first line of a page that is not printed in its place; … stands for any lines."""
    place, may_skip = 0, False
    for line in lines:
        if line.strip() == "…":
            may_skip = True
            continue
        while place < len(found) and not alike(line, found[place]):
            if not may_skip and found[place].strip():
                return line
            place += 1
        if place == len(found):
            return line
        place, may_skip = place + 1, False
    return None


@pytest.mark.slow  # two trainings
def test_the_commands_print_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command, lines in steps("learn.md"):
        if "minilm" in command and not is_packaged(MINILM):
            continue
        found = printed(command)
        lacking = missing(lines, found)
        assert lacking is None, f"{command}\nshown: {lacking}\n" + "\n".join(found)


def test_a_line_that_is_not_printed_is_noticed() -> None:
    assert missing(["a 1", "…", "c"], ["a 1", "b", "c"]) is None
    assert missing(["a 1", "c"], ["a 1", "b", "c"]) == "c"
    assert missing(["loss 0.61"], ["loss 0.63"]) is None
    assert missing(["loss 0.61"], ["loss 0.73"]) == "loss 0.61"
    assert missing(["rows 570"], ["rows 571"]) == "rows 570"


def test_both_pages_show_the_same_sessions() -> None:
    assert list(steps(PAGES[0])) == list(steps(PAGES[1]))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_of_the_code_is_there(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    source = "".join((DOCS.parent / "bertkit/models" / f"{name}.py").read_text() for name in ("bert", "heads"))
    named = set(re.findall(r"`(Bert[A-Z]\w+|SequenceModel)(?:\.\w+)?`", text))
    assert {"BertEmbeddings", "BertSelfAttention", "BertLayer", "BertPooler", "SequenceModel"} <= named
    assert all(f"class {name}" in source for name in named)


def test_the_parameters_of_the_tables_are_counted_rightly() -> None:
    """The page's sum of the three tables, and of the whole model."""
    from bertkit.models.bert import BertConfig, BertModel

    model = BertModel(
        BertConfig(1000, hidden_size=64, num_attention_heads=4, intermediate_size=256, type_vocab_size=18)
    )
    tables = model.embeddings
    named = (tables.word_embeddings, tables.position_embeddings, tables.token_type_embeddings)
    assert sum(table.weight.numel() for table in named) == 97_920
    assert sum(p.numel() for p in model.parameters()) + 2 * 64 + 2 == 202_306
    assert "97,920 of its 202,306" in (DOCS / "learn.md").read_text(encoding="utf-8")
