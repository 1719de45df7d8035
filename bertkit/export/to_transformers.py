"""A folder that transformers opens with its own classes, and that answers as the run does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.bundle import Bundle, encoder_class_of, published_config
from bertkit.errors import UsageError
from bertkit.export.check import Artefact
from bertkit.export.folders import fill, labels_line, plain_config, usage_texts
from bertkit.export.published import published_head
from bertkit.files import save_tensors
from bertkit.tasks.published import why_not_expressed

if TYPE_CHECKING:
    from torch import Tensor

_PIPELINES = {"classify": "text-classification", "regression": "text-classification", "ner": "token-classification",
              "mlm": "fill-mask"}  # fmt: skip


def refuse(run: Bundle) -> None:
    """Refuse a run that transformers cannot express.

    Raises:
        UsageError: none of its classes answers as the run does; the message says what would.
    """
    reason = why_not_expressed(run.task.settings, encoder_class_of(run.model))
    if reason is not None:
        raise UsageError(f"--to transformers: {reason}.")


def write(folder: Path, run: Bundle) -> None:
    """Write the folder; see `refuse` for what must hold."""
    from bertkit.models.heads import exported_weights

    head = published_head(run, encoder_class_of(run.model))
    weights = {name: w for name, w in exported_weights(run.model).items() if not name.startswith("classifier.")}
    if run.task.settings.task == "mlm":
        weights = exported_weights(run.model)
    config = published_config(run.task.settings, run.model)
    config = {**plain_config(config), **head.config, "architectures": [head.class_name]}
    save_tensors(folder / "model.safetensors", {**weights, **head.weights})
    fill(folder, run, config, {"to": "transformers", "class": head.class_name}, _readme(run, head.class_name))


def opened(folder: Path) -> Artefact:
    """Open the folder with transformers alone."""
    import torch

    model = open_published(folder)

    def artefact(inputs: dict[str, Tensor]) -> Tensor:
        call = inputs
        if type(model).__name__.endswith("ForMultipleChoice"):  # each input is a question with one choice
            call = {name: tensor.unsqueeze(1) for name, tensor in inputs.items()}
        with torch.inference_mode():
            logits: Tensor = model(**call).logits
        return logits

    return artefact


def open_published(folder: Path) -> Any:
    """Open the folder with the class that its config.json names, in evaluation mode."""
    import json

    import torch
    import transformers

    from bertkit.models.opening import quiet

    name = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"][0]
    with quiet("transformers.modeling_utils"):
        model = getattr(transformers, name).from_pretrained(str(folder), trust_remote_code=False, dtype=torch.float32)
    return model.eval()


def _readme(run: Bundle, class_name: str) -> str:
    settings = run.task.settings
    kind = _PIPELINES.get(settings.task, "")
    first, second = usage_texts(run)
    call = f'{{"text": "{first}", "text_pair": "{second}"}}' if second else f'"{first}"'
    use = (
        f'from transformers import pipeline\n\nanswer = pipeline("{kind}", model=FOLDER)\nprint(answer({call}))'
        if kind
        else f"from transformers import {class_name}\n\nmodel = {class_name}.from_pretrained(FOLDER)"
    )
    header = f"---\nlibrary_name: transformers\n{f'pipeline_tag: {kind}' if kind else ''}\n---\n".replace("\n\n", "\n")
    return (
        f"{header}\n# {class_name}, trained with bertkit\n\n{labels_line(run)}\n```python\n{use}\n```\n\n"
        f"Rows longer than {settings.max_length} tokens are cut by bertkit; call the tokenizer with "
        f"`truncation=True, max_length={settings.max_length}` for the same.\n"
    )
