"""Tagged text from files of columns: exact offsets, and every fault at its line."""

import gzip
import io
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from bertkit.data.formats.telling import sniff_format
from bertkit.data.records import BadRow, LeftOut, TaggedText
from bertkit.data.tagged.column_files import read_tagged_file, read_tagged_stream
from bertkit.errors import DataError


@pytest.fixture
def real_data():
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    return Path(root)


def read(text, **options):
    return list(read_tagged_stream(io.BytesIO(text.encode()), "file", **options))


def found(example):
    assert isinstance(example, TaggedText), example
    (text,) = example.texts
    return [(text[e.start : e.end], e.label) for e in example.entities]


CONLL = """-DOCSTART- -X- O O

# sent_id = 1
Anna NNP I-NP I-PER
Lee NNP I-NP I-PER
Bob NNP I-NP B-PER
of IN I-PP O
Acme NNP I-NP I-ORG

-DOCSTART- -X- O O

Rome NNP I-NP I-LOC
#1 NN I-NP O
"""


class TestColumns:
    def test_words_and_their_entities_in_iob1(self):
        first, second = read(CONLL)
        assert first.texts == ("Anna Lee Bob of Acme",)
        assert found(first) == [("Anna Lee", "PER"), ("Bob", "PER"), ("Acme", "ORG")]
        assert (first.line, second.line, first.source) == (4, 12, "file")
        assert not first.repaired
        assert second.texts == ("Rome #1",), "a token may begin with the mark of a comment"

    def test_tabs_carriage_returns_and_no_last_blank_line(self):
        (only,) = read("New York\tB-LOC\r\n#rain\tO\r\nBonn\tS-LOC\t\r\n".replace("S-", "B-"))
        assert only.texts == ("New York #rain Bonn",)
        assert found(only) == [("New York", "LOC"), ("Bonn", "LOC")]

    def test_ill_formed_tags_are_read_leniently_and_said_so(self):
        broken, fine = read("a B-X\nb I-Y\nc I-Y\n\nd B-X\ne I-X\n")
        assert found(broken) == [("a", "X"), ("b c", "Y")]
        assert (broken.repaired, fine.repaired) == (True, False)

    def test_bioes(self):
        (only,) = read("a S-X\nb B-Y\nc I-Y\nd E-Y\n")
        assert found(only) == [("a", "X"), ("b c d", "Y")]
        assert not only.repaired

    def test_tokens_alone_will_do_without_tags(self):
        first, second = read("# comment here\nAnna\n#tag\n\nRome\n", need_tags=False)
        assert (first.texts, first.entities, first.line) == (("Anna #tag",), None, 2)
        assert second.texts == ("Rome",)
        assert [e.texts for e in read(CONLL, need_tags=False)] == [e.texts for e in read(CONLL)]

    @pytest.mark.parametrize(
        ("broken", "line", "message"),
        [
            ("c X-PER", 5, "'X-PER' is outside the scheme IOB2"),
            ("c PERSON", 5, "'PERSON' is outside"),
            ("c", 5, "'c' has no tag"),
            ("\tO", 5, "no token"),
            ("c O\rd O", 5, "a lone carriage return"),
            ("c" * 9999 + " " + "X" * 9999 + "-PER", 5, "is outside the scheme"),
        ],
    )
    def test_a_fault_is_one_bad_row_with_its_line(self, broken, line, message):
        bad, fine = read(f"# x\n\na B-PER\nb I-PER\n{broken}\n\nd B-LOC\n")
        assert isinstance(bad, BadRow)
        assert bad.line == line
        assert message in bad.message
        assert len(bad.message) < 300
        assert found(fine) == [("d", "LOC")]

    def test_bytes_that_are_no_text(self):
        stream = io.BytesIO(b"a O\nb\xff O\n\nc B-X\n")
        bad, fine = read_tagged_stream(stream, "file")
        assert (bad.line, "not valid UTF-8" in bad.message) == (2, True)
        assert found(fine) == [("c", "X")]
        stream.seek(0)
        bad, _ = read_tagged_stream(stream, "file", need_tags=False)
        assert (bad.line, bad.message[:8]) == (1, "line 2: "), "a prediction is placed where its record starts"

    def test_without_tags_no_more_is_read_than_needed(self):
        class Counted(io.BytesIO):
            lines = 0

            def readline(self, size=-1):
                self.lines += 1
                return super().readline(size)

        stream = Counted(b"Anna\nsang\n\n" * 1000)
        assert next(read_tagged_stream(stream, "file", need_tags=False)).texts == ("Anna sang",)
        assert stream.lines <= 4

    def test_files_gzipped_and_in_cp949(self, tmp_path):
        packed = tmp_path / "train.conll.gz"
        packed.write_bytes(gzip.compress("서울 B-LOC\n에서 O\n".encode("cp949")))
        (only,) = read_tagged_file(packed)
        assert found(only) == [("서울", "LOC")]
        assert only.source == str(packed)
        with pytest.raises(DataError, match="no such file"):
            list(read_tagged_file(tmp_path / "none"))

    def test_nothing(self):
        assert read("") == []
        assert read("\n\n-DOCSTART- O\n\n") == []


CHARACTERS = """## 주석 : ##
## id-1\t<서울:LC> 안
서\tB-LC
울\tI-LC
 \tI-LC
안\tO
#\tO

## id-2\t<봄:DT>
봄\tB-DT
은\tO
"""


class TestCharacters:
    def test_the_text_is_the_characters_as_they_stand(self):
        first, second = read(CHARACTERS)
        assert first.texts == ("서울 안#",)
        assert found(first) == [("서울", "LC")], "an entity has no space at its end"
        assert first.trimmed
        assert first.line == 3
        assert second.texts == ("봄은",), "what one sentence does not show, the file does"
        assert [e.texts for e in read(CHARACTERS, need_tags=False)] == [first.texts, second.texts]

    def test_characters_without_tags(self):
        first, second = read("봄\n은\n\n서\n울\n \n안\n", need_tags=False)
        assert (first.texts, second.texts) == (("봄은",), ("서울 안",))

    def test_an_entity_of_spaces_alone(self):
        (bad,) = read("서\tO\n \tB-LC\n안\tO\n")
        assert (bad.line, "only spaces" in bad.message) == (1, True)


def assert_exact(examples):
    for example in examples:
        assert isinstance(example, TaggedText)
        (text,) = example.texts
        for entity in example.entities:
            assert text[entity.start : entity.end]
            assert text[entity.start : entity.end] == text[entity.start : entity.end].strip()


def test_real_conll2003(real_data):
    expected = {
        "eng.train": (14041, {"LOC": 7140, "PER": 6600, "ORG": 6321, "MISC": 3438}),
        "eng.testa": (3250, {"LOC": 1837, "PER": 1842, "ORG": 1341, "MISC": 922}),
    }
    for name, (sentences, entities) in expected.items():
        path = real_data / "conll2003" / name
        assert sniff_format(path).kind == "conll"
        examples = list(read_tagged_file(path))
        assert_exact(examples)
        assert len(examples) == sentences
        assert Counter(e.label for example in examples for e in example.entities) == entities
        assert not any(example.repaired for example in examples), "IOB1 is not taken for broken IOB2"


def test_real_klue(real_data):
    path = real_data / "klue_ner" / "train.tsv"
    assert sniff_format(path).kind == "conll"
    examples = list(read_tagged_file(path))
    assert_exact(examples)
    comments = [line.split("\t", 1)[1] for line in path.read_text("utf-8").split("\n") if line.startswith("## klue-")]
    plain = [re.sub(r"<([^<>]*):[A-Z]{2}>", r"\1", comment) for comment in comments]
    assert len(examples) == len(plain) == 5000
    assert [e.texts[0].strip() for e in examples] == [text.strip() for text in plain]


CONLL_2012 = """#begin document (a/b); part 000
a/b 0 0 Anna NNP (TOP* - - - - (PERSON* * -
a/b 0 1 Lee NNP * - - - - *) * (1)
a/b 0 2 saw VBD * see 01 - - * (V*) -
a/b 0 3 Oslo NNP *) - - - - (GPE) * -

a/b 0 0 It PRP (TOP* - - - - * (1)
a/b 0 1 rained VBD *) rain - - - * -

#end document
"""


def test_brackets_around_the_words_of_entities(tmp_path):
    (tmp_path / "a.gold_conll").write_text(CONLL_2012)
    first, second = (row for row in read_tagged_file(tmp_path / "a.gold_conll") if isinstance(row, TaggedText))
    assert (first.texts, found(first)) == (("Anna Lee saw Oslo",), [("Anna Lee", "PERSON"), ("Oslo", "GPE")])
    assert (second.texts, found(second)) == (("It rained",), [])
    (row,) = read("Anna\t(PER*\nLee\t*)\nsaw\t*\nOslo\t(LOC*)\n")
    assert found(row) == [("Anna Lee", "PER"), ("Oslo", "LOC")]
    (bad,) = read("Anna\t(PER*\nLee\t*)\nsaw\tX\n\n")
    assert isinstance(bad, BadRow)


@pytest.mark.parametrize("first", ["(ORG(PER*", "(ORG(PER)", "(ORG*"])
def test_brackets_within_brackets_are_named(first):
    rest = "Lee\t*\n" if first.endswith("(PER*") else "Lee\t(PER)\n" if first == "(ORG*" else "Lee\t*\n"
    rows = read(f"saw\t*\nAnna\t{first}\n{rest}Inc\t*)\n\nOslo\t(LOC*)\nrained\t*\n")
    line = 3 if first == "(ORG*" else 2
    assert rows[0] == BadRow(line, "the entity 'PER' is inside another one, and a word has one tag")
    assert found(rows[1]) == [("Oslo", "LOC")]


WEBANNO = """#FORMAT=WebAnno TSV 3.3
#T_SP=webanno.custom.Lemma|value
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value


#Text=Anna Lee met Bo Lee
1-1\t0-4\tAnna\tanna\t*[1]\tPER[1]\t
1-2\t5-8\tLee\tlee\t*[1]\tPER[1]\t
1-3\t9-12\tmet\tmeet\t_\t_\t
1-4\t13-15\tBo\tbo\t*[2]\tPER[2]\t
1-5\t16-19\tLee\tlee\t*[2]|*\tPER[2]|LOC\t

#Text=#Quay-side
2-1\t20-30\t#Quay-side\t_\t_\t_\t
2-1.1\t21-25\tQuay\t_\t*\tLOC\t
"""


def test_files_of_inception(tmp_path):
    (tmp_path / "a.tsv").write_text(WEBANNO)
    rows = list(read_tagged_file(tmp_path / "a.tsv", table_format=sniff_format(tmp_path / "a.tsv")))
    first, second = (row for row in rows if isinstance(row, TaggedText))
    lost = [(row.line, row.message) for row in rows if isinstance(row, LeftOut)]
    assert lost[:1] == [(3, "the layer Lemma, because the layer NamedEntity is read")]
    assert lost[1:] == [(11, "an entity over a word of another one"), (15, "what is told of a part of a word")]
    assert (first.texts, found(first)) == (("Anna Lee met Bo Lee",), [("Anna Lee", "PER"), ("Bo Lee", "PER")])
    assert (second.texts, found(second)) == (("#Quay-side",), [])
    words = read_tagged_file(tmp_path / "a.tsv", table_format=sniff_format(tmp_path / "a.tsv"), need_tags=False)
    assert [row.texts[0] for row in words if isinstance(row, TaggedText)] == ["Anna Lee met Bo Lee", "#Quay-side"]


def test_entities_of_inception_without_a_value_are_named(tmp_path):
    (tmp_path / "a.tsv").write_text(
        "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Name|value\n\n\n#Text=Anna Lee met Bo\n"
        "1-1\t0-4\tAnna\t*[1]\t\n1-2\t5-8\tLee\t*[1]\t\n1-3\t9-12\tmet\t_\t\n1-4\t13-15\tBo\tPER\t\n"
    )
    rows = list(read_tagged_file(tmp_path / "a.tsv", table_format=sniff_format(tmp_path / "a.tsv")))
    lost = [(row.line, row.message) for row in rows if isinstance(row, LeftOut)]
    assert lost == [(6, "an entity without a value")], "once, not for each of its words"
    assert [found(row) for row in rows if isinstance(row, TaggedText)] == [[("Bo", "PER")]]


def test_of_several_layers_of_inception_that_of_the_grammar_is_not_read(tmp_path):
    layer = "#T_SP=de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS|PosValue"
    (tmp_path / "a.tsv").write_text(
        f"#FORMAT=WebAnno TSV 3.3\n{layer}\n#T_SP=webanno.custom.Name|value\n\n\n"
        "#Text=Anna met\n1-1\t0-4\tAnna\tNNP\tPER\\_X\t\n1-2\t5-8\tmet\tVBD\t_\t\n"
    )
    known = sniff_format(tmp_path / "a.tsv")
    (row,) = (row for row in read_tagged_file(tmp_path / "a.tsv", table_format=known) if isinstance(row, TaggedText))
    assert found(row) == [("Anna", "PER_X")]


def test_parts_of_speech_are_named(tmp_path):
    sentence = "Anna\tPROPN\nsaw\tVERB\nthe\tDET\nquay\tNOUN\n.\tPUNCT\n\n"
    (tmp_path / "a.txt").write_text(sentence * 4)
    known = sniff_format(tmp_path / "a.txt")
    with pytest.raises(
        DataError, match=r"a\.txt:1: no column holds tags of entities; parts of speech and heads are not"
    ):
        list(read_tagged_file(tmp_path / "a.txt", table_format=known))
    rows = list(read_tagged_file(tmp_path / "a.txt", table_format=known, need_tags=False))
    assert [row.texts[0] for row in rows] == ["Anna saw the quay ."] * 4
    (tmp_path / "a.txt").write_text("Anna\tPER\nsaw\tOTHER\nOslo\tLOC\n\nNATO\tORG\nand\tOTHER\nrain\tOTHER\n\n" * 3)
    assert found(next(read_tagged_file(tmp_path / "a.txt"))) == [("Anna", "PER"), ("Oslo", "LOC")]
