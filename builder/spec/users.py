"""Users of a node as its SSH server reads them: for each a file of their name with their keys (sshd.sh)."""

from collections.abc import Iterable, Iterator

from builder.recipe.access import User
from builder.spec.model import NodeFile

FOLDER = "etc/ssh/users"


def files(users: Iterable[User]) -> Iterator[NodeFile]:
    for each in users:
        keys = "".join(f"{key.strip()}\n" for key in each.authorized_keys)
        yield NodeFile(path=f"{FOLDER}/{each.name}", contents=keys, mode="0600")
