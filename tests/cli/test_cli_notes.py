"""What `kubeiso status` tells of what the nodes found out about themselves."""

from pathlib import Path

from cluster_samples import a_cluster

from builder.cli.clusters import notes_of
from builder.cluster.model import Node

CONSOLE = """=== kubeiso: start 1 of one at 2026-11-26T10:00:00Z ===
KUBEISO {"t":1.0,"stage":"onboot","name":"004-virtualisation","state":"ok","seconds":0.1,"code":0,"note":"of the start before"}
=== kubeiso: start 2 of one at 2026-11-26T11:00:00Z ===
KUBEISO {"t":1.0,"stage":"onboot","name":"003-state","state":"ok","seconds":0.1,"code":0}
KUBEISO {"t":1.1,"stage":"onboot","name":"004-virtualisation","state":"start"}
KUBEISO {"t":1.2,"stage":"onboot","name":"004-virtualisation","state":"ok","seconds":0.1,"code":0,"note":"no vmx, no svm"}
KUBEISO {"t":2.0,"stage":"service","name":"kubelet","state":"ok","note":"of no step"}
"""


def node(tmp_path: Path) -> Node:
    return a_cluster(1, 0).nodes[0].model_copy(update={"directory": tmp_path})


def test_the_steps_of_the_last_boot_that_had_something_to_say(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text(CONSOLE)
    assert notes_of(node(tmp_path)) == {"virtualisation": "no vmx, no svm"}


def test_a_node_that_said_nothing_yet(tmp_path: Path) -> None:
    assert notes_of(node(tmp_path)) == {}
    (tmp_path / "console.log").write_text("")
    assert notes_of(node(tmp_path)) == {}
