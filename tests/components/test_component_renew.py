"""Pins of releases anew: upstreams' lists of checksums, and what is told of a change."""

from pathlib import Path

import pytest
from component_samples import Server, closed_port, project

from builder.components.model import DebianPackage, Lock, ReleasePin
from builder.components.renew import changes, digest_in, releases
from builder.errors import BuildError
from builder.progress import JsonLines, use
from builder.project import Project
from builder.store import sha256

URL = "https://upstream.test/1.0/toy-amd64.tar.gz"
A, B, LONG = "a" * 64, "b" * 64, "c" * 128


def sample(root: Path, checksums: str | None = "{url}.sha256") -> Project:
    artefact = {"url": "https://upstream.test/{version}/toy-{arch}.tar.gz", "program": "toy", "checksums": checksums}
    return project(root, toy={"version": "1.0", "release": {"artefacts": [artefact]}})


@pytest.mark.parametrize(
    ("listed", "digest"),
    [
        (A, f"sha256:{A}"),
        (f"{A.upper()}\n", f"sha256:{A}"),
        (f"{A}  elsewhere.tar.gz\n", f"sha256:{A}"),
        (f"{B}  other\n{A} *./dist/toy.tar.gz\n", f"sha256:{A}"),
        (f"{LONG}  toy.tar.gz\n", f"sha512:{LONG}"),
        (f"SHA256 (toy.tar.gz) = {A}\n", f"sha256:{A}"),
        (f"# sums\n{B}  toy.tar.gz.asc\n{A}  toy.tar.gz\n", f"sha256:{A}"),
    ],
)
def test_lists_as_upstreams_write_them(listed: str, digest: str) -> None:
    assert digest_in(listed, "toy.tar.gz") == digest


@pytest.mark.parametrize(
    "listed", ["", "<html>404</html>", f"{A}  one\n{B}  two\n", f"{A}  toy.tar.gz\n{B}  toy.tar.gz\n", "a" * 65]
)
def test_a_list_that_does_not_say_is_refused(listed: str) -> None:
    with pytest.raises(BuildError, match="does not say"):
        digest_in(listed, "toy.tar.gz")


def test_the_upstream_s_list_is_read_at_its_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server({"/upstream.test/1.0/toy-amd64.tar.gz.sha256": f"{A}  toy-amd64.tar.gz\n".encode()}).running() as server:
        monkeypatch.setenv("KUBEISO_RELEASE_MIRROR", server.url)
        assert releases(sample(tmp_path), {}) == {"toy": {URL: ReleasePin(digest=f"sha256:{A}")}}


def warned(capsys: pytest.CaptureFixture[str], made: Project, before: dict[str, dict[str, ReleasePin]]) -> tuple[object, str]:
    sink = use(JsonLines())
    try:
        return releases(made, before), capsys.readouterr().err
    finally:
        use(sink)


@pytest.mark.parametrize("reachable", [True, False])
def test_without_a_list_a_pin_stays_and_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reachable: bool
) -> None:
    before = {"toy": {URL: ReleasePin(digest=f"sha256:{B}", size=5)}}
    with Server({}).running() as server:
        monkeypatch.setenv("KUBEISO_RELEASE_MIRROR", server.url if reachable else closed_port())
        found, told = warned(capsys, sample(tmp_path), before)
    assert found == before and "its pin stays as it is" in told and ("404" in told) is reachable


def test_a_new_version_without_a_list_has_no_pin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = {"toy": {"https://upstream.test/0.9/toy-amd64.tar.gz": ReleasePin(digest=f"sha256:{B}")}}
    found, told = warned(capsys, sample(tmp_path, None), old)
    assert found == {} and "pin it in components.lock by hand" in told


def test_what_changed_is_told() -> None:
    def lock(version: str, digest: str) -> Lock:
        package = DebianPackage(name="x", version=version, path="p", size=1, sha256=sha256(b""))
        return Lock(packages={"x": package}, releases={"toy": {URL: ReleasePin(digest=digest)}})

    old, new = lock("1", f"sha256:{A}"), lock("2", f"sha256:{B}")
    assert list(changes(old, new)) == ["package x: 1 -> 2", f"release {URL}: sha256:{A} -> sha256:{B}"]
    assert list(changes(Lock(), old))[1] == f"release {URL}: new -> sha256:{A}"
    assert list(changes(old, old)) == []
