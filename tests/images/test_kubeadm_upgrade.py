"""A node whose disk an earlier medium wrote, with the real scripts: what is brought forward and what waits; cuts at each step."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from kubelet_node import SECONDS, Node, eventually
from test_kubeadm_auto import cut_at

OLD, NEW = "1.36.3", "1.37.2"
CONF, UPGRADING, UPGRADED = "etc/kubernetes/kubelet.conf", "etc/kubernetes/upgrading", "etc/kubernetes/upgraded"
RECORD, COPY = "var/lib/kubeiso/release", f"var/lib/etcd-copies/v{OLD}-before-v{NEW}"
TAGS = {
    "etcd": ("3.6.8-0", "3.7.0-0"),
    **{f"kube-{name}": (f"v{OLD}", f"v{NEW}") for name in ("apiserver", "controller-manager", "scheduler")},
}
NEW_IMAGES = {name: f"registry.k8s.io/{name}:{new}" for name, (_, new) in TAGS.items()}
IMAGES = "".join(f"{image}\n" for image in NEW_IMAGES.values()) + f"registry.k8s.io/kube-proxy:v{NEW}\n"
APPLY, ONE = (f"kubeadm upgrade {verb} --config /etc/kubeadm/kubeadm-upgrade.yaml" for verb in ("apply", "node"))
CLUSTER = "apiServer: {}\ndns: {}\netcd:\n  local:\n    dataDir: /var/lib/etcd\nkubernetesVersion: v%s\n"


# What kubectl says besides: of the add-ons' images, in the files `proxy` and `dns`.
ADD_ONS = """*"get daemonset kube-proxy "*) cat /proxy 2>/dev/null ;;
*"get deployment coredns "*) cat /dns 2>/dev/null ;;
*"set image daemonset/kube-proxy "*) echo "${6#*=}" >/proxy ;;
*"set image deployment/coredns "*) echo "${6#*=}" >/dns ;;
"""


def manifest(image: str) -> str:
    return f"spec:\n  containers:\n  - command:\n    - etcd\n    - --data-dir=/var/lib/etcd\n    image: {image}\n    name: x\n"


def image_of(node: Node, name: str) -> str:
    return next(line.split()[1] for line in node.text(f"etc/kubernetes/manifests/{name}.yaml").splitlines() if "image:" in line)


def member(root: Path, wrote: str = OLD) -> Node:
    """A node with a cluster that another medium wrote, on a medium of the newer release."""
    node = Node.at(root)
    (node.root / "var/lib/kubeiso").mkdir()
    node.put("programs/kubectl", node.text("programs/kubectl").replace('"apply -f "*)', f'{ADD_ONS}"apply -f "*)', 1))
    node.put("etc/kubeadm/images", IMAGES)
    node.put("etc/kubeadm/kubeadm-upgrade.yaml", f"kind: UpgradeConfiguration\napply:\n  kubernetesVersion: v{NEW}\n")
    node.put(CONF, "certificate\n")
    node.put("var/lib/kubelet/config.yaml", "config\n")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--of=kubeadm"\n')
    node.put(RECORD, f"layout=1\nrelease=0.1.0\nkubernetes={wrote}\nrole=master\n")
    node.put("cluster", CLUSTER % wrote)
    node.put("served", NEW)
    return node


def master(root: Path) -> Node:
    node = member(root)
    for name, (old, _) in TAGS.items():
        node.put(f"etc/kubernetes/manifests/{name}.yaml", manifest(f"registry.k8s.io/{name}:{old}"))
    (node.root / "var/lib/etcd/member").mkdir(parents=True)
    node.put("var/lib/etcd/member/db", "all of the cluster")
    return node


def done(node: Node) -> bool:
    return f"the upgrade to v{NEW} is done" in node.said() and not node.has(UPGRADING)


def brought(node: Node) -> None:
    """All that has to be so in the end."""
    assert node.text(UPGRADED) == IMAGES and not node.has(UPGRADING)
    assert f"kubernetes={NEW}\n" in node.text(RECORD) and "layout=1\n" in node.text(RECORD)
    assert node.text("var/lib/kubelet/config.yaml") == "upgraded\n"


def test_a_master_comes_up_with_the_new_images_before_anything_asks_the_api_server(tmp_path: Path) -> None:
    node = master(tmp_path)
    node.put("served")  # not yet
    with node.service() as service:
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
        assert {name: image_of(node, name) for name in TAGS} == NEW_IMAGES
        assert node.text(f"{COPY}/member/db") == "all of the cluster"
        assert f":v{OLD}\n" in node.text(f"{COPY}/manifests/kube-apiserver.yaml")
        assert f"kubernetes={NEW}\n" in node.text(RECORD), "the former minor version must not come back"
        node.put("served", NEW)
        eventually(lambda: done(node), "the upgrade is done")
        service.wait(SECONDS)  # the kubelet starts anew with its new configuration
    assert node.calls("kubeadm") == [APPLY]
    assert f"kubernetesVersion: v{NEW}\n" in node.text("cluster")
    brought(node)
    console = node.text("console").splitlines()
    assert console == [f"report upgrade {name} {state}" for name in ("node", "cluster") for state in ("start", "ok")]
    with node.service():
        eventually(lambda: len(node.calls("kubelet")) == 2, "the kubelet starts again")
    assert node.calls("kubeadm") == [APPLY], "nothing is left to do"
    assert {path.name for path in (node.root / "etc/kubernetes/manifests").iterdir()} == {f"{name}.yaml" for name in TAGS}


def test_add_ons_follow_with_the_first_master_and_others_in_their_place_stay(tmp_path: Path) -> None:
    """Until the last master is upgraded, kubeadm itself leaves them, and the nodes of the new medium have no other images."""
    node = master(tmp_path)
    node.put("proxy", f"registry.k8s.io/kube-proxy:v{OLD}")
    node.put("dns", "example.org/coredns:v9")
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    assert node.text("proxy") == f"registry.k8s.io/kube-proxy:v{NEW}\n" and node.text("dns") == "example.org/coredns:v9"


def test_a_further_master_upgrades_its_own_part_alone(tmp_path: Path) -> None:
    node = master(tmp_path)
    node.put("cluster", CLUSTER % NEW)
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    assert node.calls("kubeadm") == [ONE]


def test_what_a_user_put_in_the_place_of_an_image_stays(tmp_path: Path) -> None:
    node = master(tmp_path)
    node.put("etc/kubernetes/manifests/kube-scheduler.yaml", manifest("example.org/kube-scheduler:v1"))
    node.put("etc/kubernetes/manifests/mine.yaml", manifest("registry.k8s.io/etcd:3.5.0-0"))
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    assert image_of(node, "kube-scheduler") == "example.org/kube-scheduler:v1"
    assert image_of(node, "mine") == "registry.k8s.io/etcd:3.5.0-0"


def test_without_room_for_etcd_s_copy_nothing_is_touched(tmp_path: Path) -> None:
    node = master(tmp_path)
    node.put("free", "1000")
    with node.service():
        eventually(lambda: node.text("console").count(" failed ") >= 2, "a second attempt")
        assert "report upgrade node failed error: a copy of etcd's data takes 0 MiB, and 0 MiB are free" in node.text("console")
        assert "boot the former medium (Kubernetes v1.36.3)" in node.text("console")
        assert image_of(node, "etcd") == "registry.k8s.io/etcd:3.6.8-0" and not node.has(UPGRADING)
        assert f"kubernetes={OLD}\n" in node.text(RECORD) and node.calls("kubelet") == []
        node.put("free", "9999999")
        eventually(lambda: done(node), "the upgrade is done")
    brought(node)


def test_a_worker_ahead_of_its_masters_waits_and_says_so(tmp_path: Path) -> None:
    node = member(tmp_path)
    node.put("served", "1.36.9")
    with node.service():
        eventually(lambda: node.text("console").count(" failed ") >= 2, "a second attempt")
        assert "the masters have Kubernetes v1.36.9, and this worker's medium v1.37.2" in node.text("console")
        assert "or boot the former medium (v1.36.3); nothing was touched" in node.text("console")
        assert f"kubernetes={OLD}\n" in node.text(RECORD) and node.calls("kubelet") == [] and not node.has(UPGRADING)
        node.put("served", NEW)
        eventually(lambda: done(node), "the upgrade is done")
    assert node.calls("kubeadm") == [ONE]
    brought(node)


@pytest.mark.parametrize("served", ["1.38.0", "1.37.0", "2.0.1"])
def test_a_worker_may_be_older_than_its_masters(tmp_path: Path, served: str) -> None:
    node = member(tmp_path)
    node.put("served", served)
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    assert " failed " not in node.text("console")


def test_what_the_cluster_refuses_is_told_and_tried_again(tmp_path: Path) -> None:
    node = master(tmp_path)
    node.put("broken", "error: the API server takes no configuration\n")
    with node.service():
        eventually(lambda: len(node.calls("kubeadm")) >= 3, "a third attempt")
        assert len(node.calls("kubelet")) == 1, "the control plane runs meanwhile"
        assert "report upgrade cluster failed error: the API server takes no configuration again_in=0.4" in node.text("console")
        (node.root / "broken").unlink()
        eventually(lambda: done(node), "the upgrade is done")
    assert set(node.calls("kubeadm")) == {APPLY}


def test_an_upgrade_of_the_cluster_that_was_ended_goes_on_as_one(tmp_path: Path) -> None:
    """The configuration is of the new version by then, and its rights and add-ons may not be."""
    node = master(tmp_path)
    node.put(UPGRADING, "cluster\n")
    node.put("cluster", CLUSTER % NEW)
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    assert node.calls("kubeadm") == [APPLY]


@pytest.mark.parametrize(
    ("ours", "before", "after"),
    [
        ("dns: {}\n", "dns: {}\netcd:\n  local:\n    dataDir: /x\n", None),
        ("dns: {}\n", "dns:\n  imageTag: v1\netcd:\n  local:\n    imageTag: 1-0\n    dataDir: /x\nx: {imageTag: y}\n",
         "dns:\netcd:\n  local:\n    dataDir: /x\nx: {imageTag: y}\n"),
        ("etcd:\n  local:\n    imageTag: 2-0\ndns:\n  imageTag: v2\n", "dns: {}\netcd:\n  local:\n    dataDir: /x\n",
         "dns:\n  imageTag: v2\netcd:\n  local:\n    imageTag: 2-0\n    dataDir: /x\n"),
    ],
    ids=["none", "its own no more", "new ones"],
)  # fmt: skip
def test_the_cluster_s_configuration_has_the_tags_of_this_medium(
    tmp_path: Path, ours: str, before: str, after: str | None
) -> None:
    node = master(tmp_path)
    node.put("etc/kubeadm/kubeadm.yaml", f"kind: ClusterConfiguration\n{ours}")
    node.put("cluster", f"{before}kubernetesVersion: v{OLD}\n")
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    assert node.text("cluster") == f"{after or before}kubernetesVersion: v{NEW}\n"
    assert len([call for call in node.calls("kubectl") if " create " in call]) == (after is not None)


def test_the_former_patch_release_may_come_back(tmp_path: Path) -> None:
    node = master(tmp_path)
    for name in TAGS:
        later = "3.7.1-0" if name == "etcd" else "v1.37.9"
        node.put(f"etc/kubernetes/manifests/{name}.yaml", manifest(f"registry.k8s.io/{name}:{later}"))
    node.put(RECORD, f"layout=1\nkubernetes={NEW}\n")  # the step `state` notes another patch at once
    node.put(UPGRADED, IMAGES.replace(NEW, "1.37.9"))
    node.put("cluster", CLUSTER % "1.37.9")
    with node.service():
        eventually(lambda: done(node), "the node goes back")
    assert {name: image_of(node, name) for name in TAGS} == NEW_IMAGES and node.calls("kubeadm") == [APPLY]
    assert node.has(f"var/lib/etcd-copies/v1.37.9-before-v{NEW}/member/db")
    brought(node)


def test_manifests_that_a_restore_of_etcd_has_apart_are_brought_too(tmp_path: Path) -> None:
    node = master(tmp_path)
    (node.root / "etc/kubernetes/manifests").rename(node.root / "etc/kubernetes/manifests-restore")
    (node.root / "etc/kubernetes/manifests").mkdir()
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    assert {name: image_of(node, name) for name in TAGS} == NEW_IMAGES and node.calls("kubeadm") == [APPLY]


def test_another_etcd_alone_is_an_upgrade_too(tmp_path: Path) -> None:
    node = master(tmp_path)
    for name, (_, new) in TAGS.items():
        node.put(
            f"etc/kubernetes/manifests/{name}.yaml", manifest(f"registry.k8s.io/{name}:{new if name != 'etcd' else '3.7.9-0'}")
        )
    node.put(RECORD, f"kubernetes={NEW}\n")
    node.put("cluster", CLUSTER % NEW)
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    assert image_of(node, "etcd") == "registry.k8s.io/etcd:3.7.0-0" and node.has(
        f"var/lib/etcd-copies/v{NEW}-before-v{NEW}/member/db"
    )


def test_three_copies_of_etcd_are_kept(tmp_path: Path) -> None:
    node = master(tmp_path)
    for number in range(4):
        (node.root / f"var/lib/etcd-copies/v1.3{number}.0-before-v1.3{number + 1}.0").mkdir(parents=True)
    with node.service():
        eventually(lambda: done(node), "the upgrade is done")
    kept = sorted(path.name for path in (node.root / "var/lib/etcd-copies").iterdir())
    assert len(kept) == 3 and COPY.split("/")[-1] in kept


def test_a_new_node_has_nothing_to_bring(tmp_path: Path) -> None:
    node = member(tmp_path)
    (node.root / CONF).unlink()
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    assert node.calls("kubeadm") == [] and node.text("console") == "" and node.text(UPGRADED) == IMAGES


def test_a_cluster_that_never_came_up_is_made_anew_and_not_upgraded(tmp_path: Path) -> None:
    node = master(tmp_path)
    node.put("run/config/kubeadm/init")
    node.put("etc/kubernetes/unfinished", "begun\n")
    with node.service():
        eventually(lambda: "kubeadm init is done" in node.said(), "kubeadm ends well")
    assert not [call for call in node.calls("kubeadm") if "upgrade" in call]
    assert not node.has("var/lib/etcd-copies")


@pytest.mark.parametrize(
    "first", [1, *(pytest.param(first, marks=pytest.mark.long) for first in range(2, 7))], ids="every sixth step from {}".format
)
@pytest.mark.parametrize("make", [master, member], ids=["master", "worker"])
def test_a_power_cut_at_any_step_ends_in_the_upgraded_cluster(tmp_path: Path, make: Callable[[Path], Node], first: int) -> None:
    """By turns with all that was written on the disk, and with what was synced alone."""
    ended, step, keeps = False, first - 6, "synced"
    while not ended:
        step, keeps = step + 6, "written" if keeps == "synced" else "synced"
        node = make(tmp_path / str(step))
        node.run("sync")  # what the former medium left
        ended = cut_at(node, step, keeps)
        if make is master and node.calls("kubelet"):
            assert image_of(node, "etcd").endswith("3.7.0-0"), f"a kubelet without its images, at step {step}"
        node.put("said")
        shutil.rmtree(node.root / "run/kubeadm-upgrade", ignore_errors=True)
        if node.has(UPGRADING) or not node.text(UPGRADED):
            with node.service():
                eventually(lambda: done(node), f"the upgrade goes on after a cut at step {step}: {node.said()}")  # noqa: B023
        brought(node)
        if make is master:
            whole(node, step)
    assert step > 10, "steps were seen"


def whole(node: Node, step: int) -> None:
    """A master's own part, after a cut at that step."""
    assert {name: image_of(node, name) for name in TAGS} == NEW_IMAGES, f"after a cut at step {step}"
    assert node.text(f"{COPY}/member/db") == "all of the cluster", f"after a cut at step {step}"
    assert f":v{OLD}\n" in node.text(f"{COPY}/manifests/kube-apiserver.yaml"), f"after a cut at step {step}"
    assert f"kubernetesVersion: v{NEW}\n" in node.text("cluster"), f"after a cut at step {step}"
