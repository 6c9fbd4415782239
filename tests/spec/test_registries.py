"""How the node reaches registries, in the form of each runtime."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pem
import pytest
from spec_samples import file_of, mistakes_of, spec_of

from builder.recipe.model import Recipe
from builder.spec import registries
from builder.spec.registries import FORMS

MIRROR = "mirror.example.org:5000"


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    """A certificate and its key, as PEM."""
    return pem.made("mirror")


def recipe(pair: tuple[str, str], **more: Any) -> Recipe:
    certificate, key = pair
    reached = {
        "docker.io": {"mirrors": [f"https://{MIRROR}", "http://plain.example.org/v2/hub"]},
        MIRROR: {
            "ca": certificate, "client": {"certificate": certificate, "key": key}, "login": {"username": "u", "password": 'p"ä'},
        },
        "old.example.org": {"insecure": True},
    }  # fmt: skip
    return Recipe.model_validate({"runtime": "cri-containerd", "registries": reached, **more})


def made(form: str, recipe: Recipe) -> dict[str, tuple[str, str]]:
    return {file.path: (file.contents or "", file.mode) for file in registries.files(form, recipe.registries)}


@pytest.mark.parametrize("form", FORMS)
def test_a_recipe_that_says_nothing_of_them_adds_nothing(form: str) -> None:
    assert made(form, Recipe(runtime="cri-containerd")) == {}


@pytest.mark.parametrize(
    ("form", "folder"), [("containerd", "etc/containerd"), ("containers", "etc/containers"), ("docker", "etc/docker")]
)
def test_each_runtime_has_the_certificates(pair: tuple[str, str], form: str, folder: str) -> None:
    found, (certificate, key) = made(form, recipe(pair)), pair
    home = f"{folder}/certs.d/{MIRROR}"
    assert found[f"{home}/ca.crt"] == found[f"{home}/client.cert"] == (certificate, "0644")
    assert found[f"{home}/client.key"] == (key, "0600")


def test_containerd_asks_mirrors_in_their_order_with_what_their_own_entries_say(pair: tuple[str, str]) -> None:
    found = made("containerd", recipe(pair))
    text, mode = found["etc/containerd/certs.d/docker.io/hosts.toml"]
    hosts = tomllib.loads(text)
    assert hosts["server"] == "https://registry-1.docker.io"
    assert list(hosts["host"]) == [f"https://{MIRROR}", "http://plain.example.org/v2/hub"]
    first, second = hosts["host"].values()
    home = f"/etc/containerd/certs.d/{MIRROR}"
    assert first["capabilities"] == ["pull", "resolve"] and first["ca"] == f"{home}/ca.crt"
    assert first["client"] == [[f"{home}/client.cert", f"{home}/client.key"]]
    assert first["header"] == {"authorization": "Basic dTpwIsOk"} and mode == "0600", "the account is nobody else's to read"
    assert second == {"capabilities": ["pull", "resolve"], "override_path": True}
    own = tomllib.loads(found[f"etc/containerd/certs.d/{MIRROR}/hosts.toml"][0])
    assert own["server"] == f"https://{MIRROR}" and own["header"] == first["header"] and "host" not in own
    assert tomllib.loads(found["etc/containerd/certs.d/old.example.org/hosts.toml"][0])["skip_verify"] is True


def test_cri_o_reads_the_same(pair: tuple[str, str]) -> None:
    found = made("containers", recipe(pair))
    rows = {
        row["location"]: row for row in tomllib.loads(found["etc/containers/registries.conf.d/50-recipe.conf"][0])["registry"]
    }
    assert rows["docker.io"]["mirror"] == [
        {"location": MIRROR, "insecure": False}, {"location": "plain.example.org/v2/hub", "insecure": True},
    ]  # fmt: skip
    assert rows["old.example.org"]["insecure"] is True and rows[MIRROR]["insecure"] is False
    accounts, mode = found["etc/containers/auth.json"]
    assert json.loads(accounts) == {"auths": {MIRROR: {"auth": "dTpwIsOk"}}} and mode == "0600"
    assert tomllib.loads(found["etc/crio/crio.conf.d/50-recipe.conf"][0])["crio"]["image"] == {
        "global_auth_file": "/etc/containers/auth.json"
    }


def test_docker_reads_containerd_s_form_in_its_own_folder(pair: tuple[str, str]) -> None:
    theirs, found = made("containerd", recipe(pair)), made("docker", recipe(pair))
    assert {path.replace("etc/docker", "etc/containerd") for path in found} == set(theirs)
    hosts = tomllib.loads(found["etc/docker/certs.d/docker.io/hosts.toml"][0])["host"]
    assert hosts[f"https://{MIRROR}"]["ca"] == f"/etc/docker/certs.d/{MIRROR}/ca.crt"


def test_an_authority_of_the_whole_node(pair: tuple[str, str]) -> None:
    certificate, _ = pair
    spec = spec_of(recipe(pair, trust=[certificate, certificate]))
    assert file_of(spec, "etc/ssl/certs/kubeiso-trust.pem").count("-----BEGIN CERTIFICATE-----") == 2
    assert "etc/ssl/certs/kubeiso-trust.pem" not in {file.path for file in spec_of(Recipe(runtime="cri-containerd")).files}


WRONG = {
    "registries: {bad_host: {}}": "expected a registry's host",
    "registries: {a.example: {mirrors: [ftp://x]}}": "expected an address such as https://mirror.example.org",
    "registries: {a.example: {ca: nonsense}}": "that is no certificate in PEM (give the text from -----BEGIN CERTIFICATE-----",
    "registries: {a.example: {mirror: [x]}}": "unknown key (did you mean 'mirrors'?)",
    "trust: [x]": "that is no certificate in PEM",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes(tmp_path: Path, text: str) -> None:
    (told,) = mistakes_of(text, tmp_path)
    assert WRONG[text] in told


def test_a_key_with_a_passphrase(pair: tuple[str, str]) -> None:
    certificate, key = pair
    wrong = {"a.example": {"client": {"certificate": certificate, "key": pem.locked(key)}}}
    with pytest.raises(ValueError, match="the key has a passphrase"):
        Recipe.model_validate({"runtime": "cri-containerd", "registries": wrong})
