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
    Job(
        "predict",
        "predict.py",
        ("--rows", "768", "--repetitions", "3", "--budget", "110"),
        ("--rows", "4076", "--float32-engines", "--repetitions", "7", "--budget", "6000"),
    ),
    Job(
        "end-to-end",
        "end_to_end.py",
        ("--rows", "2000", "--repetitions", "2", "--budget", "60"),
        ("--rows", "20000", "--repetitions", "5", "--budget", "1500"),
    ),
    Job(
        "int8",
        "int8.py",
        ("--rows", "300", "--repetitions", "2", "--budget", "40"),
        ("--rows", "4076", "--repetitions", "5", "--budget", "2000"),
    ),
    Job(
        "train",
        "train.py",
        ("--steps", "20", "--repetitions", "2", "--budget", "100"),
        ("--steps", "200", "--budget", "3000"),
    ),
    Job(
        "train-512",
        "train.py",
        (
            *("--tokens", "512", "--batch-size", "8", "--steps", "8", "--rows", "400", "--no-recipe"),
            *("--repetitions", "2", "--budget", "60"),
        ),
        ("--tokens", "512", "--batch-size", "32", "--steps", "30", "--no-recipe", "--budget", "6000"),
    ),
    Job("train-whole", "train.py", None, ("--whole",)),
    Job(
        "resident",
        "resident.py",
        ("--rows", "1200", "--predicted", "512"),
        ("--predicted", "4076", "--repetitions", "3", "--budget", "3000"),
    ),
    Job(
        "scratch",
        "scratch.py",
        ("--budget", "25"),
        ("--size", "base", "--rows", "8", "--compile", "--budget", "3000"),
    ),
    Job("embedding", "embedding.py", ("--budget", "10"), ("--repetitions", "200", "--budget", "1200")),
    Job("start", "start.py", ("--repetitions", "5"), ("--repetitions", "21", "--budget", "900")),
    Job("piped", "piped.py", ("--repetitions", "12"), ("--repetitions", "60")),
    Job(
        "short-pairs",
        "short_pairs.py",
        ("--repetitions", "2", "--budget", "60"),
        ("--rows", "600000", "--repetitions", "3"),
    ),
    Job("textrank", "textrank.py", ("--budget", "25"), ("--documents", "1000", "--budget", "2000")),
    Job("oracle", "oracle.py", ("--budget", "10"), ("--documents", "500", "--budget", "2000")),
    Job("rouge", "rouge.py", ("--budget", "20"), ("--pairs", "20000", "--budget", "2000")),
    Job(
        "long",
        "long_documents.py",
        ("--repetitions", "9", "--budget", "30"),
        ("--repetitions", "41", "--budget", "1500"),
    ),
    Job(
        "attention",
        "attention.py",
        ("--repetitions", "7", "--budget", "25"),
        ("--layers", "12", "--hidden", "256", "--budget", "1500"),
    ),
    Job(
        "sliding",
        "long_documents.py",
        ("--sliding", "4096", "--repetitions", "2", "--budget", "25"),
        ("--sliding", "4096", "8192", "--repetitions", "5", "--budget", "1500"),
    ),
    Job(
        "deberta",
        "deberta.py",
        ("--repetitions", "7", "--budget", "25"),
        ("--layers", "12", "--hidden", "768", "--rows", "16"),
    ),
    Job(
        "large-tables",
        "large_tables.py",
        ("--budget", "30", "--repetitions", "1"),
        ("--rows", "5000000", "--documents", "287000", "--repetitions", "2", "--budget", "9000"),
    ),
    Job("memory", "memory.py", ("--repetitions", "1", "--budget", "40"), ("--rows", "1000000", "--repetitions", "1")),
    Job("dry-run", "dry_run.py", ("--sizes", "tiny", "mini"), ("--rows", "4000")),
    Job("serve", "serve.py", ("--rows", "400", "--budget", "20"), ("--rows", "4000", "--budget", "2000")),
    Job("processes", "processes.py", ("--budget", "20"), ("--rows", "4000", "--repetitions", "5", "--budget", "2000")),
)

_NO_TILES = "without AMX: a processor multiplies bfloat16 twice as fast as float32 at best; see profiles.md"
_FUSED = "OpenVINO fuses what lies between the matrix products, and auto takes it here; see profiles.md"
_IN_FLOAT32 = (
    "in float32 what is saved is padding and the last layer's tokens but the first, not products; see profiles.md"
)
_ALL_TOKENS = "the last layer is computed for all tokens and each word is aligned, beside what the line above says"
_PLAIN, _DEFAULT = "predict, plain head", "predict, MiniLM's default run"

TARGETS = (
    *(
        target
        for part, name, products, fused in (
            ("", _PLAIN, _NO_TILES, _FUSED),
            ("default.", _DEFAULT, _ALL_TOKENS, _ALL_TOKENS),
        )
        for target in (
            Target(
                f"predict.{part}bfloat16",
                "predict",
                f"{name}, bfloat16 / pipeline in float32 at its best batch size",
                "≥",
                7,
                remark=products,
            ),
            Target(
                f"predict.{part}both_bfloat16",
                "predict",
                f"{name}, bfloat16 / pipeline in bfloat16, rows sorted for it",
                "≥",
                2,
                remark=products,
            ),
            Target(
                f"predict.{part}openvino_bfloat16",
                "predict",
                f"{name}, bfloat16, torch / OpenVINO bfloat16 on bertkit's batches",
                "≥",
                1.2,
                remark=fused,
            ),
            Target(
                f"predict.{part}labels_bfloat16",
                "predict",
                f"{name}, labels, bfloat16 equal to float32",
                "≥",
                99.5,
                "%",
            ),
        )
    ),
    Target(
        "predict.float32",
        "predict",
        f"{_PLAIN}, float32 / pipeline at its best batch size",
        "≥",
        2.5,
        remark=_IN_FLOAT32,
    ),
    Target("predict.default.float32", "predict", f"{_DEFAULT}, float32 / pipeline at its best batch size"),
    Target("predict.labels_float32", "predict", "labels equal to the pipeline's", "≥", 99.5, "%"),
    Target("predict.padding", "predict", "padding of the tokens of 10,000 rows", "≤", 3, "%"),
    Target(
        "end_to_end.auto",
        "end-to-end",
        "predict, whole command, the engine of auto / plain script with OpenVINO, sorted",
        "≥",
        1.3,
        remark="both compute by OpenVINO: a row takes as long in bfloat16, the start a second more; see profiles.md",
    ),
    Target("end_to_end.labels", "end-to-end", "the same, labels equal", "≥", 99.5, "%"),
    *(
        Target(
            f"int8.{precision}.{engine}",
            "int8",
            f"predict, int8 by {name} / bertkit {precision}",
            "≥",
            bound,
            remark=why,
        )
        for precision, bound in (("bfloat16", 1.5), ("float32", 2.0))
        for engine, name, why in (
            ("onnx", "ONNX Runtime", "only products of weights have 8 bits; see profiles.md"),
            ("openvino", "OpenVINO", "it does not run dynamic quantisation in 8 bits; take ONNX Runtime"),
        )
    ),
    *(
        Target(
            f"int8.labels.{engine}",
            "int8",
            f"labels, int8 by {name} equal to float32",
            "≥",
            99,
            "%",
            remark="a head fitted to frozen vectors is unsure of many rows; docs/engines.md has a trained run's",
        )
        for engine, name in (("onnx", "ONNX Runtime"), ("openvino", "OpenVINO"))
    ),
    Target("predict.openvino_float32", "predict", "predict, float32 / OpenVINO float32"),
    Target("predict.onnxruntime_float32", "predict", "predict, float32 / ONNX Runtime float32"),
    Target(
        "train.short.recipe",
        "train",
        "train / Trainer with run_glue's recipe",
        "≥",
        9,
        remark="what is saved is padding, dropout and the optimizer; without AMX bfloat16 halves the products at best",
    ),
    Target("train.short.tuned", "train", "train / tuned Trainer", "≥", 2.5, remark=_NO_TILES),
    Target(
        "train.512.tuned",
        "train-512",
        "train at 512 tokens a row / tuned Trainer",
        "≥",
        3.5,
        remark="the matrix products bound it; the target was set for AMX",
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
    Target(
        "start.help_empty",
        "start",
        "bertkit --help / an empty app of Typer's with as many commands, time",
        "≤",
        1.25,
        remark="a source tree without bytecode is compiled at every start; see profiles.md",
    ),
    Target("start.predict", "start", "first prediction / importing torch and BertModel, time", "≤", 0.6),
    Target(
        "start.predict_onnx",
        "start",
        "the same with --engine onnx, time",
        "≤",
        0.25,
        remark="0.22 in processor time with bytecode; ONNX Runtime, numpy and tokenizers are imported; see profiles.md",
    ),
    *(
        Target(
            f"piped.{key}",
            "piped",
            f"one piped row a second, MiniLM, {name}: until it is answered",
            "≤",
            30,
            "ms",
            remark="two milliseconds are waited for a second row, the rest is the model's; see profiles.md",
        )
        for key, name in (("plain", "plain head"), ("default", "default run"))
    ),
    Target(
        "short_pairs.before",
        "short-pairs",
        "60,000 short pairs, 200,000 weights, whole command / the build at cdea103",
        "≥",
        2,
        remark="what is left is the model's products, more than half, and the start; see profiles.md",
    ),
    Target("short_pairs.cpu", "short-pairs", "the same in processor time, cdea103 / bertkit"),
    Target("short_pairs.labels", "short-pairs", "the same, labels equal", "≥", 99.5, "%"),
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
    Target(
        "resident.train",
        "resident",
        "memory of training MiniLM on MRPC / tuned Trainer",
        "≤",
        0.6,
        remark="imports, weights, gradients and moments are 0.8 GB on both sides; see profiles.md",
    ),
    Target(
        "resident.train_mb",
        "resident",
        "memory of training MiniLM on MRPC",
        "≤",
        1500,
        "MB",
        remark="in float32; 1,343 MB in bfloat16, in the table of AVX512-BF16",
    ),
    Target(
        "resident.predict",
        "resident",
        "memory of predict, MiniLM / pipeline",
        "≤",
        0.7,
        remark="torch's own code and imports are half of it; see profiles.md",
    ),
    Target("memory.dry_run", "dry-run", "memory of a training, --dry-run against measured", "≤", 25, "%", "high"),
    Target(
        "serve.clients_1",
        "serve",
        "requests of 100 rows, one client / predict",
        "≥",
        0.9,
        remark="nothing is computed between the requests of a client that is alone",
    ),
    Target(
        "serve.clients_8",
        "serve",
        "requests of 100 rows, eight clients / predict",
        "≥",
        0.9,
        remark="requests are written and read by the same two cores that compute",
    ),
    Target("serve.labels_8", "serve", "labels equal to predict's", "≥", 99.5, "%"),
    Target("processes.train", "processes", "two processes of a thread / one of two threads, training"),
    Target(
        "processes.metrics",
        "processes",
        "the same, difference of the final metrics",
        "≤",
        0.01,
        "",
        remark="in bfloat16 sums of half a batch are rounded otherwise; in float32 7e-8, in the table of AVX2",
    ),
)
