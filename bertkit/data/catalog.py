"""The catalog: data sets bertkit knows by name, one table row each.

A row says where the data set stands on the hub, which columns count, and how its original
release looks in a local directory. Whatever the source, columns go by the hub's names, and
labels by the words of the official release ("0" and "1" for MRPC, "IT과학" for KLUE-YNAT),
so that a run trained on one source reads the other. Adding a data set is adding a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from bertkit.data.records import CLASSES, ENTITIES, QUESTIONS, RELATIONS, SCORES, SUMMARIES, ColumnMap
from bertkit.data.values import is_score
from bertkit.plain import quoted

SPLITS = ("train", "validation", "test")

Layout = Mapping[str, Sequence[str]]
"""File names by split; all that are there are read, as more rows of that split."""

_HUB_SPLITS = {split: split for split in SPLITS}


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """One data set of the catalog.

    Attributes:
        name: what the user types.
        hub_id: where it is on the hub, or None if it is read from local files only.
        hub_config: the configuration on the hub.
        shape: what its rows hold.
        columns: the columns that count, by the hub's names.
        summary: one line for `bertkit datasets`.
        language: "en" or "ko".
        labels: every label the sources write → the official word; empty if labels are open.
        withheld: what stands in place of a label that is not published.
        id_column: a column whose value names a row across files, if there is one.
        header: names of the columns where the release has no header line.
        renames: names of columns in the release → the hub's.
        layouts: releases as files in a directory, looked for in this order.
        folders: other names its directory goes by below BERTKIT_DATA.
        hub_splits: split → its name on the hub; a split the hub lacks is left out.
    """

    name: str
    hub_id: str | None
    shape: str
    columns: ColumnMap
    summary: str
    language: str = "en"
    hub_config: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    id_column: str | None = None
    header: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    layouts: tuple[Layout, ...] = ()
    folders: tuple[str, ...] = ()
    hub_splits: Mapping[str, str] = field(default_factory=lambda: _HUB_SPLITS)

    @property
    def label_words(self) -> str:
        """The official labels as a list to be read."""
        return ", ".join(dict.fromkeys(self.labels.values()))

    def strange_label(self, label: str) -> str:
        """Say in a clause that a label is not one of the data set's."""
        known = f": {self.label_words}" if self.labels else ", which are numbers"
        return f"label {quoted(label)} is not one of {self.name}'s{known}"

    def canonical_label(self, label: str) -> str | None:
        """Give the official word for a label; None if the data set has no such label.

        Scores are written with six significant digits, for files say 5.000 and 3.6 where
        the hub's 32-bit floats say 5.0 and 3.5999999.
        """
        if self.shape == SCORES:
            return f"{float(label):.6g}" if is_score(label) else None
        return self.labels.get(label) if self.labels else label


def _by_index(*words: str) -> dict[str, str]:
    """Map hub class ids to words, and each word to itself."""
    return {str(index): word for index, word in enumerate(words)} | {word: word for word in words}


_BINARY = {"0": "0", "1": "1"}
_PAIR = ColumnMap(("sentence1",), "sentence2", "label")
_WITHHELD = frozenset({"-1"})
_STS_HEADER = ("genre", "filename", "year", "id", "score", "sentence1", "sentence2")
_KLUE_RELATIONS = (
    *("no_relation", "org:dissolved", "org:founded", "org:place_of_headquarters", "org:alternate_names"),
    *("org:member_of", "org:members", "org:political/religious_affiliation", "org:product", "org:founded_by"),
    *("org:top_members/employees", "org:number_of_employees/members", "per:date_of_birth", "per:date_of_death"),
    *("per:place_of_birth", "per:place_of_death", "per:place_of_residence", "per:origin", "per:employee_of"),
    *("per:schools_attended", "per:alternate_names", "per:parents", "per:children", "per:siblings", "per:spouse"),
    *("per:other_family", "per:colleagues", "per:product", "per:religion", "per:title"),
)
_glue = partial(DatasetSpec, hub_id="nyu-mll/glue", withheld=_WITHHELD)
_klue = partial(
    DatasetSpec, hub_id="klue/klue", language="ko", hub_splits={"train": "train", "validation": "validation"}
)

_TABLE = (
    _glue(
        name="mrpc",
        hub_config="mrpc",
        shape=CLASSES,
        columns=_PAIR,
        summary="Do two news sentences say the same? 4,076 + 1,725 pairs (Microsoft Research Paraphrase)",
        labels=_BINARY | {"not_equivalent": "0", "equivalent": "1"},
        renames={"Quality": "label", "#1 String": "sentence1", "#2 String": "sentence2"},
        layouts=({"train": ["msr_paraphrase_train.txt"], "test": ["msr_paraphrase_test.txt"]},),
    ),
    _glue(
        name="sst2",
        hub_config="sst2",
        shape=CLASSES,
        columns=ColumnMap(("sentence",), None, "label"),
        summary="Is a phrase of a film review positive? 67,349 + 872 (Stanford Sentiment Treebank)",
        labels=_BINARY | {"negative": "0", "positive": "1"},
        folders=("SST-2",),
    ),
    _glue(
        name="stsb",
        hub_config="stsb",
        shape=SCORES,
        columns=_PAIR,
        summary="How similar are two sentences, 0 to 5? 5,749 + 1,500 + 1,379 pairs (STS benchmark)",
        header=_STS_HEADER,
        renames={"score": "label"},
        layouts=({"train": ["sts-train.csv"], "validation": ["sts-dev.csv"], "test": ["sts-test.csv"]},),
        folders=("STS-B", "stsbenchmark"),
    ),
    _glue(
        name="rte",
        hub_config="rte",
        shape=CLASSES,
        columns=_PAIR,
        summary="Does the second sentence follow from the first? 2,490 + 277 pairs",
        labels=_by_index("entailment", "not_entailment"),
        folders=("RTE",),
    ),
    _glue(
        name="qqp",
        hub_config="qqp",
        shape=CLASSES,
        columns=ColumnMap(("question1",), "question2", "label"),
        summary="Do two Quora questions ask the same? 363,846 + 40,430 pairs",
        labels=_BINARY | {"not_duplicate": "0", "duplicate": "1"},
        renames={"is_duplicate": "label"},
        folders=("QQP",),
    ),
    DatasetSpec(
        name="nsmc",
        hub_id="Blpeng/nsmc",  # the official e9t/nsmc is a script, which `datasets` no longer runs
        shape=CLASSES,
        columns=ColumnMap(("document",), None, "label"),
        summary="Is a Korean film review positive? 150,000 + 50,000 (Naver sentiment movie corpus)",
        language="ko",
        labels=_BINARY | {"negative": "0", "positive": "1"},
        id_column="id",
        layouts=(
            {"train": ["ratings_train.txt"], "test": ["ratings_test.txt"]},
            {"train": ["ratings_train_first5000.txt", "raw_train_20k.txt"]},
        ),
        hub_splits={"train": "train", "test": "test"},
    ),
    _klue(
        name="klue-ynat",
        hub_config="ynat",
        shape=CLASSES,
        columns=ColumnMap(("title",), None, "label"),
        summary="Which of 7 topics has a Korean news headline? 45,678 + 9,107",
        labels=_by_index("IT과학", "경제", "사회", "생활문화", "세계", "스포츠", "정치"),
        folders=("klue_ynat", "ynat"),
    ),
    _klue(
        name="klue-sts",
        hub_config="sts",
        shape=SCORES,
        columns=ColumnMap(("sentence1",), "sentence2", "labels.label"),
        summary="How similar are two Korean sentences, 0 to 5? 11,668 + 519 pairs",
        folders=("klue_sts",),
    ),
    _klue(
        name="klue-nli",
        hub_config="nli",
        shape=CLASSES,
        columns=ColumnMap(("premise",), "hypothesis", "label"),
        summary="Does the Korean hypothesis follow, contradict, or neither? 24,998 + 3,000 pairs",
        labels=_by_index("entailment", "neutral", "contradiction"),
        renames={"gold_label": "label"},
        folders=("klue_nli",),
    ),
    _klue(
        name="klue-ner",
        hub_config="ner",
        shape=ENTITIES,
        columns=ColumnMap(("tokens",), None, "ner_tags"),
        summary="Names in Korean sentences, tagged by character: 21,008 + 5,000",
        layouts=({"train": ["klue-ner-v1.1_train.tsv"], "validation": ["klue-ner-v1.1_dev.tsv"]},),
        folders=("klue_ner",),
    ),
    _klue(
        name="klue-re",
        hub_config="re",
        shape=RELATIONS,
        columns=ColumnMap(("sentence",), None, "label", spans=("subject_entity", "object_entity")),
        summary="Which of 30 relations holds between two names in a Korean sentence? 32,470 + 7,765",
        labels=_by_index(*_KLUE_RELATIONS),
        folders=("klue_re",),
    ),
    DatasetSpec(
        name="naver-ner",
        hub_id=None,
        shape=ENTITIES,
        columns=ColumnMap(("sentence",), None, "tags"),
        summary="Names in Korean sentences, tagged by eojeol (Naver NLP challenge); local files only",
        language="ko",
        header=("sentence", "tags"),
        folders=("naver_ner",),
    ),
    DatasetSpec(
        name="korsts",
        hub_id="dkoterwa/kor-sts",
        shape=SCORES,
        columns=_PAIR,
        summary="How similar are two Korean sentences, 0 to 5? 5,749 + 1,500 + 1,379 pairs",
        language="ko",
        header=_STS_HEADER,
        renames={"score": "label"},
        layouts=({"train": ["sts-train.tsv"], "validation": ["sts-dev.tsv"], "test": ["sts-test.tsv"]},),
        folders=("KorSTS",),
        hub_splits={"train": "train", "validation": "valid", "test": "test"},
    ),
    DatasetSpec(
        name="conll2003",
        hub_id="tomaarsen/conll2003",
        shape=ENTITIES,
        columns=ColumnMap(("tokens",), None, "ner_tags"),
        summary="Persons, places, organisations in English news: 14,041 + 3,250 + 3,453 sentences",
        layouts=({"train": ["eng.train"], "validation": ["eng.testa"], "test": ["eng.testb"]},),
    ),
    DatasetSpec(
        name="swag",
        hub_id="allenai/swag",
        hub_config="regular",
        shape=QUESTIONS,
        columns=ColumnMap(("startphrase",), None, "label", ("ending0", "ending1", "ending2", "ending3")),
        summary="Which of 4 endings continues a sentence? 73,546 + 20,006",
        withheld=_WITHHELD,
    ),
    DatasetSpec(
        name="codah",
        hub_id="jaredfern/codah",
        hub_config="fold_0",
        shape=QUESTIONS,
        columns=ColumnMap(("prompt",), None, "label", ("answer0", "answer1", "answer2", "answer3")),
        summary="Which of 4 endings makes sense? 1,665 + 556 + 555, written to be hard",
        header=("category", "prompt", "answer0", "answer1", "answer2", "answer3", "label"),
        layouts=({"train": ["fold_0_train.tsv"], "validation": ["fold_0_dev.tsv"], "test": ["fold_0_test.tsv"]},),
    ),
    DatasetSpec(
        name="llm-science-exam",
        hub_id=None,
        shape=QUESTIONS,
        columns=ColumnMap(("prompt",), None, "answer", tuple("ABCDE")),
        summary="Science questions with 5 choices, written by a language model; local files only",
        folders=("llm_science_exam",),
    ),
    DatasetSpec(
        name="newsgroups20",
        hub_id="SetFit/20_newsgroups",
        shape=CLASSES,
        columns=ColumnMap(("text",), None, "label"),
        summary="Which of 20 newsgroups is a post from? 11,314 + 7,532 long texts",
        labels=_by_index(
            *("alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware"),
            *("comp.sys.mac.hardware", "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles"),
            *("rec.sport.baseball", "rec.sport.hockey", "sci.crypt", "sci.electronics", "sci.med", "sci.space"),
            *("soc.religion.christian", "talk.politics.guns", "talk.politics.mideast", "talk.politics.misc"),
            "talk.religion.misc",
        ),
        hub_splits={"train": "train", "test": "test"},
    ),
    DatasetSpec(
        name="imdb",
        hub_id="stanfordnlp/imdb",
        shape=CLASSES,
        columns=ColumnMap(("text",), None, "label"),
        summary="Is a whole film review positive? 25,000 + 25,000 long texts",
        labels=_by_index("neg", "pos"),
        folders=("imdb_long",),
        hub_splits={"train": "train", "test": "test"},
    ),
    DatasetSpec(
        name="cnn_dailymail",
        hub_id="abisee/cnn_dailymail",
        hub_config="3.0.0",
        shape=SUMMARIES,
        columns=ColumnMap(("article",), None, "highlights"),
        summary="News articles with their highlights: 287,113 + 13,368 + 11,490",
        renames={"abstract": "highlights"},
        folders=("cnn_dm", "cnn_dm_cased"),
    ),
)
DATASETS: Mapping[str, DatasetSpec] = {spec.name: spec for spec in _TABLE}
