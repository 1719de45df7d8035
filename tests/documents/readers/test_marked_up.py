"""reStructuredText, Org, AsciiDoc and LaTeX: what is read, and where it stands."""

from __future__ import annotations

import gc
import time

import pytest

from bertkit.documents.readers.marked_up import is_adoc, read_org, read_rst, read_tex

RST = r""".. _mill:

==========
Mill guide
==========

:Author: Ana
:Date: 2024

This guide shows **how to start** the `mill <https://example.org>`_. It needs ``water 3.1`` or
later [1]_, says :ref:`the office <office>` of the Mill_.

Winter
------

.. code-block:: python
   :linenos:

   def start(mill):
       return mill.run(port=8080)

   # Not prose. It is code.

.. note:: The pond is *no longer* frozen in winter.
   Use it again.

.. warning::
   :class: big

   Keep the gate closed.

Run this::

    mill start --now. It is code.

1. Stop the *old* wheel.
2. Oil the inner axle
   before you go on.

   A second paragraph of the item.

- Start the new one with :meth:`~mill.Gate.__open__`.
* Look twice.

term
   The definition is a sentence.

+------+-----+
| Gate | Use |
+------+-----+

=====  =====
Gate   Use
=====  =====
8080   Web is here.

9090   More is here.
=====  =====

>>> 1 + 1
2

Deeper
^^^^^^

| A line of a poem
| and one more.

.. [1] A note. It is small.
.. A comment. It is not read.

The end is near.
"""

ORG = r"""#+TITLE: Mill guide
#+AUTHOR: Ana

This guide shows *how to start* the [[https://x.y][mill]]. It needs =water 3.1= or
later[fn:1], of course.

* TODO [#A] Winter [1/2] :pond:work:
:PROPERTIES:
:ID: 12
:END:
SCHEDULED: <2024-01-01 Mon>

The pond is /no longer/ frozen.
# a comment. Not read.

#+BEGIN_SRC python
def start(): pass. Not prose.
#+END_SRC
#+begin_quote
Use it again, he said.
#+end_quote

- [ ] Stop the old wheel.
- gate :: The gate is closed at night.
  It opens at six.
1. Start the new one.

| Gate | Use |
|------+-----|
| 8080 | Web. |

: fixed width. Not prose.

** Deeper
\begin{equation}
x = 1.
\end{equation}
The end is near a/b and 2*3*4.

* Footnotes
[fn:1] A note. It is small.
"""

TEX = r"""\documentclass{article}
% \begin{document} in a comment
\title{Mill \emph{guide}}
\author{Ana}
\begin{document}
\maketitle
\begin{abstract}
This guide shows \textbf{how to \emph{start}} the mill~\cite{smith2020,jones}. It costs 5\,\% of \$100.
\end{abstract}
\section{Winter} \label{sec:w}
The pond is no longer frozen\footnote{A note. It \emph{is} small.}, see Section~\ref{sec:w}. % a comment. Not read.
Use ``it'' again --- always. We get
\begin{equation}
  x = 1.
\end{equation}
Then $y = x$ holds, and
\[ z = 2, \]
where $z$ is the caf\'e's rate.

\begin{itemize}
\item Stop the old wheel.
\item[b)] Start \LaTeX{} now.
\end{itemize}
\begin{table}[h]
\caption{Not read. At all.}
\begin{tabular}{ll} a & b \\ \end{tabular}
\end{table}
\begin{verbatim}
code. Not read.
\end{verbatim}
\subsection*{Deeper}
The end is near\\ of \href{https://x.y}{this page}.
\begin{thebibliography}{9}
\bibitem{a} A source. It is long.
\end{thebibliography}
\end{document}
Junk behind. Not read.
"""


def told(sentences):
    return [(sentence.section, sentence.text) for sentence in sentences]


def test_restructured_text(read):
    assert told(read("guide.rst", RST)) == [
        ("Mill guide", "This guide shows how to start the mill."),
        ("Mill guide", "It needs water 3.1 or later, says the office of the Mill."),
        ("Winter", "The pond is no longer frozen in winter."),
        ("Winter", "Use it again."),
        ("Winter", "Keep the gate closed."),
        ("Winter", "Stop the old wheel."),
        ("Winter", "Oil the inner axle before you go on."),
        ("Winter", "A second paragraph of the item."),
        ("Winter", "Start the new one with __open__."),
        ("Winter", "Look twice."),
        ("Winter", "The definition is a sentence."),
        ("Deeper", "A line of a poem and one more."),
        ("Deeper", "The end is near."),
    ]


def test_org(read):
    assert told(read("guide.org", ORG)) == [
        ("Mill guide", "This guide shows how to start the mill."),
        ("Mill guide", "It needs water 3.1 or later, of course."),
        ("Winter", "The pond is no longer frozen."),
        ("Winter", "Use it again, he said."),
        ("Winter", "Stop the old wheel."),
        ("Winter", "The gate is closed at night."),
        ("Winter", "It opens at six."),
        ("Winter", "Start the new one."),
        ("Deeper", "The end is near a/b and 2*3*4."),
    ]


def test_latex(read):
    assert told(read("guide.tex", TEX)) == [
        ("Mill guide", "This guide shows how to start the mill."),
        ("Mill guide", "It costs 5 % of $100."),
        ("Winter", "The pond is no longer frozen, see Section."),
        ("Winter", 'Use "it" again — always.'),
        ("Winter", "We get (…)."),
        ("Winter", "Then y = x holds, and (…) where z is the café's rate."),
        ("Winter", "Stop the old wheel."),
        ("Winter", "Start LaTeX now."),
        ("Deeper", "The end is near of this page."),
    ]


def test_latex_that_is_switched_off_and_formulas_in_round_brackets(read):
    text = "\\documentclass{article}\nThe gate \\(g > 0\\) is open.\n"
    text += "\\iffalse\nNot read. At all.\n\\fi\nIt closes at six.\n"
    assert told(read("a.tex", text)) == [("", "The gate g > 0 is open."), ("", "It closes at six.")]


def test_latex_of_slides_and_its_commands(read):
    slide = (
        "\\begin{document}\n\\begin{frame}[t]{The {old} gate}\n\\begin{minipage}{0.5\\textwidth}\n"
        "Run \\verb|mill --now| \\textcolor{red}{at \\textbf{six}}, as \\url{x.org/a_b} says.\n"
        "\\end{minipage}\n\\end{frame}\n\\end{document}\n"
    )
    assert told(read("slides.tex", slide)) == [("The old gate", "Run mill --now at six, as x.org/a_b says.")]


@pytest.mark.parametrize(
    ("reader", "piece"),
    [
        (read_org, "#+BEGIN_SRC x\nabc\n"),
        (read_org, ":A:\n\\[ x\n"),
        (read_org, "*a /b =c\n"),
        (read_tex, "\\begin{verbatim}\n"),
        (read_tex, "\\section{a "),
        (read_tex, "\\cite{a \\[ $ "),
        (read_rst, "**a *b `c |d\n"),
        (read_rst, ".. note:: a\n\n== ==\n"),
        (read_rst, "a::\n\n"),
    ],
)
def test_what_is_never_closed_takes_linear_time(reader, piece):
    def seconds(count):
        began = time.process_time()
        reader(piece * count)
        return time.process_time() - began

    gc.disable()  # it looks through all that other tests have left
    try:
        seconds(10)
        assert seconds(16_000) < 24 * seconds(2_000) + 0.5
    finally:
        gc.enable()


ADOC = """= Mill guide
Ana Weber <ana@example.org>
v1.0, 2024-05-06
:toc:
:product: Upper Mill

This guide shows *how to start* the {product} with https://example.org/mill[its plan^]. It needs `water 3.1` or +
later.footnote:[A note. It is small.]

// A comment. It is not read.
[source,python]
----
def start(mill):
    # Not prose. It is code.
----

== Winter

NOTE: The pond is _no longer_ frozen in winter.
Use it again.

[WARNING]
====
Keep the gate closed, as <<gate,the chapter on gates>> says.
====

.A title of a block
image::gate.png[A picture. Not prose.]

. Stop the *old* wheel.
.. Oil the inner axle
before you go on.
* Start the new one with kbd:[Ctrl+S].
Gate:: It is made of oak.

|===
|Gate |Use

|8080 |Web is here.
|===

[source]
mill start --now. It is code.

 A literal paragraph. It is code.

Deeper
~~~~~~

____
Water is patient, she said.
____
"""

READ_OF_ADOC = [
    ("Mill guide", "This guide shows how to start the Upper Mill with its plan."),
    ("Mill guide", "It needs water 3.1 or later."),
    ("Winter", "The pond is no longer frozen in winter."),
    ("Winter", "Use it again."),
    ("Winter", "Keep the gate closed, as the chapter on gates says."),
    ("Winter", "Stop the old wheel."),
    ("Winter", "Oil the inner axle before you go on."),
    ("Winter", "Start the new one with Ctrl+S."),
    ("Winter", "It is made of oak."),
    ("Deeper", "Water is patient, she said."),
]


@pytest.mark.parametrize("name", ["guide.adoc", "guide.asciidoc", "guide"])
def test_ascii_doc(read, name):
    found = read(name, ADOC)
    assert [(sentence.section, " ".join(sentence.text.split())) for sentence in found] == READ_OF_ADOC


def test_a_title_alone_is_not_ascii_doc():
    assert is_adoc(ADOC)
    assert not is_adoc("= Mill guide\n\nThis is a text, and nothing else says what it is.\n")
    assert not is_adoc("= Mill =\n\n== History ==\nIt is old.\n")
    assert not is_adoc("Mill guide\n\n== Winter\n\nIt is cold.\n")
