"""Keep bertkit/language/ko.po: every sentence of the source has an entry, and no entry is left over.

python docs/translations.py            lists what lacks its translation
python docs/translations.py --write    adds empty entries for new sentences, drops old ones

A sentence is found by where it stands: in what is raised, in what is said (note, warn, say …), in
the texts of `--help`, and elsewhere as a text of several words that some message is made of. Its
fields are numbered in their order: f"{path}: {n} rows" is "{0}: {1} rows".
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import typer.main

sys.path.insert(0, str(Path(__file__).parents[1]))

from bertkit.cli.app import app
from bertkit.cli.help import paragraphs
from bertkit.config import TrainConfig, options
from bertkit.language.catalogue import read_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bertkit"
CATALOGUE = PACKAGE / "language" / "ko.po"
# Pages, cards and what a server answers are English in every language; so are the registry's notes.
ENGLISH = (
    "reporting/",
    "serving/http.py",
    "serving/service.py",
    "models/table.py",
    "models/sizes.py",
    "data/catalog.py",
    "hub_sentences.py",
)
# Lists of words and names of parts of files, which nobody is told.
WORD_LISTS = ("documents/", "export/folders.py", "language/", "tokenization/encoding.py", "data/column_names.py")
# What Typer says, and what bertkit says in words that stand in no one text of its source.
ALSO = (
    "Usage:", "Arguments", "Options", "Commands", "Output", "required", "default:", "Example: {0}",
    "Show this message and exit.",
    "No such option: {0}", "No such option: {0}. Did you mean {1}?", "No such command {0}.",
    "No such command {0}. Did you mean {1}?", "Missing argument {0}.", "Missing option {0}.",
    "Option {0} requires an argument.", "Option {0} does not take a value.", "Got unexpected extra argument ({0})",
    "Got unexpected extra arguments ({0})", "Invalid value for {0}: {1}", "Invalid value: {0}",
    "it is not a number.", "it is not a whole number.", "it must be at least {0}.", "it must be at most {0}.",
    "{0} is not a valid integer.", "{0} is not a valid float.", "{0} is not a valid int.",
    "{0} is not in the range {1}.", "{0} is not one of {1}.",
    "{0} row", "{0} rows", "{0} row has", "{0} rows have", "{0} row is", "{0} rows are", "{0} label has",
    "{0} labels have", "{0} labels", "{0} label", "{0} row repeats", "{0} rows repeat", "{0} row shares",
    "{0} rows share", "{0} text", "{0} texts", "{0} groups", "{0} group",
    "warning: {0}", "bertkit: warning: {0}", "bertkit: {0}", "next: {0}", "{0} s", "the column is {0}",
    "the columns are {0}", "the columns are {0}, and {1} are made of them",
    "the columns are {0}, and {1} is made of them",
    "the column is {0}, and {1} are made of it", "the column is {0}, and {1} is made of it",
    "the columns are {0} (made of what the rows hold)", "the column is {0} (made of what the rows hold)",
    "unknown {0} {1}: did you mean {2}? {3}.", "unknown {0} {1}; {2}.",
    "{0} {1}: must be at least {2}.", "{0} {1}: must be at most {2}.", "{0} {1}: must be less than {2}.",
    "{0} {1}: must be greater than {2}.", "{0} fields where {1} are expected", "{0} field where {1} are expected",
    "length", "longest", "mean", "tokens", "{0}, words", "task: {0}, because {1}", "Error",
    "Try [blue]'{{command_path}} {{help_option}}'[/] for help.",
    "the labels are words or whole numbers{0}", "all labels are numbers and not all are whole",
    "the labels are whole numbers{0}; if they are scores, --task {1}", "all labels are amounts",
    "the columns {0} are yes or no",
    "the texts are in English, and it is the first of its kind that is on this machine",
    "the texts are in Korean, and it is the first of its kind that is on this machine",
    "no encoder for texts in English is on this machine; one learns more from the same rows: {0}",
    "no encoder for texts in Korean is on this machine; one learns more from the same rows: {0}",
    "{0}: {1} rows have the same text as another row and a different label; decide which label is right, or drop them.",
    "{0}: {1} rows have another row's text apart from letter case, white space or punctuation, and a different label; "
    "decide which label is right, or drop them.",
    "{0}: {1} rows exceed {2} tokens ({3}) and would be cut; {4} tokens cut under {5} of the rows.",
    "{0}: {1} rows repeat an earlier row exactly.",
    "{0}: {1} rows repeat an earlier row apart from letter case, white space or punctuation.",
    "{0} rows hold {1}", "{0} row holds {1}", "{0} rows spell", "{0} row spells", "{0} pairs", "{0} pair",
    "{0} labels are", "{0} label is", "{0}: left out, because they are not rows of the data: {1}.",
    "which --model {0} trains by itself",
    "{0} steps in {1} s, best at step {2} by {3}: {4}", "{0} steps in {1} s, best at step {2}: {3}",
    "fitted in {0} s: {1}", "epoch {0}, step {1}: validation {2} (best so far by {3})",
    "metric", "model", "95 % CI", "validation", "warning:", "error", "warning",
)  # fmt: skip
KINDS = ("task", "model", "sample", "data set", "language", "method", "model for summaries", "ROUGE tokenization")
ALSO += tuple(f"unknown {kind} {rest}" for kind in KINDS for rest in ("{0}: did you mean {1}? {2}.", "{0}; {1}."))
UNITS = ("rows", "documents", "texts", "lines")
ALSO += tuple(
    each.replace("rows", unit)
    for unit in UNITS
    for each in (
        "{0} rows, {1} rows/s", "{0} of about {1} rows, {2} rows/s", "{0} of {1} rows, {2} rows/s",
        "{0} of about {1} rows, {2} rows/s, about {3} left", "{0} of {1} rows, {2} rows/s, about {3} left",
        "no rows yet, after {0}", "all {0} rows read, at work for {1}",
    )
)  # fmt: skip
# What is called to say something.
SPEAKERS = {"note", "warn", "say", "say_line", "_note", "tell", "_tell", "new_table", "print"}
HEAD = r"""
msgid ""
msgstr ""
"Project-Id-Version: bertkit\n"
"Language: ko\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Content-Transfer-Encoding: 8bit\n"
"""


def template_of(node: ast.AST) -> str | None:
    """Return a text of the source with its fields numbered; None: it is not text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("{", "{{").replace("}", "}}")
    if not isinstance(node, ast.JoinedStr):
        return None
    parts, fields = [], 0
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value).replace("{", "{{").replace("}", "}}"))
        else:
            parts.append(f"{{{fields}}}")
            fields += 1
    return "".join(parts)


def is_prose(template: str) -> bool:
    """Tell whether a text has words to translate: two of them at least."""
    words = re.findall(r"[A-Za-z]{2,}", re.sub(r"\{\d+\}", "", template))
    return len(words) > 0 and " " in template.strip() and any(word.islower() for word in words)


def strings_of(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Iterate the texts of a module that are neither docstrings nor parts of others."""
    inner, silent = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in ast.walk(node)} - {id(node)}
            # texts within a field are texts of their own
            for value in node.values:
                if isinstance(value, ast.FormattedValue):
                    inner -= {id(part) for part in ast.walk(value.value)}
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
        if _is_line(node):
            inner |= {id(part) for argument in node.args[1:] for part in _plain_parts(argument)}
            yield node, _joined(node.args[1:])
    for node in ast.walk(tree):
        if id(node) not in inner and id(node) not in silent:
            template = template_of(node)
            if template is not None:
                yield node, template


def _is_line(node: ast.AST) -> TypeGuard[ast.Call]:
    """Tell whether a call prints a line of several parts, which are one sentence."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say_line" and len(node.args) > 2


def _plain_parts(argument: ast.AST) -> Iterator[ast.AST]:
    """Iterate a part of a line: a text, or a pair of a text and its style."""
    yield argument
    if isinstance(argument, ast.Tuple):
        yield from argument.elts


def _joined(arguments: Iterable[ast.AST]) -> str:
    """Join the parts of a line; its fields are numbered anew."""
    said: list[str] = []
    fields = 0
    for argument in arguments:
        part = template_of(argument.elts[0] if isinstance(argument, ast.Tuple) else argument) or "{0}"
        own = len(set(re.findall(r"\{\d+\}", part)))
        said.append(re.sub(r"\{(\d+)\}", lambda found, first=fields: f"{{{int(found[1]) + first}}}", part))
        fields += own
    return "".join(said)


def _kinds(tree: ast.AST) -> dict[int, str]:
    """Tell of each node whether it is raised or said."""
    found: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            found.update({id(part): "error" for part in ast.walk(node.exc)})
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in SPEAKERS or (name == "echo" and any(each.arg == "err" for each in node.keywords)):
                for argument in node.args:
                    found.update({id(part): "note" for part in ast.walk(argument) if id(part) not in found})
    return found


def _not_said(tree: ast.AST) -> set[int]:
    """Return what stands where no message does: help texts (they are taken from the commands), keys, patterns."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("Option", "Argument", "Typer", "option", "compile", "getLogger"):
                found |= {id(part) for part in ast.walk(node)}
        elif isinstance(node, ast.Subscript):
            found |= {id(part) for part in ast.walk(node.slice)}
        elif isinstance(node, ast.Assert | ast.arg | ast.AnnAssign) and getattr(node, "annotation", None) is not None:
            found |= {id(part) for part in ast.walk(node.annotation)}
    return found


def messages() -> dict[str, tuple[str, str]]:
    """Return the sentences of the source: each with its kind (error, note, text) and its file."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if name.startswith(ENGLISH):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds, silent = _kinds(tree), _not_said(tree)
        for node, template in strings_of(tree):
            if id(node) in silent or not is_prose(template):
                continue
            kind = kinds.get(id(node), "text")
            if kind == "text" and ("\n" in template or name.startswith(WORD_LISTS)):
                continue
            if template not in found or found[template][0] == "text":
                found[template] = (kind, name)
    return found


def help_texts() -> dict[str, tuple[str, str]]:
    """Return all texts of `--help`."""
    found: dict[str, tuple[str, str]] = {}

    def see(command: Any) -> None:
        said = [each for each in paragraphs(command.help or "") if not each.startswith("Example: ")]
        texts = [*said, *(param.help or "" for param in command.params)]
        texts += [getattr(param, "rich_help_panel", None) or "" for param in command.params]
        found.update({text.replace("{", "{{").replace("}", "}}"): ("help", "") for text in texts if text})
        for each in getattr(command, "commands", {}).values():
            see(each)

    see(typer.main.get_command(app))
    found.update({spec.metadata["help"]: ("help", "config.py") for spec in options(TrainConfig)})
    return found


def wanted() -> dict[str, tuple[str, str]]:
    """Return all sentences that the catalogue should have, each with its kind and its file."""
    return {**messages(), **help_texts(), **dict.fromkeys(ALSO, ("also", ""))}


def written(entries: Mapping[str, str], sources: Mapping[str, tuple[str, str]]) -> str:
    """Write a catalogue, in the order of files."""

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    parts = [HEAD.strip("\n") + "\n"]
    for english in sorted(sources, key=lambda each: (sources[each][1], sources[each][0])):
        kind, name = sources[english]
        parts.append(
            f"#. {kind}\n#: {name or 'help'}\nmsgid {quoted(english)}\nmsgstr {quoted(entries.get(english, ''))}\n"
        )
    return "\n".join(parts)


def main(words: Iterable[str] | None = None) -> int:
    """List what lacks its translation, or write the file anew; returns how many lack a translation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="add new sentences, drop old ones")
    asked = parser.parse_args(None if words is None else list(words))
    sources, entries = wanted(), read_po(CATALOGUE.read_text(encoding="utf-8"))
    if asked.write:
        CATALOGUE.write_text(written(entries, sources), encoding="utf-8")
    lacking = [english for english in sources if not entries.get(english)]
    sys.stdout.writelines(f"{sources[english][1]}: {english}\n" for english in lacking)
    return len(lacking)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
