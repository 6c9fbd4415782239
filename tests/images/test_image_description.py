"""image.yml: what is taken, and how mistakes are told."""

from pathlib import Path

import pytest

from builder.errors import InputError
from builder.images.description import load_description

PKG = Path(__file__).parents[2] / "pkg"
FOLDERS = sorted(path.parent for path in PKG.glob("*/image.yml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_description_of_the_project_is_right(folder: Path) -> None:
    assert ":" in load_description(folder).image


def test_all_mistakes_are_told_at_once_with_the_nearest_word(tmp_path: Path) -> None:
    (tmp_path / "image.yml").write_text("image: a\npackges: [x]\nkernel: {kep: [x]}\nlinks: [x]\ndirectories: {a: '9'}\n")
    with pytest.raises(InputError) as caught:
        load_description(tmp_path)
    assert str(tmp_path / "image.yml") in caught.value.what
    places = [line.removeprefix(f"{tmp_path / 'image.yml'}:") for line in caught.value.details]
    assert places == [
        "2:1: packges: unknown key (did you mean 'packages'?)",
        "3:10: kernel.kep: unknown key (did you mean 'keep'?)",
        "4:8: links: expected a group of keys, got a list",
        "5:18: directories.a: expected an octal mode such as 0755, in quotes, got '9'",
    ]


MISTAKES = {
    "image: a\nimage: b\n": "2:1: image: the key is here a second time (first in line 1)",
    "image: 'a:{verson}'\n": "1:8: image: expected an image's full name, in which {version} may stand, got 'a:{verson}'",
    "image: a\nlinuxkit: {capabilities: [NET_ADMIN]}\n": "2:27: linuxkit.capabilities[0]: there is no capability 'NET_ADMIN' "
    "(did you mean 'CAP_NET_ADMIN'?)",
    "image: a\nlinuxkit: {runtime: {mkdirs: [/x]}}\n": "2:22: linuxkit.runtime.mkdirs: unknown key (did you mean 'mkdir'?)",
    "image: a\ndirectories: {a: 0755}\n": "2:18: directories.a: expected a text, got a number (write it in quotes: '0755')",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "image.yml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_description(tmp_path)
    assert caught.value.details == (f"{tmp_path / 'image.yml'}:{MISTAKES[text]}",)


@pytest.mark.parametrize("text", ["image: [", "- a\n", ""])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "image.yml").write_text(text)
    with pytest.raises(InputError, match=r"image\.yml"):
        load_description(tmp_path)


def test_a_folder_without_description_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_description(tmp_path)
    assert "does not exist" in caught.value.details[0]
    assert caught.value.hint


def folders(place: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (place / name).mkdir()
        (place / name / "image.yml").write_text(text)
    return place


BASE = "image: x/base:1\npackages: [a]\ncontents: {one: '1', two: '2'}\ncomponents: {c: {f: p}}\ncmd: [run]\n"


def test_one_that_is_like_another_says_only_what_differs(tmp_path: Path) -> None:
    own = "like: base\nimage: x/own:1\ncontents: {two: own, three: '3'}\ncmd: []\n"
    made = load_description(folders(tmp_path, base=BASE, own=own) / "own")
    assert (made.image, made.packages, made.cmd) == ("x/own:1", ("a",), ())
    assert made.contents == {"one": "1", "two": "own", "three": "3"} and made.components == {"c": {"f": "p"}}


def test_like_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_description(folders(tmp_path, own="like: bas\nimage: a\n") / "own")
    assert "does not exist" in caught.value.details[0] and "bas/image.yml" in caught.value.details[0]


def test_like_one_that_is_like_another(tmp_path: Path) -> None:
    place = folders(tmp_path, base=BASE, middle="like: base\nimage: x/middle:1\ncmd: [m]\n", own="like: middle\nimage: x/own:1\n")
    made = load_description(place / "own")
    assert (made.image, made.packages, made.cmd) == ("x/own:1", ("a",), ("m",))


def test_images_that_are_like_one_another(tmp_path: Path) -> None:
    place = folders(tmp_path, middle="like: own\nimage: x/middle:1\n", own="like: middle\nimage: x/own:1\n")
    with pytest.raises(InputError, match="own -> middle -> own"):
        load_description(place / "own")
