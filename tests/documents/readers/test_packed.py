"""Word documents and PDFs: the text that was taken out, by paragraph and by page."""

from __future__ import annotations

import io
import zipfile

import pytest

from bertkit.documents.readers.office import _by_column, read_docx, read_pdf
from bertkit.errors import DataError

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STYLES = f"""<w:styles {W}><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="Titel"><w:name w:val="Title"/></w:style></w:styles>"""
BODY = f"""<w:document {W}><w:body>
<w:p><w:pPr><w:pStyle w:val="Titel"/></w:pPr><w:r><w:t>The harbour</w:t></w:r></w:p>
<w:p><w:r><w:t xml:space="preserve">It was built </w:t></w:r><w:ins><w:r><w:t>in 1910. </w:t></w:r></w:ins>
<w:del><w:r><w:delText>long ago.</w:delText></w:r></w:del>
<w:hyperlink><w:r><w:t>It is deep.</w:t></w:r></w:hyperlink></w:p>
<w:p><w:pPr><w:pStyle w:val="berschrift1"/></w:pPr><w:r><w:t>Costs</w:t></w:r></w:p><w:p/>
<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>The crane costs &amp; much.</w:t></w:r></w:p>
<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Crane. Old.</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
<w:sdt><w:sdtContent><w:p><w:r><w:fldChar/><w:instrText>PAGE</w:instrText><w:t>It is due</w:t><w:br/>
<w:t>in June.</w:t></w:r></w:p></w:sdtContent></w:sdt></w:body></w:document>"""


def docx(body: str = BODY, styles: str = STYLES) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", body)
        archive.writestr("word/styles.xml", styles)
    return packed.getvalue()


def pdf(*pages: list[str], small: str = "") -> bytes:
    """Write a PDF by hand, its lines set in Helvetica, smaller from the one on that begins with `small`."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for lines in pages:
        cut = next((n for n, line in enumerate(lines) if small and line.startswith(small)), len(lines))
        shown = "".join(f"{'/F1 7 Tf ' * (n == cut)}({line}) Tj 0 -14 Td " for n, line in enumerate(lines))
        stream = f"BT /F1 10 Tf 40 800 Td {shown}ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 842] /Contents {len(objects)} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(written))
        written += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(written)}\n%%EOF"
    return written + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


def test_a_word_document(read):
    found = read("a.docx", docx())
    assert [(s.section, s.paragraph, s.text) for s in found] == [
        ("The harbour", 2, "It was built in 1910."),
        ("The harbour", 2, "It is deep."),
        ("Costs", 4, "The crane costs & much."),
        ("Costs", 5, "It is due in June."),
    ]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"PK\x03\x04 nothing", "cannot be read as a Word document"),
        (docx(BODY[:-20]), "cannot be read as a Word document"),
        (docx(f'<!DOCTYPE a [<!ENTITY b "c">]>{BODY}'), "document type"),
    ],
)
def test_damaged_word_documents(content, word):
    with pytest.raises(DataError, match=word):
        read_docx(content, "a.docx")


def test_a_zip_archive_of_something_else():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(DataError, match="not a Word document"):
        read_docx(packed.getvalue(), "a.docx")


def test_a_pdf_by_pages_without_their_headers(read):
    pytest.importorskip("pypdf")
    pages = [
        ["Harbour report", "The first page says that the harbour was", "built in 1910. It is deep.", "1"],
        ["Harbour report", "The second one speaks of the crane.", "2"],
        ["Harbour report", "The third one ends.", "3"],
    ]
    found = read("a.pdf", pdf(*pages))
    assert [(s.page, " ".join(s.text.split())) for s in found] == [
        (1, "The first page says that the harbour was built in 1910."),
        (1, "It is deep."),
        (2, "The second one speaks of the crane."),
        (3, "The third one ends."),
    ]


def test_a_sentence_goes_on_over_pages(read):
    pytest.importorskip("pypdf")
    pages = [
        ["Harbour report", "The largest gift came from one", "who lives abroad; it was small and", "1"],
        ["Harbour report", "helped to pay for the crane. It is con-", "2"],
        ["Harbour report", "crete at its foot.", "3"],
    ]
    assert [(s.page, " ".join(s.text.split())) for s in read("a.pdf", pdf(*pages))] == [
        (1, "The largest gift came from one who lives abroad; it was small and helped to pay for the crane."),
        (2, "It is concrete at its foot."),
    ]


@pytest.mark.parametrize(("mark", "is_note"), [("1 ", True), ("* ", True), ("", False)])
def test_a_footnote_is_smaller_and_begins_with_a_mark(read, mark, is_note):
    pytest.importorskip("pypdf")
    note = [f"{mark}See the book of the mill. It is", "old and lies in the office."]
    pages = [
        ["The largest gift came from one who lives abroad; it was", "small and", *note, "1"],
        ["helped to pay for the crane.", "2"],
        ["The crane is old.", "3"],
    ]
    found = [" ".join(s.text.split()) for s in read("a.pdf", pdf(*pages, small=note[0]))]
    whole = "The largest gift came from one who lives abroad; it was small and helped to pay for the crane."
    assert (whole in found) == is_note
    assert any("the office" in text for text in found) != is_note


def test_two_columns_that_are_written_line_by_line():
    left = [
        "The mill was founded in",
        "1712 on a rock by the",
        "river. It has been in use",
        "since then, and it is",
        "old.",
    ]
    right = [
        "The wheel is made of oak",
        "and turns when the water",
        "is high. It was painted",
        "last year by the boys of",
        "Upton.",
    ]
    lines = [
        (x, 700 - 6 * n, text)
        for n, pair in enumerate(zip(left, right, strict=True))
        for x, text in zip((28, 311), pair, strict=True)
    ]
    assert _by_column([(28, 760, "Mills"), *lines]) == "\n".join(["Mills", *left, *right])
    table = [(x, y, text[:8]) for x, y, text in lines]
    assert _by_column(table) is None
    assert _by_column(lines[::2]) is None


def test_a_pdf_without_text_and_a_damaged_one():
    pytest.importorskip("pypdf")
    with pytest.raises(DataError, match="no text in it"):
        read_pdf(pdf([]), "a.pdf")
    with pytest.raises(DataError, match="cannot be read as a PDF"):
        read_pdf(b"%PDF-1.4\nnothing", "a.pdf")


def test_without_pypdf_the_way_on_is_said(monkeypatch):
    monkeypatch.setattr("bertkit.documents.readers.office.importlib.util.find_spec", lambda _: None)
    with pytest.raises(DataError, match="pip install pypdf"):
        read_pdf(pdf(["x"]), "a.pdf")


def test_a_text_that_a_table_frames(read):
    cell = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    letter = "The letter was laid out in a table of one cell. It has two sentences."
    body = f"<w:document {W}><w:body>{cell.format(letter)}{cell.format('Old. New.')}</w:body></w:document>"
    assert [s.text for s in read("a.docx", docx(body))] == letter.replace(". ", ".\n").split("\n")
