"""Every node has a place of its own, which does not depend on when it came."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.cluster import layout
from builder.cluster.model import MASTER, WORKER, Network
from builder.errors import InputError

PORTS = range(20000, 20000 + layout.NODES * layout.PORTS)
HERE = Path("/clusters/c")


def net(pods: str = "10.244.0.0/16") -> Network:
    return layout.network(pods, "10.96.0.0/12", host_ranges=True)


@given(masters=st.integers(1, 9), workers=st.integers(0, 15))
def test_no_two_nodes_share_anything(masters: int, workers: int) -> None:
    nodes = layout.make_nodes("c", HERE, masters, workers, net(), PORTS)
    assert [node.role for node in nodes] == [MASTER] * masters + [WORKER] * workers
    for key in ("name", "number", "address", "pods", "directory"):
        assert len({getattr(node, key) for node in nodes}) == len(nodes)
    ports = [port for node in nodes for port in node.ports.model_dump().values()]
    assert len(set(ports)) == len(ports) and set(ports) <= set(PORTS)


def test_names_and_addresses() -> None:
    nodes = layout.make_nodes("c", HERE, 1, 2, net(), PORTS)
    assert [(node.name, node.address, node.pods) for node in nodes] == [
        ("c-master-1", "10.64.0.11", "10.244.0.0/24"),
        ("c-worker-1", "10.64.0.20", "10.244.9.0/24"),
        ("c-worker-2", "10.64.0.21", "10.244.10.0/24"),
    ]


def test_a_node_that_comes_later_finds_routes_to_it_on_the_others() -> None:
    first = layout.make_nodes("c", HERE, 1, 1, net(), PORTS)
    (later,) = layout.make_nodes("c", HERE, 0, 1, net(), PORTS, first)
    assert later.name == "c-worker-2"
    for node in first:
        assert (later.pods, later.address) in layout.routes(net(), node.number)


def test_nobody_has_a_route_to_itself() -> None:
    for number in range(1, layout.NODES + 1):
        gateways = {gateway for _, gateway in layout.routes(net(), number)}
        assert layout.address(net(), number) not in gateways and len(gateways) == layout.NODES - 1


def test_the_network_between_the_nodes_keeps_clear_of_the_recipe_s() -> None:
    found = layout.network("10.64.0.0/16", "172.30.0.0/16", host_ranges=True)
    for taken in ("10.64.0.0/16", "172.30.0.0/16", layout.ACCESS):
        assert not ipaddress.ip_network(found.subnet).overlaps(ipaddress.ip_network(taken))


def test_a_controller_that_hands_out_ranges_leaves_none_to_us() -> None:
    network = layout.network("10.244.0.0/16", "10.96.0.0/12", host_ranges=False)
    assert layout.make_nodes("c", HERE, 1, 0, network, PORTS)[0].pods == "" and layout.routes(network, 1) == []


def test_too_small_a_subnet_and_too_many_nodes_are_said() -> None:
    with pytest.raises(InputError, match="has no range for node number 10"):
        layout.make_nodes("c", HERE, 1, 1, net("10.244.0.0/22"), PORTS)
    with pytest.raises(InputError, match="at most 15 workers"):
        layout.make_nodes("c", HERE, 1, 16, net(), PORTS)


def test_a_subnet_of_one_range_still_has_its_master() -> None:
    assert [node.pods for node in layout.make_nodes("c", HERE, 1, 0, net("10.244.0.0/24"), PORTS)] == ["10.244.0.0/24"]
    assert layout.routes(net("10.244.0.0/24"), 1) == []
