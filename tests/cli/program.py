"""`python -m builder` as a process, how it ended, and what it left."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from toy_project import Toy

from builder.deadline import Deadline, poll
from builder.run import PACKAGE_OF
from builder.store import file_digest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit code, its results on standard output, and what it told people on standard error."""

    code: int
    out: str
    told: str

    @property
    def error(self) -> dict[str, str]:
        """The error's parts: "what" (with its details), "why" and "next"; a part that it lacks is ""."""
        assert "Traceback" not in self.told, self.told
        last = self.told.rstrip("\n").rpartition("\n")[2]
        if last.startswith('{"event": "error"'):  # told to a machine
            told = json.loads(last)
            return {"what": "\n".join([told["what"], *told["details"]]), "why": told["why"], "next": told["next"]}
        text = self.told.partition("error: ")[2]
        parts = re.split(r"^(why|next): ", text, flags=re.MULTILINE)
        return {"what": parts[0], "why": "", "next": ""} | dict(zip(parts[1::2], parts[2::2], strict=True))

    def failed(self, code: int, *what: str, why: str = "", next: str = "") -> bool:
        """Whether it ended with that code and an error that says what to do next, with all of these words in their parts."""
        parts = self.error
        wanted = [*(("what", words) for words in what), ("why", why), ("next", next)]
        assert parts["what"].strip() and parts["next"].strip(), self.told
        missing = [(part, words) for part, words in wanted if words not in parts[part]]
        assert (self.code, missing) == (code, []), self.told
        return True

    def interrupted(self) -> bool:
        """Whether it ended as after Ctrl-C: with a word to the user, and none from Python."""
        assert "Traceback" not in self.told and "never retrieved" not in self.told, self.told
        assert (self.code, self.told.splitlines()[-1].partition(";")[0]) == (130, "interrupted"), self.told
        return True


@dataclass(frozen=True)
class Program:
    """The program on a toy project, with a cache, results and clusters of its own; several runs may be at work at once."""

    toy: Toy
    home: Path
    state: Path

    @property
    def out(self) -> Path:
        return self.home / "out"

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def iso(self) -> Path:
        return self.out / "kubeiso-toy-master.iso"

    def start(self, *words: str | Path, before: Iterable[str] = (), **variables: str) -> "subprocess.Popen[str]":
        """Starts it; `before` are words of a program that starts it, `variables` of the environment."""
        kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        self.home.mkdir(exist_ok=True)
        return subprocess.Popen(
            [*before, sys.executable, "-m", "builder", *map(str, words)], cwd=self.home, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**kept, **self.toy.environment(self.home, self.state), **variables},
        )  # fmt: skip

    def run(self, *words: str | Path, before: Iterable[str] = (), **variables: str) -> Outcome:
        return finish(self.start(*words, before=before, **variables))

    def build(self, *words: str | Path, before: Iterable[str] = (), **variables: str) -> Outcome:
        return self.run(*self.to_build, *words, before=before, **variables)

    @property
    def to_build(self) -> tuple[str, ...]:
        return ("build", "--runtime", "toy", *self.toy.components)

    def up(self, name: str) -> tuple[str, ...]:
        return ("up", "--runtime", "toy", "--name", name, *self.toy.components)


def finish(process: "subprocess.Popen[str]", seconds: float = 120) -> Outcome:
    """Waits for its end; a run that takes longer is killed and fails the test."""
    try:
        out, told = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        with process:  # waits for it, and closes its pipes
            process.kill()
            raise
    return Outcome(process.returncode, out, told)


def until(there: Callable[[], object], what: str) -> None:
    """Waits until it is so."""
    poll(lambda: there() or None, Deadline.after(60), what=what, interval=0.02)


def path_without(folder: Path, *programs: str) -> str:
    """A PATH on which everything is that the program runs, but these."""
    folder.mkdir()
    for name in {*PACKAGE_OF, "env", "linuxkit", "pkg-config", "sh"} - set(programs):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return str(folder)


def write_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def unsound(cache: Path) -> list[str]:
    """The blobs of a cache that are not what their names say."""
    return [path.name for path in (cache / "blobs" / "sha256").iterdir() if file_digest(path) != f"sha256:{path.name}"]


def files(folder: Path) -> list[str]:
    """All that lies in a folder, hidden or not."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) if folder.is_dir() else []
