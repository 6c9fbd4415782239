"""Nothing that a program of an image loads or calls is missing in it: the check itself on toys, then every folder of pkg/."""

import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from completeness import findings
from default_target import DEFAULT
from image_samples import make_image

from builder import elf, oci
from builder.acceptance.suites import known
from builder.components.debian import debs, load_lock
from builder.components.description import describe
from builder.components.registry import find
from builder.images.compose import compose
from builder.images.description import load_description
from builder.images.tree import parents
from builder.project import Project
from builder.run import run
from builder.spec.needs import SERVICES, TEST_IMAGES
from builder.spec.versions import control_plane
from builder.store import Store

LOADER = "/lib64/ld-linux-x86-64.so.2"
PKG = Project.here().pkg
FOLDERS = sorted(path.parent.name for path in PKG.glob("*/image.yml"))


def only_released(name: str) -> bool:
    """Whether it has programs of an upstream's release, which is not to be had everywhere."""
    wanted = load_description(PKG / name).components
    return any(set(describe(each, Project.here()).sections) == {"release"} for each in wanted)


def program(*libraries: str, loader: str = "", search: str = "") -> bytes:
    """The smallest ELF file with these needs: one segment that is loaded at 0x1000, the loader's name, the dynamic section."""
    texts = [*libraries, search, loader]
    places = [1 + sum(len(text) + 1 for text in texts[:count]) for count in range(len(texts))]
    names = b"\0" + b"".join(text.encode() + b"\0" for text in texts)
    head = elf.HEADER.size + 3 * elf.SEGMENT.size
    tags = [(elf.DT_NEEDED, place) for place in places[: len(libraries)]]
    tags += [(elf.DT_RUNPATH, places[-2])] if search else []
    dynamic = b"".join(elf.DYNAMIC.pack(*tag) for tag in [*tags, (elf.DT_STRTAB, 0x1000 + head), (elf.DT_NULL, 0)])
    segments = [
        (elf.PT_LOAD, 0, 0x1000, head + len(names) + len(dynamic)),
        (elf.PT_INTERP if loader else 0, head + places[-1], 0, len(loader) + 1),
        (elf.PT_DYNAMIC, head + len(names), 0x1000 + head + len(names), len(dynamic)),
    ]
    header = elf.HEADER.pack(
        elf.MAGIC.ljust(16, b"\0"), 3, 62, 1, 0, elf.HEADER.size, 0, 0, elf.HEADER.size, elf.SEGMENT.size, 3, 0, 0, 0
    )
    table = b"".join(elf.SEGMENT.pack(kind, 4, offset, address, 0, size, size, 8) for kind, offset, address, size in segments)
    return header + table + names + dynamic


def found(tmp_path: Path, files: Mapping[str, bytes | str], **process: tuple[str, ...]) -> list[str]:
    store = Store(tmp_path / "store")
    folders = sorted({f"{parent}/" for name in files for parent in parents(name)})
    image = make_image(store, "docker.io/kubeiso/toy:1", {**dict.fromkeys(folders, b""), **files})
    return findings(oci.layer_paths(store, image.digest), oci.Process(**process))


def test_what_an_elf_file_needs_is_read() -> None:
    made = program("liba.so.1", "libb.so", loader=LOADER, search="/opt/lib:$ORIGIN/x")
    assert elf.needs(made) == elf.Needs(LOADER, ("liba.so.1", "libb.so"), ("/opt/lib", "$ORIGIN/x"))
    assert elf.needs(program()) == elf.Needs("", (), ())
    with pytest.raises(ValueError, match="64-bit"):
        elf.needs(b"\x7fELF\x01\x01")
    with pytest.raises(struct.error):
        elf.needs(made[:70])


def test_a_complete_image_has_no_findings(tmp_path: Path) -> None:
    multiarch = "usr/lib/x86_64-linux-gnu"
    assert not found(tmp_path, {
        "lib": "usr/lib", "lib64": "usr/lib64", "bin": "usr/bin",
        "usr/bin/a": program("liba.so.1", "libc.so.6", "libown.so", loader=LOADER, search="$ORIGIN/../own"),
        "usr/lib64/ld-linux-x86-64.so.2": "../lib/x86_64-linux-gnu/ld.so", f"{multiarch}/ld.so": program(),
        f"{multiarch}/liba.so.1": "liba.so.1.2", f"{multiarch}/liba.so.1.2": program("libc.so.6"),
        f"{multiarch}/libc.so.6": program(), "usr/own/libown.so": program(),
        "usr/bin/sh": program(), "usr/bin/env": program(), "usr/bin/s": b"#!/bin/sh\n", "usr/bin/e": b"#! /usr/bin/env sh\n",
        "etc/resolv.conf": "/run/resolvconf/resolv.conf", "etc/kubernetes": "../var/lib/kubeadm",
    }, entrypoint=("/bin/a",), cmd=("x",))  # fmt: skip


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"usr/bin/a": program("libc.so.6")}, "/usr/bin/a needs the library libc.so.6"),
        ({"usr/bin/a": program(loader=LOADER)}, f"/usr/bin/a needs the loader {LOADER}"),
        ({"usr/bin/s": b"#!/bin/sh -e\n"}, "/usr/bin/s is a script for /bin/sh"),
        ({"usr/bin/s": b"#!/usr/bin/env perl\n", "usr/bin/env": b""}, "/usr/bin/s is a script for perl"),
        ({"a": "b"}, "/a is a link that leads nowhere: there is no /b"),
        ({"a/b": "../../../c/d", "c/": b""}, "/a/b is a link that leads nowhere: there is no /c/d"),
        ({"a": "a"}, "/a is a link that leads nowhere: too many links"),
    ],
)
def test_each_lack_is_found(tmp_path: Path, files: Mapping[str, bytes | str], message: str) -> None:
    assert found(tmp_path, files) == [message]


def test_a_library_behind_a_dangling_link_is_missing(tmp_path: Path) -> None:
    lacks = found(tmp_path, {"usr/bin/a": program("liba.so.1"), "usr/lib/liba.so.1": "liba.so.1.2"})
    assert lacks == [
        "/usr/bin/a needs the library liba.so.1",
        "/usr/lib/liba.so.1 is a link that leads nowhere: there is no /usr/lib/liba.so.1.2",
    ]


def test_the_program_that_the_image_runs_must_be_there(tmp_path: Path) -> None:
    assert found(tmp_path, {"a": b""}, cmd=("/b",)) == ["the image is to run /b, which it does not have"]


def composed(name: str, project: Project, store: Store) -> oci.Image:
    description = load_description(project.pkg / name)
    components = {each: find(each, store, project, target=DEFAULT) for each in description.components}
    packages = debs(name, load_lock(project.lock), store) if description.packages else []
    return compose(name, project.pkg / name, description, components, packages, store)


def unpacked(name: str, place: Path) -> Path:
    """The files of a folder's image under `place`."""
    store = Store()
    for layer in oci.layer_paths(store, composed(name, Project.here(), store).digest):
        with tarfile.open(layer) as archive:
            archive.extractall(place)
    return place


# What only suites of hours carry takes minutes to build.
EVERYWHERE = {*control_plane(role_has_it=True), *SERVICES, *TEST_IMAGES}
CARRIED = {name for suite in known().values() for name in (*suite.extra.init, *suite.extra.images)} - EVERYWHERE


@pytest.mark.network
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] if name in CARRIED else []) for name in FOLDERS if not only_released(name)],
)
def test_nothing_is_missing_in_the_image_of(name: str) -> None:
    store = Store()
    image = composed(name, Project.here(), store)
    assert findings(oci.layer_paths(store, image.digest), oci.process_of(store, image.digest)) == []


@pytest.mark.network
def test_busybox_has_every_applet_that_an_image_links_to_it(tmp_path: Path) -> None:
    project, store = Project.here(), Store()
    (busybox,) = (each for each in load_lock(project.lock).packages.values() if each.name == "busybox-static")
    debs("getty", load_lock(project.lock), store)
    run(["dpkg-deb", "-x", store.path(busybox.sha256), tmp_path])
    known = set(run([tmp_path / "usr/bin/busybox", "--list"]).stdout.split())
    for name in FOLDERS:
        wanted = load_description(project.pkg / name).applets.get("usr/bin/busybox", "").split()
        assert set(wanted) <= known, name
