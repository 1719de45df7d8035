"""`--model auto`: the best encoder that is on this machine for the texts and the task.

What is in a package or in the hub's cache counts as being here; nothing is fetched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from bertkit.hub import is_cached
from bertkit.models.offline import is_packaged, package_way_on
from bertkit.models.registry import find_model
from bertkit.models.table import ModelSpec

AUTO, FROM_NOTHING = "auto", "scratch"
SAMPLE = 1000
KOREAN_SHARE, ENGLISH_SHARE = 0.2, 0.05
# Of words in letters that an English encoder does not know; from then on it would miss too many rows.
OTHER_SHARE = 0.05
# By language, the first of those that are here is taken. Small ones are first: what they lose
# against a base model they gain in hours on a CPU, and who has fetched a larger one names it.
CANDIDATES: Mapping[str, tuple[str, ...]] = {
    "English": ("minilm", "xtremedistil", "multilingual-e5-small", "distilbert", "roberta", "bert"),
    "Korean": ("multilingual-e5-small", "klue-roberta-small", "klue-roberta", "koelectra", "klue-bert", "kobert"),
    "another language": ("multilingual-e5-small", "mmbert-small", "mdeberta"),
    "several languages": ("multilingual-e5-small", "mmbert-small", "mdeberta"),
}
_WORD = re.compile(r"[^\W\d_]+")
# Syllables, and letters as they are typed alone or decomposed.
_HANGUL = re.compile("[가-힣\u1100-\u11ff\u3130-\u318f]")
_NOT_LATIN = re.compile("[^A-Za-z\u00aa-\u024f]")
# English, and no words of its neighbours.
_FUNCTION_WORDS = frozenset("the and to that with it this you are for was not".split())
# Of languages that are often written in plain Latin letters: what tells titles and key words in English from them.
_OTHER_FUNCTION_WORDS = frozenset(
    """
    der die das und ist nicht ein eine zu von mit ich de la le les des et une dans pour pas el los las un una es por
    con que en del il di che per non sono van het een niet dat och att det som ikke og nie na jest nu si yang dan untuk
    dengan ini itu tidak ang ng mga sa ya wa kwa ni ve bir bu ne ja ei on se
    """.split()
)
OTHER_WORDS_SHARE, PLAIN_LETTERS_SHARE, FEWEST_WORDS = 0.02, 0.98, 30


@dataclass(frozen=True)
class Choice:
    """A model by name, and why it was taken, as a sentence without its end."""

    name: str
    reason: str


def language_of(texts: Iterable[str]) -> str:
    """Return the language of texts, a key of `CANDIDATES`; English where there are no words."""
    words = Counter(word.lower() for text in islice(texts, SAMPLE) for word in _WORD.findall(text))
    total = words.total()
    if sum(count for word, count in words.items() if _HANGUL.search(word)) > KOREAN_SHARE * total:
        return "Korean"
    english = sum(count for word, count in words.items() if word in _FUNCTION_WORDS)
    if english < ENGLISH_SHARE * total and not _is_terse_english(words, english):
        return "another language"
    others = sum(count for word, count in words.items() if _NOT_LATIN.search(word))
    return "several languages" if others > OTHER_SHARE * total else "English"


def _is_terse_english(words: Counter[str], english: int) -> bool:
    """Tell whether words without much grammar (titles, names of goods, key words) are taken for English ones."""
    total = words.total()
    plain = sum(count for word, count in words.items() if word.isascii())
    other = sum(count for word, count in words.items() if word in _OTHER_FUNCTION_WORDS)
    is_told = total >= FEWEST_WORDS and other <= max(OTHER_WORDS_SHARE * total, english)
    return is_told and plain >= PLAIN_LETTERS_SHARE * total


def is_here(spec: ModelSpec) -> bool:
    """Tell whether a model needs no network: it is in a package, or in the hub's cache."""
    return spec.hub_id is not None and (is_packaged(spec.hub_id) or is_cached(spec.hub_id, "model"))


def choose_model(texts: Iterable[str], task: str) -> Choice:
    """Choose a model for rows.

    Args:
        texts: of the training rows; some are looked at.
        task: what is learnt.
    """
    if task == "mlm":
        return Choice(FROM_NOTHING, "a model of masked words starts from nothing; --model names one to go on from")
    language = language_of(texts)
    names = CANDIDATES[language]
    found = next((name for name in names if is_here(find_model(name))), None)
    if found is not None:
        return Choice(found, f"the texts are in {language}, and it is the first of its kind that is on this machine")
    best = find_model(names[0])
    way_on = " or ".join((*package_way_on(str(best.hub_id)), f"--model {best.name} where the hub can be reached"))
    return Choice(
        FROM_NOTHING,
        f"no encoder for texts in {language} is on this machine; one learns more from the same rows: {way_on}",
    )
