"""Pages: the text without what belongs to the site."""

from __future__ import annotations

import time

import pytest

from bertkit.documents.readers.markup import read_html

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


PROSE = "The mill opens its doors on the first of May, and entry is free for everyone who is under twelve years old."


@pytest.mark.parametrize(
    "beside",
    [
        '<div id="onetrust-consent-sdk"><p>We store data on your device. Change it.</p></div>',
        '<div class="topbar">Call us now: 555 0100. We are open.</div>',
        '<ol class="comment-list"><li><p>A great post! Thank you so much.</p></li></ol>',
        '<div class="sd-sharing-enabled"><p>Tell your friends about this page. Do it now.</p></div>',
        "<ul><li><a href=1>How to prune a rose in spring.</a></li></ul>",
        "<p><a href=1>Here is another story that you may like.</a></p>",
        "<p>Last updated: 3 January 2027 at 10:02</p><p>Posted in <a>Mills</a>, <a>Bread</a> by the miller</p>",
        "<p>Your email address will not be published.</p><p>Proudly powered by WordPress.</p>",
        "<details><summary>What about the bakery?</summary></details>",
        '<p><span class="date">입력 2027.01.02.</span></p><p>▲ 물레방아의 봄 모습. 골짜기군 제공</p>',
    ],
)
def test_what_stands_beside_the_text_is_not_read(read, beside):
    page = f"<html><body>{beside}<h1>The mill</h1><div><p>{PROSE}</p></div>{beside}</body></html>"
    assert [sentence.text for sentence in read("a.html", page)] == [PROSE]


def test_the_part_that_is_called_the_text_is_read(read):
    aside = "<p>I am a baker and I love mills. Write to me.</p>"
    page = f'<body><h1>The mill</h1><div class="entry-content"><p>{PROSE} {PROSE}</p></div><div>{aside}</div></body>'
    found = read("a.html", page)
    assert [(sentence.section, sentence.text) for sentence in found] == [("The mill", PROSE)] * 2


def test_names_of_classes_may_mislead(read):
    page = f'<html><body><div id="banner"><p>{PROSE}</p></div></body></html>'
    assert [sentence.text for sentence in read("a.html", page)] == [PROSE]


def test_short_sentences_of_a_cell_that_holds_prose_are_read(read):
    page = f"<table><tr><td><p>{PROSE}</p><p>Bread is baked at ten.</p></td><td>It is 2 m.</td></tr></table>"
    assert [sentence.text for sentence in read("a.html", page)] == [PROSE, "Bread is baked at ten."]


def test_raised_numbers_are_notes_or_exponents(read):
    page = (
        "<html><p>It has 20 m<sup>2</sup> of oak.<sup>[<i>citation needed</i>]</sup> It is old<sup>3</sup>.</p></html>"
    )
    assert [sentence.text for sentence in read("a.html", page)] == ["It has 20 m2 of oak.", "It is old."]


def test_adorned_endings_end_sentences(read):
    page = "<p>오늘은 물레방아에 다녀왔어요^^</p><p>#물레방아 #나들이</p><p>다음에 또 가려고요~</p>"
    assert [s.text for s in read("a.html", page)] == ["오늘은 물레방아에 다녀왔어요^^", "다음에 또 가려고요~"]


@pytest.mark.parametrize("piece", ["<div>", "<p>a", "<", "&", "<br>a", "<h1>a<div>b", "</div>", "<!", "<li>"])
def test_time_is_linear(piece):
    began = time.process_time()
    read_html(piece * 20_000)
    assert time.process_time() - began < 10


def sentences(found):
    return [sentence.text for sentence in found]


def test_what_stands_beside_a_text(read):
    page = """<html><body><div class="top-menu"><a href="/">Home</a></div>
<div class="col-md-8"><h2>Planting a hedge</h2>
<div>A hedge keeps the wind out.<br><br>Plant it in autumn.</div><p>This article was amended on 14 May 2024 by us.</p>
<p>As an Amazon Associate I earn from purchases.</p>
<div class="post-signature">asked May 13 by ana, who has 312 points</div>
<p class="d-none">Secret words are here.</p></div>
<div class="col-md-4"><h4>Popular posts</h4><ul><li>How to build a fence that lasts.</li></ul>
<h4>About me</h4><p>I live in the north.</p></div>
<h4>'정원' 카테고리의 다른 글</h4><p>좋은 글 감사합니다.</p><p>▶ 카카오톡에서 만나요 지금</p></body></html>"""
    assert sentences(read("a.html", page)) == ["A hedge keeps the wind out.", "Plant it in autumn."]


def test_captions_and_summaries_within_the_text_of_a_portal(read):
    page = """<html><body><article id="dic_area"><strong class="media_end_summary">목요일 저녁 통제</strong>
<span class="end_photo_org"><img src="a.jpg"><em class="img_desc">불어난 강물. 연합뉴스</em>
</span>강물이 불어났다. 길이 막혔다.<br><br>
다친 사람은 없다.</article></body></html>"""
    assert sentences(read("a.html", page)) == ["강물이 불어났다.", "길이 막혔다.", "다친 사람은 없다."]


def test_rows_of_one_cell_are_no_table(read):
    page = (
        "<table><tr><td><p>It was built in May.</p></td></tr></table><table><tr><td>a.</td><td>It "
        "opens.</td></tr></table>"
    )
    assert sentences(read("a.html", f"<html><body>{page}</body></html>")) == ["It was built in May."]
