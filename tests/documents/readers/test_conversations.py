"""Chats, transcripts and minutes as programs write them: who says what, and what nobody says."""

from __future__ import annotations

import pytest

SAID = [("Ana", "The fence is done on Thursday."), ("Bo", "Who orders the gate?"), ("Ana", "I order it today.")]
SAID_KO = [("지수", "울타리는 목요일에 완성돼요"), ("민호", "문은 누가 주문해요?"), ("지수", "제가 할게요.")]


def said(found):
    return [(sentence.speaker, sentence.said) for sentence in found]


def lines(form, turns, **more):
    return "".join(form.format(who=who, what=what, n=n, **more) + "\n" for n, (who, what) in enumerate(turns, start=1))


@pytest.mark.parametrize(
    "form",
    [
        "13/05/2024, 09:1{n} - {who}: {what}",
        "[13.05.24, 09:12:0{n}] {who}: {what}",
        "\u200e[5/13/24, 9:1{n}:00 AM] ~ {who}: {what}",
        "2024. 5. 13. 오전 9:1{n}, {who} : {what}",
        "09:1{n}\t{who}\t{what}",
        "09:1{n}:00 From {who} to Everyone:\n\t{what}",
        "09:1{n}:00\t From  {who} : {what}",
        "[13-May-24 09:1{n} AM] {who}\n{what}\n",
        "[{who}] 10:02:1{n}\n{what}\n",
        "{who}, [13.05.2024 09:1{n}]\n{what}\n",
        "{who}\n  9:1{n} AM\n{what}",
        "0:0{n}\n{who}: {what}",
        "00:00:0{n}:10 - 00:00:0{n}:20\n{who}\n{what}\n",
        "09:1{n} < {who}> {what}",
    ],
)
def test_forms_of_chats_and_transcripts(read, form):
    assert said(read("chat.txt", lines(form, SAID))) == SAID


@pytest.mark.parametrize("form", ["2024년 5월 13일 오전 9:1{n}, {who} : {what}", "09:1{n}\t{who}\t{what}"])
def test_forms_of_korean_chats(read, form):
    assert said(read("대화.txt", lines(form, SAID_KO))) == SAID_KO


def test_what_messengers_write_of_their_own(read):
    text = (
        "13/05/2024, 09:12 - Messages and calls are end-to-end encrypted.\n"
        '13/05/2024, 09:12 - Ana created group "Garden"\n'
        "13/05/2024, 09:13 - Ana: The fence is done.\nIt is green.\n"
        "13/05/2024, 09:14 - Bo 🌱: You deleted this message\n"
        "13/05/2024, 09:15 - Bo 🌱: Who orders the gate?\n"
        "13/05/2024, 09:16 - Bo added Chidi\n"
        "13/05/2024, 09:17 - +44 7700 900123: https://example.org/gate\n"
    )
    expected = [("Ana", "The fence is done."), ("Ana", "It is green."), ("Bo 🌱", "Who orders the gate?")]
    assert said(read("chat.txt", text)) == expected
    text = "[09:12] <ana> It is done.\n[09:13] * chidi has joined #garden\n[09:14] <bo> Good!\n[09:15] <ana> Bye.\n"
    assert said(read("irc.txt", text)) == [("ana", "It is done."), ("bo", "Good!"), ("ana", "Bye.")]
    text = "정원 님과 카카오톡 대화\n저장한 날짜 : 2024-05-13 10:00:00\n\n" + lines(
        "[{who}] [오전 9:1{n}] {what}", SAID_KO
    )
    assert said(read("카톡.txt", text)) == SAID_KO


@pytest.mark.parametrize(
    "head",
    [
        "Weekly sync – Transcript\nAttendees\nAna Ruiz, Bo Lind\nTranscript\n",
        "Garden planning\nMon, May 13, 2024 10:00AM • 12:33\n\nSUMMARY KEYWORDS\ngarden, fence\n\nSPEAKERS\n"
        "Ana, Bo\n\n",
    ],
)
def test_the_head_of_a_transcript_is_not_said(read, head):
    body = "".join(f"{who}: {what}\n" for who, what in SAID)
    assert said(read("meet.txt", f"{head}{body}Meeting ended after 00:12:33\n")) == SAID


def test_what_stands_above_a_dialogue_and_is_said_is_read(read):
    text = "We met in the garden. It rained.\n\nAna: It is wet.\nBo: Yes, very.\nAna: Then we go in.\n"
    assert [sentence.text for sentence in read("talk.txt", text)][:2] == ["We met in the garden.", "It rained."]


def test_minutes_of_korean_councils(read):
    text = (
        "제123회 예제시의회(임시회)\n본회의회의록\n\n일 시 : 2024년 5월 13일(월) 10시\n\n1. 울타리 예산안\n\n"
        "(10시 02분 개의)\n\n"
        "○의장 박지수  회의를 시작하겠습니다.\n○김민호 의원 예산이 많습니다. 검토해 주십시오.\n"
        "○의장 박지수  이의 없으십니까?\n"
        "(「없습니다」하는 의원 있음)\n가결되었습니다.\n○시장 이서연  완공하겠습니다.\n\n(10시 45분 산회)\n"
        "\n○출석의원(3인)\n박지수 김민호 이서연\n"
    )
    assert said(read("회의록.txt", text)) == [
        ("의장 박지수", "회의를 시작하겠습니다."),
        ("김민호 의원", "예산이 많습니다."),
        ("김민호 의원", "검토해 주십시오."),
        ("의장 박지수", "이의 없으십니까?"),
        ("의장 박지수", "가결되었습니다."),
        ("시장 이서연", "완공하겠습니다."),
    ]


def test_numbered_questions_and_parts(read):
    text = (
        "Q1. 울타리는 언제 완성되나요?\nA1. 목요일에 완성됩니다. 문은 그다음 주에 옵니다.\n"
        "Q2. 누가 내나요?\nA2. 시에서 냅니다.\n"
    )
    assert {speaker for speaker, _ in said(read("faq.txt", text))} == {"Q", "A"}
    text = "Anwesend: Ana, Bo\n\nTOP 1: Zaun\nDer Zaun ist fertig.\n\nTOP 2: Tor\nBo bestellt das Tor.\n"
    found = said(read("protokoll.txt", text))
    assert {speaker for speaker, _ in found} == {""}
    assert ("", "Anwesend: Ana, Bo") not in found


def test_times_in_prose_are_left_alone(read):
    text = (
        "10:30 was the time that they had agreed on. Nobody came.\n"
        "At 11:00 Ana left. The train, 12:15 from York, was late.\n"
        'She had written it down: "Mon 10:30, gate." It was of no use. Note: the gate is heavy.\n'
    )
    assert [sentence.text for sentence in read("prose.txt", text)] == [
        "10:30 was the time that they had agreed on.",
        "Nobody came.",
        "At 11:00 Ana left.",
        "The train, 12:15 from York, was late.",
        'She had written it down: "Mon 10:30, gate."',
        "It was of no use.",
        "Note: the gate is heavy.",
    ]
