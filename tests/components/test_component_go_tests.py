"""The tests that the project's own Go programs bring with them."""

import pytest
from go_programs import go_test

from builder.project import Project

PKG = Project.here().pkg
# image-store's are run with its store, in tests/images.
FOLDERS = sorted({path.relative_to(PKG.layers[-1]).parts[0] for path in PKG.glob("**/*_test.go")} - {"image-store"})


@pytest.mark.network
@pytest.mark.parametrize("name", FOLDERS)
def test_the_go_tests_of(name: str) -> None:
    go_test(PKG / name)
