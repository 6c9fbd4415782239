"""Runtimes and handlers whose programs no registry of packages gives: run where they are given, by the same variables.

KUBEISO_CRIO names CRI-O's bundle or a folder with its programs, KUBEISO_KATA Kata Containers' archive or such a folder; without
them the upstreams' releases are asked for, or their mirror. KUBEISO_KATA_RECIPE: further lines for the recipes with Kata, such as
files that programs built by hand need.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import passes, planned

from builder.acceptance.suites import known
from builder.components.registry import find
from builder.errors import KubeisoError
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.store import Store

VARIABLES = {"cri-o": "KUBEISO_CRIO", "kata": "KUBEISO_KATA"}
GIVEN = {name: Path(os.environ[variable]) for name, variable in VARIABLES.items() if os.environ.get(variable)}


def lacks(name: str) -> str:
    """Why the component can't be had here; "" where it can."""
    try:
        find(name, Store(), Project.here(), GIVEN)
    except KubeisoError as error:
        return f"{error.what}; {VARIABLES[name]}=PATH gives it"
    return ""


pytestmark = [pytest.mark.boot, pytest.mark.long]


@pytest.mark.parametrize("suite", ["smoke", "redis"])
def test_cri_o(out: Path, suite: str) -> None:
    if reason := lacks("cri-o"):
        pytest.skip(reason)
    options = BuildOptions(console_login=True, overrides=GIVEN, extra=known()[suite].extra)
    passes(planned(out, recipe=Project.here().recipes / "cri-o.yml", options=options), suite, out)


@pytest.mark.parametrize(("runtime", "wanted"), [("cri-containerd", ["kata"]), ("cri-o", ["cri-o", "kata"])])
def test_kata(out: Path, tmp_path: Path, runtime: str, wanted: list[str]) -> None:
    """Pods in virtual machines on a node that is one: under emulation, with a processor that has SVM."""
    if reason := next(filter(None, map(lacks, wanted)), ""):
        pytest.skip(reason)
    more = os.environ.get("KUBEISO_KATA_RECIPE")
    recipe = tmp_path / f"{runtime}+kata.yml"
    recipe.write_text((Project.here().recipes / recipe.name).read_text() + (Path(more).read_text() if more else ""))
    plan = planned(out, recipe=recipe, options=BuildOptions(console_login=True, overrides=GIVEN))
    assert plan.runtime.virtualising
    passes(replace(plan, hardware=plan.hardware.model_copy(update={"memory": 4096})), "sandbox", out)
