"""What is claimed, by which script it is measured, and what would be enough.

One table of jobs and one of targets; all.py puts them beside what was measured. A target is
a ratio within one process run wherever there is somebody to compare with. The figures hold
for two cores.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_BOUNDS = {"≥": operator.ge, "≤": operator.le}


@dataclass(frozen=True)
class Job:
    """A script with the words it is given, in the short and in the long form; None: not part of that form."""

    name: str
    script: str
    short: tuple[str, ...] | None
    long: tuple[str, ...] | None


@dataclass(frozen=True)
class Target:
    """A claim.

    Attributes:
        key: of the figure that the script prints.
        job: who prints it.
        claim: in words.
        sense: ≥ or ≤; empty where no figure is promised.
        bound: what is promised.
        unit: ×, %, s, MB or nothing.
        judged: which value of the interval is held against the bound.
        remark: why it stops where it does, shown where the target is not met.
    """

    key: str
    job: str
    claim: str
    sense: str = ""
    bound: float = 0.0
    unit: str = "×"
    judged: str = "median"
    remark: str = ""

    @property
    def words(self) -> str:
        """The target as the table shows it."""
        return f"{self.sense} {self.bound:g} {self.unit}".strip() if self.sense else "none"

    def is_met(self, figure: Mapping[str, Any]) -> bool | None:
        """Hold a figure against the target; None where nothing is promised."""
        if not self.sense:
            return None
        return bool(_BOUNDS[self.sense](figure[self.judged], self.bound))


JOBS = (
    Job("predict", "predict.py", ("--budget", "120"), ("--rows", "4076", "--repetitions", "7", "--budget", "3000")),
    Job("train", "train.py", ("--steps", "60"), ("--steps", "200", "--budget", "3000")),
    Job(
        "train-512",
        "train.py",
        ("--tokens", "512", "--batch-size", "8", "--steps", "15", "--rows", "400", "--no-recipe", "--budget", "120"),
        ("--tokens", "512", "--batch-size", "32", "--steps", "30", "--no-recipe", "--budget", "6000"),
    ),
    Job("train-whole", "train.py", None, ("--whole",)),
    Job(
        "scratch", "scratch.py", ("--budget", "100"), ("--size", "base", "--rows", "8", "--compile", "--budget", "3000")
    ),
    Job("embedding", "embedding.py", ("--budget", "40"), ("--repetitions", "200", "--budget", "1200")),
    Job("start", "start.py", (), ("--repetitions", "21", "--budget", "900")),
    Job("textrank", "textrank.py", ("--budget", "90"), ("--documents", "1000", "--budget", "2000")),
    Job("oracle", "oracle.py", ("--budget", "45"), ("--documents", "500", "--budget", "2000")),
    Job("rouge", "rouge.py", ("--budget", "70"), ("--pairs", "20000", "--budget", "2000")),
    Job(
        "long",
        "long_documents.py",
        ("--repetitions", "21", "--budget", "100"),
        ("--repetitions", "41", "--budget", "1500"),
    ),
    Job(
        "attention",
        "attention.py",
        ("--repetitions", "11", "--budget", "80"),
        ("--layers", "12", "--hidden", "256", "--budget", "1500"),
    ),
    Job(
        "sliding",
        "long_documents.py",
        ("--sliding", "4096", "--repetitions", "3", "--budget", "100"),
        ("--sliding", "4096", "8192", "--repetitions", "5", "--budget", "1500"),
    ),
    Job(
        "deberta",
        "deberta.py",
        ("--repetitions", "11", "--budget", "80"),
        ("--layers", "12", "--hidden", "768", "--rows", "16"),
    ),
    Job(
        "large-tables",
        "large_tables.py",
        ("--budget", "100", "--repetitions", "1"),
        ("--rows", "5000000", "--documents", "287000", "--repetitions", "2", "--budget", "9000"),
    ),
    Job("memory", "memory.py", (), ("--rows", "1000000", "--repetitions", "1")),
    Job("dry-run", "dry_run.py", (), ("--rows", "4000")),
    Job("serve", "serve.py", ("--rows", "400", "--budget", "60"), ("--rows", "4000", "--budget", "2000")),
    Job("processes", "processes.py", ("--budget", "60"), ("--rows", "4000", "--repetitions", "5", "--budget", "2000")),
)

_NO_TILES = "without AMX: a processor multiplies bfloat16 twice as fast as float32 at best; see profiles.md"

TARGETS = (
    Target(
        "predict.bfloat16", "predict", "predict, bfloat16 / pipeline at its best batch size", "≥", 7, remark=_NO_TILES
    ),
    Target(
        "predict.float32",
        "predict",
        "predict, float32 / pipeline at its best batch size",
        "≥",
        2.5,
        remark="AVX2: all contenders multiply at the processor's 140 GFLOPS; what is saved is padding and the last "
        "layer's tokens but the first",
    ),
    Target("predict.both_bfloat16", "predict", "predict, bfloat16 / pipeline in bfloat16", "≥", 2, remark=_NO_TILES),
    Target("predict.openvino_bfloat16", "predict", "predict, bfloat16 / OpenVINO bfloat16", "≥", 1.2, remark=_NO_TILES),
    Target("predict.openvino_float32", "predict", "predict, float32 / OpenVINO float32"),
    Target("predict.onnxruntime_float32", "predict", "predict, float32 / ONNX Runtime float32"),
    Target("predict.labels_bfloat16", "predict", "labels, bfloat16 equal to float32", "≥", 99.5, "%"),
    Target("predict.labels_float32", "predict", "labels equal to the pipeline's", "≥", 99.5, "%"),
    Target(
        "train.short.recipe",
        "train",
        "train / Trainer with run_glue's recipe",
        "≥",
        9,
        remark="in float32 on AVX2 what is saved is padding, dropout and the optimizer, not arithmetic; see tuned",
    ),
    Target("train.short.tuned", "train", "train / tuned Trainer", "≥", 2.5, remark=_NO_TILES),
    Target(
        "train.512.tuned",
        "train-512",
        "train at 512 tokens a row / tuned Trainer",
        "≥",
        3.5,
        remark="in float32 on AVX2 the matrix products bound it; the target was set for bfloat16 units",
    ),
    Target("train.whole.recipe", "train-whole", "whole training, time of run_glue's recipe / bertkit's", "≥", 5),
    Target("train.whole.tuned", "train-whole", "whole training, time of tuned Trainer / bertkit's", "≥", 1.5),
    Target("train.whole.f1_recipe", "train-whole", "validation F1 minus run_glue's recipe, 95 %", "≥", 0, "", "high"),
    Target("train.whole.f1_tuned", "train-whole", "validation F1 minus tuned Trainer, 95 %", "≥", 0, "", "high"),
    Target("embedding.30522", "embedding", "training step, gradient of 30,522 words kept / torch's"),
    Target("embedding.128000", "embedding", "training step, gradient of 128,000 words kept / torch's"),
    Target("scratch.forward.64", "scratch", "scratch BERT forward / transformers, 64 tokens", "≥", 1),
    Target("scratch.backward.64", "scratch", "scratch BERT forward and backward / transformers, 64 tokens", "≥", 1),
    Target("scratch.forward.512", "scratch", "scratch BERT forward / transformers, 512 tokens", "≥", 1),
    Target(
        "scratch.backward.512",
        "scratch",
        "scratch BERT forward and backward / transformers, 512 tokens",
        "≥",
        1,
        remark="the interval covers 1",
    ),
    Target("scratch.compiled.forward.64", "scratch", "scratch BERT compiled / not, forward, 64 tokens"),
    Target("scratch.compiled.backward.64", "scratch", "scratch BERT compiled / not, backward, 64 tokens"),
    Target("scratch.compiled.forward.512", "scratch", "scratch BERT compiled / not, forward, 512 tokens"),
    Target("scratch.compiled.backward.512", "scratch", "scratch BERT compiled / not, backward, 512 tokens"),
    Target(
        "start.help_seconds",
        "start",
        "bertkit --help",
        "≤",
        0.25,
        "s",
        remark="typer and rich are two thirds of it; 0.27 s at best here",
    ),
    Target(
        "start.help",
        "start",
        "transformers --help / bertkit --help, time",
        "≥",
        10,
        remark="typer and rich are two thirds of it",
    ),
    Target(
        "start.tokenize_seconds",
        "start",
        "bertkit tokenize, one line",
        "≤",
        0.7,
        "s",
        remark="typer's pydantic is a fifth of it; 0.61 s in another run",
    ),
    Target("start.predict", "start", "first prediction / importing torch and BertModel, time", "≤", 0.6),
    Target("start.predict_onnx", "start", "the same with --engine onnx, time", "≤", 0.25),
    Target("textrank.articles.sumy", "textrank", "TextRank / sumy, news articles", "≥", 15),
    Target("textrank.articles.summa", "textrank", "TextRank / summa, news articles", "≥", 10),
    Target("textrank.articles.summa_from_text", "textrank", "TextRank with its splitting / summa, news articles"),
    Target(
        "textrank.long.sumy",
        "textrank",
        "TextRank / sumy, 400 sentences",
        "≥",
        50,
        remark="one document a turn; between 38 and 54 in three runs",
    ),
    Target("textrank.long.summa", "textrank", "TextRank / summa, 400 sentences", "≥", 50),
    Target("oracle.rouge_score", "oracle", "oracle labels / rouge-score at each step", "≥", 10),
    Target("oracle.equal", "oracle", "documents with the same oracle labels", "≥", 99.5, "%"),
    Target("rouge.cores", "rouge", "ROUGE of many summaries: cores at work", "≥", 1.5, ""),
    Target("rouge.speed", "rouge", "ROUGE of many summaries / rouge-score"),
    *(
        Target(f"attention.{kind}.{what}", "attention", f"scratch {kind}, {what} per token, 1,000 to 16,000", "≤", 1.15)
        for kind in ("window", "dilated", "global")
        for what in ("time", "memory")
    ),
    Target("attention.dilated", "attention", "scratch dilated / window, time", "≤", 1.5),
    Target(
        "long.longformer",
        "long",
        "Longformer, time per token, 16,000 against 1,000 tokens",
        "≤",
        1.15,
        remark="noise of this machine: between 1.07 and 1.23 in five runs; 1.2 at a width of 768, by page faults",
    ),
    Target("long.windows", "long", "windows, time per token, 16,000 against 1,000 tokens", "≤", 1.15),
    *(
        Target(
            f"sliding.{part}.{tokens}", "sliding", f"ModernBERT's {part}, blocks / sdpa, {tokens:,} tokens", "≥", bound
        )
        for part, tokens, bound in (
            ("layers", 4096, 1.7),
            ("layers", 8192, 2.8),
            ("encoder", 4096, 1.35),
            ("encoder", 8192, 1.8),
        )
    ),
    *(
        Target(
            f"sliding.memory.{part}.{tokens}",
            "sliding",
            f"ModernBERT's {part}, memory beyond the weights, blocks / sdpa, {tokens:,} tokens",
            "≤",
            0.5,
        )
        for tokens in (4096, 8192)
        for part in ("layers", "encoder")
    ),
    Target("deberta.transformers.64", "deberta", "DeBERTa / transformers' class, 64 tokens", "≥", 1),
    Target(
        "deberta.transformers.256",
        "deberta",
        "DeBERTa / transformers' class, 256 tokens",
        "≥",
        1,
        remark="the interval covers 1",
    ),
    Target("deberta.bert.64", "deberta", "time of DeBERTa / BERT of its size, 64 tokens"),
    Target("deberta.bert.256", "deberta", "time of DeBERTa / BERT of its size, 256 tokens"),
    Target("deberta.labels.64", "deberta", "DeBERTa's labels equal to transformers', 64 tokens", "≥", 99.5, "%"),
    Target("deberta.labels.256", "deberta", "DeBERTa's labels equal to transformers', 256 tokens", "≥", 99.5, "%"),
    Target("large.train", "large-tables", "memory of train, many rows / 100,000", "≤", 1.25),
    Target("large.eval", "large-tables", "memory of eval, many rows / 100,000", "≤", 1.25),
    Target("large.inspect-data", "large-tables", "memory of inspect-data, many rows / 100,000", "≤", 1.25),
    Target("large.train_peers", "large-tables", "memory of train / datasets with Trainer, many rows", "≤", 0.9),
    Target("large.ready", "large-tables", "many rows read, checked, encoded: time of datasets / bertkit", "≥", 1.5),
    Target("large.ready_processes", "large-tables", "the same, datasets in a process for each core", "≥", 1.5),
    Target("large.documents", "large-tables", "memory of 287,000 long documents until the first step", "≤", 4000, "MB"),
    Target("memory.predict", "memory", "memory of predict, many rows over few", "≤", 60, "MB"),
    Target("memory.dry_run", "dry-run", "memory of a training, --dry-run against measured", "≤", 25, "%", "high"),
    Target("serve.clients_1", "serve", "requests of 100 rows, one client / predict", "≥", 0.9),
    Target("serve.clients_8", "serve", "requests of 100 rows, eight clients / predict", "≥", 0.9),
    Target("serve.labels_8", "serve", "labels equal to predict's", "≥", 99.5, "%"),
    Target("processes.train", "processes", "two processes of a thread / one of two threads, training"),
    Target("processes.metrics", "processes", "the same, difference of the final metrics", "≤", 0.01, ""),
)
