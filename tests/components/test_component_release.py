"""The source `release`: what it takes out of an archive, what it refuses, and what it says where the upstream can't be had."""

import hashlib
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from component_samples import PROGRAM, Server, answer, blobs, closed_port, project
from release_samples import SCRIPT, TOY, URL, archive, entry, toy

from builder import download
from builder.components.members import taken
from builder.components.model import Component
from builder.components.registry import find, recall, soonest_told
from builder.errors import BuildError, InputError, KubeisoError
from builder.progress import JsonLines, use
from builder.project import Project
from builder.store import Store, sha256

PATH = "/upstream.test/toy/1.2.3/toy.tar.gz"
CONTENT = archive()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror of upstream.test."""
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server({PATH: CONTENT}).running() as running:
        monkeypatch.setenv("KUBEISO_RELEASE_MIRROR", f"{running.url}/")
        yield running


def got(store: Store, made: Project) -> dict[str, bytes]:
    return {file: store.read(digest) for file, digest in find("toy", store, made).files.items()}


def test_the_named_members_and_no_others_are_taken(server: Server, store: Store, tmp_path: Path) -> None:
    made = toy(tmp_path / "p", CONTENT)
    found = find("toy", store, made)
    assert found == Component(name="toy", version="1.2.3", source="release", files=found.files)
    assert got(store, made) == {"toy": TOY, "helper": SCRIPT}
    assert sorted(blob.read_bytes() for blob in blobs(store)) == sorted([CONTENT, TOY, SCRIPT])
    assert len(server.asked) == 1, "the second time from the cache"
    assert recall("toy", store, made) == found


@pytest.mark.parametrize(
    ("mode", "name"), [("w:gz", "a.tgz"), ("w:xz", "a.tar.xz"), ("w:bz2", "a.tar.bz2"), ("w", "a.tar"), ("zst", "a.tar.zst")]
)
def test_whatever_an_archive_is_compressed_with(server: Server, store: Store, tmp_path: Path, mode: str, name: str) -> None:
    if mode == "zst":
        zstd = shutil.which("zstd")
        assert zstd
        content = subprocess.run([zstd, "-q"], input=archive(mode="w"), capture_output=True, check=True).stdout
    else:
        content = archive(mode=mode)
    server.files[f"/upstream.test/{name}"] = content
    made = toy(tmp_path / "p", content, url=f"https://upstream.test/{name}")
    assert got(store, made)["toy"] == TOY


def test_a_program_by_itself_pinned_by_sha512(server: Server, store: Store, tmp_path: Path) -> None:
    server.files["/upstream.test/toy-amd64"] = PROGRAM
    pin = f"sha512:{hashlib.sha512(PROGRAM).hexdigest()}"
    url = "https://upstream.test/toy-{arch}"
    made = project(tmp_path / "p", toy={"version": "1", "release": {"artefacts": [{"url": url, "program": "toy"}]}})
    (made.root / "components.lock").write_text(f"releases: {{toy: {{'https://upstream.test/toy-amd64': {{digest: '{pin}'}}}}}}")
    assert got(store, made) == {"toy": PROGRAM} == got(store, made)
    assert len(server.asked) == 1
    server.files["/upstream.test/toy-amd64"] = PROGRAM + b"x"
    with pytest.raises(BuildError) as told:
        find("toy", Store(tmp_path / "other"), made)
    assert any(f"expected {pin}" in line for line in told.value.details)
    assert blobs(Store(tmp_path / "other")) == []


def refusal(store: Store, made: Project) -> str:
    with pytest.raises(KubeisoError) as told:
        find("toy", store, made)
    error = told.value
    assert error.exit_code == 4 and error.what == "the component toy 1.2.3 can't be had"
    assert "--component toy=PATH" in error.hint
    return "\n".join(error.details)


BAD = {
    "a symbolic link": entry(tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": entry(tarfile.LNKTYPE, "toy/etc/toy"),
    "a device": entry(tarfile.CHRTYPE),
    "a pipe": entry(tarfile.FIFOTYPE),
    "a folder": entry(tarfile.DIRTYPE),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_member_that_is_no_plain_file_is_refused(server: Server, store: Store, tmp_path: Path, kind: str) -> None:
    content = server.files[PATH] = archive({"toy/etc/toy": b"x", "toy/bin/toy": BAD[kind], "toy/bin/helper": SCRIPT})
    assert "toy/bin/toy in the archive is no plain file" in refusal(store, toy(tmp_path / "p", content))


@pytest.mark.parametrize("name", ["/toy/bin/toy", "toy/../toy/bin/toy", "../toy/bin/toy", "x/toy/bin/toy"])
def test_a_member_elsewhere_is_not_the_one_that_is_named(server: Server, store: Store, tmp_path: Path, name: str) -> None:
    content = server.files[PATH] = archive({name: PROGRAM, "toy/bin/helper": SCRIPT})
    assert "the archive does not have all that it should" in refusal(store, toy(tmp_path / "p", content))


@pytest.mark.parametrize("path", ["/toy", "../toy", "a/../toy", "./toy"])
def test_a_path_that_leads_out_of_the_archive_is_a_mistake_of_the_description(store: Store, tmp_path: Path, path: str) -> None:
    made = toy(tmp_path / "p", CONTENT, members={"toy": path})
    with pytest.raises(InputError, match="mistake") as told:
        find("toy", store, made)
    assert "a path in an archive is relative" in str(told.value)


def test_a_member_that_is_there_twice_is_refused(store: Store, tmp_path: Path) -> None:
    twice = tmp_path / "twice.tar"
    twice.write_bytes(archive({"toy": PROGRAM, "./toy": SCRIPT}, "w"))
    with pytest.raises(BuildError, match="twice"):
        taken(twice, {"toy": "toy"}, store)


@pytest.mark.parametrize("cut", [10, 1000, len(CONTENT) // 2])
def test_an_archive_that_was_cut_before_it_was_pinned_is_told(server: Server, store: Store, tmp_path: Path, cut: int) -> None:
    content = server.files[PATH] = CONTENT[:cut]
    told = refusal(store, toy(tmp_path / "p", content))
    assert "the archive can't be read" in told or "does not have all" in told


def test_a_program_for_another_machine_is_told(server: Server, store: Store, tmp_path: Path) -> None:
    other = PROGRAM[:18] + b"\xb7\x00" + PROGRAM[20:]
    content = server.files[PATH] = archive({"toy/bin/toy": other, "toy/bin/helper": SCRIPT})
    assert "it is for another machine" in refusal(store, toy(tmp_path / "p", content))


def test_a_wrong_file_enters_nowhere(server: Server, store: Store, tmp_path: Path) -> None:
    server.files[PATH] = archive({"toy/bin/toy": PROGRAM, "toy/bin/helper": SCRIPT})
    assert f"expected {sha256(CONTENT)}" in refusal(store, toy(tmp_path / "p", CONTENT))
    assert blobs(store) == []


def test_a_download_that_breaks_off_again_and_again_is_gone_on_with(server: Server, store: Store, tmp_path: Path) -> None:
    def cut(handler: BaseHTTPRequestHandler, nth: int) -> bool:
        if nth < 4:
            answer(handler, CONTENT, cut=100)
        return nth < 4

    server.before = cut
    assert got(store, toy(tmp_path / "p", CONTENT))["helper"] == SCRIPT
    assert server.ranges == [None, "bytes=100-", "bytes=200-", "bytes=300-"]


@pytest.mark.parametrize("more", [50, -50])
def test_a_source_that_lies_about_the_length(server: Server, store: Store, tmp_path: Path, more: int) -> None:
    """One that promises too much is asked for the rest, of which there is none; what is too short is another file."""

    def lie(handler: BaseHTTPRequestHandler, nth: int) -> bool:
        if nth == 1:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(CONTENT) + more))
            handler.end_headers()
            handler.wfile.write(CONTENT)
        return nth == 1

    server.before = lie
    made = toy(tmp_path / "p", CONTENT)
    if more > 0:
        assert got(store, made)["helper"] == SCRIPT
    else:
        assert "is not what it should be" in refusal(store, made) and blobs(store) == []


def test_a_source_without_ranges_sends_all_again(server: Server, store: Store, tmp_path: Path) -> None:
    def whole(handler: BaseHTTPRequestHandler, nth: int) -> bool:
        del handler.headers["Range"]
        if nth == 1:
            answer(handler, CONTENT, cut=1000)
        return nth == 1

    server.before = whole
    assert got(store, toy(tmp_path / "p", CONTENT))["helper"] == SCRIPT
    assert server.ranges == [None, "bytes=1000-"]


def test_it_is_followed_to_where_it_is_redirected(server: Server, store: Store, tmp_path: Path) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler, nth: int) -> bool:
        if nth == 1:
            handler.send_response(302)
            handler.send_header("Location", f"{server.url}/elsewhere")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        return nth == 1

    server.before, server.files["/elsewhere"] = elsewhere, CONTENT
    assert got(store, toy(tmp_path / "p", CONTENT))["helper"] == SCRIPT
    assert server.asked == [PATH, "/elsewhere"]


def test_a_redirection_in_a_circle_ends(server: Server, store: Store, tmp_path: Path) -> None:
    def around(handler: BaseHTTPRequestHandler, _nth: int) -> bool:
        handler.send_response(302)
        handler.send_header("Location", PATH)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    server.before = around
    assert "302" in refusal(store, toy(tmp_path / "p", CONTENT))
    assert len(server.asked) < 50


def test_what_is_not_there_is_asked_for_once(server: Server, store: Store, tmp_path: Path) -> None:
    server.files.clear()
    assert "answered 404" in refusal(store, toy(tmp_path / "p", CONTENT))
    assert len(server.asked) == 1


def test_a_slow_source_is_told_with_real_amounts(
    server: Server, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(handler: BaseHTTPRequestHandler, _nth: int) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        for start in range(0, len(CONTENT), 5000):
            handler.wfile.write(CONTENT[start : start + 5000])
            time.sleep(0.01)
        return True

    server.before = slow
    before = use(JsonLines(every=0.0))
    try:
        find("toy", store, toy(tmp_path / "p", CONTENT))
    finally:
        use(before)
    lines = [line for line in capsys.readouterr().err.splitlines() if "toy.tar.gz" in line]
    assert f'"done": {float(len(CONTENT))}, "total": {len(CONTENT)}, "unit": "B"' in lines[-1]


def test_without_a_pin_nothing_is_asked_for(server: Server, store: Store, tmp_path: Path) -> None:
    told = refusal(store, toy(tmp_path / "p", CONTENT, pin=""))
    assert f"components.lock has no checksum of {URL}" in told and "kubeiso lock --update" in told
    assert server.asked == []


def test_offline_nothing_is_asked_for(server: Server, store: Store, tmp_path: Path) -> None:
    with pytest.raises(BuildError) as told:
        find("toy", store, toy(tmp_path / "p", CONTENT), offline=True)
    assert "--offline forbids to fetch it" in str(told.value) and server.asked == []


def test_out_of_reach_is_told_without_trying_again(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.download.time.sleep", lambda _: pytest.fail("it waits"))
    monkeypatch.setenv("KUBEISO_RELEASE_MIRROR", closed_port())
    told = refusal(store, toy(tmp_path / "p", CONTENT))
    assert "is out of reach" in told and "refused" in told and "KUBEISO_RELEASE_MIRROR" in told


def test_a_mirror_that_is_none_is_the_user_s_mistake(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEISO_RELEASE_MIRROR", "/srv/mirror")
    with pytest.raises(InputError, match="KUBEISO_RELEASE_MIRROR=/srv/mirror"):
        find("toy", store, toy(tmp_path / "p", CONTENT))


def test_it_goes_through_the_proxy(server: Server, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEISO_RELEASE_MIRROR")
    monkeypatch.setenv("http_proxy", server.url)
    url = "http://upstream.test/toy.tar.gz"
    server.files[url] = CONTENT
    assert got(store, toy(tmp_path / "p", CONTENT, url=url))["helper"] == SCRIPT
    assert server.asked == [url]


def test_the_bundle_given_by_the_user_is_read_by_the_upstream_s_places(store: Store, tmp_path: Path) -> None:
    """It has two files named toy."""
    bundle = tmp_path / "bundle.tar.gz"
    bundle.write_bytes(CONTENT)
    made = toy(tmp_path / "p", CONTENT)
    found = find("toy", store, made, {"toy": bundle})
    assert found.source == "local" and store.read(found.files["toy"]) == TOY
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xf", bundle, "-C", tmp_path / "unpacked"], check=True)
    assert find("toy", store, made, {"toy": tmp_path / "unpacked"}).files == found.files


def test_the_places_in_an_archive_may_name_the_version(server: Server, store: Store, tmp_path: Path) -> None:
    server.files[PATH] = content = archive({"toy-1.2.3-linux-amd64/toy": TOY})
    made = toy(tmp_path / "p", content, members={"toy": "toy-{version}-linux-{arch}/toy"})
    assert got(store, made) == {"toy": TOY}
    (tmp_path / "bundle.tar.gz").write_bytes(content)
    given = {"toy": tmp_path / "bundle.tar.gz"}
    assert find("toy", Store(tmp_path / "other"), made, given).files == find("toy", store, made).files


@pytest.mark.usefixtures("server")
def test_of_a_component_with_both_either_is_had_in_the_order_of_its_description(store: Store, tmp_path: Path) -> None:
    made = toy(tmp_path / "p", CONTENT, members={"toy": "toy/bin/toy"})
    description = made.root / "pkg" / "toy" / "component.yml"
    release = description.read_text()
    description.write_text(release + "golang: {packages: {toy: .}}\n")
    (description.parent / "go.mod").write_text("module toy\n\ngo 1.24\n")
    (description.parent / "main.go").write_text("package main\n\nimport fmt\n")
    assert find("toy", store, made).source == "release"
    with pytest.raises(BuildError, match=r"main\.go:3:11"):
        find("toy", store, made, source="golang")
    description.write_text(release.replace("release:", "golang: {packages: {toy: .}}\nrelease:"))
    other = Store(tmp_path / "other")
    assert find("toy", other, made, source="release").source == "release"
    assert find("toy", Store(tmp_path / "third"), made).source == "release", "after golang, which fails"


def test_what_only_a_release_gives_is_asked_for_first(tmp_path: Path) -> None:
    artefact = {"url": URL, "program": "z"}
    built: dict[str, object] = {"version": "1", "golang": {"packages": {"a": "."}}}
    made = project(tmp_path / "p", a=built, z={"version": "1", "release": {"artefacts": [artefact]}})
    assert soonest_told(["a", "z"], made) == ("z", "a")


@pytest.mark.parametrize(
    ("artefact", "said"),
    [
        ({"url": "ftp://x/y", "program": "toy"}, "expected an HTTP(S) address"),
        ({"url": "https://x/{edition}", "program": "toy"}, "nothing fills in {edition}"),
        ({"url": "https://x/y", "members": {"toy": "toy-{edition}"}}, "nothing fills in {edition}"),
        ({"url": "https://x/y"}, "expected one of members and program"),
        ({"url": "https://x/y", "program": "toy", "members": {"toy": "toy"}}, "expected one of members and program"),
    ],
)
def test_mistakes_of_a_description_are_told(store: Store, tmp_path: Path, artefact: dict[str, object], said: str) -> None:
    made = project(tmp_path / "p", toy={"version": "1.2.3", "release": {"artefacts": [artefact]}})
    with pytest.raises(InputError) as told:
        find("toy", store, made)
    assert said in str(told.value)
