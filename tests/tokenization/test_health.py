"""A tokenizer that does not fit stops a command; one that fits says nothing."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from tokenizers import Regex, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from bertkit.errors import TokenizerError
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.health import FitWatch, check_fit, examine, unknown_share
from bertkit.tokenization.published import open_kobert
from bertkit.tokenization.vocab import bert_tokenizer
from tests import small_sentencepiece as small

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
    with pytest.raises(TokenizerError, match=r"^runs/first: the tokenizer does not fit"):
        check_fit(tokenizer, ["영화가 정말 재미있었다.", "배우의 연기가 좋았다."], name="runs/first")


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


# --- KoBERT's vocabulary in the wrong hands ---------------------------------------------------


def as_wordpiece(vocabulary: Path) -> Tokenizer:
    """What a plain BertTokenizer makes of a vocab.txt."""
    tokens = vocabulary.read_text(encoding="utf-8").split("\n")[:-1]
    return bert_tokenizer({token: i for i, token in enumerate(tokens)}, lowercase=False)


def test_kobert_s_vocabulary_as_wordpiece_stops_and_as_kobert_fits(tmp_path: Path) -> None:
    folder = small.write_kobert(tmp_path, small.train(small.sentences()))
    with pytest.raises(TokenizerError, match=r"does not fit these texts: \d\d% of their tokens are unknown"):
        check_fit(as_wordpiece(folder / "vocab.txt"), small.sentences())
    assert check_fit(open_kobert(folder), small.sentences()) == ()


@pytest.mark.skipif("BERTKIT_TEST_DATA" not in os.environ, reason="BERTKIT_TEST_DATA is not set")
def test_the_published_vocabulary_as_wordpiece_stops_and_as_kobert_fits() -> None:
    root = Path(os.environ["BERTKIT_TEST_DATA"])
    lines = (root / "nsmc" / "raw_train_20k.txt").read_text(encoding="utf-8").split("\n")[1:-1]
    texts = [line.split("\t")[1] for line in lines]
    with pytest.raises(TokenizerError, match="does not fit these texts"):
        check_fit(as_wordpiece(root / "kobert_tokenizer" / "vocab.txt"), texts)
    assert check_fit(open_kobert(root / "kobert_tokenizer"), texts, model_ids=8002) == ()


# --- ids, special tokens, segments, places ----------------------------------------------------


def changed(change: str = "") -> Tokenizer:
    """A tokenizer of single letters with one thing wrong."""
    letters = {token: i for i, token in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghij"))}
    backend = Backend(models.WordPiece(letters, unk_token="[UNK]", continuing_subword_prefix=""))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    second = {"types swapped": "$B:0", "types of three": "$B:2"}.get(change, "$B:1")
    first = "$A:1" if change == "types swapped" else "$A:0"
    if change != "no frame":
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair=f"[CLS] {first} [SEP] {second} [SEP]",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
    if change == "no types":
        backend.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2))
    if change == "drops":
        backend.normalizer = normalizers.Replace(Regex("[a-d]"), "")
    return Tokenizer(backend, SpecialTokens(pad=None if change == "no pad" else "[PAD]", mask=None), 32)


LETTERS = ["abc abd", "efg hij"]


@pytest.mark.parametrize("change", ["", "no types", "no pad"])
def test_what_is_right_passes(change: str) -> None:
    assert check_fit(changed(change), LETTERS, model_ids=14) == ()
    assert examine(changed(change), LETTERS).lost == 0.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no frame", r"does not fit an encoder: it does not put \[CLS\] round a text"),
        ("types swapped", "the segment ids of a pair are not 0 for its first text and 1 for its second"),
        ("types of three", "the segment ids of a pair"),
        ("drops", "does not fit these texts: 50% of their characters are in no token of it"),
    ],
)
def test_what_is_wrong_stops(change: str, said: str) -> None:
    with pytest.raises(TokenizerError, match=said):
        check_fit(changed(change), LETTERS)


def test_ids_beyond_the_embedding_stop() -> None:
    said = "does not fit the model: its ids go up to 13 and the model has embeddings for 13;"
    with pytest.raises(TokenizerError, match=said):
        check_fit(changed(), LETTERS, model_ids=13)


def test_ids_beyond_the_embedding_that_the_sample_lacks_are_a_doubt() -> None:
    assert check_fit(changed(), ["abc"], model_ids=13) == ("the tokenizer has 14 ids and the model knows 13 of them",)


def test_some_lost_characters_are_a_doubt() -> None:
    (doubt,) = check_fit(changed("drops"), ["efghij" * 3 + "ab"])
    assert doubt.startswith("10% of the characters are in no token of the tokenizer; another one")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_decomposed_text_is_not_lost(form: str, tmp_path: Path) -> None:
    folder = small.write_kobert(tmp_path, small.train(small.sentences()))
    texts = [unicodedata.normalize(form, text) for text in small.sentences()]
    assert examine(open_kobert(folder), texts).lost < 0.01


def test_places_outside_the_text_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = changed()
    encode = tokenizer.encode
    monkeypatch.setattr(
        tokenizer, "encode", lambda texts, *rest, **how: encode([t + " a" for t in texts], *rest, **how)
    )
    with pytest.raises(TokenizerError, match="places of its tokens are out of order or outside the text"):
        check_fit(tokenizer, LETTERS)


# --- a stream ---------------------------------------------------------------------------------


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
