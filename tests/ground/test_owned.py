"""Directories that are removed whole: only those that this program made."""

import os
import subprocess
from pathlib import Path

import pytest

from builder import owned
from builder.errors import BuildError, InputError

MARKER = ".made-here"


def test_what_was_made_here_is_removed_whole(tmp_path: Path) -> None:
    made = tmp_path / "x" / "made"
    owned.make(made, MARKER, "a test's")
    owned.make(made, MARKER, "a test's")
    (made / "folder").mkdir()
    (made / "folder" / "file").write_text("x")
    (made / "link").symlink_to(tmp_path)
    owned.remove(made, MARKER)
    assert not made.exists() and (tmp_path / "x").is_dir()
    assert tmp_path.is_dir(), "what a link leads to is another's"


def test_what_is_to_be_kept_stays(tmp_path: Path) -> None:
    owned.make(tmp_path / "made", MARKER, "a test's")
    for name in ("kept", "gone"):
        (tmp_path / "made" / name).mkdir()
        (tmp_path / "made" / name / "kept").write_text("x")
    owned.clear(tmp_path / "made", MARKER, ("kept", "never there"))
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [MARKER, "kept"]


@pytest.mark.parametrize("kind", ["files", "link to ours", "file", "dangling link"])
def test_what_is_strange_is_refused_and_kept(tmp_path: Path, kind: str) -> None:
    strange = tmp_path / "strange"
    ours = tmp_path / "ours"
    owned.make(ours, MARKER, "a test's")
    if kind == "files":
        strange.mkdir()
        (strange / "thesis.odt").write_text("years of work")
    elif kind == "file":
        strange.write_text("years of work")
    else:
        strange.symlink_to(ours if kind == "link to ours" else tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not kubeiso's") as refused:
        owned.make(strange, MARKER, "a test's")
    assert refused.value.hint and (kind != "files" or "thesis.odt" in refused.value.why)
    with pytest.raises(BuildError, match="is not removed"):
        owned.remove(strange, MARKER)
    assert os.path.lexists(strange) and owned.is_owned(ours, MARKER)


def test_an_empty_directory_is_nobody_s(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    owned.make(empty, MARKER, "a test's")
    assert owned.is_owned(empty, MARKER)


def test_what_can_t_be_removed_is_told_and_the_marker_stays(tmp_path: Path) -> None:
    """An immutable file is one that root can't remove either; where there are no such files, a file system that is read-only."""
    made = tmp_path / "made"
    owned.make(made, MARKER, "a test's")
    held = made / "folder" / "held"
    held.parent.mkdir()
    held.write_text("x")
    held.parent.chmod(0o500)
    if os.geteuid() == 0 and subprocess.run(["chattr", "+i", held], capture_output=True, check=False).returncode != 0:
        pytest.skip("no immutable files here")
    try:
        with pytest.raises(BuildError, match="can't be removed whole") as failed:
            owned.remove(made, MARKER)
        assert str(held) in failed.value.details[0]
        assert owned.is_owned(made, MARKER), "it can be tried again"
    finally:
        subprocess.run(["chattr", "-i", held], capture_output=True, check=False)
        held.parent.chmod(0o700)
    owned.remove(made, MARKER)
    assert not made.exists()
