"""What is taken out of an archive: data beside programs, and links that stay inside it."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from component_samples import PROGRAM, blobs, project
from release_samples import archive, entry

from builder.components.members import LINKS_IN_A_ROW, taken
from builder.components.registry import files_of, find
from builder.errors import BuildError, InputError
from builder.project import Project
from builder.store import Store, sha256

TEXT = b"[hypervisor.qemu]\n"
DATA = {"vm/kernel": b"a kernel", "vm/bin/vmm": PROGRAM, "vm/defaults/config.toml": TEXT}
ARTEFACT = {
    "url": "https://upstream.test/vm.tar",
    "members": {"vmm": "vm/bin/vmm"},
    "data": {"kernel": "vm/kernel", "config.toml": "vm/defaults/config.toml"},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def vm(tmp_path: Path) -> Project:
    """A component of a program and two files that are none."""
    made = project(tmp_path / "p", vm={"version": "1", "release": {"artefacts": [ARTEFACT]}})
    (made.root / "components.lock").write_text(yaml.safe_dump({"releases": {}}))
    return made


def packed(path: Path, files: Mapping[str, bytes | tarfile.TarInfo]) -> Path:
    path.write_bytes(archive(files, "w"))
    return path


def link(target: str) -> tarfile.TarInfo:
    return entry(tarfile.SYMTYPE, target)


def test_a_component_s_own_archive_may_hold_what_is_no_program(vm: Project, store: Store, tmp_path: Path) -> None:
    assert files_of("vm", vm) == ("config.toml", "kernel", "vmm")
    found = find("vm", store, vm, {"vm": packed(tmp_path / "vm.tar", DATA)})
    assert found.files == {"vmm": sha256(PROGRAM), "kernel": sha256(b"a kernel"), "config.toml": sha256(TEXT)}


def test_a_folder_and_a_single_file_may_so_too(vm: Project, store: Store, tmp_path: Path) -> None:
    for name, content in {"vmm": PROGRAM, "kernel": b"mine", "config.toml": TEXT}.items():
        (tmp_path / "given" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "given" / name).write_bytes(content)
    (tmp_path / "other").write_bytes(b"another kernel")
    found = find("vm", store, vm, {"vm": tmp_path / "given", "vm/kernel": tmp_path / "other"})
    assert store.read(found.files["kernel"]) == b"another kernel"


def test_a_program_must_be_one_all_the_same(vm: Project, store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vmm: not a program"):
        find("vm", store, vm, {"vm": packed(tmp_path / "vm.tar", {**DATA, "vm/bin/vmm": b"text"})})


def test_what_lacks_is_named(vm: Project, store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing kernel"):
        find("vm", store, vm, {"vm": packed(tmp_path / "vm.tar", {k: v for k, v in DATA.items() if k != "vm/kernel"})})


@pytest.mark.parametrize("first", [True, False], ids=["before what it leads to", "after it"])
def test_links_are_followed_inside_the_archive(store: Store, tmp_path: Path, first: bool) -> None:
    links: dict[str, bytes | tarfile.TarInfo] = {"vm/a": link("b"), "vm/b": link("../real/c")}
    real: dict[str, bytes | tarfile.TarInfo] = {"real/c": b"content"}
    given: dict[str, bytes | tarfile.TarInfo] = {**links, **real} if first else {**real, **links}
    path = packed(tmp_path / "x.tar", given)
    assert taken(path, {"one": "vm/a", "two": "vm/b"}, store) == dict.fromkeys(("one", "two"), sha256(b"content"))
    assert len(blobs(store)) == 1


def test_links_of_the_user_s_own_archive_are_followed(vm: Project, store: Store, tmp_path: Path) -> None:
    given: dict[str, bytes | tarfile.TarInfo] = {**DATA, "vm/kernel": link("kernel-6.18"), "vm/kernel-6.18": b"a kernel"}
    assert find("vm", store, vm, {"vm": packed(tmp_path / "vm.tar", given)}).files["kernel"] == sha256(b"a kernel")


BAD = {
    "/etc/passwd": "leads out of the archive, to /etc/passwd",
    "../../etc/passwd": "leads out of the archive, to ../../etc/passwd",
    "nowhere": r"vm/a \(a link that leads to vm/nowhere\)",
    "a": "does not have all that it should",
    "folder": "folder in the archive is no plain file",
}


@pytest.mark.parametrize("target", sorted(BAD))
def test_links_that_lead_nowhere_good_are_refused(store: Store, tmp_path: Path, target: str) -> None:
    path = packed(tmp_path / "x.tar", {"vm/a": link(target), "vm/folder": entry(tarfile.DIRTYPE)})
    with pytest.raises(BuildError, match=BAD[target]):
        taken(path, {"a": "vm/a"}, store)
    assert blobs(store) == []


def test_a_chain_of_links_has_an_end(store: Store, tmp_path: Path) -> None:
    links: dict[str, bytes | tarfile.TarInfo] = {str(number): link(str(number + 1)) for number in range(LINKS_IN_A_ROW)}
    path = packed(tmp_path / "x.tar", {**links, str(LINKS_IN_A_ROW): b"x"})
    with pytest.raises(BuildError, match="does not have all"):
        taken(path, {"a": "0"}, store)
    assert taken(path, {"a": "1"}, store) == {"a": sha256(b"x")}


@pytest.mark.parametrize(
    ("artefact", "said"),
    [
        ({"members": {"a": "x"}, "data": {"a": "y"}}, "a is both a program and none"),
        ({"data": {"a": "y"}}, "expected one of members and program"),
        ({"program": "a", "data": {"b": "y"}}, "expected one of members and program"),
        ({"members": {"a": "x"}, "data": {"b": "../y"}}, "a path in an archive is relative"),
    ],
)
def test_mistakes_of_the_description(tmp_path: Path, artefact: dict[str, object], said: str) -> None:
    described: dict[str, object] = {"version": "1", "release": {"artefacts": [{"url": "https://upstream.test/x", **artefact}]}}
    with pytest.raises(InputError) as told:
        files_of("vm", project(tmp_path / "p", vm=described))
    assert said in str(told.value)
