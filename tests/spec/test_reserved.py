"""Every service of a node's own is accounted for apart from its pods: in the groups that the kubelet reserves for the node."""

import pytest

from builder.images.description import load_description
from builder.images.stores.registry import names as image_stores
from builder.project import Project
from builder.spec.descriptions import runtime
from builder.spec.needs import SERVICES

PROJECT = Project.here()
RUNTIMES = sorted(path.stem for path in (PROJECT.root / "runtimes").glob("*.yml"))
THEIRS = {name for each in RUNTIMES for name in runtime(PROJECT, each, image_stores()).services}
OWN = sorted({"getty", *SERVICES, *THEIRS})


@pytest.mark.parametrize("name", OWN)
def test_each_service_has_its_group(name: str) -> None:
    asked = load_description(PROJECT.pkg / name).linuxkit
    assert asked is not None and asked.cgroups_path is not None
    group, _, _ = asked.cgroups_path.partition("/")
    assert group in ("podruntime", "systemreserved")
    assert asked.runtime is not None and group in (asked.runtime.cgroups or ())


SHELL = "getty"
"""What a person starts there is the first to go."""


@pytest.mark.parametrize("name", OWN)
def test_no_service_is_ended_for_memory_before_a_pod(name: str) -> None:
    """As the kubelet's documentation has it for the node's own programs (OOM scores of -999 and below 0)."""
    score = load_description(PROJECT.pkg / name).linuxkit.plain().get("oomScoreAdj")
    assert score is None if name == SHELL else isinstance(score, int) and -999 <= score < 0
