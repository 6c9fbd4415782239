"""Where the clusters of a test lie."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path, as sockets want it."""
    with tempfile.TemporaryDirectory(prefix="kubeiso-") as folder:
        monkeypatch.setenv("KUBEISO_STATE", folder)
        yield Path(folder)
