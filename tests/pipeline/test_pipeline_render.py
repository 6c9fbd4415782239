"""`render` against `build` on a whole small project, and from an empty cache."""

import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Told, Toy, planned, store_with

from builder.linuxkit.model import Document
from builder.pipeline.build import build
from builder.pipeline.model import BuildOptions
from builder.pipeline.render import render
from builder.project import Project
from builder.recipe.model import Role
from builder.store import Store

pytest_plugins = ["pipeline_fixtures"]


def forbid_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*words: Any, **_: Any) -> None:
        raise AssertionError(f"not to be done: {words}")

    monkeypatch.setattr(subprocess, "Popen", forbidden)
    monkeypatch.setattr(urllib.request, "urlopen", forbidden)


def results(store: Store) -> set[str]:
    return {path.name for path in (store.root / "results").iterdir()}


def test_it_gives_the_yaml_that_build_wrote(
    sample: tuple[Project, Path], tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, deb = sample
    store, plan = store_with(tmp_path / "cache", deb), planned(found)
    built = build(found, plan, store, tmp_path / "out", BuildOptions())
    told.warnings.clear()
    before = results(store)
    forbid_work(monkeypatch)
    written = {one.role: one.media.path.with_suffix(".yml").read_text() for one in built}
    assert set(written) == {Role.MASTER, Role.WORKER}
    assert all(reference.count("@sha256:") == 1 for one in built for reference in one.document.references())
    assert {role: render(found, plan, role, store) for role in written} == written
    assert render(found, plan, None, store) == written[Role.MASTER] + "---\n" + written[Role.WORKER]
    assert (told.warnings, results(store)) == ([], before)


def test_an_empty_cache_gives_tags_and_one_warning(
    sample: tuple[Project, Path], tmp_path: Path, source: Toy, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = sample
    store = Store(tmp_path / "cache")
    forbid_work(monkeypatch)
    text = render(found, planned(found), None, store)
    master, worker = (Document.from_yaml(part) for part in text.split("\n---\n"))
    assert master.init[-1] == "docker.io/kubeiso/images-master:1" and worker.init[-1] == "docker.io/kubeiso/images-worker:1"
    assert "docker.io/kubeiso/kubelet:1.2.3" in master.references()
    assert not any("@" in reference for each in (master, worker) for reference in each.references())
    (warning,) = told.warnings
    # 15 of the node, 9 of the pods, and the two that carry those
    assert warning == "26 images are not built yet and go by tag alone; `kubeiso build` pins what it builds"
    assert source.asked == 0
    assert results(store) == set()


def tags_after_a_change(sample: tuple[Project, Path], tmp_path: Path, told: Told, image: str, line: str) -> list[str]:
    """The references that go by tag alone once a line was added to the description of an image that was built."""
    found, deb = sample
    store, plan = store_with(tmp_path / "cache", deb), planned(found, Role.WORKER)
    build(found, plan, store, tmp_path / "out", BuildOptions())
    told.warnings.clear()
    with (found.pkg / image / "image.yml").open("a") as file:
        file.write(line)
    references = Document.from_yaml(render(found, plan, Role.WORKER, store)).references()
    return [reference for reference in references if "@" not in reference]


def test_what_changed_since_the_build_goes_by_tag(sample: tuple[Project, Path], tmp_path: Path, told: Told) -> None:
    assert tags_after_a_change(sample, tmp_path, told, "runc", "links: {runc: usr/share/runc}\n") == ["docker.io/kubeiso/runc:1"]
    assert told.warnings == ["1 image is not built yet and goes by tag alone; `kubeiso build` pins what it builds"]


def test_a_pod_s_image_that_changed_takes_the_carrier_s_digest_with_it(
    sample: tuple[Project, Path], tmp_path: Path, told: Told
) -> None:
    changed = "links: {page: usr/share/nginx}\n"
    assert tags_after_a_change(sample, tmp_path, told, "nginx", changed) == ["docker.io/kubeiso/images-worker:1"]
    assert told.warnings == ["2 images are not built yet and go by tag alone; `kubeiso build` pins what it builds"]


def test_the_user_s_own_files_count_as_built(sample: tuple[Project, Path], tmp_path: Path) -> None:
    found, deb = sample
    own = tmp_path / "own" / "kubelet"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho mine\n")
    store, plan = store_with(tmp_path / "cache", deb), planned(found, Role.WORKER)
    (built,) = build(found, plan, store, tmp_path / "out", BuildOptions(overrides={"node/kubelet": own}))
    written = built.document.to_yaml()
    assert render(found, plan, Role.WORKER, store, {"node/kubelet": own}) == written
    assert render(found, plan, Role.WORKER, store) != written
