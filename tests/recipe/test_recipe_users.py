"""Mistakes in a recipe's users."""

from pathlib import Path

import pytest
from recipe_samples import make_project, public_key, said

KEY = public_key()
START = "runtime: cri-containerd\nusers:\n"
MISTAKES = {
    f"- {{name: ada, authorized_keys: [{KEY}]}}\n- {{name: ada, authorized_keys: [{KEY}]}}": [
        "4:10: users[1].name: another user has the name 'ada' (give the first all keys)"
    ],
    f"- {{name: root, authorized_keys: [{KEY}]}}\n- {{name: Ada, authorized_keys: []}}": [
        "3:10: users[0].name: root is there already (ssh: {authorized_keys: [...]} has root's keys)",
        "4:10: users[1].name: expected a name of lower-case letters, digits, _ and dashes, got 'Ada'",
        "4:32: users[1].authorized_keys: expected at least one entry, got an empty list (it has to be given)",
    ],
    "- {name: [a], authorized_keys: x}\n- {name: {b: c}}": [
        "3:10: users[0].name: expected a text, got a list",
        "3:32: users[0].authorized_keys: expected a list of texts, got a text (write each entry on a line of its own after '- ')",
        "4:3: users[1].authorized_keys: the key is missing (authorized_keys: their public keys)",
        "4:10: users[1].name: expected a text, got a group of keys",
    ],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.mark.parametrize("text", MISTAKES)
def test_each(project: Path, text: str) -> None:
    assert said(project, START + text) == MISTAKES[text]
