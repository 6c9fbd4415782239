"""Pinned Debian packages: fetched beside one another, verified, and from a mirror that is nowhere written down."""

import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml
from component_samples import Server, blobs, closed_port

from builder import download
from builder.components import mirrors
from builder.components.debian import debs, load_lock, pinned, save_lock
from builder.components.mirrors import archive, from_listing
from builder.components.model import DebianPackage, Lock
from builder.download import NoAnswer, NotThere
from builder.errors import BuildError, InputError
from builder.project import Project
from builder.store import Store, sha256

CONTENTS = {f"p{number}": random.Random(number).randbytes(20_000) for number in range(8)}


def package(name: str, archive: str = "main") -> DebianPackage:
    data = CONTENTS[name]
    path = f"pool/main/p/{name}/{name}_1.0+deb13u1~x_amd64.deb"
    return DebianPackage(name=name, version="1:1.0+deb13u1~x", path=path, size=len(data), sha256=sha256(data), archive=archive)


LOCK = Lock(
    packages={name: package(name, "security" if name == "p7" else "main") for name in CONTENTS},
    sets={"all": tuple(sorted(CONTENTS)), "two": ("p0", "p1"), "lost": ("p0", "gone")},
)


def served(name: str, data: bytes) -> tuple[str, bytes]:
    prefix = "/debian-security" if name == "p7" else "/debian"
    return f"{prefix}/pool/main/p/{name}/{name}_1.0%2Bdeb13u1~x_amd64.deb", data


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    with Server(dict(served(name, data) for name, data in CONTENTS.items())).running() as running:
        monkeypatch.setenv("KUBEISO_DEBIAN_MIRROR", f"{running.url}/debian/")
        monkeypatch.setenv("KUBEISO_DEBIAN_SECURITY_MIRROR", f"{running.url}/debian-security")
        yield running


def test_fetches_a_set_from_both_archives(store: Store, mirror: Server) -> None:
    assert debs("all", LOCK, store) == [sha256(CONTENTS[name]) for name in sorted(CONTENTS)]
    assert {path.name for path in blobs(store)} == {sha256(data).removeprefix("sha256:") for data in CONTENTS.values()}
    assert len(mirror.asked) == len(CONTENTS)


def test_what_is_there_is_not_fetched_again(store: Store, mirror: Server) -> None:
    debs("two", LOCK, store)
    del mirror.asked[:]
    assert debs("two", LOCK, store, offline=True) == debs("two", LOCK, store)
    assert mirror.asked == []


def test_four_connections_at_most(store: Store, mirror: Server) -> None:
    four = threading.Barrier(4, timeout=10)

    def together(_handler: BaseHTTPRequestHandler, _nth: int) -> bool:
        four.wait()
        return False

    mirror.before = together
    debs("all", LOCK, store)
    assert mirror.most_open == 4


def test_another_checksum_enters_nothing(store: Store, mirror: Server) -> None:
    path, data = served("p1", CONTENTS["p1"])
    mirror.files[path] = data[:-1] + b"x" if data[-1:] != b"x" else data[:-1] + b"y"
    with pytest.raises(BuildError, match=r"Debian package p1 1:1\.0\+deb13u1~x is not what it should be"):
        debs("two", LOCK, store)
    assert not store.has(sha256(CONTENTS["p1"]))
    assert all(sha256(path.read_bytes()) == f"sha256:{path.name}" for path in blobs(store))


def test_a_package_gone_from_the_mirror(store: Store, mirror: Server) -> None:
    del mirror.files[served("p0", b"")[0]]
    with pytest.raises(NotThere, match=r"Debian package p0 .* no longer on the mirror") as raised:
        debs("two", LOCK, store)
    assert "kubeiso lock --update" in raised.value.hint and raised.value.exit_code == 4


def test_a_mirror_that_does_not_answer(store: Store, mirror: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirror.url
    monkeypatch.setenv("KUBEISO_DEBIAN_MIRROR", closed_port())
    with pytest.raises(NoAnswer, match=r"Debian package p[01].*could not be fetched"):
        debs("two", LOCK, store)


def test_offline_names_what_is_missing(store: Store, mirror: Server) -> None:
    store.put(CONTENTS["p0"])
    with pytest.raises(BuildError, match="1 Debian packages of two are not in the cache") as raised:
        debs("two", LOCK, store, offline=True)
    assert raised.value.details == ("p1 1:1.0+deb13u1~x",) and mirror.asked == []


@pytest.mark.parametrize("name", ["nothing", "lost"])
def test_what_the_lock_does_not_know(store: Store, name: str) -> None:
    with pytest.raises(InputError, match=f"no packages for {name}") as raised:
        debs(name, LOCK, store)
    assert "lock --update" in raised.value.hint


def test_what_a_description_asks_for_and_the_lock_lacks() -> None:
    assert [package.name for package in pinned("two", LOCK, ["p1"])] == ["p0", "p1"]
    with pytest.raises(InputError, match="lacks packages of two") as raised:
        pinned("two", LOCK, ["p1", "fdisk", "curl"])
    assert raised.value.details == ("curl has no pin", "fdisk has no pin") and "lock --update" in raised.value.hint


def test_a_lock_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    path = tmp_path / "components.lock"
    lock = Lock(packages=LOCK.packages, sets={name: members for name, members in LOCK.sets.items() if name != "lost"})
    save_lock(lock, path)
    first = path.read_bytes()
    assert load_lock(path) == lock
    turned = Lock(packages=dict(reversed(lock.packages.items())), sets=dict(reversed(lock.sets.items())))
    save_lock(turned, path)
    assert path.read_bytes() == first and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("text", "said"), [(None, "is missing"), ("packages: [", "not a lock"), ("suites: x", "not a lock")])
def test_a_lock_that_can_not_be_read(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "components.lock"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_lock(path)


@pytest.mark.parametrize("quick", [True, False], ids=["with libyaml", "without"])
def test_every_mistake_in_a_lock_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool) -> None:
    if not quick:
        monkeypatch.delattr(yaml, "CSafeLoader")
    path = tmp_path / "components.lock"
    save_lock(LOCK, path)
    text = path.read_text().replace("version:", "versoin:", 1).replace("size: ", "size: some", 1) + "suite: sid\nsuits: x\n"
    path.write_text(text)
    with pytest.raises(InputError, match="not a lock") as raised:
        load_lock(path)
    told = [line.removeprefix(f"{path}:").partition(": ")[2] for line in raised.value.details]
    assert [one for one in told if "did you mean 'version'" in one and "packages.p0.versoin: unknown key" in one]
    assert [one for one in told if "packages.p0.size: expected a whole number" in one]
    assert [one for one in told if "suite: the key is here a second time" in one]
    assert [one for one in told if "suits: unknown key" in one]
    assert [one for one in told if "sets.lost[1]: there is no package gone" in one]
    lines = [int(line.removeprefix(f"{path}:").partition(":")[0]) for line in raised.value.details]
    assert len(lines) == 5 and lines == sorted(lines) and lines[-1] == len(text.splitlines())


def test_the_projects_own_lock_is_whole() -> None:
    lock = load_lock(Project.here().lock)
    for name, members in lock.sets.items():
        assert list(members) == [package.name for package in pinned(name, lock)]
    assert set(lock.packages) == {name for members in lock.sets.values() for name in members}
    assert all(package.archive in mirrors.VARIABLES for package in lock.packages.values())


def test_no_mirror_is_known(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "_of_host", dict)
    for variable in mirrors.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match="names none") as raised:
        debs("two", LOCK, store)
    assert "set KUBEISO_DEBIAN_MIRROR" in raised.value.hint
    with pytest.raises(InputError, match="security archive"):
        archive("security")
    monkeypatch.setenv("KUBEISO_DEBIAN_MIRROR", "/srv/debian")
    with pytest.raises(InputError, match="/srv/debian is not an HTTP"):
        archive("main")


LISTED = """'http://a.test/debian/dists/bookworm/InRelease' a.test_debian_dists_bookworm_InRelease 0
'http://a.test/debian/dists/bookworm-updates/InRelease' a.test_debian_dists_bookworm-updates_InRelease 0
'http://s.test/sec/dists/bookworm-security/InRelease' s.test_sec_dists_bookworm-security_InRelease 0
'http://a.test/debian/dists/bookworm/main/binary-amd64/Packages.xz' a.test_x_Packages 0
"""
FOREIGN = "'https://d.test/linux/debian/dists/bookworm/InRelease' d.test_linux_debian_dists_bookworm_InRelease 0\n"


@pytest.mark.parametrize("listed", [LISTED, FOREIGN + LISTED, LISTED + FOREIGN])
def test_archives_from_what_apt_lists(listed: str) -> None:
    assert from_listing(listed, "bookworm") == {"main": "http://a.test/debian", "security": "http://s.test/sec"}


def test_other_listings(tmp_path: Path) -> None:
    assert from_listing("'http://a.test/d/dists/sid/InRelease' x 0\n", "trixie") == {"main": "http://a.test/d"}
    old = "'http://s.test/s/dists/buster/updates/InRelease' x 0\n"
    assert from_listing(old, "buster") == {"security": "http://s.test/s"}
    assert from_listing("", "bookworm") == {}
    (tmp_path / "list").write_text("# mirrors\nhttps://m.test/debian/\tpriority:1\nhttps://n.test/debian\n")
    cloud = f"'mirror+file:{tmp_path}/list/dists/bookworm-updates/InRelease' x 0\n"
    assert from_listing(cloud, "bookworm") == {"main": "https://m.test/debian"}


@pytest.mark.parametrize("release", [{"ID": "ubuntu", "VERSION_CODENAME": "noble"}, {}])
def test_only_a_debian_host_is_asked(release: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: release)
    monkeypatch.setattr(mirrors, "run", lambda *_: pytest.fail("apt was asked"))
    assert mirrors._of_host.__wrapped__() == {}
