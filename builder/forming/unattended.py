"""Nodes that form their cluster by themselves: what kubeadm has to know comes with their metadata (see kubeadm-auto.sh)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from builder.aside import write_aside
from builder.cluster.guestports import API_PORT
from builder.cluster.model import MASTER, Cluster, Node
from builder.forming.authority import Pair, admin_config, new_authority
from builder.forming.fit import DISCOVERY, PATCHES, discovery_file, fitted, patches
from builder.forming.kubeconfig import kubeconfig
from builder.forming.model import Discovery, Fit
from builder.forming.secret import new_token

EMULATED = 10.0
"""How many times slower than native an emulated guest is taken to be before it could measure itself; 5 to 9 were seen."""

_FOLDER = PATCHES.removeprefix("/run/config/").removesuffix("/patches")


@dataclass(frozen=True)
class Unattended:
    """kubeadm's configurations as the images carry them."""

    init: str
    join: str


def given(configs: Unattended, cluster: Cluster) -> dict[str, Mapping[str, str]]:
    """What each node needs to form the cluster by itself; the kubeconfig of the cluster to be is written, too."""
    authority = new_authority()
    write_aside(cluster.kubeconfig, kubeconfig(cluster, admin_config(authority)), mode=0o600)
    return trees(cluster, cluster.nodes, configs, authority)


def trees(cluster: Cluster, nodes: tuple[Node, ...], configs: Unattended, authority: Pair) -> dict[str, Mapping[str, str]]:
    """For each node, the files below /run/config: the first master runs kubeadm init, the workers join it."""
    (master,) = cluster.masters
    token = new_token()
    discovery = Discovery(endpoint=f"{master.address}:{API_PORT}", token=token, authority=authority.certificate)
    scale = EMULATED if cluster.acceleration.name == "tcg" else 1.0
    made: dict[str, Mapping[str, str]] = {}
    for node in nodes:
        fit = Fit(scale, node_name=node.name, address=node.address)
        if node.role == MASTER:
            made[node.name] = _leading(cluster, fit, configs.init, authority, token)
        else:
            made[node.name] = _files("join", configs.join, replace(fit, discovery=discovery))
    return made


def _leading(cluster: Cluster, fit: Fit, config: str, authority: Pair, token: str) -> Mapping[str, str]:
    files = _files("init", config, replace(fit, token=token))
    files |= {f"{_FOLDER}/pki/ca.crt": authority.certificate.decode(), f"{_FOLDER}/pki/ca.key": authority.key.decode()}
    return files if cluster.workers else {**files, f"{_FOLDER}/untaint-master": ""}


def _files(verb: str, config: str, fit: Fit) -> dict[str, str]:
    patched = {f"{_FOLDER}/patches/{name}": text for name, text in patches(fit.scale).items()}
    if fit.discovery:
        patched[DISCOVERY.removeprefix("/run/config/")] = discovery_file(fit.discovery)
    return {f"{_FOLDER}/{verb}": "", f"{_FOLDER}/kubeadm.yaml": fitted(config, fit), **patched}
