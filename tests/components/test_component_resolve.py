"""components.lock anew, by the host's own apt, from a small signed archive on the loopback address."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from component_samples import Server

from builder.components import resolve
from builder.components.model import Lock
from builder.components.resolve import update_lock
from builder.errors import BuildError, InputError, ToolMissing
from builder.store import Store

pytestmark = pytest.mark.skipif(
    not all(shutil.which(program) for program in ("apt-get", "gpg", "gpgconf")), reason="needs apt and gpg to make an archive"
)

# Package -> its other fields.
MAIN = {
    "server": "Version: 2:1.0+deb13u1\nDepends: libserver (= 2:1.0+deb13u1), debconf (>= 0.5) | debconf-2.0, helper",
    "libserver": "Version: 2:1.0+deb13u1\nSource: server\nDepends: libc6 (>= 2)",
    "helper": "Version: 1\nSource: server\nDepends: perl:any, helper-data",
    "helper-data": "Version: 1",
    "libc6": "Version: 2.41",
    "debconf": "Version: 1.5\nDepends: perl",
    "perl": "Version: 5.40\nDepends: libperl\nMulti-Arch: allowed",
    "libperl": "Version: 5.40\nDepends: libc6",
    "extra": "Version: 1\nRecommends: server",
    "old": "Version: 1\nConflicts: server",
    "broken": "Version: 1\nDepends: not-there",
}
SECURITY = {"libc6": "Version: 2.41+deb13u1"}


def suite(name: str, packages: Mapping[str, str], pool: str) -> dict[str, str]:
    """The files of one suite: the index of packages, and the release file with its checksum."""
    stanzas = []
    for package, fields in packages.items():
        content = hashlib.sha256(f"{package} {fields}".encode()).hexdigest()
        version = fields.split()[1].rpartition(":")[2]
        path = f"{pool}/{package}_{version}_amd64.deb"
        more = (
            f"Architecture: amd64\nFilename: {path}\nSize: {len(package)}\nSHA256: {content}\nDescription: x\n two\n  Version: no"
        )
        stanzas.append(f"Package: {package}\n{fields}\n{more}\n")
    index = "\n".join(stanzas)
    entry = f"{hashlib.sha256(index.encode()).hexdigest()} {len(index)} main/binary-amd64/Packages"
    about = f"Origin: Test\nSuite: {name}\nCodename: {name}\nArchitectures: amd64\nComponents: main"
    release = f"{about}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {entry}\n"
    return {f"dists/{name}/main/binary-amd64/Packages": index, f"dists/{name}/Release": release}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory of GnuPG's with a key of its own."""
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key", "archive", "rsa2048", "sign", "never"], check=True)
    subprocess.run([*gpg, "--output", str(home / "public.gpg"), "--export"], check=True)
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


@pytest.fixture
def mirror(key: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    texts = {
        **{f"/debian/{path}": text for path, text in suite("testing13", MAIN, "pool/main").items()},
        **{f"/debian/{path}": text for path, text in suite("testing13-updates", {}, "pool/main").items()},
        **{f"/sec/{path}": text for path, text in suite("testing13-security", SECURITY, "pool/updates").items()},
    }
    files = {path: text.encode() for path, text in texts.items() if not path.endswith("/Release")}
    for path, text in texts.items():
        if path.endswith("/Release"):
            sign = ["gpg", "--homedir", str(key), "--batch", "--quiet", "--clearsign"]
            files[path.replace("/Release", "/InRelease")] = subprocess.run(sign, input=text.encode(), capture_output=True).stdout
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(resolve, "KEYRING", key / "public.gpg")
    with Server(files).running() as running:
        monkeypatch.setenv("KUBEISO_DEBIAN_MIRROR", f"{running.url}/debian")
        monkeypatch.setenv("KUBEISO_DEBIAN_SECURITY_MIRROR", f"{running.url}/sec/")
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def lock_of(store: Store, **sets: tuple[list[str], list[str]]) -> Lock:
    return update_lock(sets, "testing13", store)


def test_sets_with_all_that_they_need(mirror: Server, store: Store) -> None:
    lock = lock_of(
        store, web=(["server"], []), small=(["server"], ["helper"]), data=(["helper-data", "extra"], []), none=([], [])
    )
    assert lock.suite == "testing13"
    assert lock.sets == {
        "web": ("helper", "helper-data", "libc6", "libserver", "server"),
        "small": ("libc6", "libserver", "server"),
        "data": ("extra", "helper-data"),
        "none": (),
    }
    assert list(lock.packages) == sorted({name for members in lock.sets.values() for name in members})
    assert mirror.url not in lock.model_dump_json()


def test_what_is_recorded_of_a_package(mirror: Server, store: Store) -> None:
    assert mirror.url
    lock = lock_of(store, web=(["server"], []))
    server, libc = lock.packages["server"], lock.packages["libc6"]
    assert (server.name, server.version, server.archive) == ("server", "2:1.0+deb13u1", "main")
    assert server.path == "pool/main/server_1.0+deb13u1_amd64.deb" and server.size == 6
    assert server.sha256 == "sha256:" + hashlib.sha256(f"server {MAIN['server']}".encode()).hexdigest()
    assert (libc.version, libc.archive, libc.path) == ("2.41+deb13u1", "security", "pool/updates/libc6_2.41+deb13u1_amd64.deb")


def test_a_set_gets_what_it_names_itself(mirror: Server, store: Store) -> None:
    assert mirror.url and "perl" in resolve.NEVER
    assert lock_of(store, script=(["perl"], [])).sets["script"] == ("libc6", "libperl", "perl")


def test_the_same_lock_twice(mirror: Server, store: Store) -> None:
    assert mirror.url
    sets: dict[str, tuple[list[str], list[str]]] = {"a": (["server"], []), "b": (["extra"], [])}
    assert lock_of(store, **sets) == lock_of(store, **dict(reversed(sets.items())))
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("packages", "without", "said"),
    [
        (["server", "nonsense"], [], "the image web: testing13 has no package nonsense"),
        (["server"], ["perll"], "the image web: testing13 has no package perll"),
        (["server"], ["server"], "both takes and does without server"),
        (["server", "old"], [], "the packages of web can't be had together"),
        (["broken"], [], "the packages of web can't be had together"),
    ],
)
def test_sets_that_can_not_be(mirror: Server, store: Store, packages: list[str], without: list[str], said: str) -> None:
    assert mirror.url
    with pytest.raises(InputError, match=said):
        lock_of(store, web=(packages, without))


def test_an_archive_with_another_signature(mirror: Server, store: Store) -> None:
    path = "/debian/dists/testing13/InRelease"
    mirror.files[path] = mirror.files[path].replace(b"Origin: Test", b"Origin: Tost")
    with pytest.raises(BuildError, match="apt-get ended with exit code 100"):
        lock_of(store, web=(["server"], []))


def test_no_archive_keys(mirror: Server, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "KEYRING", tmp_path / "nothing.gpg")
    with pytest.raises(ToolMissing, match="apt-get install debian-archive-keyring"):
        lock_of(store, web=(["server"], []))
    assert mirror.asked == []


def test_no_apt(mirror: Server, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirror.url
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="apt-get is not installed"):
        lock_of(store, web=(["server"], []))
