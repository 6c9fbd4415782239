"""What is said of a service's LinuxKit keys before anything is built."""

from pathlib import Path

import pytest
from recipe_samples import PINNED, make_project, said

from builder.errors import InputError
from builder.linuxkit.model import Document

SERVICE = f"runtime: cri-containerd\nservices:\n  - name: a\n    image: {PINNED}\n    linuxkit:\n      "
MISTAKES = {
    "comand: [x]": "6:7: services[0].linuxkit.comand: unknown key (did you mean 'command'?)",
    "command: [sleep, 3600]": "6:24: services[0].linuxkit.command[1]: expected a text, got a number (write it in quotes: '3600')",
    "command: sleep 5": "6:16: services[0].linuxkit.command: expected a list of texts, got a text",
    "capabilities: [NET_ADMIN]": "6:22: services[0].linuxkit.capabilities[0]: there is no capability 'NET_ADMIN' "
    "(did you mean 'CAP_NET_ADMIN'?)",
    "devices: [{path: /dev/x, mode: 0666}]": "6:38: services[0].linuxkit.devices[0].mode: expected a text, got a number "
    "(write it in quotes: '0666')",
    "devices: [{path: /dev/x, type: z}]": "6:38: services[0].linuxkit.devices[0].type: expected one of a, b, c, p, u, got 'z'",
    "runtime: {mkdirs: [/x]}": "6:17: services[0].linuxkit.runtime.mkdirs: unknown key (did you mean 'mkdir'?)",
    "runtime: {bindNS: {nett: /x}}": "6:26: services[0].linuxkit.runtime.bindNS.nett: unknown key (did you mean 'net'?)",
    "sysctl: {net.core.somaxconn: 5}": "6:36: services[0].linuxkit.sysctl.net.core.somaxconn: expected a text, got a number "
    "(write it in quotes: '5')",
    "binds: [/only]": "6:15: services[0].linuxkit.binds[0]: expected a bind SOURCE:/DESTINATION or ",
    "binds: ['data:/data']": "6:15: services[0].linuxkit.binds[0]: there is no volume 'data' (a path on the node begins with /)",
    "mounts: [{type: bind, source: data, destination: /d}]": "6:37: services[0].linuxkit.mounts[0].source: there is no volume",
    "rlimits: ['NOFIL,1,2']": "6:17: services[0].linuxkit.rlimits[0]: Linux has no limit 'NOFIL' (did you mean 'NOFILE'?)",
    "env: [PATH]": "6:13: services[0].linuxkit.env[0]: expected a variable NAME=VALUE, got 'PATH'",
    "uid: [5]": "6:12: services[0].linuxkit.uid: expected a whole number or a text, got a list",
    "uid: true": "6:12: services[0].linuxkit.uid: expected a whole number or a text, got true",
    "oomScoreAdj: low": "6:20: services[0].linuxkit.oomScoreAdj: expected a whole number, got 'low'",
    "readonly: yes please": "6:17: services[0].linuxkit.readonly: expected true or false, got a text",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.mark.parametrize("line", MISTAKES)
def test_each_mistake_has_its_place_and_the_right_word(project: Path, line: str) -> None:
    (mistake,) = said(project, SERVICE + line + "\n")
    assert mistake.startswith(MISTAKES[line])


def test_all_of_them_at_once(project: Path) -> None:
    text = SERVICE + "\n      ".join(line for line in MISTAKES if line.partition(":")[0] not in ("uid", "binds", "command"))
    text = text.replace("devices: [{path: /dev/x, type: z}]\n      ", "").replace("runtime: {mkdirs: [/x]}\n      ", "")
    assert len(said(project, text)) == 10


def test_what_is_right_is_let_through(project: Path) -> None:
    right = (
        "{command: ['/bin/x', '5'], capabilities: [all], ambient: [CAP_BPF], uid: 5, gid: root, env: [A=], tmpfs: ['/t:rw'],"
        " devices: [{path: all, type: b}], rlimits: ['nofile,1024,unlimited'], resources: {memory: {limit: 5}, pids: {limit: 9}},"
        " runtime: {mkdir: [/var/x], bindNS: {net: /run/x}}, binds: ['/a:/b:ro'], oomScoreAdj: '{{ values.oom }}'}"
    )
    assert said(project, SERVICE.rstrip() + " " + right, oom="-5") == []


@pytest.mark.parametrize("trust", ["trust: {org: [linuxkit]}", "trust:\n  image:\n    - linuxkit/kernel\n"])
def test_linuxkit_s_yaml_keeps_a_key_without_effect(trust: str) -> None:
    document = Document.from_yaml(f"kernel: {{image: 'linuxkit/kernel:6.12'}}\n{trust}")
    assert document.kernel.image == "linuxkit/kernel:6.12"
    assert "trust" not in document.to_yaml()


def test_linuxkit_s_yaml_may_have_what_its_reader_takes() -> None:
    text = "kernel: {image: k}\nservices:\n  - &a {name: a, image: i, net: host}\n  - {<<: *a, name: b}\n"
    assert [entry.net for entry in Document.from_yaml(text).services or []] == ["host", "host"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kernel: {image: k}\nservice: []\n", "2:1: service: unknown key (did you mean 'services'?)"),
        (
            "kernel: {image: k}\nservices: [{name: a, image: i, command: x}]\n",
            "2:41: services[0].command: expected a list of texts",
        ),
        ("kernel: {image: k}\nfiles: [{path: 5}]\n", "2:16: files[0].path: expected a text, got a number"),
        ("init: []\n", "kernel: the key is missing"),
        ("- a\n", "1:1: expected a group of keys, got a list"),
        ("kernel: {image: 'k\n", "not valid YAML"),
    ],
)
def test_linuxkit_s_yaml_is_refused_in_plain_words(text: str, expected: str) -> None:
    with pytest.raises(InputError) as told:
        Document.from_yaml(text)
    assert expected in str(told.value)
    assert "pydantic" not in str(told.value)
