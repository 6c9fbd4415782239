"""From a plan to what a cluster on this machine boots from."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from builder.architecture import Platform
from builder.cluster.layout import network as between
from builder.cluster.lifecycle import ClusterPlan, NodeFiles, no_files
from builder.cluster.model import Cluster, Hardware, PodClass, RuntimeFacts, Workload
from builder.components.model import INITRD
from builder.components.registry import find
from builder.components.source import Target
from builder.machine.accel import probe, probe_initrd
from builder.machine.model import Acceleration
from builder.machine.secureboot import SIGNER
from builder.media.model import SecureBoot
from builder.pipeline.build import build_role, parts
from builder.pipeline.formats import chosen
from builder.pipeline.model import BuildOptions, Plan
from builder.pipeline.plan import plan
from builder.progress import step
from builder.project import Project
from builder.recipe.model import Role
from builder.spec.model import ImageSpec
from builder.store import Digest, Store


def cluster_plan(
    project: Project,
    recipe: Path,
    store: Store,
    out: Path,
    options: BuildOptions,
    *,
    name: str,
    hardware: Hardware,
    masters: int = 1,
    workers: int = 0,
    unattended: bool = False,
    accept: Callable[[Plan], None] = lambda _: None,
) -> ClusterPlan:
    """Builds an ISO for each role that the cluster has, finds out how machines run here, and takes the nodes' own kubectl.

    accept: is told of the plan before anything is built, and raises InputError where that will not do.
    """
    options = replace(options, formats=("iso",), secure=_signing(hardware))  # what a cluster's machines boot
    roles = (Role.MASTER, Role.WORKER) if workers else (Role.MASTER,)
    made = plan(project, recipe, roles, options)
    accept(made)
    found = parts(project, made, store, options)
    iso = chosen(made, options)
    built = [one for role in roles for one in build_role(made, role, found, store, out, options, iso)]
    network = made.recipe.network
    return ClusterPlan(
        name=name,
        media={one.role.value: one.media.path.absolute() for one in built},
        runtime=facts(made),
        kubernetes_version=built[0].spec.kubernetes_version,
        kubectl=store.path(found.components["kubernetes"].files["kubectl"]),
        acceleration=acceleration(store, built[0].media.kernel, found.components[INITRD].files["initrd"], made.target.platform),
        network=between(network.pod_subnet, network.service_subnet, host_ranges=made.network.host_ranges),
        hardware=hardware,
        masters=masters,
        workers=workers,
        workloads=tuple(Workload(**workload.model_dump()) for workload in made.network.workloads),
        ssh_keys=made.recipe.ssh.authorized_keys,
        given=_by_themselves(built[0].spec) if unattended else no_files,
    )


def _signing(hardware: Hardware) -> SecureBoot | None:
    if hardware.keys is None:
        return None
    from builder.trust.secureboot import secure_boot  # cryptography, which no other start of the program wants

    return secure_boot(str(hardware.keys / SIGNER), None)


def _by_themselves(master: ImageSpec) -> Callable[[Cluster], NodeFiles]:
    """What nodes find that form a cluster on their own, by kubeadm's configurations in a master's image."""
    from builder.forming.unattended import Unattended, given  # cryptography, which no other start of the program wants

    texts = {file.path: file.contents or "" for file in master.files}
    return partial(given, Unattended(texts["etc/kubeadm/kubeadm.yaml"], texts["etc/kubeadm/kubeadm-join.yaml"]))


def e2e_test(project: Project, store: Store, options: BuildOptions, target: Target) -> Path:
    """Kubernetes' own end-to-end tests as a program for this machine, of the target's version of Kubernetes."""
    found = find("e2e", store, project, options.overrides, offline=options.offline, target=target)
    return store.path(found.files["e2e.test"])


def facts(plan: Plan) -> RuntimeFacts:
    """What the cluster room must know of the runtime."""
    chosen = plan.runtime
    checks = tuple((check.name, check.command) for check in chosen.checks)
    asked = tuple((each.name, each.command) for each in chosen.diagnostics)
    classes = tuple(
        PodClass(
            name=each.name,
            handler=each.handler,
            process=each.sandbox.process if each.sandbox else "",
            proof=each.proof,
        )
        for each in chosen.classes
    )
    return RuntimeFacts(
        name=plan.recipe.runtime, socket=chosen.socket, checks=checks, logs=chosen.logs, outlived=chosen.outlived,
        diagnostics=asked, classes=classes, critest_without=chosen.critest_without,
        conformance_without=chosen.conformance_without,
        virtualising=bool(chosen.virtualisation),
    )  # fmt: skip


def acceleration(store: Store, kernel: Digest, program: Digest, platform: Platform) -> Acceleration:
    """How machines of the platform run on this host, found out by booting a probe."""
    with store.workdir("probe") as work, step("Finding out how machines run here"):
        probe_initrd(store.path(program), work / "initrd.img")
        return probe(store, store.path(kernel), work / "initrd.img", platform)
