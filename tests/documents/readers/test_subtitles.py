"""Subtitles: running text, speaker by speaker, without numbers and times."""

from __future__ import annotations

import pytest

VTT = """WEBVTT - weekly

STYLE
::cue { color: red }

NOTE
a note. It has dots.

intro
00:01.000 --> 00:04.000 align:start
<v Ana>Good morning, thanks for

00:04.500 --> 00:09.000
<v Ana>joining. We talk about the rent &amp; lease.</v>

00:09.500 --> 01:00:19.000
<v.loud Bo Reed>The rent is <c.yellow>lower</c> by 12.5 percent. [door slams]

01:00:19.500 --> 01:00:29.000
<v Ana>Then we wait.
"""
SRT = """1
00:00:01,000 --> 00:00:04,000
<i>Good morning</i>, everyone.

2
00:00:04,500 --> 00:00:09,000
- Are we {\\an8}ready?
- Yes, we
3
00:00:09,500 --> 00:00:14,000
are &amp; will be.

4
00:00:15,000 --> 00:00:16,000
♪ music playing ♪

5
00:00:17,000 --> 00:00:18,000
(laughs)
We start in May.
"""


def test_vtt_with_voices(read):
    assert [(sentence.speaker, sentence.text) for sentence in read("a.vtt", VTT)] == [
        ("Ana", "Good morning, thanks for joining."),
        ("Ana", "We talk about the rent & lease."),
        ("Bo Reed", "The rent is lower by 12.5 percent."),
        ("Ana", "Then we wait."),
    ]


def test_vtt_with_names_before_colons(read):
    cues = ["Ana Holt: Good morning. It is", "late today.", "Bo: We begin.", "Ana Holt: So we do."]
    text = "WEBVTT\n\n" + "\n\n".join(f"{i}\n00:0{i}.000 --> 00:0{i}.900\n{cue}" for i, cue in enumerate(cues))
    assert [(sentence.speaker, sentence.text) for sentence in read("zoom.vtt", text)] == [
        ("Ana Holt", "Good morning."),
        ("Ana Holt", "It is late today."),
        ("Bo", "We begin."),
        ("Ana Holt", "So we do."),
    ]


@pytest.mark.parametrize("before", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_srt(read, before, end):
    assert [sentence.text for sentence in read("a.srt", (before + SRT).replace("\n", end))] == [
        "Good morning, everyone.",
        "Are we ready?",
        "Yes, we are & will be.",
        "We start in May.",
    ]


def cues(*texts):
    return "WEBVTT\n\n" + "\n\n".join(f"00:0{i}.000 --> 00:0{i}.900\n{text}" for i, text in enumerate(texts))


SHOWN = ["so today we look at the mill", "and then at the old bridge", "which was built of oak and stone"]
TOGETHER = " ".join(SHOWN)


@pytest.mark.parametrize(
    "shown",
    [
        SHOWN,
        [SHOWN[0], f"{SHOWN[0]}\n{SHOWN[1]}", f"{SHOWN[1]}\n{SHOWN[2]}"],
        [SHOWN[0], SHOWN[0] + "\n ", f"{SHOWN[0]}\n{SHOWN[1]}", SHOWN[1], f"{SHOWN[1]}\n{SHOWN[2]}", SHOWN[2]],
        ["so today", "so today we look at", SHOWN[0], "and then at the old bridge", f"{SHOWN[1]} {SHOWN[2]}"],
        [f"{SHOWN[0]} and then at", f"look at the mill {SHOWN[1]}", SHOWN[2]],
    ],
    ids=["apart", "rolling", "rolling with pauses", "growing", "overlapping"],
)
def test_what_cues_show_twice_is_read_once(read, shown):
    assert " ".join(sentence.text for sentence in read("a.vtt", cues(*shown))) == TOGETHER


def test_captions_without_end_marks_are_put_together_up_to_a_length(read):
    more = ["okay now we go in and see", "the stone that grinds the flour"]
    found = read("a.vtt", cues(*SHOWN, *more))
    assert [sentence.text for sentence in found] == [TOGETHER, " ".join(more)]
    found = read("a.vtt", cues("오늘은 물레방아를", "보러 왔습니다", "- 언제 지었죠?\n-1712년입니다", "비가 와요"))
    assert [sentence.text for sentence in found] == [
        "오늘은 물레방아를 보러 왔습니다",
        "언제 지었죠?",
        "1712년입니다",
        "비가 와요",
    ]


def test_short_answers_are_said_twice(read):
    assert [sentence.text for sentence in read("a.vtt", cues("No.", "No.", "No. It burned."))] == [
        "No.",
        "No.",
        "No.",
        "It burned.",
    ]


def test_what_is_not_said(read):
    text = cues(
        "ANA: We must <ruby>go<rt>g</rt></ruby>.[br]It rains.", "BO: Now?", "ANA: Yes.", "Subtitles by the mill"
    )
    assert [(sentence.speaker, sentence.text) for sentence in read("a.vtt", text)] == [
        ("ANA", "We must go."),
        ("ANA", "It rains."),
        ("BO", "Now?"),
        ("ANA", "Yes."),
    ]


def test_sbv(read):
    cues = ["The rent is", "lower by 12.5 percent.", "Then we wait."]
    text = "\n\n".join(f"0:00:0{i}.000,0:00:0{i}.900\n{cue}" for i, cue in enumerate(cues)) + "\n"
    assert [sentence.text for sentence in read("a.sbv", text)] == [
        "The rent is lower by 12.5 percent.",
        "Then we wait.",
    ]
