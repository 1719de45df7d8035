"""TensorBoard's events, read back: every tag is there, with values that make sense."""

from __future__ import annotations

import json
import math
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.jit import TracingCheckError
from torch.utils.tensorboard import SummaryWriter

from bertkit.cli import train as training_view
from bertkit.models.disentangled_attention import _rows_of_distances
from bertkit.training.run import train
from tests.conftest import pair_rows, write_tsv
from tests.training.test_run import small

EPOCHS = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with events, of pairs with noisy labels, so that there are mistakes to show."""
    folder = tmp_path_factory.mktemp("tracked")
    turned = {"0": "1", "1": "0"}
    rows = [(a, b, label if i % 5 else turned[label]) for i, (a, b, label) in enumerate(pair_rows(200))]
    data = write_tsv(folder / "pairs.tsv", rows, ("sentence1", "sentence2", "label"))
    train(small(data, folder / "run", tensorboard=True, log_every=5, epochs=EPOCHS, lr=3e-3))
    return folder / "run"


@pytest.fixture(scope="module")
def events(run: Path) -> EventAccumulator:
    """All events of the run."""
    found = EventAccumulator(
        str(run / "events"), size_guidance={"images": 0, "tensors": 0, "scalars": 0, "histograms": 0}
    )
    found.Reload()
    return found


def values(events: EventAccumulator, tag: str) -> list[float]:
    return [point.value for point in events.Scalars(tag)]


def test_the_training_curves_are_there(events: EventAccumulator) -> None:
    losses, rates = values(events, "train/loss"), values(events, "train/lr")
    assert len(losses) == len(rates) >= 2
    assert all(0 < loss < 5 for loss in losses)
    assert len(losses) == 12, "each step of a short training, whatever --log-every says"
    assert max(rates) <= 3e-3 * (1 + 1e-6)  # events are float32
    assert rates[-1] < max(rates)
    assert all(0 < norm < math.inf for norm in values(events, "train/grad_norm"))
    assert all(speed > 1 for speed in values(events, "train/tokens_per_second"))


@pytest.mark.parametrize("metric", ["accuracy", "f1", "macro_f1", "mcc", "precision", "recall", "loss"])
def test_every_metric_of_validation_is_there_once_an_epoch(events: EventAccumulator, metric: str) -> None:
    found = values(events, f"validation/{metric}")
    assert len(found) == EPOCHS
    assert all(-1 <= value <= 5 for value in found)


def test_every_weight_has_a_histogram_each_epoch(events: EventAccumulator) -> None:
    tags = events.Tags()["histograms"]
    assert "weights/classifier/weight" in tags
    assert sum("attention" in tag for tag in tags) >= 8
    histogram = events.Histograms("weights/classifier/weight")
    assert len(histogram) == EPOCHS
    assert histogram[0].histogram_value.num == 2 * 32


def test_the_graph_names_the_layers(events: EventAccumulator) -> None:
    names = " ".join(node.name for node in events.Graph().node)
    assert "classifier" in names
    assert {node.name.split("/")[0] for node in events.Graph().node} >= {"BertForSequenceClassification"}
    assert "attention" in names


def test_what_a_model_keeps_from_its_first_call_does_not_stop_the_graph(tmp_path: Path) -> None:
    """DeBERTa keeps the rows of its table for each length: traced cold, two traces of it differ."""
    data = write_tsv(tmp_path / "pairs.tsv", pair_rows(20), ("sentence1", "sentence2", "label"))
    _rows_of_distances.cache_clear()
    train(small(data, tmp_path / "run", model="deberta", init="random", tensorboard=True, epochs=1))
    found = EventAccumulator(str(tmp_path / "run" / "events"))
    found.Reload()
    assert "attention" in " ".join(node.name for node in found.Graph().node)


def test_a_model_that_cannot_be_traced_is_trained_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TracingCheckError("", "not today")

    monkeypatch.setattr(SummaryWriter, "add_graph", refuse)
    data = write_tsv(tmp_path / "pairs.tsv", pair_rows(20), ("sentence1", "sentence2", "label"))
    assert train(small(data, tmp_path / "run", tensorboard=True, epochs=1)).steps >= 1


def test_pictures_can_be_seen(events: EventAccumulator) -> None:
    tags = events.Tags()["images"]
    assert {"validation/confusion", "validation/reliability"} <= set(tags)
    picture = events.Images("validation/confusion")[0]
    assert picture.encoded_image_string.startswith(b"\x89PNG")
    assert picture.width > 200


def test_wrong_rows_are_sorted_into_false_positives_and_negatives(events: EventAccumulator) -> None:
    tags = [tag for tag in events.Tags()["tensors"] if tag.startswith("mistakes/")]
    assert tags
    assert {tag.split("/")[1] for tag in tags} <= {"false_positives", "false_negatives"}
    for tag in tags:
        predicted = "1" if "positives" in tag else "0"
        (table,) = events.Tensors(tag)[0].tensor_proto.string_val
        head, rule, *rows = table.decode().splitlines()
        assert head == "| sentence1 | sentence2 | label | predicted | score | probabilities |"
        assert rule.count("---") == 6
        assert rows
        for row in rows:
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            assert cells[3] == predicted != cells[2]
            assert 0.5 <= float(cells[4]) <= 1


def test_the_projector_has_vectors_with_texts_and_labels(run: Path) -> None:
    config = (run / "events" / "projector_config.pbtxt").read_text()
    assert 'tensor_name: "validation' in config
    folder = next((run / "events").rglob("validation"))
    vectors = next(folder.rglob("tensors.tsv")).read_text().splitlines()
    metadata = next(folder.rglob("metadata.tsv")).read_text().splitlines()
    assert metadata[0] == "text\tlabel\tprediction\tright"
    assert len(vectors) == len(metadata) - 1 == 20
    assert {len(line.split("\t")) for line in vectors} == {32}
    rows = [line.split("\t")[1:] for line in metadata[1:]]
    assert {label for label, _, _ in rows} == {"0", "1"}
    assert all((label == prediction) == (right == "right") for label, prediction, right in rows)
    assert {right for _, _, right in rows} <= {"right", "wrong"}


def test_the_projector_has_the_embeddings_of_words_as_a_second_set(run: Path) -> None:
    assert 'tensor_name: "words' in (run / "events" / "projector_config.pbtxt").read_text()
    folder = next((run / "events").rglob("words"))
    words = next(folder.rglob("metadata.tsv")).read_text().splitlines()
    vectors = next(folder.rglob("tensors.tsv")).read_text().splitlines()
    assert len(words) == len(vectors) > 10
    assert "[CLS]" not in words


def test_three_rows_show_their_attention_each_epoch(events: EventAccumulator) -> None:
    tags = [tag for tag in events.Tags()["images"] if tag.startswith("attention/")]
    assert tags == ["attention/row_1", "attention/row_2", "attention/row_3"]
    for tag in tags:
        assert len(events.Images(tag)) == EPOCHS
        assert events.Images(tag)[0].encoded_image_string.startswith(b"\x89PNG")


def test_hyperparameters_stand_beside_the_final_metrics(events: EventAccumulator, run: Path) -> None:
    data = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = HParamsPluginData.FromString(data).session_start_info
    assert start.hparams["lr"].number_value == pytest.approx(3e-3)
    assert start.hparams["model"].string_value == "scratch"
    assert "data_dir" not in start.hparams
    stored = json.loads((run / "metrics.json").read_text())["metrics"]["accuracy"]
    assert values(events, "final/accuracy") == [pytest.approx(stored)]


def test_what_events_look_at_changes_no_weight(run: Path, tmp_path: Path) -> None:
    data = run.parent / "pairs.tsv"
    train(small(data, tmp_path / "run", tensorboard=False, log_every=5, epochs=EPOCHS, lr=3e-3))
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_without_events_nothing_is_written(tmp_path: Path, pair_file: Path) -> None:
    train(small(pair_file, tmp_path / "run", epochs=1))
    assert not (tmp_path / "run" / "events").exists()


@pytest.mark.parametrize(("asked", "times"), [(True, 1), (False, 0)])
def test_a_terminal_is_told_once_how_to_look(asked: bool, times: int, pair_file: Path, tmp_path: Path) -> None:
    shown = StringIO()
    view = training_view._Bar(Console(file=shown, force_terminal=True, width=200, markup=False, highlight=False))
    train(small(pair_file, tmp_path / "run", tensorboard=asked, epochs=1), view)
    view.close()
    assert shown.getvalue().count(f"tensorboard --logdir {tmp_path / 'run' / 'events'}") == times
