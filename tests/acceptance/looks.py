"""The checks of a suite over a world, one look at a time, and a port of this machine to look at."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cluster_samples import a_cluster
from healthy_world import World

from builder.acceptance.across import Across
from builder.acceptance.smoke import Smoke
from builder.checks import Check
from builder.cluster.model import Workload
from builder.forming.readiness import Readiness


def a_world(masters: int = 1, workers: int = 1) -> World:
    cluster = a_cluster(masters, workers)
    workload = Workload(kind="DaemonSet", namespace="kube-system", name="kube-proxy")
    return World(cluster.model_copy(update={"workloads": (workload,)}))


def looks(checks: Sequence[Check], name: str) -> list[Callable[[], str]]:
    found = [check.look for check in checks if check.id == name]
    assert found, f"there is no check {name}"
    return found


def readiness(world: World) -> list[Check]:
    return Readiness(world.cluster, world).checks()  # type: ignore[arg-type]


def across(world: World) -> list[Check]:
    return Across(world.cluster, world).checks()  # type: ignore[arg-type]


def smoke(world: World) -> list[Check]:
    return Smoke(world.cluster, world).checks()  # type: ignore[arg-type]


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose one visitor gets `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            visitor, _ = server.accept()
            with visitor:
                answer(visitor)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(10)
