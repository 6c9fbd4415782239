"""Who logs in by SSH beside root."""

from spec_samples import spec_of

from builder.recipe.access import User
from builder.recipe.model import Recipe

ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ada@home"
TWO = ONE.replace("IAAAA", "IAAAB")


def test_each_has_a_folder_with_a_number_and_keys() -> None:
    users = (
        User(name="ada", authorized_keys=(ONE, TWO), administrator=True),
        User(name="grace", authorized_keys=(TWO,)),
        User(name="edsger", authorized_keys=(TWO,), uid=1000),
    )
    made = {file.path: file for file in spec_of(Recipe(runtime="cri-containerd", users=users)).files}
    folder = {path.removeprefix("etc/ssh/users/"): file for path, file in made.items() if path.startswith("etc/ssh/users/")}
    numbers = {path.partition("/")[0]: file.contents for path, file in folder.items() if path.endswith("/uid")}
    assert numbers == {"ada": "0\n", "grace": "1001\n", "edsger": "1000\n"}
    assert folder["ada/authorized_keys"].contents == f"{ONE}\n{TWO}\n"
    assert {file.mode for path, file in folder.items() if path.endswith("keys")} == {"0600"}
    assert len(folder) == 6


def test_a_node_without_users_has_no_such_folder() -> None:
    """It would start the SSH server."""
    assert [file.path for file in spec_of(Recipe(runtime="cri-containerd")).files if "ssh/users" in file.path] == []
