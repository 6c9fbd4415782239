"""One image for all boot tests, built the way `kubeiso up` builds it; each cluster has a name and a directory of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from boot_helpers import planned
from own_state import HOME, own_state

from builder import progress
from builder.cluster.lifecycle import ClusterPlan


@pytest.fixture(scope="session", autouse=True)
def _told() -> Iterator[None]:
    """Progress on standard error: a boot takes minutes."""
    before = progress.use(progress.Lines())
    yield
    progress.use(before)


@pytest.fixture(scope="session", autouse=True)
def _clusters() -> Iterator[None]:
    with own_state(HOME):
        yield


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where media and reports go: $KUBEISO_TEST_OUT, to keep them."""
    kept = os.environ.get("KUBEISO_TEST_OUT")
    return Path(kept).absolute() if kept else tmp_path_factory.mktemp("out")


@pytest.fixture(scope="session")
def base_plan(out: Path) -> ClusterPlan:
    """The master's ISO of the default recipe, with the console open, on whatever machines run here."""
    return planned(out)


@pytest.fixture(scope="session")
def pair_plan(out: Path) -> ClusterPlan:
    """A master and a worker, with the workers' ISO too."""
    return planned(out, workers=1)
