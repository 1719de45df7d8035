"""Documents of files: what is one, what is many, and what is none."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zipfile

import pytest

from bertkit.errors import DataError, UsageError
from bertkit.summarization.documents_in import holds_many, read_documents
from bertkit.summarization.methods import SummaryOptions
from bertkit.summarization.records import Listener, SourceText, Unreadable, document_sentences, on_one_line
from bertkit.summarization.summarize import SummarizeRequest, summarize_inputs


def read(*paths, **options):
    return list(read_documents([str(path) for path in paths], **options))


def test_a_text_file_is_one_document_with_its_line_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfOne line.\r\nAnother, with, commas\tand a tab.\r\n")
    assert read(path) == [SourceText("One line.\r\nAnother, with, commas\tand a tab.\r\n", str(path))]


def test_json_lines_hold_a_document_each(tmp_path):
    path = tmp_path / "docs.jsonl"
    path.write_text('{"text": "One."}\n{"id": 7}\n\n{"text": ["Two.", "Three."], "title": "T"}\n{"text": 1\n')
    one, no_text, blank, two, broken = read(path)
    assert one == SourceText("One.", str(path), 0, 1)
    assert (two.text, two.index, two.line) == ("Two.\nThree.", 3, 4)
    assert "'text'" in no_text.message
    assert "blank" in blank.message
    assert "invalid JSON" in broken.message
    assert [item.index for item in (no_text, blank, broken)] == [1, 2, 4]


@pytest.mark.parametrize("name", ["docs.tsv", "docs.tab"])
def test_json_lines_are_known_by_their_content_and_tables_by_their_name(name, tmp_path):
    lines, table, prose = tmp_path / "docs", tmp_path / name, tmp_path / "prose.txt"
    lines.write_text('{"article": "One."}\n')
    table.write_text("id\ttext\n1\tOne.\n2\tTwo.\n")
    prose.write_text("text\tlabel\nOne.\t1\n")
    assert [item.text for item in read(lines, table)] == ["One.", "One.", "Two."]
    assert len(read(prose)) == 1
    assert [item.text for item in read(prose, input_format="tsv")] == ["One."]
    assert len(read(lines, input_format="txt")) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"One. Two.\rThree.", ["One. Two.\rThree."]),
        (b"text,label\nOne.,1\nTwo.,0\n", ["One.", "Two."]),
        (gzip.compress(b'\n{"article": "One."}\n', mtime=0), [None, "One."]),
        (b"One, two.\nThree, four.\n", ["One, two.\nThree, four.\n"]),
        (b"Hello\tworld\nagain\tworld\n", ["Hello\tworld\nagain\tworld\n"]),
    ],
)
def test_standard_input_is_told_as_a_file_without_a_name(content, found, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    bare = tmp_path / "bare"
    bare.write_bytes(content)
    for name in ("-", bare):
        assert [getattr(item, "text", None) for item in read(name)] == found


def test_an_array_on_standard_input_holds_documents(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'[{"text": "One."}, {"text": "Two."}]')))
    assert [item.text for item in read("-")] == ["One.", "Two."]


def test_gzip_and_korean_encodings(tmp_path):
    packed, korean, notes = tmp_path / "a.txt.gz", tmp_path / "b.txt", []
    packed.write_bytes(gzip.compress("아침이 밝았다.".encode()))
    korean.write_bytes("아침이 밝았다.\n".encode("cp949"))
    first, second = read(packed, korean, note=notes.append)
    assert first.text == second.text.strip() == "아침이 밝았다."
    assert len(notes) == 1
    assert "CP949" in notes[0]


@pytest.mark.parametrize(
    ("content", "word"),
    [(bytes(range(256)) * 9, "binary"), (b"caf\xe9 noir\n" * 3, "UTF-8"), (b"\x1f\x8bnonsense", "cannot be read")],
)
def test_a_file_that_is_no_text_ends_the_reading_only_if_it_is_the_only_one(tmp_path, content, word):
    bad, good = tmp_path / "bad", tmp_path / "good.txt"
    bad.write_bytes(content)
    good.write_text("Good.")
    with pytest.raises(DataError, match=word):
        read(bad)
    first, second = read(bad, good)
    assert isinstance(first, Unreadable)
    assert word in first.message
    assert str(bad) not in first.message
    assert second.text == "Good."


def test_names_are_checked_before_anything_is_read(tmp_path):
    good = tmp_path / "good.txt"
    good.write_text("Good.")
    with pytest.raises(DataError, match="nowhere: no such file"):
        read_documents([str(good), "nowhere"])
    with pytest.raises(UsageError, match="only once"):
        read_documents(["-", "-"])
    with pytest.raises(UsageError, match="--input-format odt"):
        read_documents([str(good)], input_format="odt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no file in it"):
        read(tmp_path / "empty")


def test_a_table_without_rows(tmp_path):
    path = tmp_path / "docs.jsonl"
    path.touch()
    with pytest.raises(DataError, match="no document"):
        read(path)


def test_an_empty_text_is_a_document_for_the_method_to_refuse(tmp_path):
    path = tmp_path / "a.txt"
    path.touch()
    assert read(path) == [SourceText("", str(path))]


def test_which_inputs_may_hold_many():
    assert [holds_many([name]) for name in ("a.txt", "a", "a.md.gz", "-", "a.jsonl", "a.jsonl.gz")] == [
        False, False, False, True, True, True,
    ]  # fmt: skip
    assert holds_many(["a.txt", "b.txt"])
    assert not holds_many(["a.jsonl"], "txt")


def test_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "docs.parquet"
    pq.write_table(pa.table({"document": ["One.", "Two."], "summary": ["1", "2"]}), path)
    assert [item.text for item in read(path)] == ["One.", "Two."]
    assert json.dumps([item.index for item in read(path)]) == "[0, 1]"


def test_kept_columns_go_through_to_the_records(tmp_path):
    path = tmp_path / "docs.csv"
    path.write_text('id,text,source\na,"It rained. It stopped.",wire\nb,,wire\n', encoding="utf-8")
    request = SummarizeRequest((str(path),), SummaryOptions(method="lead"), keep="id,source")
    good, bad = (answer.to_json() for answer in summarize_inputs(request, Listener()))
    assert (good["id"], good["in_source"], good["source"]) == ("a", "wire", str(path))
    assert (bad["id"], bad["in_source"]) == ("b", "wire")
    assert "error" in bad


def test_a_folder_stands_for_its_files(tmp_path):
    for name in ("b.txt", "a.txt", "notes.bin"):
        (tmp_path / name).write_text(f"It rained in {name}.", encoding="utf-8")
    assert [item.source for item in read(str(tmp_path))] == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]


SEGMENTS = [
    {"id": 0, "start": 0.0, "end": 3.2, "text": " The river rose by two metres on"},
    {"id": 1, "start": 3.2, "end": 5.0, "text": " Thursday. The road is closed."},
]
MESSAGES = [
    {"type": "message", "user": "U1", "text": "It is done.", "ts": "1715584320.0001"},
    {"type": "message", "subtype": "channel_join", "user": "U3", "text": "<@U3> has joined", "ts": "1715584330.0"},
    {"type": "message", "user": "U2", "text": "Who pays?", "ts": "1715584380.0001"},
]
RISEN = [("", "The river rose by two metres on Thursday."), ("", "The road is closed.")]
TALK = [("Ana", "It is done."), ("Bo", "Who pays?")]


def said_in(item):
    return [(sentence.speaker, sentence.said) for sentence in document_sentences(item, "auto")]


@pytest.mark.parametrize("way", ["file", "pipe"])
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", json.dumps({"segments": SEGMENTS, "language": "en"}), RISEN),
        ("a.json", json.dumps({"segments": SEGMENTS, "language": "en"}, indent=1), RISEN),
        (
            "a.tsv",
            "start\tend\ttext\n0\t3200\tThe river rose by two metres on\n3200\t5000\tThursday. The road is closed.\n\n",
            RISEN,
        ),
        (
            "a.csv",
            "Speaker Name,Start Time,End Time,Text\nAna,00:00:00:00,00:00:03:05,It is done.\n"
            "Bo,00:03,00:05,Who pays?\n",
            TALK,
        ),
        (
            "a.csv",
            'Date,User,Message\n2024-05-13 09:12:00,"Ana","It is done."\n2024-05-13 09:13:00,"Bo","Who pays?"\n',
            TALK,
        ),
        ("a.json", json.dumps(MESSAGES).replace('"U1"', '"Ana"').replace('"U2"', '"Bo"'), TALK),
        (
            "a.json",
            json.dumps(
                {
                    "guild": {"name": "x"},
                    "messages": [
                        {"type": "Default", "timestamp": "1", "content": "It is done.", "author": {"name": "Ana"}},
                        {"type": "Default", "timestamp": "2", "content": "Who pays?", "author": {"name": "Bo"}},
                    ],
                }
            ),
            TALK,
        ),
        (
            "a.json",
            json.dumps(
                {
                    "name": "x",
                    "messages": [
                        {"type": "service", "actor": "Ana", "action": "create_group"},
                        {"type": "message", "from": "Ana", "text": "It is done."},
                        {"type": "message", "from": "Bo", "text": ["Who ", {"type": "bold", "text": "pays"}, "?"]},
                    ],
                }
            ),
            TALK,
        ),
        ("a.jsonl", json.dumps({"utt": ["It is done.", "Who pays?"], "speaker": ["Ana", "Bo"]}), TALK),
        (
            "a.jsonl",
            json.dumps(
                {
                    "general_query_list": [{"query": "a", "answer": "b"}, {"query": "a", "answer": "b"}],
                    "meeting_transcripts": [{"speaker": who, "content": what} for who, what in TALK],
                }
            ),
            TALK,
        ),
        (
            "a.json",
            json.dumps({"results": {"transcripts": [{"transcript": "It is done."}], "items": [{"content": "It"}]}}),
            [("", "It is done.")],
        ),
        (
            "a.json",
            json.dumps({"info": [{"annotations": {"lines": [{"text": "비가 온다.", "speaker": {"id": "1번"}}]}}]}),
            [("1번", "비가 온다.")],
        ),
        (
            "a.jsonl",
            json.dumps({"doc_id": "d", "paragraphs": [{"context": "It rose. It fell."}, {"context": "It is dry."}]}),
            [("", "It rose."), ("", "It fell."), ("", "It is dry.")],
        ),
        ("a.jsonl", json.dumps({"article": "It rose.\n\n@highlight\n\nRose."}), [("", "It rose.")]),
        (
            "a.csv",
            'id,body\n1,"It rose.<br /><br />It fell &amp; fell.<br>It&#39;s dry."\n',
            [("", "It rose."), ("", "It fell & fell."), ("", "It's dry.")],
        ),
    ],
)
def test_a_conversation_or_a_document_in_json_and_tables(tmp_path, monkeypatch, way, name, content, expected):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    (item,) = read(path if way == "file" else "-")
    assert said_in(item) == expected


SLACK = [
    {"user": "U1", "text": "<@U2A3> ask in <#C1|garden>. See <https://a.b/c?d=1|the plan>.",
     "user_profile": {"real_name": "Ana Weber", "display_name": "ana"}},
    {"user": "U2A3", "text": "R&amp;D &lt;3 it, <!here>. Mail <mailto:a@b.org> or <@U9Z|chidi>.",
     "user_profile": {"real_name": "", "display_name": "bo"}},
    {"user": "U1", "text": "<https://a.b> is down, says <@U7>."},
]  # fmt: skip
SLACK = [{"type": "message", "ts": str(place), **message} for place, message in enumerate(SLACK)]


@pytest.mark.parametrize("whole", [SLACK, {"messages": SLACK}])
def test_what_slack_writes_for_names_and_addresses_is_read_as_it_is_shown(tmp_path, whole):
    path = tmp_path / "2024-05-13.json"
    path.write_text(json.dumps(whole))
    (item,) = read(path)
    found = said_in(item)
    named = isinstance(whole, list)
    assert found[0][1] == ("@bo ask in #garden." if named else "@U2A3 ask in #garden.")
    assert found[1:5] == [
        ("Ana Weber", "See the plan."),
        ("bo", "R&D <3 it, @here."),
        ("bo", "Mail a@b.org or @chidi."),
        ("Ana Weber" if named else "U1", "https://a.b is down, says @U7."),
    ]


def node(name, parent, role, *parts, **more):
    kind = more.pop("content_type", "text")
    message = {"author": {"role": role}, "content": {"content_type": kind, "parts": list(parts)}, **more}
    return {name: {"id": name, "parent": parent, "children": [], "message": message}}


CONVERSATION = {
    "title": "Mills",
    "create_time": 1.5,
    "current_node": "f",
    "mapping": {
        "root": {"id": "root", "parent": None, "children": ["a"], "message": None},
        **node("a", "root", "system", "You are helpful. It is not read."),
        **node("b", "a", "user", "How is a mill started?", {"asset_pointer": "x"}, content_type="multimodal_text"),
        **node("old", "b", "assistant", "An answer that was thrown away."),
        **node("c", "b", "assistant", "search(mills) is not read.", recipient="browser"),
        **node("d", "c", "tool", "What a tool found. It is not read."),
        **node(
            "e", "d", "assistant", "# Start\n\nOpen the **gate**. Then:\n\n- Wait for water.\n\n```\nmill.run()\n```"
        ),
        **node("f", "e", "user", "Thanks, it turns now."),
    },
}


@pytest.mark.parametrize("several", [True, False])
def test_conversations_of_chat_gpt_are_the_branch_that_was_shown(tmp_path, several):
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([CONVERSATION, CONVERSATION] if several else CONVERSATION, indent=1))
    found = read(path)
    assert len(found) == 1 + several
    expected = [
        ("user", "How is a mill started?"),
        ("assistant", "Open the gate."),
        ("assistant", "Wait for water."),
        ("user", "Thanks, it turns now."),
    ]
    for item in found:
        assert said_in(item) == expected
        assert item.text.startswith("user: How is a mill started?\n\nassistant: # Start")


def test_a_mapping_of_something_else_leaves_the_text(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"mapping": {"a": {"parent": None}}, "text": "It rose."}))
    assert [item.text for item in read(path)] == ["It rose."]


def test_a_text_that_begins_with_a_name_in_brackets_is_no_xml(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("<rss is what he wrote> It rose.\n")
    assert [item.text for item in read(path)] == [path.read_text()]


def test_rows_with_labels_or_summaries_are_documents_each(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("start,end,text,label\n1,2,It rose.,a\n3,4,It fell.,b\n")
    assert len(read(path)) == 2
    path.write_text("Date,User,Review\n2024,Ana,It rose.\n2024,Bo,It fell.\n")
    assert len(read(path)) == 2


def test_a_table_of_unknown_columns_on_standard_input_is_not_read_as_prose(monkeypatch):
    table = 'uuid,body_plain,subject\n1,"The river rose by two metres on Thursday, and fell.","River"\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table.encode())))
    (item,) = read("-")
    assert isinstance(item, Unreadable)
    assert "--columns text=body_plain" in item.message
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b'Ana, Bo and I went.\n"No," said Ana, "it rained."\n'))
    )
    assert isinstance(read("-")[0], SourceText)


def test_columns_inside_objects_and_by_other_spellings(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"Meta(Refine)": {"passage": "It rose. " * 9, "id": 1}}) + "\n")
    assert "'text=Meta(Refine).passage'" in read(path)[0].message
    path.write_text(json.dumps({"Article Text": "It rose.", "source": "paper"}) + "\n")
    assert read(path)[0].text == "It rose."


def test_kinds_of_files_that_are_not_read(tmp_path):
    (tmp_path / "a.rtf").write_text("{\\rtf1\\ansi It rose.\\par}")
    with pytest.raises(DataError, match=r"this is RTF; save it as \.docx"):
        read(tmp_path / "a.rtf")
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", "<a/>")
    with pytest.raises(DataError, match="a kind that is not read"):
        read(tmp_path / "a.odt")
    for content in (
        "<?xml version='1.0'?>\n<!-- x -->\n<TEI xmlns='a'><p>It rose.</p></TEI>",
        "<mediawiki><page/></mediawiki>",
    ):
        (tmp_path / "a.xml").write_text(content)
        with pytest.raises(DataError, match=r"a\.xml: this is XML of the kind <(TEI|mediawiki)>, which is not read"):
            read(tmp_path / "a.xml")


def test_words_that_are_broken_at_the_end_of_a_line_are_whole_in_a_summary():
    assert on_one_line("We mea-\nsured well-\nknown and co\u00ad\noperative winds - or\nnot.") == (
        "We measured well-known and cooperative winds - or not."
    )


@pytest.mark.parametrize("comments", ["# made by hand\n", "# made by hand\n# in spring\n", ""])
@pytest.mark.parametrize("rows", ['{"text": "A text."}\n{"text": "Two."}\n', "id,text\n1,A text.\n2,Two.\n"])
def test_rows_below_comments_are_no_markdown(tmp_path, monkeypatch, comments, rows):
    content = f"{comments}{rows}".encode()
    (tmp_path / "rows").write_bytes(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    for path in ("-", tmp_path / "rows"):
        assert [document.text for document in read(path)] == ["A text.", "Two."]


@pytest.mark.parametrize("text", ["# Title\n\nA text, with commas.\n", '# Title\n\nA text.\n\n```\n{"text": 1}\n```\n'])
def test_headings_are_no_comments(tmp_path, text):
    (tmp_path / "page").write_text(text)
    (document,) = read(tmp_path / "page")
    assert document.passages
    assert document.text == text
