"""How a node resolves names: what a recipe may say, and what the step `metadata` reads of it."""

from pathlib import Path

import pytest
from spec_samples import file_of, mistakes_of, spec_of

from builder.recipe.model import Recipe

PATH = "etc/dns/resolv.conf"


def recipe(**dns: object) -> Recipe:
    return Recipe.model_validate({"runtime": "cri-containerd", "dns": dns})


def test_servers_and_domains() -> None:
    spec = spec_of(recipe(servers=["192.0.2.53", "2001:db8::53"], search=["a.example", "example"]))
    assert file_of(spec, PATH) == "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch a.example example\n"


def test_the_folder_is_there_for_the_step_even_where_nothing_is_said() -> None:
    paths = {file.path: file for file in spec_of(recipe()).files}
    assert paths["etc/dns"].directory and PATH not in paths


WRONG = {
    "dns: {servers: [ns.example.org]}": "expected an address such as 192.0.2.53",
    "dns: {servers: [192.0.2.256]}": "'192.0.2.256' is no address",
    "dns: {servers: [192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4]}": "at most 3",
    "dns: {search: [.example.org]}": "expected a DNS domain such as cluster.local",
    "dns: {nameservers: [192.0.2.1]}": "unknown key",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes(tmp_path: Path, text: str) -> None:
    (told,) = mistakes_of(text, tmp_path)
    assert WRONG[text] in told
