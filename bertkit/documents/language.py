"""Which of the two languages a text is in."""

from __future__ import annotations

import re
from typing import Literal

from bertkit.errors import UnknownNameError

Language = Literal["en", "ko"]
LANGUAGES = ("auto", "en", "ko")

# A syllable carries what two or three Latin letters do, so Korean with many English terms
# has far fewer syllables than letters; English text hardly has any.
_KOREAN_SHARE = 0.2

HANGUL = "가-힣ㄱ-ㆎᄀ-ᇿ"
_NOT_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
_HANGUL_RUN = re.compile(f"[{HANGUL}]+")
_LETTER_RUN = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> Language:
    """Return "ko" where at least a fifth of the letters are Hangul, else "en"."""
    plain = text.encode("ascii", "ignore")
    most_hangul = len(text) - len(plain)
    if not most_hangul or most_hangul < _KOREAN_SHARE * len(plain.translate(None, _NOT_LETTERS)):
        return "en"  # without looking at what the other characters are
    hangul = sum(map(len, _HANGUL_RUN.findall(text)))
    if not hangul:
        return "en"
    letters = sum(map(len, _LETTER_RUN.findall(text)))
    return "ko" if hangul >= _KOREAN_SHARE * letters else "en"


def resolve_language(language: str, text: str) -> Language:
    """Return the language asked for, or that of the text where "auto" is asked for.

    Raises:
        UnknownNameError: the language is none of `LANGUAGES`.
    """
    if language == "auto":
        return detect_language(text)
    if language == "en":
        return "en"
    if language == "ko":
        return "ko"
    raise UnknownNameError.among("language", language, LANGUAGES, "there are auto, en and ko")
