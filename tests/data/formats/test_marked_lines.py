"""Lines that carry their own labels: before the text, behind each word, or around a name."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.data.formats.telling import marks_of
from bertkit.data.streaming import open_texts
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, stream_data

QUESTIONS = ("NUM:date When was it built ?", "HUM:ind Who sang, and why ?", "NUM:date When did they leave ?")


def lines(path: Path, *written: str) -> Path:
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    return path


def rows_of(path: Path, task: str = "auto", columns: str | None = None) -> list[tuple[str, object]]:
    loaded = load_data([str(path)], task=task, columns=columns)
    assert tuple(stream_data([str(path)], task=task, columns=columns).splits["train"]) == tuple(loaded.splits["train"])
    return [(row.texts[0], row.answer) for row in loaded.splits["train"]]


def test_a_label_before_each_line_is_its_class(tmp_path: Path) -> None:
    path = lines(tmp_path / "train_5500.label", *QUESTIONS)
    assert rows_of(path)[1] == ("Who sang, and why ?", "HUM:ind")
    assert rows_of(path, "classify")[1] == ("Who sang, and why ?", "HUM:ind")
    assert [label for _, label in rows_of(path, columns="text=text,label=coarse")] == ["NUM", "HUM", "NUM"]
    assert any("first word of each line is its label" in note for note in load_data([str(path)]).notes)


def test_texts_are_as_they_were_where_their_hidden_words_are_learnt(tmp_path: Path) -> None:
    assert rows_of(lines(tmp_path / "a.txt", *QUESTIONS), "mlm")[0] == (QUESTIONS[0], None)


TREES = ("(3 (2 It) (4 (2 was) (4 fun)))", "(1 (2 Too) (1 loud))", "(2 -LRB-)")


@pytest.mark.parametrize("task", ["auto", "classify", "mlm"])
def test_trees_are_texts_with_the_label_of_their_root(tmp_path: Path, task: str) -> None:
    found = rows_of(lines(tmp_path / "train.txt", *TREES), task)
    labels = (None,) * 3 if task == "mlm" else ("3", "1", "2")
    assert found == list(zip(("It was fun", "Too loud", "-LRB-"), labels, strict=True))
    with pytest.raises(DataError, match=r"a\.txt:22: the line is not a tree"):
        load_data([str(lines(tmp_path / "a.txt", *TREES * 7, "(2 open"))], task=task)
    assert marks_of(["(1 apple)", "(2 pear)", "(3 plum)"]) == ""


@pytest.mark.parametrize("mark", [";", "@"])
def test_a_label_behind_each_line_is_its_class(tmp_path: Path, mark: str) -> None:
    texts = [f"it rained; {i} of us stayed at home" for i in range(12)]
    written = [f"{text}{mark}{('joy', 'anger')[i % 2]}" for i, text in enumerate(texts)]
    found = rows_of(lines(tmp_path / "a.txt", *written))
    assert found == [(text, ("joy", "anger")[i % 2]) for i, text in enumerate(texts)]
    assert marks_of([f"a line {i} with a@word{i}" for i in range(20)]) == "", "words that do not come again"
    assert marks_of([*written, "a line that has none"]) == ""
    assert (
        marks_of([f"{text} {mark} joy" if i % 2 else f"{text}{mark}rage" for i, text in enumerate(texts)]) == "behind"
    )


@pytest.mark.parametrize(
    "line",
    [
        "0;text {};{}",
        "Ada Berg ada{}@{}",
        "it rained {}; {}",
        "lunch at {} @{}",
        "ada{}@{}",
        "salt {} &nbsp;{}",
        "네 {}; {}",
        "thanks {} @ {}!",
        "{} ;{}",
    ],
)
def test_a_word_that_comes_again_behind_a_mark_is_no_label(line: str) -> None:
    assert marks_of([line.format(i, ("home", "office")[i % 2]) for i in range(20)]) == ""


@pytest.mark.parametrize(
    "line",
    [
        "Ada/B-PER Berg/I-PER saw/O Oslo/B-LOC ./O",
        "Ada_B-PER Berg_I-PER saw_O Oslo_B-LOC ._O",
        "Ada|B-PER Berg|I-PER saw|O Oslo|B-LOC .|O",
        "<START:PER> Ada Berg <END> saw <START:LOC> Oslo <END> .",
        "Ada/PER Berg/PER saw/O Oslo/LOC ./O",
        "<PER>Ada Berg</PER> saw <LOC>Oslo</LOC> .",
        '<ENAMEX TYPE="PER">Ada Berg</ENAMEX> saw <ENAMEX TYPE="LOC">Oslo</ENAMEX> .',
        "[Ada Berg:PER] saw [Oslo:LOC] .",
        "<Ada Berg:PER> saw <Oslo:LOC> .",
        "[Ada Berg](PER) saw [Oslo](LOC) .",
    ],
)
def test_entities_stand_between_marks(tmp_path: Path, line: str) -> None:
    path = lines(tmp_path / "a.txt", line, line)
    wanted = [("Ada Berg saw Oslo .", [[0, 8, "PER"], [13, 17, "LOC"]])] * 2
    assert rows_of(path) == wanted
    assert rows_of(path, "ner") == wanted


def test_a_mark_without_its_other_side_is_a_fault_of_its_line(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.txt", "<PER>Ada</PER> came", "<PER>Bo came", "<LOC>Oslo</LOC>")
    with pytest.raises(DataError, match=r"a.txt:2: the mark '<PER>' is not closed"):
        load_data([str(path)])


@pytest.mark.parametrize(
    "written",
    [
        ("and/or", "either/or"),
        ("NB:this is it", "a line", "NB:that is it"),
        ("see [here](index) and [there](about)",),
        ("<b>loud</b> and <b>cheap</b>", "<b>good</b>"),
        ("<DIV>loud</DIV>", "<DIV>good</DIV>"),
        ("The/DT cat/NN sat/VBD",),
        ("at [12:30] and [13:15]",),
        ("a\tb/O",),
    ],
)
def test_what_stands_in_a_text_by_chance_is_no_mark(written: tuple[str, ...]) -> None:
    assert marks_of(written) == ""


def test_lines_without_labels_are_refused_with_the_ways_to_write_them(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.txt", "good and cheap", "too loud")
    with pytest.raises(DataError, match=r"`__label__pos a text`, `<PER>a name</PER>`"):
        load_data([str(path)])


def test_a_run_reads_marked_lines_by_name_and_through_a_pipe(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.txt", *(f"<PER>Ada Berg</PER> saw <LOC>Oslo</LOC> {n}" for n in range(40)))
    run, small = str(tmp_path / "run"), ["--layers", "1", "--hidden", "32", "--heads", "2", "--epochs", "1"]
    trained = CliRunner().invoke(app, ["train", str(path), "--model", "scratch", *small, "--output", run])
    assert trained.exit_code == 0, trained.output
    answers = []
    for name in (str(path), "-"):
        found = CliRunner().invoke(app, ["predict", run, name], input=path.read_bytes())
        assert found.exit_code == 0, found.output
        answers.append([json.loads(line) for line in io.StringIO(found.stdout)])
    assert len(answers[0]) == 40
    assert answers[0] == answers[1]
    assert "a.txt: entities are between marks" in CliRunner().invoke(app, ["predict", run, str(path)]).stderr


@pytest.mark.parametrize(
    "written",
    [
        ("The/DT man/NN left/VBD ./.", "A/DT dog/NN barked/VBD ./."),
        ("The_DT man_NN left_VBD ._.", "A_DT dog_NN barked_VBD ._."),
        ("나/NP+는/JX 학교/NNG+에/JKB 간다/VV", "너/NP+도/JX 집/NNG+에/JKB 가라/VV"),
    ],
)
def test_parts_of_speech_are_no_labels(tmp_path: Path, written: tuple[str, ...]) -> None:
    path = lines(tmp_path / "t.txt", *written)
    for task in ("auto", "ner", "classify"):
        with pytest.raises(DataError, match="a part-of-speech tag follows each word"):
            load_data([str(path)], task=task)
    assert any("is read as text" in note for note in open_texts(str(path)).notes)
    assert marks_of(["TCP/IP and HTTP/TLS", "either/or"]) == ""


RASA = """version: "3.1"
nlu:
- intent: book
  examples: |
    - to [Aldby](city) please
    - from [the quay]{"entity": "city", "role": "from"}
- synonym: Aldby
  examples: |
    - ald
- intent: "bye"
  examples:
  - text: |
      see you in [Sunde](city:north)
"""
RASA_2 = """## intent:book
- to [Aldby](city) please
- from [the quay](city)

## synonym:Aldby
- ald
## intent:bye
- see you in [Sunde](city)
"""


@pytest.mark.parametrize(("name", "written"), [("nlu.yml", RASA), ("nlu.md", RASA_2), ("stdin", RASA)])
def test_examples_of_intents_are_texts_and_their_marks_entities(tmp_path: Path, name: str, written: str) -> None:
    path = lines(tmp_path / name, written.rstrip("\n"))
    texts = ["to Aldby please", "from the quay", "see you in Sunde"]
    assert rows_of(path) == list(zip(texts, ("book", "book", "bye"), strict=True))
    assert rows_of(path, "ner") == [
        (texts[0], [[3, 8, "city"]]),
        (texts[1], [[5, 13, "city"]]),
        (texts[2], [[11, 16, "city"]]),
    ]
    assert [row.texts[0] for row in load_data([str(path)], task="mlm").splits["train"]] == texts
    assert any("it is told of a synonym" in note for note in load_data([str(path)]).notes)


def test_abstracts_with_the_places_of_entities_below_them(tmp_path: Path) -> None:
    first = (
        "7|t|Of arin.",
        "7|a|It eased pain.",
        "7\t3\t7\tarin\tChemical\tD1",
        "7\t18\t22\tpain\tDisease\tD2",
        "7\tCID\tD1\tD2",
        "",
    )
    path = lines(tmp_path / "a.txt", *first, "8|t|Of none.", "8|a|Nothing.")
    assert rows_of(path) == [
        ("Of arin. It eased pain.", [[3, 7, "Chemical"], [18, 22, "Disease"]]),
        ("Of none. Nothing.", []),
    ]


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("<html>\n<body>\n<p>a</p>\n</body>\n</html>", "XML or HTML"),
        ("- text: good\n  label: pos\n- text: bad\n  label: neg", "YAML"),
        ("data:\n  - text: good\n    label: pos", "YAML"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nhello", "subtitles"),
        ("1\n00:00:01,000 --> 00:00:02,000\nhello", "subtitles"),
        ("var data = [\n{text: 1}];", "a script"),
        ("TRAIN_DATA = [\n    ('a text', {'entities': []}),\n]", "Python"),
        ("import spacy\ntrain: list[str] = [  # by hand\n'a']", "Python"),
        ("-- a dump\nCREATE TABLE reviews (text TEXT);", "SQL"),
        ("INSERT INTO reviews VALUES ('good', 'pos');", "SQL"),
        ("% by hand\n@relation reviews\n\n@attribute text string\n@data\n'good',pos", "ARFF"),
    ],
)
def test_lines_of_a_program_are_no_texts_in_silence(tmp_path: Path, written: str, what: str) -> None:
    path = lines(tmp_path / "a.dat", written)
    with pytest.raises(DataError, match=rf"a\.dat: this is {what} and not a table; write csv"):
        load_data([str(path)])
    said = f"{path}: warning: these are lines of {what}, and each is read as a text, marks included"
    assert said in load_data([str(path)], task="mlm").notes
    assert said in open_texts(str(path)).notes


def test_speakers_and_lists_are_texts(tmp_path: Path) -> None:
    for written in (
        "Ana: hello\nBo: no\nAna: why",
        "- note: it rained\n- note: it snowed",
        "a <b> c",
        "create table reservations for two\ninsert into the slot\nx = y [see below]",
        "# a title\nx = [1, 2]",
    ):
        assert not open_texts(str(lines(tmp_path / "a.txt", written))).notes
