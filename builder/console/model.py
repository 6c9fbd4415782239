"""What a node tells on its console, and how a command on it ended."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Stage(BaseModel):
    """One line of the node's init: `t` is in seconds since the kernel's start, `seconds` what the stage took.

    `state` is start, ok, failed, restart or exited. Keys that are not known here are kept (`model_extra`).
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    t: float = 0.0
    stage: str
    name: str = ""
    state: str
    seconds: float | None = None
    error: str = ""
    cpu_ms: float | None = None

    @property
    def title(self) -> str:
        return f"{self.stage} {self.name}".strip()


@dataclass(frozen=True)
class Result:
    """How a command on the node ended: its exit code, and its output (stdout and stderr) with plain newlines."""

    code: int
    output: str
