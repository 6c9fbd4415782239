"""Overlayfs' own marks in the tree are escaped, since the root is an overlay itself."""

import tarfile
from pathlib import Path

from media_samples import Item, folder, item, tree_of

from builder.media.layers import plan


def headers(tmp_path: Path, *items: Item) -> dict[str, tarfile.TarInfo]:
    return {info.name: info for layer in plan(tree_of(tmp_path, *items)) for info, _ in layer.entries}


def test_overlay_attributes_get_a_second_overlay_and_others_stay(tmp_path: Path) -> None:
    marks = {"trusted.overlay.opaque": "y", "user.note": "n", "security.selinux": "s"}
    assert headers(tmp_path, folder("d", xattrs=marks))["d"].pax_headers == {
        "SCHILY.xattr.trusted.overlay.overlay.opaque": "y",
        "SCHILY.xattr.user.note": "n",
        "SCHILY.xattr.security.selinux": "s",
    }


def test_a_whiteout_becomes_a_file_with_an_attribute_in_a_marked_directory(tmp_path: Path) -> None:
    found = headers(tmp_path, item("d/gone", type=tarfile.CHRTYPE, mode=0), item("e/null", type=tarfile.CHRTYPE, device=(1, 3)))
    assert (found["d/gone"].type, found["d/gone"].size) == (tarfile.REGTYPE, 0)
    assert found["d/gone"].pax_headers == {"SCHILY.xattr.trusted.overlay.overlay.whiteout": "y"}
    assert found["d"].pax_headers == {"SCHILY.xattr.trusted.overlay.overlay.opaque": "x"}
    assert (found["e"].pax_headers, found["e/null"].type) == ({}, tarfile.CHRTYPE)


def test_an_opaque_directory_with_a_whiteout_stays_opaque(tmp_path: Path) -> None:
    opaque = folder("d", xattrs={"trusted.overlay.opaque": "y"})
    found = headers(tmp_path, opaque, item("d/gone", type=tarfile.CHRTYPE, mode=0))
    assert found["d"].pax_headers == {"SCHILY.xattr.trusted.overlay.overlay.opaque": "y"}


def test_the_projects_own_records_are_not_attributes(tmp_path: Path) -> None:
    assert headers(tmp_path, item("f", at="files[0]"))["f"].pax_headers == {}
