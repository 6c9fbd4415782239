"""The boot tests' clusters are apart from all others; needs no machine."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_state import own_state

from builder.cluster import state
from builder.lock import held


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path, as sockets want it, with the user's own clusters in it."""
    with tempfile.TemporaryDirectory(prefix="kubeiso-") as folder:
        monkeypatch.setenv("KUBEISO_STATE", f"{folder}/users")
        yield Path(folder)


def cluster(directory: Path) -> Path:
    """The folder of a cluster without machines, whose file says nothing."""
    directory.mkdir(parents=True)
    (directory / state.MARKER).write_text("")
    (directory / state.FILE).write_text("{}")
    return directory


def test_a_cluster_of_a_run_that_was_killed_stands_in_nobody_s_way(base: Path) -> None:
    killed = cluster(base / "home" / "1" / "t-auto").parent
    kept = cluster(base / "users" / "t-auto")
    with own_state(base / "home") as mine:
        assert not killed.exists() and state.names() == []
        assert os.environ["KUBEISO_STATE"] == str(mine) == str(state.clusters_root())
    assert not mine.exists() and kept.is_dir()
    assert os.environ["KUBEISO_STATE"] == str(kept.parent)


def test_a_run_beside_it_keeps_its_own(base: Path) -> None:
    other = base / "home" / "1"
    cluster(other / "t-auto")
    with held(other / "run.lock"), own_state(base / "home"):
        assert (other / "t-auto").is_dir() and state.names() == []


def test_a_cluster_that_a_test_leaves_is_told_and_ended(base: Path) -> None:
    with pytest.raises(AssertionError, match="left its clusters"), own_state(base / "home") as mine:
        cluster(mine / "t-left")
    assert not mine.exists()
