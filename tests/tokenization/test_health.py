"""A tokenizer that does not fit stops a command; one that fits says nothing."""

from __future__ import annotations

import pytest

from bertkit.errors import TokenizerError
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.health import FitWatch, check_fit, unknown_share
from bertkit.tokenization.vocab import bert_tokenizer

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "known")


@pytest.fixture(scope="module")
def narrow() -> Tokenizer:
    """A tokenizer that knows one word."""
    return bert_tokenizer({piece: i for i, piece in enumerate(PIECES)}, lowercase=True)


def texts(known: int, unknown: int) -> list[str]:
    return ["known"] * known + ["strange"] * unknown


def test_the_share_leaves_special_tokens_out(narrow: Tokenizer) -> None:
    assert unknown_share(narrow, texts(3, 1)) == 0.25
    assert unknown_share(narrow, ["strange"]) == 1.0
    assert unknown_share(narrow, []) == 0.0
    assert unknown_share(narrow, ["", " "]) == 0.0


def test_a_fitting_tokenizer_says_nothing(tokenizer: Tokenizer, sentences: list[str]) -> None:
    assert check_fit(tokenizer, sentences) == ()
    assert check_fit(tokenizer, []) == ()


@pytest.mark.parametrize("unknown", [30, 100])
def test_a_vocabulary_that_turns_words_into_unk_stops(narrow: Tokenizer, unknown: int) -> None:
    wanted = rf"does not fit these texts: {unknown}% of their tokens are unknown to it; choose another --model or --tok"
    with pytest.raises(TokenizerError, match=wanted):
        check_fit(narrow, texts(100 - unknown, unknown))


def test_korean_texts_stop_an_english_vocabulary(tokenizer: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match="does not fit"):
        check_fit(tokenizer, ["영화가 정말 재미있었다.", "배우의 연기가 좋았다."])


@pytest.mark.parametrize(("unknown", "warned"), [(0, False), (4, False), (5, True), (29, True)])
def test_between_the_bounds_it_warns(narrow: Tokenizer, unknown: int, warned: bool) -> None:
    warnings = check_fit(narrow, texts(100 - unknown, unknown))
    assert bool(warnings) == warned
    assert all(f"{unknown}% of the tokens are unknown" in sentence for sentence in warnings)


@pytest.mark.parametrize("n", [999, 1000, 1001, 1999, 2500, 10_000])
def test_the_sample_reaches_over_all_texts(narrow: Tokenizer, n: int) -> None:
    half = n // 2
    for rows in (texts(n - half, half), texts(n - half, half)[::-1]):
        with pytest.raises(TokenizerError, match=r": (49|50|51)% of"):
            check_fit(narrow, rows)


def test_a_tokenizer_without_an_unknown_token_fits(narrow: Tokenizer) -> None:
    bytewise = Tokenizer(narrow.backend, SpecialTokens(unk=None), 512)
    assert check_fit(bytewise, ["strange"]) == ()


def test_the_watch_counts_over_batches(narrow: Tokenizer) -> None:
    watch = FitWatch(narrow)
    assert watch.misfit is None
    watch.see(narrow.encode(texts(71, 0)))
    watch.see(narrow.encode(texts(0, 29)))
    assert (watch.tokens, watch.unknown, watch.misfit) == (100, 29, None)
    watch.see(narrow.encode(texts(0, 2)))
    assert watch.misfit == "the run's tokenizer does not fit these texts: 30% of their tokens are unknown to it"


def test_the_watch_counts_rows_that_were_cut(narrow: Tokenizer) -> None:
    watch = FitWatch(narrow)
    watch.see(narrow.encode(["known " * 20, "known", "known " * 9], max_length=10))
    assert (watch.truncated, watch.tokens, watch.unknown) == (2, 8 + 1 + 8, 0)


def test_the_watch_agrees_with_the_share(tokenizer: Tokenizer, sentences: list[str]) -> None:
    mixed = [*sentences[:40], "영화가 좋았다", "the 영화"]
    watch = FitWatch(tokenizer)
    watch.see(tokenizer.encode(mixed))
    assert watch.unknown / watch.tokens == pytest.approx(unknown_share(tokenizer, mixed))
    assert 0 < watch.unknown < watch.tokens
