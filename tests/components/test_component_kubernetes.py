"""A developer's own build of Kubernetes: found in its folder, asked for its versions, refused where it can't be used."""

from pathlib import Path

import pytest
from kubernetes_samples import NEXT, PROGRAMS, built_with_cgo, images, own, program, write

from builder import elf
from builder.components.kubernetes import NAME, ask, images_of, own_programs
from builder.components.model import Component
from builder.errors import BuildError, InputError
from builder.store import Store, sha256

KUBELET = own("kubelet", NEXT)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.mark.parametrize(
    "place",
    [
        ".", "_output/bin", "_output/local/bin/linux/amd64", "_output/dockerized/bin/linux/amd64", "local/bin/linux/amd64",
        "kubernetes/server/bin", "server/bin",
    ],
)  # fmt: skip
def test_where_a_build_of_kubernetes_puts_programs(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, {"kubelet": KUBELET, "kubeadm": own("kubeadm", NEXT), "e2e.test": b"", "kubelet.sha512": b""})
    (tmp_path / "cmd" / "kubelet").mkdir(parents=True)
    found = own_programs(tmp_path, PROGRAMS)
    assert {name: path.resolve() for name, path in found.items()} == {
        name: (tmp_path / place / name).resolve() for name in ("kubeadm", "kubelet")
    }


def test_a_link_to_the_same_folder_is_no_second_one(tmp_path: Path) -> None:
    local = write(tmp_path / "_output/local/bin/linux/amd64", {"kubelet": KUBELET})
    (tmp_path / "_output/bin").symlink_to("local/bin/linux/amd64")
    for given in (tmp_path, tmp_path / "_output", tmp_path / "_output/bin", local):
        assert own_programs(given, PROGRAMS)["kubelet"].samefile(local / "kubelet")


def test_builds_for_other_machines_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "_output/local/bin/linux/arm64", {"kubelet": program("", machine=183)})
    (tmp_path / "_output/bin").symlink_to("local/bin/linux/arm64")
    right = write(tmp_path / "_output/local/bin/linux/amd64", {"kubelet": KUBELET})
    assert own_programs(tmp_path, PROGRAMS) == {"kubelet": right / "kubelet"}


def test_two_folders_with_programs(tmp_path: Path) -> None:
    folders = [write(tmp_path / f"_output/{how}/bin/linux/amd64", {"kubelet": KUBELET}) for how in ("local", "dockerized")]
    with pytest.raises(InputError, match="programs in 2 folders") as raised:
        own_programs(tmp_path, PROGRAMS)
    assert raised.value.details == tuple(map(str, folders)) and f"--kubernetes-dir {folders[0]}" in raised.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (program("", machine=183), "kubelet: it is for arm64"),
        (b"#!/bin/sh\necho Kubernetes v1.36.3\n", "kubelet: it is a script"),
        (b"\xcf\xfa\xed\xfe" + bytes(60), "kubelet: it is no 64-bit ELF file"),
        (KUBELET[:30], "kubelet: it is no 64-bit ELF file"),
        (b"", "kubelet: it is no 64-bit ELF file"),
    ],
    ids=["arm64", "script", "macOS", "cut short", "empty"],
)
def test_what_no_node_can_run(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(InputError, match="not programs that an x86-64 Linux can run") as raised:
        own_programs(write(tmp_path, {"kubelet": data, "kubeadm": own("kubeadm", NEXT)}), PROGRAMS)
    (detail,) = raised.value.details
    assert said in detail and "KUBE_BUILD_PLATFORMS=linux/amd64" in raised.value.hint


def test_folders_with_nothing_to_take(tmp_path: Path) -> None:
    (tmp_path / "kubelet").mkdir()
    for given, said in ((tmp_path, "none of Kubernetes' programs"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(InputError, match=said) as raised:
            own_programs(given, PROGRAMS)
        assert raised.value.exit_code == 2 and "_output/bin" in str(raised.value)
    with pytest.raises(InputError, match="is a file, not a folder"):
        own_programs(write(tmp_path / "bin", {"kubelet": KUBELET}) / "kubelet", PROGRAMS)


def test_each_is_asked_in_its_own_way(store: Store, tmp_path: Path) -> None:
    versions = {name: f"1.36.{number}" for number, name in enumerate(PROGRAMS)} | {"kubelet": NEXT}
    folder = write(tmp_path / "bin", {name: own(name, version) for name, version in versions.items()})
    found = ask(own_programs(folder, PROGRAMS), store)
    assert found.versions == versions
    assert {name: store.read(digest) for name, digest in found.files.items()} == {
        name: own(name, version) for name, version in versions.items()
    }


def test_programs_of_today_are_not_asked_again(store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path / "bin", {"kubelet": KUBELET})
    programs = own_programs(folder, PROGRAMS)
    first = ask(programs, store)
    store.path(first.files["kubelet"]).chmod(0o444)
    assert ask(programs, store) == first
    write(folder, {"kubelet": own("kubelet", "1.36.9")})
    assert ask(programs, store).versions == {"kubelet": "1.36.9"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (own("kubelet", "0.0.0-master+$Format:%H$"), "was built without a version: it says v0.0.0-master"),
        (program("Kubernetes v1.36.3", code=1), "does not tell its version"),
        (program("usage: ls"), "does not tell its version"),
        (KUBELET[:100], r"does not run[\s\S]*why: the file is cut short"),
    ],
    ids=["no version", "exit code", "another program", "cut short"],
)
def test_programs_that_tell_no_version(store: Store, tmp_path: Path, data: bytes, said: str) -> None:
    programs = own_programs(write(tmp_path / "bin", {"kubelet": data}), PROGRAMS)
    for _ in range(2):  # a failure is not remembered as an answer
        with pytest.raises(InputError, match=said) as raised:
            ask(programs, store)
        assert str(tmp_path / "bin" / "kubelet") in raised.value.what and raised.value.hint


def test_a_program_for_another_c_library(store: Store, tmp_path: Path) -> None:
    path = built_with_cgo(tmp_path / "bin" / "kubelet", "Kubernetes v1.36.3")
    loader = elf.needs_of(path).loader.encode()
    assert loader
    path.write_bytes(path.read_bytes().replace(loader, b"/lib/ld-musl.so.1".ljust(len(loader), b"\0")))
    with pytest.raises(InputError, match="does not run") as raised:
        ask(own_programs(tmp_path / "bin", PROGRAMS), store)
    assert raised.value.why == "it is linked to /lib/ld-musl.so.1, which is not on this machine"
    assert "KUBE_STATIC_OVERRIDES" in raised.value.hint


def test_what_kubeadm_asks_for(store: Store) -> None:
    asks = images("1.36.3", etcd="3.7.0-0")
    kubeadm = store.put(own("kubeadm", NEXT, asks))
    assert images_of(kubeadm, "1.36.3", store) == tuple(asks.split("\n"))
    broken = store.put(program("", "", code=3))
    with pytest.raises(BuildError, match="exit code 3"):
        images_of(broken, "1.36.3", store)


def test_the_component(store: Store, tmp_path: Path) -> None:
    found = ask(own_programs(write(tmp_path / "bin", {"kubelet": KUBELET}), PROGRAMS), store)
    rest = Component(name=NAME, version="1.36.3", source="golang", files={"kubelet": sha256(b"x"), "kubectl": sha256(b"y")})
    mixed, alone = found.component("1.36.3", rest), found.component("1.36.3", None)
    assert mixed.files == {"kubelet": sha256(KUBELET), "kubectl": sha256(b"y")}
    assert (mixed.source, mixed.own, mixed.version) == ("golang+local", {"kubelet": NEXT}, "1.36.3")
    assert (alone.files, alone.source) == ({"kubelet": sha256(KUBELET)}, "local")
    unbuilt = rest.model_copy(update={"files": {}, "source": ""})
    assert found.component("1.36.3", unbuilt).files == {"kubelet": sha256(KUBELET)}
