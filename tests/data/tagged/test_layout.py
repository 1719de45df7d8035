"""Files with a token a line, as they are published: numbered, with headers, commas and tags in other spellings."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bertkit.data.formats.opened import open_input
from bertkit.data.formats.telling import sniff_format, tell_format
from bertkit.data.records import DataSet, TaggedText
from bertkit.data.tagged.column_files import read_tagged_opened
from bertkit.data.tagged.schemes import cut_line
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, stream_data

SENTENCES = [
    [("Mira", "B-PER"), ("Kost", "I-PER"), ("visits", "O"), ("Aldby", "B-LOC")],
    [("Nobody", "O"), ("came", "O")],
    [("Aldby", "B-LOC"), ("sleeps", "O"), (".", "O")],
]
ENTITIES = [[[0, 9, "PER"], [17, 22, "LOC"]], [], [[0, 5, "LOC"]]]


def write(path: Path, form: str, *, comma: str = "\t", above: str = "", between: str = "\n") -> Path:
    """Write the sentences; `form` names the columns: n(umber), i(d), w(ord), t(ag), o (an O), p(art of speech)."""
    parts = []
    for number, sentence in enumerate(SENTENCES):
        lines = []
        for place, (word, tag) in enumerate(sentence):
            cells = {"n": str(place + 1), "0": str(place), "i": f"s{number}", "w": word, "t": tag, "o": "O", "p": "X"}
            cells["c"] = f'"{word}"' if word == "," else word
            lines.append(comma.join(cells[letter] for letter in form))
        parts.append("\n".join(lines) + "\n")
    text = above + between.join(parts)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def texts(loaded: DataSet) -> list[str]:
    return [row.texts[0] for row in loaded.splits["train"]]


def assert_read(path: Path) -> DataSet:
    """All roads read the sentences and their entities."""
    loaded = load_data([str(path)])
    assert loaded.task == "ner"
    assert texts(loaded) == [" ".join(word for word, _ in sentence) for sentence in SENTENCES]
    assert [row.answer for row in loaded.splits["train"]] == ENTITIES
    streamed = stream_data([str(path)])
    assert tuple(streamed.splits["train"]) == loaded.splits["train"]
    return loaded


@pytest.mark.parametrize("form", ["nwt", "0wt", "nwpt", "iwt", "inwt", "iwpt", "ntw", "itw"])
@pytest.mark.parametrize(("name", "comma"), [("t.txt", "\t"), ("t.txt", " "), ("t.conll", " "), ("t.tsv.gz", "\t")])
def test_a_first_column_that_is_no_token(tmp_path: Path, form: str, name: str, comma: str) -> None:
    loaded = assert_read(write(tmp_path / name, form, comma=comma))
    assert any("the first column, which numbers the tokens or names their sentence" in note for note in loaded.notes)


def test_numbers_that_are_tokens_stay(tmp_path: Path) -> None:
    path = tmp_path / "t.conll"
    path.write_text("1 CD O\n2 CD O\n\nMira NN B-PER\n\n", encoding="utf-8")
    assert texts(load_data([str(path)])) == ["1 2", "Mira"]


@pytest.mark.parametrize(
    ("outside", "joint"), [("-", "_"), ("O", "_"), ("OTHER", "-"), ("o", "-"), ("0", "-"), ("_", "_")]
)
@pytest.mark.parametrize("behind", [False, True])
def test_tags_in_other_spellings(tmp_path: Path, outside: str, joint: str, behind: bool) -> None:
    path = write(tmp_path / "t.txt", "nwt")
    for letter, label in (("B", "PER"), ("I", "PER"), ("B", "LOC")):
        new = f"{label}{joint}{letter}" if behind else f"{letter}{joint}{label}"
        path.write_text(path.read_text().replace(f"\t{letter}-{label}\n", f"\t{new}\n"))
    path.write_text(path.read_text().replace("\tO\n", f"\t{outside}\n"))
    assert_read(path)


def test_small_letters(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", "wt")
    path.write_text(path.read_text().replace("\tB-", "\tb-").replace("\tI-", "\ti-"))
    assert_read(path)


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("word\tlabel\n", "wt"),
        ("Token\tTag\n\n", "wt"),
        ("단어\t태그\n", "wt"),
        ("번호\t단어\t태그\n", "nwt"),
        ("문장번호\t어절\t개체명태그\n", "iwt"),
        ("token\tpos\tgold\n", "wpt"),
    ],
)
def test_a_line_that_names_the_columns(tmp_path: Path, header: str, form: str) -> None:
    loaded = assert_read(write(tmp_path / "t.tsv", form, above=header))
    assert any("the line names the columns" in note for note in loaded.notes)


@pytest.mark.parametrize("header", ["", "word,tag\n"])
@pytest.mark.parametrize("between", ["\n", ",\n", " , \n"])
def test_commas_part_the_columns(tmp_path: Path, header: str, between: str) -> None:
    assert_read(write(tmp_path / "t.csv", "ct", comma=",", above=header, between=between))


def test_germeval_has_two_columns_of_tags_and_a_source_above(tmp_path: Path) -> None:
    above = "#\thttp://example.org/1 [2009-10-17]\n"
    assert_read(write(tmp_path / "t.tsv", "nwto", above=above, between=f"\n{above}"))


def test_what_stands_behind_the_tag_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.iob2", "nwt", above="# newdoc id = n1\n# sent_id = 1\n")
    path.write_text(path.read_text().replace("\tB-LOC\n", "\tB-LOC\t-\tanna\n").replace("\tO\n", "\tO\t-\n"))
    loaded = assert_read(path)
    assert any("what follows column 3" in note for note in loaded.notes)


def test_conllu_with_the_tag_among_the_keys(tmp_path: Path) -> None:
    lines = [
        "# text = Mira's home is Aldby",
        "1-2\tMira's\t_\t_\t_\t_\t_\t_\t_\t_",
        "1\tMira\tMira\tPROPN\t_\t_\t3\tnmod\t_\tNER=B-PER|SpaceAfter=No",
        "2\t's\t's\tPART\t_\t_\t1\tcase\t_\t_",
        "3\thome\thome\tNOUN\t_\t_\t5\tnsubj\t_\tNER=O",
        "4\tis\tbe\tAUX\t_\t_\t5\tcop\t_\t_",
        "5\tAldby\tAldby\tPROPN\t_\t_\t0\troot\t_\tNER=B-LOC",
        "5.1\tx\t_\t_\t_\t_\t_\t_\t_\t_",
        "",
    ]
    path = tmp_path / "t.conllu"
    path.write_text("\n".join(lines), encoding="utf-8")
    loaded = load_data([str(path)], task="ner")
    (row,) = loaded.splits["train"]
    assert isinstance(row, TaggedText)
    assert (row.texts, row.answer) == (("Mira 's home is Aldby",), [[0, 4, "PER"], [16, 21, "LOC"]])


def test_one_typo_is_named_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", "wt")
    path.write_text(path.read_text() + "\n" + (path.read_text() + "\n") * 5 + "Mira\tPER\n")
    with pytest.raises(DataError, match=r"t\.txt:\d+: the tag 'PER' is outside the scheme IOB2"):
        load_data([str(path)])


def test_prose_and_tables_are_no_tagged_text(tmp_path: Path) -> None:
    for text in ("I - you\n\nhe - she\n", "a,b\n\nc,d\n", "O\n\nO\n"):
        path = tmp_path / "t.txt"
        path.write_text(text * 3, encoding="utf-8")
        assert sniff_format(path).kind != "conll", text


def test_a_line_that_the_csv_reader_refuses_is_cut_at_its_commas():
    assert cut_line("a,b\rc,O", ",") == ["a", "b\rc", "O"]


MANY = [
    [("Mira", "B-PER"), ("Kost", "I-PER"), ("left", "O"), ("Aldby", "B-LOC"), (".", "O")],
    [("Nobody", "O"), ("came", "O"), (".", "O")],
] * 4
READ = [("Mira Kost left Aldby .", [[0, 9, "PER"], [15, 20, "LOC"]]), ("Nobody came .", [])] * 4


def lines_of(write: Callable[[int, int, str, str], str]) -> str:
    return "\n".join(
        "".join(f"{write(i, place, word, tag)}\n" for place, (word, tag) in enumerate(words))
        for i, words in enumerate(MANY)
    )


def running(i: int, place: int, word: str, tag: str) -> str:
    return f"{sum(map(len, MANY[:i])) + place + 1}\t{word}\t{tag}"


@pytest.mark.parametrize(
    "write",
    [
        running,
        lambda i, place, word, tag: f"{tag}\t{word}",
        lambda i, place, word, tag: f"{tag} {word}",
        lambda i, place, word, tag: f"{word};{tag}",
        lambda i, place, word, tag: f"{word}|{tag}",
        lambda i, place, word, tag: f"{word} {tag.removeprefix('B-').removeprefix('I-')}",
        lambda i, place, word, tag: f"s{i} {word} {tag}",
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_more_layouts_are_read_alike_with_and_without_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[int, int, str, str], str], ends: str
) -> None:
    raw = lines_of(write).replace("\n", ends).encode()
    path = tmp_path / "t.txt"
    path.write_bytes(raw)
    loaded = load_data([str(path)])
    assert loaded.task == "ner"
    assert [(row.texts[0], row.answer) for row in loaded.splits["train"]] == READ
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    opened = open_input("-")
    found = read_tagged_opened(opened, tell_format(opened), need_tags=False)
    assert [row.texts[0] for row in found if isinstance(row, TaggedText)] == [text for text, _ in READ]


def test_conll_u_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    body = lines_of(lambda i, place, word, tag: f"{place + 1}\t{word}\t_\tX\t_\t_\t0\t_\t_\tNER={tag}")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"# sent_id = 1\n{body}".encode())))
    assert tell_format(open_input("-")).kind == "conll"


def test_one_sentence_needs_no_blank_line(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("Mira B-PER\nleft O\nAldby B-LOC\n", encoding="utf-8")
    assert sniff_format(path).kind == "conll"


@pytest.mark.parametrize("typo", ["PER", ""])
def test_many_slips_are_named_each_with_its_line(tmp_path: Path, typo: str) -> None:
    path = tmp_path / "t.txt"
    path.write_text(lines_of(lambda i, place, word, tag: f"{word} {typo if tag == 'B-PER' else tag}".strip()))
    message = "the tag 'PER' is outside the scheme" if typo else "the token 'Mira' has no tag"
    with pytest.raises(DataError, match=message):
        load_data([str(path)])


@pytest.mark.parametrize(
    "text", ["good 1\n\nbad 0\n", "a\t0\n\nb\t1\n\nc\t0\n", "It rained.\n\nO what a day\n", "O it is\n\nO it was\n"]
)
def test_classes_and_prose_with_blank_lines_are_no_tagged_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.txt"
    path.write_text(text, encoding="utf-8")
    assert sniff_format(path).kind != "conll"


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("", "bc/doc/00 0 {n} {w} NN - {t}"),  # OntoNotes: what stands on all lines, then a number
        ("", "{line} {w} {t}"),  # numbers that go on over sentences, and over their blank lines
        ("", "{w}\tNN\t{joined}"),  # B:PER
        ("", "{w}\t{behind}"),  # PER(B)
        ("TOKEN POS NE\n", "{w} NN {t}"),
        ("", "{n}\t{w}\t{w}\tNOUN\t_\t_\t0\troot\t_\tSpaceAfter=No|NE={t}"),
    ],
)
def test_more_layouts(tmp_path: Path, above: str, line: str) -> None:
    lines, number = [], 0
    for sentence in SENTENCES:
        for place, (word, tag) in enumerate(sentence, start=1):
            number += 1
            behind = tag if tag == "O" else f"{tag[2:]}({tag[0]})"
            cells = {"w": word, "t": tag, "n": place, "line": number, "joined": tag.replace("-", ":"), "behind": behind}
            lines.append(line.format(**cells))
        lines.append("")
        number += 1
    path = tmp_path / ("t.conllu" if "NOUN" in line else "t.txt")
    path.write_text(above + "\n".join(lines) + "\n", encoding="utf-8")
    assert_read(path)


@pytest.mark.parametrize(("name", "comma"), [("t.csv", ","), ("t.txt", " "), ("t.tsv", "\t")])
def test_the_first_column_parts_sentences_without_a_blank_line(tmp_path: Path, name: str, comma: str) -> None:
    assert_read(write(tmp_path / name, "iwt", comma=comma, between=""))


@pytest.mark.parametrize("names", [("S", "W", "T"), ("sid", "tok", "gold"), ("문장키", "낱말", "표지")])
def test_columns_of_a_token_a_row_by_what_is_in_them(tmp_path: Path, names: tuple[str, str, str]) -> None:
    path = write(tmp_path / "t.csv", "iwpt", comma=",", above=f"{names[0]},{names[1]},P,{names[2]}\n", between="")
    assert_read(path)


def test_a_header_that_comes_again(tmp_path: Path) -> None:
    part = write(tmp_path / "part.txt", "wt", above="word\ttag\n").read_text(encoding="utf-8")
    (tmp_path / "t.txt").write_text(part + part, encoding="utf-8")
    loaded = load_data([str(tmp_path / "t.txt")])
    assert len(loaded.splits["train"]) == 2 * len(SENTENCES)
    assert any("the line repeats the header (1)" in note for note in loaded.notes)


def test_many_sentences_that_nothing_parts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("Mira B-PER\nleft O\n. O\n" * 5, encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.txt:1: 15 lines without a blank one, .* write a blank line between"):
        load_data([str(tmp_path / "t.txt")])


def words_as(line: str) -> str:
    """Write the sentences, each word with `line`; {at} is where it starts, {s} the number of its sentence."""
    parts = []
    for s, sentence in enumerate(SENTENCES, start=3):
        at, lines = 0, []
        for n, (word, tag) in enumerate(sentence):
            letter, _, label = tag.partition("-")
            spaced = f"{letter} {label}".strip()
            cells = {"w": word, "t": tag, "at": at, "end": at + len(word), "s": s, "n": n, "spaced": spaced}
            lines.append(line.format(**cells, dotted=spaced.replace(" ", ".")) + "\n")
            at += len(word) + 1
        parts.append("".join(lines))
    return "\n".join(parts)


@pytest.mark.parametrize(
    "line",
    [
        "{s}-{n}\t{w}\t{t}",
        "{at}\t{w}\t{t}",
        "{at}\t{end}\t{w}\tNOUN\t{t}",
        "{s}:{at}:{end} {w} {t}",
        "{w}\t{spaced}",
        "{w}\t{dotted}",
        "{w} {dotted}",
    ],
)
def test_numbers_of_any_kind_are_no_tokens_and_tags_have_any_joint(tmp_path: Path, line: str) -> None:
    (tmp_path / "t.txt").write_text(words_as(line), encoding="utf-8")
    assert_read(tmp_path / "t.txt")


def test_a_text_of_numbers_alone_stays_one(tmp_path: Path) -> None:
    rows = "".join(f"{year}\t{'B-YEAR' if year % 2 else 'O'}\n{year}\tO\n\n" for year in range(1990, 2000))
    (tmp_path / "t.tsv").write_text(rows, encoding="utf-8")
    assert texts(load_data([str(tmp_path / "t.tsv")]))[:2] == ["1990 1990", "1991 1991"]


@pytest.mark.parametrize("between", ["", "-----\n"])
def test_many_words_that_nothing_parts_are_no_texts_of_one_word(tmp_path: Path, between: str) -> None:
    sentence = "Mira\tB-PER\nKost\tI-PER\nleft\tO\nAldby\tB-LOC\n"
    (tmp_path / "t.tsv").write_text(between.join([sentence] * 50), encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.tsv:1: each row is one word with its tag, and nothing tells where"):
        load_data([str(tmp_path / "t.tsv")])


@pytest.mark.parametrize("blank", ["NaN", "nan", "None", "<NA>"])
def test_what_programs_write_for_a_blank_id_is_as_above(tmp_path: Path, blank: str) -> None:
    rows = [
        f"{f'Sentence: {number}' if place == 0 else blank},{word},{tag}"
        for number, sentence in enumerate(SENTENCES, start=1)
        for place, (word, tag) in enumerate(sentence)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["Sentence #,Word,Tag", *rows, ""]), encoding="utf-8")
    assert_read(tmp_path / "t.csv")


@pytest.mark.parametrize("line", ["{at}\t{w}", "{at}\t{end}\t{w}", "{s}-{n}\t{w}", "{at} {w}"])
def test_numbers_before_words_without_tags(tmp_path: Path, line: str) -> None:
    (tmp_path / "t.txt").write_text(words_as(line), encoding="utf-8")
    opened = open_input(str(tmp_path / "t.txt"))
    found = list(read_tagged_opened(opened, tell_format(opened, kind="conll"), need_tags=False))
    assert [row.texts[0] for row in found if isinstance(row, TaggedText)] == [
        " ".join(word for word, _ in sentence) for sentence in SENTENCES
    ]
