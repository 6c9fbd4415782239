"""Who administers a node by SSH beside root."""

from spec_samples import spec_of

from builder.recipe.access import User
from builder.recipe.model import Recipe

ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ada@home"
TWO = ONE.replace("IAAAA", "IAAAB")


def test_each_has_a_file_with_their_keys() -> None:
    users = (User(name="ada", authorized_keys=(ONE, TWO)), User(name="grace", authorized_keys=(TWO,)))
    files = spec_of(Recipe(runtime="cri-containerd", users=users)).files
    made = {file.path: (file.contents, file.mode) for file in files if file.path.startswith("etc/ssh/")}
    assert made == {"etc/ssh/users/ada": (f"{ONE}\n{TWO}\n", "0600"), "etc/ssh/users/grace": (f"{TWO}\n", "0600")}


def test_a_node_without_users_has_no_such_folder() -> None:
    """It would start the SSH server."""
    assert [file.path for file in spec_of(Recipe(runtime="cri-containerd")).files if "ssh/users" in file.path] == []
