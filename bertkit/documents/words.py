"""The words of a sentence, by language, for whatever compares sentences by their words."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import filterfalse
from typing import Any, Literal
from unicodedata import normalize

from bertkit.errors import TokenizerError, UnknownNameError

# --- Which of the two languages a text is in ------------------------------------------------------

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
        UnknownNameError: the language is not one of `LANGUAGES`.
    """
    if language == "auto":
        return detect_language(text)
    if language == "en":
        return "en"
    if language == "ko":
        return "ko"
    raise UnknownNameError.among("language", language, LANGUAGES, "there are auto, en and ko")


# --- The Korean analyser kiwipiepy (extra `ko`), where it is installed ----------------------------


def kiwi_installed() -> bool:
    """Tell whether the Korean analyser can be used, without loading it."""
    return importlib.util.find_spec("kiwipiepy") is not None


def load_kiwi() -> Any:
    """Return the analyser, loaded once for the process (two seconds, half a gigabyte).

    Raises:
        TokenizerError: the extra `ko` is not installed.
    """
    if not kiwi_installed():
        raise TokenizerError(
            "Korean morphemes need the package kiwipiepy, which is not installed; pip install kiwipiepy."
        )
    return _build_kiwi()


@cache
def _build_kiwi() -> Any:
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)


# --- The words of a sentence, by language, for whatever compares sentences by their words ---------
#
# English words are runs of letters and digits in lower case, function words left out: they
# link everything with everything. (Summaries of three sentences by TextRank of 1,000
# CNN/DailyMail documents gain 3.8 points of ROUGE-1 by it, and nothing by stemming.) Korean words are the stems of
# its content words where kiwipiepy is installed; without it pairs of neighbouring syllables
# stand in for them, which match 날씨가 with 날씨는 as far as 날씨 goes.

_ENGLISH = re.compile(r"\w+")
# For ASCII text, whose words are cut twice as fast so: lower case for letters, and spaces between words.
_TO_ENGLISH = bytes(ord(chr(code).lower() if _ENGLISH.match(chr(code)) else " ") for code in range(128)) + bytes(128)
_RUN = re.compile(rf"[{HANGUL}]+|(?:(?![{HANGUL}])[^\W_])+")
# Particles, endings and function words, as far as pairs of syllables and single ones can tell them.
_FUNCTION_SYLLABLES = frozenset(
    "니다 습니 했습 었습 았습 였습 겠습 합니 입니 됩니 됐습 있습 없습 이다 한다 했다 였다 었다 았다 된다 됐다 "
    "있다 없다 하고 하는 하지 하게 하며 해서 하여 하면 있는 있었 없는 없었 에서 으로 에게 까지 부터 처럼 보다 "
    "다고 라고 이라 그리 그러 그런 것이 것은 것을 것으 이 그 저 것 수 등 및 더 또 한 두 할 된 때 안 못 잘 다 를 "
    "을 은 는 가 의 에 도 와 과".split()
)
_HANGUL_FIRST = re.compile(f"[{HANGUL}]")
# The last ones are what is left of 's, n't, 're and so on.
_FUNCTION_WORDS = frozenset(
    "a about above after again all also am an and any are as at be because been before being below between both but "
    "by can could did do does doing down during each few for from further had has have having he her here hers him "
    "his how himself i if in into is it its itself just me more most my myself no nor not now of off on once only or "
    "other our ours out over own same she should so some such than that the their theirs them then there these they "
    "this those through to too under until up very was we were what when where which while who whom why will with "
    "would you your yours s t n nt re ve ll d m".split()
)
# Nouns, verbs, adjectives, roots, Latin words and numbers; not particles, endings, symbols.
_CONTENT_TAGS = ("NNG", "NNP", "VV", "VA", "XR", "SL", "SN")


def sentence_words(sentences: Sequence[str], language: str = "auto") -> list[list[str]]:
    """Return the words of each sentence; "auto" looks at all of them together.

    Raises:
        UnknownNameError: the language is not one of "auto", "en" and "ko".
    """
    if resolve_language(language, "\n".join(sentences)) == "en":
        return [english_words(sentence) for sentence in sentences]
    if kiwi_installed():
        # Decomposed syllables (NFD), as macOS writes them, are not words to the analyser.
        return [_content_words(tokens) for tokens in morphemes([normalize("NFC", s) for s in sentences])]
    return [syllable_pairs(sentence) for sentence in sentences]


# Laughter, tears and the like, as people type them: one letter, one syllable or two letters again and again.
_LAUGHED = re.compile(
    r"[ㅋㅎㅠㅜㅡ]+|([ㄱ-ㆎ])\1+|[앜엌잌읔욬앟헿힣][ㄱ-ㆎ]*|[큐유우으아크쿠]?[ㅋㅎㅠㅜ]{2,}"
    r"|([하히후헤호허흐크키큭킥푸]|h[aeio]|j[aej]|xi|ke)\2+[hj]?|([^\W\d_])\3{2,}|([^\W\d_]{2})\4{2,}[^\W\d_]?"
    r"|lo+l(?:o+l)*|lmf?ao+|rofl|xd+"
)
_TYPED_SOUND = re.compile(r"[ㅋㅎㅠㅜ]{2,}")


def is_laughter(text: str) -> bool:
    """Tell whether a text is laughter, tears and the like, however long, and says nothing else."""
    words = _ENGLISH.findall(normalize("NFC", text).lower())
    return bool(words) and all(_LAUGHED.fullmatch(word) for word in words)


def english_words(text: str) -> list[str]:
    """Return the runs of letters and digits in lower case, without function words."""
    words = text.encode().translate(_TO_ENGLISH).decode().split() if text.isascii() else _ENGLISH.findall(text.lower())
    return list(filterfalse(_FUNCTION_WORDS.__contains__, words))


def syllable_pairs(text: str) -> list[str]:
    """Return the pairs of neighbouring syllables within words; other words and single syllables whole, laughter not."""
    words: list[str] = []
    for run in _RUN.findall(_TYPED_SOUND.sub(" ", normalize("NFC", text).lower())):
        if len(run) > 2 and _HANGUL_FIRST.match(run):
            words.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            words.append(run)
    return [word for word in words if word not in _FUNCTION_SYLLABLES]


# --- Sentences as corpora of news are written: in lower case, with blanks between tokens ----------
#
# What learnt from such a corpus knows lengths that count full stops and commas, `do n't` and
# `( cnn )`. Written as people write, a sentence is shorter by its figures, and its marks are
# glued to words. So both are written alike: what is so already hardly changes.

_CURLY = str.maketrans("’‘“”", "''\"\"")
_TOKEN = re.compile(
    r"(?:[^\W\d_]\.){2,}"  # u.s., p.m.
    r"|\d+(?:[.,:/]\d+)+"  # 1,000.50, 9/11
    r"|--+|\.\.\.+"
    r"|\w+(?:['&]\w+)*"  # o'brien, at&t
    r"|'(?:s|re|ve|m|ll|d)\b"
    r"|\S"
)
_CLITIC = re.compile(r"(.+?)('(?:s|re|ve|m|ll|d)|n't)")


def as_newswire(text: str) -> str:
    """Return a sentence in lower case with a blank between tokens, as the Penn Treebank cuts them."""
    tokens: list[str] = []
    for token in _TOKEN.findall(text.translate(_CURLY).lower()):
        parts = _CLITIC.fullmatch(token)
        tokens += parts.groups() if parts else [token]
    return " ".join(tokens)


def _content_words(tokens: Iterable[Any]) -> list[str]:
    return [token.form.lower() for token in tokens if token.tag.startswith(_CONTENT_TAGS)]


def morphemes(texts: Iterable[str]) -> Iterable[list[Any]]:
    """Yield kiwipiepy's tokens (`form`, `tag`, `start`, `len`) of each text.

    Raises:
        TokenizerError: the extra `ko` is not installed.
    """
    return load_kiwi().tokenize(texts)  # type: ignore[no-any-return]
