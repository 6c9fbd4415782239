"""A cluster as it is laid out, of any size, with nothing on disk."""

from pathlib import Path

from builder.cluster import layout
from builder.cluster.model import MASTER, WORKER, Cluster, Hardware, RuntimeFacts
from builder.machine.model import Acceleration

HERE = Path("/clusters/c")


def a_cluster(masters: int = 1, workers: int = 1, *, directory: Path = HERE, host_ranges: bool = True) -> Cluster:
    network = layout.network("10.244.0.0/16", "10.96.0.0/12", host_ranges=host_ranges)
    block = range(20000, 20000 + layout.NODES * layout.PORTS)
    return Cluster(
        name="c", directory=directory, media={MASTER: directory, WORKER: directory}, hardware=Hardware(), ports=block.start,
        acceleration=Acceleration(name="tcg", reason=""), kubernetes_version="1.36.3", kubectl=directory / "kubectl",
        runtime=RuntimeFacts(name="r", socket="unix:///s", checks=()), network=network,
        nodes=tuple(layout.make_nodes("c", directory, masters, workers, network, block)),
    )  # fmt: skip
