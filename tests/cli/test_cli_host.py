"""What the host lacks, and files that are no media."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from component_samples import closed_port
from program import Outcome, Program, files, path_without, write_script

from builder.run import run
from builder.store import Digest, Store

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]


def findings(done: Outcome) -> Mapping[str, Mapping[str, str]]:
    return {finding["name"]: finding for finding in json.loads(done.out)["findings"]}


def test_the_doctor_on_a_host_with_everything(kubeiso: Run) -> None:
    done = kubeiso("doctor", "--no-probe")
    assert done.code == 0, done.out
    assert "\nok       xorriso              /" in done.out
    assert "\nok       Debian packages      the source answers" in done.out


def test_a_source_that_does_not_answer_is_no_missing_tool(kubeiso: Run) -> None:
    done = kubeiso("doctor", "--no-probe", "--json", KUBEISO_DEBIAN_MIRROR=closed_port())
    assert done.code == 0
    found = findings(done)
    assert found["Debian packages"]["state"] == found["Go modules"]["state"] == "wanting"
    assert "refused" in found["Debian packages"]["what"]
    assert "http_proxy" in found["Debian packages"]["hint"]
    assert "GOPROXY" in found["Go modules"]["hint"]


def test_the_doctor_tells_what_takes_room(kubeiso: Run, program: Program) -> None:
    """What takes no fifty megabytes is not worth a word."""
    store = Store(program.cache)
    (store.scratch("go") / "small").write_bytes(bytes(1000))
    with store.path(Digest("sha256:" + "0" * 64)).open("wb") as blob:
        os.posix_fallocate(blob.fileno(), 0, 120_000_000)
    told = findings(kubeiso("doctor", "--no-probe", "--json"))["disk"]["what"]
    assert "; in use: parts, images and layers 0.1 GB" in told and "Go's" not in told


def test_the_doctor_names_what_to_install(kubeiso: Run, tmp_path: Path) -> None:
    path = path_without(tmp_path / "bin", "xorriso", "qemu-system-x86_64", "mcopy")
    done = kubeiso("doctor", "--no-probe", PATH=path)
    missing = [line.split()[1] for line in done.out.splitlines() if line.startswith("missing")]
    assert set(missing) == {"xorriso", "mcopy", "qemu-system-x86_64"}
    assert done.failed(3, "3 things", "xorriso: apt-get install xorriso", "apt-get install qemu-system-x86", next="make setup")
    assert "mcopy: apt-get install mtools" in done.told


@pytest.mark.parametrize(("mode", "code", "state"), [(0o755, 0, "ok"), (0o644, 3, "missing")])
def test_the_doctor_finds_linuxkit_as_a_build_does(kubeiso: Run, tmp_path: Path, mode: int, code: int, state: str) -> None:
    linuxkit = write_script(tmp_path / "lk", "#!/bin/sh\n")
    linuxkit.chmod(mode)
    done = kubeiso("doctor", "--no-probe", "--json", KUBEISO_LINUXKIT=str(linuxkit))
    assert (done.code, findings(done)["linuxkit"]["state"]) == (code, state)
    assert str(linuxkit) in findings(done)["linuxkit"]["what"]


def test_linuxkit_need_not_be_there(kubeiso: Run, tmp_path: Path) -> None:
    done = kubeiso("doctor", "--no-probe", "--json", PATH=path_without(tmp_path / "bin", "linuxkit"))
    assert done.code == 0
    assert findings(done)["linuxkit"]["state"] == "ok"
    assert findings(done)["linuxkit"]["what"] == "not on PATH: the native assembler does its work"


def test_linuxkit_that_is_asked_for_and_not_there(kubeiso: Run, program: Program, tmp_path: Path) -> None:
    done = kubeiso(*program.to_build, "--assembler", "linuxkit", PATH=path_without(tmp_path / "bin", "linuxkit"))
    assert done.failed(3, "the program linuxkit is not installed", next="--assembler native")
    assert files(program.cache / "blobs" / "sha256") == files(program.out) == []


@pytest.mark.parametrize(
    ("verb", "lacking", "what", "package"),
    [
        ("build", ("xorriso",), "the program xorriso is not installed", "apt-get install xorriso "),
        ("build", ("mksquashfs", "mcopy"), "mksquashfs, mcopy are not installed", "apt-get install mtools squashfs-tools "),
        ("up", ("qemu-system-x86_64",), "the program qemu-system-x86_64 is", "apt-get install qemu-system-x86 "),
    ],
)
def test_a_missing_tool_is_told_before_any_work(
    kubeiso: Run, program: Program, tmp_path: Path, verb: str, lacking: tuple[str, ...], what: str, package: str
) -> None:
    words = program.to_build if verb == "build" else program.up("try")
    done = kubeiso(*words, PATH=path_without(tmp_path / "bin", *lacking))
    assert done.failed(3, what, next=package)
    assert files(program.cache / "blobs" / "sha256") == []
    assert files(program.out) == []


def test_a_file_that_is_no_iso(kubeiso: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.iso"
    other.write_bytes(bytes(64 << 10))
    assert kubeiso("boot", other).failed(2, f"{other} is no ISO", why="no ISO 9660 volume descriptor", next="kubeiso build")
    other.write_bytes(b"short")
    assert kubeiso("boot", other).failed(2, f"{other} is no ISO", next="kubeiso build")


def test_an_iso_that_is_not_there(kubeiso: Run, tmp_path: Path) -> None:
    done = kubeiso("boot", tmp_path / "node.iso")
    assert done.failed(2, f"{tmp_path}/node.iso can't be read", why="No such file", next="kubeiso build")


def test_an_iso_of_something_else(kubeiso: Run, tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("hello")
    run(["xorriso", "-as", "mkisofs", "-quiet", "-o", tmp_path / "other.iso", "-R", tmp_path / "readme"])
    done = kubeiso("boot", tmp_path / "other.iso")
    assert done.failed(2, "is an ISO that kubeiso did not make", why="/boot/kernel", next="kubeiso build")


def test_booting_needs_qemu(kubeiso: Run, built: Program, tmp_path: Path) -> None:
    done = kubeiso("boot", built.iso, PATH=path_without(tmp_path / "bin", "qemu-system-x86_64"))
    assert done.failed(3, "the program qemu-system-x86_64 is not installed", next="apt-get install qemu-system-x86 ")
