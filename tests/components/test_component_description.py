"""component.yml, and the project's own components."""

from pathlib import Path

import pytest
import yaml
from component_samples import project

from builder.architecture import AMD64
from builder.components.debian import load_lock
from builder.components.description import describe, minors, names
from builder.components.golang import Golang, Section
from builder.components.registry import find
from builder.components.release import Release, artefacts
from builder.errors import InputError
from builder.project import Project
from builder.spec.descriptions import expected
from builder.store import Store

REAL = Project.here()
RELEASE = Release()


BUILT = [name for name in names(REAL) if "golang" in describe(name, REAL).sections]
# Each component with each minor version of Kubernetes that it has pins of; "" where one folder is for all.
FOLDERS = [(name, minor) for name in names(REAL) for minor in minors(name, REAL) or ("",)]


@pytest.mark.parametrize(("name", "minor"), FOLDERS)
def test_every_release_of_the_project_is_well_described_and_pinned(name: str, minor: str) -> None:
    """What can be built from modules too may wait for its pin, if its upstream has a list that `lock --update` can read."""
    described = artefacts(describe(name, REAL, minor), AMD64)
    pins = load_lock(REAL.lock).releases.get(name, {})
    of_all = {each.url for other, of in FOLDERS if other == name for each in artefacts(describe(name, REAL, of), AMD64)}
    assert set(pins) <= of_all
    unpinned = [each for each in described if each.url not in pins]
    assert all(each.checksums for each in unpinned) if name in BUILT else described and not unpinned


def test_a_release_gives_what_the_modules_give() -> None:
    both = [name for name in BUILT if "release" in describe(name, REAL).sections]
    assert both == ["cni-plugins", "containerd", "coredns", "cri-tools", "critest", "etcd", "kubernetes", "runc"]
    for name in both:
        assert RELEASE.outputs(describe(name, REAL)) == Golang().outputs(describe(name, REAL)), name


@pytest.mark.parametrize(("name", "minor"), [(name, minor) for name, minor in FOLDERS if name in BUILT])
def test_every_program_of_the_project_is_well_described(name: str, minor: str) -> None:
    description = describe(name, REAL, minor)
    section = description.section("golang", Section)
    assert section and Golang().outputs(description) == tuple(sorted({*section.packages, *section.tests, *section.files}))
    modules = (description.folder / "go.mod").read_text()
    assert modules.startswith("module ") and "toolchain" not in modules


OF_ONE_MODULE = ("cni-plugins", "containerd", "coredns", "cri-tools", "e2e", "etcd", "kubernetes", "runc", "sample-apiserver")


@pytest.mark.parametrize(("name", "minor"), [(name, minor) for name, minor in FOLDERS if name in OF_ONE_MODULE])
def test_the_version_is_the_one_that_go_mod_requires(name: str, minor: str) -> None:
    """A new version is two edits; this sees that both were made."""
    description = describe(name, REAL, minor)
    section = description.section("golang", Section)
    assert section
    lines = [line.split() for line in (description.folder / "go.mod").read_text().splitlines() if " v" in line]
    versions = dict(words[:2] for words in ([word for word in line if word != "require"] for line in lines) if "=>" not in words)
    for package in {**section.packages, **section.tests}.values():
        module = max((module for module in versions if f"{package}/".startswith(f"{module}/")), key=len)
        assert versions[module] == f"v{description.version}"


# What there is once for all minors is of the one that a recipe means without naming any.
DEFAULT = next(each for each in minors("kubernetes", REAL) if (wanted := expected(REAL, each)) and wanted.default)


@pytest.mark.parametrize(
    ("name", "module", "other"),
    [("agnhost", "k8s.io/kubernetes", "kubernetes"), ("critest", "sigs.k8s.io/cri-tools", "cri-tools")],
)
def test_what_belongs_to_another_component_is_of_its_version(name: str, module: str, other: str) -> None:
    assert f"{module} v{describe(other, REAL, DEFAULT).version}" in (REAL.pkg / name / "go.mod").read_text()


def test_unknown_components_and_sources(tmp_path: Path) -> None:
    sample = project(
        tmp_path / "p", one={"version": "1.0", "golang": {"packages": {"one": "."}}}, two={"version": "1", "apt": {}}
    )
    store = Store(tmp_path / "cache")
    with pytest.raises(InputError, match="no component three") as raised:
        find("three", store, sample)
    assert "one, two" in raised.value.hint
    with pytest.raises(InputError, match="unknown source apt"):
        find("two", store, sample)
    with pytest.raises(InputError, match="no source hearsay"):
        find("one", store, sample, source="hearsay")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1.36\ngolang: {}\n", ":1:10: version: no version is named (write it in quotes"),
        ('version: "1.0"\n', ":1:1: no source is named (a section such as golang:"),
        ('version: "1.0"\ngolang: yes\n', ":2:9: golang: expected a group of keys"),
        ('version: "1.0"\nversion: "2.0"\ngolang: {}\n', ":2:1: version: the key is here a second time (first in line 1)"),
        ("- version\n", ":1:1: expected a group of keys, got a list"),
        ("version: [", "not valid YAML"),
    ],
)
def test_descriptions_that_say_too_little(tmp_path: Path, text: str, said: str) -> None:
    sample = project(tmp_path, one={})
    (sample.pkg / "one" / "component.yml").write_text(text)
    with pytest.raises(InputError) as raised:
        describe("one", sample)
    assert "component.yml has" in raised.value.what
    assert said in raised.value.details[0]


def test_the_project_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (REAL.pkg / "runc" / "component.yml").is_file()
    monkeypatch.setenv("KUBEISO_PROJECT", str(tmp_path))
    with pytest.raises(InputError, match="not a kubeiso project"):
        Project.here()
    (tmp_path / "pkg").mkdir()
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Project.here() == Project(tmp_path)
    assert Project.here().lock == tmp_path / "components.lock"


def test_no_address_of_a_registry_is_in_the_pins() -> None:
    lock = load_lock(REAL.lock)
    assert "://" not in lock.model_copy(update={"releases": {}}).model_dump_json()
    for name in names(REAL):
        sections = {source: section for source, section in describe(name, REAL).sections.items() if source != "release"}
        assert "://" not in yaml.safe_dump(sections)
