"""Greetings, signatures, notices: what stands in a document and is none of what it says."""

from __future__ import annotations

import re

_NOTICE = re.compile(
    r"""
      \b(?:we|this\s+(?:web)?site|our\s+(?:web)?site|and\s+our\s+partners)\b.{0,40}\buses?\b.{0,30}\bcookies\b
    | \bcookie\s+(?:settings|policy|preferences|notice)\b | \b(?:accept|reject|manage)\s+(?:all\s+)?cookies\b
    | \bby\s+(?:continuing|using)\b.{0,60}\b(?:site|cookies|terms)\b.{0,40}\b(?:agree|accept|consent)
    | ^(?:copyright\b|©|\(c\)\s*\d{4}) | \ball\s+rights\s+reserved\b
    | \b(?:subscribe|sign\s+up)\b.{0,40}\b(?:newsletter|mailing\s+list)\b
    | ^(?:share\s+(?:this|on)|follow\s+us|read\s+more|click\s+here|skip\s+to|back\s+to\s+top|advertisement)\b
    | \b(?:enable|requires?)\s+javascript\b
    | ^(?:last\s+)?(?:updated|modified|published|posted|filed|tagged|reporting)\s*(?::|on\b|by\b|in\b|under\b).{0,80}$
    | ^(?:comments?|replies)\s*\(?\d | \be-?mail\s+address\s+will\s+not\s+be\s+published\b
    | ^required\s+fields\s+are\s+marked\b | \b(?:proudly\s+)?powered\s+by\s+(?:wordpress|drupal|hugo|jekyll|blogger)\b
    | \bwe\s+(?:and|&)\s+our\s+(?:\d+\s+)?(?:partners|vendors)\b
    | \bby\s+clicking\b.{0,60}\b(?:agree|accept|consent)
    | ^(?:subtitles?|captions?|captioning|transcri\w+|translated|synced?|sync\s+and\s+corrections)\s+(?:\w+\s+)?by\b
    | \byou\s+(?:are\s+receiving|received|get)\s+this\s+(?:e-?mail|message|newsletter)\b
    | \bconsider\s+the\s+environment\s+before\s+printing\b
    | \bmessages\s+and\s+calls\s+are\s+end-to-end\s+encrypted\b
    | ^[\u200e\s]*(?:<media\s+omitted>|(?:image|video|audio|sticker|gif|document|contact\s+card)\s+omitted)$
    | ^this\s+message\s+was\s+deleted\W*$ | ^삭제된\s*메시지입니다\W*$
    | \bsent\s+from\s+my\s+\w+ | ^get\s+outlook\s+for\b | ^unsubscribe\b | \bto\s+unsubscribe\b
    | \bview\s+this\s+e-?mail\s+in\s+your\s+browser\b
    | \bthis\s+(?:e-?mail|message|communication)\b.{0,60}\b(?:confidential|intended|privileged)\b
    | \bif\s+you\s+(?:are\s+not\s+the\s+intended|have\s+received\s+this\s+(?:e-?mail|message)\s+in\s+error)
    | 무단\s*(?:전재|복제|배포) | 저작권자\s*(?:ⓒ|©|\() | 쿠키(?:를|\s*설정) | 나의\s*\w+에서\s*보냄 | 수신\s*거부
    | ^(?:자막|자막\s*제[공작]|번역|(?:기사\s*)?입력|(?:최종\s*)?수정|등록|승인|송고)\s*:?\s*(?:\d{4}[.\-/년]|:).{0,60}$
    | ^[\w\s()]{0,14}자막\s*(?:제공|제작)\s*[:：] | 구독\s*(?:하기|신청|해\s*주세요)\W*$ | 기사\s*제보 | 광고\s*문의
    | ^좋아요\s*\d | 이메일\s*(?:주소는|무단\s*수집)
    | ^\[?[\w\s]{2,20}기자\]?\s*\S+@\S+$ | ^[▲△▼].{0,100}(?:제공|사진|촬영|캡처|ⓒ).{0,20}$
    | (?:제공|지원|협찬|원고료)\S*\s*(?:을|를)?\s*받아\s*(?:솔직하게\s*)?작성 | ^was\s+this\s+(?:page|article)\s+helpful
    | 본\s*메일은.{0,40}(?:발신\s*전용|기밀|수신자)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CAPTION = re.compile(
    r"(?:[<\[〈【]\s*(?:table|figure|fig\.?|표|그림|사진|도표)\s*\d+"
    r"|(?:table|figure|fig\.|exhibit|chart|표|그림|사진|도표)\s*\d+(?:[.-]\d+)*\s*[.:：]\s)",
    re.IGNORECASE,
)
_LONGEST_CAPTION = 200  # characters
# Headings of what stands behind a text and is none of it.
_BACK_MATTER = re.compile(
    r"(?:\d{1,2}\.?\s+)?(?:references|bibliography|works\s+cited|literature\s+cited|footnotes|endnotes|see\s+also"
    r"|external\s+links|further\s+reading|related\s+(?:posts|articles|stories)|참고\s*(?:문헌|자료)|각주|미주|같이\s*보기"
    r"|외부\s*링크)\s*:?$",
    re.IGNORECASE,
)
_SOURCE = re.compile(r"\[\d{1,3}\]\s")
_LONGEST_NOTICE = 600  # characters; what is longer speaks of such things
_GREETING = re.compile(
    r"(?:hi|hello|dear|hey|good\s+(?:morning|afternoon|evening)|greetings|to\s+whom)\b[^.!?\n]{0,60}[,!:;]?$"
    r"|(?-i:[A-Z])[\w.'-]*(?: (?:and|&|(?-i:[A-Z])[\w.'-]*)){0,3},$"
    r"|[^.!?\n]{0,30}안녕하(?:세요|십니까|신지요)\W*$|[^.!?\n]{1,30}(?:님|께|귀하)[,.]?$",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:(?:best|kind|warm|warmest|with\s+best|with\s+kind)(?:\s+(?:regards|wishes))?|regards|thanks|many\s+thanks"
    r"|thank\s+you|cheers|sincerely|yours(?:\s+\w+)?|love|respectfully|all\s+the\s+best|see\s+you|take\s+care"
    r"|감사합니다|고맙습니다|수고하세요|[가-힣\s]{1,20}(?:드림|올림|배상))[,.!]*$",
    re.IGNORECASE,
)
_PARTICULARS = re.compile(
    r"(?:date|time|place|venue|location|present|attendees|attending|participants|absent|apologies|chair|minutes|agenda"
    r"|(?:next|date\s+of\s+next)\s+meeting|minute\s+taker|taken\s+by|subject|to|from|cc|bcc|sent|tel|phone|fax|e-?mail|address|author|authors|keywords|tags|published|updated"
    r"|일\s*시|날\s*짜|시\s*간|장\s*소|참\s*석\s*자?|불\s*참\s*자?|안건|작성자|제목|전화|주소|출처|문의|기록자?|다음\s*회의|차기\s*회의)\s*[:：]"
    r"|(?:minutes|notes)\s+(?:taken|recorded|prepared)\s+by\b[^.]*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"-{2,}\s*(?:forwarded\s+(?:message|by)|전달된\s*(?:메시지|메일))[^\n]{0,60}|begin\s+forwarded\s+message:",
    re.IGNORECASE,
)
_RULE = re.compile(r"[\W_]*$")


def is_notice(text: str) -> bool:
    """Tell whether a paragraph is a notice of a site, a sender or a publisher, or what stands below a picture."""
    if len(text) <= _LONGEST_CAPTION and _CAPTION.match(text):
        return True
    return len(text) <= _LONGEST_NOTICE and _NOTICE.search(text) is not None


def opens_back_matter(text: str) -> bool:
    """Tell whether a line is the heading of sources and the like, which are not summarized."""
    return _BACK_MATTER.match(text) is not None


def is_source(text: str) -> bool:
    """Tell whether a line is a numbered note or source, as [1] begins one."""
    return _SOURCE.match(text) is not None


def is_greeting(text: str) -> bool:
    """Tell whether a line greets."""
    return _GREETING.match(text) is not None


def is_closing(text: str) -> bool:
    """Tell whether a line takes leave; names stand below it."""
    return _CLOSING.match(text) is not None


def is_particular(text: str) -> bool:
    """Tell whether a line says who was there, when and where, as minutes and mails do at their head."""
    return _PARTICULARS.match(text) is not None


def find_forwarded(text: str, start: int, end: int) -> int | None:
    """Return where text[start:end] hands on another's mail, None where it does not."""
    found = _FORWARDED.search(text, start, end)
    return None if found is None else found.start()


def is_rule(text: str) -> bool:
    """Tell whether a line is drawn and not written."""
    return _RULE.match(text) is not None
