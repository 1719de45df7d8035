"""The rows of the registry: encoders by name, with what they read and how they learn.

Figures of recipes that docs/minilm.md and docs/scratch.md do not list are those of the
models' cards and papers, and were not tried here: no hub was in reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

# --- Training figures that suit a model where its user names none, with where they are from -------


@dataclass(frozen=True)
class Recipe:
    """Training figures that suit a model where its user names none.

    `epochs` is an upper bound where `patience` ends a run earlier, and becomes more where rows
    are few; `head_lr` is the head's own peak rate, None for the encoder's. By task, the options
    in `by_task` go before the rest, and those in `by_pair_task` before these where a row is two
    texts; `portable_pairs` goes before all where pairs are to be read by transformers' own classes.
    """

    epochs: int = 4
    batch_size: int = 32
    lr: float = 5e-5
    head_lr: float | None = None
    weight_decay: float = 0.01
    dropout: float = 0.1
    label_smoothing: float = 0.0
    patience: int = 3
    pooling: str = "cls"
    overlap_segments: bool = False
    swap_pairs: bool = False
    token_masking: float = 0.0
    average: int = 1
    soup: int = 1
    freeze: int = 0
    freeze_after: float = 1.0
    trim_vocab: bool = False
    blend: bool = False
    by_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    by_pair_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    portable_pairs: Mapping[str, Any] = field(default_factory=dict)

    def options(self, task: str, *, two_texts: bool) -> dict[str, Any]:
        """Return the options of `train` by name, for a task on rows of one text or of two."""
        values = asdict(self)
        by_task, by_pair_task = values.pop("by_task"), values.pop("by_pair_task")
        del values["portable_pairs"]
        of_pairs = by_pair_task.get(task, {}) if two_texts else {}
        return {**values, **by_task.get(task, {}), **of_pairs}


# Chosen on held-out parts of MRPC's training rows; docs/scratch.md has the figures.
SCRATCH = Recipe(
    epochs=8,
    lr=5e-4,
    weight_decay=0.01,
    dropout=0.3,
    patience=8,
    pooling="pooler",
    overlap_segments=True,
    swap_pairs=True,
    token_masking=0.2,
    average=3,
)
FINE_TUNING = Recipe()
# Chosen on held-out parts of MRPC's training rows; docs/minilm.md has the figures.
MINILM = replace(
    FINE_TUNING,
    lr=1e-4,
    pooling="mean",
    swap_pairs=True,
    by_task={
        "choice": {"epochs": 2},
        # Its first token was trained for nothing; docs/summaries.md has the figures.
        "extractive": {"pooling": "mean", "epochs": 1, "freeze": 4, "head_lr": 1e-3},
        "matching": {"epochs": 1, "freeze": 4},
        "classify": {"head_lr": 2e-3},
        "relation": {"head_lr": 2e-3, "lr": 2e-4},
        "multilabel": {"head_lr": 5e-3, "lr": 2e-4, "epochs": 8, "blend": True},
    },
    by_pair_task={
        "classify": {"pooling": "align", "epochs": 2, "lr": 2e-4, "blend": True},
        "multilabel": {"pooling": "align"},
        "qa": {"epochs": 5, "lr": 2e-4, "head_lr": 1e-3, "batch_size": 16},
        "choice": {"pooling": "match"},
        "regression": {"pooling": "siamese"},
    },
    portable_pairs={"epochs": 4, "lr": 1e-4},
)
# Most of its vocabulary's pieces are of scripts that a user's rows do not have, and the table of
# embeddings learns nothing that few rows could teach it.
E5 = replace(
    FINE_TUNING,
    lr=1e-4,
    freeze=1,
    trim_vocab=True,
    pooling="mean",
    by_task={
        "extractive": {"pooling": "mean", "head_lr": 1e-3},  # as MiniLM's; not measured
        "ner": {"lr": 2e-4, "head_lr": 1e-3, "epochs": 6},
        "classify": {"head_lr": 1e-3, "blend": True, "epochs": 2},
    },
    by_pair_task={
        "regression": {"pooling": "siamese", "epochs": 2, "blend": True, "soup": 3},
        "classify": {"epochs": 4},
        "qa": {"epochs": 5, "lr": 2e-4, "head_lr": 1e-3, "batch_size": 16},
    },
)
BASE = replace(FINE_TUNING, epochs=3, lr=3e-5)
# The classes of transformers for these put the pooler under a classifier, and it came trained.
BERT = replace(BASE, pooling="pooler")
KOBERT = replace(BERT, lr=5e-5)
ROBERTA = replace(BASE, lr=2e-5)
ROBERTA_LARGE = replace(ROBERTA, lr=1e-5)
KLUE_SMALL = replace(ROBERTA, lr=5e-5)
# As small as MiniLM, without its second training for sentence vectors.
XTREMEDISTIL = replace(FINE_TUNING, lr=1e-4, swap_pairs=True)
# He et al. 2021 and the authors' scripts; a DeBERTa diverges where a BERT of its size still learns.
DEBERTA = replace(BASE, lr=2e-5, epochs=4)
DEBERTA_SMALL = replace(DEBERTA, lr=4e-5)
DEBERTA_LARGE = replace(DEBERTA, lr=7e-6)
KF_DEBERTA = replace(DEBERTA, lr=3e-5)  # of the rates its authors tried, the one in the middle
# Beltagy et al. 2020; rows are long, so fewer of them make a step.
LONGFORMER = replace(BASE, batch_size=8)
LONGFORMER_LARGE = replace(LONGFORMER, lr=1e-5)
# Pretrained without dropout (Warner et al. 2024); a first token in a local layer does not see all
# of a long row, so its own classifier averages.
MODERNBERT = replace(BASE, lr=5e-5, dropout=0.0)
MODERNBERT_SMALL = replace(MODERNBERT, lr=1e-4)
MODERNBERT_LARGE = replace(MODERNBERT, lr=3e-5)
# Boizard et al. 2025 average over the tokens, and so does what was made to give sentence vectors.
EUROBERT = replace(MODERNBERT, lr=3e-5, pooling="mean")
GTE = replace(BASE, lr=3e-5, dropout=0.0, pooling="mean")
# Its summary is its last token's state, so the first token's is none.
XLNET = replace(BASE, pooling="mean")
# For encoders that are not a row of the table: by the model_type of their config.json.
RECIPES: Mapping[str, Recipe] = {
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "deberta": DEBERTA,
    "deberta-v2": DEBERTA,
    "longformer": LONGFORMER,
    "modernbert": MODERNBERT,
    "ultrabert": MODERNBERT,
    "eurobert": EUROBERT,
    "gte": GTE,
    "nomic_bert": GTE,
    "jina_embeddings_v3": GTE,
    "xlnet": XLNET,
    "xlm-roberta-xl": DEBERTA_LARGE,
    "camembert": ROBERTA,
}


USUAL_LENGTH = 512
# The name of the model that has no encoder, and of its family; it reads a row whole.
TFIDF, NO_LIMIT = "tfidf", 2**20


@dataclass(frozen=True)
class ModelSpec:
    """A row of the table.

    `max_length` is in tokens, special tokens included; `builder` is the target that
    loads the encoder, called as `builder(spec, options)`; `architecture` is what
    transformers calls it (`model_type`), empty where only the hub knows. `language` is that
    of the texts it was trained on (en, ko, "en, ko", many), empty where nothing says it, and
    `parameters` how many weights it has, in millions, None where nothing says it.
    """

    name: str
    hub_id: str | None
    max_length: int
    summary: str
    builder: str = "bertkit.models.pretrained:build"
    recipe: Recipe = FINE_TUNING
    aliases: tuple[str, ...] = ()
    architecture: str = "bert"
    language: str = ""
    parameters: int | None = None

    @property
    def is_scratch(self) -> bool:
        """Whether the model starts from scratch, tokenizer included."""
        return self.family == "scratch"

    @property
    def is_linear(self) -> bool:
        """Whether there is no encoder, nor a tokenizer."""
        return self.family == TFIDF

    @property
    def family(self) -> str:
        """Which file of this room builds the model; a run stores it to be built again."""
        return self.builder.partition(":")[0].rpartition(".")[2]


def _row(
    name: str,
    hub_id: str,
    summary: str,
    recipe: Recipe = BERT,
    *,
    architecture: str = "bert",
    max_length: int = USUAL_LENGTH,
    aliases: tuple[str, ...] = (),
    language: str = "en",
    parameters: int | None = None,
) -> ModelSpec:
    """Make the row of a hub's encoder."""
    return ModelSpec(
        name,
        hub_id,
        max_length,
        summary,
        recipe=recipe,
        aliases=aliases,
        architecture=architecture,
        language=language,
        parameters=parameters,
    )


def _deberta(name: str, size: str, recipe: Recipe, summary: str, **more: Any) -> ModelSpec:
    return _row(name, f"microsoft/{size}", summary, recipe, architecture="deberta-v2", **more)


def _longformer(name: str, size: str, recipe: Recipe, summary: str, parameters: int) -> ModelSpec:
    return _row(
        name,
        f"allenai/{size}",
        summary,
        recipe,
        architecture="longformer",
        max_length=4096,
        parameters=parameters,
    )


def _klue_roberta(name: str, size: str, recipe: Recipe, parameters: int) -> ModelSpec:
    summary = f"RoBERTa {size}, Korean"
    return _row(
        name,
        f"klue/roberta-{size}",
        summary,
        recipe,
        architecture="roberta",
        language="ko",
        parameters=parameters,
    )


def _ettin(parameters: int, recipe: Recipe) -> ModelSpec:
    """Make the row of an encoder of Weller et al. 2025, whose architecture is ModernBERT's."""
    return _modernbert(
        f"ettin-{parameters}m",
        f"jhu-clsp/ettin-encoder-{parameters}m",
        "Ettin, English, texts of 8,192 tokens" + ("; quick on a CPU" if parameters < 50 else ""),
        recipe,
        parameters=parameters,
    )


def _modernbert(name: str, hub_id: str, summary: str, recipe: Recipe = MODERNBERT, **more: Any) -> ModelSpec:
    return _row(name, hub_id, summary, recipe, **{"architecture": "modernbert", "max_length": 8192, **more})


MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        "scratch",
        None,
        512,
        "BERT from scratch: own weights, own vocabulary",
        "bertkit.models.scratch:build",
        SCRATCH,
    ),
    ModelSpec(
        TFIDF,
        None,
        NO_LIMIT,
        "no encoder: words, pairs of words, letters; classify and regression in seconds",
        "bertkit.baselines.tfidf:fit_tfidf",
        aliases=("tf-idf",),
        architecture="",
    ),
    _row("bert", "google-bert/bert-base-uncased", "BERT base, English, lower case", parameters=110),
    _row("bert-cased", "google-bert/bert-base-cased", "BERT base, English, cased", parameters=108),
    _row(
        "minilm",
        "sentence-transformers/all-MiniLM-L6-v2",
        "MiniLM, 6 layers of 384, English; quick on a CPU",
        MINILM,
        parameters=23,
    ),
    _row(
        "multilingual-e5-small",
        "intfloat/multilingual-e5-small",
        "multilingual E5 small, 12 layers of 384, 100 languages; also without a hub",
        E5,
        language="many",
        parameters=118,
    ),
    _row(
        "xtremedistil",
        "microsoft/xtremedistil-l6-h384-uncased",
        "XtremeDistil, 6 layers of 384, English; quick on a CPU",
        XTREMEDISTIL,
        aliases=("xtremedistil-l6-h384",),
        parameters=22,
    ),
    _row("kobert", "monologg/kobert", "KoBERT, Korean", KOBERT, language="ko", parameters=92),
    _row(
        "kobert-skt",
        "skt/kobert-base-v1",
        "KoBERT, Korean, its first publisher's copy",
        KOBERT,
        language="ko",
        parameters=92,
    ),
    _row(
        "distilkobert",
        "monologg/distilkobert",
        "DistilKoBERT, Korean, 3 layers; quick",
        replace(FINE_TUNING, lr=5e-5),
        architecture="distilbert",
        language="ko",
        parameters=28,
    ),
    _deberta(
        "deberta",
        "deberta-v3-small",
        DEBERTA_SMALL,
        "DeBERTa v3 small, English",
        aliases=("deberta-v3-small",),
        parameters=141,
    ),
    _deberta("deberta-v3-xsmall", "deberta-v3-xsmall", DEBERTA_SMALL, "DeBERTa v3 extra small, English", parameters=71),
    _deberta("deberta-v3-base", "deberta-v3-base", DEBERTA, "DeBERTa v3 base, English", parameters=184),
    _deberta("deberta-v3-large", "deberta-v3-large", DEBERTA_LARGE, "DeBERTa v3 large, English", parameters=434),
    _deberta(
        "mdeberta",
        "mdeberta-v3-base",
        DEBERTA,
        "DeBERTa v3 base, 100 languages",
        aliases=("mdeberta-v3-base",),
        language="many",
        parameters=279,
    ),
    _row(
        "deberta-base",
        "microsoft/deberta-base",
        "DeBERTa v1 base, English",
        DEBERTA,
        architecture="deberta",
        parameters=139,
    ),
    _row(
        "kf-deberta",
        "kakaobank/kf-deberta-base",
        "DeBERTa v2 base, Korean, also of finance",
        KF_DEBERTA,
        architecture="deberta-v2",
        aliases=("kf-deberta-base",),
        language="ko",
        parameters=185,
    ),
    _longformer(
        "longformer", "longformer-base-4096", LONGFORMER, "Longformer, English, texts of 4,096 tokens", parameters=149
    ),
    _longformer("longformer-large", "longformer-large-4096", LONGFORMER_LARGE, "Longformer large, English", 435),
    _row(
        "roberta",
        "FacebookAI/roberta-base",
        "RoBERTa base, English",
        ROBERTA,
        architecture="roberta",
        parameters=125,
    ),
    _row(
        "electra",
        "google/electra-base-discriminator",
        "ELECTRA base, English",
        replace(BASE, lr=5e-5),
        architecture="electra",
        parameters=109,
    ),
    _row(
        "distilbert",
        "distilbert/distilbert-base-uncased",
        "DistilBERT, English, 6 layers",
        replace(BASE, lr=5e-5),
        architecture="distilbert",
        parameters=66,
    ),
    _modernbert(
        "modernbert",
        "answerdotai/ModernBERT-base",
        "ModernBERT base, English, texts of 8,192 tokens",
        parameters=149,
    ),
    _modernbert(
        "modernbert-large",
        "answerdotai/ModernBERT-large",
        "ModernBERT large, English, texts of 8,192 tokens",
        MODERNBERT_LARGE,
        parameters=395,
    ),
    _ettin(17, MODERNBERT_SMALL),
    _ettin(32, MODERNBERT_SMALL),
    _ettin(68, MODERNBERT),
    _ettin(150, MODERNBERT),
    _modernbert(
        "mmbert-small",
        "jhu-clsp/mmBERT-small",
        "mmBERT small, 1,833 languages, texts of 8,192 tokens",
        language="many",
        parameters=140,
    ),
    _modernbert(
        "mmbert",
        "jhu-clsp/mmBERT-base",
        "mmBERT base, 1,833 languages, texts of 8,192 tokens",
        aliases=("mmbert-base",),
        language="many",
        parameters=307,
    ),
    _modernbert(
        "ax-encoder",
        "skt/A.X-Encoder-base",
        "A.X Encoder base, Korean and English, texts of 16,384 tokens",
        aliases=("a.x-encoder-base",),
        max_length=16_384,
        language="en, ko",
        parameters=149,
    ),
    _modernbert(
        "ultrabert",
        "dmis-lab/UltraBERT-150M",
        "UltraBERT, English, texts of 32,768 tokens",
        architecture="ultrabert",
        aliases=("ultrabert-150m",),
        max_length=32_768,
        parameters=150,
    ),
    _row(
        "eurobert",
        "EuroBERT/EuroBERT-210m",
        "EuroBERT 210M, 15 languages, texts of 8,192 tokens",
        EUROBERT,
        architecture="eurobert",
        aliases=("eurobert-210m",),
        max_length=8192,
        language="many",
        parameters=210,
    ),
    _row(
        "gte-multilingual-base",
        "alibaba-nlp-community/gte-multilingual-base",
        "GTE base, 70 languages, texts of 8,192 tokens; sentence vectors",
        GTE,
        architecture="gte",
        max_length=8192,
        language="many",
        parameters=305,
    ),
    _row("klue-bert", "klue/bert-base", "BERT base, Korean", language="ko", parameters=111),
    _klue_roberta("klue-roberta", "base", ROBERTA, 111),
    _klue_roberta("klue-roberta-small", "small", KLUE_SMALL, 68),
    _klue_roberta("klue-roberta-large", "large", ROBERTA_LARGE, 337),
    _row(
        "koelectra",
        "monologg/koelectra-base-v3-discriminator",
        "ELECTRA base, Korean",
        replace(BASE, lr=5e-5),
        architecture="electra",
        language="ko",
        parameters=113,
    ),
    _row(
        "kcelectra",
        "beomi/KcELECTRA-base",
        "ELECTRA base, Korean, of comments",
        replace(BASE, lr=5e-5),
        architecture="electra",
        language="ko",
        parameters=109,
    ),
)


def reads(spec: ModelSpec, language: str) -> bool:
    """Tell whether a model is for texts of a language, en or ko; one that starts from scratch learns any."""
    return spec.language in ("", "many") or language in spec.language.split(", ")
