"""Subtitles: running text, speaker by speaker, without numbers and times."""

from __future__ import annotations

import gc
import time

import pytest

from bertkit.documents.readers.plain import read_timed_markup

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


def spoken(found):
    return [(sentence.speaker, sentence.text) for sentence in found]


ASS = """[Script Info]
; made by hand
Title: The farm

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:03.00,Default,Ana,0,0,0,,The river rose\\Non Thursday, didn't it?
Dialogue: 0,0:00:03.50,0:00:06.00,Default,Bo,0,0,0,,{\\i1}The road{\\i0} is closed.
Comment: 0,0:00:03.50,0:00:06.00,Default,,0,0,0,,check this line
Dialogue: 0,0:00:03.50,0:00:06.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}
"""


def test_substation_alpha(read):
    expected = [("Ana", "The river rose on Thursday, didn't it?"), ("Bo", "The road is closed.")]
    assert spoken(read("a.ass", ASS)) == expected
    assert spoken(read("a.ssa", ASS.replace("\n", "\r\n"))) == expected


TTML = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml"><head><metadata><title>The farm</title></metadata></head><body><div>
<p begin="00:00:01.000" end="00:00:03.000">The river rose<br/>on Thursday.</p>
<p begin="00:00:03.500" end="00:00:06.000">The road to the mill</p>
<p begin="00:00:06.500" end="00:00:09.000">is closed &amp; nobody was hurt.</p></div></body></tt>
"""
SAMI = """<SAMI>
<HEAD><TITLE>river</TITLE><STYLE TYPE="text/css"><!-- P { margin-left:8pt; } --></STYLE></HEAD>
<BODY>
<SYNC Start=1000><P Class=KRCC>
강물이 불어났습니다.
<SYNC Start=3000><P Class=KRCC>&nbsp;
<SYNC Start=3500><P Class=KRCC>
방앗간으로 가는 길이<br>막혔어요.
</BODY>
</SAMI>
"""
YOUTUBE = (
    '<?xml version="1.0" encoding="utf-8" ?><transcript><text start="0.32" dur="4">A river &amp;amp; a '
    "road that rose on"
    '</text><text start="4.8" dur="3">Thursday.</text></transcript>'
)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.ttml", TTML, ["The river rose on Thursday.", "The road to the mill is closed & nobody was hurt."]),
        ("a.xml", TTML, ["The river rose on Thursday.", "The road to the mill is closed & nobody was hurt."]),
        ("a.smi", SAMI, ["강물이 불어났습니다.", "방앗간으로 가는 길이 막혔어요."]),
        ("a.xml", YOUTUBE, ["A river & a road that rose on Thursday."]),
        ("a.srt", "{0}{25}The river rose|by a metre.\n{30}{75}It fell.\n", ["The river rose by a metre.", "It fell."]),
        (
            "a.txt",
            "00:01.000 --> 00:03.000\nThe river rose\n\n00:03.500 --> 00:06.000\nat night.\n",
            ["The river rose at night."],
        ),
    ],
)
def test_other_forms(read, name, text, expected):
    assert [sentence.text for sentence in read(name, text)] == expected


def test_one_speaker_without_end_takes_linear_time(read):
    def unclosed(cues):
        return "<tt><body>" + "".join(f'<p begin="1s">{n} rivers rose. ' for n in range(cues))

    def seconds(cues):
        text = unclosed(cues)
        gc.disable()
        began = time.process_time()
        assert len(read_timed_markup(text)[0].passages) == 1
        took = time.process_time() - began
        gc.enable()
        return took

    assert len(read("a.ttml", unclosed(300))) > 290
    assert seconds(12_000) < 34 * seconds(600)  # 20 times as many, which once took 60 times as long


def test_names_in_brackets_and_in_capitals(read):
    found = read("a.srt", cues("[지수] 오늘 갔어?", "(민호) 아니, 못 갔어", "[문이 열린다]", "[지수] 내일 가자"))
    assert spoken(found) == [("지수", "오늘 갔어?"), ("민호", "아니, 못 갔어"), ("지수", "내일 가자")]
    found = read(
        "a.srt",
        cues("MAN: She is ill.", "WOMAN: (whispering) Call\nthe vet.", "(sighs) He is away.", "www.example.org"),
    )
    assert spoken(found) == [("MAN", "She is ill."), ("WOMAN", "(whispering) Call the vet."), ("WOMAN", "He is away.")]
    found = read("a.srt", cues(">> GOOD EVENING.", ">> REPORTER: THE ROAD IS CLOSED."))
    assert spoken(found) == [("", "GOOD EVENING."), ("REPORTER", "THE ROAD IS CLOSED.")]


@pytest.mark.parametrize(
    "form", ["0:0{n}\n{text}\n", "[00:0{n}.000 --> 00:0{m}.000]  {text}\n", "0:0{n} {text}\n", "[00:00:0{n}] {text}\n"]
)
def test_lines_that_were_cut_by_time(read, form):
    texts = ["good morning to all of", "you. We need a new fence", "and a gate before May."]
    text = "".join(form.format(n=n, m=n + 1, text=text) for n, text in enumerate(texts))
    found = [sentence.text for sentence in read("talk.txt", text)]
    assert found == ["good morning to all of you.", "We need a new fence and a gate before May."]


@pytest.mark.parametrize(
    "text",
    [
        "10:00\nOpening by the mayor\n10:30\nBudget of the library\n11:00\nQuestions of the public\n",
        "6:00 Water all the beds.\n7:30 Open the north gate.\n18:00 Close the north gate.\n",
    ],
)
def test_timetables_are_no_transcripts(read, text):
    assert len(read("plan.txt", text)) == 3
