"""Scores of answers that are stretches of a text: SQuAD's, KorQuAD's and KLUE-MRC's own.

Each data set has a program that scores it, and figures are only comparable where answers are
brought to the same form first. No answer is the empty text.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

_PUNCTUATION = frozenset(string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
# KorQuAD 1.0's program puts a blank in place of each of these.
_KORQUAD_MARKS = re.compile("['\"《》<>〈〉()‘’]")
# KLUE's means to do the same, but a bracket of its pattern closes too early: it finds only one of
# these characters with all of ()‘’ behind it, so that 《》 stay in an answer.
_KLUE_MARKS = re.compile("['\"《》<>〈〉]\\(\\)‘’")

Score = Callable[[str, str], float]
"""How near an answer is to a right one, 0 to 1."""


def squad_form(text: str) -> str:
    """Bring an answer to the form in which SQuAD compares: lower case, no punctuation, no articles."""
    bare = "".join(char for char in text.lower() if char not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def korquad_form(text: str) -> str:
    """Bring an answer to the form in which KorQuAD 1.0 compares."""
    bare = "".join(char for char in _KORQUAD_MARKS.sub(" ", text).lower() if char not in _PUNCTUATION)
    return " ".join(bare.split())


def klue_form(text: str) -> str:
    """Bring an answer to the form in which KLUE-MRC compares; 《》, 〈〉 and ‘’ stay."""
    bare = "".join(char for char in _KLUE_MARKS.sub(" ", text.lower()) if char not in _PUNCTUATION)
    return " ".join(bare.split())


def squad_exact(given: str, right: str) -> float:
    """Return 1 where two answers are the same in SQuAD's form, else 0."""
    return float(squad_form(given) == squad_form(right))


def squad_f1(given: str, right: str) -> float:
    """Return the F1 of the words of an answer; where one has none, whether both have none."""
    return _f1(squad_form(given).split(), squad_form(right).split())


def korquad_exact(given: str, right: str) -> float:
    """Return 1 where two answers are the same in KorQuAD's form, else 0."""
    return float(korquad_form(given) == korquad_form(right))


def character_f1(given: str, right: str) -> float:
    """Return KorQuAD's F1 of the characters of an answer, blanks left out."""
    return _f1(list(korquad_form(given).replace(" ", "")), list(korquad_form(right).replace(" ", "")))


def klue_exact(given: str, right: str) -> float:
    """Return 1 where two answers are the same in KLUE's form, else 0."""
    return float(klue_form(given) == klue_form(right))


def klue_rouge_w(given: str, right: str) -> float:
    """Return what KLUE calls ROUGE-W: the F1 of the longest stretch of characters that two answers share."""
    mine, gold = klue_form(given), klue_form(right)
    if not gold:
        return float(mine == gold)
    shared = SequenceMatcher(None, mine, gold).find_longest_match(0, len(mine), 0, len(gold)).size
    return 0.0 if not shared else 2.0 * shared / (len(mine) + len(gold))


def best(score: Score, given: str, rights: Sequence[str]) -> float:
    """Return the score beside the right answer that is nearest; where there is none, no answer is right."""
    return max(score(given, right) for right in rights or ("",))


def _f1(given: Sequence[str], right: Sequence[str]) -> float:
    if not given or not right:
        return float(list(given) == list(right))
    same = sum((Counter(given) & Counter(right)).values())
    return 2.0 * same / (len(given) + len(right)) if same else 0.0
