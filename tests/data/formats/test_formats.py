import gzip
import os

import pytest

from bertkit.data.formats.telling import TableFormat, encoding_note, sniff_format
from bertkit.errors import DataError


def sniff(folder, name, content, **options):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return sniff_format(path, **options)


@pytest.mark.parametrize(
    ("name", "content", "kind", "has_header"),
    [
        ("a.csv", "text,label\na,1\n", "csv", True),
        ("a.tsv", "text\tlabel\na\t1\n", "tsv", True),
        ("mrpc.txt", 'Quality\t#1 ID\t#1 String\n1\t70\tHe said "x\n', "tsv", True),
        (
            "sts.csv",
            "captions\t2012\t0001\t5.000\tA, b.\tC.\ncaptions\t2012\t0002\t4.1\tA\tC\tx\ty\n",
            "tsv",
            False,
        ),
        ("pandas.csv", "0,1\nsome text,1\nother text,0\n", "csv", True),
        ("headerless.csv", "0,some text\n1,other text\n", "csv", False),
        ("one_column.csv", "text\na b c\nd e f\n", "csv", True),
        ("really_csv.tsv", "a,b\n1,2\n3,4\n", "csv", True),
        ("really_csv.txt", "id,text,label\n1,a,0\n", "csv", True),
        ("really_json.txt", '{"text": "a"}\n', "jsonl", False),
        ("broken.jsonl", "{oops\n", "jsonl", False),
        ("brace.txt", "{ this is prose\nand more\n", "txt", False),
        ("prose.txt", "Hello, world; text.\nOne, two, three.\n", "txt", False),
        ("no_suffix", "Hello\nworld\n", "txt", False),
        (
            "eng.testb",
            "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\nPeter NNP I-NP I-PER\n\n",
            "conll",
            False,
        ),
        ("klue.tsv", "## id\ttext\n특\tB-LC\n \tO\n\n## id\n가\tO\n", "conll", False),
        ("empty.csv", "", "csv", True),
        ("empty", "", "txt", False),
    ],
)
def test_content_decides_and_the_suffix_hints(tmp_path, name, content, kind, has_header):
    found = sniff(tmp_path, name, content)
    assert (found.kind, found.has_header) == (kind, has_header)


def test_a_header_is_known_by_the_names_expected_of_it(tmp_path):
    rows = "문장 하나\t좋은 문장\n문장 둘\t나쁜 문장\n"
    assert sniff(tmp_path, "a.tsv", rows).has_header
    assert not sniff(tmp_path, "a.tsv", rows, header=("sentence", "tags")).has_header
    assert sniff(tmp_path, "a.tsv", "Sentence\ttags\n" + rows, header=("sentence", "tags")).has_header


def test_a_named_kind_is_taken_with_its_header(tmp_path):
    assert sniff(tmp_path, "a.txt", "1\t2\n3\t4\n", kind="tsv") == TableFormat("tsv")
    assert sniff(tmp_path, "b.csv", "text,label\n", kind="txt").has_header is False


@pytest.mark.parametrize("packed", [False, True])
def test_cp949_is_recognised_and_named(tmp_path, packed):
    content = ("id\tdocument\n" + "1\tascii only\n" * 30_000 + "2\t정말 재미있다\n").encode("cp949")
    found = sniff(tmp_path, "ratings.txt", gzip.compress(content) if packed else content)
    assert found == TableFormat("tsv", encoding="cp949")
    assert encoding_note("ratings.txt", found) == "ratings.txt is CP949 (read as such; UTF-8 is safer)"


def test_a_few_broken_lines_do_not_make_a_file_cp949(tmp_path):
    content = "정말 재미있다\n".encode() * 5 + "재미".encode("cp949") + b"\n"
    assert sniff(tmp_path, "a.txt", content).encoding == "utf-8"
    assert encoding_note("a.txt", TableFormat("txt")) is None


def test_latin1_is_not_taken_for_cp949(tmp_path):
    assert sniff(tmp_path, "a.txt", "déjà vu\ncafé noir\n".encode("latin-1")).encoding == "utf-8"


@pytest.mark.parametrize("content", [b"\xca\xfe\xba\xbe\0\0rest", b"\x00PNG\r\n\x1a\n\0\0"])
def test_binary_files_are_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"a\.csv: this is a binary file"):
        sniff(tmp_path, "a.csv", content)


def test_utf16_is_told_as_what_it_says(tmp_path):
    assert sniff(tmp_path, "a.csv", "text,label\n좋아요,1\n".encode("utf-16")) == TableFormat("csv")


def test_a_json_array_is_one_document(tmp_path):
    assert sniff(tmp_path, "a.json", '[\n  {"text": "a"}\n]\n').kind == "json"


def test_pipes_are_sent_to_stdin(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(DataError, match="use '-'"):
        sniff_format(path)


def test_a_field_beyond_the_csv_limit_does_not_stop_sniffing(tmp_path):
    found = sniff(tmp_path, "a.csv", 'text,label\n"' + "x" * 150_000 + '",1\n')
    assert found == TableFormat("csv")
