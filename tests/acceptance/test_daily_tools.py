"""What a user does with pods every day: port-forward and cp, with what would look like them and is not."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster_samples import a_cluster
from component_samples import closed_port
from healthy_world import World
from looks import a_world, across, listening, looks

from builder.checks import NotYet


class Forwarding:
    """kubectl port-forward to a pod, whose log has what was asked; `page` is what comes back, `asked` the pod that is asked."""

    def __init__(self, world: World, port: int) -> None:
        self.world, self.page, self.asked = world, world.page, "web-c-worker-1"
        world.forward = ["sh", "-c", f"echo 'Forwarding from 127.0.0.1:{port} -> 80'; exec sleep 30"]

    def answer(self, visitor: socket.socket) -> None:
        request = visitor.recv(4096).decode().partition("\r\n")[0]
        self.world.logs[self.asked] = f'10.0.0.1 - - [x] "{request}" 200\n'
        visitor.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(self.page)}\r\n\r\n{self.page}".encode())


@contextmanager
def forwarding(world: World) -> Iterator[Forwarding]:
    made: list[Forwarding] = []
    with listening(lambda visitor: made[0].answer(visitor)) as port:
        made.append(Forwarding(world, port))
        yield made[0]


def test_a_port_that_is_forwarded_to_the_pod() -> None:
    world = a_world()
    (look,) = looks(across(world), "A20b")
    with forwarding(world):
        assert look() == "web-c-worker-1 shows 'Welcome to nginx!' through it"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda way: setattr(way, "page", "<h1>It works!</h1>"), "another page"),
        (lambda way: setattr(way, "asked", "web-c-master-1"), "web-c-worker-1 saw no request"),
    ],
    ids=["another page", "another pod"],
)
def test_a_forwarded_port_that_leads_elsewhere(wrong: Callable[[Forwarding], None], reason: str) -> None:
    world = a_world()
    (look,) = looks(across(world), "A20b")
    with forwarding(world) as way:
        wrong(way)
        with pytest.raises(NotYet, match=reason):
            look()


@pytest.mark.parametrize(
    "script", ["exit 0", "echo 'error: unable to forward port'; exit 1", "echo 'Forwarding from [::1]:1 -> 80'"]
)
def test_a_port_that_is_not_forwarded(script: str) -> None:
    world = a_world()
    world.forward = ["sh", "-c", script]
    (look,) = looks(across(world), "A20b")
    with pytest.raises(NotYet, match="kubectl port-forward said"):
        look()


def test_a_forwarded_port_that_nobody_answers() -> None:
    world = a_world()
    world.forward = ["sh", "-c", f"echo 'Forwarding from 127.0.0.1:{closed_port().rpartition(':')[2]} -> 80'; exec sleep 30"]
    (look,) = looks(across(world), "A20b")
    with pytest.raises(NotYet, match="no answer"):
        look()


def copying(world: World, *, back: Callable[[bytes], bytes | None]) -> None:
    """A cp that gives back something else than it was given; None: it says that all went well, and writes nothing."""

    def copy(source: str, target: str) -> tuple[int, str]:
        if ":" in target:
            return world._copy(source, target)
        if (content := back(world.files[source])) is not None:
            Path(target).write_bytes(content)
        return 0, ""

    world.copy = copy


@pytest.mark.parametrize(
    ("back", "reason"),
    [
        (lambda sent: sent[:-1], "what came back differs"),
        (lambda sent: sent[:50_000] + b"x" + sent[50_001:], "what came back differs"),
        (lambda _: b"", "what came back differs"),
        (lambda _: None, "nothing came back"),
    ],
    ids=["cut", "one byte", "empty", "nothing"],
)
def test_a_copy_that_is_none(tmp_path: Path, back: Callable[[bytes], bytes | None], reason: str) -> None:
    world = World(a_cluster(1, 1, directory=tmp_path))
    (look,) = looks(across(world), "A20c")
    assert look() == "100 kB came back as they went"
    (name,) = world.files
    assert name == "across/client-c-worker-1:/tmp/sent"
    copying(world, back=back)
    with pytest.raises(NotYet, match=reason):
        look()
    assert list(tmp_path.iterdir()) == [], "nothing of it stays, so a later look finds nothing of an earlier one"


def test_a_copy_that_kubectl_refuses(tmp_path: Path) -> None:
    world = World(a_cluster(1, 1, directory=tmp_path))
    world.copy = lambda *_: (1, "tar: /tmp/sent: No space left on device")
    (look,) = looks(across(world), "A20c")
    with pytest.raises(NotYet, match="No space left"):
        look()
