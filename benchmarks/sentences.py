"""Sentences beside pysbd, syntok, kss and kiwi: English golden rules, and Korean texts with their boundaries.

    python benchmarks/sentences.py --golden test_english.py --korean FOLDER

Both are read from where they lie, and neither is part of this project. `--golden` is the file
of pySBD's tests (tests/lang/test_english.py in its repository), whose list
GOLDEN_EN_RULES… is read and not run: a rule holds where the sentences, without
outer white space, are the ones it lists. `--korean` is a folder of the benchmark that kss and
kiwi publish: a sentence on each line, a blank line between texts. Its figure is the F1 of whole
sentences, each reaching to the start of the next, blanks not counted.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

Cut = Callable[[str], list[str]]
LIST = "GOLDEN_EN_RULES"


def golden_rules(path: Path) -> list[tuple[str, list[str]]]:
    """Read the list of rules out of a Python file without running it: each a text and its sentences."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.List)):
            continue
        if any(isinstance(target, ast.Name) and target.id.startswith(LIST) for target in node.targets):
            return [_rule(element) for element in node.value.elts]
    raise SystemExit(f"{path}: there is no list {LIST} in it.")


def _rule(element: ast.expr) -> tuple[str, list[str]]:
    """Read a pair of text and sentences; those that pySBD itself does not keep are wrapped in a call."""
    parts = element.args if isinstance(element, ast.Call) else getattr(element, "elts", [])
    text, expected = map(ast.literal_eval, parts[:2])
    return text, list(expected)


def texts_of(path: Path) -> Iterator[list[str]]:
    """Yield the sentences of each text of a Korean file."""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.split("\n") if line.strip()]
        if lines:
            yield lines


def rules_kept(rules: Sequence[tuple[str, list[str]]], cut: Cut) -> tuple[int, list[str]]:
    """Count the rules that hold, and list the texts of the others."""
    broken = [text for text, expected in rules if [s.strip() for s in cut(text)] != [s.strip() for s in expected]]
    return len(rules) - len(broken), broken


def f1_of(path: Path, cut: Cut) -> float:
    """Return the F1 of whole sentences over the texts of a file."""
    gold = found = both = 0
    for lines in texts_of(path):
        wanted, got = _spans(lines), _spans(cut("".join(lines)))
        gold, found, both = gold + len(wanted), found + len(got), both + len(wanted & got)
    return 2 * both / max(1, gold + found)


def _spans(sentences: Sequence[str]) -> set[tuple[int, int]]:
    """Return the sentences as spans of characters, blanks not counted; together they are the text."""
    ends = accumulate((len("".join(sentence.split())) for sentence in sentences), initial=0)
    return {(begin, behind) for begin, behind in pairwise(ends) if behind > begin}


def _whole(text: str, starts: Sequence[int]) -> list[str]:
    """Cut a text at places, so that nothing of it is lost."""
    cuts = [0, *(start for start in starts if start), len(text)]
    return [text[begin:behind] for begin, behind in pairwise(cuts)]


def _bertkit(text: str) -> list[str]:
    from bertkit.documents.sentences import split_sentences

    return [sentence.text for sentence in split_sentences(text, "auto")]


def _bertkit_korean(text: str) -> list[str]:
    from bertkit.documents.sentences import split_sentences

    return _whole(text, [sentence.start for sentence in split_sentences(text, "auto")])


def _pysbd() -> Cut:
    import pysbd

    segmenter = pysbd.Segmenter(language="en", clean=False)
    return lambda text: list(segmenter.segment(text))


def _syntok() -> Cut:
    from syntok import segmenter

    def cut(text: str) -> list[str]:
        return [
            "".join(token.spacing + token.value for token in sentence).strip()
            for paragraph in segmenter.analyze(text)
            for sentence in paragraph
        ]

    return cut


def _kiwi() -> Cut:
    from kiwipiepy import Kiwi

    kiwi = Kiwi(num_workers=1)
    return lambda text: _whole(text, [sentence.start for sentence in kiwi.split_into_sents(text)])


def _kss() -> Cut:
    import kss

    return lambda text: list(kss.split_sentences(text, backend="fast", num_workers=1))


ENGLISH: dict[str, tuple[str, Callable[[], Cut]]] = {
    "bertkit": ("bertkit", lambda: _bertkit),
    "pysbd": ("pysbd", _pysbd),
    "syntok": ("syntok", _syntok),
}
KOREAN: dict[str, tuple[str, Callable[[], Cut]]] = {
    "bertkit": ("bertkit", lambda: _bertkit_korean),
    "kiwi": ("kiwipiepy", _kiwi),
    "kss": ("kss", _kss),
}


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=Path, help="pySBD's tests/lang/test_english.py")
    parser.add_argument("--korean", type=Path, help="folder of .txt files, a sentence on each line")
    parser.add_argument("--broken", action="store_true", help="show the rules that bertkit does not keep")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    asked = parser.parse_args()
    if asked.golden is None and asked.korean is None:
        parser.error("give --golden FILE, --korean FOLDER, or both")
    results: dict[str, dict[str, object]] = {}
    if asked.golden is not None:
        rules = golden_rules(asked.golden)
        for name, cut in _installed(ENGLISH):
            began = time.process_time()
            kept, broken = rules_kept(rules, cut)
            seconds = round(time.process_time() - began, 3)
            results.setdefault(name, {})["english"] = f"{kept} of {len(rules)}"
            results[name]["english_seconds"] = seconds
            if asked.broken and name == "bertkit":
                print(*broken, sep="\n", file=sys.stderr)
    if asked.korean is not None:
        for name, cut in _installed(KOREAN):
            for path in sorted(asked.korean.glob("*.txt")):
                results.setdefault(name, {})[path.stem] = round(f1_of(path, cut), 3)
    if asked.json:
        print(json.dumps(results, ensure_ascii=False))
    else:
        for name, figures in results.items():
            print(f"{name:8}", "  ".join(f"{what} {figure}" for what, figure in figures.items()))
    return 0


def _installed(table: dict[str, tuple[str, Callable[[], Cut]]]) -> Iterator[tuple[str, Cut]]:
    for name, (package, build) in table.items():
        if importlib.util.find_spec(package) is None:
            print(f"left out: {package} is not installed", file=sys.stderr)
        else:
            yield name, build()


if __name__ == "__main__":
    raise SystemExit(main())
