"""The part of a recipe that says who gets into a node."""

from typing import Annotated

from pydantic import Field

from builder.frozen import Frozen
from builder.reading.shapes import Shape
from builder.recipe.texts import check_public_key, check_user

PublicKey = Annotated[str, Shape(r"^[^\r\n]*[ \t]AAAA[^\r\n]*$", "one line of a .pub file", check_public_key, longest=16384)]
UserName = Annotated[
    str, Shape(r"^[a-z_][a-z0-9_-]*$", "a name of lower-case letters, digits, _ and dashes", check_user, longest=32)
]  # fmt: skip


class Ssh(Frozen):
    authorized_keys: tuple[PublicKey, ...] = Field(
        (), description="public keys for root, besides those of the metadata; with no key at all no SSH server runs"
    )


class User(Frozen):
    """Somebody who logs in by SSH under a name of their own, with root's rights."""

    name: UserName = Field(description="by which they log in, and which the log tells; once in a recipe")
    authorized_keys: tuple[PublicKey, ...] = Field(min_length=1, description="their public keys")
