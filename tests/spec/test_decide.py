"""Recipe + descriptions + images -> ImageSpec -> LinuxKit YAML, for the project's own recipe and for small ones."""

import re
from pathlib import Path

import pytest
import yaml
from spec_samples import ROOT, file_of, spec_of

from builder.acceptance.suites.conformance import CONFORMANCE
from builder.architecture import AMD64
from builder.container import Settings
from builder.errors import InputError
from builder.linuxkit.emit import document
from builder.linuxkit.model import Document
from builder.project import Project
from builder.recipe.access import Ssh
from builder.recipe.model import File, Kernel, Recipe, Role, Service
from builder.spec.descriptions import runtime
from builder.spec.model import NOTHING
from builder.spec.versions import control_plane

STORES = ("containerd",)


def test_every_reference_is_pinned_by_digest() -> None:
    made = document(spec_of(Recipe(runtime="cri-containerd")))
    assert len(made.references()) >= 8
    assert all("@sha256:" in reference for reference in made.references())


def test_yaml_reads_back_as_the_same_document() -> None:
    made = document(spec_of(Recipe(runtime="cri-containerd"), console_login=True))
    assert Document.from_yaml(made.to_yaml()) == made


def test_id_follows_the_content() -> None:
    plain = spec_of(Recipe(runtime="cri-containerd"))
    again = spec_of(Recipe(runtime="cri-containerd"))
    other = spec_of(Recipe(runtime="cri-containerd", kernel=Kernel(arguments=("quiet",))))
    assert plain.id == again.id != other.id
    assert plain.label != other.label
    assert len(plain.label) <= 32
    assert set(plain.label) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def test_console_login_is_in_test_builds_alone() -> None:
    recipe = Recipe(runtime="cri-containerd")
    closed = [entry.name for entry in spec_of(recipe).services]
    opened = [entry.name for entry in spec_of(recipe, console_login=True).services]
    assert "getty" not in closed
    assert "getty" in opened


@pytest.mark.parametrize("role", list(Role))
def test_what_others_tests_need_is_in_builds_for_those_alone(role: Role) -> None:
    plain, more = (spec_of(Recipe(runtime="cri-containerd"), role, extra=wanted) for wanted in (NOTHING, CONFORMANCE))
    added = {*more.container_images, *more.init} - {*plain.container_images, *plain.init}
    there = set(control_plane(role is Role.MASTER))  # etcd: the tests want it on workers too
    wanted = {"critest", *CONFORMANCE.images} - there
    assert {reference.partition(":")[0] for reference in added} == {f"docker.io/kubeiso/{name}" for name in wanted}
    assert any("agnhost" in image for image in more.container_images) and any("critest" in image for image in more.init)


def test_crictl_knows_the_runtime_s_socket() -> None:
    told = yaml.safe_load(file_of(spec_of(Recipe(runtime="cri-containerd")), "etc/crictl.yaml"))
    assert told == {"runtime-endpoint": runtime(Project(ROOT), "cri-containerd", STORES).socket}


def test_kernel_arguments_come_last() -> None:
    recipe = Recipe(runtime="cri-containerd", kernel=Kernel(arguments=("audit=0", "quiet"), console=("ttyS1,9600",)))
    assert spec_of(recipe).cmdline.startswith("console=ttyS1,9600 ")
    assert spec_of(recipe).cmdline.endswith(" audit=0 quiet")


def test_master_carries_the_control_plane_and_a_worker_does_not() -> None:
    recipe = Recipe(runtime="cri-containerd")
    master, worker = spec_of(recipe), spec_of(recipe, Role.WORKER)
    assert any("kube-apiserver" in image for image in master.container_images)
    assert not any("kube-apiserver" in image or "etcd" in image for image in worker.container_images)
    assert any("kube-proxy" in image for image in worker.container_images)


def test_kubeadm_configuration_names_socket_driver_and_subnets() -> None:
    documents = {
        d["kind"]: d for d in yaml.safe_load_all(file_of(spec_of(Recipe(runtime="cri-containerd")), "etc/kubeadm/kubeadm.yaml"))
    }
    assert documents["InitConfiguration"]["nodeRegistration"]["criSocket"] == "unix:///run/containerd/containerd.sock"
    assert documents["ClusterConfiguration"]["networking"]["podSubnet"] == "10.244.0.0/16"
    assert documents["KubeletConfiguration"]["cgroupDriver"] == "cgroupfs"
    assert documents["KubeProxyConfiguration"]["mode"] == "nftables"


def test_files_of_the_recipe_come_after_ours(tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("hello\n")
    files = (
        File(path="/etc/motd", source="motd"),
        File(path="/etc/os-release", contents="mine\n"),
        File(path="/srv/x", directory=True),
    )
    spec = spec_of(Recipe(runtime="cri-containerd", files=files), folder=tmp_path)
    assert file_of(spec, "etc/motd") == "hello\n"
    assert file_of(spec, "etc/os-release") == "mine\n"
    directory = next(file for file in document(spec).files or [] if file.path == "srv/x")
    assert (directory.directory, directory.mode) == (True, "0755")


def test_ssh_keys_of_the_recipe_are_on_the_node_and_its_server_is_on_each() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f someone"
    with_keys = spec_of(Recipe(runtime="cri-containerd", ssh=Ssh(authorized_keys=(key,))))
    without = spec_of(Recipe(runtime="cri-containerd"))
    assert file_of(with_keys, "root/.ssh/authorized_keys") == f"{key}\n"
    assert "root/.ssh/authorized_keys" not in [file.path for file in without.files]
    assert all("sshd" in [entry.name for entry in spec.services] for spec in (with_keys, without))


def test_the_server_waits_for_keys_and_the_kubelet_for_a_node_that_is_whole() -> None:
    """Keys of the metadata are enough; see pkg/init for what the annotations do."""
    texts = {name: (ROOT / "pkg" / name / "image.yml").read_text() for name in ("sshd", "kubelet")}
    of = {name: yaml.safe_load(text)["linuxkit"]["annotations"] for name, text in texts.items()}
    keys = ["/root/.ssh/authorized_keys", "/run/config/ssh/authorized_keys", "/etc/ssh/users", "/run/config/users"]
    assert of["sshd"]["org.kubeiso.if-exists"].split() == keys
    assert of["kubelet"]["org.kubeiso.unless-exists"] == "/run/degraded"


@pytest.mark.parametrize(("faults", "degrades"), [("degrade", True), ("halt", False)])
def test_a_recipe_says_what_becomes_of_a_node_whose_metadata_cannot_be_honoured(faults: str, degrades: bool) -> None:
    recipe = Recipe.model_validate({"runtime": "cri-containerd", "metadata": {"faults": faults}})
    words = {entry.name: dict(entry.settings).get("annotations", {}) for entry in spec_of(recipe).onboot}
    told = {name for name, annotations in words.items() if annotations.get("org.kubeiso.degrade") == "true"}
    assert told == ({"metadata", "state", "image-seed", "pod-network"} if degrades else set())
    assert words["state"]["org.kubeiso.limit"] == "0" and words["pod-network"]["org.kubeiso.beside-containerd"] == "true"


def test_what_all_pods_share_has_room_for_many() -> None:
    text = file_of(spec_of(Recipe(runtime="cri-containerd")), "etc/sysctl.d/10-kubeiso.conf")
    wanted = ("kernel.pid_max = 4194304", "fs.inotify.max_user_instances = 8192", "vm.max_map_count = 262144")
    assert [line for line in wanted if line not in text.splitlines()] == []


def test_a_node_knows_its_role() -> None:
    release = file_of(spec_of(Recipe(runtime="cri-containerd"), Role.WORKER), "etc/os-release")
    assert "VARIANT_ID=worker\n" in release and re.search(r"^IMAGE_VERSION=\d", release, re.MULTILINE)


def test_a_service_of_the_recipe_keeps_its_linuxkit_keys() -> None:
    digest = "sha256:" + "a" * 64
    service = Service(name="agent", image=f"example.com/agent@{digest}", linuxkit=Settings(net="host", binds=["/run:/run"]))
    made = document(spec_of(Recipe(runtime="cri-containerd", services=(service,))))
    agent = next(entry for entry in made.services or [] if entry.name == "agent")
    assert (agent.net, agent.binds, agent.image) == ("host", ["/run:/run"], f"example.com/agent@{digest}")


def test_an_unknown_runtime_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="runtimes/podman") as caught:
        runtime(Project(ROOT), "podman", STORES)
    assert "cri-containerd" in caught.value.hint


def test_the_platform_is_the_recipe_s_and_part_of_the_spec() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd"))
    assert spec.platform == "amd64" == AMD64.name
    assert spec.model_copy(update={"platform": "other"}).id != spec.id


@pytest.mark.parametrize("role", [Role.MASTER, Role.WORKER])
def test_a_node_knows_the_images_that_its_medium_has_for_kubeadm_s_pods(role: Role) -> None:
    spec = spec_of(Recipe(runtime="cri-containerd"), role)
    lines = file_of(spec, "etc/kubeadm/images").splitlines()
    assert ("docker.io/kubeiso/etcd:1" in lines) is (role is Role.MASTER) and "docker.io/kubeiso/kube-proxy:1" in lines
    config = yaml.safe_load(file_of(spec, "etc/kubeadm/kubeadm-upgrade.yaml"))
    assert config["apply"]["kubernetesVersion"] == f"v{spec.kubernetes_version}"
    assert "control-plane" in config["apply"]["skipPhases"] and config["node"]["skipPhases"] == config["apply"]["skipPhases"]
    assert "&id" not in file_of(spec, "etc/kubeadm/kubeadm-upgrade.yaml")
