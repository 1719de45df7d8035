"""The two pages: one file each, nothing from outside, whatever stands in the data is text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.audit.texts import Bar
from bertkit.cli.app import app
from bertkit.reporting.page import Html, document, histogram, joined, table, tag
from tests.conftest import pair_rows, write_tsv

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "br", "rect", "line", "path", "use"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and gathers what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def is_self_contained(page: Page, text: str) -> None:
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "base", "form", "img"}
    assert all(link.startswith("#") for link in page.links)
    style = re.sub(r"/\*.*?\*/", "", text[text.index("<style>") : text.index("</style>")])
    assert "@import" not in style
    assert "url(" not in style
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), env={"OMP_WAIT_POLICY": "PASSIVE"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_texts_are_escaped_and_markup_is_not() -> None:
    assert tag("p", "a < b", tag("b", 1), None, title='"') == '<p title="&quot;">a &lt; b<b>1</b></p>'
    assert isinstance(joined(["x"]), Html)
    assert EVIL not in document(EVIL, EVIL, table([EVIL], [[EVIL]]))


def test_a_histogram_tells_its_rows() -> None:
    svg = histogram([Bar(0, 4, 1), Bar(5, 9, 3), Bar(10, 80, 2)], "words")
    assert "5–9 words: 3 rows" in svg
    assert ">10+<" in svg
    heights = [float(height) for height in re.findall(r'height="([\d.]+)" fill', svg)]
    assert heights == pytest.approx([heights[1] / 3, heights[1], 2 * heights[1] / 3], abs=0.01)


def test_the_page_of_data(tmp_path: Path) -> None:
    rows = [(f"{EVIL} {a}", b, EVIL if label == "1" else "&no") for a, b, label in pair_rows(60)]
    data = write_tsv(tmp_path / "rows.tsv", rows, ("sentence1", "sentence2", "label"))
    report = tmp_path / "page.html"
    run("inspect-data", str(data), "--report", str(report), "--plots", str(tmp_path / "figs"))
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    is_self_contained(page, text)
    assert EVIL in page.text
    assert "bertkit train" in page.text
    assert "30" in page.text
    names = {path.name for path in (tmp_path / "figs").iterdir()}
    assert names == {"labels.png", "lengths_1_sentence1.png", "lengths_2_sentence2.png"}


def test_the_page_of_an_evaluation(trained_run: Path, tmp_path: Path) -> None:
    rows = [(f"{EVIL} {a}", b, label) for a, b, label in pair_rows(80, seed=3)]
    rows += [(a, b, "0" if label == "1" else "1") for a, b, label in pair_rows(20, seed=4)]
    data = write_tsv(tmp_path / "rows.tsv", rows, ("sentence1", "sentence2", "label"))
    report, plots = tmp_path / "page.html", tmp_path / "figs"
    run("eval", str(trained_run), str(data), "--report", str(report), "--plots", str(plots))
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    is_self_contained(page, text)
    for part in ("accuracy", "majority", "tfidf", "Confusion matrix", "ROC", "Reliability", "Learning curves"):
        assert part in page.text
    assert 'class="for"' in text
    assert {path.name for path in plots.iterdir()} == {
        f"{name}.png" for name in ("confusion", "precision_recall", "roc", "reliability", "length", "loss")
    }
    assert "<article>" in text


def test_a_page_is_the_same_each_time(trained_run: Path, tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "rows.tsv", pair_rows(30, seed=5), ("sentence1", "sentence2", "label"))
    texts = []
    for name in ("one.html", "two.html"):
        run("eval", str(trained_run), str(data), "--report", str(tmp_path / name))
        text = (tmp_path / name).read_text(encoding="utf-8")
        texts.append(re.sub(r"<b>[\d,]+</b><span>rows per second", "", text))
    assert texts[0] == texts[1]
