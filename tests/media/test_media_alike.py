"""Large files that are the same become one file of several names, and nothing else does."""

import tarfile
from pathlib import Path

from media_samples import Item, hard_link, item, noise, tree_of

from builder.media.alike import unite
from builder.media.layers import LARGE_FILE, plan
from builder.media.tree import Tree

PROGRAM = noise(LARGE_FILE)


def united(directory: Path, *items: Item) -> Tree:
    tree = tree_of(directory, *items)
    unite(tree)
    return tree


def one(tree: Tree, *paths: str) -> bool:
    return len({tree.nodes[path] for path in paths}) == 1


def test_the_same_program_in_two_containers_is_one_file_of_one_layer(tmp_path: Path) -> None:
    large = noise(9 << 20)
    tree = united(tmp_path, item("a/run", large, at="services[0]"), item("b/run", large, at="services[1]"))
    own, top = plan(tree)
    assert [(info.name, info.type) for info, _ in own.entries if not info.isdir()] == [
        ("a/run", tarfile.REGTYPE), ("b/run", tarfile.LNKTYPE),
    ]  # fmt: skip
    assert [info.name for info, _ in top.entries] == ["a", "b"]


def test_names_of_a_hard_link_go_with_it(tmp_path: Path) -> None:
    assert one(united(tmp_path, item("a", PROGRAM), hard_link("b", "a"), item("c", PROGRAM), hard_link("d", "c")), *"abcd")


def test_what_differs_in_anything_stays_apart(tmp_path: Path) -> None:
    first = item("a", PROGRAM)
    for number, other in enumerate([
        item("b", PROGRAM[:-1] + b"x"), item("b", PROGRAM, mode=0o755), item("b", PROGRAM, uid=7), item("b", PROGRAM + b"x"),
        item("b", PROGRAM, xattrs={"security.capability": "x"}),
    ]):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        assert not one(united(tmp_path / str(number), first, other), "a", "b"), other
    later = item("b", PROGRAM)
    later[0].mtime += 60
    (tmp_path / "time").mkdir()
    assert not one(united(tmp_path / "time", first, later), "a", "b")


def test_where_it_comes_from_does_not_matter(tmp_path: Path) -> None:
    assert one(united(tmp_path, item("a", PROGRAM, at="services[0]"), item("b", PROGRAM, at="volume[0]")), "a", "b")


def test_small_files_and_the_mediums_own_stay_apart(tmp_path: Path) -> None:
    small = PROGRAM[:-1]
    tree = united(tmp_path, item("a", small), item("b", small), item("boot/kernel", PROGRAM), item("c", PROGRAM))
    assert not one(tree, "a", "b")
    assert not one(tree, "boot/kernel", "c")
