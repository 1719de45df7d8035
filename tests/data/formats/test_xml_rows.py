"""XML whose elements are rows: which of them, what becomes of it, and what is refused with its line."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from bertkit.data.formats.readers import read_rows
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.streaming import open_texts
from bertkit.errors import DataError
from bertkit.evaluation.inputs import open_inputs
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.rows import load_data, stream_data

ROWS = [("good", "pos"), ("bad & dull", "neg")]
CHILDREN = """<?xml version="1.0"?>
<reviews version="2">
  <review id="1"><text>good</text><label>pos</label></review>
  <review id="2"><text>bad &amp; dull</text><label>neg</label></review>
</reviews>
"""
FORMS = {
    "children": CHILDREN,
    "without a declaration": CHILDREN.partition("\n")[2],
    "attributes": '<rows><row text="good" label="pos"/><row text="bad &amp; dull" label="neg"/></rows>',
    "own text": '<rows><r label="pos">good</r><r label="neg">bad &amp; dull</r></rows>',
    "deeper": f"<export><made>today</made>{CHILDREN.partition(chr(10))[2]}</export>",
    "marked text": CHILDREN.replace("good", "<![CDATA[good]]>"),
    "a prefix": CHILDREN.replace("<reviews", '<x:reviews xmlns:x="urn:x"').replace("</reviews", "</x:reviews"),
}


def saved(path: Path, written: str) -> Path:
    path.write_text(written, encoding="utf-8")
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["a.xml", "a.dat"])
def test_an_element_that_comes_again_is_a_row(tmp_path: Path, form: str, name: str) -> None:
    loaded = load_data([str(saved(tmp_path / name, FORMS[form]))])
    assert (loaded.task, [(row.texts[0], row.label) for row in loaded.splits["train"]]) == ("classify", ROWS)
    assert tuple(stream_data([str(tmp_path / name)]).splits["train"]) == tuple(loaded.splits["train"])


@pytest.mark.parametrize("form", FORMS)
def test_through_a_pipe(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FORMS[form].encode())))
    settings = TaskSettings("classify", ColumnMap(("text",), None, "label"))
    rows = list(open_inputs("-", settings, input_format="auto", columns=None).rows)
    assert [row.texts[0] for row in rows if isinstance(row, Example)] == [text for text, _ in ROWS]


def test_a_fault_in_a_row_makes_no_texts_of_the_others_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = CHILDREN.replace("</reviews>", "  <review><text>good<label>pos</label></review>\n</reviews>")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(broken.encode())))
    settings = TaskSettings("classify", ColumnMap(("text",), None, "label"))
    with pytest.raises(DataError, match=r"stdin>:5: invalid XML: mismatched tag"):
        list(open_inputs("-", settings, input_format="auto", columns=None).rows)


def test_lines_that_are_an_element_each_are_texts(tmp_path: Path) -> None:
    lines = ["<review><x>good</x></review>", "<review><x>dull</x></review>"]
    assert list(open_texts(str(saved(tmp_path / "a.txt", "\n".join(lines) + "\n"))).texts) == lines


def test_lines_are_those_of_the_file_and_folders_have_splits(tmp_path: Path) -> None:
    assert [row.line for row in read_rows(saved(tmp_path / "train.xml", CHILDREN))] == [3, 4]
    saved(tmp_path / "test.xml", CHILDREN)
    assert set(load_data([str(tmp_path)]).splits) == {"train", "test"}
    (tmp_path / "b.xml.gz").write_bytes(gzip.compress(CHILDREN.encode()))
    assert len(load_data([str(tmp_path / "b.xml.gz")]).splits["train"]) == 2


def test_what_an_element_holds_several_times_is_a_list_and_what_holds_more_an_object(tmp_path: Path) -> None:
    written = (
        '<d><r><text>a</text><tag>x</tag><tag>y</tag><of lang="en">z</of></r><r><text>b</text><tag>x</tag></r></d>'
    )
    rows = [row.fields for row in read_rows(saved(tmp_path / "a.xml", written)) if isinstance(row, Row)]
    assert rows[0]["tag"] == '["x", "y"]'
    assert rows[0]["of"] == '{"lang": "en", "text": "z"}'
    loaded = load_data([str(tmp_path / "a.xml")], task="multilabel", columns="text=text,label=tag")
    assert [row.answer for row in loaded.splits["train"]] == [["x", "y"], ["x"]]


@pytest.mark.parametrize("encoding", ["euc-kr", "utf-16", "iso-8859-1", "utf-8-sig"])
def test_the_declared_encoding_counts(tmp_path: Path, encoding: str) -> None:
    text = "café" if encoding == "iso-8859-1" else "좋아요"
    declared = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    written = (
        f'<?xml version="1.0" encoding="{declared}"?>\n'
        f"<d><r><text>{text}</text><label>a</label></r><r><text>{text} 2</text><label>b</label></r></d>\n"
    )
    (tmp_path / "a.xml").write_bytes(written.encode(encoding))
    assert [row.texts[0] for row in load_data([str(tmp_path / "a.xml")]).splits["train"]] == [text, f"{text} 2"]


def test_text_around_elements_is_a_fault_of_its_row(tmp_path: Path) -> None:
    faulty = CHILDREN.replace("good", "so <b>good</b>")
    path = saved(tmp_path / "a.xml", faulty)
    assert [row.message for row in read_rows(path) if isinstance(row, BadRow)] == [
        "text and elements stand side by side in <text>"
    ]
    with pytest.raises(DataError, match=r"a\.xml:3: text and elements stand side by side in <text>"):
        load_data([str(path)])
    assert len(load_data([str(path)], skip_bad=True).splits["train"]) == 1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (CHILDREN.replace("</label></review>", "</review>", 1), r"a\.xml:3: invalid XML: mismatched tag"),
        (CHILDREN.partition("</reviews>")[0], r"a\.xml:5: invalid XML: no element found"),
        (
            "<d><a><x>1</x></a><a><x>2</x></a><b><x>1</x></b><b><x>2</x></b></d>",
            r"a\.xml: this is XML in which <a> and <b> come again and again, and either could be the rows",
        ),
        (
            '<!DOCTYPE d [<!ENTITY e "x">]><d><r a="1"/><r a="2"/></d>',
            r"a\.xml:1: invalid XML: it declares an entity of its own, 'e'",
        ),
        ("<d>" + "<e>" * 300 + "</e>" * 300 + "</d>", r"a\.xml:1: invalid XML: it is nested too deeply"),
        ("<html><body><p>a</p><p>b</p></body></html>", r"a\.xml: this is XML or HTML and not a table"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_data([str(saved(tmp_path / "a.xml", written))])


def test_entities_that_another_file_declares(tmp_path: Path) -> None:
    head = '<!DOCTYPE d SYSTEM "d.dtd">'
    written = f"{head}<d><r><text>caf&eacute;</text><label>a</label></r><r><text>&own;</text><label>b</label></r></d>"
    rows = list(read_rows(saved(tmp_path / "a.xml", written)))
    assert isinstance(rows[0], Row)
    assert rows[0].fields["text"] == "café"
    assert rows[1] == BadRow(1, "what &own; stands for is declared elsewhere")


@pytest.mark.parametrize(
    "written",
    [
        "<p>It was <b>good</b> and cheap</p>",
        "<p><i>Good</i></p>",
        "<note>it was <x>good</x> and cheap</note>",
        "<quote><em>Good</em></quote>",
        "<h1><x>Good</x></h1>",
    ],
)
def test_a_text_with_elements_in_it_is_no_table(tmp_path: Path, written: str) -> None:
    assert list(open_texts(str(saved(tmp_path / "a.txt", f"{written}\n"))).texts) == [written]
