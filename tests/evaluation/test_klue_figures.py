"""KLUE's figures stand beside the usual ones where a data set is KLUE's, and nowhere else."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bertkit.training.run import train
from tests.training.test_run import small


@pytest.mark.parametrize(("name", "wanted"), [("klue-sts-v1.1_train", True), ("pairs", False)])
def test_similarity_of_klue_has_its_figures(tmp_path: Path, name: str, wanted: bool) -> None:
    rng, path = random.Random(0), tmp_path / f"{name}.jsonl"
    rows = [
        {"sentence1": f"말 {i % 7}", "sentence2": f"말 {i % 5}", "label": round(rng.random() * 5, 1)} for i in range(60)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    result = train(small(path, tmp_path / "run", epochs=1, task="regression"))
    for metrics in (result.metrics, *result.baselines.values()):
        assert ({"klue_pearson", "klue_f1"} <= metrics.keys()) == wanted
        if wanted:
            assert metrics["klue_pearson"] == pytest.approx(metrics["pearson"])


def test_entities_and_topics_of_klue_have_their_figures(tmp_path: Path) -> None:
    rng = random.Random(0)
    entities = tmp_path / "klue-ner-v1.1_train.jsonl"
    names, lines = ("서울", "부산", "대전"), []
    for i in range(40):
        place = rng.choice(names)
        lines.append(json.dumps({"text": f"나는 {place} {i}번 간다", "entities": [[3, 3 + len(place), "LC"]]}))
    entities.write_text("\n".join(lines))
    result = train(small(entities, tmp_path / "ner", epochs=1, task="ner"))
    assert {"klue_entity_f1", "klue_char_f1"} <= result.metrics.keys()
    assert result.baselines["lexicon"]["klue_entity_f1"] > 0.9
    topics = tmp_path / "klue-ynat_train.jsonl"
    topics.write_text("\n".join(json.dumps({"title": f"제목 {i % 3} 제{i}호", "label": str(i % 3)}) for i in range(40)))
    result = train(small(topics, tmp_path / "ynat", epochs=1, task="classify"))
    assert result.metrics["klue_macro_f1"] == pytest.approx(result.metrics["macro_f1"])
