"""Scores with which the Rust library breaks ties as SentencePiece does.

A run such as "...." can be cut into "." and "..." in two orders whose scores are equal, and
rounding decides which one wins. SentencePiece adds up in single precision, the Rust library in
double, and they part on two in a thousand of the film reviews of NSMC.

A double has 29 bits more than a single. So each score a becomes a + a·2⁻²⁹. The first term adds
up exactly, as in double. The second is cut off where the double ends, and that is 29 bits below
the end of a single of the same size: it is rounded at every step as SentencePiece's own sum is,
and where the first terms are equal it decides as that sum does.
"""

from __future__ import annotations

SHIFT = 2.0**-29
# So little that it changes the order of no two sums that differ in single precision.
STEP = 2.0**-27


def twin_score(score: float) -> float:
    """Return a double whose sums tie and break as those of `score` do in single precision.

    The double is one that tokenizer.json gives back bit by bit.

    Args:
        score: a number of single precision, such as the score of a SentencePiece piece.
    """
    twin = score + score * SHIFT
    while not _survives(twin):
        twin -= STEP
    return twin


def _survives(value: float) -> bool:
    """Tell whether the Rust library reads a number as it wrote it.

    Its JSON parser divides the digits by a power of ten, and where there are 17 digits the
    result may be one bit off.
    """
    digits = repr(abs(value))
    if "e" in digits:
        return True
    whole, _, fraction = digits.partition(".")
    return float(int(whole + fraction)) / 10.0 ** len(fraction) == abs(value)
