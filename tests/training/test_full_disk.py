"""A disk that is full in the middle of a training: one sentence, nothing lost, and on it goes.

A limit on the size of files stands for it: what is larger than it cannot be written, and
libraries meet the same error of the operating system, each in its own way.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bertkit.errors import OutputError
from bertkit.models.tokenizers import VocabularyRequest, build_vocabulary
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, train
from tests.training.small_runs import content, data_file, learnt, request, resume


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    train(request(data_file(folder), folder / "run", keep_checkpoints=True))
    return folder


def size_of(whole: Path, pattern: str) -> int:
    return max(path.stat().st_size for path in (whole / "run").glob(pattern))


@pytest.mark.parametrize(
    "too_large",
    [
        "checkpoints/setup/setup.json",  # JSON
        "checkpoints/setup/tokenizer.json",  # what tokenizers would have written
        "checkpoints/step-*/model.safetensors",
        "checkpoints/step-*/optimizer.safetensors",
    ],
)
def test_a_training_that_cannot_write_goes_on_when_it_can(whole: Path, tmp_path: Path, too_large: str) -> None:
    run = tmp_path / "run"
    said = rf"^{run}: cannot be written \(File too large\); .*`bertkit train --resume --output {run}`\.$"
    with pytest.raises(OutputError, match=said), files_up_to(size_of(whole, too_large) - 1):
        train(request(whole / "data.tsv", run))
    assert not any(path.name.endswith(".tmp") for path in run.rglob("*"))
    resume(run)
    assert learnt(run) == learnt(whole / "run")
    assert not (run / "checkpoints").exists()


def test_a_full_disk_at_the_end_loses_no_step(whole: Path, tmp_path: Path) -> None:
    run, steps = tmp_path / "run", []
    limit = size_of(whole, "baseline/baselines.json") - 1

    def then_it_is_full(event: Event) -> None:
        if isinstance(event, StepFacts):
            steps.append(event.step)
            if event.step == event.total_steps:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    with pytest.raises(OutputError, match="File too large"), files_up_to(-1):
        train(request(whole / "data.tsv", run), then_it_is_full)
    assert not (run / "bertkit.json").exists()
    heard: list[Event] = []
    train(request(whole / "data.tsv", run, resume=True), heard.append)
    assert not any(isinstance(event, StepFacts) for event in heard)
    assert learnt(run) == learnt(whole / "run")


def test_where_nothing_can_be_stored_nothing_is_left(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"--output .*run: cannot be written \(File too large\)"), files_up_to(100):
        train(request(whole / "data.tsv", tmp_path / "a" / "run"))
    assert list(tmp_path.iterdir()) == []


def test_events_that_cannot_be_written_stop_no_training(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []
    room = size_of(whole, "**/*.safetensors") + 1
    config = request(whole / "data.tsv", tmp_path / "run", tensorboard=True, epochs=20, patience=20, log_every=1)
    with files_up_to(room):
        result = train(config, heard.append)
    (said,) = {event for event in heard if isinstance(event, str) and "TensorBoard" in event}
    assert said == "warning: TensorBoard's events cannot be written (File too large); no more are written for this run"
    assert result.steps == 60
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("limit", [150, 2_000])
def test_a_vocabulary_that_cannot_be_written_leaves_the_old_one(whole: Path, tmp_path: Path, limit: int) -> None:
    files, place = [str(whole / "data.tsv")], tmp_path / "vocabulary"
    build_vocabulary(VocabularyRequest(files, "wordpiece", 60, place))
    before = content(tmp_path)
    with pytest.raises(OutputError, match=r"--output .*: cannot be written \(File too large\)"), files_up_to(limit):
        build_vocabulary(VocabularyRequest(files, "wordpiece", 70, place, force=True))
    with pytest.raises(OutputError, match="File too large"), files_up_to(limit):
        build_vocabulary(VocabularyRequest(files, "wordpiece", 70, tmp_path / "a" / "b"))
    assert content(tmp_path) == before
