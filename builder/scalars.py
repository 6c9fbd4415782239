"""Types of values that several models share."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError


def _number(given: object) -> object:
    if isinstance(given, bool):  # Python's bool is an int
        raise PydanticKnownError("int_type")
    return given


def _flag(given: object) -> object:
    if isinstance(given, bool):
        return given
    if given in ("true", "false"):
        return given == "true"
    raise PydanticKnownError("bool_type")


Whole = Annotated[int, BeforeValidator(_number)]
"""A whole number, also as a text of digits: a value that was filled in is a text."""

Flag = Annotated[bool, BeforeValidator(_flag)]
"""true or false, also as a text, and none of YAML's and pydantic's other words."""
