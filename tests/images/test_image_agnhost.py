"""The image in whose pods Kubernetes' end-to-end tests run commands: those that the suite full needs, in a chroot."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from private_mounts import private_mounts
from test_image_complete import unpacked

from builder.run import run

pytestmark = [pytest.mark.network, pytest.mark.long, pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")]
SECONDS = 30.0
# With /proc as in a pod: by its link to the program that runs, BusyBox's shell finds applets of its own before it looks in PATH.
IN_CHROOT = 'mount -t proc proc "$1/proc" && exec chroot "$1" /bin/sh -x -c "$2"'


def answered_once(server: socket.socket) -> str:
    """What the one client that comes says; it gets the name of a pod."""
    client, _ = server.accept()
    with client:
        asked = client.recv(100).decode()
        client.sendall(b"pod1\n")
    return asked


def test_its_shell_asks_a_service_with_the_nc_of_the_e2e_tests(tmp_path: Path) -> None:
    """The words of test/e2e/framework/service/jig.go: BusyBox's own nc knows neither -v nor -t."""
    root = unpacked("agnhost", tmp_path)
    (root / "proc").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as waiting:
        server.settimeout(SECONDS)
        asked = waiting.submit(answered_once, server)
        port = server.getsockname()[1]
        asking = f"echo hostName | nc -v -t -w 2 127.0.0.1 {port}"
        done = run([*private_mounts(), "sh", "-c", IN_CHROOT, "sh", root, asking], check=False, timeout=SECONDS)
        assert (done.code, done.stdout) == (0, "pod1\n"), done.stderr
        assert asked.result() == "hostName\n"
