"""The source `golang`: programs built from Go modules that the component's go.mod and go.sum pin."""

import errno
import json
import re
import shutil
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from builder.components.description import FILE, Description, filled_with
from builder.components.gomodules import at_work, settle
from builder.components.overlay import FOLDER, GoPackage, Overlay, one_of, without
from builder.components.source import Files, Request
from builder.components.toolchain import COMPILED_AS, Go, build_environment, c_toolchain, go, network
from builder.errors import BuildError, InputError, ToolMissing
from builder.frozen import Frozen
from builder.progress import Step, step, warn
from builder.reading.shapes import Shape
from builder.run import failure, run
from builder.store import disk_errors, file_digest, key_of
from builder.tidy import GO_LOCK

RECIPE = 2  # raised when a change here changes what a build gives
ATTEMPTS = 3
SILENCE = 1200.0  # seconds; linking the kubelet, the longest work without a word, takes one minute on a quiet host
BACKOFF = 2.0  # seconds before the second attempt; doubled before the third

# What Go writes where a module proxy can't be reached or breaks off (packages net, net/http, crypto/tls and cmd/go).
UNREACHED = re.compile(
    r"dial tcp|connection re(?:fused|set)|no such host|i/o timeout|TLS handshake|(?<!syntax error: )unexpected EOF"
    r"|deadline exceeded|network is unreachable|proxyconnect|: (?:408|425|429|500|502|503|504) [A-Z]"
)
NOT_CACHED = "module lookup disabled by GOPROXY=off"
FULL = "no space left on device"
PACKAGE = re.compile(r"[\w.~/+-]+")  # go build -v writes an import path for each package that it compiles


NOT_BUILT = (FILE, "image.yml", "minor.yml", "fields.json")
"""Files of a component's folder that say something else than what is built there."""

LOCAL_REPLACE = re.compile(r"=>\s+(\.\.?/\S+)")
"""The folder in a `replace` of go.mod that names one (go.dev/ref/mod#go-mod-file-replace)."""


ModuleFile = Annotated[str, Shape(r"^(?!.*\.\.)[\w.~/-]*\w//\w[\w.~/-]*$", "MODULE//PATH, such as example.org/tool//list.txt")]
MainFile = Annotated[str, Shape(r"^((\.\./)?[\w-]+/)?[\w-]+\.go$", "a Go file, such as ../program/main.go")]
Flag = Annotated[str, Shape(r"^([^{}]|\{[^{}]*\})+$", "a flag for Go's linker", filled_with("version", "major", "minor"))]


class Together(Frozen):
    """Programs that are one, by the name under which it is called."""

    main: MainFile | None = Field(
        None, description="the file with its main function; without it, one that calls those of the programs' packages"
    )
    programs: tuple[str, ...] = Field(min_length=2, description="those of packages that it is")


class Section(Frozen):
    """The section `golang` of component.yml."""

    tests: dict[str, str] = Field({}, description="output file -> Go package whose tests the program runs")
    files: dict[str, ModuleFile] = Field({}, description="output file -> a file that is taken out of a module, MODULE//PATH")
    packages: dict[str, str] = Field(
        {}, validate_default=True, description='output file -> Go package ("." for the folder itself)'
    )
    together: Together | None = Field(None, description="programs of packages that are one with several names")
    left_out: dict[str, tuple[str, ...]] = Field(
        {},
        description="a package that all of packages import -> what it imports (for what that does alone), and is to be without",
    )
    cgo: bool = False
    libraries: dict[str, str] = Field({}, description="C libraries: pkg-config name -> the Debian package that has it")
    tags: tuple[str, ...] = ()
    ldflags: tuple[Flag, ...] = Field((), description="added to -s -w -buildid=; {version}, {major} and {minor} are filled in")

    @model_validator(mode="after")
    def _together_of_packages(self) -> "Section":
        if self.together and (unknown := sorted(set(self.together.programs) - set(self.packages))):
            raise ValueError(f"together names {', '.join(unknown)}, which packages does not have")
        if self.together and self.left_out:
            raise ValueError("together and left_out can't be had at once")
        return self

    @field_validator("packages")
    @classmethod
    def _builds_something(cls, packages: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if not packages and not info.data.get("tests") and not info.data.get("files"):
            raise ValueError("name at least one program, here or in tests")
        return packages

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(sorted({*self.packages, *self.tests, *self.files}))


class Golang:
    """Builds with `go build` and `go test -c`, through the user's module proxy or from the modules of earlier runs."""

    name = "golang"

    def outputs(self, description: Description) -> tuple[str, ...]:
        section = description.section(self.name, Section)
        return section.outputs if section else ()

    def recall(self, request: Request) -> Files | None:
        try:
            found = request.store.recall(_plan(request).key)
        except ToolMissing:
            return None
        return found["files"] if found else None

    def provide(self, request: Request) -> Files:
        """Raises ToolMissing (Go, gcc, a C library) and BuildError (a proxy that does not answer, a compile error)."""
        plan = _plan(request)
        files: Files = request.store.once(plan.key, lambda: {"files": plan.build()})["files"]
        return files


@dataclass(frozen=True)
class Plan:
    """A build that is decided: what is built with what, and the key of all that its bytes depend on."""

    request: Request
    section: Section
    go: Go
    key: str

    def build(self) -> Files:
        """Builds every file; one component at a time on this machine, since Go itself uses all cores."""
        description, store = self.request.description, self.request.store
        with (
            store.lock(GO_LOCK),
            store.workdir("golang") as work,
            store.workdir("overlay") as replaced,
            step(f"build {description.name} {description.version}", unit="packages") as progress,
        ):
            overlay = self._overlay(replaced, work, progress)
            for file in self._made:
                progress.advance(0, file)
                if file in self.section.files:
                    shutil.copyfile(self._file_of(self.section.files[file], work, progress), work / file)
                else:
                    self._attempt(self._command(work / file, overlay), work, progress)
            settle(store.scratch("go") / "mod", at_work(description.folder))
            shutil.rmtree(store.scratch("go") / "build", ignore_errors=True)  # an older version's, not compressed
            made = {file: store.adopt(work / file) for file in self._made}
        return {file: made[self._program_of(file)] for file in self.section.outputs}

    @property
    def _made(self) -> tuple[str, ...]:
        """The files that are built: of programs that are one, that one."""
        return tuple(sorted({self._program_of(file) for file in self.section.outputs}))

    def _program_of(self, file: str) -> str:
        return self.request.name if self._one and file in self._one.programs else file

    @property
    def _one(self) -> Together | None:
        """What is one program here, unless separate ones are asked for."""
        return None if self.request.target.separate else self.section.together

    @property
    def _tags(self) -> list[str]:
        return ["-tags", ",".join(self.section.tags)] if self.section.tags else []

    def _file_of(self, place: str, work: Path, progress: Step) -> Path:
        """A file of a module, MODULE//PATH, in Go's cache. Go checks what it downloads against go.sum."""
        module, _, path = place.partition("//")
        told = self._attempt([str(self.go.program), "mod", "download", "-json", module], work, progress)
        file = Path(json.loads(told)["Dir"]) / path
        if not file.is_file():
            raise BuildError(f"the module {module} of {self.request.name} has no file {path}")
        return file

    def _overlay(self, replaced: Path, work: Path, progress: Step) -> list[str]:
        """The flags of a build that reads some files otherwise; what is read instead is laid into `replaced`."""
        overlay = Overlay(replaced)
        for file, text in (self._thinned(work, progress) | self._one_of_mains(work, progress)).items():
            overlay.add(file, text)
        return overlay.flags()

    def _thinned(self, work: Path, progress: Step) -> dict[Path, str]:
        left_out, description = self.section.left_out, self.request.description
        files: dict[Path, str] = {}
        parts = {path: self._listed(path, work, progress) for path in left_out}
        for name, package in self.section.packages.items() if left_out else ():
            try:
                files |= without(description.folder, name, self._listed(package, work, progress), parts, left_out)
            except ValueError as error:
                raise InputError(f"{description.path}: golang.left_out: {error}") from error
        return files

    def _one_of_mains(self, work: Path, progress: Step) -> dict[Path, str]:
        if not self._one or self._one.main:
            return {}
        programs = {name: self._listed(self.section.packages[name], work, progress) for name in self._one.programs}
        return one_of(self.request.description.folder, programs)

    def _listed(self, package: str, work: Path, progress: Step) -> GoPackage:
        command = [str(self.go.program), "list", *self._tags, "-json=Dir,GoFiles", package]
        told = json.loads(self._attempt(command, work, progress))
        return GoPackage(Path(told["Dir"]), tuple(told["GoFiles"]))

    def _command(self, output: Path, overlay: Sequence[str]) -> list[str]:
        if output.name in self.section.tests:
            verb, package = ["test", "-c", "-vet=off"], self.section.tests[output.name]
        else:
            verb, package = ["build", "-v"], self._package(output.name)
        version = self.request.description.version
        major, minor, *_ = [*version.split("."), ""]
        added = [flag.format(version=version, major=major, minor=minor) for flag in self.section.ldflags]
        ldflags = " ".join(["-s -w -buildid=", *added])
        return [str(self.go.program), *verb, *COMPILED_AS, *overlay, *self._tags, "-ldflags", ldflags, "-o", str(output), package]

    def _package(self, file: str) -> str:
        """What a file is built from. The program that is several may have the name of one of them."""
        if self._one and file == self.request.name:
            return self._one.main or f"./{FOLDER}"
        return f"./{FOLDER}/{file}" if self.section.left_out else self.section.packages[file]

    def _environment(self, work: Path) -> dict[str, str]:
        return {
            **build_environment(self.request.store.scratch("go"), work), **self.request.platform.go,
            "CGO_ENABLED": "1" if self.section.cgo else "0",
            **({"GOPROXY": "off"} if self.request.offline else network(self.go.program)),
        }  # fmt: skip

    def _attempt(self, command: list[str], work: Path, progress: Step) -> str:
        """Runs the command; where a proxy did not answer, again after a while. Returns what it wrote to standard output."""
        environment = self._environment(work)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with disk_errors(self.request.store.root):
                    return _run_go(command, self.request.description.folder, environment, progress)
            except _Unreached as error:
                if attempt == ATTEMPTS or NOT_CACHED in str(error):
                    raise self._unreached(str(error)) from error
                warn(f"{self.request.name}: {error}; attempt {attempt + 1} of {ATTEMPTS}")
                time.sleep(BACKOFF * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _unreached(self, line: str) -> BuildError:
        if self.request.offline:
            why, hint = f"--offline forbids to fetch them, and not all are in the cache: {line}", "run once without --offline"
        else:
            why, hint = line, "look at the network, at GOPROXY and at http_proxy / https_proxy; what was fetched is kept"
        return BuildError(f"the Go modules of {self.request.name} could not be fetched", why=why, hint=hint)


class _Unreached(Exception):
    """No module proxy answered; the text is the line in which Go says so."""


def _plan(request: Request) -> Plan:
    section = request.description.section(Golang.name, Section)
    assert section, "a source is asked only for what has a section"
    toolchain = go()
    facts = c_toolchain(section.libraries) if section.cgo else []
    inputs = (
        Golang.name,
        RECIPE,
        dict(request.platform.go),
        # What a description does without is left out, so that its key stays when another gets something new.
        section.model_dump(exclude={name for name in ("files", "together", "left_out") if not getattr(section, name)}),
        *(["separate"] if section.together and request.target.separate else []),
        request.description.version,
        toolchain.version,
        facts,
    )
    read = dict(_inputs(request.description.name, request.description.folder, tests=bool(section.tests)))
    if section.together and section.together.main:
        main = _there(request.description.folder / section.together.main, request.description.path)
        read[section.together.main] = file_digest(main)
    return Plan(request, section, toolchain, key_of(*inputs, read))


def _there(file: Path, description: Path) -> Path:
    if not file.is_file():
        raise InputError(f"{description}: golang.together.main names {file.name}, and {file.parent.resolve()} has no such file")
    return file


def _inputs(component: str, folder: Path, *, tests: bool) -> Iterator[tuple[str, str]]:
    """Path and digest of every file that a build in the folder may read: no descriptions, and tests where those are built.

    A folder that go.mod puts in a module's place (`replace x => ../y`) is read too.
    """
    for root in (folder, *(folder / name for name in LOCAL_REPLACE.findall((folder / "go.mod").read_text()))):
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and name not in NOT_BUILT and (tests or not name.endswith("_test.go")):
                yield f"{component if root == folder else root.name}/{name}", file_digest(path)


def _run_go(command: Sequence[str], folder: Path, environment: dict[str, str], progress: Step) -> str:
    """Raises _Unreached, OSError for a full disk, or BuildError with the last lines that Go wrote."""
    said: deque[str] = deque(maxlen=40)

    def heard(line: str) -> None:
        if PACKAGE.fullmatch(line):
            progress.advance(1, line)
        elif line.startswith("go: downloading "):
            progress.advance(0, line.removeprefix("go: "))
        else:
            said.append(line)

    done = run(command, cwd=folder, env=environment, check=False, timeout=None, silence=SILENCE, heard=heard)
    if done.code != 0:
        raise _fault(command, done.code, said)
    return done.stdout


def _fault(command: Sequence[str], code: int, said: Sequence[str]) -> Exception:
    for line in said:
        if FULL in line:
            return OSError(errno.ENOSPC, line)
    for line in said:
        if NOT_CACHED in line or UNREACHED.search(line):
            return _Unreached(line.strip())
    return failure(command, code, "\n".join(said))
