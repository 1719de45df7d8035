"""MediaWiki's markup and the XML of journals: what is read, under which headings, and where it stands."""

from __future__ import annotations

import time

import pytest

from bertkit.documents.readers.articles import is_jats, is_wiki, read_jats, read_wiki
from bertkit.documents.readers.table import told_format

WIKI = """{{Infobox mill
| name = Upper mill
| note = {{small|It was. Not prose.}}
}}
[[File:Mill.jpg|thumb|The mill in [[1910]]. A caption.]]
'''Upper mill''' is a [[watermill|water mill]] on the ''Lesser Beck''.<ref>{{cite book |title=Mills}} A source.</ref>
It is {{convert|12|m}} high and was called {{lang|fr|moulin}} once&nbsp;again.<!-- A comment. -->

== History ==
The mill was [http://example.org built] in 1887<ref name="a" /> by two brothers.

{| class="wikitext"
! Year !! Wheels
|-
| 1887 || Two wheels. {{n|a}}
|}

* The first wheel broke in 1901.
# The [[second wheel]]s turned until 1950.
; Owner : The town owns it today.
: I think that it is taller than that.

 preformatted = text. Not prose.

=== Today ===
<gallery>
File:A.jpg|A picture. Not prose.
</gallery>
It is a museum; the area is <math>\\pi r^2</math> by the plan.

== References ==
{{reflist}}
* A book about mills. It is large.

[[Category:Mills]]
[[de:Obere Mühle]]
"""

READ_OF_WIKI = [
    ("", "Upper mill is a water mill on the Lesser Beck."),
    ("", "It is 12 m high and was called moulin once again."),
    ("History", "The mill was built in 1887 by two brothers."),
    ("History", "The first wheel broke in 1901."),
    ("History", "The second wheels turned until 1950."),
    ("History", "Owner : The town owns it today."),
    ("History", "I think that it is taller than that."),
    ("Today", "It is a museum; the area is (…) by the plan."),
]


@pytest.mark.parametrize("name", ["mill.wiki", "mill.mediawiki", "mill", "mill.txt"])
def test_media_wiki(read, name):
    found = read(name, WIKI)
    assert [(sentence.section, " ".join(sentence.text.split())) for sentence in found] == READ_OF_WIKI


def test_what_is_not_closed_hides_nothing():
    text = (
        "== A ==\nThe mill {{is old. The [[File:x.jpg wheel turns. The {{convert|3|km}} road is new.\n{| It is long.\n"
    )
    (found,) = read_wiki(text)
    assert "The mill {{is old." in found.passages[1].text
    assert "3 km road is new." in found.passages[1].text


def test_nested_templates_take_no_longer_than_their_length():
    began = time.process_time()
    read_wiki("{{a|" * 40_000 + "x" + "}}" * 40_000 + "\nThe end.")
    read_wiki("{{" * 80_000 + "[[" * 80_000)
    assert time.process_time() - began < 5


def test_other_markup_is_not_wiki():
    assert is_wiki(WIKI)
    assert not is_wiki("# A\n\nSee [[Other page]] and **this**.\n\n==marked== words, {{< figure >}}\n")
    assert not is_wiki("# Marks\n\nWrite `[[links]]`, `'''bold'''`, `{{templates}}` and `<ref>`.\n")
    assert not is_wiki("A [[b]] c. He said '''so'''.\n")


JATS = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving DTD v1.2 20190208//EN" "a.dtd">
<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article">
<front><journal-meta><journal-title>Journal of Mills. Not read.</journal-title></journal-meta>
<article-meta>
<title-group><article-title>Water in <italic>upper</italic> mills</article-title></title-group>
<contrib-group><contrib><name><surname>Weber</surname></name>
<bio><p>She is a miller. Not read.</p></bio></contrib></contrib-group>
<author-notes><p>The authors contributed equally.</p></author-notes>
<permissions><license><p>This is open access.</p></license></permissions>
<abstract><title>Abstract</title>
<p>Mills need water &#x2014; at least 2&#160;m of it. We measured <bold>40</bold> mills.</p></abstract>
<abstract abstract-type="graphical"><p>A picture of the abstract.</p></abstract>
</article-meta></front>
<body>
<sec><title>Background</title>
<p>Water was scarce in 1887 [<xref ref-type="bibr" rid="b1">1</xref>, <xref ref-type="bibr" rid="b2">2</xref>] and later
<sup><xref ref-type="bibr" rid="b3">3</xref></sup>. <xref ref-type="bibr" rid="b4">Bo (1990)</xref> said so, too
(<xref ref-type="bibr" rid="b5">Chidi et al., 2001</xref>; <xref ref-type="bibr" rid="b6">Dana, 2002</xref>).
It is shown in <xref ref-type="fig" rid="f1">Figure 1</xref>.
<fig id="f1"><label>1</label><caption><title>Wheels.</title><p>The wheels of a mill.</p></caption></fig>
The loss is <inline-formula><mml:math xmlns:mml="x"><mml:mi>E. coli.</mml:mi></mml:math></inline-formula> at most.</p>
<sec><title>Methods</title>
<p>We counted:<list list-type="bullet"><list-item><p>The wheels of each mill were counted twice.</p></list-item></list>
and we weighed them.</p>
<table-wrap><caption><p>A table. Not read.</p></caption><table><tr><td>Many cells.</td></tr></table></table-wrap>
</sec></sec>
</body>
<back><ack><p>We thank the miller.</p></ack>
<ref-list><title>References</title><ref><mixed-citation>Mills. A book.</mixed-citation></ref></ref-list></back>
</article>
"""

READ_OF_JATS = [
    ("Abstract", "Mills need water — at least 2 m of it."),
    ("Abstract", "We measured 40 mills."),
    ("Background", "Water was scarce in 1887 and later."),
    ("Background", "Bo (1990) said so, too."),
    ("Background", "It is shown in Figure 1."),
    ("Background", "The loss is (…) at most."),
    ("Methods", "The wheels of each mill were counted twice."),
    ("Methods", "and we weighed them."),
]


@pytest.mark.parametrize("name", ["mill.nxml", "mill.xml", "mill"])
def test_articles_of_journals(read, name):
    found = read(name, JATS)
    assert [(sentence.section, " ".join(sentence.text.split())) for sentence in found] == READ_OF_JATS
    assert JATS[found[1].start : found[1].end] == "We measured <bold>40</bold> mills."


def test_several_articles_of_a_file_are_documents_each(read):
    one = JATS[JATS.index("<article xml") :]
    both = f"<?xml version='1.0'?>\n<pmc-articleset>{one}{one.replace('40', '41')}</pmc-articleset>"
    first, second = read("set.xml", both)
    assert [sentence.text for sentence in (first[1], second[1])] == ["We measured 40 mills.", "We measured 41 mills."]


def test_pages_are_no_articles_of_journals():
    assert is_jats(JATS)
    page = '<article class="post"><p>It rose.</p></article>'
    assert not is_jats(page)
    assert told_format(page.encode(), has_name=False).name == "html"


def test_a_damaged_article_is_read_as_far_as_it_goes():
    (found,) = read_jats('<article article-type="x"><body><sec><title>A</title><p>It rose.</sec><p>It fell.</p></fig>')
    assert [passage.text for passage in found.passages] == ["A", "It rose.", "It fell."]
