"""What a node needs to trust a cluster, and the cluster the node: the CA, and a bootstrap token for a short while."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from builder.checks import NotYet
from builder.cluster.guestports import API_PORT
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster
from builder.deadline import Deadline, poll
from builder.forming.init import endpoint_of
from builder.forming.kubeconfig import authority
from builder.forming.model import Discovery
from builder.forming.secret import new_token, token_secret, void
from builder.progress import step


def discovery_of(cluster: Cluster, token: str) -> Discovery:
    """How a node finds the cluster over the cluster network and trusts it: by the CA in the administrator's kubeconfig.

    Of several masters it reaches any, through its own balancer.
    """
    endpoint = endpoint_of(cluster) or f"{cluster.masters[0].address}:{API_PORT}"
    return Discovery(endpoint=endpoint, token=token, authority=authority(cluster))


@contextmanager
def bootstrap_token(kubectl: Kubectl, scale: float, *, hours: float = 2.0) -> Iterator[str]:
    """A token with which nodes can join while the block runs; afterwards it is void, at the latest after `hours`."""
    token = new_token()
    name = token_secret(token)

    def accepted() -> str | None:
        try:
            return kubectl.text("apply", "-f", "-", input=json.dumps(_secret(name, token, hours)))
        except NotYet:
            return None

    with step("Making a bootstrap token"):
        poll(accepted, Deadline.after(60, scale=scale), what="the API server takes a bootstrap token")
    try:
        yield token
    finally:
        void(kubectl, name, "the token of kubeadm join")


def _secret(name: str, token: str, hours: float) -> dict[str, object]:
    expiration = datetime.now(UTC) + timedelta(hours=hours)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": name, "namespace": "kube-system"},
        "stringData": {
            "token-id": token[:6],
            "token-secret": token[7:],
            "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "usage-bootstrap-authentication": "true",
            # The group that kubeadm gave the rights of a joining node.
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        },
    }
