"""The CNI plugins that are one program, and CoreDNS without a part of its plugins: what each of them still answers."""

import os
import subprocess
from pathlib import Path

import pytest

from builder.components.description import describe
from builder.components.golang import Section
from builder.components.registry import find
from builder.components.source import Target
from builder.pipeline.kubernetes import chosen_version
from builder.project import Project
from builder.store import Store

pytestmark = pytest.mark.network

# Those of kubeadm's Corefile, and some of those that people put there.
NAMED = ("errors", "health", "ready", "kubernetes", "prometheus", "forward", "cache", "loop", "reload", "loadbalance")
USUAL = ("hosts", "template", "rewrite", "autopath", "log", "file", "k8s_external", "dnssec", "grpc", "etcd", "tls", "view")
# The program as libcni calls it for a pod, whose network is that of another process.
IN_ANOTHER = """unshare --net sleep 50 & pod=$!
for try in 1 2 3 4 5 6 7 8 9; do
    [ "$(readlink /proc/$pod/ns/net)" != "$(readlink /proc/self/ns/net)" ] && break
    sleep 0.2
done
CNI_NETNS=/proc/$pod/ns/net "$1"
code=$?
kill $pod
exit $code
"""
LEFT_OUT = ("azure", "clouddns", "nomad", "route53", "trace")


def target() -> Target:
    return Target(kubernetes=chosen_version(Project.here(), None))


@pytest.fixture(scope="module")
def cni(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them, as /opt/cni/bin is."""
    store, folder = Store(), tmp_path_factory.mktemp("cni")
    files = find("cni-plugins", store, Project.here()).files
    assert len(set(files.values())) == 1
    for name, digest in files.items():
        (folder / name).symlink_to(store.path(digest))
    return folder


def test_each_cni_plugin_answers_by_its_name(cni: Path) -> None:
    names = sorted(path.name for path in cni.iterdir())
    assert len(names) == 8
    for name in names:
        plain = subprocess.run([cni / name], env={}, capture_output=True, text=True, check=False)
        assert f"CNI {name} plugin v" in plain.stderr, plain.stderr
        asked = [cni / name]
        told = subprocess.run(asked, env={"CNI_COMMAND": "VERSION"}, input="{}", capture_output=True, text=True, check=True)
        assert '"1.1.0"' in told.stdout, name


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_a_plugin_calls_another_one(cni: Path, tmp_path: Path) -> None:
    """bridge has an address from host-local, which is looked for by CNI_PATH. Both networks are the test's own."""
    ipam = f'{{"type": "host-local", "subnet": "10.9.0.0/24", "dataDir": "{tmp_path}"}}'
    config = f'{{"cniVersion": "1.0.0", "name": "x", "type": "bridge", "bridge": "b0", "isGateway": true, "ipam": {ipam}}}'
    called = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": str(cni),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", IN_ANOTHER, "sh", cni / "bridge"], env=called, input=config,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"10.9.0.2/24"' in done.stdout and '"name": "b0"' in done.stdout


def test_coredns_has_the_plugins_that_a_corefile_names() -> None:
    program = Store().path(find("coredns", Store(), Project.here(), target=target()).files["coredns"])
    told = subprocess.run([program, "-plugins"], capture_output=True, text=True, check=True).stdout
    there = {line.strip().removeprefix("dns.") for line in told.splitlines()}
    assert {*NAMED, *USUAL} - there == set()
    assert there & set(LEFT_OUT) == set()


def test_a_corefile_with_one_that_was_left_out_is_told(tmp_path: Path) -> None:
    program = Store().path(find("coredns", Store(), Project.here(), target=target()).files["coredns"])
    (tmp_path / "Corefile").write_text(".:1053 {\n    route53 example.org.:Z1\n}\n")
    done = subprocess.run([program, "-conf", tmp_path / "Corefile"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0 and "route53" in done.stdout + done.stderr


def test_what_is_left_out_is_what_the_descriptions_name() -> None:
    section = describe("coredns", Project.here(), target().kubernetes).section("golang", Section)
    assert section and {path.rpartition("/")[2] for path in next(iter(section.left_out.values()))} == set(LEFT_OUT)
