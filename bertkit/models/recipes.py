"""Training figures that suit a model where its user names none, with where they are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


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
        "ner": {"lr": 2e-4, "head_lr": 1e-3, "epochs": 6},
        "classify": {"head_lr": 1e-3, "blend": True, "epochs": 2},
    },
    by_pair_task={
        "regression": {"pooling": "siamese", "epochs": 2, "blend": True},
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
# For encoders that are no row of the table: by the model_type of their config.json.
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
