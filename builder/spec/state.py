"""What the onboot step `state` is told of the recipe."""

from typing import Any

from builder.recipe.model import State

MIB = {"Mi": 1, "Gi": 1 << 10, "Ti": 1 << 20}


def state_settings(state: State) -> dict[str, dict[str, Any]]:
    """The step's LinuxKit settings by its name; none for a recipe that says nothing, since that is what the image does anyway."""
    usual = State()
    words: list[str] = []
    for flag, value, default in (
        ("-need", state.need, usual.need), ("-label", state.label, usual.label), ("-path", state.path, None),
        ("-smallest", str(size_of(state.smallest)) if state.smallest else None, None), ("-format", state.format, None),
    ):  # fmt: skip
        if value is not None and value != default:
            words += [flag, value]
    return {"state": {"command": ["/usr/bin/state", *words]}} if words else {}


def size_of(text: str) -> int:
    """Bytes of a size such as 20Gi."""
    return int(text[:-2]) * MIB[text[-2:]] << 20
