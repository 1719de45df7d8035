"""Tags to entities and back: schemes, notations, strict and lenient readings."""

import random

import pytest

from bertkit.data.tagged.schemes import (
    SCHEMES,
    TagScheme,
    detect_scheme,
    is_tag,
    read_tags,
    write_tags,
)
from bertkit.errors import DataError

LETTERS = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES"}


def strict_spans(tags, scheme):
    return [span[:3] for span in read_tags(tags, scheme) if span.well_formed]


def lenient_spans(tags, scheme):
    return [span[:3] for span in read_tags(tags, scheme)]


def conlleval_spans(tags, scheme):
    """The lenient reading written as the original does: rules for a start and for an end of a chunk."""
    spans, start = [], None
    last_part, last_label = "O", ""
    for place, tag in enumerate([*tags, "O"]):
        part, label = scheme.parse(tag)
        differs = label != last_label
        ended = last_part in "ES" or (last_part in "BI" and (part in "BSO" or differs))
        started = part in "BS" or (part in "EI" and (last_part in "ESO" or differs))
        if ended and start is not None:
            spans.append((start, place, last_label))
            start = None
        if started and part != "O":
            start = place
        last_part, last_label = part, label
    return spans


def strict_by_definition(tags, scheme):
    """Try every stretch of tokens against the definition of its scheme."""
    parts = [("O", ""), *map(scheme.parse, tags), ("O", "")]
    spans = []
    for start in range(1, len(parts) - 1):
        for end in range(start + 1, len(parts)):
            stretch, label = parts[start:end], parts[start][1]
            if not label or any(other != label for _, other in stretch):
                continue
            shape = [part for part, _ in stretch]
            goes_on = parts[end] == ("I", label)
            if scheme.has_ends:
                right = shape == ["S"] or (
                    len(shape) > 1 and shape[0] == "B" and shape[-1] == "E" and set(shape[1:-1]) <= {"I"}
                )
            elif scheme.name == "IOB1":
                opening = "B" if parts[start - 1][1] == label else "I"
                right = shape[0] == opening and set(shape[1:]) <= {"I"} and not goes_on
            else:
                right = shape[0] == "B" and set(shape[1:]) <= {"I"} and not goes_on
            if right:
                spans.append((start - 1, end - 1, label))
    return spans


def random_tags(rng, scheme):
    letters = LETTERS[scheme.name]
    tags = []
    for _ in range(rng.randint(0, 9)):
        letter, label = rng.choice(letters), rng.choice(["PER", "LOC"])
        tag = f"{label}-{letter}" if scheme.suffix else f"{letter}-{label}"
        tags.append("O" if rng.random() < 0.25 else tag)
    return tags


@pytest.mark.parametrize("suffix", [False, True])
@pytest.mark.parametrize("name", SCHEMES)
def test_readings_equal_the_reference_on_random_tags(name, suffix):
    scheme, rng = TagScheme(name, suffix), random.Random(3)
    strict_and_lenient_differ = 0
    for _ in range(1500):
        tags = random_tags(rng, scheme)
        assert lenient_spans(tags, scheme) == conlleval_spans(tags, scheme), tags
        assert strict_spans(tags, scheme) == strict_by_definition(tags, scheme), tags
        strict_and_lenient_differ += strict_spans(tags, scheme) != lenient_spans(tags, scheme)
    assert strict_and_lenient_differ > 100


@pytest.mark.parametrize("suffix", [False, True])
@pytest.mark.parametrize("name", SCHEMES)
def test_what_is_written_is_read_and_is_well_formed(name, suffix):
    scheme, rng = TagScheme(name, suffix), random.Random(5)
    for _ in range(300):
        spans, place = [], 0
        for _ in range(rng.randint(0, 4)):
            start = place + rng.randint(0, 2)
            place = start + rng.randint(1, 4)
            spans.append((start, place, rng.choice(["PER", "ORG-GOV"])))
        tags = write_tags(spans, place + rng.randint(0, 2), scheme)
        assert [tuple(span) for span in read_tags(tags, scheme)] == [(*span, True) for span in spans]


def test_touching_entities_of_one_label_get_a_b_in_iob1():
    spans = [(0, 2, "PER"), (2, 3, "PER"), (3, 4, "LOC"), (5, 6, "LOC")]
    assert write_tags(spans, 6, TagScheme("IOB1")) == ["I-PER", "I-PER", "B-PER", "I-LOC", "O", "I-LOC"]


@pytest.mark.parametrize("spans", [[(0, 3, "A"), (2, 4, "B")], [(3, 6, "A")], [(2, 2, "A")], [(-1, 2, "A")]])
def test_spans_that_no_tags_can_spell_are_refused(spans):
    with pytest.raises(ValueError, match="span"):
        write_tags(spans, 5, TagScheme())


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        ([["I-ORG", "O", "I-MISC"], ["I-PER", "B-PER", "O"]], TagScheme("IOB1")),
        ([["B-ORG", "O", "B-MISC"], ["B-PER", "I-PER", "B-PER"]], TagScheme("IOB2")),
        ([["B-PER", "I-PER"], ["B-LOC", "O"], ["O", "I-LOC"]], TagScheme("IOB2")),
        ([["S-PER", "O", "B-LOC", "E-LOC"]], TagScheme("BIOES")),
        ([["U-PER", "O", "B-LOC", "L-LOC"]], TagScheme("BILOU")),
        ([["S-PER", "O", "B-LOC", "M-LOC", "E-LOC"]], TagScheme("BMES")),
        ([["PER-B", "PER-I", "O", "LOC-B"]], TagScheme("IOB2", suffix=True)),
        ([["PER-I", "PER-B", "O", "LOC-I", "LOC-I"]], TagScheme("IOB1", suffix=True)),
        ([["ORG-GOV-S", "O"]], TagScheme("BIOES", suffix=True)),
        ([["O", "O"], []], TagScheme("IOB2")),
        ([], TagScheme("IOB2")),
    ],
)
def test_the_scheme_is_detected(sequences, expected):
    assert detect_scheme(sequences) == expected


def test_a_slip_does_not_change_the_scheme():
    sequences = [["B-PER", "I-PER", "O"]] * 30
    assert detect_scheme([*sequences, ["E-PER", "X-PER", "PERSON"]]) == TagScheme("IOB2")


def test_hyphens_in_labels():
    assert lenient_spans(["B-ORG-GOV", "I-ORG-GOV"], TagScheme("IOB2")) == [(0, 2, "ORG-GOV")]
    assert lenient_spans(["ORG-GOV-B", "ORG-GOV-I"], TagScheme("IOB2", suffix=True)) == [(0, 2, "ORG-GOV")]
    assert detect_scheme([["B-ORG-I", "I-ORG-I"]]) == TagScheme("IOB2")


@pytest.mark.parametrize("tag", ["X-PER", "PERSON", "B-", "-PER", "o", "S-PER", "PER-B", ""])
def test_a_tag_outside_the_scheme_is_named(tag):
    with pytest.raises(DataError) as error:
        lenient_spans(["O", tag], TagScheme("IOB2"))
    assert str(error.value).startswith(f"the tag {tag!r} is outside the scheme IOB2 (B-LABEL, I-LABEL, O)")
    assert not TagScheme("IOB2").knows(tag)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="BIOES"):
        TagScheme("IOB7")


@pytest.mark.parametrize(
    ("text", "expected"), [("O", True), ("B-PER", True), ("PER-I", True), ("PER", False), ("", False)]
)
def test_is_tag(text, expected):
    assert is_tag(text) is expected
