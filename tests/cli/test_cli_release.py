"""What a user sees of the source `release`: without a way to it, and with a mirror of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from component_samples import Server, closed_port
from program import Outcome, Program
from toy_project import Toy

from builder.components.golang import Golang
from builder.project import Project
from builder.store import sha256

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]
URL = "https://upstream.test/initrd"
REAL = Project.here().root


@pytest.fixture
def released(program: Program) -> list[str]:
    """The words that build the toy project with its initrd from a release in place of the user's own file."""
    words = [str(word) for word in program.to_build]
    given = next(word for word in words if word.startswith("initrd="))
    where = words.index(given)
    return [*words[: where - 1], *words[where + 1 :]]


def test_cri_o_without_a_way_to_its_release_is_told_before_anything_is_built(
    kubeiso: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Golang, "provide", lambda *_: pytest.fail("it builds first what takes minutes"))
    cache = {"KUBEISO_PROJECT": str(REAL), "KUBEISO_CACHE": str(tmp_path / "cache")}
    for way in ({"KUBEISO_RELEASE_MIRROR": closed_port()}, {"KUBEISO_RELEASE_MIRROR": "", "https_proxy": closed_port()}):
        done = kubeiso("build", "--runtime", "cri-o", **cache, **way, no_proxy="")
        assert done.failed(
            4, "the component cri-o 1.36.3 can't be had", "release: ", "is out of reach", "cri-o.amd64.v1.36.3.tar.gz", "refused",
            next="--component cri-o=PATH",
        )  # fmt: skip


def test_an_unknown_word_for_a_source(kubeiso: Run) -> None:
    assert kubeiso("build", "--source", "modul").failed(2, "there is no source modul", next="modules")


@pytest.mark.parametrize("source", ["auto", "release", "modules"])
def test_a_build_takes_a_program_from_its_release(
    kubeiso: Run, released: list[str], own_toy: Toy, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """--source is of components that have several: whichever word it is, this one has no other."""
    root = own_toy.root
    content = (own_toy.files / "initrd" / "initrd").read_bytes()
    section = {"version": "1", "release": {"artefacts": [{"url": URL, "program": "initrd"}]}}
    (root / "pkg" / "initrd" / "component.yml").write_text(yaml.safe_dump(section))
    lock = yaml.safe_load((root / "components.lock").read_text())
    (root / "components.lock").write_text(yaml.safe_dump({**lock, "releases": {"initrd": {URL: {"digest": sha256(content)}}}}))
    monkeypatch.setenv("KUBEISO_PROJECT", str(root))
    with Server({"/upstream.test/initrd": content}).running() as server:
        more = {"KUBEISO_RELEASE_MIRROR": server.url, "KUBEISO_DEBIAN_MIRROR": own_toy.server.url}
        done = kubeiso(*released, "--source", source, **more)
        assert done.code == 0, done.told
        assert server.asked == ["/upstream.test/initrd"]


def test_lock_shows_the_releases(kubeiso: Run) -> None:
    done = kubeiso("lock", KUBEISO_PROJECT=str(REAL))
    assert "cri-o.amd64.v1.36.3.tar.gz  sha256:" in done.out
