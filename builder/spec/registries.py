"""How a node's runtime reaches registries: a recipe's `registries` in the forms that runtimes read.

A runtime's description names its form. Sources: containerd's docs/hosts.md; containers-registries.conf(5), containers-certs.d(5)
and containers-auth.json(5). Docker with its containerd image store reads containerd's form (github.com/moby/moby/v2,
daemon/hosts.go); its own settings, registry-mirrors and insecure-registries, give a mirror no certificates there.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from builder.recipe.model import Login, RegistryAccess
from builder.spec.model import NodeFile

HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"
"""Where Docker Hub answers: images name it otherwise."""

ACCOUNTS = "etc/containers/auth.json"

Registries = Mapping[str, RegistryAccess]


def files(form: str, registries: Registries) -> Iterator[NodeFile]:
    """The files of the node's root for a runtime of that form."""
    if registries:
        yield from FORMS[form](registries)


def _containerd(registries: Registries, root: str = "etc/containerd/certs.d") -> Iterator[NodeFile]:
    mode = "0600" if any(access.login for access in registries.values()) else "0644"
    for host, access in registries.items():
        yield from _secrets(f"{root}/{host}", access)
        lines = [f"server = {_quoted(f'https://{HUB_HOST if host == HUB else host}')}", *_host_lines(f"/{root}/{host}", access)]
        for mirror in access.mirrors:
            lines += ["", f"[host.{_quoted(mirror)}]", 'capabilities = ["pull", "resolve"]']
            lines += ["override_path = true"] * bool(urlsplit(mirror).path)
            lines += _host_lines(f"/{root}/{urlsplit(mirror).netloc}", _of(registries, mirror), mirror)
        yield NodeFile(path=f"{root}/{host}/hosts.toml", contents=_text(lines), mode=mode)


def _host_lines(folder: str, access: RegistryAccess, mirror: str = "") -> Iterator[str]:
    if access.ca:
        yield f"ca = {_quoted(f'{folder}/ca.crt')}"
    if access.client:
        yield f"client = [[{_quoted(f'{folder}/client.cert')}, {_quoted(f'{folder}/client.key')}]]"
    if access.insecure:
        yield "skip_verify = true"
    if access.login:
        yield f"[host.{_quoted(mirror)}.header]" if mirror else "[header]"
        yield f"authorization = {_quoted('Basic ' + _basic(access.login))}"


def _containers(registries: Registries) -> Iterator[NodeFile]:
    lines: list[str] = []
    for host, access in registries.items():
        yield from _secrets(f"etc/containers/certs.d/{host}", access)
        lines += ["[[registry]]", *_location(host, access.insecure)]
        for mirror in access.mirrors:
            parts = urlsplit(mirror)
            lines += ["[[registry.mirror]]"]
            lines += _location(parts.netloc + parts.path, parts.scheme == "http" or _of(registries, mirror).insecure)
    yield NodeFile(path="etc/containers/registries.conf.d/50-recipe.conf", contents=_text(lines))
    if accounts := {host: {"auth": _basic(access.login)} for host, access in registries.items() if access.login}:
        yield NodeFile(path=ACCOUNTS, contents=json.dumps({"auths": accounts}, indent=1) + "\n", mode="0600")
        lines = ["[crio.image]", f"global_auth_file = {_quoted(f'/{ACCOUNTS}')}"]
        yield NodeFile(path="etc/crio/crio.conf.d/50-recipe.conf", contents=_text(lines))


def _location(place: str, insecure: bool) -> list[str]:
    return [f"location = {_quoted(place)}", f"insecure = {_quoted(insecure)}"]


def _docker(registries: Registries) -> Iterator[NodeFile]:
    return _containerd(registries, "etc/docker/certs.d")


FORMS: Mapping[str, Callable[[Registries], Iterator[NodeFile]]] = {
    "containerd": _containerd, "containers": _containers, "docker": _docker,
}  # fmt: skip


def _secrets(folder: str, access: RegistryAccess) -> Iterator[NodeFile]:
    """The files of certificates, under the names that all runtimes can read."""
    if access.ca:
        yield NodeFile(path=f"{folder}/ca.crt", contents=access.ca)
    if access.client:
        yield NodeFile(path=f"{folder}/client.cert", contents=access.client.certificate)
        yield NodeFile(path=f"{folder}/client.key", contents=access.client.key, mode="0600")


def _of(registries: Registries, mirror: str) -> RegistryAccess:
    """What the recipe says of a mirror's own host."""
    return registries.get(urlsplit(mirror).netloc, RegistryAccess())


def _basic(login: Login) -> str:
    return base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _quoted(value: str | bool) -> str:
    """As TOML writes it; its basic strings are JSON's."""
    return json.dumps(value, ensure_ascii=False)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
