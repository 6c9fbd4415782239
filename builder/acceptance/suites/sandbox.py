"""Pods in sandboxes, beside plain ones."""

from collections.abc import Iterable

from builder.acceptance.run import Asked, Run, Suite
from builder.acceptance.sandbox import Sandbox
from builder.acceptance.suites import smoke
from builder.checks import Check
from builder.cluster.model import PodClass
from builder.errors import InputError


def checks(run: Run) -> list[Check]:
    boxes = one_of_each_handler(run.cluster.runtime.classes)
    proofs = [Sandbox(run.cluster, run.kubectl, each, run.all_of, run.patience).checks() for each in boxes]
    return [*smoke.checks(run), *(check for each in proofs for check in each)]


def one_of_each_handler(classes: Iterable[PodClass]) -> list[PodClass]:
    """The classes with a kernel of their own, of each handler the first: the others are other names for the same."""
    found: dict[str, PodClass] = {}
    for each in classes:
        if each.process:
            found.setdefault(each.handler or each.name, each)
    return list(found.values())


def refuse(asked: Asked) -> None:
    if not any(each.process for each in asked.classes):
        names = ", ".join(each.name for each in asked.classes) or "none"
        raise InputError(
            "the suite sandbox needs a RuntimeClass with a kernel of its own", why=f"the recipe's RuntimeClasses: {names}",
            hint="add a handler to the recipe, such as `handlers: [gvisor]`",
        )  # fmt: skip


SUITE = Suite(
    "sandbox", "smoke, and sandboxed pods beside plain ones: apart from the node's kernel, of use, and gone without a trace",
    checks, refuse=refuse,
)  # fmt: skip
