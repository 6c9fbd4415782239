"""Recipes: what loads, and what is said of what does not."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from recipe_samples import PINNED, check, make_project, public_key, said

from builder.errors import InputError
from builder.project import Project
from builder.recipe.access import Ssh
from builder.recipe.load import LARGEST, check_recipe, load_recipe
from builder.recipe.model import File, Kubernetes, Network, Recipe, Role, Service

ROOT = Path(__file__).parents[2]
DEFAULT_RECIPE = ROOT / "recipes" / "cri-containerd.yml"
START = "runtime: cri-containerd\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def load(project: Path, text: str, **values: str) -> Recipe:
    file = project / "recipes" / "x.yml"
    file.write_text(text)
    return load_recipe(file, Project(project), values)


def test_default_recipe_says_what_the_defaults_are(project: Path) -> None:
    recipe = load_recipe(DEFAULT_RECIPE, Project(project))
    assert recipe == Recipe(runtime="cri-containerd", kubernetes=Kubernetes(version="1.36.3"))
    assert recipe.kubernetes.version == "1.36.3"
    assert recipe.roles == (Role.MASTER, Role.WORKER)


@pytest.mark.parametrize("file", sorted((ROOT / "recipes").glob("*.yml")), ids=lambda file: file.stem)
def test_every_recipe_of_the_project_is_free_of_mistakes(file: Path) -> None:
    assert check_recipe(file, Project(ROOT)) == []


def test_default_recipe_shows_every_key() -> None:
    text = DEFAULT_RECIPE.read_text()
    keys = {key for model in (Recipe, Network, Ssh, File, Service) for key in model.model_fields}
    assert [key for key in sorted(keys) if f"{key}:" not in text and f"`{key}`" not in text] == []


def test_whole_recipe(project: Path) -> None:
    (project / "recipes" / "audit.yaml").touch()
    recipe = load(
        project,
        f"""
runtime: cri-containerd
kubernetes: {{version: "1.37.0"}}
network:
  pod_subnet: 172.16.0.0/16
  service_subnet: 172.17.0.0/20
  domain: example.internal
  proxy_mode: iptables
roles: [worker]
kernel:
  arguments: [nomodeset, 'dyndbg="file kernel/module.c +p"']
  console: [ttyS1]
ssh:
  authorized_keys:
    - {public_key()}
    - 'from="10.0.0.0/8",no-pty {public_key("ssh-rsa", bytes(256))}'
files:
  - {{path: /etc/motd, contents: hello}}
  - {{path: etc/audit.yaml, source: audit.yaml, mode: "0600"}}
  - {{path: /etc/localtime, symlink: /usr/share/zoneinfo/UTC}}
  - {{path: /opt/data, directory: true}}
services:
  - name: exporter
    image: {PINNED}
    linuxkit: {{net: host, binds: [/proc:/host/proc], oomScoreAdj: -800, readonly: true}}
replace: {{getty: {PINNED}}}
""",
    )
    assert recipe.network.service_subnet == "172.17.0.0/20"
    assert [file.mode for file in recipe.files] == ["0644", "0600", "0644", "0755"]
    assert recipe.services[0].linuxkit.oom_score_adj == -800
    assert recipe.replace == {"getty": PINNED}


def test_a_recipe_never_changes() -> None:
    with pytest.raises(ValidationError):
        Recipe(runtime="x").runtime = "y"  # type: ignore[misc]


MISTAKES = {
    "runtme: cri-containerd": ["1:1: runtme: unknown key (did you mean 'runtime'?)"],
    "roles: [master]": ["1:1: runtime: the key is missing (runtime: a description in runtimes/)"],
    "runtime: cri-containrd": ["1:10: runtime: unknown runtime 'cri-containrd' (did you mean 'cri-containerd'?)"],
    "runtime: zzz": ["1:10: runtime: unknown runtime 'zzz' (known: cri-containerd)"],
    "runtime: 7": ["1:10: runtime: expected a text, got a number (write it in quotes: '7')"],
    START + "platform: arm65": ["2:11: platform: expected one of amd64, got 'arm65'"],
    START + "colour: red": [
        (
            "2:1: colour: unknown key (known: apparmor, cri, dns, extend, files, firmware, guest_tools, handlers, images, "
            "kernel, kubeadm, kubelet, kubernetes, logs, manifests, media, metadata, network, platform, proxy, registries, "
            "replace, roles, runtime, services, ssh, state, storage, swap, time, trust, users)"
        )
    ],
    START + "podSubnet: 10.0.0.0/16": ["2:1: podSubnet: unknown key (it belongs in network.pod_subnet)"],
    START + "network:\n  cni: brige": ["3:8: network.cni: unknown network 'brige' (did you mean 'bridge'?)"],
    START + "network:\n  podSubnet: 10.0.0.0/16": ["3:3: network.podSubnet: unknown key (did you mean 'pod_subnet'?)"],
    START + "network:": ["2:9: network: expected a group of keys, got nothing (leave the key out to take the default)"],
    START + "network: {domain: a b}": ["2:19: network.domain: expected a DNS domain such as cluster.local, got 'a b'"],
    START + "network: {proxy_mode: nftable}": [
        "2:23: network.proxy_mode: expected one of nftables, iptables, got 'nftable' (did you mean 'nftables'?)"
    ],
    START + "network:\n  pod_subnet: 10.244.0.1/16": [
        "3:15: network.pod_subnet: '10.244.0.1/16' is an address inside a subnet (did you mean '10.244.0.0/16'?)"
    ],
    START + "network:\n  pod_subnet: 10.244.0.0/33": [
        "3:15: network.pod_subnet: '10.244.0.0/33' is not an IPv4 subnet: '33' is not a valid netmask"
    ],
    START + "network:\n  pod_subnet: fd00::/64": [
        "3:15: network.pod_subnet: expected an IPv4 subnet such as 10.244.0.0/16, got 'fd00::/64'"
    ],
    START + "network:\n  pod_subnet: 127.0.0.0/16": [
        (
            "3:15: network.pod_subnet: 127.0.0.0/16 can't be used in a cluster: 127.0.0.0/8 is each host's own addresses "
            "(take a private one such as 10.244.0.0/16)"
        )
    ],
    START + "network:\n  pod_subnet: 0.0.0.0/8": [
        (
            "3:15: network.pod_subnet: 0.0.0.0/8 can't be used in a cluster: 0.0.0.0/8 is this network's own addresses "
            "(take a private one such as 10.244.0.0/16)"
        )
    ],
    START + "network:\n  service_subnet: 10.0.2.0/24": [
        (
            "3:19: network.service_subnet: 10.0.2.0/24 can't be used in a cluster: 10.0.2.0/24 is the network by which QEMU "
            "gives a machine access (take a private one such as 10.244.0.0/16)"
        )
    ],
    START + 'kernel: {arguments: ["a\'b"]}': [
        "2:22: kernel.arguments[0]: expected one kernel argument without spaces, ' and \\ (one entry for each), got \"a'b\""
    ],
    START + "kernel: {arguments: ['c\\d']}": [
        "2:22: kernel.arguments[0]: expected one kernel argument without spaces, ' and \\ (one entry for each), got 'c\\\\d'"
    ],
    START + 'files:\n  - {path: "/a\\tb", contents: x}': [
        "3:12: files[0].path: expected an absolute path without . or .. or control characters, got '/a\\tb'"
    ],
    START + 'files:\n  - {path: "/a\\eb", contents: x}': [
        "3:12: files[0].path: expected an absolute path without . or .. or control characters, got '/a\\x1bb'"
    ],
    START + 'files:\n  - {path: /a, symlink: "/b\\0c"}': [
        "3:25: files[0].symlink: expected the path that the link leads to, got '/b\\x00c'"
    ],
    START + "files:\n  - {path: /" + "x" * 300 + ", contents: x}": [
        "3:12: files[0].path: the part '" + "x" * 57 + "...' has more than 255 bytes"
    ],
    START + "network:\n  pod_subnet: 10.244.0.0/25": ["3:15: network.pod_subnet: kubeadm takes no /25 here (from /8 to /24)"],
    START + "network:\n  service_subnet: 172.0.0.0/11": [
        "3:19: network.service_subnet: kubeadm takes no /11 here (from /12 to /28)"
    ],
    START + "network: {service_subnet: 10.244.1.0/24}": [
        "2:27: network.service_subnet: pod_subnet 10.244.0.0/16 and service_subnet 10.244.1.0/24 overlap (choose separate ranges)"
    ],
    START + "roles: [master, wroker]": ["2:17: roles[1]: expected one of master, worker, got 'wroker' (did you mean 'worker'?)"],
    START + "roles: [master, master]": ["2:17: roles[1]: 'master' is here a second time (first: roles[0])"],
    START + "roles: []": ["2:8: roles: expected at least one entry, got an empty list (leave the key out to take the default)"],
    START + "roles: master": [
        "2:8: roles: expected a list of words of master, worker, got a text (write each entry on a line of its own after '- ')"
    ],
    START + "kernel:\n  arguments: 5": [
        "3:14: kernel.arguments: expected a list of texts, got a number (write each entry on a line of its own after '- ')"
    ],
    START + "kernel: {arguments: [a b]}": [
        "2:22: kernel.arguments[0]: expected one kernel argument without spaces, ' and \\ (one entry for each), got 'a b'"
    ],
    START + "kernel: {arguments: [on]}": ["2:22: kernel.arguments[0]: expected a text, got true (write it in quotes: 'on')"],
    START + "kubernetes: {version: 1.36}": [
        "2:23: kubernetes.version: expected a text, got a number (write it in quotes: '1.36')"
    ],
    START + "kubernetes: {version: v1.36.3}": [
        "2:23: kubernetes.version: expected a version without a leading v, such as 1.36.3, or its minor, 1.36, got 'v1.36.3'"
    ],
    START + "files:\n  - path: /etc/a": [
        "3:5: files[0]: nothing says what the file is (give one of contents, source, symlink, directory)"
    ],
    START + "files:\n  - {path: /a, contents: x, symlink: y}": [
        "3:5: files[0]: contents and symlink are both given (keep one of them)"
    ],
    START + "files:\n  - path: /a\n    contents:": [
        "4:14: files[0].contents: expected a text, got nothing (leave the key out, or write '' for an empty text)"
    ],
    START + "files:\n  - {path: /a, contents: x, mode: 0644}": [
        "3:35: files[0].mode: expected a text, got a number (write it in quotes: '0644')"
    ],
    START + "files:\n  - {path: /a, contents: x, mode: '0999'}": [
        "3:35: files[0].mode: expected an octal mode such as 0644, in quotes, got '0999'"
    ],
    START + "files:\n  - {path: /a, source: none.txt}": [
        "3:24: files[0].source: 'none.txt' does not exist (the path is relative to the recipe's folder)"
    ],
    START + "files:\n  - {path: /a, source: .}": [
        "3:24: files[0].source: '.' is a directory (the path is relative to the recipe's folder)"
    ],
    START + "files:\n  - {path: /a/../b, directory: true}": [
        "3:12: files[0].path: expected an absolute path without . or .. or control characters, got '/a/../b'"
    ],
    START + "files:\n  - {path: /run/x, directory: true}": [
        "3:12: files[0].path: hidden on the node, which mounts a file system of its own on /run (put it elsewhere, say in /etc)"
    ],
    START + "files:\n  - {path: /a, directory: true}\n  - {path: a, contents: x}": [
        "4:12: files[1].path: 'a' is here a second time (first: files[0])"
    ],
    START + "files:\n  - {path: /a, directory: yes please}": ["3:27: files[0].directory: expected true or false, got a text"],
    START + "services:\n  - {name: a, image: getty}\n  - {name: a, image: init}": [
        "4:12: services[1].name: 'a' is here a second time (first: services[0].name)"
    ],
    START + "services:\n  - {name: a, image: gety}": ["3:22: services[0].image: unknown image 'gety' (did you mean 'getty'?)"],
    START + "services:\n  - {name: a, image: a/b:1}": [
        "3:22: services[0].image: the image reference 'a/b:1' has no digest (write it as NAME@sha256:... (64 hex digits))"
    ],
    START + "services:\n  - {name: a, image: init, linuxkit: 5}": [
        "3:38: services[0].linuxkit: expected a group of keys, got a number"
    ],
    START + "replace:\n  getty: init": [
        "3:10: replace.getty: the image reference 'init' has no digest (write it as NAME@sha256:... (64 hex digits))"
    ],
    START + "firmware: {images: [getty, firmwear, getty]}": [
        "2:28: firmware.images[1]: there is no image 'firmwear' of ours (did you mean 'firmware'?)",
        "2:38: firmware.images[2]: getty is given twice (keep one of them)",
    ],
    START + "storage: [iscis, udev, udev]": [
        "2:11: storage[0]: unknown storage client 'iscis' (did you mean 'iscsi'?)",
        "2:24: storage[2]: udev is given twice (keep one of them)",
    ],
    START + f"replace:\n  gety: {PINNED}": ["3:3: replace.gety: there is no image 'gety' of ours (did you mean 'getty'?)"],
    START + "roles: [mastre]": ["2:9: roles[0]: expected one of master, worker, got 'mastre' (did you mean 'master'?)"],
    START + "handlers: [gvisr]": ["2:12: handlers[0]: unknown handler 'gvisr' (did you mean 'gvisor'?)"],
    START + "handlers: [gvisor, gvisor]": ["2:20: handlers[1]: gvisor is given twice (keep one of them)"],
    START + "handlers: gvisor": [
        "2:11: handlers: expected a list of texts, got a text (write each entry on a line of its own after '- ')"
    ],
    START + "runtime: cri-containerd": ["2:1: runtime: the key is here a second time (first in line 1)"],
    START + "5: x": ["2:1: a key must be a text (write it in quotes)"],
    START + "<<: {}": ["2:1: merge keys (<<) are not used here (write the keys out)"],
    START + "kernel: !mine {}": ["2:9: kernel: the YAML tag '!mine' has no meaning here (leave it out)"],
    START + "replace: {getty: 2026-11-21}": [
        "2:18: replace.getty: expected a text, a number, true or false, got a date (write it in quotes: '2026-11-21')"
    ],
    START + "replace: {getty: !!int x}": [
        "2:18: replace.getty: 'x' is not what its form or its tag 'tag:yaml.org,2002:int' says (write it in quotes: 'x')"
    ],
}


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_alone(project: Path, text: str) -> None:
    assert said(project, text) == MISTAKES[text]


def test_all_mistakes_at_once_by_line(project: Path) -> None:
    text = """
kubernetes: {version: 1}
runtme: cri-containerd
network:
  cni: brige
  pod_subnet: 10.96.0.0/16
files:
  - {path: /a, contents: '{{ values.no }}', mode: '9'}
  - {path: 5, source: none}
services: 1
"""
    mistakes = check(project, text)
    assert [(mistake.line, mistake.path) for mistake in mistakes] == [
        (2, "kubernetes.version"), (3, "runtme"), (5, "network.cni"), (6, "network.pod_subnet"), (8, "files[0].contents"),
        (8, "files[0].mode"), (9, "files[1].path"), (9, "files[1].source"), (10, "services"),
    ]  # fmt: skip


def test_a_source_is_any_file_that_can_be_read(project: Path) -> None:
    (project / "recipes" / "logo.png").write_bytes(b"\x89PNG\xff\x00")
    sources = ("logo.png", "x" * 300, "/dev/null")
    text = START + "files:\n" + "".join(f"  - {{path: /a{at}, source: {name}}}\n" for at, name in enumerate(sources))
    long, device = said(project, text)
    assert "can't be read: File name too long" in long
    assert device.startswith("5:25: files[2].source: '/dev/null' is no regular file")


def test_load_raises_one_error_with_every_mistake(project: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(project, "runtime: cri-containrd\nnetwork:\n  pod_subnet: 1\n")
    file = project / "recipes" / "x.yml"
    assert caught.value.details == (
        f"{file}:1:10: runtime: unknown runtime 'cri-containrd' (did you mean 'cri-containerd'?)",
        f"{file}:3:15: network.pod_subnet: expected a text, got a number (write it in quotes: '1')",
    )
    assert caught.value.what == "the recipe x.yml has 2 mistakes"
    assert caught.value.exit_code == 2


KEYS = {
    "ssh-ed25519": "expected one line of a .pub file, got 'ssh-ed25519'",
    "ssh-ed25519 AAAA!": "the key is not valid base64 (copy the whole line of the .pub file)",
    public_key("ssh-dss"): "'ssh-dss' is not a type of SSH key that sshd takes (did you mean 'ssh-rsa'?)",
    public_key("ssh-ed25519")[:40]: "the key is cut off or is no ssh-ed25519 key (copy the whole line of the .pub file)",
    public_key().replace("ssh-ed25519", "ssh-rsa", 1): "the key is cut off or is no ssh-rsa key (copy the whole line",
    '"-----BEGIN OPENSSH PRIVATE KEY-----\\nAAAA\\n"': "expected one line of a .pub file, got",
}


@pytest.mark.parametrize("line", KEYS)
def test_bad_public_keys(project: Path, line: str) -> None:
    (mistake,) = said(project, START + f"ssh:\n  authorized_keys:\n    - {line}\n")
    assert mistake.startswith("4:7: ssh.authorized_keys[0]: " + KEYS[line])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "the file is empty (a recipe has at least one line: 'runtime: cri-containerd')"),
        (b"# nothing\n", "the file is empty (a recipe has at least one line: 'runtime: cri-containerd')"),
        (b"- a\n", "1:1: expected a group of keys, got a list (a recipe begins like 'runtime: cri-containerd')"),
        (b"runtime: x\nssh: \xff\n", "2:6: the file is not UTF-8 text (byte 0xff) (save it as UTF-8)"),
        (b"#" * (LARGEST + 1), "the file is larger than 1 MiB: this is no recipe"),
    ],
)
def test_files_that_are_no_recipe(project: Path, data: bytes, expected: str) -> None:
    assert said(project, data) == [expected]


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"runtime: x\nfiles: [a\nroles: b\n", "3:", "expected ',' or ']'"),
        (b"runtime: x\n\tcni: y\n", "2:1:", "a tab where YAML indents with spaces"),
        (b"runtime: 'x\n", "2:1:", "quoted scalar"),
        (b"runtime: x\n--- \nruntime: y\n", "2:1:", "another document"),
        (b"a: *b\n", "1:4:", "undefined alias"),
        (b"runtime: x\nssh: \x00\n", "2:6:", "U+0000"),
        (b"[" * 1_500, "", "too deeply"),
    ],
)
def test_syntax_errors_stop_the_parser_and_it_says_so(project: Path, data: bytes, place: str, words: str) -> None:
    (mistake,) = check(project, data)
    assert str(mistake).startswith(place)
    assert words in mistake.message
    assert "stops at the first" in mistake.hint


def test_file_not_found_names_the_nearest(project: Path) -> None:
    (project / "recipes" / "cri-o.yml").touch()
    (mistake,) = check_recipe(project / "recipes" / "crio.yml", Project(project))
    assert mistake.located("recipes/crio.yml") == "recipes/crio.yml: the file does not exist (did you mean 'cri-o.yml'?)"
    assert check_recipe(project / "nowhere" / "x.yml", Project(project))[0].message == "the file does not exist"
    assert check_recipe(project / "recipes", Project(project))[0].message == "this is a directory"
    assert (
        check_recipe(project / "recipes" / "cri-o.yml" / "x", Project(project))[0].message
        == "the file can't be read: Not a directory"
    )


def test_aliases_are_followed_but_not_for_ever(project: Path) -> None:
    shared = "files:\n  - &a {path: /a, contents: &text hello}\n  - {path: /b, contents: *text}\n"
    assert said(project, START + shared) == []
    looped = "services:\n  - name: a\n    image: init\n    linuxkit: &l {x: *l}\n"
    assert "nested more than" in said(project, START + looped)[0]
    bomb = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 8)}]\n" for a, b in zip("abcde", "bcdef", strict=True)
    )
    assert said(project, START + bomb) == [
        "1:1: more than 20000 values (such files are small; do aliases (*) repeat each other?)"
    ]


def test_the_names_of_networks_are_those_of_their_descriptions(tmp_path: Path) -> None:
    real = Path(__file__).parents[2]
    for file in sorted((real / "networks").glob("*.yml")):
        recipe = tmp_path / "x.yml"
        recipe.write_text(f"{START}network:\n  cni: {file.stem}\n")
        assert load_recipe(recipe, Project(real)).network.cni == file.stem
    recipe.write_text(f"{START}network:\n  cni: flanel\n")
    assert [mistake.hint for mistake in check_recipe(recipe, Project(real))] == ["did you mean 'flannel'?"]
