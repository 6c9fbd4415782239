"""Components that each minor version of Kubernetes has pins of: pkg/NAME/MINOR/, side by side."""

from pathlib import Path

import pytest
from component_samples import project

from builder.components.description import FILE, describe, minors, names, versions
from builder.components.registry import recall
from builder.components.source import Target
from builder.errors import InputError
from builder.project import Project
from builder.store import Store

REAL = Project.here()


@pytest.fixture
def sample(tmp_path: Path) -> Project:
    made = project(tmp_path / "p", one={"version": "1.0", "golang": {"packages": {"one": "."}}})
    for minor, version in (("1.9", "1.9.4"), ("1.36", "1.36.3"), ("1.35", "1.35.7"), ("notes", "1.2.3")):
        folder = made.root / "pkg" / "kube" / minor
        folder.mkdir(parents=True)
        (folder / FILE).write_text(f'version: "{version}"\ngolang: {{packages: {{kube: .}}}}\n')
    return made


def test_each_version_has_its_folder(sample: Project) -> None:
    assert (minors("kube", sample), minors("one", sample)) == (("1.9", "1.35", "1.36"), ())
    assert versions("kube", sample) == ("1.9.4", "1.35.7", "1.36.3")
    assert versions("one", sample) == ("1.0",)
    assert describe("kube", sample, "1.35.7").folder.name == "1.35"
    assert describe("kube", sample).version == "1.36.3"
    assert describe("one", sample, "1.35.7").version == "1.0"
    assert names(sample) == ("kube", "one")


def test_a_minor_version_without_pins_names_those_that_have_some(sample: Project) -> None:
    with pytest.raises(InputError, match=r"pkg/kube has no pins for Kubernetes 1\.34") as told:
        describe("kube", sample, "1.34.0")
    assert told.value.hint == "there are: 1.9, 1.35, 1.36"


def test_a_component_is_got_for_the_cluster_s_version(sample: Project, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    assert recall("kube", store, sample, target=Target(kubernetes="1.35.7")).version == "1.35.7"
    assert recall("kube", store, sample).version == "1.36.3"


def test_the_project_s_own() -> None:
    assert minors("kubernetes", REAL) == minors("e2e", REAL) != ()
    assert all(version.startswith(f"{minor}.") for minor, version in zip(minors("e2e", REAL), versions("e2e", REAL), strict=True))
