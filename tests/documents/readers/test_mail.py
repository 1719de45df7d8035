"""Mails: what the sender wrote."""

from __future__ import annotations

import base64
import quopri
import time

import pytest

from bertkit.documents.readers.office import read_mbox

HEAD = "From: Ana <ana@example.org>\nTo: team@example.org\nSubject: The weekly call\nMIME-Version: 1.0\n"
BODY = """Hi team,

we have moved the weekly call
to Tuesday at ten,
because the big room – upstairs – is taken.

Please bring the numbers
for March. If you cannot come, tell me.

Best
Ana
-- 
Ana | Office 4
Tel: 123
"""  # noqa: W291
QUOTED = """
On Mon, 3 May 2027 at 09:00, Bo <bo@example.org> wrote:
> When is the call?
>> It is long ago.
"""
READ = [
    "we have moved the weekly call to Tuesday at ten, because the big room – upstairs – is taken.",
    "Please bring the numbers for March.",
    "If you cannot come, tell me.",
]


def texts(found):
    assert {sentence.section for sentence in found} == {"The weekly call"}
    return [" ".join(sentence.text.split()) for sentence in found]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_body_as_typed_keeps_the_places_of_the_file(read, end):
    text = f"{HEAD}Content-Type: text/plain; charset=utf-8\n\n{BODY}{QUOTED}".replace("\n", end)
    found = read("a.eml", text)
    assert texts(found) == READ
    assert all(text[s.start : s.end] == s.text for s in found)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_an_encoded_body_is_decoded(read, encoding):
    packed = base64.encodebytes(BODY.encode()) if encoding == "base64" else quopri.encodestring(BODY.encode())
    head = f"{HEAD}Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"
    assert texts(read("a.eml", head.encode() + packed)) == READ


def test_of_several_parts_the_plain_one_is_read(read):
    parts = [
        f"Content-Type: text/plain; charset=utf-8\n\n{BODY}",
        "Content-Type: text/html\n\n<p>Hi</p>",
        "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nAn attachment is not read.",
    ]
    text = f"{HEAD}Content-Type: multipart/mixed; boundary=xx\n\n--xx\n" + "\n--xx\n".join(parts) + "\n--xx--\n"
    assert texts(read("a.eml", text)) == READ


def test_html_alone(read):
    text = f"{HEAD}Content-Type: text/html; charset=utf-8\n\n<div>Hi all,</div><p>The call is <b>late</b> today.</p>"
    assert texts(read("a.eml", text)) == ["The call is late today."]


@pytest.mark.parametrize(
    "below",
    [
        "-----Original Message-----\nFrom: Bo\nSent: Monday\n\nWhen is it?",
        "________________________________\nFrom: Bo\nSent: Monday\nTo: Ana\n\nWhen is it?",
        "2027년 5월 3일 (월) 오전 9:00, 보라 <bo@example.org>님이 작성:\n> 언제예요?",
        "Sent from my iPhone",
    ],
)
def test_what_stands_below_is_not_read(read, below):
    assert texts(read("a.eml", f"{HEAD}\nThe call is late today.\n\n{below}\n")) == ["The call is late today."]


def test_answers_between_quotations_are_read(read):
    body = "> When is it?\n\nIt is on Tuesday.\n\n> And where?\n\nIt is upstairs.\n"
    assert texts(read("a.eml", f"{HEAD}\n{body}")) == ["It is on Tuesday.", "It is upstairs."]


def test_a_box_of_mails(read):
    one = f"From ana@example.org Mon May  3 10:00:00 2027\n{HEAD}\nThe first mail is short.\n\n"
    two = f"From bo@example.org Mon May  3 11:00:00 2027\n{HEAD}\nFrom here on it is the second.\nIt ends.\n"
    first, second = read("a.mbox", one + two)
    assert texts(first) == ["The first mail is short."]
    assert texts(second) == ["From here on it is the second.", "It ends."]
    assert (one + two)[second[0].start :].startswith("From here on")


def test_a_mail_in_another_character_set(read):
    text = f"{HEAD}Content-Type: text/plain; charset=euc-kr\nContent-Transfer-Encoding: 8bit\n\n"
    found = read("a.eml", text.encode() + "회의를 옮겼습니다. 자료를 가져오세요.\n".encode("cp949"))
    assert texts(found) == ["회의를 옮겼습니다.", "자료를 가져오세요."]


FORWARDED = """Dear Ms Bell,

The call is late today. It begins at ten.

Kind regards,
The Secretary
"""
LATE = ["The call is late today.", "It begins at ten."]


@pytest.mark.parametrize(
    "above",
    [
        "FYI\n\n---------- Forwarded message ---------\nFrom: Bo\nDate: Fri\nSubject: Call\nTo: <a@b.c>\n\n\n",
        "Begin forwarded message:\n\nFrom: Bo <b@example.org>\nSubject: Call\nDate: Friday\n\n",
    ],
)
def test_a_mail_that_is_handed_on_is_read(read, above):
    assert texts(read("a.eml", f"{HEAD}\n{above}{FORWARDED}")) == LATE


def test_a_mail_below_is_read_where_the_subject_hands_it_on(read):
    below = f"See below.\n\nAna\n\n________________________________\nFrom: Bo\nSent: Friday\nTo: Ana\n\n{FORWARDED}"
    found = read("a.eml", HEAD.replace("Subject: ", "Subject: FW: ") + "\n" + below)
    assert [sentence.text for sentence in found] == ["See below.", *LATE]
    assert texts(read("a.eml", f"{HEAD}\nIt begins at noon instead.\n\n{below}"))[:2] == [
        "It begins at noon instead.",
        "See below.",
    ]


def test_an_attached_mail_is_read_where_nothing_else_is_said(read):
    head = HEAD + "Content-Type: multipart/mixed; boundary=xx\n\n--xx\nContent-Type: text/plain\n\nFYI\n\n"
    text = f"{head}--xx\nContent-Type: message/rfc822\n\nFrom: a@b.c\nSubject: Call\n\n{FORWARDED}\n--xx--\n"
    assert texts(read("a.eml", text)) == LATE


def test_a_signature_may_have_notices_below_it(read):
    notices = "This e-mail is confidential. If you have received this message in error, delete it."
    signature = f"Thanks,\nAna Bell\nHead of Building\nThe Trust | 12 Mill Lane | Upton\nT: +44 1234\n\n{notices}\n"
    assert texts(read("a.eml", f"{HEAD}\nBo,\n\nThe call is late today. It begins at ten.\n\n{signature}")) == LATE


@pytest.mark.parametrize(
    "quoted",
    [
        '<blockquote type="cite"><div>On 3 May 2027, Bo wrote:</div><p>When is it?</p></blockquote>',
        '<div>On 3 May 2027, Bo wrote:<br></div><blockquote class="gmail_quote"><p>When is it?</p></blockquote>',
        "<p>Best,</p><p>Ana</p><p><b>From:</b> Bo<br><b>Sent:</b> Monday<br><b>To:</b> Ana</p><p>When is it?</p>",
    ],
)
def test_answers_in_html_are_read_without_what_they_answer(read, quoted):
    page = f"<div>Hi Bo,</div><div>The call is late today.</div><div>It begins at ten.</div>{quoted}"
    assert texts(read("a.eml", f"{HEAD}Content-Type: text/html; charset=utf-8\n\n<html>{page}</html>")) == LATE


@pytest.mark.parametrize("word", ["call", "회의"])
def test_a_large_box_is_read_in_linear_time(word):
    mail = f"From a@b.c Mon Jan  4 10:00:00 2027\nFrom: a@b.c\nSubject: x\nTo: d@e.f\n\nThe {word} is late today.\n\n"
    began = time.process_time()
    assert len(read_mbox((mail * 3000).encode(), "a.mbox")) == 3000
    assert time.process_time() - began < 10


def sentences_in(found):
    return [sentence.text for sentence in found]


ABOVE = "From: Ana <ana@example.org>\nTo: Bo <bo@example.org>\nSubject: Re: Fence\n\n"
REPLY = "The fence is done on Thursday. Please order the gate.\n\n"


@pytest.mark.parametrize(
    "below",
    [
        "Von: Bo <bo@example.org>\nGesendet: Montag, 13. Mai 2024 09:12\nAn: Ana\nBetreff: Zaun\n\n"
        "Wann ist er fertig?\n",
        "De : Bo <bo@example.org>\nEnvoyé : lundi 13 mai 2024 09:12\nÀ : Ana\nObjet : Clôture\n\nQuand ?\n",
        "De: Bo <bo@example.org>\nEnviado el: lunes, 13 de mayo\nPara: Ana\nAsunto: Valla\n\nCuando?\n",
        "보낸 사람: 민호 <bo@example.org>\n보낸 날짜: 2024년 5월 13일\n받는 사람: 지수\n제목: 울타리\n\n언제 되나요?\n",
        "Bo Lind\n05/14/2001 02:00 PM\nTo: Ana/HOU/ECT@ECT\ncc:\nSubject: Fence\n\nWhen is it done?\n",
        "_______________________________________________\nGardeners mailing list\nlist@example.org\n",
        "El lun, 13 may 2024 a las 9:12, Bo (<bo@example.org>) escribió:\n\n> Cuando?\n",
        "Am Mo., 13. Mai 2024 um 09:12 Uhr schrieb Bo <bo@example.org>:\n\n> Wann?\n",
        "Ana Ruiz\nHead of Gardens\nExample Ltd.\n\nCAUTION: This email originated from outside. Do not click links.\n",
        "Kind regards,\nAna\nGarden Department | Example Ltd.\nT: +44 20 1234 | www.example.org\n",
        "감사합니다.\n\n지수 대리 | 영업1팀\n(주)그린가든\nTel. 02-123-4567 / Mobile. 010-1234\n\n"
        "본 메일은 발신전용입니다.\n",
        "This e-mail is confidential and intended for Bo. " + "Any use of it by others is not allowed. " * 20,
    ],
)
def test_what_programs_and_firms_write_below(read, below):
    assert sentences_in(read("a.eml", ABOVE + REPLY + below)) == [
        "The fence is done on Thursday.",
        "Please order the gate.",
    ]


def test_a_letter_in_a_text_ends_where_the_mail_begins_that_it_answers(read):
    below = "Von: Bo\nGesendet: Montag\nAn: Ana\nBetreff: Zaun\n\nWann ist der Zaun fertig?\n"
    assert sentences_in(read("a.txt", "Hallo Bo,\n\nder Zaun ist fertig.\n\nViele Grüße\nAna\n\n" + below)) == [
        "der Zaun ist fertig."
    ]
    quoted = (
        "On Mon, May 13, 2024 at 9:12 AM Bo <bo@example.org>\nwrote:\n\n> When is it done?\n\nIt is done on Thursday.\n"
    )
    assert sentences_in(read("b.txt", quoted)) == ["It is done on Thursday."]


def test_a_digest_holds_several_mails(read):
    digest = (
        "Send submissions to\n\tlist@example.org\n\nYou can reach the owner at\n\towner@example.org\n\n"
        "Today's Topics:\n\n"
        "   1. New beds (Ana Ruiz)\n\n\n"
        + "-"
        * 70
        + "\n\nMessage: 1\nDate: Mon, 13 May 2024\nFrom: Ana <ana@example.org>\n"
        "To: list@example.org\nSubject: New beds\nMessage-ID: <abc@example.org>\n\n"
        "We have built six beds. They are green.\n\n"
        "------------------------------\n\nMessage: 2\nFrom: Bo <bo@example.org>\nSubject: Water\n\n"
        "The well is dry.\n\n"
        "------------------------------\n\nEnd of Gardeners Digest, Vol 12, Issue 3\n*****\n"
    )
    assert sentences_in(read("a.eml", ABOVE + digest)) == [
        "We have built six beds.",
        "They are green.",
        "The well is dry.",
    ]


def test_from_at_the_beginning_of_a_line_in_a_mailbox(read):
    box = (
        "From ana@example.org Mon May 13 10:00:00 2024\nFrom: Ana\nSubject: Gate\n\nIt is new.\n\n"
        ">From now on it is closed.\n"
    )
    assert sentences_in(read("a.mbox", box)) == ["It is new.", "From now on it is closed."]


def test_a_newsletter_is_laid_out_in_rows_of_one_cell(read):
    rows = [
        '<a href="#">View in browser</a>',
        "<h1>Your order</h1><p>Your parcel left on Monday.</p><p>It arrives on Thursday.</p>",
        "<p>You are receiving this email because you ordered. <a>Unsubscribe</a></p>",
    ]
    page = "<table>" + "".join(f"<tr><td>{row}</td></tr>" for row in rows) + "</table>"
    mail = f"From: Shop\nTo: Bo\nSubject: Order\nContent-Type: text/html\n\n<html><body>{page}</body></html>\n"
    assert sentences_in(read("a.eml", mail)) == ["Your parcel left on Monday.", "It arrives on Thursday."]
