"""ner from texts to entities: units and their tags, windows, the scheme, scores."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, processors

from bertkit.data.records import ColumnMap, Entity, Example, TaggedText
from bertkit.errors import DataError
from bertkit.tasks.base import EncodedRow, TaskSettings, TrainingOptions
from bertkit.tasks.tagging import ScoredEntity, Tagging, TaggingTask, Words, is_whole_words, units
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.segments import Span
from bertkit.tokenization.vocab import train_wordpiece
from tests.conftest import OBJECTS, SUBJECTS, VERBS

SETTINGS = TaskSettings("ner", ColumnMap(("text",), None, "entities"))
OPTIONS = TrainingOptions()


def tagged(text: str, *entities: tuple[str, str], line: int = 2) -> TaggedText:
    """A text with entities, each the next place of its string."""
    found, at = [], 0
    for string, label in entities:
        start = text.index(string, at)
        at = start + len(string)
        found.append(Entity(start, at, label))
    return TaggedText((text,), None, line, "t.conll", tuple(found))


def task(tokenizer: Tokenizer, *labels: str, **settings: Any) -> TaggingTask:
    return TaggingTask(replace(SETTINGS, labels=labels or ("LOC", "PER"), **settings), tokenizer)


def tags(mine: TaggingTask, example: Example) -> list[tuple[str, str]]:
    """What each unit of a text is, and its tag, over all windows."""
    found = []
    rows = mine.training_rows([example], OPTIONS)
    for part, row in zip(mine.encode([example])[0].parts, rows, strict=True):
        for span, target in zip(part.spans, row.target, strict=True):
            assert (span.side < 0) == (target < 0)
            if span.side >= 0:
                found.append((example.texts[0][span.start : span.end], mine.tags[target]))
    return found


def oracle(mine: TaggingTask, example: Example) -> Tagging:
    """The output of a model that is sure of the right tag everywhere."""
    (encoded,) = mine.encode([example])
    rows = mine.training_rows([example], OPTIONS)
    return mine.row_output(encoded, [np.eye(len(mine.tags))[np.maximum(row.target, 0)] for row in rows])


def metaspace(*pieces: str) -> Tokenizer:
    """A tokenizer whose pieces own the space before them, as SentencePiece's do."""
    vocabulary = ["<unk>", "<pad>", "<s>", "</s>", "<mask>", *pieces]
    model = models.WordPiece(
        vocab={piece: i for i, piece in enumerate(vocabulary)}, unk_token="<unk>", continuing_subword_prefix=""
    )
    backend = Backend(model)
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return Tokenizer(backend, SpecialTokens("<unk>", "<pad>", "<s>", "</s>", "<mask>"), 64)


@pytest.fixture(scope="module")
def korean() -> Tokenizer:
    texts = ["홍길동이 서울에서 일했다", "서울시는 부산과 함께", "이순신 장군은 부산에 갔다"] * 5
    return train_wordpiece(texts, size=150, lowercase=True)


# --- what training rows decide ------------------------------------------------------------


def test_fitting_learns_the_kinds_and_that_words_carry_tags(tokenizer: Tokenizer) -> None:
    examples = [tagged("the cat", ("cat", "PET")), tagged("a dog sees", ("dog", "ANIMAL")), tagged("nothing")]
    fitted = TaggingTask.fit(SETTINGS, tokenizer, examples)
    assert (fitted.settings.labels, fitted.settings.unit) == (("ANIMAL", "PET"), "word")
    assert fitted.tags == ("O", "B-ANIMAL", "I-ANIMAL", "B-PET", "I-PET")


def test_entities_inside_words_make_tokens_the_units(korean: Tokenizer) -> None:
    inside = tagged("홍길동이 서울에서 일했다", ("홍길동", "PS"), ("서울", "LC"))
    whole = tagged("서울시는 부산과 함께", ("서울시는", "LC"))
    assert TaggingTask.fit(SETTINGS, korean, [inside, whole]).settings.unit == "token"
    assert TaggingTask.fit(SETTINGS, korean, [inside, *[whole] * 18]).settings.unit == "word"


def test_rows_without_any_entity_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"^t\.conll: no row has an entity; ner needs some to learn from\.$"):
        TaggingTask.fit(SETTINGS, tokenizer, [tagged("the cat"), tagged("a dog")])
    with pytest.raises(DataError, match=r"^the training rows: no row has an entity"):
        TaggingTask.fit(SETTINGS, tokenizer, [])


# --- units --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "entity", "whole"),
    [
        ("in Rome", (3, 7), True),
        ("in Rome.", (3, 7), True),
        ("Rome", (0, 4), True),
        ("Romeo", (0, 4), False),
        ("a Rome", (3, 6), False),
        ("서울에서", (0, 2), False),
        ("U.S.-led", (0, 4), True),
        ("cafe\u0301 x", (0, 4), False),
        ("cafe\u0301 x", (0, 5), True),
    ],
)
def test_whole_words(text: str, entity: tuple[int, int], whole: bool) -> None:
    assert is_whole_words(text, Entity(*entity, "X")) == whole


def spans(*places: tuple[int, int]) -> list[Span]:
    return [Span(-1, 0, 0), *(Span(0, *place) for place in places), Span(-1, 0, 0)]


@pytest.mark.parametrize(
    ("text", "tokens", "words", "pieces"),
    [
        # the first token of a word stands for it
        ("Romans go", [(0, 3), (3, 6), (7, 9)], ["Romans", None, "go"], ["Rom", "ans", "go"]),
        # spaces belong to no unit, and a token of nothing else is none
        ("in  Rome", [(0, 2), (2, 3), (3, 8)], ["in", None, "Rome"], ["in", None, "Rome"]),
        # a token of several words stands for all of them
        ("(Rome) go", [(0, 3), (3, 6), (6, 9)], ["(Rome", ")", "go"], ["(Ro", "me)", "go"]),
        # bytes of one character: the first carries the tag
        ("é go", [(0, 1), (0, 1), (1, 4)], ["é", None, "go"], ["é", None, "go"]),
        # a space that stands for nothing may claim the first character
        ("-1st go", [(0, 1), (0, 2), (2, 4), (4, 7)], ["-", "1st", None, "go"], ["-", "1", "st", "go"]),
        # decomposed letters come whole
        ("e\u0301a go", [(0, 1), (2, 3), (3, 6)], ["e\u0301a", None, "go"], ["e\u0301", "a", "go"]),
    ],
)
def test_units(text: str, tokens: list[tuple[int, int]], words: list[str | None], pieces: list[str | None]) -> None:
    for by_word, wanted in ((True, words), (False, pieces)):
        found = units(spans(*tokens), text, Words(text) if by_word else None)
        assert [text[s.start : s.end] if s.side >= 0 else None for s in found] == [None, *wanted, None]


# --- labels land on units by offsets ------------------------------------------------------


def test_labels_land_on_words_whatever_the_tokens(tokenizer: Tokenizer) -> None:
    example = tagged("the old man, Zyxwv Boris, paints Qqqq.", ("Zyxwv Boris", "PER"), ("Qqqq", "LOC"))
    mine = task(tokenizer)
    assert len(mine.encode([example])[0].parts[0].ids) > 12  # unknown words are cut to pieces
    assert tags(mine, example) == [
        ("the", "O"), ("old", "O"), ("man", "O"), (",", "O"), ("Zyxwv", "B-PER"), ("Boris", "I-PER"), (",", "O"),
        ("paints", "O"), ("Qqqq", "B-LOC"), (".", "O"),
    ]  # fmt: skip


def test_neighbours_of_one_kind_stay_two_entities(tokenizer: Tokenizer) -> None:
    example = tagged("the cat a dog", ("the cat", "PER"), ("a", "PER"), ("dog", "LOC"))
    assert tags(task(tokenizer), example) == [("the", "B-PER"), ("cat", "I-PER"), ("a", "B-PER"), ("dog", "B-LOC")]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_korean_entities_inside_words(korean: Tokenizer, form: str) -> None:
    parts = [unicodedata.normalize(form, part) for part in ("홍길동이 서울에서 일했다", "홍길동", "서울")]
    example = tagged(parts[0], (parts[1], "PER"), (parts[2], "LOC"))
    mine = task(korean, unit="token")
    found = tags(mine, example)
    assert "".join(unit for unit, _ in found) == parts[0].replace(" ", "")
    of_kind = {kind: [unit for unit, tag in found if tag.endswith(kind)] for kind in ("PER", "LOC")}
    assert "".join(of_kind["PER"]).startswith(parts[1])
    assert "".join(of_kind["LOC"]).startswith(parts[2])
    assert [tag for _, tag in found if tag.startswith("B")] == ["B-PER", "B-LOC"]


def test_a_second_entity_in_a_unit_goes_without_but_the_next_unit_still_begins(korean: Tokenizer) -> None:
    mine = task(metaspace("▁서울부", "산", "▁감"), unit="token")
    example = tagged("서울부산 감", ("서울", "LOC"), ("부산", "PER"))
    assert tags(mine, example) == [("서울부", "B-LOC"), ("산", "B-PER"), ("감", "O")]


def test_pieces_that_own_a_space_give_entities_without_it() -> None:
    mine = task(metaspace("▁in", "▁New", "▁York", "▁now"), unit="token")
    example = tagged("in New York now", ("New York", "LOC"))
    assert tags(mine, example) == [("in", "O"), ("New", "B-LOC"), ("York", "I-LOC"), ("now", "O")]
    assert [e.key for e in oracle(mine, example).entities] == [(3, 11, "LOC")]


@pytest.mark.parametrize("unit", ["word", "token"])
def test_a_model_that_is_always_right_scores_1(tokenizer: Tokenizer, unit: str) -> None:
    examples = [
        tagged("the old man, Zyxwv Boris, paints Qqqq.", ("Zyxwv Boris", "PER"), ("Qqqq", "LOC")),
        tagged("the cat a dog", ("the cat", "PER"), ("a", "PER"), ("dog", "LOC")),
        tagged("nothing here"),
        tagged(""),
    ]
    mine = task(tokenizer, unit=unit)
    outputs = [oracle(mine, example) for example in examples]
    assert mine.score(examples, outputs).metrics["entity_f1"] == 1.0
    assert [[e.key[:2] for e in output.entities] for output in outputs] == [
        [(e.start, e.end) for e in example.entities or ()] for example in examples
    ]


def test_a_kind_never_seen_cannot_be_trained_on_but_counts_as_missed(tokenizer: Tokenizer) -> None:
    mine, example = task(tokenizer), tagged("the cat", ("cat", "PET"), line=7)
    with pytest.raises(
        DataError, match=r"^t\.conll:7: the entity type 'PET' is not in the training rows; they have LOC, PER\.$"
    ):
        mine.training_rows([example], OPTIONS)
    scores = mine.score([example], [Tagging()])
    assert scores.metrics["entity_recall"] == 0.0
    assert scores.per_label["PET"]["support"] == 1


def test_words_are_never_left_out(tokenizer: Tokenizer) -> None:
    example = tagged("the cat of the old man", ("the old man", "PER"))
    assert tags(task(tokenizer, leave_out="stop-words"), example) == tags(task(tokenizer), example)


# --- batches and losses -------------------------------------------------------------------

TWO = [tagged("the cat sees Boris", ("Boris", "PER")), tagged("music")]


def test_a_batch_has_a_target_for_every_token(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    rows = mine.training_rows(TWO, OPTIONS)
    batch = mine.training_batch(rows, OPTIONS, np.random.default_rng(0))
    assert batch.targets is not None
    assert batch.targets.shape == batch.input_ids.shape
    assert batch.targets[0].tolist() == list(rows[0].target)
    assert batch.targets[1].tolist() == [-100, 0, *[-100] * (batch.targets.shape[1] - 2)]
    assert batch.global_mask is not None
    assert not batch.global_mask.any()
    assert all(row.encoded.parts[0].spans == () for row in rows)  # they would fill the memory


def test_the_loss_of_a_row_is_the_mean_over_its_units(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    batch = mine.training_batch(mine.training_rows(TWO, OPTIONS), OPTIONS, np.random.default_rng(0))
    torch.manual_seed(0)
    logits = torch.randn(*batch.input_ids.shape, len(mine.tags))
    for smoothing in (0.0, 0.1):
        losses = mine.losses(logits, batch, TrainingOptions(label_smoothing=smoothing))
        for row in range(2):
            assert batch.targets is not None
            is_unit = batch.targets[row] >= 0
            wanted = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(
                logits[row][is_unit], batch.targets[row][is_unit]
            )
            torch.testing.assert_close(losses[row], wanted)


def test_a_text_without_units_has_no_loss(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    batch = mine.training_batch(mine.training_rows([tagged("")], OPTIONS), OPTIONS, np.random.default_rng(0))
    assert mine.losses(torch.randn(1, 2, 5), batch, OPTIONS).tolist() == [0.0]


def test_tokens_are_masked_as_asked_and_targets_stay(tokenizer: Tokenizer) -> None:
    mine, options = task(tokenizer), TrainingOptions(token_masking=0.5)
    rows = mine.training_rows(TWO * 10, options)
    plain = mine.training_batch(rows, OPTIONS, np.random.default_rng(0))
    noisy = mine.training_batch(rows, options, np.random.default_rng(0))
    masked = noisy.input_ids == tokenizer.mask_id
    assert 0.3 < masked.sum() / (plain.input_ids > 4).sum() < 0.7
    assert noisy.targets is not None
    assert plain.targets is not None
    assert torch.equal(noisy.targets, plain.targets)


# --- from probabilities to entities -------------------------------------------------------


def probabilities(mine: TaggingTask, *names: str, sure: float = 0.9) -> NDArray[np.float64]:
    """One row of probabilities for [CLS], each tag named, and [SEP]."""
    rows = [[(1 - sure) / (len(mine.tags) - 1)] * len(mine.tags) for _ in ("O", *names, "O")]
    for row, name in zip(rows, ("O", *names, "O"), strict=True):
        row[mine.tags.index(name)] = sure
    return np.array(rows)


def test_part_outputs_are_the_probabilities_of_text_tokens(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    batch = mine.batch([row.parts[0] for row in mine.encode(TWO)])
    outputs = mine.part_outputs(torch.randn(*batch.input_ids.shape, 5).bfloat16(), batch)
    assert [len(o) for o in outputs] == [len(row.parts[0].ids) for row in mine.encode(TWO)]
    for output in outputs:
        np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-5)


def test_a_record_has_exact_texts_and_json_types(tokenizer: Tokenizer) -> None:
    mine, example = task(tokenizer), tagged("  the old  man sees Boris.")
    (encoded,) = mine.encode([example])
    given = probabilities(mine, "O", "B-PER", "I-PER", "O", "B-LOC", *["I-LOC"] * (len(encoded.parts[0].ids) - 8), "O")
    record = mine.record(example, mine.row_output(encoded, [given]), top_k=3)
    assert json.loads(json.dumps(record)) == {
        "entities": [
            {"start": 6, "end": 14, "text": "old  man", "label": "PER", "score": 0.9},
            {"start": 20, "end": 25, "text": "Boris", "label": "LOC", "score": 0.9},
        ]
    }
    assert mine.record_fields(3) == ["entities"]


def test_a_broken_scheme_is_repaired_counted_and_kept_for_the_lenient_score(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    examples = [tagged("the cat", ("the cat", "PER")), tagged("a dog", ("dog", "PER")), tagged("music")]
    broken = [("I-PER", "I-PER"), ("O", "I-LOC"), ("O",)]
    outputs = []
    for example, names, sure in zip(examples, broken, (0.5, 0.9, 0.9), strict=True):
        (encoded,) = mine.encode([example])
        outputs.append(mine.row_output(encoded, [probabilities(mine, *names, sure=sure)]))
    assert [output.repaired for output in outputs] == [True, True, False]
    assert [[e.key for e in output.raw] for output in outputs] == [[(0, 7, "PER")], [(2, 5, "LOC")], []]
    # "B-PER I-PER" is as likely as any other first tag; "O B-LOC" as "O O" and likelier than none
    assert [e.label for e in outputs[0].entities] in (["PER"], [])
    scores = mine.score(examples, outputs)
    assert scores.metrics["entity_f1_lenient"] == 0.5
    assert scores.metrics["repaired_sequences"] == 2
    assert scores.warnings == ()


def test_a_model_that_finds_nothing_is_called_so(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    (warning,) = mine.score(TWO, [Tagging(), Tagging()]).warnings
    assert "finds no entity in any text" in warning
    assert mine.score([TWO[1]], [Tagging()]).warnings == ()


def found(*keys: tuple[int, int, str]) -> Tagging:
    entities = tuple(ScoredEntity(*key, 0.5) for key in keys)
    return Tagging(entities, entities)


def test_scores_intervals_and_differences(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    examples = [tagged("the cat a dog", ("cat", "PER"), ("dog", "LOC"))] * 20
    half = [found((4, 7, "PER"), (10, 13, "PER"))] * 20
    right = [found((4, 7, "PER"), (10, 13, "LOC"))] * 20
    scores, intervals = mine.score(examples, half), mine.intervals(examples, half)
    figures = ("entity_precision", "entity_recall", "entity_f1", "entity_f1_lenient")
    assert scores.metrics == {**dict.fromkeys(figures, 0.5), "repaired_sequences": 0}
    assert intervals.keys() == set(figures)
    assert mine.difference(examples, right, half) == dict.fromkeys(figures, (0.5, 0.5))
    assert scores.per_label["LOC"]["recall"] == 0.0


def test_mistakes_say_what_was_missed_and_invented_the_most_wrong_first(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    examples = [tagged("the cat", ("cat", "PER")), tagged("a dog", ("dog", "LOC")), tagged("music")]
    outputs = [found((4, 7, "PER")), found((2, 5, "PER"), (0, 1, "LOC")), found((0, 5, "PER"))]
    mistakes = mine.mistakes(examples, outputs)
    assert [row for row, _ in mistakes] == [1, 2]
    assert mistakes[0][1]["missed"] == [{"start": 2, "end": 5, "text": "dog", "label": "LOC"}]
    assert [e["text"] for e in mistakes[0][1]["invented"]] == ["a", "dog"]


# --- windows ------------------------------------------------------------------------------


def long_text(n: int) -> TaggedText:
    """A text of n sentences; every second one begins with an entity, some have two."""
    sentences, entities = [], []
    for i in range(n):
        subject, thing = SUBJECTS[i % 8], OBJECTS[(3 * i) % 8]
        sentences.append(f"{subject} {VERBS[(5 * i) % 8]} {thing} .")
        if i % 2 == 0:
            entities.append((subject, "PER"))
        if i % 3 == 0:
            entities.append((thing, "LOC"))
    return tagged(" ".join(sentences), *entities)


@pytest.mark.parametrize("unit", ["word", "token"])
@pytest.mark.parametrize("max_length", [8, 11, 16, 40])
def test_windows_give_the_entities_of_one_pass(tokenizer: Tokenizer, unit: str, max_length: int) -> None:
    example = long_text(25)
    whole, cut = (task(tokenizer, unit=unit, on_long="window", max_length=n) for n in (512, max_length))
    assert len(cut.encode([example])[0].parts) > 3
    assert oracle(cut, example) == oracle(whole, example)
    assert [(e.start, e.end, e.label) for e in example.entities or ()] == [e.key for e in oracle(cut, example).entities]


def test_a_window_that_begins_inside_an_entity_goes_on_with_it(tokenizer: Tokenizer) -> None:
    text = "the old man sees " + "the tall tree " * 4 + "music"
    example = tagged(text, ("the tall tree " * 3 + "the tall tree", "LOC"))
    mine = task(tokenizer, on_long="window", max_length=8)
    first, *later = mine.training_rows([example], OPTIONS)
    assert [mine.tags[t] for t in first.target if t >= 0] == ["O", "O", "O", "O", "B-LOC", "I-LOC"]
    assert len(later) >= 2
    # the overlap is one token: the first window's last one
    assert [mine.tags[t] for t in later[0].target if t >= 0][:3] == ["I-LOC"] * 3
    (entity,) = oracle(mine, example).entities
    assert text[entity.start : entity.end] == "the tall tree the tall tree the tall tree the tall tree"


def test_a_first_window_never_goes_on_with_an_entity() -> None:
    mine = task(metaspace("▁Rome", "▁now"), unit="token")
    # the first character has no token that stands for it
    example = replace(tagged("\u200bRome now"), entities=(Entity(0, 5, "LOC"),))
    row = EncodedRow.whole(mine.tokenizer.encode(["\u200bRome now"], with_spans=True)[0])
    assert row.parts[0].spans
    assert tags(mine, example)[0][1] == "B-LOC"


def test_of_two_windows_the_one_that_shows_more_around_a_word_is_heard(tokenizer: Tokenizer) -> None:
    example = tagged("the cat sees a red ball the cat sees a red ball the dog")
    mine = task(tokenizer, on_long="window", max_length=12)
    (row,) = mine.encode([example])
    first, second = row.parts[:2]
    both = [
        (i, second.spans.index(span)) for i, span in enumerate(first.spans) if span.side >= 0 and span in second.spans
    ]
    assert len(both) == 2
    given = [np.eye(5)[[0] * len(part.ids)] for part in row.parts]
    for place, _ in both:
        given[0][place] = np.eye(5)[1]  # B-LOC, says the first window
    for _, place in both:
        given[1][place] = np.eye(5)[3]  # B-PER, says the second
    kinds = [e.label for e in mine.row_output(row, given).entities]
    assert kinds == ["LOC", "PER"]


def test_what_is_cut_is_said_to_be(tokenizer: Tokenizer) -> None:
    example = long_text(10)
    (row,) = task(tokenizer, max_length=16).encode([example])
    assert (row.truncated, len(row.parts[0].ids)) == (True, 16)
    (row,) = task(tokenizer, max_length=16, on_long="window").encode([example])
    assert not row.truncated
    with pytest.raises(DataError, match=r"^t\.conll:2: the row has \d+ tokens and --max-length is 16"):
        task(tokenizer, max_length=16, on_long="error").encode([example])


def test_settings_survive_json(tokenizer: Tokenizer) -> None:
    fitted = TaggingTask.fit(SETTINGS, tokenizer, [tagged("Romans", ("Roman", "LOC"))]).settings
    assert fitted.unit == "token"
    assert TaskSettings.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
