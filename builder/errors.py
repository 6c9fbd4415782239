"""Errors in three parts (what happened, why, what to do next) and the exit code that each class stands for."""


class KubeisoError(Exception):
    """Base of every error that a user is meant to read. `details` are further lines, one finding each."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        lines = [self.what, *(f"  {line}" for line in self.details)]
        if self.why:
            lines.append(f"why: {self.why}")
        if self.hint:
            lines.append(f"next: {self.hint}")
        return "\n".join(lines)


class InputError(KubeisoError):
    """The user's mistake: a recipe, an argument, a file that is not what it should be."""

    exit_code = 2


class ToolMissing(KubeisoError):
    """A program that the host lacks."""

    exit_code = 3


class BuildError(KubeisoError):
    """A build, a download or the host itself (disk, memory) failed."""

    exit_code = 4


class TimedOut(BuildError):
    """A program did not end in the time that it had."""


class CheckError(KubeisoError):
    """A machine or a cluster did not show what it had to show."""

    exit_code = 5
