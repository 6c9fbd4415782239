"""Pins of a further version of Kubernetes: made from those that are there, and from what its own source says of itself."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from builder.aside import file_set
from builder.components.description import FILE, describe, minor, minors, names
from builder.components.golang import Golang, Section
from builder.components.gomodules import settle
from builder.components.kubernetes import NAME
from builder.components.toolchain import COMPILED_AS, build_environment, go, network
from builder.errors import BuildError, InputError
from builder.progress import step
from builder.project import Project
from builder.run import run
from builder.store import Store
from builder.tidy import GO_LOCK
from builder.workplace import workdir

MODULE = "k8s.io/kubernetes"
CONSTANTS = "cmd/kubeadm/app/constants/constants.go"
MINOR_FILE = "minor.yml"
FIELDS_FILE = "fields.json"
SILENCE = 1200.0

# What constants.go has in so many words; etcd's versions also stand in a table by minor version.
STATED = {
    "etcd": r'DefaultEtcdVersion = "([\d.]+)-\d+"',
    "coredns": r'CoreDNSVersion = "v([\d.]+)"',
    "pause": r'PauseVersion = "([\d.]+)"',
}
# `go mod edit -json` leaves these lines out.
GODEBUG = re.compile(r"^(?:godebug )?\s*([a-z0-9]+=[\w.]+)$", re.MULTILINE)
TABLE = r"SupportedEtcdVersion = map\[uint8\]string\{([^}]*)\}"

HEAD = """# The versions that kubeadm of this minor version asks for by itself (cmd/kubeadm/app/constants/constants.go:
# SupportedEtcdVersion, CoreDNSVersion, PauseVersion). Where the node's images are others, its configuration says so.
"""
UNTRIED = """# Pinned by `kubeiso lock --add`; nothing has been tried with it.
default: false
conformance: false
"""


@dataclass(frozen=True)
class Asked:
    """What a Kubernetes says of itself. modules: its own parts that its archive has (staging), each a module of its own."""

    version: str
    go: str
    godebug: tuple[str, ...]
    modules: tuple[str, ...]
    deploys: Mapping[str, str]


@dataclass(frozen=True)
class Workbench:
    """Go's module commands, through the user's proxy and checksum database."""

    store: Store
    folder: Path

    def told(self, *words: str, within: Path | None = None, check: bool = True) -> str:
        program = go().program
        environment = {**build_environment(self.store.scratch("go"), self.folder), **network(program)}
        return run(
            [program, *words], cwd=within or self.folder, env=environment, check=check, timeout=None, silence=SILENCE
        ).stdout

    def read(self, file: Path) -> dict[str, Any]:
        """A go.mod, as `go mod edit` tells it."""
        found: dict[str, Any] = json.loads(self.told("mod", "edit", "-json", str(file)))
        return found


def available(store: Store) -> tuple[str, ...]:
    """Every release of Kubernetes that the module proxy knows, oldest first, without pre-releases."""
    with store.workdir("pins") as work:
        told = Workbench(store, work).told("list", "-m", "-versions", "-f", '{{join .Versions " "}}', MODULE)
    return tuple(version.removeprefix("v") for version in told.split() if "-" not in version)


def add_kubernetes(version: str, project: Project, store: Store) -> list[Path]:
    """Writes the pins of that version into pkg/ of the working folder or of the clone, and returns their folders.

    Every component that is pinned for each minor version gets them; another patch of a minor version takes the place of the one
    that is there. Raises InputError for a version that is none, and BuildError where modules can't be fetched.
    """
    with store.lock(GO_LOCK), store.workdir("pins") as work, step(f"pin Kubernetes {version}", unit="components") as progress:
        bench = Workbench(store, work)
        asked = ask(bench, version)
        made = []
        for name in per_minor(project):
            progress.advance(1, name)
            made.append(_made(bench, name, asked, project, work / name))
        settle(store.scratch("go") / "mod")
        return [_placed(folder, folder.name, asked, project) for folder in made]


def per_minor(project: Project) -> tuple[str, ...]:
    """The components that have pins for each minor version of Kubernetes; itself last, so that it is there when all is."""
    found = [name for name in names(project) if minors(name, project)]
    return tuple(sorted(found, key=lambda name: (name == NAME, name)))


def ask(bench: Workbench, version: str) -> Asked:
    """What the source of that version says. Raises InputError where there is no such version, and BuildError for what ails Go."""
    told = json.loads(bench.told("mod", "download", "-json", f"{MODULE}@v{version}", check=False) or "{}")
    fault = told.get("Error", "Go said nothing" if not told else "")
    if re.search(r"unknown revision|404 Not Found|not found", fault):
        raise InputError(
            f"there is no Kubernetes {version}", why=fault, hint="kubeiso kubernetes --available lists what there is"
        )
    if fault:
        raise BuildError(f"the source of Kubernetes {version} could not be fetched", why=fault)
    described = bench.read(Path(told["GoMod"]))
    staged = [each["Old"]["Path"] for each in described["Replace"] or () if each["New"]["Path"].startswith("./staging/")]
    with ZipFile(told["Zip"]) as archive:
        constants = archive.read(f"{MODULE}@v{version}/{CONSTANTS}").decode()
    debug = tuple(GODEBUG.findall(Path(told["GoMod"]).read_text()))
    return Asked(version, described["Go"], debug, tuple(sorted(staged)), stated(constants, version))


def stated(constants: str, version: str) -> dict[str, str]:
    """The versions of etcd, CoreDNS and pause in kubeadm's constants. Raises BuildError for one that is not where it was."""
    found = {}
    for name, pattern in STATED.items():
        match = re.search(pattern, constants)
        if match is None:
            raise BuildError(f"{CONSTANTS} of Kubernetes {version} does not say the version of {name}", why=f"no {pattern}")
        found[name] = match[1]
    table = re.search(TABLE, constants)
    number = minor(version).partition(".")[2]
    row = re.search(rf'\b{number}:\s*"([\d.]+)-\d+"', table[1]) if table else None
    return {**found, "etcd": row[1] if row else found["etcd"]}


def _made(bench: Workbench, name: str, asked: Asked, project: Project, folder: Path) -> Path:
    """The component's folder for the minor version, after the nearest one that is there."""
    pattern = describe(name, project, nearest(minors(name, project), minor(asked.version)))
    section = pattern.section(Golang.name, Section)
    if section is None:
        raise BuildError(f"pkg/{name} has no Go modules to pin")
    version = asked.deploys.get(name, asked.version)
    folder.mkdir()
    text = pattern.path.read_text()
    (folder / FILE).write_text(re.sub(r"^version: .*$", f'version: "{version}"', text, count=1, flags=re.MULTILINE))
    tools = sorted({*section.packages.values(), *section.tests.values()})
    before = bench.read(pattern.folder / "go.mod")
    roots = [each["Path"] for each in before["Require"] if any(f"{tool}/".startswith(f"{each['Path']}/") for tool in tools)]
    (folder / "go.mod").write_text(go_mod(before["Module"]["Path"], asked, tools, dict.fromkeys(roots, version)))
    bench.told("mod", "tidy", within=folder)
    if section.tests:  # which are another module's, so that tidying does not look at what they import
        bench.told("list", "-mod=mod", "-deps", "-test", "tool", within=folder)
    if name == NAME:
        same = pattern.folder.name == minor(asked.version)
        (folder / MINOR_FILE).write_text(minor_file(asked, pattern.folder if same else None))
        (folder / FIELDS_FILE).write_text(fields_of(bench, folder, project))
    return folder


def fields_of(bench: Workbench, pins: Path, project: Project) -> str:
    """The JSON schema of the configurations that this Kubernetes has, by its own Go types."""
    work = bench.folder / "fields"
    shutil.copytree(project.pkg / NAME / "fields", work)
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(pins / name, work / name)
    return bench.told("run", *COMPILED_AS, "-mod=mod", ".", within=work)


def go_mod(module: str, asked: Asked, tools: Iterable[str], roots: Mapping[str, str]) -> str:
    """A go.mod that names what is built; Go adds the rest."""
    lines = [f"module {module}", "", f"go {asked.go}", ""]
    if MODULE in roots:
        lines += [f"godebug {setting}" for setting in asked.godebug]
        staged = f"v0.{asked.version.partition('.')[2]}"
        lines += ["replace (", *(f"\t{each} => {each} {staged}" for each in asked.modules), ")"]
    lines += ["tool (", *(f"\t{tool}" for tool in tools), ")"]
    lines += ["require (", *(f"\t{root} v{version}" for root, version in sorted(roots.items())), ")"]
    return "\n".join(lines) + "\n"


def minor_file(asked: Asked, before: Path | None) -> str:
    """What kubeadm of that minor version asks for. before: the folder of an earlier patch, whose other words are kept."""
    stated_now = "".join(f'{name}: "{asked.deploys[name]}"\n' for name in STATED)
    if before is None:
        return HEAD + stated_now + UNTRIED
    kept = (before / MINOR_FILE).read_text()
    for name, version in asked.deploys.items():
        kept = re.sub(rf"^{name}: .*$", f'{name}: "{version}"', kept, count=1, flags=re.MULTILINE)
    return kept


def nearest(known: Iterable[str], wanted: str) -> str:
    """The minor version that is the least away; of two the newer one."""

    def number(each: str) -> int:
        return int(each.partition(".")[2])

    return min(known, key=lambda each: (abs(number(each) - number(wanted)), -number(each)))


def _placed(made: Path, name: str, asked: Asked, project: Project) -> Path:
    target = _home(name, project) / minor(asked.version)
    target.mkdir(exist_ok=True)
    with file_set(target, FILE) as room:
        for path in made.iterdir():
            shutil.copyfile(path, room / path.name)
    return target


def _home(name: str, project: Project) -> Path:
    """The component's folder that is written to: the clone's, or one of the working folder, with what hides the installed one."""
    if project.own is None:
        return project.root / "pkg" / name
    home = project.own / "pkg" / name
    if not home.exists():
        home.parent.mkdir(exist_ok=True)
        with workdir(home.parent, ".kubeiso-") as room:
            shutil.copytree(project.pkg / name, room / name)
            (room / name).replace(home)
    return home
