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
    text = "\n".join(caught.value.details)
    assert "packges: no such key (did you mean packages?)" in text
    assert "kernel.kep: no such key (did you mean keep?)" in text
    assert "links: " in text
    assert "directories.a: " in text
    assert len(caught.value.details) == 4


@pytest.mark.parametrize("text", ["image: [", "- a\n", ""])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "image.yml").write_text(text)
    with pytest.raises(InputError, match=r"image\.yml"):
        load_description(tmp_path)


def test_a_folder_without_description_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as caught:
        load_description(tmp_path)
    assert caught.value.hint
