"""kubeadm join: further masters one after the other, since etcd takes one member at a time, then all workers at once."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from builder.cluster.kubectl import Kubectl
from builder.cluster.model import MASTER, Cluster, Node
from builder.cluster.parallel import for_each
from builder.deadline import Deadline
from builder.forming.init import endpoint_of
from builder.forming.members import Members
from builder.forming.model import Discovery, Fit
from builder.forming.onnode import Access, EtcdLate, Shell, configure, kubeadm, undo, upload_certificates
from builder.forming.secret import CERTIFICATES, void
from builder.forming.tokens import bootstrap_token, discovery_of
from builder.progress import note

ATTEMPTS = 3
"""So often a further master's join begins where etcd did not answer in kubeadm's own time."""


def join_all(cluster: Cluster, nodes: Sequence[Node], access: Mapping[str, Access], scale: float) -> None:
    """Every one of the nodes joins, with a token that is void afterwards; raises CheckError for those that fail.

    access: the channels of these nodes, and where masters are among them the first master's.
    """
    if not nodes:
        return
    masters = [node for node in nodes if node.role == MASTER]
    workers = [node for node in nodes if node.role != MASTER]
    with bootstrap_token(Kubectl(cluster), scale) as token:
        discovery = discovery_of(cluster, token)
        if masters:
            with shared_certificates(cluster, access[cluster.masters[0].name].control, scale) as key:
                for node in masters:
                    join_master(cluster, node, access[node.name], scale, discovery, key)
        for_each(workers, lambda node: join_node(node, access[node.name], scale, discovery))


def join_node(node: Node, access: Access, scale: float, discovery: Discovery) -> str:
    """Runs kubeadm-join.sh in the kubelet service; returns kubeadm's output. Raises CheckError unless its exit code is 0."""
    configure(access.control, Fit(scale, node_name=node.name, address=node.address, discovery=discovery))
    return kubeadm(node, access.console, "join", Deadline.after(240, scale=scale))


def join_master(cluster: Cluster, node: Node, access: Access, scale: float, discovery: Discovery, key: str) -> str:
    """As join_node, with an API server and an etcd member of its own; where there is no worker, it takes pods."""
    fit = Fit(
        scale, node_name=node.name, address=node.address, discovery=discovery,
        master=True, untainted=not cluster.workers, certificate_key=key,
    )  # fmt: skip
    configure(access.control, fit)
    members = Members(cluster, scale)

    def attempt() -> str:
        members.await_quick()
        return kubeadm(node, access.console, "join", Deadline.after(360, scale=scale))

    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except EtcdLate:
            note(f"{node.name}: etcd was late to answer kubeadm join, which is taken back and begins anew")
            undo(node, access.control, scale)
            members.forget(node)
    return attempt()


@contextmanager
def shared_certificates(cluster: Cluster, shell: Shell, scale: float) -> Iterator[str]:
    """The key to the cluster's certificates, which lie encrypted in a Secret while the block runs (kubeadm's upload-certs)."""
    key = secrets.token_hex(32)
    first = cluster.masters[0]
    configure(shell, Fit(scale, node_name=first.name, address=first.address, endpoint=endpoint_of(cluster), certificate_key=key))
    upload_certificates(first, shell, scale)
    try:
        yield key
    finally:
        void(Kubectl(cluster), CERTIFICATES, "the copy of the cluster's certificates")
