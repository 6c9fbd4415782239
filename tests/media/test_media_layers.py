"""Root tree -> squashfs layers: what goes where, the same bits each time, and what is made anew after an edit."""

import io
import stat
import tarfile
from pathlib import Path

import pytest
from media_samples import Item, blobs, folder, hard_link, item, link, node_items, noise, pack, tree_of

from builder.errors import BuildError
from builder.media import layers
from builder.media.layers import (
    DENSE,
    FAST,
    Layer,
    Sealed,
    feed,
    layer_key,
    make_layers,
    nodes_with,
    owned_by_root,
    plan,
    squash,
    squash_argv,
)
from builder.media.tree import Tree, read_tree
from builder.progress import Step
from builder.run import run
from builder.store import Digest, Store

MIB = 1 << 20


def stored(store: Store, items: list[Item]) -> Tree:
    return read_tree(store.path(store.put(pack(items))))


def names(layer: Layer) -> list[str]:
    return [info.name for info, _ in layer.entries]


def listing(squashfs: Path) -> dict[str, tuple[str, str, str]]:
    """Path -> (mode, owner/group, size or device) as unsquashfs lists it."""
    rows = (line.split(None, 5) for line in run(["unsquashfs", "-q", "-llnumeric", squashfs]).stdout.splitlines())
    return {row[5].removeprefix("squashfs-root"): (row[0], row[1], row[2]) for row in rows if len(row) == 6}


def test_what_is_big_gets_its_own_layer_and_every_directory_is_in_the_top_one(tmp_path: Path) -> None:
    items = [
        folder("usr"), folder("usr/bin", 0o750),
        item("usr/bin/big", bytes(9 * MIB), at="services[0]"), item("usr/bin/script", b"s", at="services[0]"),
        item("usr/bin/other", bytes(MIB), at="services[1]"), link("usr/bin/l", "big", at="services[0]"),
    ]  # fmt: skip
    big, top = plan(tree_of(tmp_path, *items))
    assert (big.title, names(big)) == ("services[0], large files", ["usr", "usr/bin", "usr/bin/big"])
    assert names(top) == ["usr", "usr/bin", "usr/bin/l", "usr/bin/other", "usr/bin/script"]
    assert ([info.mode for info, _ in big.entries[:2]], top.entries[1][0].mode) == ([0o755, 0o755], 0o750)


def test_many_small_files_get_their_own_layer_too(tmp_path: Path) -> None:
    items = [item(f"lib/{number}", noise(200 << 10, number), at="kernel") for number in range(45)]
    assert [layer.title for layer in plan(tree_of(tmp_path, *items))] == ["kernel, small files", "the small files"]


def test_no_path_but_directories_is_in_two_layers_and_none_is_lost(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, *node_items())
    files = [name for layer in plan(tree) for name in names(layer) if not tree.nodes[name].is_directory]
    assert sorted(files) == sorted(path for path, node in tree.nodes.items() if not node.is_directory and path[:5] != "boot/")


def test_hard_links_stay_links_within_their_layer(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, item("b", bytes(9 * MIB)), hard_link("a", "b"), hard_link("z/c", "b"))
    own, top = plan(tree)
    assert [(info.name, info.type, info.linkname) for info, _ in own.entries if not info.isdir()] == [
        ("a", tarfile.REGTYPE, ""), ("b", tarfile.LNKTYPE, "a"), ("z/c", tarfile.LNKTYPE, "a"),
    ]  # fmt: skip
    assert names(top) == ["z"]


def test_the_whole_command_line() -> None:
    assert squash_argv(Path("/x/layer"), 15) == [
        "mksquashfs", "-", "/x/layer", "-tar", "-noappend", "-no-progress", "-quiet", "-exit-on-error",
        "-comp", "zstd", "-Xcompression-level", "15", "-b", "256K",
        "-root-mode", "0755", "-root-uid", "0", "-root-gid", "0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "user", "expected"),
    [("4.5.1", 0, ["x"]), ("4.5.1", 1000, ["unshare", "--map-root-user", "x"]), ("4.6.1", 1000, ["x"]), ("5.0", 1000, ["x"])],
)
def test_an_old_mksquashfs_runs_as_a_seeming_root(version: str, user: int, expected: list[str]) -> None:
    assert owned_by_root(["x"], f"mksquashfs version {version} (2022/03/17)", user) == expected


def test_times_are_kept_and_the_root_directory_is_roots(tmp_path: Path) -> None:
    old, new = item("old"), item("new")
    old[0].mtime, new[0].mtime = 86400, 1_700_000_000
    tree = tree_of(tmp_path, old, new)
    squash(tree, plan(tree)[0], tmp_path / "a.squashfs")
    rows = [line.split(None, 5) for line in run(["unsquashfs", "-q", "-llnumeric", tmp_path / "a.squashfs"]).stdout.splitlines()]
    assert [(row[0], row[1], f"{row[3]} {row[4]}", row[5]) for row in rows] == [
        ("drwxr-xr-x", "0/0", "2023-11-14 22:13", "squashfs-root"),
        ("-rw-r--r--", "0/0", "2023-11-14 22:13", "squashfs-root/new"),
        ("-rw-r--r--", "0/0", "1970-01-02 00:00", "squashfs-root/old"),
    ]


def test_owners_modes_devices_and_links_are_in_the_squashfs(tmp_path: Path) -> None:
    items = [
        folder("tmp", 0o1777), item("bin/su", b"x" * 5, mode=0o4755, uid=7), link("bin/l", "su"), hard_link("bin/h", "bin/su"),
        item("dev/null", type=tarfile.CHRTYPE, mode=0o666, device=(1, 3)), item("run/f", type=tarfile.FIFOTYPE, mode=0o600),
        item("x/" + "long-name/" * 15 + "end", b"deep"),
    ]  # fmt: skip
    tree = tree_of(tmp_path, *items)
    squash(tree, plan(tree)[0], tmp_path / "layer.squashfs")
    found = listing(tmp_path / "layer.squashfs")
    assert found["/tmp"][0] == stat.filemode(stat.S_IFDIR | 0o1777)
    assert found["/bin/su"] == (stat.filemode(stat.S_IFREG | 0o4755), "7/0", "5") == found["/bin/h"]
    assert found["/bin/l -> su"][0][0] == "l"
    assert found["/run/f"][0] == stat.filemode(stat.S_IFIFO | 0o600)
    assert run(["unsquashfs", "-q", "-llnumeric", tmp_path / "layer.squashfs"]).stdout.count("1,  3") == 1
    assert found["/x/" + "long-name/" * 15 + "end"][2] == "4"


def test_attributes_and_contents_pass_to_mksquashfs_as_they_are(tmp_path: Path) -> None:
    capability = b"\x01\0\0\x02\0\x04\0\0\xff\0".decode("utf-8", "surrogateescape")
    tree = tree_of(tmp_path, item("ping", b"elf", xattrs={"security.capability": capability}))
    (layer,) = plan(tree)
    pipe = io.BytesIO()
    pipe.close, written = lambda: None, pipe  # type: ignore[method-assign]
    assert feed(tree.tar, layer, pipe, Step("feed"))
    with tarfile.open(fileobj=io.BytesIO(written.getvalue())) as archive:
        (info,) = archive
        assert info.pax_headers["SCHILY.xattr.security.capability"] == capability
        content = archive.extractfile(info)
        assert content is not None
        assert content.read() == b"elf"


def test_the_same_tree_gives_the_same_bits_whatever_the_number_of_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [item(f"d/{number}", noise(90_000 + number, number) + bytes(300_000)) for number in range(40)]
    tree = tree_of(tmp_path, *items, item("big", noise(3 * MIB)))
    bits = []
    for processors in ("1", "2", "5", "2"):
        monkeypatch.setattr(layers, "squash_argv", lambda to, level, n=processors: [*squash_argv(to, level), "-processors", n])
        squash(tree, Layer("all", FAST, tuple(entry for layer in plan(tree) for entry in layer.entries)), tmp_path / "a.squashfs")
        bits.append((tmp_path / "a.squashfs").read_bytes())
    assert len(set(bits)) == 1


def test_an_edit_of_a_small_file_makes_one_small_layer_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = make_layers(stored(store, node_items(hostname="one")), store)
    again = make_layers(stored(store, node_items(hostname="one")), store)
    before = blobs(store)
    edited = make_layers(stored(store, node_items(hostname="two")), store)
    assert first == again
    assert (edited[0] == first[0], edited[1] == first[1]) == (True, False)
    new = blobs(store) - before - {Digest("sha256:" + store.path(edited[1].layer).name)}
    assert len(new) == 1  # the edited root tar itself
    assert store.path(edited[1].layer).stat().st_size < 64 << 10


def of_programs(store: Store, programs: dict[str, bytes]) -> Tree:
    items = [item(f"bin/{name}", data, at="services[0]") for name, data in programs.items()]
    return stored(store, [folder("bin"), *items, item("bin/script", b"#!", at="services[0]")])


def test_what_is_known_to_change_has_a_layer_to_itself(tmp_path: Path) -> None:
    items = [item("bin/big", bytes(9 * MIB)), item("bin/own", noise(MIB)), hard_link("bin/again", "bin/own"), item("bin/o", b"o")]
    tree = tree_of(tmp_path, *items)
    big, own, top = plan(tree, frozenset({tree.nodes["bin/own"]}))
    assert [(layer.level, names(layer)) for layer in (big, own, top)] == [
        (DENSE, ["bin", "bin/big"]), (FAST, ["bin", "bin/again", "bin/own"]), (FAST, ["bin", "bin/o"]),
    ]  # fmt: skip
    assert own.entries[2][0].linkname == "bin/again"
    assert [names(layer) for layer in plan(tree)] == [["bin", "bin/again", "bin/big", "bin/own"], ["bin", "bin/o"]]


def test_only_the_program_that_changed_is_squashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, made = Store(tmp_path), list[str]()

    def told(tree: Tree, layer: Layer, target: Path) -> None:
        made.append(layer.title)
        squash(tree, layer, target)

    monkeypatch.setattr(layers, "squash", told)
    programs = {"kubelet": noise(MIB, 1), "kubeadm": noise(MIB, 2), "other": bytes(9 * MIB)}

    def build(**changed: bytes) -> list[Sealed]:
        programs.update(changed)
        made.clear()
        own = [store.put(programs[name]) for name in ("kubelet", "kubeadm")]
        return make_layers(of_programs(store, programs), store, own)

    first = build()
    assert made == ["services[0], large files", "kubeadm", "kubelet", "the small files"]
    second = build(kubelet=noise(MIB, 3))
    assert made == ["kubelet"]
    assert [one == two for one, two in zip(first, second, strict=True)] == [True, True, False, True]
    assert build(kubelet=noise(MIB, 1)) == first and made == []


def test_of_files_that_look_alike_only_those_with_the_content_are_taken(tmp_path: Path) -> None:
    store = Store(tmp_path)
    tree = of_programs(store, {"kubelet": noise(MIB, 1), "alike": noise(MIB, 2), "copy": noise(MIB, 1)})
    digest = store.put(noise(MIB, 1))
    assert nodes_with(tree, {digest: MIB}) == {tree.nodes["bin/kubelet"], tree.nodes["bin/copy"]}
    assert nodes_with(tree, {store.put(b""): 0}) == nodes_with(tree, {}) == frozenset()


@pytest.mark.parametrize(
    "changed",
    [
        item("f", b"other"), item("f", b"text", mode=0o600), item("f", b"text", uid=1), item("g", b"text"),
        item("f", b"text", xattrs={"user.x": "1"}), link("f", "text"),
    ],
)  # fmt: skip
def test_the_key_changes_with_all_that_is_in_a_layer(tmp_path: Path, changed: Item) -> None:
    keys = []
    for number, one in enumerate((item("f", b"text"), changed)):
        (tmp_path / str(number)).mkdir()
        tree = tree_of(tmp_path / str(number), one)
        keys.append(layer_key(tree, plan(tree)[0], "4.5.1"))
    assert keys[0] != keys[1]


def test_the_key_changes_with_the_program_and_not_with_the_place_in_the_tar(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, item("f", b"text"))
    (tmp_path / "moved").mkdir()
    moved = tree_of(tmp_path / "moved", item("f", b"gone"), item("f", b"text"))
    assert layer_key(tree, plan(tree)[0], "4.5.1") == layer_key(moved, plan(moved)[0], "4.5.1")
    assert layer_key(tree, plan(tree)[0], "4.5.1") != layer_key(tree, plan(tree)[0], "4.6.1")


def test_a_mksquashfs_that_fails_is_told_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mksquashfs"
    program.write_text("#!/bin/sh\necho FATAL ERROR: no luck >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    tree = tree_of(tmp_path, item("f", bytes(4 * MIB)))
    with pytest.raises(BuildError) as caught:
        squash(tree, plan(tree)[0], tmp_path / "layer.squashfs")
    assert "mksquashfs ended with exit code 3" in str(caught.value)
    assert "no luck" in str(caught.value)
