"""Host ports: never the same one twice, and none lost for ever."""

import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.errors import BuildError, CheckError
from builder.network import reservation as ports_module
from builder.network.reservation import Ports, release, reserve


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture(autouse=True)
def _ports_of_these_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which block is free must not depend on machines that other tests start at the same time, from the first port on."""
    monkeypatch.setattr(ports_module, "FIRST", 30000)


def test_two_clusters_get_different_ports(locks: Path, tmp_path: Path) -> None:
    one, two = reserve(locks, tmp_path / "one", 60), reserve(locks, tmp_path / "two", 60)
    assert not one.overlaps(two.first, two.count)
    assert [one[index] for index in range(3)] == [one.first, one.first + 1, one.first + 2]
    with pytest.raises(IndexError):
        one[60]


def test_a_table_of_a_newer_version_is_read(locks: Path, tmp_path: Path) -> None:
    one = reserve(locks, tmp_path / "one", 60)
    table = locks / "ports.json"
    table.write_text(json.dumps([{**entry, "format": 2, "host": "::1"} for entry in json.loads(table.read_text())]))
    assert reserve(locks, tmp_path / "one", 60).first == one.first
    assert not one.overlaps(reserve(locks, tmp_path / "two", 60).first, 60)


@pytest.mark.parametrize("left", ["", '[{"first": 200', '[{"first": "none"}]'])
def test_a_damaged_table_is_named_and_keeps_no_cluster_from_its_end(locks: Path, tmp_path: Path, left: str) -> None:
    reserve(locks, tmp_path / "one", 60)
    table = locks / "ports.json"
    table.write_text(left)
    release(locks, tmp_path / "one")
    with pytest.raises(CheckError, match="can't be read") as damaged:
        reserve(locks, tmp_path / "two", 60)
    assert str(table) in damaged.value.what and f"rm {table}" in damaged.value.hint
    table.unlink()
    reserve(locks, tmp_path / "two", 60)


def test_many_at_once_never_collide(locks: Path, tmp_path: Path) -> None:
    def claim(number: int) -> Ports:
        return reserve(locks, tmp_path / str(number), 10)

    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(claim, range(16)))
    assert len({ports[index] for ports in blocks for index in range(10)}) == 160


def test_a_cluster_keeps_its_ports_until_it_releases_them(locks: Path, tmp_path: Path) -> None:
    first = reserve(locks, tmp_path / "one", 5)
    assert reserve(locks, tmp_path / "one", 5) == first
    assert reserve(locks, tmp_path / "two", 5) != first
    release(locks, tmp_path / "one")
    assert reserve(locks, tmp_path / "three", 5).first == first.first


def test_the_ports_of_a_cluster_that_is_gone_are_free_again(locks: Path, tmp_path: Path) -> None:
    first = reserve(locks, tmp_path / "one", 5)
    shutil.rmtree(tmp_path / "one")
    assert reserve(locks, tmp_path / "two", 5).first == first.first


def test_a_block_in_which_somebody_listens_is_passed_over(locks: Path, tmp_path: Path) -> None:
    free = reserve(locks, tmp_path / "one", 5)
    release(locks, tmp_path / "one")
    with socket.socket() as server:
        server.bind(("127.0.0.1", free[3]))
        server.listen()
        assert reserve(locks, tmp_path / "one", 5).first > free.first


def test_no_free_block_is_an_error(locks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports_module, "_bindable", lambda _: False)
    with pytest.raises(BuildError, match="no 5 free ports"):
        reserve(locks, tmp_path / "one", 5)
