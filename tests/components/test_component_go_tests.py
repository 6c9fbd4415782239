"""The tests that the project's own Go programs bring with them."""

from pathlib import Path

import pytest

from builder.components.toolchain import go
from builder.project import Project
from builder.run import run
from builder.store import default_root

PKG = Project.here().pkg
# image-store's are run with its store, in tests/images.
FOLDERS = sorted({path.relative_to(PKG.layers[-1]).parts[0] for path in PKG.glob("**/*_test.go")} - {"image-store"})


def go_test(folder: Path) -> None:
    cache = default_root() / "scratch" / "go"  # the builder's own, so that modules are fetched and compiled once
    env = {
        "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -modcacherw", "GOTOOLCHAIN": "local", "GOWORK": "off",
        "GOMODCACHE": str(cache / "mod"), "GOCACHE": str(cache / "build"),
    }  # fmt: skip
    for verb in ("vet", "test"):
        run([go().program, verb, "./..."], cwd=folder, env=env)


@pytest.mark.network
@pytest.mark.parametrize("name", FOLDERS)
def test_the_go_tests_of(name: str) -> None:
    go_test(PKG / name)
