"""Korean particles after what nobody knew when the sentence was written."""

from __future__ import annotations

import re

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
