"""The verb for the state of a cluster's etcd: etcd save and etcd restore."""

import json
import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from builder.aside import write_new
from builder.checks import Check, NotYet
from builder.cli.clusters import released, whole
from builder.cli.common import Json, Name, Verbose, choose_sink, show
from builder.cluster import lifecycle, state
from builder.cluster.kubectl import Kubectl, pace_of
from builder.cluster.model import Cluster, Node
from builder.errors import CheckError, InputError
from builder.forming import form
from builder.forming.kubeconfig import authority
from builder.machine.machine import Machine
from builder.snapshots.model import Master, is_of, is_whole
from builder.snapshots.restore import restore, unknown
from builder.snapshots.save import save

app = typer.Typer()
Machines = Mapping[str, Machine]


class Action(StrEnum):
    SAVE = "save"
    RESTORE = "restore"


@app.command(epilog="Examples:  kubeiso etcd save before.db\n\n           kubeiso etcd restore before.db --name try")
def etcd(
    action: Annotated[Action, typer.Argument(help="save: writes FILE; restore: puts FILE in the place of what there is.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The snapshot. It holds the cluster's secrets.")],
    name: Name = "kubeiso",
    other: Annotated[
        bool, typer.Option("--other-cluster", help="Restores a snapshot that is not known to be of this cluster.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Saves the state of a running cluster (all objects of its API) in a file, or restores it on all of its masters.

    What the masters had before a restore stays on them, in /var/lib/etcd/before-DATE.
    """
    choose_sink(as_json, verbose)
    with state.locked(name):
        cluster = state.load(name)
        if action is Action.SAVE:
            save_to(cluster, file, as_json)
        else:
            restore_from(cluster, file, other, as_json)


def save_to(cluster: Cluster, file: Path, as_json: bool) -> None:
    _demand_place(file)
    with released(attached(cluster, cluster.masters, demand_all=False)) as machines:
        node, facts, data = save(masters_of(cluster, machines))
    try:
        write_new(file, data, 0o600)
    except FileExistsError as error:
        raise _is_there(file) from error
    result = {"cluster": cluster.name, "file": str(file), "node": node, **facts.model_dump()}
    show(result, f"saved: {file}, revision {facts.revision} with {facts.totalKey} keys, {len(data) / 2**20:.1f} MiB", as_json)


def _demand_place(file: Path) -> None:
    """Raises InputError where the file can't be new: an older snapshot is never replaced."""
    if os.path.lexists(file):
        raise _is_there(file)
    if not os.access(file.absolute().parent, os.W_OK):
        raise InputError(f"{file} can't be written", why="its folder is not there, or not yours", hint="name another file")


def _is_there(file: Path) -> InputError:
    return InputError(f"{file} is there already", hint="name another file, or remove that one")


def restore_from(cluster: Cluster, file: Path, other: bool, as_json: bool) -> None:
    data = given(file)
    form.demand_init(cluster)
    if not other and not is_of(data, authority(cluster)):
        hint = "--other-cluster takes it all the same: pods of a cluster with other keys can't use their Secrets' tokens"
        raise InputError(f"{file} is not a snapshot of the cluster {cluster.name}", why="its authority is not in it", hint=hint)
    with released(attached(cluster, cluster.nodes, demand_all=True)) as machines:
        facts = restore(masters_of(cluster, machines), data, revision_of(cluster))
        whole(cluster, dict(machines), pace_of(cluster), [_known(cluster, machines)])
    text = (
        f"{cluster.name} has the state of {file}, {facts.totalKey} keys; what it had is in /var/lib/etcd/before-* on its masters"
    )
    show({"cluster": cluster.name, "file": str(file), **facts.model_dump()}, text, as_json)


def given(file: Path) -> bytes:
    """The snapshot in a file. Raises InputError for what is not a whole one."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} can't be read", why=str(error), hint="kubeiso etcd save writes such a file") from error
    if not is_whole(data):
        why = "it does not end with the SHA-256 of the rest, as etcd's snapshots do"
        raise InputError(f"{file} is damaged, or no snapshot of etcd", why=why, hint="take another one; nothing was changed")
    return data


def revision_of(cluster: Cluster) -> int:
    """What etcd is at, or a number beyond that."""
    try:
        # kubectl's own lists have none.
        told = Kubectl(cluster).text("get", "--raw", "/api/v1/namespaces?limit=1")
        return int(json.loads(told)["metadata"]["resourceVersion"])
    except (NotYet, KeyError, ValueError):
        return unknown()


def attached(cluster: Cluster, nodes: Sequence[Node], *, demand_all: bool) -> dict[str, Machine]:
    """The machines of those nodes that run, by name. Raises CheckError where none does, with `demand_all` where one does not."""
    found = lifecycle.attach(cluster, nodes)
    dead = [name for name, machine in found.items() if not machine.alive()]
    if dead and (demand_all or len(dead) == len(found)):
        raise CheckError(f"{', '.join(dead)} does not run", hint="kubeiso start")
    return {name: machine for name, machine in found.items() if name not in dead}


def masters_of(cluster: Cluster, machines: Machines) -> list[Master]:
    running = [(node, machines[node.name]) for node in cluster.masters if node.name in machines]
    return [Master(node.name, node.address, machine.shell(), machine.within) for node, machine in running]


def _known(cluster: Cluster, machines: Machines) -> Check:
    """A node that joined after the snapshot was taken registers when its kubelet starts anew."""
    told: set[str] = set()

    def look() -> str:
        try:
            missing = [node.name for node in form.missing(cluster)]
        except CheckError as error:
            raise NotYet(error.why or error.what) from error
        for name in missing:
            if name not in told:
                machines[name].shell().run("service restart kubelet", machines[name].within(60))
                told.add(name)
        if missing:
            raise NotYet(f"{', '.join(missing)} is not registered yet")
        return f"all {len(cluster.nodes)} nodes are registered"

    return Check("E1", "the API server answers and knows the nodes", look, 600)
