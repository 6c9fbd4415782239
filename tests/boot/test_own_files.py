"""A recipe's own files on a booted node: those that no YAML can hold, and those below /var, where the node mounts its state."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import booted, planned

from builder.deadline import Deadline

pytestmark = [pytest.mark.boot, pytest.mark.long]

BINARY = bytes(range(256)) * 5000
RECIPE = """
runtime: cri-containerd
files:
  - {path: /usr/share/own/table.bin, source: table.bin, mode: '0640'}
  - {path: /var/lib/own/table.bin, source: table.bin}
  - {path: /etc/kubernetes/own.yaml, contents: "own: true"}
"""
LOOK = "cd /usr/share/own; stat -c %a table.bin; sha256sum table.bin /var/lib/own/table.bin; cat /etc/kubernetes/own.yaml"


def test_a_recipe_s_own_files_are_on_the_node(out: Path, tmp_path: Path) -> None:
    (tmp_path / "table.bin").write_bytes(BINARY)
    recipe = tmp_path / "files.yml"
    recipe.write_text(RECIPE)
    with booted(replace(planned(out, recipe=recipe), name="t-files")) as (cluster, machines, scale):
        told = machines[cluster.nodes[0].name].shell().run(LOOK, Deadline.after(30, scale=scale))
    digest = hashlib.sha256(BINARY).hexdigest()
    assert told.code == 0, told.output
    assert told.output.split() == ["640", digest, "table.bin", digest, "/var/lib/own/table.bin", "own:", "true"]
