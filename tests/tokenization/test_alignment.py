"""Two tokenizations side by side."""

from __future__ import annotations

from bertkit.tokenization.listing import Token, align


def tokens(*places: tuple[str, int, int] | str, side: int = 0) -> list[Token]:
    """Tokens by name and place; a bare name is a special token."""
    made = []
    for i, place in enumerate(places):
        name, start, end = (place, 0, 0) if isinstance(place, str) else place
        special = isinstance(place, str)
        made.append(Token(name, i, 0, 1, -1 if special else side, start, end, "", "special" if special else ""))
    return made


def shown(left: list[Token], right: list[Token], *texts: str) -> list[tuple[str, str, str]]:
    blocks = align(left, right, texts)
    return [(" ".join(t.token for t in b.left), " ".join(t.token for t in b.right), b.text) for b in blocks]


def test_a_row_ends_where_both_part_the_text() -> None:
    left = tokens("[CLS]", ("un", 0, 2), ("able", 2, 6), (".", 6, 7), "[SEP]")
    right = tokens("<s>", ("u", 0, 1), ("n", 1, 2), ("ab", 2, 4), ("le.", 4, 7), "</s>")
    assert shown(left, right, "unable.") == [
        ("[CLS]", "<s>", ""),
        ("un", "u n", "un"),
        ("able .", "ab le.", "able."),
        ("[SEP]", "</s>", ""),
    ]


def test_a_character_in_several_tokens_stays_in_one_row() -> None:
    left = tokens(("한", 0, 1), ("국", 1, 2))
    right = tokens(("ᄒ", 0, 1), ("ᅡ", 0, 1), ("ᆫ", 0, 1), ("국", 1, 2))
    assert shown(left, right, "한국") == [("한", "ᄒ ᅡ ᆫ", "한"), ("국", "국", "국")]


def test_special_tokens_stand_before_after_and_beside_none() -> None:
    left = tokens("[CLS]", ("a", 0, 1), "[SEP]")
    right = tokens(("a", 0, 1), ("b", 2, 3))
    assert shown(left, right, "a b") == [("[CLS]", "", ""), ("a", "a", "a"), ("", "b", "b"), ("[SEP]", "", "")]


def test_a_side_that_was_cut_leaves_the_other_alone() -> None:
    assert shown(tokens(("a", 0, 1)), tokens(("a", 0, 1), ("b", 2, 3)), "a b") == [("a", "a", "a"), ("", "b", "b")]


def test_both_texts_of_a_pair() -> None:
    left = [*tokens(("a", 0, 1), "[SEP]"), *tokens(("b", 0, 1), ("c", 1, 2), side=1)]
    right = [*tokens(("a", 0, 1), "</s>", "</s>"), *tokens(("bc", 0, 2), side=1)]
    assert shown(left, right, "a", "bc") == [
        ("a", "a", "a"),
        ("[SEP]", "</s>", ""),
        ("", "</s>", ""),
        ("b c", "bc", "bc"),
    ]


def test_nothing() -> None:
    assert align([], [], ("",)) == []
