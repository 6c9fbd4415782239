"""Programs of Go modules that are read otherwise than the modules have them: several in one, and without parts."""

import subprocess
from pathlib import Path

import pytest
from component_samples import Server, hash1, refused, served, store_with, toy

from builder.components.registry import find
from builder.components.source import Target
from builder.project import Project
from builder.store import Store

pytest_plugins = ["golang_fixtures"]

TOOL = """package main

import "example.test/greet"

func main() { greeting() }

func greeting() { println("tool", greet.Word()) }
"""


def main_packages(tmp_path: Path) -> Project:
    """Two packages that nobody can import, both with a function `greeting`."""
    sample = toy(tmp_path / "project", packages={"toy": ".", "my-tool": "./tool"}, together={"programs": ["toy", "my-tool"]})
    (sample.pkg / "toy" / "main.go").write_text(TOOL.replace('"tool"', '"toy"'))
    (sample.pkg / "toy" / "tool").mkdir()
    (sample.pkg / "toy" / "tool" / "main.go").write_text(TOOL)
    return sample


def called(program: Path, name: str, place: Path) -> subprocess.CompletedProcess[str]:
    place.mkdir(exist_ok=True)
    (place / name).symlink_to(program)
    return subprocess.run([place / name], capture_output=True, text=True, check=False)


def test_main_packages_become_one_program_without_one_of_our_own(
    tmp_path: Path, store: Store, proxy: Server, new_build_cache: Path
) -> None:
    assert proxy.url
    sample = main_packages(tmp_path)
    files = find("toy", store, sample).files
    assert (sorted(files), len(set(files.values()))) == (["my-tool", "toy"], 1)
    program = store.path(files["toy"])
    assert [called(program, name, tmp_path / "bin").stderr for name in ("toy", "my-tool")] == ["toy hello\n", "tool hello\n"]
    other = called(program, "another", tmp_path / "bin")
    assert (other.returncode, other.stderr) == (2, "another: call this program by one of its names: my-tool, toy\n")
    assert not (sample.pkg / "toy" / "together").exists()
    elsewhere = store_with(tmp_path / "another cache", new_build_cache)
    assert find("toy", elsewhere, main_packages(tmp_path / "elsewhere")).files == files, "no path of a build is in it"
    separate = find("toy", store, sample, target=Target(separate=True)).files
    assert len({*files.values(), *separate.values()}) == 3


@pytest.fixture
def choir(tmp_path: Path, proxy: Server) -> Project:
    """A program whose module has a package that imports others for what they do."""
    voice = 'package {0}\n\nfunc init() {{ println("{0}") }}\n'
    content = {f"{name}/{name}.go": voice.format(name).encode() for name in ("high", "low")}
    content["all/all.go"] = b'package all\n\nimport (\n\t_ "example.test/choir/high"\n\t_ "example.test/choir/low"\n)\n'
    content["main.go"] = b'package main\n\nimport _ "example.test/choir/all"\n\nfunc main() { println("sung") }\n'
    content["go.mod"] = b"module example.test/choir\n\ngo 1.24\n"
    proxy.files = served({("example.test/choir", "v1.0.0"): content})
    left_out = {"example.test/choir/all": ["example.test/choir/low"]}
    sample = toy(tmp_path / "project", packages={"toy": "example.test/choir"}, left_out=left_out)
    folder = sample.pkg / "toy"
    (folder / "main.go").unlink()
    (folder / "go.mod").write_text("module toy\n\ngo 1.24\n\ntool example.test/choir\n\nrequire example.test/choir v1.0.0\n")
    whole = hash1({f"example.test/choir@v1.0.0/{name}": data for name, data in content.items()})
    mod = hash1({"go.mod": content["go.mod"]})
    (folder / "go.sum").write_text(f"example.test/choir v1.0.0 {whole}\nexample.test/choir v1.0.0/go.mod {mod}\n")
    return sample


def test_packages_of_a_module_are_left_out(choir: Project, store: Store, tmp_path: Path) -> None:
    program = store.path(find("toy", store, choir).files["toy"])
    assert called(program, "toy", tmp_path / "bin").stderr == "high\nsung\n"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (
            "- example.test/choir/low",
            "- example.test/choir/lower",
            "example.test/choir/all does not import example.test/choir/lower",
        ),
        ("example.test/choir/all:", "example.test/choir/high:", "toy does not import example.test/choir/high"),
    ],
)
def test_what_is_left_out_must_have_been_there(choir: Project, store: Store, was: str, becomes: str, said: str) -> None:
    described = choir.pkg / "toy" / "component.yml"
    assert was in described.read_text()
    described.write_text(described.read_text().replace(was, becomes))
    assert f"golang.left_out: {said}" in str(refused(choir, store))
