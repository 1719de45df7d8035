"""Does a tokenizer fit the texts it is to read?

A vocabulary opened by the wrong class turns nearly every word into [UNK], and a model still
trains on that and answers one class for everything. So a sample of the texts is encoded
first, and a tokenizer that does not fit stops the command.
"""

from __future__ import annotations

from collections.abc import Sequence

from bertkit.errors import TokenizerError
from bertkit.tokenization.base import Encoding, Tokenizer

SAMPLE = 1000
STOP_SHARE, WARN_SHARE = 0.30, 0.05


def unknown_share(tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Return the share of tokens that are unknown, special tokens not counted, from 0 to 1."""
    if tokenizer.special.unk is None:
        return 0.0
    unk = tokenizer.id_of(tokenizer.special.unk, "unknown")
    ids = [i for encoding in tokenizer.encode(list(texts)) for i in encoding.ids]
    text_tokens = sum(i == unk or i not in tokenizer.special_ids for i in ids)
    return ids.count(unk) / text_tokens if text_tokens else 0.0


def check_fit(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[str, ...]:
    """Check a tokenizer on a sample of texts, evenly spread over them.

    Returns:
        A warning where 5 % of the tokens or more are unknown, else nothing.

    Raises:
        TokenizerError: 30 % of the tokens or more are unknown.
    """
    # rounded up, so that the sample reaches the last texts
    sample = texts[:: max(1, -(-len(texts) // SAMPLE))]
    share = unknown_share(tokenizer, sample)
    if share >= STOP_SHARE:
        raise TokenizerError(
            f"the tokenizer does not fit these texts: {share:.0%} of their tokens are unknown to it; "
            "choose another --model or --tokenizer."
        )
    if share >= WARN_SHARE:
        return (f"{share:.0%} of the tokens are unknown to the tokenizer; another one may fit these texts better",)
    return ()


class FitWatch:
    """Counts unknown tokens while a stream is encoded, and says once whether there are too many.

    Args:
        tokenizer: the tokenizer that encodes the stream.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        unk = tokenizer.special.unk
        self._unk = -1 if unk is None else tokenizer.id_of(unk, "unknown")
        self._special = tokenizer.special_ids - {self._unk}
        self.tokens = 0
        self.unknown = 0
        self.truncated = 0

    def see(self, encodings: Sequence[Encoding]) -> None:
        """Count the tokens of some rows."""
        for encoding in encodings:
            self.truncated += encoding.truncated
            self.unknown += encoding.ids.count(self._unk)
            self.tokens += len(encoding.ids) - sum(encoding.ids.count(special) for special in self._special)

    @property
    def misfit(self) -> str | None:
        """A sentence where 30 % of the tokens seen are unknown, else None."""
        if self.tokens and self.unknown / self.tokens >= STOP_SHARE:
            share = self.unknown / self.tokens
            return f"the run's tokenizer does not fit these texts: {share:.0%} of their tokens are unknown to it"
        return None
