"""The documents say what the program does: commands, options, defaults, links, both languages."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import Field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from bertkit.cli.app import app
from bertkit.config import TrainConfig, options

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", "README.ko.md")
LINKING = [*READMES, "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
DEFAULT = re.compile(r"\(default: ([^)]*)\)")
REGISTRY = re.compile(
    r"pypi\.|pythonhosted|artifactory|devpi|index-url|download\.pytorch|registry\.npm|anaconda\.org", re.I
)
OWN_FOLDER = re.compile(r"/(?:home|root|work|Users)/")
# A path that a test makes up, not a place on anybody's machine.
MADE_UP = "/home/of/the/cache"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """Markdown without its fenced blocks."""
    return FENCE.sub("", text)


def console_blocks(text: str) -> list[str]:
    return [body for language, body in FENCE.findall(text) if language == "console"]


def command_lines(block: str) -> list[str]:
    """What is typed in a console block: the lines after "$ ", continued ones joined."""
    lines = re.sub(r"\\\n", " ", block).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def bertkit_calls(line: str) -> list[list[str]]:
    """The arguments of every bertkit of a pipeline or list of commands."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    parts: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [words[1:] for words in parts if words[:1] == ["bertkit"]]


def documented_calls(name: str) -> list[list[str]]:
    return [c for block in console_blocks(text_of(name)) for line in command_lines(block) for c in bertkit_calls(line)]


def long_options(command: Any) -> set[str]:
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {name for name in names if name.startswith("--")} | {"--help"}


def faults(arguments: list[str]) -> list[str]:
    """What the command line does not know in a call, in words."""
    group: Any = typer.main.get_command(app)
    if arguments[:1] and arguments[0].startswith("-"):
        name, command = "", group
    else:
        name = arguments[0] if arguments else ""
        if name not in group.commands:
            return [f"no command {name!r}"]
        command = group.commands[name]
        if hasattr(command, "commands"):
            second = arguments[1] if arguments[1:] else ""
            usual = getattr(command, "default", None)  # what a group does whose command is left out
            if second not in command.commands and usual is None:
                return [f"no command {name} {second}".rstrip()]
            name = f"{name} {second if second in command.commands else usual}"
            command = command.commands[name.split()[-1]]
    flags = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    return [f"{name} has no {flag}" for flag in flags if flag not in long_options(command)]


def relative_links(text: str) -> list[str]:
    """Targets inside the project, without their anchors."""
    targets = (target.partition("#")[0] for target in LINK.findall(without_code(text)))
    return [target for target in targets if target and not re.match(r"[a-z][a-z0-9+.-]*:", target)]


def tracked_texts() -> dict[str, list[str]]:
    """Lines of every file git tracks, by name; files that are not UTF-8 text are left out."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or path == Path(__file__).resolve():
            continue
        try:
            texts[name] = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
    return texts


def module_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module


def commands_module() -> ModuleType:
    return module_of("commands")


def test_the_forms_of_data_are_read_as_the_page_says() -> None:
    assert text_of("docs/data.md") == module_of("data").page(), "run `make docs`"


def test_the_command_reference_is_what_help_prints() -> None:
    assert text_of("docs/commands.md") == commands_module().document(), "run `make docs`"


def shown_commands(group: Any, before: str = "") -> Iterator[str]:
    """The commands of a group, and those of the groups in it."""
    for name, command in group.commands.items():
        if not command.hidden:
            yield f"{before}{name}"
            if hasattr(command, "commands"):
                yield from shown_commands(command, f"{before}{name} ")


def test_the_command_reference_names_every_command() -> None:
    assert set(commands_module().COMMANDS) - {""} == set(shown_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", READMES)
def test_readme_commands_exist_with_their_options(name: str) -> None:
    calls = documented_calls(name)
    assert {"train", "eval", "predict"} <= {call[0] for call in calls if call}
    assert [(shlex.join(call), faults(call)) for call in calls if faults(call)] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("bertkit train x --epochs 3", []),
        ("bertkit tarin x", ["no command 'tarin'"]),
        ("cat a | bertkit predict run - --topk 2", ["predict has no --topk"]),
        ("make x && bertkit eval run --epochs=3", ["eval has no --epochs"]),
        ("bertkit --verbose", [" has no --verbose"]),
        ("bertkit cache all", ["no command cache all"]),
        ("bertkit runs --filter model=minilm", []),
        ("bertkit runs here --filtre x", ["runs list has no --filtre"]),
        ("printf '%s | bertkit nothing' x", []),
    ],
)
def test_a_wrong_command_line_would_be_noticed(line: str, found: list[str]) -> None:
    assert [fault for call in bertkit_calls(line) for fault in faults(call)] == found


def test_a_continued_line_is_one_command() -> None:
    block = "$ bertkit train x \\\n    --epochs 3 | jq .\noutput\n$ echo $?\n"
    assert [line.split() for line in command_lines(block)] == [
        ["bertkit", "train", "x", "--epochs", "3", "|", "jq", "."],
        ["echo", "$?"],
    ]


def test_both_readmes_show_the_same_sessions() -> None:
    english, korean = (console_blocks(text_of(name)) for name in READMES)
    assert [command_lines(block) for block in english] == [command_lines(block) for block in korean]
    assert english == korean, "the same commands, but not the same output"


def test_both_readmes_have_the_same_headings() -> None:
    english, korean = (HEADING.findall(without_code(text_of(name))) for name in READMES)
    assert english == korean


def test_the_readmes_link_to_each_other() -> None:
    english, korean = READMES
    assert korean in relative_links(text_of(english))
    assert english in relative_links(text_of(korean))


@pytest.mark.parametrize("name", LINKING)
def test_relative_links_lead_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    assert [target for target in relative_links(text_of(name)) if not (folder / target).exists()] == []


def test_relative_links_are_told_from_others() -> None:
    text = "[a](docs/x.md#part) [b](https://example.org/y) [c](#part) ![d](e.png)\n```\n[f](g)\n```\n"
    assert relative_links(text) == ["docs/x.md", "e.png"]


def test_no_file_names_a_package_registry_or_somebodys_folder() -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, lines in tracked_texts().items()
        for number, line in enumerate(lines, start=1)
        if REGISTRY.search(line) or OWN_FOLDER.search(line.replace(MADE_UP, ""))
    ]
    assert found == []


@pytest.mark.parametrize("spec", options(TrainConfig), ids=lambda spec: spec.name)
def test_help_lines_are_short_sentences(spec: Field[Any]) -> None:
    line = spec.metadata["help"]
    assert line.endswith(".")
    assert len(line) <= 150


def same_value(stated: str, default: Any) -> bool:
    """Whether a help line's word is the default; "0" is 0.0."""
    if isinstance(default, float):
        return float(stated) == default
    return stated == str(default)


@pytest.mark.parametrize("spec", options(TrainConfig), ids=lambda spec: spec.name)
def test_help_lines_name_the_true_default(spec: Field[Any]) -> None:
    stated = DEFAULT.findall(spec.metadata["help"])
    assert len(stated) <= 1
    if spec.default is not None:
        assert all(same_value(re.split("[,:]", each)[0], spec.default) for each in stated)


def test_defaults_are_named_at_all() -> None:
    named = {spec.name for spec in options(TrainConfig) if DEFAULT.search(spec.metadata["help"])}
    assert {"validation_fraction", "model", "seed", "output"} <= named


# The order in which a newcomer needs them; each row of the index begins with one of these.
ORDER = (
    "Start", "Data", "Tasks", "Models", "Training", "Evaluation", "Prediction", "Summaries", "Speed", "Scale",
    "Reliability", "Troubleshooting", "Learn BERT", "How it is built", "Reference",
)  # fmt: skip


@pytest.mark.parametrize(("index", "readme"), [("docs/README.md", "README.md"), ("docs/README.ko.md", "README.ko.md")])
def test_the_index_links_every_page(index: str, readme: str) -> None:
    """Each page in the index's language, where it is written in that language."""
    there = {path.name for path in (ROOT / "docs").glob("*.md")}
    pages = {name for name in there if not name.endswith(".ko.md")} - {"README.md"}
    if ".ko." in index:
        pages = {name.replace(".md", ".ko.md") if name.replace(".md", ".ko.md") in there else name for name in pages}
    other_index = "README.md" if ".ko." in index else "README.ko.md"
    targets = {name for name in relative_links(text_of(index)) if not name.startswith("../")}
    assert targets == {*pages, other_index}
    assert index in relative_links(text_of(readme))


def test_both_indexes_have_the_order_of_a_newcomer() -> None:
    english, korean = (
        re.findall(r"^\| (\d+) \| \[([^\]]+)\]\(([^)]+)\)", text_of(f"docs/{name}"), re.MULTILINE)
        for name in ("README.md", "README.ko.md")
    )
    assert tuple(title for _, title, _ in english) == ORDER
    assert [number for number, _, _ in korean] == [number for number, _, _ in english]
    assert [target.replace(".ko.md", ".md") for *_, target in korean] == [target for *_, target in english]
