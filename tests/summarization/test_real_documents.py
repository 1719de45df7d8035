"""Folders, columns, lengths, sections, comparisons: what people do with documents of all kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.data.records import Row
from bertkit.errors import UsageError
from bertkit.summarization.documents_in import DocumentColumns, document_columns, documents_of_rows, read_documents
from bertkit.summarization.methods import SummaryOptions, suitable_length
from bertkit.summarization.records import document_sentences
from bertkit.summarization.summarize import summarize

NEWS = "The council voted on Monday to mend the bridge. It was shut after the flood. The work will cost much."
DIALOGUE = (
    "Ana: did it arrive today? I need it soon.\nBo: no, it is late. He comes tomorrow.\nAna: then I wait at home."
)


# The folder that docs/summaries.md shows.
PAPERS = {
    "call.eml": """From: Ana <ana@example.org>
To: team@example.org
Subject: Re: The weekly call

Hi team,

we have moved the weekly call
to Tuesday at ten,
because the big room is taken on Monday. Please bring the numbers
for March. If you cannot come, tell me
before Friday.

Best
Ana
--
Ana | Office 4

On Mon, 3 May 2027 at 09:00, Bo <bo@example.org> wrote:
> When is the call? I have lost the note.
""",
    "flood.html": """<html><head><title>Flood | The Valley</title></head><body>
<nav><a href="/">Home</a> <a href="/sport">Sport</a></nav>
<div class="cookie-banner">We use cookies to make this site better. <button>Accept</button></div>
<h1>Flood closes the road</h1><p class="byline">By the desk, 3 May</p>
<p>The river rose by two metres on Thursday&nbsp;evening and closed the road to the mill.</p>
<p>&quot;We were lucky,&quot; said the miller, whose house stands on a rock. The water fell on Friday.</p>
<p>The road to the mill stays closed until the river has fallen by another metre.</p>
<table><tr><th>Day</th><th>Level</th></tr><tr><td>Thursday</td><td>4.1 m</td></tr></table>
<aside>Read also: ten floods of the valley. They were worse.</aside>
<footer>&copy; 2027 The Valley. All rights reserved.</footer></body></html>
""",
    "guide.md": """---
title: The gate
---

# The gate of the mill

The mill needs water at **two metres** or more, and the gate stays shut until then.[^1]

## In winter

1. Break the ice before the gate is opened.
2. Open the gate slowly.

```sh
gate open --slowly
```

| Month | Gate |
|---|---|
| May | It is open. |

[^1]: Two metres are measured at the bridge.
""",
    "meeting.vtt": """WEBVTT

1
00:00:01.000 --> 00:00:04.000
<v Ana>Today we decide whether to move the office

2
00:00:04.000 --> 00:00:06.000
<v Ana>to the north building.

3
00:00:06.500 --> 00:00:10.000
<v Bo>The rent there is lower, but the train line closes in June.

4
00:00:10.500 --> 00:00:14.000
<v Ana>Then we move the office in autumn.
""",
    "후기.txt": """가격도 괜찮고 음식도 맛있어요~ 다음에 가족과 또 올게요!
직원분이 친절하셨어요^^ 주차는 조금 불편했습니다ㅠㅠ 그래도 음식이 맛있어서 추천합니다ㅎㅎ
""",
}


def test_the_folder_that_the_docs_show(tmp_path, monkeypatch):
    pytest.importorskip("kiwipiepy")
    (tmp_path / "papers").mkdir()
    for name, text in PAPERS.items():
        (tmp_path / "papers" / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command = "summarize papers --method textrank --sentences 2"
    done = CliRunner().invoke(app, [*command.split(), "--format", "text"])
    assert done.exit_code == 0, done.output
    shown = (Path(__file__).parents[2] / "docs" / "summaries.md").read_text(encoding="utf-8")
    assert f"$ bertkit {command}\n{done.stdout}" in shown, done.stdout


def run(*arguments: object) -> tuple[list[dict], str]:
    done = CliRunner().invoke(app, ["summarize", *map(str, arguments), "--format", "json"])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr


def test_a_folder_of_all_kinds(tmp_path):
    (tmp_path / "a.md").write_text(f"# News\n\n{NEWS}\n\n```\ncode. Here.\n```\n")
    (tmp_path / "b.html").write_text(f"<nav><a href=/>Home</a></nav><h1>News</h1><p>{NEWS}</p>")
    (tmp_path / "c.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ana>The call is late today.\n")
    (tmp_path / "d.eml").write_text(f"From: a@b.c\nSubject: News\nTo: d@e.f\n\nHi all,\n\n{NEWS}\n\nBest\nAna\n")
    (tmp_path / "e.txt").write_text("맛있어요~ 또 올게요! 정말 친절하셨어요^^")
    (tmp_path / "f.jsonl").write_text(json.dumps({"dialogue": DIALOGUE}))
    (tmp_path / "g.png").write_bytes(b"\x89PNG")
    (tmp_path / ".hidden.md").write_text("Not read at all.")
    records, said = run(tmp_path, "--method", "lead")
    assert [record["source"].rpartition("/")[2] for record in records] == [
        "a.md", "b.html", "c.vtt", "d.eml", "e.txt", "f.jsonl",
    ]  # fmt: skip
    lines = NEWS.replace(". ", ".\n")
    assert [record["summary"] for record in records] == [
        lines,
        lines,
        "Ana: The call is late today.",
        lines,
        "맛있어요~\n또 올게요!\n정말 친절하셨어요^^",
        "Ana: did it arrive today?\nAna: I need it soon.\nBo: no, it is late.",
    ]
    assert records[2]["sentences"][0]["speaker"] == "Ana"
    assert "g.png" in said


def test_columns(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": 1, "what": NEWS, "short": "The bridge is mended."}))
    (item,) = read_documents([str(path)])
    assert "--columns text=what" in item.message
    (record,), _ = run(path, "--columns", "text=what,label=short", "--keep", "id", "--method", "lead")
    assert record["id"] == 1
    assert record["rouge"]["rouge1"] > 0
    with pytest.raises(UsageError, match="one column"):
        document_columns("text=a+b")
    assert document_columns(None, "what").names[0] == "what"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            [[{"index": 0, "sentence": "비가 온다."}], [{"index": 1, "sentence": "눈이 온다."}]],
            "비가 온다.\n\n눈이 온다.",
        ),
        (
            [{"speaker": "Ana", "text": "It rains."}, {"speaker": "Bo", "text": "It does."}],
            "Ana: It rains.\nBo: It does.",
        ),
        ([{"id": 1, "sentence": [{"form": "비가 온다."}]}], "비가 온다."),
    ],
)
def test_lists_of_objects(value, text):
    row = Row(1, {"text": json.dumps(value, ensure_ascii=False)})
    (item,) = documents_of_rows([row], "a.jsonl", DocumentColumns(), None)
    assert item.text == text


def test_who_speaks_in_lists_of_objects_is_known():
    row = Row(1, {"utterances": json.dumps([{"화자": "아나", "발화": "비가 온다. 눈이 온다."}], ensure_ascii=False)})
    (item,) = documents_of_rows([row], "a.jsonl", DocumentColumns(), None)
    found = document_sentences(item, "ko")
    assert [(s.speaker, s.said) for s in found] == [("아나", "비가 온다."), ("아나", "눈이 온다.")]
    assert all(item.text[s.start : s.end] == s.text for s in found)


@pytest.mark.parametrize(
    "text",
    [
        "<p>The <b>mill</b> is old &amp; grey.</p><ul><li>menu</li></ul>",
        "# Title\n\nThe **mill** is old & grey.\n\n```\ncode. Here.\n```\n",
        "WEBVTT\n\n00:01.000 --> 00:02.000\nThe mill is\n\n00:02.000 --> 00:03.000\nold &amp; grey.\n",
    ],
)
def test_cells_that_hold_markup(text):
    (item,) = documents_of_rows([Row(1, {"text": text})], "a.csv", DocumentColumns(), None)
    assert [s.text for s in document_sentences(item, "en")] == ["The mill is old & grey."]


def test_objects_without_text_are_an_error():
    row = Row(1, {"text": json.dumps([{"a": 1}])})
    (item,) = documents_of_rows([row], "a.jsonl", DocumentColumns(), None)
    assert "objects without a text" in item.message


@pytest.mark.parametrize("method", ["lead", "textrank"])
def test_words(method):
    text = " ".join([NEWS, "Stop.", "The builders begin in May and end in June of the same year."])
    for most in (1, 8, 12, 20, 500):
        found = summarize(text, SummaryOptions(method, words=most))
        assert len(found.summary.split()) <= max(most, 9)
        assert found.sentences
    with pytest.raises(UsageError, match="--sentences or --words"):
        SummaryOptions(words=5, sentences=2)


@pytest.mark.parametrize("method", ["lead", "textrank"])
def test_words_are_not_filled_by_laughter(method):
    chat = (
        "지수: ㅋㅋㅋㅋ\n민호: ㅋㅋㅋㅋㅋㅋ\n지수: 울타리는 목요일에 완성된다고 들었어요 ㅋㅋ\n민호: ㅎㅎㅎ\n"
        "지수: ㅠㅠㅠ\n민호: 문은 다음 주 화요일에 주문하기로 했어요.\n지수: ㅋㅋㅋㅋㅋ ㅎㅎ\n민호: 앜ㅋㅋㅋ\n"
    )
    found = summarize(chat, SummaryOptions(method, words=30))
    assert [choice.text.split()[1] for choice in found.sentences] == ["울타리는", "문은"]
    loud = "hahaha\n\nhahahaha!!!!!\n\nThe fence will be done on Thursday, said Bo.\n\nLOL ~~~~\n\n!!!!!\n"
    assert summarize(loud, SummaryOptions(method, words=30)).summary == "The fence will be done on Thursday, said Bo."
    assert summarize("ㅋㅋㅋㅋ\nㅎㅎ\n", SummaryOptions(method, words=30)).sentences, "there is nothing else"


def test_the_length_suits_long_documents(tmp_path):
    assert [suitable_length(n) for n in (1, 100, 400, 1000, 4000)] == [3, 3, 6, 9, 19]
    path = tmp_path / "report.md"
    path.write_text("\n\n".join(f"## Part {i}\n\nThe pump number {i} runs on water. It stops." for i in range(200)))
    (record,), said = run(path, "--method", "textrank")
    assert len(record["sentences"]) == 6
    assert "400 sentences" in said
    assert "--sections gives each of its 200 headings" in said


def test_sections(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(f"Before all. It is so.\n\n# News\n\n{NEWS}\n\n## Empty\n\n# Weather\n\nIt rains. It stops.\n")
    (record,), _ = run(path, "--sections", "--method", "lead")
    assert [(s["heading"], s["level"], s["summary"]) for s in record["sections"]] == [
        ("", 0, "Before all."),
        ("News", 1, "The council voted on Monday to mend the bridge."),
        ("Weather", 1, "It rains."),
    ]
    assert [sentence["index"] for sentence in record["sentences"]] == [0, 2, 5]
    (record,), _ = run(path, "--sections", "--sentences", 2, "--method", "textrank")
    assert [len(section["sentences"]) for section in record["sections"]] == [2, 2, 2]


def test_a_story_is_scored_against_its_highlights_and_methods_are_compared(tmp_path):
    path = tmp_path / "a.story"
    path.write_text(NEWS.replace(". ", ".\n\n") + "\n\n@highlight\n\nCouncil mends the bridge\n")
    records, _ = run(path, "--compare")
    assert [record["method"] for record in records][:2] == ["lead", "textrank"]
    assert all(record["rouge"]["rouge1"] > 0 and "Council" not in record["summary"] for record in records)


def test_textrank_takes_no_two_words_before_a_sentence():
    text = DIALOGUE + "\nBo: Will do.\nAna: it is late today, but it comes tomorrow.\nBo: Will do."
    found = summarize(text, SummaryOptions("textrank", sentences=3))
    assert "Will do." not in found.summary
    assert all(choice.score > 0 for choice in found.sentences)
    assert summarize("Will do. It rains.", SummaryOptions("textrank")).sentences
