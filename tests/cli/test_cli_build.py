"""Whole builds of a toy project: the same bits each time, whatever came in between."""

import http.server
import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from component_samples import answer, closed_port
from private_mounts import private_mounts
from program import Outcome, Program, files, finish, unsound, until, write_script
from toy_project import DEB

from builder import download
from builder.errors import InputError
from builder.pipeline import twice
from builder.process import identify
from builder.store import file_digest, sha256
from builder.trust import signing

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]
RESULTS = [
    f"kubeiso-toy-master.{end}"
    for end in ("iso", "iso.build.json", "iso.cdx.json", "iso.sha256", "iso.slsa.json", "iso.spdx.json", "yml")
]


def test_a_build_leaves_its_results_and_nothing_else(built: Program) -> None:
    assert files(built.out) == RESULTS
    assert files(built.cache / "tmp") == files(built.cache / "scratch" / "downloads") == []
    assert unsound(built.cache) == []
    checksum = file_digest(built.iso).removeprefix("sha256:")
    assert (built.out / "kubeiso-toy-master.iso.sha256").read_text() == f"{checksum}  kubeiso-toy-master.iso\n"


def test_the_result_for_machines(kubeiso: Run, built: Program, program: Program) -> None:
    shutil.copytree(built.cache, program.cache)
    done = kubeiso(*program.to_build, "--json")
    (medium,) = json.loads(done.out)["media"]
    assert (medium["role"], medium["size"]) == ("master", built.iso.stat().st_size)
    assert medium["sha256"] == file_digest(built.iso)
    events = [json.loads(line) for line in done.told.splitlines()]
    assert {"begin", "end"} <= {event["event"] for event in events}


def test_two_builds_from_empty_caches_give_the_same_bits(built: Program, program: Program) -> None:
    assert program.build().code == 0
    assert files(program.out) == RESULTS
    different = [name for name in RESULTS if (program.out / name).read_bytes() != (built.out / name).read_bytes()]
    assert different == []
    roots = [json.loads((whole.out / "kubeiso-toy-master.iso.build.json").read_text())["root"] for whole in (built, program)]
    assert roots[0] == roots[1] and roots[0]["size"] > 0, "the root trees, too, which are not kept"
    assert not (program.cache / "blobs" / "sha256" / roots[1]["sha256"].removeprefix("sha256:")).exists()


def test_every_format_has_the_same_bits_in_other_circumstances(kubeiso: Run, program: Program) -> None:
    """Another cache, another folder, umask, time zone, language and home, one processor, some seconds later."""
    forms = ["iso", "raw", "qcow2", "vmdk", "ova", "containerdisk", "uki", "pxe"]
    done = kubeiso(*program.to_build, "--format", ",".join(forms), "--verify", "--json")
    assert done.code == 0, done.told
    result = json.loads(done.out)
    assert (len(result["media"]), result["differences"]) == (len(forms), [])
    assert [path.name for path in program.out.iterdir() if path.is_dir()] == [], "nothing is left of the second build"


def test_one_byte_that_is_not_the_same_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        for name in ("same", "other"):
            (folder / name).write_bytes(bytes(3 << 20))
    (one / "only here").write_text("of an earlier build")
    assert twice.compare(one, two) == []
    with (two / "other").open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"x")
    monkeypatch.setenv("PATH", "/nonexistent")
    (difference,) = twice.compare(one, two)
    assert difference.name == "other" and f"from byte {2 << 20} on" in difference.why[0]
    (two / "other").write_bytes(bytes(5))
    assert "from byte 5 on" in twice.compare(one, two)[0].why[0], "one is shorter"
    (one / "other").unlink()
    assert twice.told(twice.compare(one, two)) == ("other:", "  the first build made no such file")


def test_what_a_second_build_made_takes_the_place_of_its_like_alone(tmp_path: Path) -> None:
    for word in ("first", "second"):
        (tmp_path / word).mkdir()
        (tmp_path / word / "x.iso").write_text(word)
        twice.keep(tmp_path / word, tmp_path / "again")
        assert (tmp_path / "again" / "x.iso").read_text() == word
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.odt").write_text("years of work")
    (tmp_path / "third").mkdir()
    with pytest.raises(InputError, match="is not kubeiso's, and can't be what a second build made"):
        twice.keep(tmp_path / "third", mine)
    assert (mine / "thesis.odt").read_text() == "years of work"


def test_signed_media_are_not_compared(kubeiso: Run, program: Program, tmp_path: Path) -> None:
    signing.create(tmp_path)
    done = kubeiso(*program.to_build, "--verify", "--sign-key", str(tmp_path / "sign.key"))
    assert done.code == 2 and "a signature has its time in it" in done.told and not program.out.exists()


def test_a_signed_build_has_a_signature_beside_each_file_but_the_makers_own(
    kubeiso: Run, program: Program, tmp_path: Path
) -> None:
    """`verify` takes it with the public key alone, from another folder, with no cache; and finds a changed byte."""
    signing.create(tmp_path)
    assert kubeiso(*program.to_build, "--sign-key", str(tmp_path / "sign.key")).code == 0
    assert {name for name in files(program.out) if name.endswith(".minisig")} == {
        f"{name}.minisig" for name in RESULTS if not name.endswith((".yml", ".build.json"))
    }
    away = tmp_path / "away"
    away.mkdir()
    for path in program.out.glob("*.iso*"):
        shutil.copy(path, away)
    shutil.rmtree(program.cache)
    medium = away / program.iso.name
    done = kubeiso("verify", str(medium), "--key", str(tmp_path / "sign.pub"))
    assert done.code == 0 and "failed" not in done.out, done.told
    with medium.open("r+b") as file:
        file.seek(-4000, os.SEEK_END)
        file.write(b"changed")
    done = kubeiso("verify", str(medium), "--key", str(tmp_path / "sign.pub"))
    assert done.code == 5 and "signature of" in done.told and "next: get it again" in done.told


def test_a_second_build_takes_all_from_the_cache(kubeiso: Run, built: Program, program: Program) -> None:
    shutil.copytree(built.cache, program.cache)
    done = kubeiso(*program.to_build, "--offline", KUBEISO_DEBIAN_MIRROR=closed_port())
    assert done.code == 0, done.told
    assert file_digest(program.iso) == file_digest(built.iso)
    assert "fetch" not in done.told and "squashing" not in done.told


def test_two_builds_at_once_share_a_cache(built: Program, program: Program) -> None:
    processes = [program.start(*program.to_build, "--json") for _ in range(2)]
    ended = [finish(process) for process in processes]
    assert [done.code for done in ended] == [0, 0], ended
    assert [json.loads(done.out)["media"][0]["sha256"] for done in ended] == [file_digest(built.iso)] * 2
    assert file_digest(program.iso) == file_digest(built.iso)
    assert files(program.out) == RESULTS
    assert unsound(program.cache) == []


def test_a_package_with_another_checksum_is_not_taken(own_kubeiso: Run, own_program: Program) -> None:
    other = bytes(reversed(own_program.toy.deb))
    own_program.toy.server.files[f"/{DEB}"] = other
    done = own_kubeiso(*own_program.to_build)
    assert done.failed(4, "linux-image-toy 1 is not what it should be", DEB, why=f"got {sha256(other)}", next="another source")
    assert nothing_made(own_program)
    assert not (own_program.cache / "blobs" / "sha256" / sha256(other).removeprefix("sha256:")).exists()
    own_program.toy.server.files[f"/{DEB}"] = own_program.toy.deb
    assert own_kubeiso(*own_program.to_build).code == 0


def nothing_made(program: Program) -> bool:
    """Whether no result is there, and nothing that is not whole; parts of downloads stay for the next run."""
    assert files(program.out) == files(program.cache / "tmp") == []
    assert unsound(program.cache) == []
    return True


def test_a_package_that_is_gone_from_its_source(own_kubeiso: Run, own_program: Program) -> None:
    del own_program.toy.server.files[f"/{DEB}"]
    done = own_kubeiso(*own_program.to_build)
    assert done.failed(4, "linux-image-toy 1 is no longer on the mirror", why="404", next="kubeiso lock --update")
    assert nothing_made(own_program)


def test_a_source_that_does_not_answer(kubeiso: Run, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    address = closed_port()
    monkeypatch.setenv("KUBEISO_DEBIAN_MIRROR", address)
    done = kubeiso(*program.to_build)
    assert done.failed(4, "linux-image-toy 1 could not be fetched", address, why="refused (4 attempts)", next="http_proxy")
    assert nothing_made(program)


def test_without_a_network_the_cache_has_to_have_all(kubeiso: Run, program: Program) -> None:
    done = kubeiso(*program.to_build, "--offline")
    assert done.failed(4, "not in the cache", "linux-image-toy 1", why="--offline", next="run once without --offline")
    assert nothing_made(program)


def test_an_address_of_another_kind(kubeiso: Run, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEISO_DEBIAN_MIRROR", "ftp://127.0.0.1/debian")
    done = kubeiso(*program.to_build)
    assert done.failed(2, "no mirror", why="ftp://127.0.0.1/debian is not an HTTP(S) address", next="set KUBEISO_DEBIAN_MIRROR")


PART = 2 * download.BLOCK


@pytest.fixture
def stalled(own_program: Program) -> Iterator[Program]:
    """A program whose mirror sends a part of the package and then nothing more, at the first time that it is asked."""
    over = threading.Event()

    def stall(handler: http.server.BaseHTTPRequestHandler, nth: int) -> bool:
        if nth == 1:
            answer(handler, own_program.toy.deb, cut=PART)
            handler.wfile.flush()
            over.wait(60)
        return nth == 1

    own_program.toy.server.before = stall
    yield own_program
    over.set()


def parts(program: Program) -> list[int]:
    """The sizes of what downloads under way have so far."""
    return [path.stat().st_size for path in (program.cache / "scratch" / "downloads").glob("*.part")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_ended_within_a_download_goes_on_there(stalled: Program, number: signal.Signals) -> None:
    process = stalled.start(*stalled.to_build)
    until(lambda: parts(stalled) == [PART], "a part of the package")
    process.send_signal(number)
    done = finish(process)
    if number is signal.SIGKILL:
        assert done.code == -signal.SIGKILL
    else:
        assert done.interrupted()
    assert files(stalled.out) == []
    assert unsound(stalled.cache) == []
    again = stalled.build()
    assert again.code == 0, again.told
    assert stalled.toy.server.ranges == [None, f"bytes={PART}-"]
    assert files(stalled.out) == RESULTS


XORRISO = """#!/bin/sh
for word; do case $last in -o) target=$word ;; esac; last=$word; done
case $1 in --version) exec {xorriso} --version ;; esac
printf half > "$target"
echo $$ > {mark}.part && mv {mark}.part {mark}
exec sleep 60
"""


@pytest.fixture
def slow_xorriso(tmp_path: Path) -> Path:
    """A folder with a xorriso that writes a little and then sleeps; it leaves its process id in the file `mark` there."""
    real = shutil.which("xorriso")
    assert real
    write_script(tmp_path / "slow" / "xorriso", XORRISO.format(xorriso=real, mark=shlex.quote(str(tmp_path / "slow" / "mark"))))
    return tmp_path / "slow"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_ended_at_the_iso_is_finished_by_the_next(
    built: Program, program: Program, slow_xorriso: Path, number: signal.Signals
) -> None:
    shutil.copytree(built.cache, program.cache)
    process = program.start(*program.to_build, PATH=f"{slow_xorriso}:{os.environ['PATH']}")
    mark = slow_xorriso / "mark"
    until(mark.exists, "xorriso at work")
    process.send_signal(number)
    done = finish_without_waiting_for(int(mark.read_text()), process, killed=number is signal.SIGKILL)
    assert [name for name in files(program.out) if not name.startswith(".")] == []
    assert unsound(program.cache) == []
    if number is not signal.SIGKILL:
        assert done.interrupted()
        assert nothing_made(program)
    again = program.build()
    assert again.code == 0, again.told
    assert file_digest(program.iso) == file_digest(built.iso)
    assert files(program.out) == RESULTS
    assert files(program.cache / "tmp") == []


def finish_without_waiting_for(child: int, process: "subprocess.Popen[str]", *, killed: bool) -> Outcome:
    """The run's end. What it started has ended with it; only after SIGKILL that is left to the test."""
    if killed:
        process.wait(60)
        os.kill(child, signal.SIGTERM)
        until(lambda: identify(child) is None, "the end of what was left")
    done = finish(process)
    until(lambda: identify(child) is None, "the end of what it started")
    return done


def test_what_runs_on_a_small_disk_tells_that_it_is_full(built: Program, program: Program) -> None:
    """On a file system of 512 KiB the build fails and keeps what was whole; with more room it is finished."""
    script = program.home / "small.sh"
    program.home.mkdir()
    program.cache.mkdir()
    write_script(script, SMALL_DISK.format(cache=program.cache))
    done = program.run(*program.to_build, before=[*private_mounts(), str(script)])
    first, _, second = done.told.partition("--- more room ---\n")
    assert Outcome(4, "", first).failed(
        4, f"the disk that holds {program.cache} is full", why="No space left", next="KUBEISO_CACHE"
    )
    assert done.out.splitlines()[:2] == ["exit code 4", "unsound: 0, under way: 0, results: 0"]
    assert done.code == 0, second
    assert file_digest(program.iso) == file_digest(built.iso)


SMALL_DISK = """#!/bin/sh
# The rest of the command line is the program.
mount -t tmpfs -o size=512k tmpfs {cache} || exit 1
"$@"
echo "exit code $?"
cd {cache}/blobs/sha256
unsound=$(sha256sum * | awk '$1 != $2' | wc -l)
echo "unsound: $unsound, under way: $(ls -A {cache}/tmp | wc -l), results: $(ls -A ../../../out 2>/dev/null | wc -l)"
cd - >/dev/null
mount -o remount,size=64m {cache} || exit 1
echo "--- more room ---" >&2
exec "$@"
"""


def test_a_file_that_may_not_grow_is_told(program: Program) -> None:
    done = program.build(before=["prlimit", "--fsize=100000"])
    assert done.failed(4, str(program.cache), why="File too large", next="ulimit -f")
    assert nothing_made(program)


def test_the_cache_can_be_emptied(kubeiso: Run, built: Program, program: Program) -> None:
    shutil.copytree(built.cache, program.cache)
    done = kubeiso("clean", "--json")
    assert done.code == 0
    assert json.loads(done.out)["freed_bytes"] > 100_000
    assert files(program.cache / "blobs" / "sha256") == files(program.cache / "results") == []


def test_what_was_used_today_can_be_kept(kubeiso: Run, built: Program, program: Program) -> None:
    shutil.copytree(built.cache, program.cache)
    assert json.loads(kubeiso("clean", "--unused", "1", "--json").out)["freed_bytes"] == 0
    assert files(program.cache / "blobs" / "sha256") == files(built.cache / "blobs" / "sha256")
    assert kubeiso("clean", "--unused", "1", "--all").failed(2, "--unused and --all exclude each other")


def test_the_pins(kubeiso: Run) -> None:
    done = kubeiso("lock")
    assert (done.code, done.out.split()) == (0, ["suite", "toy,", "1", "packages", "linux-image-toy", "1"])
