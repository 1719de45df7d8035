"""Plain text: titles, lists, tables, letters, dialogue, lines broken by hand."""

from __future__ import annotations

import pytest

from bertkit.documents.readers.articles import columns_apart

MINUTES = """Minutes of the harbour meeting
Present: Ana, Bo, Chidi
Date: 3 May 2027

1. Opening

Ana opened the meeting at ten. She thanked everyone.

2. Costs
Bo said that the crane costs 12,000 pounds. It is due in June.

Item        Price    Total
Crane       12000    12000

Next steps:
- Ana writes to the council
- Bo asks for a second offer
  and a third one.

WHAT IS LEFT
Nothing else was said.
"""


def of(found):
    return [(sentence.section, sentence.text) for sentence in found]


def test_minutes(read):
    assert of(read("minutes.txt", MINUTES)) == [
        ("1. Opening", "Ana opened the meeting at ten."),
        ("1. Opening", "She thanked everyone."),
        ("2. Costs", "Bo said that the crane costs 12,000 pounds."),
        ("2. Costs", "It is due in June."),
        ("2. Costs", "Ana writes to the council"),
        ("2. Costs", "Bo asks for a second offer\n  and a third one."),
        ("WHAT IS LEFT", "Nothing else was said."),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_broken_by_hand(read, end):
    text = (
        "Hi team,\n\nwe have moved the weekly call\nto Tuesday at ten,\nbecause the big room is taken.\n\n"
        "Please bring the numbers of the\nMill to the call. If you cannot come,\ntell me before Friday\n"
        "and send your slides.\n\nBest\nBo\n"
    ).replace("\n", end)
    assert [" ".join(sentence.text.split()) for sentence in read("mail.txt", text)] == [
        "we have moved the weekly call to Tuesday at ten, because the big room is taken.",
        "Please bring the numbers of the Mill to the call.",
        "If you cannot come, tell me before Friday and send your slides.",
    ]


def test_korean_lines_broken_by_hand(read):
    text = "안녕하세요.\n\n회의 시간을\n화요일 열 시로 옮겼습니다.\n자료는 월요일까지\n보내 주세요.\n\n감사합니다.\n"
    assert [" ".join(sentence.text.split()) for sentence in read("a.txt", text)] == [
        "회의 시간을 화요일 열 시로 옮겼습니다.",
        "자료는 월요일까지 보내 주세요.",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "It stands\n  on a rock,\n    and its old wheel\nturns when it is high. In 1712\nMr.\nSmith built all of it.",
        "The second item was the wheel, which is poor after\nthe flood. It will be fixed by\nUpton Mills\nin May.",
        "- lift the stone with the crane;\n  two people are needed.",
        "물레방아 보수 공사로 인해\n1월 4일부터 2월 1일까지\n출입을 막습니다. 불편하시더라도\n양해해 주시기 바랍니다.",
    ],
)
def test_no_sentence_is_half_of_one(read, text):
    sentences = [" ".join(sentence.text.split()) for sentence in read("a.txt", text)]
    assert " ".join(sentences) == " ".join(text.removeprefix("- ").split())
    assert all(sentence.endswith(".") and len(sentence) > 15 for sentence in sentences)


def test_lines_of_a_list_are_not_put_together(read):
    text = "Recipe of the day\n200 g flour\n1 egg\n2 tbsp milk\nMix the flour with the egg.\nAdd the milk and stir\n"
    text += "until it is smooth."
    found = [" ".join(sentence.text.split()) for sentence in read("a.txt", text)]
    assert found[-2:] == ["Mix the flour with the egg.", "Add the milk and stir until it is smooth."]
    assert len(found) == 5


DIALOGUES = {
    "names": "Ana: did it arrive? I need it.\nBo: no, it is late.\nAna: then I wait.",
    "wrapped": "Ana: did it arrive? I need\nit.\nBo: no, it is late.\nAna: then I wait.",
    "times": "[0:01] Ana: did it arrive? I need it.\n[0:05] Bo: no, it is late.\n[0:09] Ana: then I wait.",
    "aside": "Ana (chair): did it arrive? I need it.\nBo (10:05): no, it is late.\nAna (chair): then I wait.",
    "lines": "Ana   0:01\ndid it arrive? I need it.\n\nBo   0:05\nno, it is late.\n\nAna   0:09\nthen I wait.",
    "messenger": "[Ana] [10:02 AM] did it arrive? I need it.\n[Bo] [10:03 AM] no, it is late.\n"
    "[Ana] [10:04 AM] then I wait.",
    "dated": "12/03/27, 10:02 - Ana: did it arrive? I need it.\n12/03/27, 10:03 - Bo: no, it is late.\n"
    "12/03/27, 10:04 - Ana: then I wait.",
    "dashes": "Ana – did it arrive? I need it.\nBo – no, it is late.\nAna – then I wait.\nBo – it comes.",
    "bold": "**Ana:** did it arrive? I need it.\n**Bo:** no, it is late.\n**Ana:** then I wait.",
    "above a time": "Ana\n00:03\ndid it arrive? I need it.\nBo\n00:10\nno, it is late.\nAna\n00:15\nthen I wait.",
    "numbers": "#Ana#: did it arrive? I need it.\n#Bo#: no, it is late.\n#Ana#: then I wait.",
    "messages": "[1/4/27, 10:02:11 AM] Ana: did it arrive? I need it.\n[1/4/27, 10:02:40 AM] Bo: no, it is late.\n"
    "[1/4/27, 10:02:50 AM] Bo: image omitted\nCy joined using an invite link\n[1/4/27, 10:03 AM] Ana: then I wait.",
    "channel": "<Ana> did it arrive? I need it.\n<Bo> no, it is late.\n<Ana> then I wait.",
}


@pytest.mark.parametrize("kind", DIALOGUES)
def test_a_speaker_stays_with_the_sentence(read, kind):
    found = read("a.txt", DIALOGUES[kind])
    assert [(s.speaker, " ".join(s.said.split())) for s in found][:4] == [
        ("Ana", "did it arrive?"),
        ("Ana", "I need it."),
        ("Bo", "no, it is late."),
        ("Ana", "then I wait."),
    ]
    assert len(found) == 4 + (kind == "dashes")


def test_who_was_asked_and_who_answered(read):
    text = "Q. Did you go in?\nA. No. I stayed out.\nQ. Why?\nA. It was dark.\n"
    assert [(s.speaker, s.text) for s in read("a.txt", text)][:3] == [
        ("Q", "Did you go in?"),
        ("A", "No."),
        ("A", "I stayed out."),
    ]


def test_one_who_speaks_once_is_a_speaker_too(read):
    text = "The hall was full.\n\nANA: We begin.\nBO: So soon?\nANA: It is ten.\nTHE CHAIR: Sit down.\n\nAll sat down."
    assert [s.speaker for s in read("a.txt", text)] == ["", "ANA", "BO", "ANA", "THE CHAIR", ""]


def test_minutes_say_who_may_speak(read):
    text = (
        "회의록\n참석자: 김보라(의장), 이수민, 박하나\n\n1. 지붕\n - 김보라: 지붕이 샘. 견적은 천만 원임.\n"
        " - 이수민: 견적을 더 받자고 함\n - 결정: 2월까지 더 받기로 함\n\n다음 회의: 2월 1일\n"
    )
    assert [(s.speaker, s.said) for s in read("a.txt", text)] == [
        ("김보라", "지붕이 샘."),
        ("김보라", "견적은 천만 원임."),
        ("이수민", "견적을 더 받자고 함"),
        ("", "결정: 2월까지 더 받기로 함"),
    ]


def test_minutes_of_an_office(read):
    text = (
        "정기 회의록\n\n일 시 : 2027. 1. 4.\n참 석 : 김보라 위원장, 이수민 위원\n\n□ 안건 1. 지붕\n"
        "  ○ (김보라) 지붕이 샙니다. 고쳐야 합니다.\n  ○ (이수민) 얼마입니까?\n\n□ 기타\n  - 회의를 마쳤다.\n"
    )
    assert [(s.section, s.speaker, s.text) for s in read("a.txt", text)] == [
        ("안건 1. 지붕", "김보라", "지붕이 샙니다."),
        ("안건 1. 지붕", "김보라", "고쳐야 합니다."),
        ("안건 1. 지붕", "이수민", "얼마입니까?"),
        ("기타", "", "회의를 마쳤다."),
    ]


def test_times_and_sounds_of_a_transcript_are_not_read(read):
    text = "[Music]\n\n[00:00:05]\nWelcome to the mill.\n(00:15) It was a cold night.\n00:20 - The miller slept."
    assert [s.text for s in read("a.txt", text)] == [
        "Welcome to the mill.",
        "It was a cold night.",
        "The miller slept.",
    ]


def test_a_council_speaks(read):
    asked = "○ 시장 박하나  예산을 편성하겠습니다.\n○ 김보라 위원  언제입니까?\n"
    text = f"{asked}○ 시장 박하나  3월입니다.\n○ 김보라 위원  네.\n"
    assert [(s.speaker, s.text) for s in read("a.txt", text)][:2] == [
        ("시장 박하나", "예산을 편성하겠습니다."),
        ("김보라 위원", "언제입니까?"),
    ]


def test_korean_messages(read):
    text = "[아나] [오후 3:12] 몇 시예요?\n[보라] [오후 3:13] 세 시요. 꼭 오세요.\n[아나] [오후 3:14] 네 알겠습니다\n"
    assert [(s.speaker, s.text) for s in read("a.txt", text)] == [
        ("아나", "몇 시예요?"),
        ("보라", "세 시요."),
        ("보라", "꼭 오세요."),
        ("아나", "네 알겠습니다"),
    ]


def test_korean_minutes(read):
    text = (
        "회의록\n\n일시: 2027년 5월 3일\n참석: 아나, 보라\n\n1. 개회\n아나가 회의를 시작했다. 모두 인사했다.\n\n"
        "2. 예산\n보라는 값이 1,200만 원이라고 말했다.\n\n- 아나는 편지를 쓴다\n- 보라는 견적을 받는다\n"
    )
    assert of(read("a.txt", text)) == [
        ("1. 개회", "아나가 회의를 시작했다."),
        ("1. 개회", "모두 인사했다."),
        ("2. 예산", "보라는 값이 1,200만 원이라고 말했다."),
        ("2. 예산", "아나는 편지를 쓴다"),
        ("2. 예산", "보라는 견적을 받는다"),
    ]


def test_one_label_is_no_speaker(read):
    text = "Note: the mill is shut. It opens in May.\n\nThe miller said: come again."
    assert {sentence.speaker for sentence in read("a.txt", text)} == {""}


def test_titles_of_text_without_prose_are_sentences(read):
    assert len(read("a.txt", "milk and bread\n\neggs of the farm\n\nsome old cheese")) == 3


REPORT = """REPORT OF THE TRUST

1   INTRODUCTION

1.1  The trust was founded in 1988 to keep the mill. It has 40
     members, who pay 20 pounds a year.

Table 1: Income
Year      Members     Income
2025      38          760

2   WORK DONE

The roof was fixed (see Fig. 2). The work took six weeks.

References
[1] Smith, J. (2001). Mills of the north. Upton: Press.

The Mill Trust
"""


def test_a_report_is_its_sentences_under_numbered_headings(read):
    assert [(section, " ".join(text.split())) for section, text in of(read("a.txt", REPORT))] == [
        ("1 INTRODUCTION", "1.1 The trust was founded in 1988 to keep the mill."),
        ("1 INTRODUCTION", "It has 40 members, who pay 20 pounds a year."),
        ("2 WORK DONE", "The roof was fixed (see Fig. 2)."),
        ("2 WORK DONE", "The work took six weeks."),
    ]


def test_who_signs_a_notice_is_no_sentence(read):
    assert of(read("a.txt", "NOTICE\n\nThe water is off on Thursday.\n\nThe Water Board\n")) == [
        ("NOTICE", "The water is off on Thursday.")
    ]


def test_underlined_and_numbered_headings(read):
    text = "The mill\n========\n\nIt burned down.\n\nAfter the fire\n--------------\nIt stood again.\n"
    assert of(read("a.txt", text)) == [("The mill", "It burned down."), ("After the fire", "It stood again.")]


def test_a_story_leaves_its_highlights_out(read):
    text = "The council voted.\n\nIt will cost much.\n\n@highlight\n\nCouncil votes\n\n@highlight\n\nIt costs\n"
    assert [sentence.text for sentence in read("a.story", text)] == [
        "The council voted.",
        "It will cost much.",
    ]


def test_sentences_go_on_over_the_edges_of_pages(read):
    pages = [
        "The wind was measured. A mast was set up, and the values were read",
        "every hour. It was strong.",
        "It fell.",
    ]
    for form in (
        "THE HEDGE REPORT          {n}\n\n{page}\n\n             - {n} -\n",
        "{page}\nPage {n} of 3\nHedge Report 2020\n",
        "{page}\n{n}\n",
    ):
        text = "".join(form.format(n=n, page=page) for n, page in enumerate(pages, start=1))
        assert [" ".join(sentence.text.split()) for sentence in read("report.txt", text)] == [
            "The wind was measured.",
            "A mast was set up, and the values were read every hour.",
            "It was strong.",
            "It fell.",
        ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We measured it at 12 sites (see Fig.\n2) between May and June. It fell.\n", 2),
        ("1. Dig a hole and\n2. water it well.\n3. Wait.\n", 3),
        ("The river rose. It fell. ||||| Nobody was hurt. NEWLINE_CHAR NEWLINE_CHAR It is dry. |||||", 4),
        ("The river rose.\\nIt fell.\\n\\nIt is dry.", 3),
        ("the speed is given in fig . [ fig : a ] and in eq . ( 2 ) here . it fell .", 2),
        ("The river rose.\nMedia playback is not supported on this device\nNobody was hurt.\n", 2),
        ("제3조(운영시간) ① 도서관은 9시부터 연다. ② 시장은 시간을 조정할 수 있다.\n", 2),
    ],
)
def test_where_lines_and_sentences_end(read, text, expected):
    found = [" ".join(sentence.text.split()) for sentence in read("a.txt", text)]
    assert len(found) == expected
    assert not any(sentence.endswith(("Fig.", "②", "fig .")) or "|" in sentence for sentence in found)


def test_smiles_belong_to_the_sentence_before_them(read):
    text = (
        "Love it!!! :) Great value <3 Will buy again ;-)\nArrived late :( but it is nice. Not worth it... broke!! XD\n"
    )
    assert [sentence.text for sentence in read("review.txt", text)] == [
        "Love it!!! :)",
        "Great value <3 Will buy again ;-)",
        "Arrived late :( but it is nice.",
        "Not worth it... broke!! XD",
    ]


def test_an_official_letter_is_no_mail_that_answers_another(read):
    text = "수신: 박지수 귀하\n발신: 예제시청\n제목: 안내\n\n1. 발전을 기원합니다.\n2. 공사를 안내드립니다.\n"
    assert [s.text for s in read("공문.txt", text)] == ["1. 발전을 기원합니다.", "2. 공사를 안내드립니다."]


def test_korean_words_that_were_broken_at_the_end_of_a_line(read):
    lines = ["본 연구는 울타리가 바람에 미치는 영향", "을 조사하였다. 2019년부터 12개 지점에", "서 풍속을 측정하였다."]
    found = [" ".join(s.text.split()) for s in read("초록.txt", "\n".join(lines))]
    assert found == [
        "본 연구는 울타리가 바람에 미치는 영향 을 조사하였다.",
        "2019년부터 12개 지점에 서 풍속을 측정하였다.",
    ]


def test_a_numbered_heading_is_told_by_its_shortness_whatever_it_ends_in(read):
    text = (
        "1. 개회\n의장이 개회를 선언하였다.\n\n3. 속도 제한\n"
        "정 위원이 학교 앞 제한 속도를 시속 20킬로미터로 낮추자고 제안하였다. 찬성 5명으로 건의하기로 하였다.\n"
    )
    assert of(read("minutes.txt", text)) == [
        ("1. 개회", "의장이 개회를 선언하였다."),
        ("3. 속도 제한", "정 위원이 학교 앞 제한 속도를 시속 20킬로미터로 낮추자고 제안하였다."),
        ("3. 속도 제한", "찬성 5명으로 건의하기로 하였다."),
    ]


def test_where_minutes_say_who_met_when_is_no_sentence(read):
    text = (
        "MINUTES OF THE HARBOUR BOARD\nHeld at the Old Mill on Monday 3 May 2027 at 7.00 pm\n\n"
        "In attendance: Bo\n\n1. CRANE\n\nThe crane is held at the quay. The board met on 3 May to see it.\n\n"
        "2. COSTS\n\nIt costs 12,000 pounds, which the board agreed to pay in June. Nobody voted against it.\n"
    )
    assert [text for _, text in of(read("minutes.txt", text))] == [
        "The crane is held at the quay.",
        "The board met on 3 May to see it.",
        "It costs 12,000 pounds, which the board agreed to pay in June.",
        "Nobody voted against it.",
    ]


LEFT = [
    "The old mill stands at the upper end of",
    "the valley, where two becks meet. It was",
    "built in 1887 by two brothers, who came",
    "from the coast with their tools. Its first",
    "wheel broke in the winter of 1901, when",
    "ice came down the beck. The second one",
    "turned until the mill was closed. Nobody",
    "has lived in it since then, but for the",
    "owls, of which there are four. People",
    "of the town collected money for a new",
]
RIGHT = [
    "roof in 2019. The carpenter counted the",
    "beams and found that half of them were",
    "sound. He replaced the others with oak",
    "from the same valley.",
    "",
    "  The wheel was rebuilt by pupils of the",
    "technical school, who measured the old",
    "one on photographs. It turns on Sundays",
    "from May to September, if there is water",
    "enough. The mill is open to visitors on",
]


def side_by_side(left, right, width=48):
    return "".join(f"{one:<{width}}{two}".rstrip() + "\n" for one, two in zip(left, right, strict=True))


def test_two_columns_are_read_one_after_the_other(read):
    title = "                        The upper mill and its long rest, told for its visitors\n\n"
    found = [
        " ".join(s.text.split())
        for s in read("mill.txt", title + side_by_side(LEFT, RIGHT) + "\fthese days. It is free.\n")
    ]
    assert found[0] == "The old mill stands at the upper end of the valley, where two becks meet."
    assert "People of the town collected money for a new roof in 2019." in found
    assert "He replaced the others with oak from the same valley." in found
    assert "The wheel was rebuilt by pupils of the technical school, who measured the old one on photographs." in found
    assert found[-1] == "It is free."


def test_columns_are_left_where_they_do_not_go_on_from_line_to_line():
    table = side_by_side(
        [f"Mill number {n} of the upper valley" for n in range(10)], ["Open on Sundays in the summer"] * 10
    )
    assert columns_apart(table) == table
    names = side_by_side([f"Ana {n}:" for n in range(10)], RIGHT, width=10)
    assert columns_apart(names) == names
    prose = "\n".join(LEFT + RIGHT)
    assert columns_apart(prose) == prose
    justified = "\n".join(line.replace(" ", "  ", 2 + n % 3) for n, line in enumerate(LEFT + RIGHT))
    assert columns_apart(justified) == justified


def test_columns_whose_lines_do_not_stand_level():
    left, right = (
        [part for line in lines for part in (line, "")] for lines in (LEFT, [line for line in RIGHT if line])
    )
    rows = side_by_side(left[: len(right)], ["", *right[:-1]])
    assert columns_apart(rows) == rows, "no line has both, so that nothing tells columns from what is indented"
    mixed = side_by_side(LEFT, RIGHT) + rows
    assert "\n".join(left[:1] + left[2:3]) in columns_apart(mixed)


def test_korean_columns_are_as_wide_as_they_are_printed():
    left = [
        "물레방아는 골짜기 위쪽에 서 있으며",
        "두 시내가 그곳에서 만난다. 형제가",
        "1887년에 세웠고 도구는 바다에서",
        "가져왔다. 첫 바퀴는 겨울에 깨졌다.",
    ] * 3
    right = [
        "지붕은 2019년에 새로 올렸다. 목수가",
        "들보를 세어 보니 절반은 아직 멀쩡해",
        "나머지만 참나무로 바꾸었다. 바퀴는",
        "학생들이 사진을 보고 다시 만들었다.",
    ] * 3

    def width(line):
        return sum(2 if "가" <= mark <= "힣" else 1 for mark in line)

    text = "".join(one + " " * (44 - width(one)) + two + "\n" for one, two in zip(left, right, strict=True))
    assert columns_apart(text).split("\n")[: len(left)] == left
