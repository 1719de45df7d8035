"""TensorBoard's events, read back: every tag is there, with values that make sense."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.jit import TracingCheckError
from torch.utils.tensorboard import SummaryWriter

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
    folder = next(path for path in (run / "events").iterdir() if path.is_dir())
    vectors = next(folder.rglob("tensors.tsv")).read_text().splitlines()
    metadata = next(folder.rglob("metadata.tsv")).read_text().splitlines()
    assert metadata[0] == "text\tlabel"
    assert len(vectors) == len(metadata) - 1 == 20
    assert {len(line.split("\t")) for line in vectors} == {32}
    assert {line.split("\t")[1] for line in metadata[1:]} == {"0", "1"}


def test_without_events_nothing_is_written(tmp_path: Path, pair_file: Path) -> None:
    train(small(pair_file, tmp_path / "run", epochs=1))
    assert not (tmp_path / "run" / "events").exists()
