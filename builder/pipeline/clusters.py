"""From a plan to what a cluster on this machine boots from."""

from dataclasses import dataclass
from pathlib import Path

from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import RuntimeFacts
from builder.machine.accel import probe, probe_initrd
from builder.machine.model import Acceleration, Attachment, Firmware
from builder.pipeline.build import build_role, parts
from builder.pipeline.model import BuildOptions, Plan
from builder.pipeline.parts import INITRD
from builder.pipeline.plan import plan
from builder.progress import step
from builder.project import Project
from builder.recipe.model import Role
from builder.store import Digest, Store


@dataclass(frozen=True)
class Hardware:
    """What the machines of a cluster are to be; memory in MiB."""

    memory: int = 3072
    cpus: int = 2
    firmware: Firmware = Firmware.BIOS
    attachment: Attachment = Attachment.CDROM


def cluster_plan(
    project: Project, recipe: Path, store: Store, out: Path, options: BuildOptions, *, name: str, hardware: Hardware
) -> ClusterPlan:
    """Builds the master's ISO, finds out how machines run here, and takes the client of the nodes' version."""
    made = plan(project, recipe, (Role.MASTER,), options)
    found = parts(project, made, store, options)
    built = build_role(made, Role.MASTER, found, store, out, options)
    return ClusterPlan(
        name=name,
        media={Role.MASTER.value: built.media.path.absolute()},
        runtime=facts(made),
        kubernetes_version=made.recipe.kubernetes.version,
        kubectl=store.path(found.components["kubernetes"].files["kubectl"]),
        acceleration=acceleration(store, built.media.kernel, found.components[INITRD].files["initrd"]),
        memory=hardware.memory,
        cpus=hardware.cpus,
        firmware=hardware.firmware,
        attachment=hardware.attachment,
    )


def facts(plan: Plan) -> RuntimeFacts:
    """What the cluster room must know of the runtime."""
    chosen = plan.runtime
    checks = tuple((check.name, check.command) for check in chosen.checks)
    return RuntimeFacts(name=plan.recipe.runtime, socket=chosen.socket, checks=checks, logs=chosen.logs)


def acceleration(store: Store, kernel: Digest, program: Digest) -> Acceleration:
    """How machines run on this host, found out by booting a probe."""
    with store.workdir("probe") as work, step("Finding out how machines run here"):
        probe_initrd(store.path(program), work / "initrd.img")
        return probe(store, store.path(kernel), work / "initrd.img")
