"""The language in which bertkit talks to people: English, or Korean where they ask for it.

Asked by `--lang`, by BERTKIT_LANG, or by the locale (LC_ALL, LC_MESSAGES, LANG). Codes, keys and
values of JSON and files are the same in every language. Of English nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bertkit.language.catalogue import Catalogue

LANGUAGES = ("en", "ko")
VARIABLE = "BERTKIT_LANG"
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")


class _Spoken:
    """The catalogue of the language that is spoken; None: English."""

    catalogue: Catalogue | None = None


def asked_language(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the language that a command line or its environment asks for.

    Args:
        words: the command line; `--lang` counts before the command.
        environment: variables; the first that says anything decides.
    """
    for place, word in enumerate(words):
        name, is_joined, value = word.partition("=")
        if name == "--lang":
            given = value if is_joined else "".join(words[place + 1 : place + 2])
            return given if given in LANGUAGES else "en"
        if not word.startswith("-"):
            break
    own = environment.get(VARIABLE, "")
    if own:
        return "ko" if own.lower().startswith("ko") else "en"
    said = next((environment[name] for name in _LOCALE if environment.get(name)), "")
    return "ko" if said.lower().partition("_")[0].partition(".")[0] in ("ko", "korean") else "en"


def speak(language: str) -> None:
    """Talk in a language from here on."""
    if language != "ko":
        _Spoken.catalogue = None
    elif _Spoken.catalogue is None:
        from pathlib import Path

        from bertkit.language.catalogue import Catalogue

        _Spoken.catalogue = Catalogue.read(Path(__file__).with_name("ko.po"))


def translated(text: str) -> str:
    """Say a finished sentence in the language that is spoken; what is not known stays English."""
    return text if _Spoken.catalogue is None else _Spoken.catalogue.translated(text)
