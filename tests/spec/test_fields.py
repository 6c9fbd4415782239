"""Fields of Kubernetes' own configurations in a recipe: which there are in each version, and what becomes of them."""

import json
from typing import Any

import pytest
import yaml
from spec_samples import file_of, spec_of

from builder.components.description import minors
from builder.project import Project
from builder.recipe.model import Recipe, Role
from builder.spec import fields

HERE = Project.here()
MINORS = minors("kubernetes", HERE)


def said(kind: str, value: object, version: str = "1.36.3") -> list[str]:
    types = fields.known(HERE, version)
    assert types
    found = fields.faults(types, kind, value)
    return [".".join(map(str, path)) + ": " + message + (f" ({hint})" if hint else "") for path, message, hint, _ in found]


@pytest.mark.parametrize("minor", MINORS)
def test_what_the_image_has_itself_are_fields_of_that_version(minor: str) -> None:
    """Every document that kubeadm gets, but for what only we may set."""
    types = fields.known(HERE, minor)
    assert types
    for role in Role:
        spec = spec_of(Recipe(runtime="cri-containerd"), role)
        texts = [file.contents for file in spec.files if file.path.startswith("etc/kubeadm/kubeadm") and file.contents]
        for document in (each for text in texts for each in yaml.safe_load_all(text)):
            if document["kind"] in types:
                found = [fault for fault in fields.faults(types, document["kind"], document) if "elsewhere" not in fault[1]]
                assert found == []


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("KubeletConfiguration", {"maxPods": 200, "evictionHard": {"memory.available": "5%"}, "syncFrequency": "1m30s"}),
    ("KubeletConfiguration", {"authentication": {"anonymous": {"enabled": False}}, "reservedMemory": [{"numaNode": 0}]}),
    (
        "KubeletConfiguration",
        {"registerWithTaints": [{"key": "a", "value": "b", "effect": "NoSchedule"}], "nodeStatusMaxImages": -1},
    ),
    ("ClusterConfiguration", {"apiServer": {"certSANs": ["x"], "extraArgs": [{"name": "v", "value": "2"}]}}),
    ("ClusterConfiguration", {"etcd": {"external": {"endpoints": ["https://x:2379"]}}, "featureGates": {"X": True}}),
    ("InitConfiguration", {"bootstrapTokens": [{"token": "abcdef.0123456789abcdef", "ttl": "1h"}], "skipPhases": ["addon"]}),
    ("JoinConfiguration", {"nodeRegistration": {"taints": []}, "timeouts": {"discovery": "5m"}}),
    ("KubeProxyConfiguration", {"conntrack": {"maxPerCore": 1}, "nodePortAddresses": ["primary"]}),
]


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize(("kind", "value"), RIGHT)
def test_right_ones(kind: str, value: dict[str, Any], minor: str) -> None:
    assert said(kind, value, minor) == []


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("KubeletConfiguration", {"maxPod": 3}, "maxPod: unknown key (did you mean 'maxPods'?)"),
    ("KubeletConfiguration", {"maxPods": "many"}, "maxPods: expected a whole number, got a text"),
    ("KubeletConfiguration", {"maxPods": True}, "maxPods: expected a whole number, got true"),
    ("KubeletConfiguration", {"serializeImagePulls": "no"}, "serializeImagePulls: expected true or false, got a text"),
    ("KubeletConfiguration", {"syncFrequency": "1x"}, "syncFrequency: expected a duration such as 1m30s, got '1x'"),
    ("KubeletConfiguration", {"syncFrequency": 60}, "syncFrequency: expected a text, got a number"),
    ("KubeletConfiguration", {"evictionHard": {"nodefs": 5}}, "evictionHard.nodefs: expected a text, got a number"),
    ("KubeletConfiguration", {"authentication": {"anonymous": {"enable": True}}},
     "authentication.anonymous.enable: unknown key (did you mean 'enabled'?)"),
    ("KubeletConfiguration", {"cgroupDriver": "x"}, "cgroupDriver: is decided elsewhere (the runtime's description has it)"),
    ("KubeletConfiguration", {"kind": "KubeletConfiguration"},
     "kind: is decided elsewhere (leave it out: the version of Kubernetes says it)"),
    ("ClusterConfiguration", {"scheduler": {"extraArgs": [{"nam": "v"}]}},
     "scheduler.extraArgs.0.nam: unknown key (did you mean 'name'?)"),
    ("ClusterConfiguration", {"dns": {"imageTag": {}}}, "dns.imageTag: expected a text, got a group of keys"),
    ("ClusterConfiguration", {"scheduler": {"extraArgs": {}}}, "scheduler.extraArgs: expected a list, got a group of keys"),
    ("ClusterConfiguration", {"networking": {"podSubnet": "10.0.0.0/8"}},
     "networking.podSubnet: is decided elsewhere (network: {pod_subnet: ...})"),
    ("JoinConfiguration", {"discovery": {}}, "discovery: is decided elsewhere (each node's metadata has it)"),
    ("KubeProxyConfiguration", {"mode": "ipvs"}, "mode: is decided elsewhere (network: {proxy_mode: ...})"),
    ("ClustreConfiguration", {}, ": Kubernetes has no ClustreConfiguration (did you mean 'ClusterConfiguration'?)"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "message"), WRONG)
def test_wrong_ones(kind: str, value: dict[str, Any], message: str) -> None:
    assert said(kind, value) == [message]


def test_what_only_a_newer_kubernetes_has() -> None:
    """Each minor version has fields of its own, as its source has them."""
    known = {minor: set((fields.known(HERE, minor) or {})["KubeletConfiguration"]["properties"]) for minor in MINORS}
    newer = known[MINORS[-1]] - known[MINORS[0]]
    assert newer, "nothing was added in all these versions"
    for name in newer:
        assert [fault for fault in said("KubeletConfiguration", {name: None}, MINORS[0]) if "unknown key" in fault]


def documents(recipe: Recipe, path: str = "etc/kubeadm/kubeadm.yaml", role: Role = Role.MASTER) -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(file_of(spec_of(recipe, role), path))}


def given(**configurations: Any) -> Recipe:
    kubelet = configurations.pop("KubeletConfiguration", {})
    return Recipe.model_validate({"runtime": "cri-containerd", "kubelet": kubelet, "kubeadm": configurations})


def test_they_come_to_the_node_s_configuration_beside_ours() -> None:
    recipe = given(
        KubeletConfiguration={"maxPods": 7, "podPidsLimit": 100},
        ClusterConfiguration={
            "apiServer": {"certSANs": ["api.example.org", "localhost"], "extraArgs": [{"name": "v", "value": "2"}]}
        },
        InitConfiguration={"nodeRegistration": {"taints": []}},
        KubeProxyConfiguration={"conntrack": {"maxPerCore": 1}},
    )
    made = documents(recipe)
    assert (made["KubeletConfiguration"]["maxPods"], made["KubeletConfiguration"]["podPidsLimit"]) == (7, 100)
    assert made["KubeletConfiguration"]["cgroupDriver"] == "cgroupfs"
    assert made["ClusterConfiguration"]["apiServer"]["certSANs"] == ["127.0.0.1", "api.example.org", "localhost"]
    assert made["InitConfiguration"]["nodeRegistration"]["taints"] == []
    assert made["InitConfiguration"]["nodeRegistration"]["criSocket"].startswith("unix:///")
    assert made["KubeProxyConfiguration"]["conntrack"] == {"maxPerCore": 1}


def test_an_argument_of_ours_is_the_recipe_s_where_it_gives_one() -> None:
    arguments = {"controllerManager": {"extraArgs": [{"name": "allocate-node-cidrs", "value": "x"}, {"name": "v", "value": "4"}]}}
    made = documents(given(ClusterConfiguration=arguments))["ClusterConfiguration"]["controllerManager"]["extraArgs"]
    assert [each for each in made if each["name"] != "profiling"] == arguments["controllerManager"]["extraArgs"]


def test_other_nodes_have_what_is_for_them() -> None:
    recipe = given(JoinConfiguration={"nodeRegistration": {"kubeletExtraArgs": [{"name": "node-labels", "value": "a=b"}]}})
    for path, role in (("etc/kubeadm/kubeadm-join.yaml", Role.MASTER), ("etc/kubeadm/kubeadm.yaml", Role.WORKER)):
        registration = documents(recipe, path, role)["JoinConfiguration"]["nodeRegistration"]
        assert {"name": "node-labels", "value": "a=b"} in registration["kubeletExtraArgs"]


def test_an_etcd_elsewhere_takes_the_place_of_the_node_s() -> None:
    made = documents(given(ClusterConfiguration={"etcd": {"external": {"endpoints": ["https://etcd:2379"]}}}))
    assert made["ClusterConfiguration"]["etcd"] == {"external": {"endpoints": ["https://etcd:2379"]}}


def test_a_recipe_without_any_gives_what_it_gave() -> None:
    assert json.dumps(documents(given())) == json.dumps(documents(Recipe(runtime="cri-containerd")))
