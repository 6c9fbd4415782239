"""Names below a merged /usr, and globs on them."""

import pytest

from builder.images.names import Globs, merged, moved_link, plain


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./lib/x86_64/libc.so", "usr/lib/x86_64/libc.so"),
        ("/sbin/init", "usr/sbin/init"),
        ("lib64/ld.so", "usr/lib64/ld.so"),
        ("usr/bin/a/", "usr/bin/a"),
        ("library/x", "library/x"),
        ("bin", "bin"),
        ("./", ""),
    ],
)
def test_a_top_level_program_or_library_is_below_usr(name: str, expected: str) -> None:
    assert merged(name) == expected


def test_a_name_can_not_leave_the_root() -> None:
    assert plain("../../etc/./passwd") == "etc/passwd"


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("lib/a.so", "a.so.1", "a.so.1"),
        ("sbin/a", "../usr/bin/a", "../bin/a"),
        ("bin/a", "../lib/b", "../lib/b"),
        ("usr/bin/a", "../../lib/b", "../../lib/b"),
        ("bin/a", "/lib/b", "/lib/b"),
    ],
)
def test_a_moved_link_still_points_at_the_same_file(name: str, target: str, expected: str) -> None:
    assert moved_link(name, target) == expected


def test_a_glob_takes_a_directory_whole_and_tells_when_it_met_nothing() -> None:
    globs = Globs(["usr/share/x", "/lib/*.so", "etc/none"])
    assert globs.match("usr/share/x")
    assert globs.match("usr/share/x/y/z")
    assert globs.match("usr/lib/deep/a.so")
    assert not globs.match("usr/share/xy")
    assert globs.unused == ["etc/none"]
