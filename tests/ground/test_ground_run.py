"""Running other programs."""

import os
import signal
import sys
import time
from pathlib import Path
from subprocess import DEVNULL

import pytest

from builder.deadline import Deadline, poll
from builder.errors import BuildError, KubeisoError, ToolMissing
from builder.run import PACKAGE_OF, run, spawn, tool


def is_gone(pid: int) -> bool | None:
    """True once the process has ended (or waits only to be reaped by init); None before, as `poll` wants it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return True if state == "Z" else None


def assert_gone(pid_file: Path) -> None:
    poll(lambda: is_gone(int(pid_file.read_text())), Deadline.after(5), what="the end of the process", interval=0.02)


def test_output_and_exit_code_are_kept() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert done.argv == ("sh", "-c", "echo out; echo err >&2; exit 3")


def test_input_is_given_or_empty() -> None:
    assert run(["cat"]).stdout == ""
    assert run(["cat"], input="text").stdout == "text"
    assert run(["wc", "-c"], input=bytes(1_000_000)).stdout.strip() == "1000000"


def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert run(["true"], input=bytes(1_000_000)).code == 0


def test_output_that_is_no_text_is_still_told() -> None:
    assert run(["printf", r"\377"]).stdout == "\ufffd"


@pytest.mark.parametrize("name", ["mksquashfs", "xorriso", "no-such-program"])
def test_a_missing_tool_is_named_with_its_package(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing) as caught:
        run([name, "--version"])
    assert caught.value.what == f"the program {name} is not installed"
    assert f"apt-get install {PACKAGE_OF.get(name, name)}" in caught.value.hint


def test_tools_of_the_administrator_are_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert tool("ldconfig").endswith("/sbin/ldconfig")


def test_a_failure_shows_the_last_lines_and_the_command() -> None:
    with pytest.raises(BuildError) as caught:
        run(["sh", "-c", "seq 100 >&2; exit 7"])
    assert caught.value.what == "sh ended with exit code 7"
    assert caught.value.details == tuple(str(number) for number in range(86, 101))
    assert caught.value.hint == "the command was: sh -c 'seq 100 >&2; exit 7'"


def test_a_failure_without_a_word_on_stderr_shows_stdout() -> None:
    with pytest.raises(BuildError) as caught:
        run(["sh", "-c", "echo why; exit 1"])
    assert caught.value.details == ("why",)


def test_a_failure_by_a_signal_is_named() -> None:
    with pytest.raises(BuildError, match="sh was ended by SIGKILL"):
        run(["sh", "-c", "kill -9 $$"])


def test_a_file_that_can_not_run(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.touch()
    with pytest.raises(KubeisoError, match="could not be started") as caught:
        run([file])
    assert caught.value.why


def test_the_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEISO_TEST_SECRET", "x")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("HOME", "/home/of/mine")
    seen = dict(line.split("=", 1) for line in run(["env"], env={"EXTRA": "1"}).stdout.splitlines())
    assert "KUBEISO_TEST_SECRET" not in seen
    assert (seen["LC_ALL"], seen["TZ"], seen["EXTRA"], seen["HOME"]) == ("C.UTF-8", "UTC", "1", "/home/of/mine")


def test_the_folder_is_the_one_asked_for(tmp_path: Path) -> None:
    assert run(["pwd"], cwd=tmp_path).stdout.strip() == str(tmp_path.resolve())


def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(BuildError, match=r"sh did not end within 0 s"):
        run(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], timeout=0.4)
    assert time.monotonic() - begun < 10
    assert_gone(pid)


def test_a_child_that_ignores_sigterm_is_ended_too(tmp_path: Path) -> None:
    pid, ready = tmp_path / "pid", tmp_path / "ready"
    child = f"trap '' TERM; touch {ready}; while :; do sleep 0.1; done"
    with spawn(["sh", "-c", f'sh -c "$1" & echo $! > {pid}; wait', "sh", child]):
        poll(lambda: ready.exists() or None, Deadline.after(5), what="the child", interval=0.02)
    assert_gone(pid)


def test_a_child_that_outlives_its_parent_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with spawn(["sh", "-c", f"sleep 60 & echo $! > {pid}"], stdout=DEVNULL, stderr=DEVNULL) as process:
        assert process.wait(5) == 0
    assert_gone(pid)


def test_an_exception_in_the_block_ends_the_program() -> None:
    with pytest.raises(RuntimeError), spawn(["sleep", "60"]) as process:
        raise RuntimeError
    assert process.returncode == -signal.SIGTERM


def test_the_program_has_a_group_of_its_own() -> None:
    """So that Ctrl-C in the terminal reaches this program alone, which then ends the others in order."""
    with spawn(["sleep", "60"]) as process:
        assert os.getpgid(process.pid) == process.pid != os.getpgid(0)


def test_python_runs_with_its_full_path() -> None:
    assert run([sys.executable, "-c", "print(6 * 7)"]).stdout == "42\n"
