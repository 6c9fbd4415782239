"""The base of the values that flow between rooms: they never change, and an unknown key is a mistake."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
