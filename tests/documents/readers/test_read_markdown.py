"""Markdown: what is read, and where it stands."""

from __future__ import annotations

import json
import time

import pytest

from bertkit.documents.readers.markup import read_markdown
from bertkit.errors import DataError
from bertkit.summarization.documents_in import read_documents

GUIDE = """---
title: Mill guide
tags: [a, b]
---

Mill guide
==========

[![build](https://x.y/b.svg)](https://x.y)

This guide shows **how to start** the [mill](https://example.org/a_(b) "T"). It needs `water 3.1` or
later.

1. Stop the *old* wheel.
   - Wait for a minute. Then look.
     1. Oil the inner axle
2. Start the new one.

```python
def start(mill):
    return mill.run(port=8080)
```

    indented = code. Not prose.

| Gate | Use |
|------|-----|
| 8080 | web |

## Winter

> The pond is *no longer* frozen.
> Use it again.

- [ ] Try it &amp; tell us.
- [Home](#home)

**A bold line stands for a heading**

<details><summary>More</summary>

Hidden text is text, too.

</details>

<!-- a comment. It is not read. -->
Water\\: it ends here[^1].

[^1]: A note. It is small.
"""
READ = [
    ("Mill guide", "This guide shows how to start the mill."),
    ("Mill guide", "It needs water 3.1 or later."),
    ("Mill guide", "Stop the old wheel."),
    ("Mill guide", "Wait for a minute."),
    ("Mill guide", "Then look."),
    ("Mill guide", "Oil the inner axle"),
    ("Mill guide", "Start the new one."),
    ("Winter", "The pond is no longer frozen."),
    ("Winter", "Use it again."),
    ("Winter", "Try it & tell us."),
    ("A bold line stands for a heading", "Hidden text is text, too."),
    ("A bold line stands for a heading", "Water: it ends here."),
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_prose_is_read_and_the_rest_is_not(read, end):
    found = read("guide.md", GUIDE.replace("\n", end))
    assert [(sentence.section, sentence.text) for sentence in found] == READ


def test_places_are_those_of_the_file(read):
    text = "# A\n\nIt is **very** cold &mdash; so\n> stay. The [door](http://x.y) is *shut*.\n"
    (document,) = read_markdown(text)
    assert [text[p.start : p.end] for p in document.passages] == [
        "A",
        "It is **very** cold &mdash; so",
        "stay. The [door](http://x.y) is *shut*.",
    ]
    first, *_ = read("a.md", text)
    assert (first.text, text[first.start : first.end]) == ("It is very cold — so", "It is **very** cold &mdash; so")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a ![b [c] d](e(f).png) g `` h`i `` j<br>k\\\nl.", "a g h`i j k l."),
        ("See <http://a.b> and [x][r] or [r].\n\n[r]: http://c.d", "See http://a.b and x or r."),
        ("~~old~~ __new__ _it_ a\\*b 1 < 2 &#39;q&#39;.", "old new it a*b 1 < 2 'q'."),
        ("- a long item that is\n  broken and\nlazy.", "a long item that is broken and lazy."),
        ("#### Deep ####\ntext stands here.", "text stands here."),
        ("+++\ntitle = 'x'\n+++\nBody is here.", "Body is here."),
        ("::: warning\n:::\n\n> [!NOTE]\n> Mind the gap.", "Mind the gap."),
        ('<p align="center">The mill, a\n<b>big</b> one.</p>', "The mill, a big one."),
    ],
)
def test_inside_of_paragraphs(read, text, expected):
    assert [sentence.text for sentence in read("a.md", f"# T\n\n{text}\n" if text[0] not in "+#" else text)] == [
        expected
    ]


def test_nothing_but_headings_is_read_after_all(read):
    assert [sentence.text for sentence in read("a.md", "# First matter\n\n## Second matter\n")] == [
        "First matter",
        "Second matter",
    ]


@pytest.mark.parametrize("piece", ["[", "![", "*a ", "> ", "`", "- a\n", "[a](", "<b", "&", "# a\n\n", "|a|\n|-|\n"])
def test_time_is_linear(piece):
    began = time.process_time()
    read_markdown(piece * 4000)
    assert time.process_time() - began < 10


DIALECT = """---
title: Mills
---

:::note
A note is read. It matters.
:::

!!! warning "Careful"
    An admonition is indented. It is read.

> **Warning**
> The box must stay dry.

Sluice
: A gate that holds water back. It is of oak.

##Wheel {#wheel}

The wheel turns. {.lead}

#mill #water

Table: The wheels of the mill.

{{< figure src="a.png" >}}

export const x = 1

Three things are needed:

- a hammer and nails
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_dialects(read, end):
    assert [(s.section, s.text) for s in read("a.md", DIALECT.replace("\n", end))] == [
        ("", "A note is read."),
        ("", "It matters."),
        ("", "An admonition is indented."),
        ("", "It is read."),
        ("", "The box must stay dry."),
        ("", "A gate that holds water back."),
        ("", "It is of oak."),
        ("Wheel", "The wheel turns."),
        ("Wheel", "a hammer and nails"),
    ]


def all_of(found):
    return [sentence.text for sentence in found]


def test_obsidian(read):
    text = (
        "# Hedge\n\n#garden #plants\n\n"
        "The [[hedge]] keeps the wind out of the [[garden|whole garden]]. ![[hedge.png]] ^block1\n\n"
        "> [!warning] Careful\n> Willow needs water.\n\n%% This is a remark. Nobody reads it. %%\n\n"
        "==Plant it in autumn.== Then wait.\n"
    )
    assert all_of(read("a.md", text)) == [
        "The hedge keeps the wind out of the whole garden.",
        "Willow needs water.",
        "Plant it in autumn.",
        "Then wait.",
    ]


def test_templates_do_not_take_the_text_below_along(read):
    text = (
        "---\nlayout: post\n---\n{% include toc.html %}\nThe hedge keeps the wind out.\n{{ site.url }}\n"
        "Plant it in autumn.\n"
        '{: .notice}\n\n{% highlight python %}\nprint("x. y.")\n{% endhighlight %}\n\nIt likes water.\n'
    )
    assert all_of(read("a.md", text)) == ["The hedge keeps the wind out.", "Plant it in autumn.", "It likes water."]
    text = "import { Card } from './card'\nexport const meta = { title: 'x' }\n\n# Hello\n\nIt is short.\n"
    assert all_of(read("a.mdx", text)) == ["It is short."]


@pytest.mark.parametrize(
    "text",
    [
        '<p align="center"><img src="logo.png"></p>\n<h1 align="center">Gardener</h1>\n\n# Use\n\n'
        "It **plans** your beds.\n\n"
        "```sh\npip install x\n```\n",
        "Title here\n==========\n\nIt ~~drew~~ **plans** your beds.\n",
        "**Meeting**\n\n**Date:** 13 May\n\n**Note:** old.\n\nIt **plans** your beds.\n",
        "- [x] It [plans](https://example.org/a) your beds.\n",
    ],
)
def test_markdown_is_known_in_a_pipe(read, text):
    assert "plans" in " ".join(all_of(read("a.md", text)))


def test_turns_within_a_paragraph(read):
    text = (
        "**Present:** Ana, Bo\n**Date:** 13 May 2024\n\n**Ana:** The fence is done.\n**Bo:** Who pays?\n"
        "**Ana:** The city pays.\n"
    )
    found = [(sentence.speaker, sentence.said) for sentence in read("a.md", text)]
    assert found == [("Ana", "The fence is done."), ("Bo", "Who pays?"), ("Ana", "The city pays.")]


def test_a_notebook(read):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# River\n", "\n", "The river rose. We look at it.\n"]},
        {"cell_type": "code", "outputs": [{"text": ["It works.\n"]}], "source": ["print('x. y.')\n"]},
        {"cell_type": "markdown", "metadata": {}, "source": "The road is **closed**."},
    ]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4})
    found = read("a.ipynb", notebook)
    assert [(s.section, s.text) for s in found] == [
        ("River", "The river rose."),
        ("River", "We look at it."),
        ("River", "The road is closed."),
    ]


def test_what_is_no_notebook(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text('{"cells": 3}')
    with pytest.raises(DataError, match="is not a notebook"):
        list(read_documents([str(path)]))
