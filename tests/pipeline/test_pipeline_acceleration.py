"""How machines run: nothing is made for a probe that the user has decided against."""

from pathlib import Path

import pytest

from builder.errors import InputError, KubeisoError
from builder.machine.accel import OVERRIDE
from builder.pipeline.doctor import probed
from builder.project import Project
from builder.store import Store


@pytest.mark.parametrize("name", ["kvm", "tcg"])
def test_what_the_user_decided_needs_neither_kernel_nor_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A project without a single component has none to give."""
    store, empty = Store(tmp_path / "cache"), Project(tmp_path)
    monkeypatch.setenv(OVERRIDE, name)
    assert probed(empty, store).name == name
    assert not any((store.root / "blobs" / "sha256").iterdir())
    monkeypatch.delenv(OVERRIDE)
    with pytest.raises(KubeisoError):
        probed(empty, store)


def test_another_word_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "fast")
    with pytest.raises(InputError, match="KUBEISO_ACCEL=fast is neither kvm nor tcg"):
        probed(Project(tmp_path), Store(tmp_path / "cache"))
