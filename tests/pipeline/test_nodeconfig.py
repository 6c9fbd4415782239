"""A node's own configuration, checked and made on the host."""

from pathlib import Path

import pytest

from builder.errors import InputError
from builder.machine.cidata import make_cidata
from builder.pipeline.nodeconfig import laid_out, put_together, read_as_node
from builder.project import Project
from builder.run import run
from builder.store import Store

USER = b"#cloud-config\nhostname: n1\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFXbQbVZ8Yb7bO2m4xkFqT3pK6wzqmXK1Pj7g5v0fJ9k me"


def held(given: Path) -> dict[str, bytes]:
    with laid_out(given) as folder:
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "user-data").write_bytes(USER)
    assert held(tmp_path) == {"user-data": USER}


def test_a_volume_is_opened_whether_iso_or_fat(tmp_path: Path) -> None:
    make_cidata({"user-data": USER, "meta-data": b"{}\n"}, tmp_path / "seed.iso")
    assert held(tmp_path / "seed.iso") == {"user-data": USER, "meta-data": b"{}\n"}
    (tmp_path / "user-data").write_bytes(USER)
    run(["mformat", "-C", "-i", tmp_path / "seed.img", "-T", "4096", "-h", "64", "-s", "32", "-v", "CIDATA", "::"])
    run(["mcopy", "-i", tmp_path / "seed.img", tmp_path / "user-data", "::user-data"])
    assert held(tmp_path / "seed.img") == {"user-data": USER}


@pytest.mark.parametrize(
    ("name", "taken"), [("user-data", "user-data"), ("network-config", "network-config"), ("my.yml", "user-data")]
)
def test_one_file_is_what_its_name_says(tmp_path: Path, name: str, taken: str) -> None:
    (tmp_path / name).write_bytes(USER)
    assert held(tmp_path / name) == {taken: USER}


def test_what_can_be_none_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        held(tmp_path / "none")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(InputError, match="more than 64 MiB"):
        held(tmp_path / "large")


def test_a_name_and_keys_become_meta_data(tmp_path: Path) -> None:
    assert put_together("n1", (KEY,), {}) == {"meta-data": f"local-hostname: n1\npublic-keys:\n- {KEY}\n".encode()}
    assert put_together("", (), {}) == {"meta-data": b"{}\n"}
    (tmp_path / "m").write_text("instance-id: a\n")
    assert put_together("", (), {"meta-data": tmp_path / "m"}) == {"meta-data": b"instance-id: a\n"}
    with pytest.raises(InputError, match="go into meta-data, which was given"):
        put_together("n1", (), {"meta-data": tmp_path / "m"})


@pytest.mark.network
def test_a_node_s_own_program_judges(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    for name, data in put_together("n1", (KEY,), {}).items():
        (tmp_path / "good" / name).write_bytes(data)
    good = read_as_node(tmp_path / "good", Project.here(), Store())
    assert (good.warnings, good.faults) == ((), ())
    assert "n1" in good.summary and "key" in good.summary
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "user-data").write_text(
        "#cloud-config\ncolour: blue\nssh_authorized_keys: [no key]\nwrite_files: [{path: /etc/passwd, content: x}]\n"
    )
    bad = read_as_node(tmp_path / "bad", Project.here(), Store())
    assert bad.warnings == ("user-data, line 2, colour: this node does nothing with it",)
    first, second = bad.faults
    assert first.startswith("user-data, line 3, ssh_authorized_keys[0]: this is no SSH public key")
    assert second.startswith('user-data, line 4, write_files[0]: path: "/etc/passwd" is below none of ')
    assert not list(tmp_path.rglob("run")), "nothing of this host is written"


@pytest.mark.network
def test_a_folder_with_none_of_the_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    with pytest.raises(InputError, match="can't be read"):
        read_as_node(tmp_path, Project.here(), Store())
