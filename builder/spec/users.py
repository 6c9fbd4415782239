"""Users of a node as its SSH server reads them: for each a folder of their name with their number and their keys (sshd.sh)."""

from collections.abc import Iterable, Iterator

from builder.recipe.access import UIDS, User
from builder.spec.model import NodeFile

FOLDER = "etc/ssh/users"
ROOT = 0


def files(users: Iterable[User]) -> Iterator[NodeFile]:
    for name, (number, keys) in numbered(users).items():
        yield NodeFile(path=f"{FOLDER}/{name}/uid", contents=f"{number}\n")
        yield NodeFile(path=f"{FOLDER}/{name}/authorized_keys", contents="".join(f"{key}\n" for key in keys), mode="0600")


def numbered(users: Iterable[User]) -> dict[str, tuple[int, list[str]]]:
    """Each user's number and keys, by name: root's, the one that is asked for, or the next that nobody asks for."""
    given = list(users)
    free = iter(sorted(set(UIDS) - {each.uid for each in given}))
    return {
        each.name: (ROOT if each.administrator else each.uid or next(free), [key.strip() for key in each.authorized_keys])
        for each in given
    }
