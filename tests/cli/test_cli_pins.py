"""The verbs about pins: kubernetes, and lock --add."""

import json
from collections.abc import Callable

import pytest
from program import Outcome, Program, files

from builder.pipeline.kubernetes import chosen_version
from builder.pipeline.pins import pinned_kubernetes
from builder.project import Project

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]


def test_the_versions_that_a_recipe_can_name() -> None:
    found = pinned_kubernetes(Project.here())
    versions = [each.version for each in found]
    assert [each.version for each in found if each.default] == [chosen_version(Project.here(), None)]
    assert [chosen_version(Project.here(), version.rpartition(".")[0]) for version in versions] == versions
    assert all(each.deploys.keys() == {"etcd", "coredns"} for each in found)


def test_they_are_listed(kubeiso: Run, program: Program) -> None:
    (told,) = json.loads(kubeiso("kubernetes", "--json").out)["pinned"]
    assert told["default"] and kubeiso("kubernetes").out.split() == [told["version"], "(the", "default)"]
    assert files(program.home) == []


@pytest.mark.parametrize(
    "given", ["kubernetes", "kubernetes=1.36", "kubernetes=01.2.3", "etcd=3.6.8", "1.36.4", "kubernetes=../x"]
)
def test_what_is_no_version_of_kubernetes(kubeiso: Run, given: str) -> None:
    done = kubeiso("lock", "--add", given)
    assert done.failed(2, f"--add {given} names no version of Kubernetes", next="kubeiso lock --add kubernetes=1.36.4")
