"""The JSON schema says what the loader does."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from recipe_samples import PINNED, check, make_project, public_key

from builder.recipe.schema import schema

SCHEMA = schema()
TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
NOTES = {"$schema", "$defs", "title", "description", "default", "examples"}


def fits(part: Any, value: Any) -> bool:
    """Whether the value is valid: the part of JSON schema that the recipe's schema uses, and an error for any other."""
    rules: dict[str, Callable[[Any], bool]] = {
        "$ref": lambda name: fits(SCHEMA["$defs"][name.removeprefix("#/$defs/")], value),
        "anyOf": lambda parts: any(fits(part, value) for part in parts),
        "oneOf": lambda parts: sum(fits(part, value) for part in parts) == 1,
        "type": lambda name: isinstance(value, TYPES[name]),
        "const": lambda constant: value == constant,
        "enum": lambda words: value in words,
        "pattern": lambda pattern: not isinstance(value, str) or re.search(pattern, value) is not None,
        "maxLength": lambda most: not isinstance(value, str) or len(value) <= most,
        "minItems": lambda least: not isinstance(value, list) or len(value) >= least,
        "items": lambda item: not isinstance(value, list) or all(fits(item, each) for each in value),
        "required": lambda names: not isinstance(value, dict) or all(name in value for name in names),
        "properties": lambda parts: all(fits(parts[name], each) for name, each in items(value) if name in parts),
        "additionalProperties": lambda more: all(
            more is not False and (more is True or fits(more, each))
            for name, each in items(value)
            if name not in part.get("properties", {})
        ),
    }
    return all(rules[name](rule) for name, rule in part.items() if name not in NOTES)


def items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


GOOD: list[dict[str, Any]] = [
    {},
    {"kubernetes": {"version": "1.37.0"}, "roles": ["master"]},
    {"network": {"policies": True}},
    {"network": {"cni": "bridge", "pod_subnet": "10.1.0.0/16", "proxy_mode": "iptables", "domain": "a.b-c"}},
    {"network": {"pod_subnet": "{{ values.net }}", "proxy_mode": "{{ values.mode }}"}, "roles": ["{{ values.role }}"]},
    {"kernel": {"arguments": ["panic=10", "dyndbg=\"file a +p\""], "console": ["ttyS0"]}},
    {"ssh": {"authorized_keys": [public_key()]}},
    {"time": {"servers": ["ntp.example.org", "10.0.0.1:1123", "[fd00::1]"]}},
    {"time": {"servers": []}},
    {"state": {"need": "required", "label": "DATA-1", "path": "/dev/nvme0n1", "smallest": "20Gi", "format": "blank"}},
    {"state": {"need": "none"}},
    {"files": [{"path": "/a", "contents": ""}, {"path": "/b/c", "symlink": "a"}]},
    {"files": [{"path": "/d", "directory": True, "mode": "1777"}]},
    {"files": [{"path": "etc/x", "contents": "x", "directory": False}]},
    {"services": [{"name": "a", "image": "init", "linuxkit": {"net": "host", "uid": 5}}], "replace": {"init": PINNED}},
    {"services": [{"name": "a", "image": "init", "linuxkit": {"oomScoreAdj": "{{ values.oom }}", "readonly": True}}]},
]  # fmt: skip
BAD: list[dict[str, Any]] = [
    {"colour": "red"},
    {"runtime": 5},
    {"kubernetes": None},
    {"kubernetes": {"version": 1.36}},
    {"kubernetes": {"version": "v1.36.3"}},
    {"network": {"cni": ["bridge"]}},
    {"network": {"pod_subnet": "10.0.0.0"}},
    {"network": {"domain": "a..b"}},
    {"network": {"domain": "a" * 300}},
    {"network": {"proxy_mode": "ipvs"}},
    {"roles": []},
    {"roles": ["node"]},
    {"roles": "master"},
    {"kernel": {"arguments": ["a b"]}},
    {"kernel": {"console": []}},
    {"ssh": {"authorized_keys": ["me@home"]}},
    {"time": {"servers": ["a b"]}},
    {"state": {"need": "maybe"}},
    {"state": {"label": "longer than 16 characters"}},
    {"state": {"path": "/dev/disk/by-id/x"}},
    {"state": {"smallest": "20 GB"}},
    {"state": {"format": "always"}},
    {"files": [{"path": "/a"}]},
    {"files": [{"contents": "x"}]},
    {"files": [{"path": "/a", "contents": None}]},
    {"files": [{"path": "/a", "contents": "x", "symlink": "y"}]},
    {"files": [{"path": "/a", "directory": False}]},
    {"files": [{"path": "/a", "directory": "yes"}]},
    {"files": [{"path": "/a/./b", "contents": "x"}]},
    {"files": [{"path": "/a", "contents": "x", "mode": "8"}]},
    {"files": [{"path": "/a", "symlink": ""}]},
    {"services": [{"name": "A", "image": "init"}]},
    {"services": [{"name": "a"}]},
    {"services": [{"name": "a", "image": "init", "linuxkit": []}]},
    {"services": [{"name": "a", "image": "init", "linuxkit": {"x": 1}}]},
    {"services": [{"name": "a", "image": "init", "linuxkit": {"oomScoreAdj": "low"}}]},
    {"services": [{"name": "a", "image": "init", "linuxkit": {"devices": [{"path": "/dev/x", "mode": 438}]}}]},
    {"replace": {"init": 1}},
    {"replace": []},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.mark.parametrize("part", GOOD, ids=str)
def test_schema_and_loader_accept(project: Path, part: dict[str, Any]) -> None:
    recipe = {"runtime": "cri-containerd", **part}
    assert fits(SCHEMA, recipe)
    assert check(project, yaml.safe_dump(recipe), net="10.1.0.0/16", mode="iptables", role="worker", oom="-5") == []


@pytest.mark.parametrize("part", BAD, ids=str)
def test_schema_and_loader_refuse(project: Path, part: dict[str, Any]) -> None:
    recipe = {"runtime": "cri-containerd", **part}
    assert not fits(SCHEMA, recipe)
    assert check(project, yaml.safe_dump(recipe)) != []


def test_schema_is_json_with_a_head_and_a_word_on_every_key() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"] == "kubeiso recipe"
    assert SCHEMA["required"] == ["runtime"]
    ours = ("Kubernetes", "Network", "Kernel", "Ssh", "File", "Service")  # the others are LinuxKit's
    groups = {"Recipe": SCHEMA, **{name: SCHEMA["$defs"][name] for name in ours}}
    silent = [
        f"{group}.{key}"
        for group, part in groups.items()
        for key, rule in part["properties"].items()
        if "description" not in rule
    ]
    assert silent == []


def test_schema_has_no_null() -> None:
    assert '"null"' not in json.dumps(SCHEMA)
