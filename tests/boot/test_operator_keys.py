"""A cluster whose recipe sets what operators set: each is seen on the node or at the API server, not in the file that sets it."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from boot_helpers import booted, planned, said
from cryptography import x509
from foreign_images import docker_saved
from powered import Powered

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.forming.onnode import in_kubelet
from builder.machine.machine import Machine
from builder.run import run

pytestmark = [pytest.mark.boot, pytest.mark.long]

NOBODY = "http://192.0.2.1:3128"
"""A proxy that never answers (TEST-NET-1, RFC 5737): whatever of the cluster's own went by it would not come back."""

OBJECTS = """apiVersion: v1
kind: Namespace
metadata: {name: of-recipe}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: given, namespace: of-recipe}
data: {word: kept}
"""
HOLDER = """apiVersion: v1
kind: Pod
metadata: {name: holder}
spec:
  tolerations: [{operator: Exists}]
  containers:
  - {name: holder, image: "team/held:1"}
  - name: bounded
    image: team/held:1
    securityContext: {appArmorProfile: {type: Localhost, localhostProfile: no-writes}}
"""
PROFILE = """#include <tunables/global>
profile no-writes flags=(attach_disconnected) {
  #include <abstractions/base>
  file,
  deny /written w,
}
"""
PROGRAM = """#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    char profile[99] = "";
    FILE *own = fopen("/proc/self/attr/current", "r");
    if (own != NULL && fgets(profile, sizeof profile, own) == NULL) return 1;
    printf("held, %s: %s\\n", open("/written", O_CREAT | O_WRONLY, 0600) < 0 ? "refused" : "written", profile);
    fflush(stdout);
    for (;;) pause();
}
"""
RECIPE = {
    "runtime": "cri-containerd",
    "roles": ["master"],
    "kubelet": {"maxPods": 77, "evictionHard": {"memory.available": "50Mi"}},
    "kubeadm": {
        "ClusterConfiguration": {
            "apiServer": {"certSANs": ["api.example.org"], "extraArgs": [{"name": "goaway-chance", "value": "0.001"}]},
            "controllerManager": {"extraArgs": [{"name": "terminated-pod-gc-threshold", "value": "77"}]},
        },
        "InitConfiguration": {
            "nodeRegistration": {"kubeletExtraArgs": [{"name": "node-labels", "value": "example.org/rack=r1"}]}
        },
        "KubeProxyConfiguration": {"conntrack": {"min": 65537}},
    },
    "proxy": {"http": NOBODY, "https": NOBODY, "no_proxy": [".example.org"]},
    "dns": {"servers": ["192.0.2.53"], "search": ["nodes.example"]},
    "manifests": ["objects.yaml"],
    "images": [{"name": "docker.io/team/held:1", "source": "held.tar"}],
    "kernel": {"hugepages": {"2Mi": 16}},
    "time": {"zone": "Europe/Berlin"},
    "swap": {"size": "256Mi"},
    "apparmor": {"no-writes": PROFILE},
}


@pytest.fixture(scope="module")
def formed(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Powered]:
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "objects.yaml").write_text(OBJECTS)
    docker_saved(folder / "held.tar", ("team/held:1", program(folder)))
    recipe = folder / "operator.yml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    plan = planned(out, recipe=recipe, unattended=True)
    plan = replace(plan, name="t-operator", hardware=plan.hardware.model_copy(update={"disk": 2048}))
    with booted(plan) as (cluster, machines, scale):
        found = Powered(cluster, machines, scale)
        found.becomes_whole()
        yield found


def program(folder: Path) -> bytes:
    """Needs nothing of its image; it says by which profile it is bounded, and whether it may write."""
    (folder / "held.c").write_text(PROGRAM)
    run(["gcc", "-static", "-o", folder / "held", folder / "held.c"])
    return (folder / "held").read_bytes()


def machine(formed: Powered) -> Machine:
    return next(iter(formed.machines.values()))


def environment(formed: Powered, program: str) -> dict[str, str]:
    """That of the node's process with this program."""
    look = f"tr '\\0' '\\n' </proc/$(pidof {program} | cut -d ' ' -f 1)/environ"
    return dict(line.split("=", 1) for line in said(machine(formed), look).splitlines() if "=" in line)


def test_the_kubelet_has_its_fields(formed: Powered) -> None:
    name = formed.cluster.nodes[0].name
    config: Any = json.loads(Kubectl(formed.cluster).text("get", "--raw", f"/api/v1/nodes/{name}/proxy/configz"))["kubeletconfig"]
    assert config["maxPods"] == 77 and config["evictionHard"]["memory.available"] == "50Mi"
    status = Kubectl(formed.cluster).get("node", name)["status"]
    assert status["capacity"]["pods"] == "77"


def test_huge_pages_are_there_for_pods(formed: Powered) -> None:
    assert said(machine(formed), "cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages") == "16"
    assert Kubectl(formed.cluster).get("node", formed.cluster.nodes[0].name)["status"]["allocatable"]["hugepages-2Mi"] == "32Mi"


def test_the_control_plane_has_kubeadm_s_fields(formed: Powered) -> None:
    for program, word in (("kube-apiserver", "--goaway-chance=0.001"), ("kube-controller-manager", "gc-threshold=77")):
        line = said(machine(formed), f"tr '\\0' ' ' </proc/$(pidof {program} | cut -d ' ' -f 1)/cmdline")
        assert word in line
    labels = Kubectl(formed.cluster).get("node", formed.cluster.nodes[0].name)["metadata"]["labels"]
    assert labels["example.org/rack"] == "r1"


def test_the_api_server_answers_by_its_further_name(formed: Powered) -> None:
    server = Kubectl(formed.cluster).text("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    parts = urlsplit(server)
    shown = ssl.get_server_certificate((parts.hostname or "", parts.port or 0), timeout=60)
    names = x509.load_pem_x509_certificate(shown.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "api.example.org" in names.get_values_for_type(x509.DNSName)


def test_kube_proxy_has_its_fields(formed: Powered) -> None:
    told = said(machine(formed), in_kubelet("wget -qO- http://127.0.0.1:10249/configz", "configz"))
    config = next(iter(json.loads(told).values()))
    assert (config.get("conntrack") or config["Linux"]["Conntrack"]).get("min", 0) == 65537, config


def test_the_recipe_s_objects_are_there(formed: Powered) -> None:
    assert Kubectl(formed.cluster).get("configmap", "given", "-n", "of-recipe")["data"] == {"word": "kept"}


def test_the_recipe_s_images_need_no_registry(formed: Powered) -> None:
    """None could be reached: the proxy is nobody's."""
    kubectl = Kubectl(formed.cluster)
    kubectl.text("apply", "-f", "-", input=HOLDER)

    def look() -> str:
        if "held," not in kubectl.text("logs", "holder", "-c", "holder").split():
            raise NotYet("it has said nothing")
        return "it runs"

    formed.passes([Check("held", "the pod of the recipe's image runs", look, 240)])
    pinned = said(machine(formed), in_kubelet("crictl images -o json", "images"))
    (known,) = [each for each in json.loads(pinned)["images"] if "docker.io/team/held:1" in each["repoTags"]]
    assert known["pinned"], "the kubelet never removes it to gain room"


def test_pods_run_under_the_runtime_s_profile_or_the_one_of_the_recipe_that_they_name(formed: Powered) -> None:
    told = {name: Kubectl(formed.cluster).text("logs", "holder", "-c", name).split() for name in ("holder", "bounded")}
    assert told == {
        "holder": ["held,", "written:", "cri-containerd.apparmor.d", "(enforce)"],
        "bounded": ["held,", "refused:", "no-writes", "(enforce)"],
    }


def test_the_outside_goes_by_the_proxy_and_the_cluster_without(formed: Powered) -> None:
    """The cluster came up whole although the proxy is nobody's."""
    inside = "localhost,127.0.0.0/8,::1,10.244.0.0/16,10.96.0.0/12,.svc,.cluster.local,.example.org"
    for program, direct in (("containerd", inside), ("kubelet", f"{inside},{formed.cluster.nodes[0].address}")):
        found = environment(formed, program)
        assert (found["HTTP_PROXY"], found["HTTPS_PROXY"], found["NO_PROXY"]) == (NOBODY, NOBODY, direct), program
    for program in ("kube-apiserver", "kube-controller-manager"):
        assert "HTTPS_PROXY" not in environment(formed, program)


def test_pods_resolve_names_by_the_node_s_resolver(formed: Powered) -> None:
    """CoreDNS has the node's own resolv.conf, where the recipe's server comes first."""
    lines = said(machine(formed), "cat /proc/$(pidof coredns | cut -d ' ' -f 1)/root/etc/resolv.conf").splitlines()
    assert next(line for line in lines if line.startswith("nameserver")) == "nameserver 192.0.2.53"
    assert "nodes.example" in next(line for line in lines if line.startswith("search")).split()


def test_shells_have_the_recipe_s_time_zone_and_pods_may_have_it(formed: Powered) -> None:
    assert said(machine(formed), ". /etc/profile.d/kubeiso.sh; date +%Z") in ("CET", "CEST")
    assert said(machine(formed), "head -c 4 /proc/1/root/usr/share/zoneinfo/Europe/Berlin") == "TZif"
    assert said(machine(formed), "readlink /hostroot/etc/localtime") == "/usr/share/zoneinfo/Europe/Berlin"


def test_pods_and_node_have_swap_on_the_state_disk(formed: Powered) -> None:
    name, _, size, *_ = said(machine(formed), "cat /proc/swaps").splitlines()[1].split()
    assert (name.removeprefix("/var"), size) == ("/swap", str((256 << 10) - 4))
    name = formed.cluster.nodes[0].name
    config: Any = json.loads(Kubectl(formed.cluster).text("get", "--raw", f"/api/v1/nodes/{name}/proxy/configz"))["kubeletconfig"]
    assert config["failSwapOn"] is False and config["memorySwap"] == {"swapBehavior": "LimitedSwap"}
    assert Kubectl(formed.cluster).get("node", name)["status"]["nodeInfo"]["swap"]["capacity"] == (256 << 20) - 4096


def test_a_node_that_swaps_is_switched_off_clean(formed: Powered) -> None:
    """The last test: nothing runs after it."""
    console = machine(formed).spec.console_log
    formed.off(3)
    told = console.read_text(errors="replace")
    assert "stays mounted" not in told and '"stage":"poweroff"' in told
