"""Handlers whose pods are virtual machines: what their descriptions say, and what becomes of it on a node."""

import tomllib
from pathlib import Path

import pytest
import yaml
from spec_samples import REAL, file_of, handled, spec_of

from builder.errors import InputError
from builder.project import Project
from builder.recipe.model import Recipe, Role
from builder.spec.classes import CLASSES
from builder.spec.descriptions import handler, runtime
from builder.spec.model import KUBELETS_OWN
from builder.spec.needs import needs

KATA = "/etc/kata-containers/qemu/configuration.toml"
CRI = "io.containerd.cri.v1.runtime"


def node(runtime_name: str, role: Role = Role.MASTER) -> dict[str, str]:
    """Path -> text of a node's files with Kata Containers."""
    spec = spec_of(Recipe(runtime=runtime_name, handlers=("kata",)), role)
    return {file.path: file.contents or "" for file in spec.files}


def test_containerd_has_the_handler_and_the_untrusted_runtime() -> None:
    given = tomllib.loads(node("cri-containerd")["etc/containerd/conf.d/kata.toml"])
    runtimes = given["plugins"][CRI]["containerd"]["runtimes"]
    assert sorted(runtimes) == ["kata", "untrusted"] and given["version"] == 3
    assert runtimes["kata"] == runtimes["untrusted"]
    assert runtimes["kata"]["runtime_type"] == "io.containerd.kata.v2"
    assert runtimes["kata"]["options"] == {"ConfigPath": KATA}
    assert runtimes["kata"]["privileged_without_host_devices"] is True


def test_cri_o_has_the_handler() -> None:
    found = tomllib.loads(node("cri-o")["etc/crio/crio.conf.d/20-kata.conf"])["crio"]["runtime"]["runtimes"]["kata"]
    assert found == {
        "runtime_path": "/usr/bin/containerd-shim-kata-v2", "runtime_type": "vm", "runtime_root": "/run/vc",
        "runtime_config_path": KATA, "privileged_without_host_devices": True, "container_create_timeout": 900,
    }  # fmt: skip
    storage = tomllib.loads(node("cri-o")["etc/containers/storage.conf"])["storage"]
    assert storage["options"]["overlay"]["skip_mount_home"] == "true"


@pytest.mark.parametrize("name", ["cri-containerd", "cri-o"])
def test_every_deadline_outlasts_the_one_within_it(name: str) -> None:
    files = node(name)
    kata = tomllib.loads(files["etc/kata-containers/qemu/config.d/10-kubeiso.toml"])
    kubeadm = {each["kind"]: each for each in yaml.safe_load_all(files["etc/kubeadm/kubeadm.yaml"])}
    assert kubeadm["InitConfiguration"]["nodeRegistration"]["ignorePreflightErrors"] == ["NumCPU"]
    assert kubeadm["KubeletConfiguration"]["runtimeRequestTimeout"] == "900s"
    assert kata["agent"]["kata"]["dial_timeout"] < kata["runtime"]["create_container_timeout"] < 900


def test_a_machine_fits_into_what_its_pod_may_take() -> None:
    """It lies in the pod's control group, whose limit is the containers' limits and the overhead."""
    kata = tomllib.loads(node("cri-containerd")["etc/kata-containers/qemu/config.d/10-kubeiso.toml"])
    assert kata["runtime"]["sandbox_cgroup_only"] and kata["runtime"]["static_sandbox_resource_mgmt"]
    for document in yaml.safe_load_all(node("cri-containerd")[CLASSES]):
        overhead = document["overhead"]["podFixed"]["memory"]
        assert int(overhead.removesuffix("Mi")) >= kata["hypervisor"]["qemu"]["default_memory"] + 128


def test_classes_choose_nodes_that_say_they_can() -> None:
    found = {each["metadata"]["name"]: each for each in yaml.safe_load_all(node("cri-o")[CLASSES])}
    assert sorted(found) == ["kata", "kata-qemu"]
    files = node("cri-o", Role.WORKER)
    for each in found.values():
        assert each["handler"] == "kata"
        ((label, value),) = each["scheduling"]["nodeSelector"].items()
        assert value == "true" and files["etc/virtualisation/labels"].split() == [label]


def test_two_hypervisors_side_by_side_share_what_they_can() -> None:
    spec = spec_of(Recipe(runtime="cri-o", handlers=("kata", "kata-clh")))
    assert len([image for image in spec.init if "/kata:" in image]) == 1
    assert file_of(spec, "etc/virtualisation/labels").split() == ["katacontainers.io/kata-runtime"]
    assert file_of(spec, "etc/virtualisation/devices").split().count("/dev/kvm") == 1
    assert len({file.path for file in spec.files}) == len(spec.files), "no file of the one is in the other's way"


def test_the_node_is_told_what_to_load_and_to_look_for() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd", handlers=("kata",)))
    assert file_of(spec, "etc/virtualisation/modules").split()[:2] == ["kvm_amd", "kvm_intel"]
    assert "/dev/kvm" in file_of(spec, "etc/virtualisation/devices").split()
    assert "kvm_amd" not in file_of(spec, "etc/modules-load.d/20-kubeiso.conf"), "only where the processor has it"
    (step,) = [entry for entry in spec.onboot if entry.name == "virtualisation"]
    assert step.settings["annotations"] == {"org.kubeiso.optional": "true"}


@pytest.mark.parametrize("handlers", [(), ("crun",), ("gvisor",)])
def test_others_leave_no_trace_of_it(handlers: tuple[str, ...]) -> None:
    spec = spec_of(Recipe(runtime="cri-containerd", handlers=handlers))
    assert not [file.path for file in spec.files if "virtualisation" in file.path]
    assert not [entry.name for entry in spec.onboot if entry.name == "virtualisation"]
    assert "runtimeRequestTimeout" not in file_of(spec, "etc/kubeadm/kubeadm.yaml")


def test_what_two_handlers_share_is_there_once() -> None:
    kata = handler(REAL, "kata")
    twice = kata.join("cri-o", kata.join("cri-o", runtime(REAL, "cri-o", ("containers-storage",))))
    need = needs(Recipe(runtime="cri-o"), Role.WORKER, twice, handled("cri-o", ())[1], console_login=False)
    for names in (need.init, need.onboot, need.services):
        assert len(set(names)) == len(names)
    assert len(twice.virtualisation) == 1 and twice.request_timeout == 900 > KUBELETS_OWN


MISTAKES = {
    "virtualisation: {label: x, devices: []}": "virtualisation.devices: ",
    "virtualisation: {label: 'a b', devices: [/dev/kvm]}": "virtualisation.label: expected a label's key such as",
    "virtualisation: {label: x, devices: [kvm]}": "virtualisation.devices[0]: expected a device file such as /dev/kvm",
    "virtualisation: {label: x, device: [/dev/kvm]}": "virtualisation.device: unknown key (did you mean 'devices'?)",
    "request_timeout: 0": "request_timeout: ",
    "request_timeout: true": "request_timeout: ",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_has_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "handlers").mkdir()
    (tmp_path / "runtimes").mkdir()
    (tmp_path / "runtimes" / "toy.yml").touch()
    path = tmp_path / "handlers" / "vm.yml"
    path.write_text(f"title: x\nclasses: [{{name: vm, handler: vm, proof: 'true'}}]\nruntimes: {{toy: {{}}}}\n{text}\n")
    with pytest.raises(InputError) as caught:
        handler(Project(tmp_path), "vm")
    assert any(line.startswith(f"{path}:4:") and MISTAKES[text] in line for line in caught.value.details), caught.value.details
