"""The kubelet's service, and kubeadm's scripts by hand: in a root of their own, with programs that only note their calls."""

import os
from pathlib import Path

import pytest
import yaml
from kubelet_node import SECONDS, Node, eventually


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node.at(tmp_path)


def test_the_kubelet_waits_for_kubeadm(node: Node) -> None:
    with node.service():
        eventually(lambda: "waiting for kubeadm" in node.said(), "the service says that it waits")
        assert node.calls() == []
        node.put("var/lib/kubelet/config.yaml", "config")
        node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--a=1 --b=2"')
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    (call,) = node.calls()
    assert call.startswith("kubelet --config=/var/lib/kubelet/config.yaml --config-dir=/run/kubelet.conf.d ")
    assert call.endswith(" --a=1 --b=2")


def test_the_image_s_own_words_for_the_kubelet(node: Node) -> None:
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--a=1"')
    node.put("etc/kubelet.conf.d/arguments", 'KUBELET_ARGS="--v=4 --c=2"\n')
    node.put("etc/kubelet.conf.d/own.conf", "maxPods: 40\n")
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    (call,) = node.calls()
    assert call.endswith(" --a=1 --v=4 --c=2")
    assert node.text("run/kubelet.conf.d/50-own.conf") == "maxPods: 40\n"


@pytest.mark.parametrize(
    ("server", "host"), [("10.0.0.1:6443", "10.0.0.1"), ("api.example.org", "api.example.org"), ("[fd00::1]:6443", "fd00::1")]
)
def test_the_kubelet_s_proxy_is_not_for_the_api_server(node: Node, server: str, host: str) -> None:
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    node.put("etc/kubernetes/kubelet.conf", f"clusters:\n- cluster:\n    server: https://{server}\n  name: default-cluster\n")
    folder = node.root / "proc/1/root/etc/environment.d"
    folder.mkdir(parents=True)
    (folder / "50-proxy.conf").write_text("HTTPS_PROXY=http://u:p%40@proxy:3128\nNO_PROXY=.svc,10.0.0.0/8\n")
    node.put("programs/kubelet", '#!/bin/sh\necho "kubelet $HTTPS_PROXY $NO_PROXY" >>/calls\nexec /usr/bin/sleep 1000\n')
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    assert node.calls("kubelet") == [f"kubelet http://u:p%40@proxy:3128 .svc,10.0.0.0/8,{host}"]


def test_a_kubelet_that_ends_while_kubeadm_is_at_work_is_started_again_within_the_service(node: Node) -> None:
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    node.put("at-work")
    node.put("short")
    with node.service() as service:
        eventually(lambda: len(node.calls("kubelet")) >= 2, "the kubelet starts again")
        assert service.poll() is None
        (node.root / "at-work").unlink()
        assert service.wait(SECONDS) == 3
    assert "ended with exit code 3 while kubeadm is at work" in node.said()


@pytest.mark.parametrize("trouble", [False, True], ids=["they are renewed", "their renewal fails"])
def test_certificates_are_seen_to_before_the_kubelet_starts(node: Node, trouble: bool) -> None:
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    if trouble:
        node.put("short-of-room")
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")) and "watch" in node.text("certificates"), "no kubelet")
    before, watch = node.text("certificates").splitlines()
    assert before == "renew after 0 kubelets" and watch.startswith("watch after ")
    assert ("certificates renew ended with exit code 4" in node.said()) == trouble


@pytest.mark.parametrize(
    ("flags", "own", "known"),
    [
        ("", "", os.uname().nodename.lower()),
        ("--hostname-override=former", "", "former"),
        ("--hostname-override=former --v=2", "--hostname-override=Latter", "latter"),
        ("", "--v=2 --hostname-override Latter", "latter"),
    ],
    ids=["its own", "kubeadm's", "the image's", "two words"],
)
def test_a_node_that_has_lost_its_name_is_no_member_of_its_cluster(node: Node, flags: str, own: str, known: str) -> None:
    """Its metadata are not there, and so maybe its address neither."""
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", f'KUBELET_KUBEADM_ARGS="{flags}"')
    node.put("etc/kubelet.conf.d/arguments", f'KUBELET_ARGS="{own}"')
    node.put("known-as", "meant\n")
    with node.service():
        eventually(lambda: "the kubelet waits: its cluster knows this node as meant" in node.said(), "it is told")
        eventually(lambda: "report kubeadm kubelet failed its cluster knows this node" in node.text("console"), "it is told")
        assert node.calls("kubelet") == []
        node.put("known-as", f"{known}\n")
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts once the names are one")
        assert "report kubeadm kubelet ok" in node.text("console")


LABEL = "example.org/vm=true"
TELL = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf label node one --overwrite"


@pytest.mark.parametrize("before", ["", "example.org/vm=false\n"], ids=["a new node", "one that had another processor"])
def test_a_node_says_by_labels_what_it_found_out_about_itself(node: Node, before: str) -> None:
    node.put("run/node-labels/virtualisation", f"{LABEL}\n")
    node.put("run/node-labels/more", "example.org/x=1\nexample.org/y=2\n")
    if before:
        node.put("var/lib/kubelet/node-labels", before)
    node.put("busy")  # the API server, at first
    node.put("var/lib/kubelet/config.yaml", "config\n")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--of=kubeadm"\n')
    with node.service():
        eventually(lambda: node.has("var/lib/kubelet/node-labels") and LABEL in told(node), "nobody was told")
    (kubelet,) = node.calls("kubelet")
    assert kubelet.endswith(f"--of=kubeadm --node-labels=example.org/x=1,example.org/y=2,{LABEL}")
    assert f"{TELL} example.org/x=1 example.org/y=2 {LABEL} with " in node.calls("kubectl")[-1]


def told(node: Node) -> str:
    return (node.root / "var/lib/kubelet/node-labels").read_text()


def test_what_the_cluster_knows_already_is_not_said_again(node: Node) -> None:
    node.put("var/lib/kubelet/node-labels", f"{LABEL}\n")
    assert node.run("node-labels.sh", LABEL).returncode == 0
    assert node.calls() == []


def test_a_node_that_found_nothing_out_says_nothing(node: Node) -> None:
    node.put("var/lib/kubelet/config.yaml", "config\n")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--of=kubeadm"\n')
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "no kubelet")
    assert "node-labels" not in node.calls("kubelet")[0] and node.calls("kubectl") == []


def test_the_service_stops_its_kubelet(node: Node) -> None:
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    node.put("at-work")
    with node.service() as service:
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
        service.terminate()
        assert service.wait(SECONDS) == 143
        with pytest.raises(ProcessLookupError):
            os.killpg(service.pid, 0)
    assert len(node.calls("kubelet")) == 1


@pytest.mark.parametrize(
    ("kib", "disk", "memory"),
    [(1_000_000, "ext4", "128Mi"), (3_000_000, "ext4", "292Mi"), (64_000_000, "ext4", "1024Mi"), (3_000_000, "tmpfs", "658Mi")],
    ids=["small", "usual", "large", "without a disk"],
)
def test_a_share_of_the_memory_is_the_node_s_own(node: Node, kib: int, disk: str, memory: str) -> None:
    node.put("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n")
    node.put("meminfo", f"MemTotal:       {kib} kB\nMemFree: 1 kB\n")
    node.put("mounts", f"tmpfs /run tmpfs rw 0 0\n/dev/x /var {disk} rw 0 0\ntmpfs /var/lib/x tmpfs rw 0 0\n")
    words = ("/var/lib/kubelet/config.yaml", "/run/kubelet.conf.d", "/meminfo", "/mounts")
    assert node.run("kubelet-reserved.sh", *words).returncode == 0
    written = yaml.safe_load(node.text("run/kubelet.conf.d/10-reserved.conf"))
    assert written["kind"] == "KubeletConfiguration"
    assert written["systemReserved"].pop("cpu", "100m") == "100m"  # a single processor has none to spare
    assert written["systemReserved"] == {"memory": memory, "pid": "1000"}
    node.put("var/lib/kubelet/config.yaml", "systemReserved:\n  memory: 3Gi\n")
    assert node.run("kubelet-reserved.sh", *words).returncode == 0
    assert not node.has("run/kubelet.conf.d/10-reserved.conf"), "what the cluster's configuration says is left as it is"


def test_init_takes_the_configuration_that_somebody_put_there(node: Node) -> None:
    assert node.run("kubeadm-init.sh", "--v=1").returncode == 0
    (node.root / "etc/kubernetes/kubelet.conf").unlink()
    node.put("run/config/kubeadm/kubeadm.yaml")
    assert node.run("kubeadm-init.sh").returncode == 0
    assert node.calls() == [
        "kubeadm init --config /etc/kubeadm/kubeadm.yaml --v=1",
        "kubeadm init --config /run/config/kubeadm/kubeadm.yaml",
    ]


@pytest.mark.parametrize(("late", "asked"), [("", 1), ("...", 4), ("." * 99, 10)], ids=["at once", "later", "never"])
@pytest.mark.parametrize("script", ["kubeadm-init.sh", "kubeadm-join.sh"])
def test_the_runtime_is_asked_until_it_answers_in_kubeadm_s_time(node: Node, script: str, late: str, asked: int) -> None:
    """In the end kubeadm runs all the same, and says what is wrong."""
    node.put("late", late)
    node.put("run/config/kubeadm/kubeadm.yaml")
    assert node.run(script).returncode == 0
    assert (node.root / "asked").stat().st_size == asked
    assert node.calls("kubeadm") == [f"kubeadm {script[8:12]} --config /run/config/kubeadm/kubeadm.yaml"]


def test_init_applies_the_manifests_even_if_the_server_is_busy(node: Node) -> None:
    node.put("etc/kubeadm/kube-system.init/50-a.yaml", "a")
    node.put("run/config/kubeadm/untaint-master")
    node.put("busy")
    assert node.run("kubeadm-init.sh").returncode == 0
    admin = "with /etc/kubernetes/admin.conf"
    applied = f"kubectl apply -f /etc/kubeadm/kube-system.init/50-a.yaml {admin}"
    untainted = f"kubectl taint nodes --all node-role.kubernetes.io/control-plane:NoSchedule- {admin}"
    assert node.calls("kubectl") == [applied, applied, untainted]


def test_a_failed_init_applies_nothing(node: Node) -> None:
    node.put("etc/kubeadm/kube-system.init/50-a.yaml", "a")
    node.put("broken")
    assert node.run("kubeadm-init.sh").returncode == 1
    assert node.calls("kubectl") == []


def test_a_refused_manifest_keeps_no_other_from_being_applied(node: Node) -> None:
    for name in ("50-a", "60-b"):
        node.put(f"etc/kubeadm/kube-system.init/{name}.yaml", "a")
    node.put("refused", "/etc/kubeadm/kube-system.init/50-a.yaml\n")
    done = node.run("kubeadm-init.sh")
    assert done.returncode == 1
    assert "not applied: /etc/kubeadm/kube-system.init/50-a.yaml\n" in done.stderr
    assert "the cluster is there" in done.stderr
    assert node.calls("kubectl")[-1].startswith("kubectl apply -f /etc/kubeadm/kube-system.init/60-b.yaml")
    node.put("refused")
    assert node.run("kubeadm-manifests.sh").returncode == 0


BEFORE = "preflight,certs,kubeconfig,etcd,control-plane,kubelet-start"
AFTER = "upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon,show-join-command"


@pytest.mark.parametrize(
    "written",
    [
        "skipPhases: [addon/kube-proxy, 'addon/coredns']\nkind: X\n",
        'kind: X\nskipPhases: # not with this network\n- addon/kube-proxy\n  - "addon/coredns" # neither\nother:\n- x\n',
    ],
    ids=["in brackets", "line by line"],
)
def test_phases_that_the_configuration_leaves_out_stay_out_of_both_halves_of_init(node: Node, written: str) -> None:
    node.put("run/config/kubeadm/kubeadm.yaml", written)
    assert node.run("kubeadm-form.sh", "begin", "--v=1").returncode == 0
    assert node.run("kubeadm-form.sh", "end", "--v=1").returncode == 0
    out = ",addon/kube-proxy,addon/coredns"
    assert node.calls() == [
        f"kubeadm init --config /run/config/kubeadm/kubeadm.yaml --skip-phases={phases}{out} --v=1" for phases in (AFTER, BEFORE)
    ]


def test_join_prefers_the_nodes_own_configuration(node: Node) -> None:
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x")
    node.put("run/config/kubeadm/kubeadm.yaml")
    assert node.run("kubeadm-join.sh", "--v=1").returncode == 0
    assert node.calls() == ["kubeadm join --config /run/config/kubeadm/kubeadm.yaml --v=1"]


def test_a_further_master_has_the_authorities_that_its_metadata_give(node: Node) -> None:
    (node.root / "run/config/kubeadm/pki/etcd").mkdir(parents=True)
    node.put("run/config/kubeadm/pki/etcd/ca.key", "key")
    node.put("run/config/kubeadm/kubeadm.yaml")
    assert node.run("kubeadm-join.sh").returncode == 0
    assert node.text("etc/kubernetes/pki/etcd/ca.key") == "key"


def test_join_takes_arguments_before_the_file_of_arguments(node: Node) -> None:
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x\n")
    assert node.run("kubeadm-join.sh", "10.0.0.2:6443").returncode == 0
    assert node.run("kubeadm-join.sh").returncode == 0
    assert node.calls() == [
        "kubeadm join --cri-socket unix:///run/x.sock 10.0.0.2:6443",
        "kubeadm join --cri-socket unix:///run/x.sock 10.0.0.1:6443 --token x",
    ]


def test_join_without_a_word_says_what_is_missing(node: Node) -> None:
    done = node.run("kubeadm-join.sh")
    assert done.returncode == 1
    assert "which cluster?" in done.stderr
    assert node.calls() == []
