"""For every path of a root tar the entry that wins."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_samples import Item, folder, hard_link, item, link, tree_of

from builder.errors import BuildError
from builder.media.tree import Tree, read_tree


def content(tree: Tree, path: str) -> bytes:
    return tree.read(tree.nodes[path])


def test_the_later_file_wins_with_its_content_and_its_mode(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, item("etc/x", b"first", mode=0o600), item("etc/x", b"second", mode=0o640, at="files[0]"))
    assert content(tree, "etc/x") == b"second"
    assert (tree.nodes["etc/x"].info.mode, tree.nodes["etc/x"].location) == (0o640, "files[0]")


def test_directories_merge_and_the_last_entry_gives_the_mode(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, folder("etc", 0o755), item("etc/x", b"x"), folder("./etc/", 0o700))
    assert tree.nodes["etc"].info.mode == 0o700
    assert content(tree, "etc/x") == b"x"


def test_a_file_replaces_a_directory_with_all_in_it_and_the_other_way_round(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, item("a/b/c", b"c"), item("a-b", b""), item("a", b"file"), item("f", b""), item("f/g", b"g"))
    assert sorted(tree.nodes) == ["", "a", "a-b", "f", "f/g"]
    assert tree.nodes["f"].is_directory


def test_directories_that_no_entry_names_are_there(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, item("usr/share/doc/x"))
    assert sorted(tree.nodes) == ["", "usr", "usr/share", "usr/share/doc", "usr/share/doc/x"]
    assert tree.nodes["usr/share"].info.mode == 0o755


def test_an_entry_below_a_link_goes_where_the_link_leads(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, link("lib", "usr/lib"), item("lib/modules/x", b"x"), link("var/run", "/run"), item("var/run/y"))
    assert {"usr/lib/modules/x", "run/y"} < tree.nodes.keys()
    assert tree.find("lib/modules/x") is tree.nodes["usr/lib/modules/x"]


def test_what_lies_in_a_directory_moves_along_when_a_link_replaces_it(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path, item("lib/modules/x", b"kernel"), item("lib/ld", b"old"), item("usr/lib/ld", b"new"), link("lib", "usr/lib")
    )
    assert content(tree, "usr/lib/modules/x") == b"kernel"
    assert content(tree, "usr/lib/ld") == b"new"
    assert tree.nodes["lib"].info.issym()


def test_a_directory_leaves_a_link_to_a_directory_and_replaces_one_to_a_file(tmp_path: Path) -> None:
    items = [folder("usr/lib"), link("lib", "usr/lib"), folder("lib", 0o700), item("file"), link("x", "file"), folder("x")]
    tree = tree_of(tmp_path, *items)
    assert tree.nodes["lib"].info.issym()
    assert tree.nodes["usr/lib"].info.mode == 0o755
    assert tree.nodes["x"].is_directory


def test_a_hard_link_is_the_same_node_and_outlives_what_it_was_made_from(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, item("bin/a", b"old", at="init[1]"), hard_link("bin/b", "bin/a"), item("bin/a", b"new"))
    assert (content(tree, "bin/a"), content(tree, "bin/b")) == (b"new", b"old")
    assert tree.nodes["bin/b"].location == "init[1]"


@pytest.mark.parametrize("items", [(hard_link("b", "a"),), (folder("a"), hard_link("b", "a"))])
def test_a_hard_link_to_no_file_is_an_error(tmp_path: Path, items: tuple[Item, ...]) -> None:
    with pytest.raises(BuildError, match="/b is a hard link to /a, which is no file"):
        tree_of(tmp_path, *items)


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="circle"):
        tree_of(tmp_path, link("a", "b"), link("b", "a"), item("a/x"))


def test_no_entry_leaves_the_root(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, item("../../etc/x"), link("up", "../../.."), item("up/y"))
    assert {"etc/x", "y"} < tree.nodes.keys()


CONTAINER = "containers/services/evil/lower"
ESCAPES: dict[str, tuple[Item, ...]] = {
    "dots": (item(f"{CONTAINER}/../../../../etc/shadow", b"evil"),),
    "absolute link": (link(f"{CONTAINER}/x", "/etc"), item(f"{CONTAINER}/x/shadow", b"evil")),
    "relative link": (link(f"{CONTAINER}/x", "../../../../../etc"), item(f"{CONTAINER}/x/shadow", b"evil")),
    "a link that comes later": (item(f"{CONTAINER}/x/new", b"evil"), link(f"{CONTAINER}/x", "/etc")),
    "link to a link": (link(f"{CONTAINER}/a", "/b"), link(f"{CONTAINER}/b", "/etc"), item(f"{CONTAINER}/a/new", b"evil")),
}


@pytest.mark.parametrize("how", ESCAPES)
def test_what_is_a_container_s_stays_in_it(tmp_path: Path, how: str) -> None:
    tree = tree_of(tmp_path, folder("etc"), item("etc/shadow", b"node"), *ESCAPES[how])
    assert content(tree, "etc/shadow") == b"node"
    assert {path for path in tree.nodes if path.startswith("etc")} == {"etc", "etc/shadow"}
    inside = [path for path, node in tree.nodes.items() if node.info.isreg() and path.startswith(f"{CONTAINER}/etc/")]
    assert len(inside) == 1, list(tree.nodes)


def test_a_container_s_hard_link_leads_to_no_file_of_the_node(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="is no file before it"):
        tree_of(tmp_path, item("etc/shadow", b"node"), hard_link(f"{CONTAINER}/x", f"{CONTAINER}/../../../../etc/shadow"))


def test_the_root_itself_is_a_directory(tmp_path: Path) -> None:
    assert tree_of(tmp_path, folder("./", 0o700)).nodes[""].info.mode == 0o700
    with pytest.raises(BuildError, match="root directory"):
        tree_of(tmp_path, link(".", "usr"))


@pytest.mark.parametrize("data", [b"", b"this is no tar" * 100])
def test_what_is_no_tar_is_an_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(BuildError, match="no sound tar"):
        read_tree(tmp_path / "x.tar")


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
ITEMS = st.lists(
    st.one_of(
        st.builds(item, NAMES, st.binary(max_size=4)),
        st.builds(folder, NAMES),
        st.builds(link, NAMES, st.sampled_from(["a", "d/e", "/b"])),
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


@given(ITEMS)
def test_whatever_comes_every_path_lies_in_directories(tmp_path_factory: pytest.TempPathFactory, items: list[Item]) -> None:
    try:
        nodes = tree_of(tmp_path_factory.mktemp("tree"), *items).nodes
    except BuildError as error:
        assert "circle" in error.what
        return
    assert all(nodes[path.rpartition("/")[0]].is_directory for path in nodes)
