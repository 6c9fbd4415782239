"""What is told of a recipe's keys: by --explain, and in the README's table."""

import re

import pytest

from builder.errors import InputError
from builder.project import Project
from builder.recipe.model import Recipe, RegistryAccess, State
from builder.recipe.reference import explained, keys, table, text


def test_the_readme_has_the_table_of_today() -> None:
    readme = (Project.here().root / "README.md").read_text()
    found = re.search(r"<!-- kubeiso check --reference -->\n(.*?)<!-- end -->", readme, re.DOTALL)
    assert found and found[1] == table(), "kubeiso check --reference prints the table that the README has to have"


def test_every_key_has_a_meaning_and_a_type() -> None:
    assert [key.path for key in keys() if not key.meaning or not key.type] == []


def test_no_key_is_left_out() -> None:
    paths = {key.path for key in keys()}
    assert set(Recipe.model_fields) <= paths
    assert {f"state.{name}" for name in State.model_fields} <= paths
    assert {f"registries.NAME.{name}" for name in RegistryAccess.model_fields} <= paths
    assert "kubeadm.ClusterConfiguration" in paths, "as the file has it"


def test_defaults_are_those_of_an_empty_recipe() -> None:
    told = {key.path: key.default for key in keys()}
    assert told["runtime"] == "" and told["network.pod_subnet"] == "10.244.0.0/16" and told["state.format"] == "none"
    assert told["kernel.watchdog"] == "60" and told["network.policies"] == "false" and told["handlers"] == "[]"


@pytest.mark.parametrize("name", ["network.pod_subnet", "pod_subnet", "podSubnet", "network.podsubnet"])
def test_a_key_by_its_place_or_its_last_part(name: str) -> None:
    (key,) = explained(name)
    assert text(key) == (
        "network.pod_subnet\n  addresses of pods; each node takes a /24 of it\n"
        "  an IPv4 subnet such as 10.244.0.0/16; default: 10.244.0.0/16"
    )


def test_a_group_with_what_is_in_it() -> None:
    assert [key.path for key in explained("ssh")] == ["ssh", "ssh.authorized_keys"]
    assert "files[].path" in [key.path for key in explained("files")]
    assert "registries.NAME.client.key" in [key.path for key in explained("registries")]


def test_a_key_that_is_none() -> None:
    with pytest.raises(InputError, match="a recipe has no key netwrok") as raised:
        explained("netwrok")
    assert raised.value.hint == "did you mean 'network'?"
