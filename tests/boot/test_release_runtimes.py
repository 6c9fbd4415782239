"""Runtimes whose programs no registry of packages gives: run where they are given, by the same variables that a build takes.

KUBEISO_CRIO names CRI-O's bundle or a folder with its programs; without it the upstream's release is asked for, or its mirror.
"""

import os
from pathlib import Path

import pytest
from boot_helpers import passes, planned

from builder.acceptance.suites import known
from builder.components.registry import find
from builder.errors import KubeisoError
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.store import Store

GIVEN = {"cri-o": Path(os.environ["KUBEISO_CRIO"])} if os.environ.get("KUBEISO_CRIO") else {}


def lacks() -> str:
    """Why CRI-O can't be had here; "" where it can."""
    try:
        find("cri-o", Store(), Project.here(), GIVEN)
    except KubeisoError as error:
        return error.what
    return ""


pytestmark = [pytest.mark.boot, pytest.mark.long]


@pytest.mark.parametrize("suite", ["smoke", "redis"])
def test_cri_o(out: Path, suite: str) -> None:
    if reason := lacks():
        pytest.skip(f"{reason}; KUBEISO_CRIO=PATH gives it")
    options = BuildOptions(console_login=True, overrides=GIVEN, extra=known()[suite].extra)
    passes(planned(out, recipe=Project.here().recipes / "cri-o.yml", options=options), suite, out)
