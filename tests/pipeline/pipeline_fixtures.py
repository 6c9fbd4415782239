"""The small project with its toy source, and a sink that keeps warnings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_samples import Told, Toy, project

from builder import progress
from builder.components import registry
from builder.project import Project


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Toy:
    made = Toy()
    monkeypatch.setattr(registry, "SOURCES", (made,))
    return made


@pytest.fixture
def told() -> Iterator[Told]:
    sink = Told()
    before = progress.use(sink)
    yield sink
    progress.use(before)


@pytest.fixture
def sample(tmp_path: Path, source: Toy) -> tuple[Project, Path]:
    assert source.asked == 0
    return project(tmp_path / "project")
