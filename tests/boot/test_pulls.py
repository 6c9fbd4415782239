"""A node that pulls from registries of ours on this host's loopback address: by mirror, account, certificate, authority and
proxy; and what else its recipe sets."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from boot_helpers import planned, said, shown
from proxy_served import Proxy, proxied
from registry_served import Authority, Registry, image, served

from builder.cluster import lifecycle
from builder.forming.onnode import in_kubelet
from builder.machine.machine import Machine
from builder.machine.model import MachineSpec
from builder.recipe.model import Role

pytestmark = [pytest.mark.boot, pytest.mark.long]

HOST = "10.0.2.2"  # what the guest calls this host (QEMU's manual, "Using the user mode network stack")
BEYOND = "beyond.example"  # which only the proxy knows
LOGIN = ("nodes", "s3cret-of-nodes")


@dataclass
class World:
    """mirror: Docker Hub's, for those with an account and a certificate. trusted: its authority is the node's, too.
    stranger: nobody vouches for it. unverified: nobody does, and the recipe does not care. beyond: reached by the proxy alone."""

    runtime: str
    mirror: Registry
    trusted: Registry
    stranger: Registry
    unverified: Registry
    beyond: Registry
    proxy: Proxy
    machine: Machine

    def pull(self, name: str) -> tuple[int, str]:
        ended = self.machine.shell().run(in_kubelet(f"crictl pull {name}", "pull"), self.machine.within(60))
        return ended.code, ended.output


@pytest.fixture(scope="module", params=["cri-containerd", "docker"])
def world(request: pytest.FixtureRequest, out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    runtime = str(request.param)
    folder = tmp_path_factory.mktemp("registries")
    own, trusted, unknown = Authority("the mirror's"), Authority("the house's"), Authority("nobody's")
    hub = image("library/proof", "1", "by the mirror")
    other = image("team/proof", "1", "by name")
    client = own.identity("a-node")
    with ExitStack() as stack:
        mirror = stack.enter_context(served(Registry(hub, LOGIN), own.identity("m", HOST), folder / "m", own))
        house = stack.enter_context(served(Registry(other), trusted.identity("t", HOST), folder / "t"))
        stranger = stack.enter_context(served(Registry(other), unknown.identity("s", HOST), folder / "s"))
        unverified = stack.enter_context(served(Registry(other), unknown.identity("u", HOST), folder / "u"))
        beyond = stack.enter_context(served(Registry(other), trusted.identity("b", BEYOND), folder / "b"))
        proxy = stack.enter_context(proxied(Proxy({f"{BEYOND}:443": beyond.port})))
        reached = {
            "docker.io": {"mirrors": [f"https://{HOST}:{mirror.port}"]},
            f"{HOST}:{mirror.port}": {
                "ca": own.pem, "client": {"certificate": client.certificate, "key": client.key},
                "login": dict(zip(("username", "password"), LOGIN, strict=True)),
            },
            f"{HOST}:{unverified.port}": {"insecure": True},
        }  # fmt: skip
        recipe = folder / "registries.yml"
        kernel = {"sysctl": {"net.core.somaxconn": "5001"}, "modules": {"nf_conntrack": "hashsize=32768", "no-such": ""}}
        given = {
            "runtime": runtime, "roles": ["master"], "registries": reached, "trust": [trusted.pem], "kernel": kernel,
            "proxy": {"https": f"http://{HOST}:{proxy.port}", "no_proxy": [HOST]},
            "dns": {"servers": ["192.0.2.53"], "search": ["nodes.example"]},
        }  # fmt: skip
        recipe.write_text(yaml.safe_dump(given))
        plan = planned(out, recipe=recipe)
        spec = MachineSpec(
            name="registries", directory=folder / "machine", medium=plan.media[Role.MASTER], acceleration=plan.acceleration,
            memory=1800, outbound=True,
        )  # fmt: skip
        machine = Machine.start(spec, leashed=True)
        try:
            lifecycle.booted(machine, 900)
            yield World(runtime, mirror, house, stranger, unverified, beyond, proxy, machine)
        finally:
            machine.stop(grace=0)


def test_an_image_of_docker_hub_comes_by_the_mirror(world: World) -> None:
    code, told = world.pull("docker.io/library/proof:1")
    assert code == 0, told
    assert "/v2/library/proof/manifests/1" in world.mirror.pulled
    assert set(world.mirror.pulled.values()) == {"a-node"}, "each by the node's certificate"
    listed = world.machine.shell().run(in_kubelet("crictl images -o json", "images"), world.machine.within(60))
    tags = [tag for each in json.loads(listed.output)["images"] for tag in each["repoTags"]]
    assert "docker.io/library/proof:1" in tags


def test_a_registry_of_an_authority_that_the_node_trusts(world: World) -> None:
    code, told = world.pull(f"{HOST}:{world.trusted.port}/team/proof:1")
    assert code == 0 and world.trusted.pulled, told


def test_a_registry_that_nobody_vouches_for_is_refused(world: World) -> None:
    code, told = world.pull(f"{HOST}:{world.stranger.port}/team/proof:1")
    assert code != 0 and "certificate signed by unknown authority" in told
    assert world.stranger.pulled == {}


def test_one_that_the_recipe_does_not_verify(world: World) -> None:
    code, told = world.pull(f"{HOST}:{world.unverified.port}/team/proof:1")
    assert code == 0 and world.unverified.pulled, told


def test_what_lies_beyond_comes_by_the_proxy_and_what_is_near_without(world: World) -> None:
    code, told = world.pull(f"{BEYOND}/team/proof:1")
    assert code == 0 and world.beyond.pulled, told
    code, told = world.pull(f"{HOST}:{world.trusted.port}/team/proof:1")
    assert code == 0, told
    assert set(world.proxy.asked) == {f"{BEYOND}:443"}


def test_the_account_is_nobody_else_s_to_read(world: World) -> None:
    folder = {"cri-containerd": "containerd", "docker": "docker"}[world.runtime]
    listed = said(world.machine, f"ls -lR /hostroot/etc/{folder}/certs.d").splitlines()
    secret = [line for line in listed if line.rstrip().endswith(("hosts.toml", "client.key"))]
    assert len(secret) == 4 and all(line.startswith("-rw-------") for line in secret), listed


def test_names_are_resolved_as_the_recipe_says_before_what_dhcp_names(world: World) -> None:
    lines = said(world.machine, in_kubelet("cat /etc/resolv.conf", "resolver")).splitlines()
    words = [line for line in lines if line and not line.startswith("#")]
    assert words[0] == "nameserver 192.0.2.53" and words[-1] == "search nodes.example"
    assert "nameserver 10.0.2.3" in words, "QEMU's, by DHCP"


def test_the_kernel_is_set_as_the_recipe_says_and_tells_what_it_lacks(world: World) -> None:
    looked = "cat /proc/sys/net/core/somaxconn /sys/module/nf_conntrack/parameters/hashsize"
    assert said(world.machine, looked).split() == ["5001", "32768"]
    assert "no-such" in shown(world.machine)
