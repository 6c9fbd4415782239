"""A recipe's proxy, in the form that the node's runtimes and kubelet read: a file of environment.d(5)."""

from collections.abc import Iterator

from builder.recipe.model import Network, Proxy
from builder.spec.model import NodeFile

PATH = "etc/environment.d/50-proxy.conf"
"""PID 1 gives it to containerd, dockerd.sh and crio read it, and kubelet.sh, which adds the API server's address to NO_PROXY."""


def files(proxy: Proxy, network: Network) -> Iterator[NodeFile]:
    """The file, where there is a proxy; only root reads it, since an address may hold an account."""
    named = {"HTTP_PROXY": proxy.http, "HTTPS_PROXY": proxy.https}
    given = {name: address for name, address in named.items() if address}
    if given:
        lines = {**given, "NO_PROXY": ",".join(dict.fromkeys((*inside(network), *proxy.no_proxy)))}
        yield NodeFile(path=PATH, contents="".join(f"{name}={value}\n" for name, value in lines.items()), mode="0600")


def inside(network: Network) -> tuple[str, ...]:
    """What is the node itself or its cluster."""
    return (
        "localhost", "127.0.0.0/8", "::1", network.pod_subnet, network.service_subnet, ".svc", f".{network.domain}",
    )  # fmt: skip
