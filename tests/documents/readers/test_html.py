"""Pages: the text without what belongs to the site."""

from __future__ import annotations

import time

import pytest

from bertkit.documents.readers.html import read_html

PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>How to mend a roof</title><style>p{}</style></head>
<body class="has-sidebar">
<div class="cookie-banner"><p>We value privacy. We use cookies to improve the site.</p><button>Accept</button></div>
<div id="top-nav"><a href="/">Home</a> <a href="/a">About</a></div>
<main><article><header><h1>How to mend a roof</h1></header><p class="byline">By the roofer, 3 May</p>
<p>A roof leaks where tiles slip&mdash;usually after&nbsp;a storm. &quot;It takes an hour,&quot; said <b>Mr. Tile</b>.
<p>Unclosed paragraphs <a href="x">are read</a>
as well<sup>[2]</sup>.<br>A new<br>line goes on.<br><br>And ends.
<ul class="social-share"><li>Share this page with all your friends.</li></ul>
<h2>Tools</h2><ul><li>A ladder of six metres<li>Nails &amp; hammer, both <em>clean</em></ul>
<pre><code>x = 1. y = 2.</code></pre><table><tr><th>Tile<th>Price<tr><td>Clay<td>2.10</table>
<p hidden>Nobody sees this sentence here.</p><form><label>Your name, please.</label></form>
<blockquote>“I did it in the rain,” said Bo.</blockquote>
</article></main><aside>Read also: ten ways to paint a door. They are good.</aside>
<footer><p>Mail us at any time of the day.</p></footer><script>var a = "x. y";</script></body></html>
"""


def test_the_article_is_read_and_the_site_is_not(read):
    assert [(sentence.section, sentence.text) for sentence in read("page.html", PAGE)] == [
        ("How to mend a roof", "A roof leaks where tiles slip—usually after a storm."),
        ("How to mend a roof", '"It takes an hour," said Mr. Tile.'),
        ("How to mend a roof", "Unclosed paragraphs are read as well."),
        ("How to mend a roof", "A new line goes on."),
        ("How to mend a roof", "And ends."),
        ("Tools", "A ladder of six metres"),
        ("Tools", "Nails & hammer, both clean"),
        ("Tools", "“I did it in the rain,” said Bo."),
    ]


def test_a_page_that_says_nothing_of_its_parts(read):
    page = (
        "<div><a href=/>Home</a> | <a href=/n>News</a></div><div>3 May</div><h1>Flood</h1>"
        "<div>The river rose at night.</div><div>Accept all cookies</div><div>© 2027 The Mill</div>"
    )
    assert [sentence.text for sentence in read("a.htm", page)] == ["The river rose at night."]


def test_text_that_is_laid_out_with_a_table_is_read(read):
    prose = "The council voted on Monday to repair the bridge over the river, which has been closed since the flood."
    found = read("a.html", f"<html><table><tr><td>1<td>2<tr><td><p>{prose}</p></table></html>")
    assert [sentence.text for sentence in found] == [prose]


def test_a_page_in_another_encoding(read):
    page = '<html><head><meta charset="iso-8859-1"></head><p>Le café ouvre à midi.</p></html>'.encode("latin-1")
    assert [sentence.text for sentence in read("a.html", page)] == ["Le café ouvre à midi."]
    page = '<html><meta charset="euc-kr"><p>다리를 고친다. 비가 온다.</p></html>'.encode("cp949")
    assert [sentence.text for sentence in read("a.html", page)] == ["다리를 고친다.", "비가 온다."]


@pytest.mark.parametrize("piece", ["<div>", "<p>a", "<", "&", "<br>a", "<h1>a<div>b", "</div>", "<!", "<li>"])
def test_time_is_linear(piece):
    began = time.process_time()
    read_html(piece * 20_000)
    assert time.process_time() - began < 10
