"""What the onboot steps `state` and `swap` are told of the recipe."""

from typing import Any

from builder.recipe.model import State

MIB = {"Mi": 1, "Gi": 1 << 10, "Ti": 1 << 20}


_UNLIMITED = {"annotations": {"org.kubeiso.limit": "0"}}
"""It may wait for the disk for ever, and a check of a large one is killed by nobody."""


def state_settings(state: State) -> dict[str, Any]:
    """The step's LinuxKit settings. A recipe that says nothing needs no command: the image's own does the same."""
    usual = State()
    words: list[str] = []
    for flag, value, default in (
        ("-need", state.need, usual.need), ("-label", state.label, usual.label), ("-path", state.path, None),
        ("-smallest", str(size_of(state.smallest)) if state.smallest else None, None), ("-format", state.format, None),
    ):  # fmt: skip
        if value is not None and value != default:
            words += [flag, value]
    return {**_UNLIMITED, "command": ["/usr/bin/state", *words]} if words else _UNLIMITED


def swap_settings(size: str) -> dict[str, Any]:
    """The step's LinuxKit settings; a node goes on without its swap."""
    words = ["/usr/bin/swap.sh", str(size_of(size))]
    return {"annotations": {"org.kubeiso.optional": "true", "org.kubeiso.limit": "600"}, "command": words}


def size_of(text: str) -> int:
    """Bytes of a size such as 20Gi."""
    return int(text[:-2]) * MIB[text[-2:]] << 20
