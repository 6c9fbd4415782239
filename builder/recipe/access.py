"""The part of a recipe that says who gets into a node."""

from typing import Annotated

from pydantic import Field

from builder.frozen import Frozen
from builder.reading.shapes import Shape
from builder.recipe.texts import check_public_key, check_user
from builder.scalars import Flag

PublicKey = Annotated[str, Shape(r"^[^\r\n]*[ \t]AAAA[^\r\n]*$", "one line of a .pub file", check_public_key, longest=16384)]
UserName = Annotated[
    str, Shape(r"^[a-z_][a-z0-9_-]*$", "a name of lower-case letters, digits, _ and dashes", check_user, longest=32)
]  # fmt: skip

UIDS = range(1000, 60000)
"""Of users that people are (login.defs(5), UID_MIN and UID_MAX)."""


class Ssh(Frozen):
    authorized_keys: tuple[PublicKey, ...] = Field(
        (), description="public keys for root, besides those of the metadata; with no key at all no SSH server runs"
    )


class User(Frozen):
    """Who logs in by SSH under a name of their own."""

    name: UserName = Field(description="by which they log in, once in a recipe")
    authorized_keys: tuple[PublicKey, ...] = Field(min_length=1, description="their public keys")
    administrator: Flag = Field(False, description="whether they have root's rights; the log tells their name all the same")
    uid: Annotated[int, Field(ge=UIDS[0], le=UIDS[-1])] | None = Field(
        None, description="the number of who is no administrator; the next free one from 1000 if left out"
    )
