"""A runtime and a network are added by a description each, and folders of pkg/ where programs are needed: no Python."""

from pathlib import Path

import pytest
from pipeline_samples import image, write

from builder.errors import InputError
from builder.linuxkit.model import Document
from builder.pipeline.clusters import facts
from builder.pipeline.model import BuildOptions, Plan
from builder.pipeline.plan import mistakes_of, plan
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
    write(project.root / "recipes" / "other.yml", {"runtime": "other", "network": {"cni": "wire"}})
    for name in ("other-plugins", "other-seed", "other", "wired", "wire-agent"):
        image(project.root, name, contents={f"usr/share/{name}": "x"})
    return project


def planned(project: Project) -> Plan:
    return plan(project, project.recipes / "other.yml", None, BuildOptions())


def test_check_and_render_take_them(added: Project) -> None:
    assert mistakes_of(added, added.recipes / "other.yml", {}) == []
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


def test_an_image_store_that_nobody_makes_is_told(added: Project) -> None:
    write(added.root / "runtimes" / "other.yml", {**RUNTIME, "image_store": "crio"})
    with pytest.raises(InputError) as told:
        mistakes_of(added, added.recipes / "other.yml", {})
    (line,) = told.value.details
    assert line.endswith("image_store: nobody makes the image store crio (known: containerd)")
