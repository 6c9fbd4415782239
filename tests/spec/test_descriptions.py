"""runtimes/NAME.yml and networks/NAME.yml are read as recipes are: every mistake at once, with its place."""

from pathlib import Path

import pytest

from builder.errors import InputError
from builder.images.stores.registry import names
from builder.project import Project
from builder.spec.descriptions import handler, pod_network, runtime, with_handlers

STORES = ("containerd",)
REAL = Project.here()
START = "title: toy\nsocket: unix:///run/toy.sock\n"


def refused(root: Path, text: str) -> tuple[str, ...]:
    """What is said of the runtime, without the file's name."""
    for folder in ("pause", "init"):
        (root / "pkg" / folder).mkdir(parents=True)
        (root / "pkg" / folder / "image.yml").write_text("image: x\n")
    path = root / "runtimes" / "toy.yml"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        runtime(Project(root), "toy", STORES)
    assert caught.value.what.startswith(f"{path} has ")
    return tuple(line.removeprefix(f"{path}:") for line in caught.value.details)


MISTAKES = {
    START + "socket: unix:///run/other.sock\n": "3:1: socket: the key is here a second time (first in line 2)",
    START + "servces: [init]\n": "3:1: servces: unknown key (did you mean 'services'?)",
    START + "services: [inti]\n": "3:12: services[0]: pkg/ has no image inti (did you mean 'init'?)",
    START + "files:\n  - {path: etc/x, contents: '{{ image.puase }}'}\n": "4:29: files[0].contents: image.puase is not defined "
    "(did you mean 'pause'?)",
    START + "files:\n  - path: etc/x\n    contents: |\n      a\n      {{ network.pod_subnt }}\n": "7:1: files[0].contents: "
    "network.pod_subnt is not defined (did you mean 'pod_subnet'?)",
    START + "files:\n  - {path: etc/x, contents: '{{ values.x }}'}\n": "4:29: files[0].contents: 'values' is not defined",
    START + "files:\n  - {path: ../../etc/x, contents: x}\n": "4:12: files[0].path: expected an absolute path without . or ..",
    START + "files:\n  - {path: etc/x, contents: x, symlink: y}\n": "4:5: files[0]: contents and symlink is given (give one of",
    START + "files:\n  - {path: etc/x, contents: x, mode: rw}\n": "4:38: files[0].mode: expected an octal mode such as 0644",
    START + "files:\n  - {path: etc/x, contents: x, mode: 0644}\n": "4:38: files[0].mode: expected a text, got a number",
    START + "image_store: 5\n": "3:14: image_store: expected a text, got a number",
    START + "image_store: crio\n": "3:14: image_store: nobody makes the image store crio (known: containerd)",
    START + "cgroup_driver: systemdd\n": "3:16: cgroup_driver: expected one of cgroupfs, systemd, got 'systemdd' (did you mean",
    START + "checks: [{name: x}]\n": "3:10: checks[0].command: the key is missing",
    "title: [\n": "2:1: not valid YAML",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_has_its_place(tmp_path: Path, text: str) -> None:
    (mistake,) = refused(tmp_path, text)
    assert mistake.startswith(MISTAKES[text])


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    found = refused(tmp_path, "titel: x\nservices: [nope]\nfiles: [{path: etc/x, contents: '{{ image.no }}', mode: 5}]\n")
    assert [line.split(" ")[1] for line in found] == [
        "titel:", "services[0]:", "files[0].contents:", "files[0].mode:",
    ]  # fmt: skip


def test_a_description_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no runtimes/cri-containrd\.yml") as caught:
        runtime(REAL, "cri-containrd", STORES)
    assert "did you mean 'cri-containerd'?" in caught.value.hint
    with pytest.raises(InputError) as none:
        pod_network(Project(tmp_path), "bridge")
    assert none.value.hint == "none is described yet"


@pytest.mark.parametrize("path", sorted((REAL.root / "handlers").glob("*.yml")), ids=lambda path: path.stem)
def test_the_project_s_own_handlers_are_right(path: Path) -> None:
    found = handler(REAL, path.stem)
    for name in found.runtimes:
        joined = with_handlers(name, runtime(REAL, name, names()), [found])
        assert joined.classes == found.classes


@pytest.mark.parametrize("path", sorted((REAL.root / "networks").glob("*.yml")), ids=lambda path: path.stem)
def test_the_project_s_own_networks_are_right(path: Path) -> None:
    without, network = (pod_network(REAL, path.stem, policies=policies) for policies in (False, True))
    assert network.title and set(network.workloads) > set(without.workloads)


def test_a_network_names_what_is_described_to_enforce_its_policies(tmp_path: Path) -> None:
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "x.yml").write_text("title: x\npolicies: y\n")
    assert pod_network(Project(tmp_path), "x").policies == "y"
    with pytest.raises(InputError, match=r"there is no networks/policies/y\.yml"):
        pod_network(Project(tmp_path), "x", policies=True)
