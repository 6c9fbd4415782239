"""kubectl's calls: who is asked, and what becomes of a call that fails or does not end."""

from pathlib import Path

import pytest
from cluster_samples import a_cluster

from builder.checks import NotYet
from builder.cluster.kubectl import Kubectl, use_reachable
from builder.cluster.model import Cluster

# Says which context it was asked in; the first master's API server is gone.
KUBECTL = """#!/bin/sh
echo "$*" >>"$HOME/calls"
case "$*" in
*sleep*) exec sleep 100 ;;
*--context=c-master-1*) echo "Unable to connect to the server: EOF" >&2; exit 1 ;;
*) echo "$*" ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Three masters and a worker."""
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    return a_cluster(3, directory=tmp_path)


def calls(cluster: Cluster) -> list[str]:
    return (cluster.directory / "calls").read_text().splitlines()


def test_a_master_that_is_gone_is_asked_once_and_then_the_next(cluster: Cluster) -> None:
    kubectl = Kubectl(cluster)
    with pytest.raises(NotYet, match="Unable to connect"):
        kubectl.text("get", "nodes")
    assert "--context=c-master-2" in kubectl.text("get", "nodes")
    assert kubectl.master == "c-master-2"


def test_a_call_that_does_not_end_is_a_reason_and_no_end(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = Kubectl(cluster, timeout=0.02)
    monkeypatch.setattr("builder.cluster.kubectl.GRACE", 0.2)
    with pytest.raises(NotYet, match="kubectl did not end within 0 s"):
        kubectl.text("exec", "sleep")
    assert kubectl.master == "c-master-2"


def test_the_kubeconfig_is_led_to_a_master_that_is_ready(cluster: Cluster) -> None:
    use_reachable(cluster)
    assert calls(cluster)[-1].endswith("config use-context c-master-2")


def test_a_call_has_as_long_as_the_slowest_node_needs(cluster: Cluster) -> None:
    """By what the nodes told at their last starts; an emulated one that told nothing is taken for the quickest of its kind."""
    early = Kubectl(cluster)
    assert "--request-timeout=180s" in Kubectl(cluster).argv()
    node = cluster.nodes[1].directory
    node.mkdir(parents=True)
    (node / "console.log").write_text('KUBEISO {"t":9,"stage":"ready","state":"ok","cpu_ms":148}\n')
    assert "--request-timeout=468s" in Kubectl(cluster).argv()
    assert "--request-timeout=468s" in early.argv(), "made before the node's start"
    assert "--request-timeout=130s" in Kubectl(cluster, timeout=10).argv()
