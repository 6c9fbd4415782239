"""compose: packages, components and folders -> a layer."""

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from image_samples import layer_of, make_component, make_deb, read

from builder import oci
from builder.components.model import Component
from builder.errors import BuildError, InputError
from builder.images.compose import Request, compose, compose_all
from builder.images.model import ImageDescription
from builder.store import Digest, Store
from builder.tarball import EPOCH


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def build(
    store: Store, folder: Path, debs: Sequence[Digest] = (), parts: Mapping[str, Component] = MappingProxyType({}), **keys: Any
) -> oci.Image:
    description = ImageDescription(image="docker.io/kubeiso/toy:{version}", **keys)
    return compose("toy", folder, description, parts, debs, store)


def test_the_same_input_gives_the_same_digest_in_another_store(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        work = tmp_path / name
        store = Store(work / "store")
        (work / "files/etc").mkdir(parents=True)
        (work / "files/etc/a").write_text("a")
        deb = make_deb(store, work, "a", {"usr/bin/a": b"a", "usr/bin/z": b"z"})
        digests.append(build(store, work, [deb], contents={"b": "b"}, links={"c": "b"}).digest)
    assert digests[0] == digests[1]


def test_another_file_gives_another_digest_and_an_unchanged_folder_is_not_made_again(store: Store, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a").write_text("one")
    first = build(store, tmp_path)
    made = {path.name for path in (store.root / "results").iterdir()}
    assert build(store, tmp_path) == first
    assert {path.name for path in (store.root / "results").iterdir()} == made
    (files / "a").write_text("two")
    second = build(store, tmp_path)
    assert second.digest != first.digest
    (files / "a").chmod(0o755)
    assert build(store, tmp_path).digest != second.digest


def test_names_are_sorted_and_headers_fixed(store: Store, tmp_path: Path) -> None:
    deb = make_deb(store, tmp_path, "a", {"usr/bin/b": b"b", "usr/bin/a": b"a", "etc/a": b""})
    layer = layer_of(store, build(store, tmp_path, [deb], directories={"tmp": "1777"}))
    assert list(layer) == sorted(layer)
    assert {info.mtime for info in layer.values()} == {EPOCH}
    assert {(info.uid, info.gid, info.uname, info.gname) for info in layer.values()} == {(0, 0, "", "")}
    assert stat.S_IMODE(layer["usr/bin/a"].mode) == 0o755
    assert stat.S_IMODE(layer["etc/a"].mode) == 0o644
    assert stat.S_IMODE(layer["tmp"].mode) == 0o1777


def test_later_sources_win_over_earlier_ones(store: Store, tmp_path: Path) -> None:
    debs = [make_deb(store, tmp_path, name, {path: name.encode() for path in paths}) for name, paths in
            {"one": "abcde", "two": "bcde"}.items()]  # fmt: skip
    components = {"tool": make_component(store, "tool", "v2.1", run=b"#!component", text=b"text")}
    (tmp_path / "files").mkdir()
    for name in "de":
        (tmp_path / "files" / name).write_text("folder")
    image = build(
        store, tmp_path, debs, components,
        components={"tool": {"run": "c", "text": "text"}}, contents={"e": "contents"},
    )  # fmt: skip
    assert {name: read(store, image, name) for name in "abcde"} == {
        "a": b"one", "b": b"two", "c": b"#!component", "d": b"folder", "e": b"contents",
    }  # fmt: skip
    assert layer_of(store, image)["c"].mode == 0o755
    assert layer_of(store, image)["text"].mode == 0o644, "no program"
    assert image.name == "docker.io/kubeiso/toy:2.1"


def test_files_of_the_old_top_level_go_to_usr_and_the_links_are_made(store: Store, tmp_path: Path) -> None:
    deb = make_deb(store, tmp_path, "a", {"lib/x/liba.so": b"a", "lib64/ld.so": "../lib/x/liba.so", "sbin/a": b"a"})
    layer = layer_of(store, build(store, tmp_path, [deb]))
    assert [(name, layer[name].linkname) for name in ("lib", "lib64", "sbin")] == [
        ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("sbin", "usr/sbin"),
    ]  # fmt: skip
    assert {"usr/lib/x/liba.so", "usr/lib64/ld.so", "usr/sbin/a"} <= set(layer)
    assert "bin" not in layer
    assert not any(name.startswith(("lib/", "lib64/", "sbin/")) for name in layer)


def test_an_image_of_one_static_file_has_nothing_else(store: Store, tmp_path: Path) -> None:
    components = {"pause": make_component(store, "pause", "1", pause=b"p")}
    assert list(layer_of(store, build(store, tmp_path, [], components, components={"pause": {"pause": "pause"}}))) == ["pause"]


def test_documentation_goes_and_licences_stay(store: Store, tmp_path: Path) -> None:
    deb = make_deb(store, tmp_path, "a", {
        "usr/bin/a": b"", "usr/share/doc/a/copyright": b"free", "usr/share/doc/a/README": b"", "usr/share/man/man1/a.1": b"",
        "usr/share/locale/de/a.mo": b"", "lib/systemd/system/a.service": b"", "usr/share/bash-completion/a": b"",
    })  # fmt: skip
    layer = layer_of(store, build(store, tmp_path, [deb]))
    assert [name for name, info in layer.items() if info.isreg()] == ["usr/bin/a", "usr/share/doc/a/copyright"]
    assert "usr/share/man" not in layer


def test_keep_and_drop_choose_the_packages_files_alone(store: Store, tmp_path: Path) -> None:
    deb = make_deb(store, tmp_path, "a", {
        "usr/bin/a": b"", "usr/bin/b": b"", "usr/lib/x/c": b"", "usr/share/man/m": b"", "usr/share/doc/a/copyright": b"",
    })  # fmt: skip
    image = build(store, tmp_path, [deb], keep=["/bin/*", "usr/share/man"], drop=["usr/bin/b"], contents={"usr/bin/b": "mine"})
    names = {name for name, info in layer_of(store, image).items() if info.isreg()}
    assert names == {"usr/bin/a", "usr/bin/b", "usr/share/man/m", "usr/share/doc/a/copyright"}
    assert read(store, image, "usr/bin/b") == b"mine"


def test_a_package_s_empty_directories_stay_and_emptied_ones_go(store: Store, tmp_path: Path) -> None:
    deb = make_deb(store, tmp_path, "a", {"var/lib/a/": b"", "etc/x/y": b""})
    layer = layer_of(store, build(store, tmp_path, [deb], drop=["etc/x/y"]))
    assert "var/lib/a" in layer
    assert "etc/x" not in layer


def test_a_file_has_the_mode_that_is_said(store: Store, tmp_path: Path) -> None:
    deb = make_deb(store, tmp_path, "a", {"usr/bin/a": b""})
    components = {"tool": make_component(store, "tool", "1", run=b"r", key=b"k")}
    image = build(
        store, tmp_path, [deb], components,
        components={"tool": {"run": "bin/run", "key": "key"}}, modes={"bin/run": "6755", "key": "0600", "bin/a": "0700"},
    )  # fmt: skip
    layer = layer_of(store, image)
    assert {name: oct(stat.S_IMODE(layer[name].mode)) for name in ("usr/bin/run", "key", "usr/bin/a")} == {
        "usr/bin/run": "0o6755", "key": "0o600", "usr/bin/a": "0o700",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["none", "etc", "link"])
def test_the_mode_of_what_is_no_file_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"no file {name}, whose mode is to be 0600"):
        build(store, tmp_path, modes={name: "0600"}, directories={"etc": "0755"}, links={"link": "etc"})


def test_hard_links_stay_one_file(store: Store, tmp_path: Path) -> None:
    deb = make_deb(store, tmp_path, "a", {"usr/bin/z": b"same"}, links={"usr/bin/a": "usr/bin/z", "usr/bin/m": "usr/bin/z"})
    image = build(store, tmp_path, [deb], drop=["usr/bin/m"])
    layer = layer_of(store, image)
    assert layer["usr/bin/a"].isreg()
    assert (layer["usr/bin/z"].islnk(), layer["usr/bin/z"].linkname) == (True, "usr/bin/a")
    assert read(store, image, "usr/bin/a") == b"same"


def test_the_certificates_become_one_bundle_sorted_by_name(store: Store, tmp_path: Path) -> None:
    base = "usr/share/ca-certificates/mozilla"
    deb = make_deb(store, tmp_path, "ca-certificates", {f"{base}/b.crt": b"B\n", f"{base}/a.crt": b"A"})
    assert read(store, build(store, tmp_path, [deb]), "etc/ssl/certs/ca-certificates.crt") == b"A\nB\n"


def test_applets_give_way_to_programs(store: Store, tmp_path: Path) -> None:
    deb = make_deb(store, tmp_path, "a", {"usr/bin/busybox": b"", "sbin/ip": b"ip"})
    layer = layer_of(store, build(store, tmp_path, [deb], applets={"usr/bin/busybox": "[ ip ls"}))
    assert (layer["usr/bin/ls"].linkname, layer["usr/bin/["].linkname) == ("busybox", "busybox")
    assert "usr/bin/ip" not in layer


def test_modes_in_a_folder_are_those_that_git_knows(store: Store, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for name, mode in {"a": 0o700, "b": 0o600}.items():
        (tmp_path / "files" / name).write_text("")
        (tmp_path / "files" / name).chmod(mode)
    (tmp_path / "files/c").symlink_to("/nowhere")
    layer = layer_of(store, build(store, tmp_path))
    assert (layer["a"].mode, layer["b"].mode, layer["c"].linkname) == (0o755, 0o644, "/nowhere")


def test_the_config_says_what_runs_and_carries_linuxkit_s_label(store: Store, tmp_path: Path) -> None:
    image = build(store, tmp_path, entrypoint=["/a"], cmd=["b"], env=["C=d"], user="1:2", linuxkit={"pid": "host", "net": "host"})
    process = oci.process_of(store, image.digest)
    assert (process.entrypoint, process.cmd, process.env, process.user) == (("/a",), ("b",), ("C=d",), "1:2")
    assert process.labels == {"org.mobyproject.config": '{"net":"host","pid":"host"}'}


def test_an_image_without_components_has_version_1(store: Store, tmp_path: Path) -> None:
    assert build(store, tmp_path).name == "docker.io/kubeiso/toy:1"


@pytest.mark.parametrize(
    ("wanted", "message"), [({"none": {"a": "a"}}, "needs the component none"), ({"tool": {"b": "b"}}, "has no file b")]
)
def test_a_missing_component_or_file_is_named(store: Store, tmp_path: Path, wanted: Any, message: str) -> None:
    components = {"tool": make_component(store, "tool", "1", a=b"")}
    with pytest.raises(InputError, match=message) as caught:
        build(store, tmp_path, [], components, components=wanted)
    assert "tool" in caught.value.hint or "a" in caught.value.hint


def test_a_file_below_a_link_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="/var/run/x would lie below /var/run"):
        build(store, tmp_path, links={"var/run": "/run"}, contents={"var/run/x": ""})


def test_a_broken_package_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    broken = store.put(b"no package")
    with pytest.raises(BuildError, match="dpkg-deb"):
        build(store, tmp_path, [broken])
    assert list((store.root / "tmp").iterdir()) == []
    assert list((store.root / "results").iterdir()) == []
    assert [path.name for path in (store.root / "blobs/sha256").iterdir()] == [broken.removeprefix("sha256:")]


def test_many_images_are_composed_each_under_its_folder_s_name(store: Store, tmp_path: Path) -> None:
    requests = [
        Request(name, tmp_path, ImageDescription(image=f"docker.io/kubeiso/{name}:1", contents={name: name}), {}, ())
        for name in ("a", "b", "c")
    ]
    images = compose_all(requests, store)
    assert list(images) == ["a", "b", "c"]
    assert {name: read(store, image, name) for name, image in images.items()} == {"a": b"a", "b": b"b", "c": b"c"}


def test_a_program_of_several_names_is_a_layer_that_images_have_in_common(store: Store, tmp_path: Path) -> None:
    program = store.put(b"\x7fELF of both")
    files = {"serve": program, "ask": program, "list": store.put(b"a list")}
    tools = {"tools": Component(name="tools", version="1", source="golang", files=files)}
    server = build(store, tmp_path, parts=tools, components={"tools": {"serve": "usr/bin/serve", "list": "etc/list"}})
    client = build(store, tmp_path, parts=tools, components={"tools": {"ask": "usr/local/bin/ask"}})
    (common, of_server), (same, of_client) = (oci.layer_paths(store, image.digest) for image in (server, client))
    assert common == same
    assert [(info.name, info.mode) for info, _ in oci.layer_entries(common)][-1] == ("usr/lib/tools/tools", 0o755)
    names = {info.name: info.linkname for info, _ in oci.layer_entries(of_server)}
    assert (names["usr/bin/serve"], names["etc/list"]) == ("../lib/tools/tools", "")
    assert {info.name: info.linkname for info, _ in oci.layer_entries(of_client)}["usr/local/bin/ask"] == "../../lib/tools/tools"


def test_one_name_of_such_a_program_may_be_a_developers_own(store: Store, tmp_path: Path) -> None:
    program = store.put(b"\x7fELF of both")
    files = {"serve": store.put(b"\x7fELF own"), "ask": program, "show": program}
    tools = {"tools": Component(name="tools", version="1", source="golang+local", files=files)}
    image = build(store, tmp_path, parts=tools, components={"tools": {"serve": "usr/bin/serve"}})
    assert read(store, image, "usr/bin/serve") == b"\x7fELF own"
