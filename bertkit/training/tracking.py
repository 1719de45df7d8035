"""TensorBoard events of a run."""

from __future__ import annotations

import importlib.util
import io
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import TOKEN_BUDGET, token_budget_batches
from bertkit.compute.device import Placement, autocast
from bertkit.data.records import Example, LabelSet
from bertkit.errors import UsageError
from bertkit.evaluation.run import Scored
from bertkit.files import machine_error
from bertkit.models.finding import quiet
from bertkit.reporting.figures import draw_figures
from bertkit.reporting.page import drawing
from bertkit.tasks.base import EncodedRow
from bertkit.training.loop import StepFacts

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.tensorboard import SummaryWriter

    from bertkit.compute.batching import Batch
    from bertkit.models.heads import TaskModel

# Values of a weight tensor that its histogram is made of.
HISTOGRAM_VALUES = 100_000
FEWEST_POINTS = 40
# Pixels of a head's picture, and tokens of the longest row that is drawn.
HEAD_PIXELS, LONGEST_DRAWN = 160, 64
# Of more rows so many are looked at for three to draw.
_LOOKED_AT = 10_000


@contextmanager
def expendable(warn: Callable[[str], None]) -> Iterator[None]:
    """Write events in the body; where the machine refuses, that is said, and the body ends without an error.

    Events are for looking at. On a full disk it is the checkpoints that must not be lost, and
    those say so themselves.
    """
    try:
        yield
    except OSError as error:
        warn(
            f"warning: TensorBoard's events cannot be written ({machine_error(error) or error}); no more are "
            f"written for this run"
        )


@contextmanager
def silent_writers() -> Iterator[None]:
    """Let TensorBoard's threads print no traceback where they fail; whoever writes next is told."""
    usual = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not type(failed.thread).__module__.startswith("tensorboard."):
            usual(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual


class Tracker:
    """Writes loss, learning rate, gradient norm, speed, validation metrics and weights as events.

    Args:
        folder: where the event file goes; None writes nothing.
        every: steps between two points of the training curves; fewer where a curve of a short
            training would have under `FEWEST_POINTS`.
        purge_step: first step of a resumed run; older points from there on are hidden.
        warn: told, once, that no more can be written; training goes on.
    """

    def __init__(
        self, folder: Path | None, *, every: int, purge_step: int = 1, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        self.every, self.warn = every, warn
        self.writer: SummaryWriter | None = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            with self._writing():
                self.writer = SummaryWriter(str(folder), purge_step=purge_step)

    def __call__(self, facts: StepFacts) -> None:
        """Write what happened in a step."""
        if self.writer is not None:
            with self._writing():
                self._write(self.writer, facts)

    def _write(self, writer: SummaryWriter, facts: StepFacts) -> None:
        every = min(self.every, max(1, facts.total_steps // FEWEST_POINTS))
        if facts.step % every == 0 or facts.step == 1:
            speed = facts.tokens / facts.seconds
            curves = {
                "loss": facts.loss,
                "lr": facts.lr,
                "grad_norm": facts.grad_norm,
                "tokens_per_second": speed,
            }
            if facts.objective is not None:
                curves["objective"] = facts.objective
            for name, value in curves.items():
                writer.add_scalar(f"train/{name}", value, facts.step)
        if facts.scores is not None:
            for name, value in facts.scores.metrics.items():
                writer.add_scalar(f"validation/{name}", value, facts.step)

    def graph(self, model: nn.Module, batch: Batch, name: str) -> None:
        """Write the model's graph, traced on a batch, in a box of a name; a model that cannot be traced has none."""
        if self.writer is None:
            return
        named = {name: tensor for name, tensor in batch.inputs.items() if tensor is not None}
        was_training = model.training
        called = _called_by_name(model, tuple(named), name)
        # The tracer prints where it fails, warns of whatever depends on the shape of this batch, and
        # reads every property of a model, one of which logs. Whatever it dies of, training goes on.
        failures = suppress(Exception)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), quiet("transformers.modeling_utils"), failures:
            warnings.simplefilter("ignore")
            _add_graph(self.writer, called, tuple(named.values()))
        model.train(was_training)

    def attention(self, model: TaskModel, rows: Sequence[EncodedRow], step: int) -> None:
        """Write what each head looks at in some rows, a picture a row; a model that shows no attention has none."""
        import torch

        from bertkit.models.attention_weights import attention_of

        if self.writer is None:
            return
        mode, device, pictures = model.training, next(model.parameters()).device, []
        model.eval()
        with suppress(Exception):  # whatever it dies of, training goes on
            for row in rows:
                part = row.parts[0]
                ids, types = (torch.tensor([list(values)], device=device) for values in (part.ids, part.type_ids))
                layers = attention_of(model.encoder, ids, types, "")
                pictures.append(_heads_picture([layer.weights.float().cpu().numpy() for layer in layers]))
        model.train(mode)
        with self._writing():
            for number, picture in enumerate(pictures, start=1):
                self.writer.add_image(f"attention/row_{number}", picture, step, dataformats="HWC")

    def weights(self, model: nn.Module, step: int) -> None:
        """Write a histogram of each weight tensor, large ones sampled evenly."""
        if self.writer is None:
            return
        with self._writing():
            for name, weight in model.named_parameters():
                values = weight.detach().float().flatten()
                values = values[:: max(1, len(values) // HISTOGRAM_VALUES)]
                self.writer.add_histogram(f"weights/{name.replace('.', '/')}", values.cpu().numpy(), step)

    def close(self) -> None:
        """Write what is left and close the file."""
        if self.writer is not None:
            with self._writing():
                self.writer.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        finished = False
        with expendable(self.warn):
            yield
            finished = True
        if not finished:
            self.writer = None


def _called_by_name(model: nn.Module, names: tuple[str, ...], name: str) -> nn.Module:
    """Wrap a model so that it takes its inputs by place, as the tracer hands them over, and is called by a name."""
    from torch import nn

    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Tensor) -> Tensor:
            inputs = {"attention_mask": None, **dict(zip(names, tensors, strict=True))}
            found = self.model(**inputs)
            answer: Tensor = found[0] if isinstance(found, tuple) else found
            return answer

    called: nn.Module = type(name, (Called,), {})()
    return called


def _heads_picture(layers: Sequence[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Draw the weights (N, L, L) of each layer, a line of heads for each, the lowest first, (height, width, 3)."""
    size = max(1, HEAD_PIXELS // layers[0].shape[-1])
    lines = []
    for heads in layers:
        cells = np.sqrt(heads.clip(0, 1)).repeat(size, axis=1).repeat(size, axis=2)
        framed = np.pad(cells, ((0, 0), (1, 1), (1, 1)), constant_values=1.0)
        lines.append(np.concatenate(list(framed), axis=1))
    shares = np.concatenate(lines)[..., None]
    paper, ink = np.array([255, 255, 255]), np.array([43, 108, 163])
    return np.asarray(paper + (ink - paper) * shares).astype(np.uint8)


def chosen_rows(rows: Sequence[EncodedRow]) -> list[EncodedRow]:
    """Choose three rows to look at, evenly spaced over those that are short enough to be drawn."""
    some = rows[:: -(-len(rows) // _LOOKED_AT) or 1]
    short = [row for row in some if len(row.parts[0].ids) <= LONGEST_DRAWN]
    return [short[i * (len(short) - 1) // 2] for i in range(3)] if len(short) >= 3 else short


def _add_graph(writer: SummaryWriter, called: nn.Module, tensors: tuple[Tensor, ...]) -> None:
    """Trace and write; the tracer traces twice, and refuses a model whose graph is another the second time."""
    import torch

    with torch.no_grad():  # as the second time: some kernels are for training alone
        called(*tensors)  # what a model keeps from its first call on is not a step of its graph
        writer.add_graph(called, tensors, use_strict_trace=False)


def wants_tensorboard(asked: bool | None) -> bool:
    """Decide whether events are written: as asked, else where the package is installed.

    Raises:
        UsageError: asked for, and not installed.
    """
    installed = importlib.util.find_spec("tensorboard") is not None
    if asked and not installed:
        raise UsageError("--tensorboard: the package tensorboard is not installed; `pip install tensorboard`.")
    return installed if asked is None else asked


# --------------------------------------------------------------------------------------------------
# What TensorBoard shows of a finished training: vectors of rows and words, figures, wrong rows, hyperparameters.

# Points that the projector still draws quickly, and rows that a person still reads.
MOST_VECTORS, MOST_MISTAKES = 1_000, 100
_SHOWN_CHARACTERS = 160
# What the projector says of a row; tasks whose answers are right or wrong.
TOLD = ("text", "label", "prediction", "right")
LABELLED = ("classify", "choice", "multilabel")
# Options that say where something lies, which is nobody's hyperparameter.
_PLACES = ("data_dir", "tokenizer", "columns")


def write_gallery(
    folder: Path,
    scored: Scored,
    rows: Sequence[EncodedRow],
    placement: Placement,
    step: int,
    warn: Callable[[str], None],
) -> None:
    """Write vectors, figures and wrong rows of the validation split as events, as far as they can be written.

    Args:
        folder: where the run's events are.
        scored: the best weights' answers.
        rows: the validation rows, encoded.
        placement: device and precision.
        step: of the best weights.
        warn: told that they cannot be written.
    """
    from torch.utils.tensorboard import SummaryWriter

    with silent_writers(), expendable(warn), closing(SummaryWriter(str(folder), filename_suffix=".gallery")) as writer:
        for kind, table in mistake_tables(scored):
            writer.add_text(f"mistakes/{kind}", table, step)
        with drawing():
            for picture in draw_figures(scored):
                writer.add_figure(f"validation/{picture.name}", picture.figure, step)
        chosen = range(min(MOST_VECTORS, len(rows)))
        vectors = sentence_vectors(scored, [rows[i] for i in chosen], placement)
        told = list(told_of_rows(scored, chosen))
        writer.add_embedding(vectors, told, tag="validation", global_step=step, metadata_header=list(TOLD))
        words, vectors = word_vectors(scored, rows)
        writer.add_embedding(vectors, words, tag="words", global_step=step)
        write_hyperparameters(writer, scored, step)


def told_of_rows(scored: Scored, rows: Sequence[int]) -> Iterator[list[str]]:
    """Yield what the projector says of each row: `TOLD`; empty where a task has no such thing."""
    task, wrong = scored.run.task, frozenset[int]()
    if task.settings.task in LABELLED:
        wrong = frozenset(row for row, _ in task.mistakes(scored.examples, scored.outputs))
    for i in rows:
        example = scored.examples[i]
        verdict = ("wrong" if i in wrong else "right") if task.settings.task in LABELLED else ""
        yield [_short(" / ".join(example.texts)), _gold(example), _predicted(scored, i), verdict]


def _gold(example: Example) -> str:
    if isinstance(example, LabelSet):
        return ", ".join(example.labels or ())
    return _answer(example)


def _predicted(scored: Scored, row: int) -> str:
    """Return what the run answers a row, where that is a label or a number."""
    task = scored.run.task
    if task.settings.task not in (*LABELLED, "regression"):
        return ""
    found = task.record(scored.examples[row], scored.outputs[row], 0)
    answer = found.get("labels", found.get("label", found.get("score", "")))
    return _short(", ".join(answer) if isinstance(answer, list) else str(answer))


def word_vectors(scored: Scored, rows: Sequence[EncodedRow]) -> tuple[list[str], Tensor]:
    """Return the tokens that the rows have most often, and their embeddings, (N, E)."""
    tokenizer = scored.run.tokenizer
    counts = Counter(int(i) for row in rows for part in row.parts for i in part.ids)
    ids = [i for i, _ in counts.most_common() if i not in tokenizer.special_ids][:MOST_VECTORS]
    words = [_short(str(tokenizer.backend.id_to_token(i))) or "?" for i in ids]
    return words, scored.run.model.encoder.embeddings_weight.detach().float().cpu()[ids]


def write_hyperparameters(writer: SummaryWriter, scored: Scored, step: int) -> None:
    """Write the options of the run beside its final metrics, for the tab HPARAMS."""
    from torch.utils.tensorboard.summary import hparams

    config = {**scored.run.manifest.config, "model": scored.run.manifest.model}
    kept = {name: value for name, value in config.items() if isinstance(value, bool | int | float | str)}
    options = {name: value for name, value in kept.items() if name not in _PLACES}
    metrics = {f"final/{name}": value for name, value in scored.evaluation.metrics.items()}
    file: Any = writer.file_writer
    for summary in hparams(options, metrics):  # type: ignore[no-untyped-call]
        file.add_summary(summary)
    for name, value in metrics.items():
        writer.add_scalar(name, value, step)


def sentence_vectors(scored: Scored, rows: Sequence[EncodedRow], placement: Placement) -> Tensor:
    """Average the encoder's last hidden states over the tokens of each row's first part, (N, H)."""
    import torch

    task, encoder = scored.run.task, scored.run.model.eval().encoder
    parts = [row.parts[0] for row in rows]
    vectors = torch.zeros(len(parts), encoder.hidden_size)
    with torch.inference_mode(), autocast(placement):
        for chosen in token_budget_batches([len(part.ids) for part in parts], budget=TOKEN_BUDGET):
            batch = task.batch([parts[i] for i in chosen]).to(placement.device)
            hidden = encoder(batch.input_ids, batch.attention_mask, batch.token_type_ids, batch.global_mask)
            text = torch.ones_like(batch.input_ids) if batch.attention_mask is None else batch.attention_mask
            weights = text.unsqueeze(-1).float()  # (B, L, 1)
            vectors[chosen] = ((hidden.float() * weights).sum(dim=1) / weights.sum(dim=1)).cpu()
    return vectors


def mistake_tables(scored: Scored) -> Iterator[tuple[str, str]]:
    """Make Markdown tables of wrong rows: false positives and false negatives where a label is positive.

    Yields:
        (kind, table), the surest mistakes first.
    """
    positive = scored.run.task.settings.positive
    groups: dict[str, list[str]] = {}
    for row, figures in scored.run.task.mistakes(scored.examples, scored.outputs):
        example = scored.examples[row]
        kind = "all"
        if positive is not None:
            kind = "false_positives" if figures.get("predicted") == positive else "false_negatives"
        group = groups.setdefault(kind, [_head(scored, figures)])
        if len(group) <= MOST_MISTAKES:
            cells = [*example.texts, _answer(example), *(str(value) for value in figures.values())]
            group.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return ((kind, "\n".join(lines)) for kind, lines in groups.items())


def _head(scored: Scored, figures: dict[str, object]) -> str:
    names = [*scored.run.task.settings.columns.inputs, "label", *figures]
    return f"| {' | '.join(_cell(name) for name in names)} |\n|{'---|' * len(names)}"


def _answer(example: Example) -> str:
    return "" if example.answer is None else str(example.answer)


def _cell(text: str) -> str:
    return _short(text).replace("|", "\\|")


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN_CHARACTERS else f"{flat[:_SHOWN_CHARACTERS]}…"
