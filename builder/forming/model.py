"""How a node finds a cluster, and what a configuration of kubeadm is fitted to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Discovery:
    """How a node finds and trusts the cluster that it joins: endpoint is HOST:PORT, authority the cluster's CA as PEM.

    With the CA itself there is no need to wait until kube-controller-manager has signed what a node would trust by the token.
    """

    endpoint: str
    token: str
    authority: bytes


@dataclass(frozen=True)
class Fit:
    """What a configuration is fitted to: how many times slower than native speed the guest is, and who the node is.

    endpoint: HOST:PORT by which nodes reach any of several masters. Without one there is one master and there will be one, so
    nobody has to be elected, and a restarted component need not wait for its own old lease. discovery: for a node that joins;
    master: it joins as a further master. untainted: a master takes pods from the start. certificate_key: what the cluster's
    certificates are encrypted with for further masters (32 bytes, as 64 hex digits). token: nodes can join with it for `minutes`.
    """

    scale: float
    node_name: str = ""
    address: str = ""
    endpoint: str = ""
    discovery: Discovery | None = None
    master: bool = False
    untainted: bool = False
    certificate_key: str = ""
    token: str = ""
    minutes: int = 120
