"""What is known of Kubernetes' versions, and how a version of one's own comes into the node's files."""

from pathlib import Path

import pytest
import yaml
from spec_samples import file_of, spec_of

from builder.components.description import minors
from builder.oci import tag_of
from builder.project import Project
from builder.recipe.model import Recipe, Role
from builder.spec.descriptions import expected
from builder.spec.model import Kubernetes
from builder.spec.versions import unsupported

PKG = Path(__file__).parents[2] / "pkg"
OWN = "1.37.0-alpha.1.12+0123456789abcd-dirty"


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("kubelet", "1.33.9", ""), ("kubelet", "1.36.9-rc.0.3+abc", ""), ("kubelet", "1.32.9", "at most 3 minor versions older"),
        ("kubelet", OWN, "and not newer"), ("kube-proxy", "1.33.0", ""), ("kube-proxy", "1.37.0", "and not newer"),
        ("kube-scheduler", "1.35.0", ""), ("kube-scheduler", "1.34.0", "at most 1 minor version older"),
        ("kube-controller-manager", OWN, "and not newer"), ("kubectl", "1.35.0", ""), ("kubectl", OWN, ""),
        ("kubectl", "1.38.0", "1 minor version older or 1 minor version newer"), ("kubeadm", OWN, ""),
        ("kubeadm", "1.35.9", "at most 1 minor version newer, and not older"), ("kubeadm", "1.38.0", "1 minor version newer"),
        ("kubelet", "2.36.0", "and not newer"),
    ],
)  # fmt: skip
def test_versions_that_go_together(name: str, version: str, said: str) -> None:
    found = unsupported("1.36.3", {name: version, "kube-proxy": "1.36.3"} | {name: version})
    assert len(found) == bool(said)
    assert all(line.startswith(f"{name} v{version}: ") and said in line and "v1.36.3" in line for line in found)


def test_every_mismatch_is_told() -> None:
    others = dict.fromkeys(("kube-proxy", "kubelet", "kubectl", "kubeadm"), OWN)
    assert [line.partition(" ")[0] for line in unsupported("1.36.3", others)] == ["kube-proxy", "kubelet"]
    assert [line.partition(" ")[0] for line in unsupported(OWN, dict.fromkeys(others, "1.36.3"))] == ["kubeadm"]


def test_a_version_as_a_tag() -> None:
    assert tag_of(OWN) == "1.37.0-alpha.1.12_0123456789abcd-dirty"
    assert tag_of("1.36.3") == "1.36.3"


@pytest.mark.parametrize("minor", minors("kubernetes", Project(PKG.parent)))
def test_the_images_in_pkg_are_what_the_pinned_kubeadm_asks_for(minor: str) -> None:
    """All but pause, which is our own: it has a second name where a kubeadm asks for another (pipeline/kubernetes.py)."""

    def value(folder: str, file: str, key: str) -> str:
        return str(yaml.safe_load((PKG / folder / file).read_text())[key])

    wanted = expected(Project(PKG.parent), minor)
    assert wanted
    versions = {name: value(name, f"{minor}/component.yml", "version") for name in ("etcd", "coredns")}
    names = {name: value(name, "image.yml", "image").replace("{version}", version) for name, version in versions.items()}
    assert names.items() <= wanted.references().items()
    assert wanted.references()["pause"].startswith("registry.k8s.io/pause:3.10.")


def test_a_version_of_one_s_own_in_the_node_s_files() -> None:
    own = Kubernetes(version=OWN, image_tags={"etcd": "3.6.8-0", "coredns": "v1.14.2"})
    spec = spec_of(Recipe(runtime="cri-containerd"), kubernetes=own)
    documents = {each["kind"]: each for each in yaml.safe_load_all(file_of(spec, "etc/kubeadm/kubeadm.yaml"))}
    cluster = documents["ClusterConfiguration"]
    assert spec.kubernetes_version == OWN and cluster["kubernetesVersion"] == f"v{OWN}"
    assert (cluster["etcd"], cluster["dns"]) == ({"local": {"imageTag": "3.6.8-0"}}, {"imageTag": "v1.14.2"})
    release = dict(line.split("=") for line in file_of(spec, "etc/os-release").splitlines())
    assert release["PRETTY_NAME"] == f'"kubeiso, Kubernetes v{OWN}"'
    assert release["VERSION_ID"] == "1.37.0-alpha.1.12_0123456789abcd-dirty"


def test_without_one_kubeadm_chooses_by_itself() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd"))
    documents = {each["kind"]: each for each in yaml.safe_load_all(file_of(spec, "etc/kubeadm/kubeadm.yaml"))}
    assert not {"etcd", "dns"} & set(documents["ClusterConfiguration"])
    assert spec.kubernetes_version == "1.36.3"
    worker = spec_of(Recipe(runtime="cri-containerd"), Role.WORKER, kubernetes=Kubernetes(version=OWN))
    assert worker.kubernetes_version == OWN
