"""Running other programs."""

import inspect
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest
from offspring import children

from builder import orphans, progress
from builder import run as running
from builder.deadline import Deadline, poll
from builder.errors import BuildError, KubeisoError, TimedOut, ToolMissing
from builder.run import PACKAGE_OF, run, spawn, tool

PROJECT = Path(__file__).parents[2]


def is_gone(pid: int) -> bool | None:
    """True once the process has ended (or waits only to be reaped by init); None before, as `poll` wants it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return True if state == "Z" else None


def assert_gone(pid_file: Path) -> None:
    poll(lambda: is_gone(int(pid_file.read_text())), Deadline.after(60), what="the end of the process", interval=0.02)


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


def test_a_program_that_can_not_start_leaves_no_process(tmp_path: Path) -> None:
    """Its file may be run, but what is to run it is not there."""
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    before = children()
    with pytest.raises(KubeisoError, match="could not be started") as caught:
        run([tmp_path / "script"])
    assert "No such file" in caught.value.why
    assert children() == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    before = children()
    with pytest.raises(KubeisoError, match="could not be started") as caught:
        run(["true"], cwd=tmp_path / "none")
    assert str(tmp_path / "none") in caught.value.why
    assert children() == before


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
        poll(
            lambda: (ready.exists() and pid.exists() and pid.read_text()) or None,
            Deadline.after(5),
            what="the child",
            interval=0.02,
        )
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


def test_much_output_is_whole_and_so_is_its_end() -> None:
    script = "seq 200000; echo end; seq 100000 >&2; echo end >&2"
    done = run(["sh", "-c", script], timeout=60)
    assert done.stdout == "".join(f"{number}\n" for number in range(1, 200_001)) + "end\n"
    assert done.stderr.endswith("100000\nend\n") and done.stderr.count("\n") == 100_001


def test_lines_are_heard_as_they_come_and_are_kept(tmp_path: Path) -> None:
    """The program goes on only when its first line was heard."""
    heard: list[str] = []

    def listen(line: str) -> None:
        heard.append(line)
        (tmp_path / "heard").touch()

    script = 'echo first >&2; while [ ! -e "$1" ]; do sleep 0.05; done; printf "second\\nthird" >&2; echo out'
    done = run(["sh", "-c", script, "sh", tmp_path / "heard"], heard=listen, timeout=20)
    assert heard == ["first", "second", "third"]
    assert (done.stdout, done.stderr) == ("out\n", "first\nsecond\nthird")


def test_what_goes_wrong_in_who_listens_ends_the_program(tmp_path: Path) -> None:
    def listen(_line: str) -> None:
        raise KeyError("listener")

    pid = tmp_path / "pid"
    with pytest.raises(KeyError, match="listener"):
        run(["sh", "-c", f"sleep 60 & echo $! > {pid}; echo line >&2; wait"], heard=listen)
    assert_gone(pid)


def test_a_program_that_falls_silent_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid}; echo one >&2; echo two >&2; wait"
    with pytest.raises(TimedOut, match="sh said nothing for 0 s") as caught:
        run(["sh", "-c", script], heard=lambda _line: None, timeout=None, silence=0.4)
    assert caught.value.hint.startswith("the command was: sh -c")
    assert_gone(pid)


class Told(progress.Silent):
    """Keeps what is told of waits."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def moved(self, step: progress.Step) -> None:
        self.lines.append(f"{step.title}: {progress.amount(step)}")

    def note(self, level: str, text: str) -> None:
        if level == "info":
            self.lines.append(text)


def test_a_program_that_takes_long_is_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LIFE", 0.2)
    monkeypatch.setattr(running, "TICK", 0.05)
    before = progress.use(told := Told())
    try:
        run(["sleep", "0.6"])
        with progress.step("making it"):
            run(["sleep", "0.6"])
    finally:
        progress.use(before)
    assert {"sleep is at work", "making it: sleep is at work"} == set(told.lines)


def test_no_program_is_waited_for_without_end_by_mere_oversight() -> None:
    assert inspect.signature(run).parameters["timeout"].default == running.SHORT


KILLED = """
import sys
from builder.run import run, spawn
script = 'echo $$ > "$1/shell"; sleep 60 & echo $! > "$1/child"; (sleep 60 & echo $! > "$1/grandchild"; wait); wait'
argv = ["sh", "-c", script, "sh", sys.argv[1]]
if sys.argv[2] == "run":
    run(argv)
with spawn(argv) as process:
    process.wait()
"""
UNDER_WAY = ("shell", "child", "grandchild")


@pytest.mark.parametrize("how", ["run", "spawn"])
def test_kill_9_leaves_no_program_behind(tmp_path: Path, how: str) -> None:
    def there() -> bool | None:
        return all((tmp_path / name).exists() and (tmp_path / name).read_text().strip() for name in UNDER_WAY) or None

    with Popen([sys.executable, "-c", KILLED, tmp_path, how], cwd=PROJECT) as program:
        poll(there, Deadline.after(20), what="the programs below", interval=0.02)
        assert not any(is_gone(int((tmp_path / name).read_text())) for name in UNDER_WAY)
        program.kill()
    for name in UNDER_WAY:
        assert_gone(tmp_path / name)


WATCHED = """
import os, sys
from builder import orphans
log = sys.argv[1]
orphans._WATCH = f'kill() {{ echo "$@" >> {log}; }}; {orphans._WATCH} echo end >> {log}'
for group in (11, 22, 33):
    orphans.began(group, orphans.watch())
orphans.ended(22)
orphans.ended(3)
os.kill(os.getpid(), 9)
"""


def test_the_watcher_knows_only_what_is_under_way(tmp_path: Path) -> None:
    """What has ended before is not killed for it: its number may be another's by then."""
    killed = tmp_path / "killed"
    with spawn([sys.executable, "-c", WATCHED, killed], cwd=PROJECT) as process:
        assert process.wait(20) == -signal.SIGKILL
    poll(lambda: (killed.exists() and "end" in killed.read_text()) or None, Deadline.after(10), what="the end", interval=0.02)
    assert killed.read_text().splitlines() == ["-KILL -11", "-KILL -33", "end"]


def test_a_watcher_that_was_killed_is_started_anew() -> None:
    run(["true"])
    first = orphans._watcher
    assert first
    first.kill()
    first.wait()
    assert run(["echo", "on"]).stdout == "on\n"
    assert orphans._watcher and orphans._watcher.poll() is None


def test_the_program_has_the_usual_signals() -> None:
    """Neither those that Python ignores, nor SIGHUP as sh leaves it, nor blocked ones."""
    status = run(["cat", "/proc/self/status"]).stdout
    lines = (line.split() for line in status.splitlines() if line.startswith(("SigIgn", "SigBlk")))
    masks = {name.rstrip(":"): int(mask, 16) for name, mask in lines}
    wanted = sum(1 << (number - 1) for number in (*running.SIGNALS, signal.SIGPIPE))
    assert masks["SigIgn"] & wanted == masks["SigBlk"] & wanted == 0


def test_a_program_inherits_nothing_but_its_three_files(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        assert run(["ls", "/proc/self/fd"]).stdout.split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


def test_threads_start_programs_side_by_side() -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda number: run(["sh", "-c", f"echo {number}"]).stdout, range(64)))
    assert told == [f"{number}\n" for number in range(64)]


def test_a_program_that_never_began_may_have_been_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends at the first signal, before the second question."""
    killpg, pid = os.killpg, os.fork()
    if pid == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)

    def at_once(group: int, sign: int) -> None:
        killpg(group, sign)
        os.waitid(os.P_PID, group, os.WEXITED | os.WNOWAIT)

    poll(lambda: os.getpgid(pid) == pid or None, Deadline.after(10), what="its own group", interval=0.01)
    monkeypatch.setattr(os, "killpg", at_once)
    running._end_stillborn(pid)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
