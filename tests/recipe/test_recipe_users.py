"""Mistakes in a recipe's users."""

from pathlib import Path

import pytest
from recipe_samples import make_project, public_key, said

KEY = public_key()
START = "runtime: cri-containerd\nusers:\n"
MISTAKES = {
    f"- {{name: ada, authorized_keys: [{KEY}]}}\n- {{name: ada, authorized_keys: [{KEY}]}}": [
        "4:10: users[1].name: another user has the name 'ada' (each has their own)"
    ],
    f"- {{name: root, uid: 5, authorized_keys: [{KEY}]}}\n- {{name: Ada, authorized_keys: []}}": [
        "3:10: users[0].name: root is there already (ssh: {authorized_keys: [...]} has root's keys)",
        "3:21: users[0].uid: expected at least 1000, got 5",
        "4:10: users[1].name: expected a name of lower-case letters, digits, _ and dashes, got 'Ada'",
        "4:32: users[1].authorized_keys: expected at least one entry, got an empty list (it has to be given)",
    ],
    f"- {{name: a, uid: 1000, authorized_keys: [{KEY}]}}\n- {{name: b, uid: 1000, authorized_keys: [{KEY}]}}\n"
    f"- {{name: c, uid: 1001, administrator: true, authorized_keys: [{KEY}]}}": [
        "4:18: users[1].uid: another user has the uid '1000' (each has their own)",
        "5:18: users[2].uid: an administrator has root's number, 0 (leave uid out)",
    ],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.mark.parametrize("text", MISTAKES)
def test_each(project: Path, text: str) -> None:
    assert said(project, START + text) == MISTAKES[text]
