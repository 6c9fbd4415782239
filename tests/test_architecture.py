"""The shape of the project: which room may know which, and how large a piece of it may be."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What all may know, and what knows none of the rooms: modules directly under builder/, and folders of such.
GROUND = {
    "architecture",
    "aside",
    "cachedir",
    "checks",
    "container",
    "cpio",
    "deadline",
    "download",
    "ecma48",
    "elf",
    "errors",
    "fat",
    "frozen",
    "leash",
    "lock",
    "moment",
    "oci",
    "orphans",
    "owned",
    "process",
    "progress",
    "project",
    "reading",
    "references",
    "run",
    "scalars",
    "statefile",
    "store",
    "symlinks",
    "tarball",
    "tidy",
    "timeserver",
    "versions",
    "whole",
    "workplace",
}
# What is above all rooms.
ABOVE = {"__main__", "cli", "pipeline"}
# The rooms in their order, each with what it may import of the others. What is made flows on as a model; what runs is driven,
# so the rooms behind media also know, by name, the modules of their left neighbours that drive it.
ROOMS: dict[str, set[str]] = {
    "recipe": set(),
    "components": set(),
    "images": {"components.model"},
    "spec": {"recipe.model", "recipe.access", "components.model", "images.model"},
    "linuxkit": {"spec.model"},
    "assembly": {"linuxkit.model"},
    "media": {"assembly.model"},
    "provenance": {
        "recipe.model", "components.model", "components.toolchain", "images.model", "images.packages", "spec.model",
        "linuxkit.model", "assembly.model", "media.model", "media.layers", "media.verity",
    },
    "trust": {"media.model", "media.pe", "media.volume"},
    "console": set(),
    "machine": {
        "media.model", "console.model", "console.console", "console.control", "console.speed", "console.story", "console.wire",
    },
    "network": {"machine.model"},
    "cluster": {
        "console.model", "console.speed", "machine.model", "machine.budget", "machine.cidata", "machine.disk", "machine.machine",
        "machine.pace", "machine.qemu", "network.network", "network.reservation",
    },
    "forming": {
        "console.console", "console.story", "machine.machine", "machine.model", "machine.pace", "cluster.model",
        "cluster.guestports", "cluster.kubectl", "cluster.parallel",
    },
    "snapshots": {"cluster.parallel", "forming.onnode"},
    "acceptance": {
        "console.story", "machine.machine", "cluster.model", "cluster.guestports", "cluster.kubectl", "cluster.lifecycle",
        "forming.clock", "forming.form", "forming.objects", "forming.onnode", "forming.readiness", "spec.model",
    },
}  # fmt: skip

LONGEST_FUNCTION = 60
LONGEST_FILE = 400

# Spelt in parts, so that this file itself has none of them.
REGISTRIES = [
    name.replace(" ", ".")
    for name in (
        "debian org", "ubuntu com", "proxy golang org", "sum golang org", "goproxy io", "goproxy cn", "pypi org",
        "pythonhosted org", "npmjs org", "npmjs com", "crates io", "maven org", "maven apache org",
    )
]  # fmt: skip
HOST = re.compile(
    r"(?<![\w.-])(?:[\w-]+\.)*(?:" + "|".join(re.escape(name) for name in REGISTRIES) + r")(?![\w-]|\.\w)", re.IGNORECASE
)
MACHINE_PATH = re.compile(r"(?<![\w.$}*-])/(?:" + "|".join(("wor" + "k", "roo" + "t/lab", "roo" + r"t/\.cache")) + r")/")
NOT_OURS = {".git", ".venv", "out", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "node_modules"}

# What starts a program, or may: only builder/run.py does, and builder/orphans.py its one watcher.
STARTING = {"builder.run", "builder.orphans"}
STARTERS = {
    "sh": {"Command"},
    "subprocess": {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"},
    "os": {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp"},
    "pexpect": {"spawn", "run", "runu"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "pty": {"spawn", "fork"},
}


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module

    @property
    def place(self) -> str:
        return str(self.path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def sources(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if not NOT_OURS.intersection(path.parts))


@cache
def modules() -> dict[str, Module]:
    """Every module of the package by its full name; a package goes by its own name."""
    found = {}
    for path in sources("builder"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = Module(name, path, parsed(path))
    return found


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Line and full name of each module of ours that is imported, wherever the import stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules() else base for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.partition(".")[0] == "builder")


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The full name behind `from X import`, also where X is relative."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    parts = package.split(".")
    return (
        ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
        if node.level
        else node.module or ""
    )


def may_import(importer: str, imported: str) -> bool:
    """Both are full names without "builder."; "" is the package itself."""
    room, of = importer.partition(".")[0], imported.partition(".")[0]
    if room in ABOVE or of in ("", room) or (of in GROUND and room not in ABOVE):
        return True
    return imported in ROOMS.get(room, set())


def test_every_part_has_its_floor() -> None:
    known = GROUND | ABOVE | set(ROOMS) | {"__init__"}
    parts = {path.stem for path in (ROOT / "builder").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - known == set(), "name it in GROUND, ABOVE or ROOMS"
    assert set(ROOMS) | GROUND <= parts


def test_a_room_knows_the_ground_and_its_left_neighbour_s_model() -> None:
    wrong = [
        f"{module.place}:{line}: {module.name} may not import {name}"
        for module in modules().values()
        for line, name in imports(module)
        if not may_import(module.name.removeprefix("builder").strip("."), name.removeprefix("builder").strip("."))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("spec.decide", "recipe.model", True), ("spec.decide", "recipe.load", False), ("recipe.load", "spec.model", False),
        ("cluster.up", "machine.machine", True), ("cluster.up", "machine.qmp", False), ("machine.qmp", "cluster", False),
        ("cluster.lifecycle", "forming.init", False), ("forming.form", "acceptance.smoke", False),
        ("checks", "cluster.model", False), ("media.iso", "run", True),
        ("run", "media.iso", False), ("store", "errors", True), ("store", "pipeline", False),
        ("pipeline.build", "media.iso", True), ("recipe.load", "cli", False),
    ],
)  # fmt: skip
def test_the_rule_itself(importer: str, imported: str, allowed: bool) -> None:
    assert may_import(importer, imported) is allowed


def test_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {
        name: {other for _, other in imports(module) if other != name} for name, module in modules().items()
    }
    assert "builder.recipe.model" in graph["builder.recipe.load"], "the imports are not seen"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("import cycle: " + " <- ".join(error.args[1]), pytrace=False)


def test_no_long_functions() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"
        for path in (*sources("builder"), *sources("tests"))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert long == []


def test_no_long_files() -> None:
    paths = [*sources("builder"), *sources("tests"), *(path for path in texts() if path.suffix in (".go", ".sh"))]
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines" for path in paths if (lines := path.read_text().count("\n")) > LONGEST_FILE
    ]
    assert long == []


def test_programs_are_started_by_run_alone() -> None:
    wrong = [
        f"{module.place}:{node.lineno}: {node.func.value.id}.{node.func.attr}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if module.name not in STARTING and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name) and node.func.attr in STARTERS.get(node.func.value.id, ())
    ]  # fmt: skip
    imported = [
        f"{module.place}:{node.lineno}: from {node.module} import {alias.name}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if module.name not in STARTING and isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in STARTERS.get(node.module or "", ()) or node.module == "sh"
    ]
    assert wrong + imported + programs_by_name() == []


def programs_by_name() -> list[str]:
    """Imports of `sh` elsewhere: `sh.anything` is a program by that name, so no list of names would do."""
    return [
        f"{module.place}:{node.lineno}: import sh"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if module.name != "builder.run" and isinstance(node, ast.Import) and any(alias.name == "sh" for alias in node.names)
    ]


def texts() -> Iterator[Path]:
    """Every text file of the project that is not made by a tool."""
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT)
        if (
            NOT_OURS.intersection(inside.parts)
            or inside.parts[0].endswith(".egg-info")
            or path.is_symlink()
            or not path.is_file()
        ):
            continue
        if path.suffix in (".pyc", ".png", ".gz", ".xz", ".zst", ".bin"):
            continue
        yield path


@pytest.mark.parametrize(
    ("what", "pattern"), [("a registry's host", HOST), ("a path of one machine", MACHINE_PATH)], ids=["hosts", "paths"]
)
def test_no_word_of_the_place_where_it_was_built(what: str, pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}: {match[0]}"
        for path in texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert found == []


def test_the_patterns_find_what_they_are_for() -> None:
    assert all(HOST.search(f"https://{prefix}{name}/x") for name in REGISTRIES for prefix in ("", "deb."))
    assert not HOST.search("golang.org/x/sys my" + REGISTRIES[0] + " " + REGISTRIES[0] + "x")
    assert MACHINE_PATH.search("see /wor" + "k/main") and MACHINE_PATH.search("'/roo" + "t/lab/x'")
    assert not MACHINE_PATH.search("upper,workdir=/containers/tmp/wor" + "k/x") and not MACHINE_PATH.search("/roo" + "t/.ssh/")


def test_every_dependency_says_what_it_is_for() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    names = tomllib.loads("\n".join(lines))["project"]["dependencies"]
    assert [name for name in names if not any(f'"{name}",' in line and "#" in line for line in lines)] == []
