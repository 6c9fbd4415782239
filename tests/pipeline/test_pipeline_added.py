"""A runtime, a handler and a network are added by a description each, and folders of pkg/ where programs are needed."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml
from pipeline_samples import image, write

from builder.cluster.model import PodClass
from builder.errors import InputError
from builder.linuxkit.model import Document
from builder.pipeline.clusters import facts
from builder.pipeline.model import BuildOptions, Plan
from builder.pipeline.plan import judged, plan
from builder.pipeline.render import render
from builder.project import Project
from builder.recipe.model import Role
from builder.store import Store

pytest_plugins = ["pipeline_fixtures"]

RUNTIME = {
    "title": "another runtime",
    "socket": "unix:///run/other/other.sock",
    "cgroup_driver": "systemd",
    "image_store": "containerd",
    "init": ["other-plugins"],
    "onboot": ["other-seed"],
    "services": ["other"],
    "kubelet_arguments": {"runtime-request-timeout": "15m"},
    "modules": ["fuse"],
    "files": [{"path": "etc/other/other.conf", "contents": "pause = {{ image.pause }}\n", "mode": "0600"}],
    "checks": [{"name": "it answers", "command": "other version"}],
    "logs": ["/var/log/other.log"],
    "diagnostics": [{"name": "other.txt", "command": "other ps"}],
}
BOX = {
    "name": "box", "handler": "box-v2", "overhead": {"memory": "64Mi"}, "node_selector": {"boxes": "yes"},
    "sandbox": {"process": "^box "}, "proof": "box is $ID",
}  # fmt: skip
HANDLER = {
    "title": "boxes",
    "init": ["box"],
    "modules": ["tun"],
    "logs": ["/var/log/box.log"],
    "checks": [{"name": "boxes can be made", "command": "box version"}],
    "classes": [BOX],
    "runtimes": {
        "other": {"init": ["box-shim"], "files": [{"path": "etc/other/box.conf", "contents": "{{ image.box }}\n"}]},
        "toy": {},
    },
}
NETWORK = {
    "title": "another network",
    "onboot": ["wired"],
    "images": ["wire-agent"],
    "sysctl": {"net.ipv4.conf.all.forwarding": "1"},
    "files": [{"path": "etc/wire", "contents": "{{ network.pod_subnet }} {{ network.domain }} {{ image['wire-agent'] }}\n"}],
    "workloads": [{"kind": "daemonset", "namespace": "kube-system", "name": "wire"}],
}


@pytest.fixture
def added(sample: tuple[Project, Path]) -> Project:
    """The small project with both, and a recipe that names them."""
    project, _ = sample
    write(project.root / "runtimes" / "other.yml", RUNTIME)
    write(project.root / "networks" / "wire.yml", NETWORK)
    write(project.root / "handlers" / "box.yml", HANDLER)
    write(project.root / "recipes" / "other.yml", {"runtime": "other", "network": {"cni": "wire"}})
    write(project.root / "recipes" / "boxed.yml", {"runtime": "other", "handlers": ["box"], "network": {"cni": "wire"}})
    for name in ("box", "box-shim", "other-plugins", "other-seed", "other", "wired", "wire-agent"):
        image(project.root, name, contents={f"usr/share/{name}": "x"})
    return project


def planned(project: Project, recipe: str = "other") -> Plan:
    return plan(project, project.recipes / f"{recipe}.yml", None, BuildOptions())


def test_check_and_render_take_them(added: Project) -> None:
    assert judged(added, added.recipes / "other.yml", {}).mistakes == []
    text = render(added, planned(added), Role.MASTER, Store(added.root / "cache"))
    node = Document.from_yaml(text)
    files = {file.path: (file.contents or "", file.mode) for file in node.files or []}
    assert "docker.io/kubeiso/other-plugins:1" in node.init
    onboot = [entry.name for entry in node.onboot or []]
    assert onboot.index("other-seed") < onboot.index("wired") == len(onboot) - 1
    assert "other" in [entry.name for entry in node.services or []]
    assert files["etc/other/other.conf"] == ("pause = docker.io/kubeiso/pause:1\n", "0600")
    assert files["etc/wire"][0] == "10.244.0.0/16 cluster.local docker.io/kubeiso/wire-agent:1\n"
    assert files["etc/crictl.yaml"][0] == "runtime-endpoint: unix:///run/other/other.sock\n"
    kubeadm = files["etc/kubeadm/kubeadm.yaml"][0]
    assert "criSocket: unix:///run/other/other.sock" in kubeadm and "cgroupDriver: systemd" in kubeadm
    assert "value: 15m" in kubeadm
    assert "fuse\n" in files["etc/modules-load.d/20-kubeiso.conf"][0]
    assert "net.ipv4.conf.all.forwarding = 1" in files["etc/sysctl.d/10-kubeiso.conf"][0]


def test_its_checks_logs_and_diagnostics_are_those_of_its_clusters(added: Project) -> None:
    found = facts(planned(added))
    assert found.checks == (("it answers", "other version"),)
    assert (found.logs, found.diagnostics) == (("/var/log/other.log",), (("other.txt", "other ps"),))


def rendered(project: Project, recipe: str, role: Role) -> tuple[Document, dict[str, str]]:
    node = Document.from_yaml(render(project, planned(project, recipe), role, Store(project.root / "cache")))
    return node, {file.path: file.contents or "" for file in node.files or []}


def test_check_and_render_take_a_handler(added: Project) -> None:
    assert judged(added, added.recipes / "boxed.yml", {}).mistakes == []
    node, files = rendered(added, "boxed", Role.MASTER)
    assert {"docker.io/kubeiso/box:1", "docker.io/kubeiso/box-shim:1"} <= set(node.init)
    assert "tun\n" in files["etc/modules-load.d/20-kubeiso.conf"]
    assert files["etc/other/box.conf"] == "docker.io/kubeiso/box:1\n"
    (made,) = yaml.safe_load_all(files["etc/kubeadm/kube-system.init/20-runtime-classes.yaml"])
    assert made == {
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "box"}, "handler": "box-v2",
        "overhead": {"podFixed": {"memory": "64Mi"}}, "scheduling": {"nodeSelector": {"boxes": "yes"}},
    }  # fmt: skip
    assert not [path for path in rendered(added, "boxed", Role.WORKER)[1] if "runtime-classes" in path]
    assert not [path for path in rendered(added, "other", Role.MASTER)[1] if "box" in path or "runtime-classes" in path]


def test_what_proves_a_handler_is_known_of_its_clusters(added: Project) -> None:
    found = facts(planned(added, "boxed"))
    assert found.checks == (("it answers", "other version"), ("boxes can be made", "box version"))
    assert found.logs == ("/var/log/other.log", "/var/log/box.log")
    assert found.classes == (PodClass(name="box", handler="box-v2", process="^box ", proof="box is $ID"),)


def handler_mistakes(project: Project, **keys: object) -> list[str]:
    path = project.root / "handlers" / "box.yml"
    write(path, {**HANDLER, **keys})
    with pytest.raises(InputError) as told:
        judged(project, project.recipes / "boxed.yml", {})
    return [line.removeprefix(f"{path}:").partition(" ")[2] for line in told.value.details]


def test_each_mistake_of_a_handler_is_told(added: Project) -> None:
    class_of = {**BOX, "overhead": {"memory": "lots", "disk": "1"}}
    told = handler_mistakes(added, classes=[class_of])
    assert [line.partition(":")[0] for line in told] == ["classes[0].overhead.disk", "classes[0].overhead.memory"]
    (line,) = handler_mistakes(added, runtimes={"other": {"init": ["boxx"]}})
    assert line == "runtimes.other.init[0]: pkg/ has no image boxx (did you mean 'box'?)"
    (line,) = handler_mistakes(added, runtimes={"othr": {}, "toy": {}})
    assert line == "runtimes.othr: unknown runtime othr (did you mean 'other'?)"
    (line,) = handler_mistakes(added, runtimes={"other": {"files": [{"path": "etc/x", "contents": "{{ image.bx }}"}]}})
    assert line.startswith("runtimes.other.files[0].contents: image.bx is not defined")


def test_a_handler_that_does_not_work_with_the_runtime_is_told(added: Project) -> None:
    write(added.root / "handlers" / "box.yml", {**HANDLER, "runtimes": {"toy": {}}})
    (mistake,) = judged(added, added.recipes / "boxed.yml", {}).mistakes
    assert str(mistake).endswith("handlers[0]: box does not work with the runtime other (it works with toy)")
    with pytest.raises(InputError):
        planned(added, "boxed")


def test_an_image_store_that_nobody_makes_is_told(added: Project) -> None:
    write(added.root / "runtimes" / "other.yml", {**RUNTIME, "image_store": "crio"})
    with pytest.raises(InputError) as told:
        judged(added, added.recipes / "other.yml", {})
    (line,) = told.value.details
    assert line.endswith("image_store: nobody makes the image store crio (known: containerd, containers-storage, docker)")


# An engine that does not speak CRI itself

SPEAKERS: dict[str, object] = {
    "first": {"title": "the first", "socket": "unix:///run/first.sock", "services": ["other"], "logs": ["/var/log/first.log"]},
    "second": {
        "title": "the second", "socket": "unix:///run/second.sock", "init": ["box"], "outlived": ["second"],
        "files": [{"path": "etc/second", "contents": "{{ image.box }}\n"}],
    },
}  # fmt: skip
ENGINE = {key: value for key, value in RUNTIME.items() if key != "socket"}


def with_cri(project: Project, recipe: str | None = None, runtime: Mapping[str, object] = MappingProxyType({})) -> None:
    write(project.root / "runtimes" / "other.yml", {**ENGINE, "cri": SPEAKERS, **runtime})
    write(project.recipes / "spoken.yml", {"runtime": "other", "network": {"cni": "wire"}, "cri": recipe})


def test_the_first_speaks_cri_unless_the_recipe_chooses(added: Project) -> None:
    with_cri(added)
    node, files = rendered(added, "spoken", Role.MASTER)
    assert files["etc/crictl.yaml"] == "runtime-endpoint: unix:///run/first.sock\n" and "etc/second" not in files
    assert "docker.io/kubeiso/box:1" not in node.init
    found = facts(planned(added, "spoken"))
    assert (found.socket, found.logs, found.outlived) == (
        "unix:///run/first.sock", (*RUNTIME["logs"], "/var/log/first.log"), (),
    )  # fmt: skip


def test_another_speaks_cri_that_the_recipe_chooses(added: Project) -> None:
    with_cri(added, "second")
    node, files = rendered(added, "spoken", Role.MASTER)
    assert files["etc/crictl.yaml"] == "runtime-endpoint: unix:///run/second.sock\n"
    assert files["etc/second"] == "docker.io/kubeiso/box:1\n" and "docker.io/kubeiso/box:1" in node.init
    found = facts(planned(added, "spoken"))
    assert (found.socket, found.logs, found.outlived) == ("unix:///run/second.sock", tuple(RUNTIME["logs"]), ("second",))


def test_what_does_not_speak_cri_for_the_runtime_is_told(added: Project) -> None:
    with_cri(added, "secnd")
    (mistake,) = judged(added, added.recipes / "spoken.yml", {}).mistakes
    assert str(mistake).endswith("cri: secnd does not speak CRI for other (did you mean 'second'?)")
    write(added.root / "runtimes" / "other.yml", RUNTIME)
    (mistake,) = judged(added, added.recipes / "spoken.yml", {}).mistakes
    assert str(mistake).endswith("cri: secnd does not speak CRI for other (other speaks CRI itself: leave it out)")


@pytest.mark.parametrize(
    ("runtime", "told"),
    [
        ({"socket": "unix:///x"}, "socket and cri are given (give one of socket and cri)"),
        ({"cri": {}}, "nothing is given (give one of socket and cri)"),
        (
            {"cri": {"a": {"title": "x", "socket": "y", "services": ["othr"]}}},
            "cri.a.services[0]: pkg/ has no image othr (did you mean 'other'?)",
        ),
        ({"cri": {"a": {"title": "x"}}}, "cri.a.socket: the key is missing"),
    ],
)
def test_mistakes_of_what_speaks_cri_are_told(added: Project, runtime: dict[str, object], told: str) -> None:
    with_cri(added, runtime=runtime)
    with pytest.raises(InputError) as raised:
        judged(added, added.recipes / "spoken.yml", {})
    assert told in "\n".join(raised.value.details)
