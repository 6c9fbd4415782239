"""What a build reads otherwise than the modules have it, by `go build -overlay` (cmd/go): no module is changed for it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = "together"
"""Beside go.mod, for the build alone: the main function of several programs, and below it the package of each."""

PACKAGE = re.compile(r"^package main\b", re.MULTILINE)
MAIN = re.compile(r"^func main\(\)", re.MULTILINE)
MODULE = re.compile(r"^module\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class GoPackage:
    """A package as `go list` tells it: its folder, and the files that a build for the platform takes."""

    folder: Path
    files: tuple[str, ...]


class Overlay:
    """The files that are read otherwise, and where what is read in their place lies."""

    def __init__(self, work: Path) -> None:
        """work: a folder of the build's own."""
        self._work = work
        self._replaced: dict[str, str] = {}

    def add(self, file: Path, text: str) -> None:
        instead = self._work / f"{len(self._replaced)}.go"
        instead.write_text(text)
        self._replaced[str(file)] = str(instead)

    def flags(self) -> list[str]:
        """For go build; none where nothing is read otherwise."""
        if not self._replaced:
            return []
        described = self._work / "overlay.json"
        described.write_text(json.dumps({"Replace": self._replaced}))
        return ["-overlay", str(described)]


def without(
    folder: Path, name: str, program: GoPackage, parts: Mapping[str, GoPackage], left_out: Mapping[str, tuple[str, ...]]
) -> dict[Path, str]:
    """The files of a program whose packages `parts`, which it imports, do not import what they are to leave out.

    folder: the one with go.mod. parts, left_out: by the import path of a package. Raises ValueError where nothing is left out so.
    """
    module = _module(folder)
    own: dict[Path, str] = {}
    texts = {file: (program.folder / file).read_text() for file in program.files}
    for number, (path, part) in enumerate(parts.items()):
        if not any(f'"{path}"' in text for text in texts.values()):
            raise ValueError(f"{name} does not import {path}")
        texts = {file: text.replace(f'"{path}"', f'"{module}/{FOLDER}/part{number}"') for file, text in texts.items()}
        own |= {folder / FOLDER / f"part{number}" / file: text for file, text in _thinned(path, part, left_out[path]).items()}
    return own | {folder / FOLDER / name / file: text for file, text in texts.items()}


def _thinned(path: str, part: GoPackage, left_out: tuple[str, ...]) -> dict[str, str]:
    texts = {file: (part.folder / file).read_text() for file in part.files}
    for package in left_out:
        line = re.compile(rf'^\s*_ "{re.escape(package)}"\n', re.MULTILINE)
        if not any(line.search(text) for text in texts.values()):
            raise ValueError(f"{path} does not import {package} for what it does alone")
        texts = {file: line.sub("", text) for file, text in texts.items()}
    return texts


def one_of(folder: Path, programs: Mapping[str, GoPackage]) -> dict[Path, str]:
    """The files of a program that is all of these, by the name under which it is called.

    folder: the one with go.mod. A package `main` can't be imported, so each is read under another name, with its main function
    for others to call.
    """
    module = _module(folder)
    files = {folder / FOLDER / "main.go": _dispatcher(module, sorted(programs))}
    for name, package in programs.items():
        for file in package.files:
            files[folder / FOLDER / name / file] = _importable((package.folder / file).read_text(), _identifier(name))
    return files


def _module(folder: Path) -> str:
    found = MODULE.search((folder / "go.mod").read_text())
    assert found, "Go has read it before"
    return found[1]


def _importable(text: str, name: str) -> str:
    return MAIN.sub("func Main()", PACKAGE.sub(f"package {name}", text, count=1), count=1)


def _identifier(name: str) -> str:
    return "program_" + re.sub(r"\W", "_", name)


def _dispatcher(module: str, names: list[str]) -> str:
    imports = "\n".join(f'\t{_identifier(name)} "{module}/{FOLDER}/{name}"' for name in names)
    programs = "\n".join(f'\tcase "{name}":\n\t\t{_identifier(name)}.Main()' for name in names)
    return f"""package main

import (
	"fmt"
	"os"
	"path/filepath"

{imports}
)

func main() {{
	switch name := filepath.Base(os.Args[0]); name {{
{programs}
	default:
		fmt.Fprintf(os.Stderr, "%s: call this program by one of its names: {", ".join(names)}\\n", name)
		os.Exit(2)
	}}
}}
"""
