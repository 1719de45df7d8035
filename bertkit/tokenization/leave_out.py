"""Leave words out before encoding: English stop words, Korean particles.

Offered because it is what learners try first. An encoder rarely gains by it, since word
order and function words carry meaning that it can use; `eval` shows whether it did.
"""

from __future__ import annotations

import re
import unicodedata

from bertkit.tokenization.stretches import AT_ONCE, stretches

STOP_WORDS = frozenset(
    """
    a about above after again against all am an and any are as at be because been before being below
    between both but by can could did do does doing down during each few for from further had has have
    having he her here hers herself him himself his how i if in into is it its itself just me more most
    my myself of off on once only or other our ours ourselves out over own same shall she should so some
    such than that the their theirs them themselves then there these they this those through to too under
    until up very was we were what when where which while who whom why will with would you your yours
    yourself yourselves
    """.split()
)

# Longest first, so that 에서는 is taken before 에서 and 는.
_PARTICLES = sorted(
    """
    은 는 이 가 을 를 의 에 에게 께 한테 에서 으로 로 와 과 랑 이랑 하고 도 만 까지 부터 마저 조차 밖에 처럼
    보다 께서 이나 라도 이라도 이라고 라고 에는 에도 에서는 에서도 에게는 에게서 으로는 로는 으로도 로도
    와는 과는 와의 과의 으로서 로서 으로써 로써 까지는 부터는 만은 만을 들은 들이 들을 들의
    """.split(),
    key=len,
    reverse=True,
)
# A stem of at least two syllables must be left: 나이 and 도로 are words, not stem and particle.
_EOJEOL = re.compile(rf"(?<![가-힣])([가-힣]{{2,}}?)(?:{'|'.join(_PARTICLES)})(?![가-힣])")
# Whole words only: the i of i7 is no word, and the can of can't would take the negation along.
_WORD = re.compile(r"(?<!\w)[A-Za-z]+(?:['’][A-Za-z]+)?(?!\w)")
_SPACES = re.compile(r"[ \t]{2,}")


def leave_words_out(text: str, what: str) -> str:
    """Return the text without the words named by `what`.

    Args:
        text: a text.
        what: none, stop-words (English function words; negations stay), particles
            (Korean postpositions, by rule and so now and then wrong), or both.

    Returns:
        The shortened text; the text itself where nothing would be left.
    """
    if what == "none":
        return text
    if len(text) > AT_ONCE:
        return " ".join(leave_words_out(stretch, what) for _, stretch in stretches(text))
    shorter = unicodedata.normalize("NFC", text)
    if what in ("stop-words", "both"):
        shorter = _WORD.sub(lambda m: "" if m.group().lower() in STOP_WORDS else m.group(), shorter)
    if what in ("particles", "both"):
        shorter = _EOJEOL.sub(r"\1", shorter)
    shorter = _SPACES.sub(" ", shorter).strip()
    return shorter if any(c.isalnum() for c in shorter) else text
