"""The SSH server of pkg/sshd, run from its own image in a chroot, with the host's ssh as the client."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from free_ports import free_ports
from private_mounts import private_mounts
from test_image_complete import unpacked

from builder.run import Completed, run, spawn

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root"),
    pytest.mark.skipif(not shutil.which("ssh"), reason="ssh is not installed"),
]
SECONDS_TO_LISTEN = 30.0
SECONDS_TO_ANSWER = 60
# The mounts are in a namespace of their own and go with the process.
IN_CHROOT = 'mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && exec chroot "$1" /usr/bin/sshd.sh'


@dataclass(frozen=True)
class Server:
    """A server under way at `port`, whose root is `root` and which knows the key `key`."""

    root: Path
    port: int
    key: Path

    def ssh(self, *words: str, key: Path | None = None, user: str = "root") -> Completed:
        return run([*self.client(key, user), *words], check=False, timeout=SECONDS_TO_ANSWER)

    def client(self, key: Path | None = None, user: str = "root") -> list[str]:
        return ["ssh", "-F", "none", "-i", str(key or self.key), *self.options(), "-p", str(self.port), f"{user}@127.0.0.1"]

    def options(self) -> list[str]:
        known = self.root.parent / "known_hosts"
        pairs = ("IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={known}")
        return [word for pair in pairs for word in ("-o", pair)]


@contextmanager
def serving(root: Path, key: Path) -> Iterator[Server]:
    (port,) = free_ports(1)
    argv = [*private_mounts(), "sh", "-c", IN_CHROOT, "sshd", str(root)]
    with spawn(argv, env={"SSH_PORT": f"127.0.0.1:{port}"}) as process:
        end = time.monotonic() + SECONDS_TO_LISTEN
        while process.poll() is None and time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield Server(root, port, key)


def new_key(path: Path, kind: str = "ed25519") -> Path:
    run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path])
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's files, with what a node puts over them."""
    place = unpacked("sshd", tmp_path_factory.mktemp("sshd") / "root")
    for name in ("dev", "proc", "run", "var/lib"):
        (place / name).mkdir(parents=True)
    return place


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    key, rsa, other = new_key(root.parent / "key"), new_key(root.parent / "rsa", "rsa"), new_key(root.parent / "metadata")
    (root / "root/.ssh").mkdir(mode=0o700)
    keys = "".join(each.with_suffix(".pub").read_text() for each in (key, rsa))
    (root / "root/.ssh/authorized_keys").write_text(keys)
    (root / "root/.ssh/authorized_keys").chmod(0o600)
    (root / "run/config/ssh").mkdir(parents=True)
    (root / "run/config/ssh/authorized_keys").write_text(other.with_suffix(".pub").read_text().rstrip())
    for name, folder in (("ada", "hostroot/etc/ssh/users"), ("grace", "run/config/users"), ("ada", "run/config/users")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        own = new_key(root.parent / f"{name}-{folder[:3]}").with_suffix(".pub")
        (root / folder / name).write_text(own.read_text())
    for odd in ("root", "a:b", "-rf", "A", "a b"):
        (root / "run/config/users" / odd).write_text(other.with_suffix(".pub").read_text())
    with serving(root, key) as started:
        yield started


@pytest.mark.parametrize("key", ["key", "rsa", "metadata"])
def test_the_keys_of_recipe_and_metadata_run_commands_as_root(server: Server, key: str) -> None:
    done = server.ssh("id -un; exit 3", key=server.root.parent / key)
    assert (done.code, done.stdout) == (3, "root\n"), done.stderr


def test_another_key_does_not(server: Server, tmp_path: Path) -> None:
    done = server.ssh("true", key=new_key(tmp_path / "other"))
    assert done.code == 255
    assert "Permission denied (publickey)" in done.stderr  # and passwords are not offered


@pytest.mark.parametrize(("user", "key"), [("ada", "ada-hos"), ("ada", "ada-run"), ("grace", "grace-run")])
def test_others_log_in_by_their_own_names(server: Server, user: str, key: str) -> None:
    """Those of the image and those of the metadata; one that both name has the keys of both."""
    done = server.ssh('id -u; echo "$USER $HOME"; stat -c %a ~ ~/.ssh/authorized_keys', key=server.root.parent / key, user=user)
    assert (done.code, done.stdout) == (0, f"0\n{user} /run/sshd/home/{user}\n700\n600\n"), done.stderr


@pytest.mark.parametrize(
    ("user", "key"), [("root", "ada-hos"), ("root", "grace-run"), ("ada", "grace-run"), ("grace", "key"), ("A", "metadata")]
)
def test_nobody_logs_in_by_another_s_name(server: Server, user: str, key: str) -> None:
    done = server.ssh("true", key=server.root.parent / key, user=user)
    assert done.code == 255 and "Permission denied" in done.stderr


def test_names_that_are_none_keep_nobody_out(server: Server) -> None:
    names = [line.partition(":")[0] for line in (server.root / "etc/passwd").read_text().splitlines()]
    assert names == ["root", "ada", "grace"]


def test_a_session_has_the_prompt_that_names_its_namespace(server: Server) -> None:
    prompt = f"(ns: sshd) {socket.gethostname().partition('.')[0]}:~# ".encode()
    with spawn(["timeout", str(SECONDS_TO_ANSWER), *server.client(), "-tt"], stdin=subprocess.PIPE) as session:
        assert session.stdout
        told = b""
        while prompt not in told and (more := session.stdout.read(1)):
            told += more
    assert told.endswith(prompt)


def test_a_file_can_be_copied(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    run(
        [
            "scp",
            "-F",
            "none",
            "-s",
            "-i",
            server.key,
            *server.options(),
            "-P",
            str(server.port),
            tmp_path / "a",
            "root@127.0.0.1:/tmp/b",
        ]
    )
    assert (server.root / "tmp/b").read_text() == "content"


def test_the_host_keys_outlive_the_server(server: Server) -> None:
    assert server.ssh("true").code == 0
    before = {path.name: path.read_bytes() for path in (server.root / "var/lib/ssh").iterdir()}
    assert sorted(before) == ["dropbear_ecdsa_host_key", "dropbear_ed25519_host_key"]
    assert {path.stat().st_mode & 0o777 for path in (server.root / "var/lib/ssh").iterdir()} == {0o600}
    with serving(server.root, server.key) as again:
        assert again.ssh("true").code == 0
    assert {path.name: path.read_bytes() for path in (server.root / "var/lib/ssh").iterdir()} == before
