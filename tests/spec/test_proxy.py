"""A proxy: what a recipe may name, and what the node's programs read."""

import stat
from pathlib import Path

import pytest
from spec_samples import file_of, mistakes_of, spec_of

from builder.recipe.model import Recipe
from builder.spec.proxy import PATH

WHERE = "http://u:p%40@proxy.example.org:3128"


def recipe(**proxy: object) -> Recipe:
    network = {"pod_subnet": "10.1.0.0/16", "service_subnet": "10.2.0.0/16", "domain": "k.example"}
    return Recipe.model_validate({"runtime": "cri-containerd", "network": network, "proxy": proxy})


def test_what_is_the_cluster_s_own_goes_without() -> None:
    spec = spec_of(recipe(https=WHERE, no_proxy=["192.168.0.0/16", ".svc", "[fd00::1]:443"]))
    inside = "localhost,127.0.0.0/8,::1,10.1.0.0/16,10.2.0.0/16,.svc,.k.example"
    assert file_of(spec, PATH) == f"HTTPS_PROXY={WHERE}\nNO_PROXY={inside},192.168.0.0/16,[fd00::1]:443\n"
    (mode,) = [file.mode for file in spec.files if file.path == PATH]
    assert int(mode, 8) == stat.S_IRUSR | stat.S_IWUSR, "the account is root's to read"


def test_without_a_proxy_there_is_no_file() -> None:
    assert PATH not in {file.path for file in spec_of(recipe()).files}


WRONG = {
    "proxy: {https: proxy.example.org:3128}": "expected a proxy such as http://proxy.example.org:3128",
    "proxy: {http: 'http://u:$(reboot)@p'}": "expected a proxy such as http://proxy.example.org:3128",
    'proxy: {http: "http://p:3128\\nX=y"}': "expected a proxy such as http://proxy.example.org:3128",
    "proxy: {http: 'http://p', no_proxy: ['a b']}": "expected a host, a domain such as .example.org",
    "proxy: {http: 'http://p', noProxy: [a]}": "unknown key (did you mean 'no_proxy'?)",
    "proxy: {no_proxy: [.example.org]}": "has no effect: there is no proxy (leave it out, or name a proxy by http or https)",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes(tmp_path: Path, text: str) -> None:
    (told,) = mistakes_of(text, tmp_path)
    assert WRONG[text] in told
