"""Archives of files that are not as tar(5) has them: layers of others among them."""

import io
import tarfile

import pytest

from builder.errors import BuildError
from builder.images.packages import nodes
from builder.images.tree import Content


def archive(*entries: tuple[str, str]) -> io.BytesIO:
    """Hard links, each with what it links to; a file where that is ""."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, target in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = (tarfile.LNKTYPE, target) if target else (tarfile.REGTYPE, "")
            tar.addfile(info, io.BytesIO())
    made.seek(0)
    return made


def names(stream: io.BytesIO) -> list[str]:
    return [name for name, _ in nodes(stream, "layer", lambda *_: Content(None, 0, 0))]  # type: ignore[arg-type]


def test_a_hard_link_to_an_earlier_file() -> None:
    assert names(archive(("usr/a", ""), ("usr/b", "./usr/a"), ("c", "usr/b"))) == ["usr/a", "usr/b", "c"]


@pytest.mark.parametrize("entries", [[("b", "a"), ("a", "")], [("b", "../a")], [("b", "b")]])
def test_a_hard_link_to_what_is_not_there_is_told(entries: list[tuple[str, str]]) -> None:
    with pytest.raises(BuildError, match="layer is no archive of files that can be had") as caught:
        names(archive(*entries))
    assert "b is a hard link to" in caught.value.why
