"""The shapes of texts: one pattern for the loader and the JSON schema, and a check for what no pattern can say."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from builder.reading.words import shown


class Unfit(ValueError):
    """A text of the wrong shape: what is wrong with it, and what would be right."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Shape:
    """For Annotated[str, Shape(...)]: `expected` names the shape in plain words; `check` raises Unfit for what is left.

    The pattern's dialect is the one that Python and JSON schema (ECMA 262) share.
    """

    pattern: str
    expected: str
    check: Callable[[str], object] | None = None
    longest: int | None = None

    def validate(self, text: str) -> str:
        if self.longest and len(text) > self.longest:
            raise Unfit(f"expected at most {self.longest} characters, got {len(text)}")
        if re.fullmatch(self.pattern, text) is None:
            raise Unfit(f"expected {self.expected}, got {shown(text)}")
        if self.check:
            self.check(text)
        return text

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        longest = {"maxLength": self.longest} if self.longest else {}
        return {**handler(schema), "pattern": self.pattern, **longest}
