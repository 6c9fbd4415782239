"""Pods in sandboxes, beside plain ones."""

from builder.acceptance.run import Asked, Run, Suite
from builder.acceptance.sandbox import Sandbox
from builder.acceptance.suites import smoke
from builder.checks import Check
from builder.errors import InputError


def checks(run: Run) -> list[Check]:
    boxes = [each for each in run.cluster.runtime.classes if each.process]
    proofs = [Sandbox(run.cluster, run.kubectl, each, run.all_of, run.patience).checks() for each in boxes]
    return [*smoke.checks(run), *(check for each in proofs for check in each)]


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
