"""Sentences: where they end, in two languages, and that they know their places."""

import random
import time
import unicodedata
from itertools import pairwise

import pytest

from bertkit.documents.sentences import Sentence, detect_language, split_sentences
from bertkit.errors import UnknownNameError


def split(text, language="auto"):
    sentences = split_sentences(text, language)
    for sentence in sentences:
        assert text[sentence.start : sentence.end] == sentence.text == sentence.text.strip() != ""
    assert all(first.end <= second.start for first, second in pairwise(sentences))
    return [sentence.text for sentence in sentences]


ENGLISH = [
    ["Dr. Smith paid $3.50 to J. K. Rowling in the U.S. Army.", "He left at 5 p.m. on Monday."],
    ["She lives in the U.S.", "He does not."],
    ["He works at Apple Inc.", "The firm grew by 2.5 percent."],
    ["It cost No. 5 on the list, e.g. a lot.", "See Fig. 3 and pp. 4-6.", "Answer no.", "Then go."],
    ['"Go away!" Tom said.', '"Why?" he asked.', '"I left."', "We stayed."],
    ["“It is late.”", "‘Is it?’", "(It was.)", "Then it rained."],
    ["Visit https://a.b/c.d?e=f.g today!", "Mail a.b@c.de.", "Done."],
    ["Well... maybe not.", "Yes...", "No?!", "iPhone sales rose."],
    ["Born on Jan. 5 in St. Louis.", "Ph.D. students agree."],
    ["Under Fed. R. Civ. P. 12(b)(6) it fails.", "Dist. Ct. of N.D. Cal. ruled.", "See 5 F.3d 12 (9th Cir. 1999)."],
    ["Exh. A and Ex. 4 were shown.", "Sch. 1; cl. 3.2 and App. B apply.", "Interest is 6.5% p.a. on it."],
    ["She takes 1 tab. p.o. t.i.d. after meals.", "Temp. 38.5 deg. C. was noted.", "It fell."],
    ["The meeting is at 5 p.m.", "Bring cake at 5 p.m. Monday.", "Ask Prof. Dr. med. Bell."],
    ["The town is old.[2]", "Its valley is wide.[3][4]", "It rains."],
    ["I know R. Okafor, P. Lindqvist et al. well."],
    ["He was there.", "한국에 갔다.", "Then he left."],
]
TOKENIZED = [
    ["the u.s. army said .", "he went ."],
    ['" why ? " he asked .', '" because . "', "she left ."],
    ["`` it is . ''", "we left at 5 p.m. with mr. smith ."],
    ["he said : ' i will . '", "the drivers ' titles were lost ."],
    ["( it rained . )", "nobody came !", "it cost $ 3.5 ."],
]
KOREAN = [
    ["그는 “물가가 3.5% 올랐다. 주의해야 한다.”고 말했다.", "회의는 끝났다."],
    ['그는 "갔다. 왔다." 라고 말했다.', "우리는 웃었다."],
    ['한 측근은 "섬세하다. 일을 좋아한다”고 밝혔다.', "끝."],
    ["회의는 2024. 3. 1. 서울에서 열렸다.", "U.S. 국채는 2.1 % 올랐다(전년 대비).", "J. 스미스 씨도 왔다."],
    ["정말요?", "가자!", "네, 그렇습니다.", "글쎄... 모르겠다.", "끝났다...", "이제 간다."],
    ["「안녕하세요.」", "그가 인사했다."],
    ["이 강은 길다.[1]", "학명은 Rosa multiflora Thunb. var. multiflora이다.", "끝이다."],
]


@pytest.mark.parametrize("expected", ENGLISH + KOREAN, ids=lambda expected: expected[0])
def test_sentences_of_prose(expected, without_kiwi):
    assert split(" ".join(expected)) == expected


@pytest.mark.parametrize("expected", TOKENIZED, ids=lambda expected: expected[0])
def test_sentences_of_tokenized_lower_case_text(expected):
    assert split(" ".join(expected)) == expected


def test_lower_case_prose():
    assert split("i went home. mr. smith slept. why? because.") == [
        "i went home.",
        "mr. smith slept.",
        "why?",
        "because.",
    ]


FACES = [
    "너무 좋아해요❤️",
    "감사합니당~♡",
    "번창하세요^0^",
    "또 왔어요 T_T",
    "추천합니다👍",
    "최고임ㅋㅋ",
    "빨라요 ㅎㅎㅎ",
]


def test_faces_and_pictures_stay_with_the_sentence_before_them():
    pytest.importorskip("kiwipiepy")
    assert split(" ".join(FACES)) == FACES
    sentences = [
        "완승을 거뒀다.",
        "'세월호' 마지막 탈출자 인터뷰입니다.",
        "학생들이 뽑혔다.",
        "★ 너무 재밌고 감동적이네요.",
    ]
    assert split(" ".join(sentences)) == sentences


def test_a_forgotten_space():
    assert split("They came home.The dog barked at node.js.") == ["They came home.", "The dog barked at node.js."]
    assert split("그는 갔다.그리고 왔다!모두 웃었다. 3.5는 수다.") == [
        "그는 갔다.",
        "그리고 왔다!",
        "모두 웃었다.",
        "3.5는 수다.",
    ]


def test_korean_without_full_stops(without_kiwi):
    assert split("네 그렇습니다 그런데 저는 안 갔어요 왜냐하면 바빴습니다") == [
        "네 그렇습니다",
        "그런데 저는 안 갔어요",
        "왜냐하면 바빴습니다",
    ]
    assert split("예산을 줄이기로 했다\n다음 주에 다시 본다\n장소 본관") == [
        "예산을 줄이기로 했다",
        "다음 주에 다시 본다",
        "장소 본관",
    ]


def test_long_korean_without_full_stops_by_kiwi():
    pytest.importorskip("kiwipiepy")
    sentences = ["어제 비가 많이 와서 길이 막혔어", "그래서 회의에 늦었지 뭐야", "다음부터는 일찍 나가야겠다"] * 8
    assert len(split(" ".join(sentences))) >= 16


def test_paragraphs_lines_and_wrapped_lines():
    wrapped = (
        "This is prose that goes on for quite some time, and so an editor broke it\n"
        "at column seventy or thereabouts, which is what editors do. It was Mr.\n"
        "Smith who wrote it."
    )
    assert split(f"A title\nAnd a longer subtitle, without full stop\n\n{wrapped}\n\nLast. One") == [
        "A title",
        "And a longer subtitle, without full stop",
        wrapped[: wrapped.index(" It was")],
        "It was Mr.\nSmith who wrote it.",
        "Last.",
        "One",
    ]
    assert split("One sentence on a line\nanother sentence on a longer line\r\nthird\r\rfourth") == [
        "One sentence on a line",
        "another sentence on a longer line",
        "third",
        "fourth",
    ]


def test_wrapped_korean(without_kiwi):
    first = "강원도 산골에 있는 솔내마을의 아침은 늘 조용하고 닭이 울고 나면\n개울 소리만 들린다."
    second = "주민은 모두 마흔한 명이고, 마을에서 가장 젊은\n사람은 쉰한 살이다."
    assert split(f"{first} {second}") == [first, second]


def test_html_is_not_a_sentence():
    page = (
        "<!DOCTYPE html><html><head><title>My page</title><style>p{color:red}. x</style></head><body><h1>News</h1>"
        "<p>First <b>bold</b> sentence. Second one.</p><br/><ul><li>Item one<li>Item two</ul>"
        "<!-- hidden. text --><script>var a = 1. b</script>&nbsp;<hr/><p></p></body></html>"
    )
    assert split(page) == ["My page", "News", "First <b>bold</b> sentence.", "Second one.", "Item one", "Item two"]


def test_markdown_is_not_a_sentence():
    page = (
        "# Heading\n\n![an image. here](http://x.y/z.png)\n\n- item one\n- item two. It has two.\n\n---\n* * *\n\n"
        "> quoted\n\n```python\n```\n|---|---|\n\n**Bold.** Then [a link](http://x.y).\n\n[1]: http://foo.bar\n"
        "1. First\n2. Second"
    )
    assert split(page) == [
        "Heading",
        "item one",
        "item two.",
        "It has two.",
        "quoted",
        "**Bold.**",
        "Then [a link](http://x.y).",
        "1. First",
        "2. Second",
    ]


@pytest.mark.parametrize("text", ["", " \n\t\n ", "...", "<br/>\n---\n* * *", "![a](b.png)", "&nbsp;", "\ufeff"])
def test_texts_without_a_word(text):
    assert split_sentences(text) == []


def test_texts_without_a_full_stop():
    assert split("no stops here just words going on") == ["no stops here just words going on"]
    assert split("first line of it\nSecond line") == ["first line of it", "Second line"]


def test_one_sentence():
    assert split_sentences("  Just one.  ") == [Sentence(2, 11, "Just one.")]


def test_characters_beyond_the_basic_plane_keep_their_offsets(without_kiwi):
    assert split("😀 It rained. 𝒜 bird sang! 😀 비가 왔다. 갔다.") == [
        "😀 It rained.",
        "𝒜 bird sang!",
        "😀 비가 왔다.",
        "갔다.",
    ]


def test_language():
    assert detect_language("") == detect_language("1234 !?") == detect_language("Seoul (서울) is a city.") == "en"
    assert detect_language("GPU 성능은 NVIDIA H100에서 잰다") == detect_language("네") == "ko"
    assert split("그는 갔다.왔다.", "en") == ["그는 갔다.왔다."]
    with pytest.raises(UnknownNameError, match=r"'kr'.*there are auto, en and ko"):
        split_sentences("text", "kr")


def test_korean_is_a_fifth_of_the_letters_in_hangul():
    rng = random.Random(5)
    for _ in range(400):
        text = "".join(rng.choices("ab1 .éß’“한글ㅋ\u1100中", [9, 9, 3, 3, 3, 1, 1, 4, 1, 2, 2, 1, 1, 1], k=25))
        hangul = sum(c in "한글ㅋ\u1100" for c in text)
        letters = sum(c.isalpha() for c in text)
        assert detect_language(text) == ("ko" if hangul and hangul >= 0.2 * letters else "en")


def test_any_mixture_of_marks_keeps_its_places(without_kiwi):
    rng = random.Random(7)
    pieces = [
        *"\"'“”‘’「」.!?…,;:()[]*_#->|<& \n\r\t",
        "``",
        "''",
        "<p>",
        "<!--",
        "-->",
        "Mr",
        "he",
        "The",
        "3",
        "갔다",
        "습니다",
        "고",
    ]
    for _ in range(300):
        text = "".join(rng.choices(pieces, k=60))
        kept = "".join(split(text))
        assert set(kept) <= set(text)


HOSTILE = {
    "dots": "." * 10**5,
    "spaced dots": ". " * 10**4,
    "quotation marks": '"가다. ' * 10**4,
    "opened comments": "<!--" * 10**5,
    "opened images": "![" * 10**5,
    "pictures": "![a](b) " * 10**4 + "x",
    "opened badges": "[![a](b)" * 10**4,
    "lines of opened images": "![a\n" * 10**4,
    "angles": "<" * 10**5,
    "blanks": " " * 10**5,
    "one word": "x" * 10**5,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear_on_hostile_text(name):
    began = time.process_time()
    split_sentences(HOSTILE[name])
    assert time.process_time() - began < 10  # quadratic time would be minutes


def test_half_a_megabyte_takes_under_a_second_or_so():
    text = (
        'The fox, said Mr. Smith, ran 3.5 miles. "It is late," he added. 그는 “올랐다. 조심해라.”고 말했다.\n\n' * 5_500
    )
    began = time.process_time()
    assert len(split_sentences(text)) == 16_500
    assert time.process_time() - began < 5


def test_pictures_are_no_sentences_whatever_they_show() -> None:
    text = (
        "[![Built. Passing.](a.svg)](http://a.b) ![b](b.svg)\r\n\nIt is ![an icon. Small.](c.png) a mill.\n"
        "> ![A picture. Of a mill.](mill.png)\nIt burned."
    )
    assert split(text) == ["It is ![an icon.", "Small.](c.png) a mill.", "It burned."]


def test_rows_of_a_table_are_no_sentences() -> None:
    text = "Prices rose.\n\n| what | old | new |\n|---|---|---|\n| bread | 2 | 3 |\n\nPeople buy less."
    assert [sentence.text for sentence in split_sentences(text)] == ["Prices rose.", "People buy less."]
    assert [s.text for s in split_sentences("The pipe a | b joins two programs.")] == [
        "The pipe a | b joins two programs."
    ]


@pytest.mark.parametrize(
    "expected",
    [
        ["He left at 6 P.M.", "Mr. Tile then went home."],
        ["At 5 a.m. Mr. Tile went home.", "It rained."],
        ["1.) The wheel", "2.) The axle", "3.) The gate"],
        ["1) The wheel", "2) The axle"],
        ["1. The wheel", "2. The axle"],
        ["a. The wheel", "b. The axle", "c. The gate"],
        ["It lies at N°. 77.12.", "Go and see."],
        ["So it was you and I.", "Did you meet Albert I. Tile?"],
        ["He spoke of “the old mill. . . .”"],
        ["End it with a stop . . . .", "Then go on."],
        ["I was . . . well, the thing is . . . I forgot."],
        ["It turned . . . slowly.", ". . . The gate was shut."],
        ['"It [...] turned [...]" (Tile 55).', "So they say."],
        ['In it "Mill" means that in Sch. 1; "Gate" is cl. 3.2.', "It costs 6.5% p.a. of that."],
        ["The Court of Com. & Adm. sat.", "It was 30 deg. C. in there."],
        ["(a) Either party may go.", "(b) The other stays."],
        ["It lies in Oslo.", "7.1. Notices go there.", "7.2. Each party bears its costs."],
    ],
    ids=lambda expected: expected[0],
)
def test_marks_that_are_no_ends_and_ends_that_look_like_none(expected):
    assert split(" ".join(expected)) == expected


def test_clauses_in_one_paragraph():
    text = (
        '1. Terms. "Mill" means that in Sch. 1; it stands. 2. Price. 2.1 It is 7.00. '
        "2.2 It rises 2% p.a. 3. End. (a) It ends."
    )
    assert split(text) == [
        "1. Terms.",
        '"Mill" means that in Sch. 1; it stands.',
        "2. Price.",
        "2.1 It is 7.00.",
        "2.2 It rises 2% p.a.",
        "3. End.",
        "(a) It ends.",
    ]


ADORNED = [
    ["값도 좋고 맛있어요~", "또 올게요!"],
    ["정말 친절하셨어요^^", "길은 조금 멀었습니다ㅠㅠ", "그래도 추천합니다ㅎㅎ"],
    ["너무 좋아요♥", "또 샀어요ㅋㅋㅋ", "다음에 또 사야죠;;", "끝!"],
    ["분위기는 좋네요...", "근데 너무 시끄러워요;;", "조용한 자리를 예약해야 해요"],
]


@pytest.mark.parametrize("expected", ADORNED, ids=lambda expected: expected[0])
def test_korean_reviews(expected, any_splitter):
    assert split(" ".join(expected)) == expected


def test_english_sentences_within_korean(any_splitter):
    expected = ["그는 짧게 말했다.", "It is over now.", "모두 웃었다."]
    assert split(" ".join(expected), "ko") == expected


@pytest.mark.parametrize(
    "text",
    [
        '그는 "나는 간다." 라고 말했다. 끝이다.',
        "비가 왔다.그리고 눈이 왔다.",
        "비가 온다... 그래도 간다. 모두 함께 간다.",
        "회의 시간을 화요일로 옮겼습니다 자료는 월요일까지 보내 주세요 감사합니다",
        "맛있어요~ 또 올게요^^ 좋아요",
    ],
)
def test_decomposed_korean_is_cut_as_composed(text, any_splitter):
    decomposed = unicodedata.normalize("NFD", text)
    assert [unicodedata.normalize("NFC", piece) for piece in split(decomposed)] == split(text)


def test_a_quotation_is_not_cut_whatever_finds_the_ends(any_splitter):
    expected = ["그는 '비가 온다. 가자!'라고 외쳤다.", '"정말 가니?"', "모두 일어났다."]
    assert split(" ".join(expected)) == expected


@pytest.mark.parametrize("item", ["- keep the gate shut", "1. Keep the gate shut"])
def test_lines_broken_by_hand_above_a_list(item: str) -> None:
    text = f"We thank you for your patience\nand ask that heavy lorries\ndo not park near the school.\n{item}\n"
    first, _ = split(text)
    assert first == "We thank you for your patience\nand ask that heavy lorries\ndo not park near the school."
