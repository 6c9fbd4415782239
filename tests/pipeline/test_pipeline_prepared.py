"""A root tree's tar is gone once media are prepared, and nothing is slower for it."""

from pathlib import Path

import pytest
from pipeline_samples import planned, store_with

from builder.assembly.native import NativeAssembler
from builder.linuxkit.model import Document
from builder.pipeline.build import build
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.provenance.model import Built
from builder.recipe.model import Role
from builder.store import Digest, Store

pytest_plugins = ["pipeline_fixtures"]


@pytest.fixture
def assembled(monkeypatch: pytest.MonkeyPatch) -> list[Document]:
    """The documents whose trees were written."""
    written: list[Document] = []
    real = NativeAssembler._write

    def watched(self: NativeAssembler, document: Document, store: Store) -> Digest:
        written.append(document)
        return real(self, document, store)

    monkeypatch.setattr(NativeAssembler, "_write", watched)
    return written


def made(project: Project, store: Store, out: Path) -> Built:
    (built,) = build(project, planned(project, Role.WORKER), store, out, BuildOptions())
    return built


def test_the_tar_is_gone_and_a_second_build_does_not_miss_it(
    sample: tuple[Project, Path], tmp_path: Path, assembled: list[Document]
) -> None:
    store = store_with(tmp_path / "cache", sample[1])
    first = made(sample[0], store, tmp_path / "one")
    assert len(assembled) == 1 and not store.path(first.root.digest).exists()
    second = made(sample[0], Store(tmp_path / "cache"), tmp_path / "two")
    assert len(assembled) == 1
    assert (second.root, second.media.sha256, second.media.layers) == (first.root, first.media.sha256, first.media.layers)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_is_lost_is_prepared_again(sample: tuple[Project, Path], tmp_path: Path, assembled: list[Document]) -> None:
    store = store_with(tmp_path / "cache", sample[1])
    first = made(sample[0], store, tmp_path / "out")
    for number, lost in enumerate((first.media.layers[0], first.media.initrd, first.media.kernel), 2):
        store.path(lost).unlink()
        assert made(sample[0], store, tmp_path / "out").media == first.media
        assert len(assembled) == number and store.has(lost) and not store.path(first.root.digest).exists()
