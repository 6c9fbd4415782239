"""What tests of Go components share: a module proxy on 127.0.0.1, and build caches in which Go's own packages are compiled."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from component_samples import Server, module_proxy, store_with, toy

from builder.components import golang
from builder.components.registry import find
from builder.store import Store


@pytest.fixture(scope="session")
def standard_library(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build cache with Go's own packages and nothing else, kept from run to run: they are half a minute's work."""
    kept, place = pytestconfig.cache.mkdir("go-build"), tmp_path_factory.mktemp("standard-library")
    sample = toy(place / "project", tests={"toy.test": "."})
    folder = sample.pkg / "toy"
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    (folder / "main_test.go").write_text('package main\n\nimport "testing"\n\nfunc TestNothing(*testing.T) {}\n')
    (folder / "go.mod").write_text("module toy\n\ngo 1.24\n")
    (folder / "go.sum").unlink()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GOPROXY", "off")
        find("toy", store_with(place / "cache", kept), sample)
    return kept


@pytest.fixture
def new_build_cache(standard_library: Path, tmp_path: Path) -> Path:
    """One in which nothing of ours is compiled."""
    return shutil.copytree(standard_library, tmp_path / "go-build", copy_function=os.link)


@pytest.fixture(scope="module")
def build_cache(standard_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(standard_library, tmp_path_factory.mktemp("module") / "go-build", copy_function=os.link)


@pytest.fixture
def store(tmp_path: Path, build_cache: Path) -> Store:
    return store_with(tmp_path / "cache", build_cache)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(golang, "BACKOFF", 0.01)
    monkeypatch.setenv("GOSUMDB", "off")
    with Server(module_proxy()).running() as running:
        monkeypatch.setenv("GOPROXY", running.url)
        yield running
