"""The initramfs writer, read back field by field."""

from builder import cpio


def members(archive: bytes) -> list[tuple[str, int, bytes, tuple[int, int]]]:
    """Name, mode, data and device of each member, by the format's description alone."""
    found: list[tuple[str, int, bytes, tuple[int, int]]] = []
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, device, length = fields[1], fields[6], (fields[9], fields[10]), fields[11]
        name = archive[at + 110 : at + 110 + length]
        assert name.endswith(b"\0")
        start = (at + 110 + length + 3) // 4 * 4
        if name == b"TRAILER!!!\0":
            assert start + size == len(archive)
            return found
        found.append((name[:-1].decode(), mode, archive[start : start + size], device))
        at = (start + size + 3) // 4 * 4


def test_every_kind_of_member_comes_back() -> None:
    archive = cpio.newc([
        cpio.directory("dev"), cpio.device("dev/console", 5, 1), cpio.file("init", b"#!/bin/sh\n", 0o755),
        cpio.symlink("bin", "usr/bin"), cpio.file("empty", b""),
    ])  # fmt: skip
    assert members(archive) == [
        ("dev", 0o040755, b"", (0, 0)),
        ("dev/console", 0o020600, b"", (5, 1)),
        ("init", 0o100755, b"#!/bin/sh\n", (0, 0)),
        ("bin", 0o120777, b"usr/bin", (0, 0)),
        ("empty", 0o100644, b"", (0, 0)),
    ]


def test_the_same_entries_give_the_same_bytes() -> None:
    entries = [cpio.directory("a"), cpio.file("a/b", b"x" * 5)]
    assert cpio.newc(entries) == cpio.newc(iter(entries))
