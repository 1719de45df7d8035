"""From a finished English sentence to its Korean one, with the particles that fit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

# --- Korean particles after what nobody knew when the sentence was written ------------------------

# Each particle, after a consonant and after a vowel.
PARTICLES = {
    "은": ("은", "는"),
    "이": ("이", "가"),
    "을": ("을", "를"),
    "과": ("과", "와"),
    "으로": ("으로", "로"),
    "이라고": ("이라고", "라고"),
}
# Digits as they are read: which end in a consonant, and which of these in ㄹ.
_CLOSED_DIGITS, _RIEUL_DIGITS = "013678", "178"
# English words by their last letters, as Koreans say them; single letters by their names.
_CLOSED_WORD = re.compile(r"(?:[aeiou][bkpmn]|ng|l|le|[aeiou][bcdgkpt]|ck|m|n|me|ne)$", re.IGNORECASE)
_RIEUL_WORD = re.compile(r"(?:l|le)$", re.IGNORECASE)
_CLOSED_LETTERS, _RIEUL_LETTERS = "LMNR", "LR"
# What stands after a word without being read.
_UNREAD = "'\"`’”)]}>…. "


def particle(word: str, name: str) -> str:
    """Return the form of a particle that fits after a word.

    Args:
        word: what stands before it, in any writing; quotation marks at its end are not read.
        name: the particle as it is after a consonant, a key of PARTICLES.

    >>> particle("모델", "은"), particle("'train.tsv'", "을"), particle("3", "으로")
    ('은', '를', '으로')
    """
    after_consonant, after_vowel = PARTICLES[name]
    closed, rieul = _end(word)
    if name == "으로" and rieul:
        return after_vowel
    return after_consonant if closed else after_vowel


def _end(word: str) -> tuple[bool, bool]:
    """Tell whether a word ends in a consonant, and whether that is ㄹ."""
    word = re.sub(r"\s*\([^()]*\)$", "", word.rstrip(" .")).rstrip(_UNREAD)
    last = word[-1:]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return final > 0, final == 8
    if last.isdigit():
        return last in _CLOSED_DIGITS, last in _RIEUL_DIGITS
    if last == "%":  # 퍼센트
        return False, False
    found = re.search(r"[A-Za-z]+$", word)
    if found is None:
        return False, False
    letters = found[0]
    if letters.isupper() or len(letters) == 1 or not re.search("[aeiouy]", letters):
        return letters[-1].upper() in _CLOSED_LETTERS, letters[-1].upper() in _RIEUL_LETTERS
    return _CLOSED_WORD.search(letters) is not None, _RIEUL_WORD.search(letters) is not None


# --- From a finished English sentence to its Korean one -------------------------------------------
#
# Messages are made where things happen, as f-strings, and no place that makes one knows of
# languages. So they are translated where they leave the program: the catalogue (ko.po, gettext's
# format) has each sentence of the source with its fields numbered, a finished sentence is held
# against these, and what stood in the fields is carried over. What a field holds may be a sentence
# of the catalogue itself.

# A field, the particle after it if there is one; - instead of a particle: nothing is put there.
_FIELD = re.compile(r"\{(\d+)(?::(\w+|-))?\}")
_ENTRY = re.compile(r'^msgid (".*"(?:\n".*")*)\nmsgstr (".*"(?:\n".*")*)$', re.MULTILINE)
# What joins sentences of the catalogue where no sentence of it is the whole.
_JOINTS = (": ", "; ", ". ", ", ", " (")
_FEW_LETTERS = 18
_COUNTED = re.compile(r"(.*)( \([\d,]+\))", re.DOTALL)
_QUOTED_FIRST = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|.*?)"""
# Stands before every error, and is the same in every language.
OURS = "bertkit: "
# Sentences within sentences, at most.
_DEPTH = 6


def read_po(text: str) -> dict[str, str]:
    """Read a catalogue: English texts and their translations, "" where there is none."""
    found = {}
    for english, other in _ENTRY.findall(text):
        found[_joined(english)] = _joined(other)
    found.pop("", None)
    return found


def _joined(lines: str) -> str:
    return "".join(json.loads(line) for line in lines.split("\n"))


# Joints of one kind that a sentence has.
_MOST_JOINTS = 10


class Template:
    """A sentence with fields, and its translation."""

    def __init__(self, english: str, other: str) -> None:
        self.other = other
        parts = _FIELD.split(english)[::3]
        self.literals = [part.replace("{{", "{").replace("}}", "}") for part in parts]
        self.weight = sum(len(part) for part in self.literals)
        self.longest = max(self.literals, key=len)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds the fields; the last of them is as long as it can be.

        Of two fields with nothing between them the first takes a quoted name whole, the second what is added to it.
        """
        parts = [re.escape(self.literals[0])]
        for literal in self.literals[1:]:
            parts += ["(.*?)" if literal else _QUOTED_FIRST, re.escape(literal)]
        return re.compile("".join(parts), re.DOTALL)

    def match(self, sentence: str) -> tuple[str, ...] | None:
        """Return what stands in the fields, or None where the sentence is another."""
        if self.longest not in sentence or not sentence.startswith(self.literals[0]):
            return None
        found = self.pattern.fullmatch(sentence)
        # What a sentence begins with is a name, not the place or the "warning: " before another one.
        if found is None or (not self.literals[0] and ": " in f"{found[1]} "):
            return None
        # A few words of ours are not a sign of a sentence unless a name or a number stands before them.
        if self.weight < _FEW_LETTERS and not self.literals[0] and (" " in found[1] or _is_word(found[1])):
            return None
        return found.groups()


def _is_word(field: str) -> bool:
    """Tell an English word, which makes a name of the words behind it (rare label), from a number or a name."""
    return field.isascii() and field.isalpha() and field.islower() and field != "no"


class Catalogue:
    """All sentences of a language."""

    def __init__(self, entries: Mapping[str, str]) -> None:
        """Take translated entries; those without fields are found by their whole text."""
        given = {english: other for english, other in entries.items() if other}
        plain = {english: other for english, other in given.items() if not _FIELD.search(english)}
        self._whole = {_unescaped(english): _unescaped(other) for english, other in plain.items()}
        templates = [Template(english, other) for english, other in given.items() if english not in plain]
        self._templates = sorted(templates, key=lambda each: -each.weight)
        self._found: dict[tuple[str, int], str | None] = {}

    @classmethod
    def read(cls, path: Path) -> Catalogue:
        """Read a file of gettext's form."""
        return cls(read_po(path.read_text(encoding="utf-8")))

    def translated(self, text: str) -> str:
        """Translate a sentence, or what of it the catalogue knows; the rest stays as it is."""
        self._found.clear()
        begins = OURS if text.startswith(OURS) else ""
        rest = text.removeprefix(begins)
        return begins + (self._find(rest, _DEPTH) or rest)

    def _find(self, text: str, depth: int) -> str | None:
        """Translate a text; None: nothing of it is known. Each is looked for once: parts come again."""
        if (text, depth) not in self._found:
            self._found[text, depth] = self._looked_for(text, depth)
        return self._found[text, depth]

    def _looked_for(self, text: str, depth: int) -> str | None:
        if not depth or not re.search("[a-z]", text):
            return None
        bare = text.strip()
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        for spelt in (text, bare):
            whole = self._whole.get(spelt)
            # A word alone may be somebody's: a label, a column, a file.
            if whole is not None and (depth == _DEPTH or " " in spelt.strip()):
                return whole if spelt is text else f"{before}{whole}{after}"
        known = self._match(text, depth, least=_FEW_LETTERS) or self._as_ended(text, depth)
        known = known or self._with_tail(text, depth) or self._counted(text, depth) or self._match(text, depth)
        if known is not None:
            return known
        if text.endswith("."):
            known = self._find(text[:-1], depth)
            return None if known is None else f"{known}."
        return self._parts(text, depth)

    def _counted(self, text: str, depth: int) -> str | None:
        """Translate a sentence behind which there is how often it holds, as in "the line is blank (3)"."""
        found = _COUNTED.fullmatch(text)
        if found is None or " " not in found[1]:
            return None
        known = self._whole.get(found[1]) or self._match(found[1], depth, least=_FEW_LETTERS)
        return None if known is None else f"{known}{found[2]}"

    def _as_ended(self, text: str, depth: int) -> str | None:
        """Translate the end of a sentence that has lost its full stop: the catalogue has it with one."""
        if text.endswith("."):
            return None
        known = self._whole.get(f"{text}.") if " " in text.strip() else None
        known = known or self._match(f"{text}.", depth, least=_FEW_LETTERS)
        return None if known is None else known.removesuffix(".")

    def _match(self, text: str, depth: int, *, least: int = 0) -> str | None:
        """Translate by the sentence with fields that has most letters in common; `least` are asked for."""
        for template in self._templates:
            if template.weight < least:
                return None
            fields = template.match(text)
            if fields is not None:
                return filled(template.other, [self._find(each, depth - 1) or each for each in fields])
        return None

    def _with_tail(self, text: str, depth: int) -> str | None:
        """Translate a sentence to which another clause was added at its end."""
        for joint in ("; ", ", "):
            at = text.rfind(joint)
            if at <= 0:
                continue
            head, tail = text[:at], text[at:]
            known = self._whole.get(head) if " " in head else None
            known = known or self._match(head, depth, least=_FEW_LETTERS) or self._counted(head, depth)
            known = known or self._with_tail(head, depth - 1)
            if known is not None:
                return known + (self._match(tail, depth) or joint + (self._find(tail[2:], depth - 1) or tail[2:]))
        return None

    def _parts(self, text: str, depth: int) -> str | None:
        """Translate what stands before and after a joint, where either is known."""
        for joint in _JOINTS:
            if text.count(joint) > _MOST_JOINTS:
                continue  # a list of names or lines
            at = text.find(joint)
            while at >= 0:
                head, tail = text[:at], text[at + len(joint) :]
                ends = ")" if joint == " (" and tail.endswith(")") else ""
                known = self._find(tail.removesuffix(ends), depth - 1)
                first = self._find(head, depth - 1) if known is None or joint != ": " else self._find(head, 1)
                if known is not None or first is not None:
                    return f"{first or head}{joint}{known or tail.removesuffix(ends)}{ends}"
                at = text.find(joint, at + 1)
        return None


def filled(template: str, fields: list[str]) -> str:
    """Put fields into a translation, each with the particle that fits it.

    >>> filled("{0:을} 읽을 수 없습니다.", ["파일"])
    '파일을 읽을 수 없습니다.'
    """

    def field(found: re.Match[str]) -> str:
        value = fields[int(found[1])]
        if found[2] == "-":
            return ""
        return value + particle(value, found[2]) if found[2] else value

    return _unescaped(_FIELD.sub(field, template))


def faults(english: str, other: str) -> str | None:
    """Say what is wrong with a translation: its fields or its particles; None: nothing."""
    wanted, given = _FIELD.findall(english), _FIELD.findall(other)
    if sorted({number for number, _ in wanted}) != sorted({number for number, _ in given}):
        return "its fields differ"
    unknown = [name for _, name in given if name and name not in (*PARTICLES, "-")]
    return f"no particle is called {unknown[0]}" if unknown else None


def _unescaped(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")
