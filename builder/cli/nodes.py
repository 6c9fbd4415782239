"""The verbs that look at one node of a cluster: shell, logs, and the cluster's kubeconfig."""

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from builder.cli.common import Name
from builder.cli.session import session
from builder.cluster import state
from builder.cluster.kubectl import use_reachable
from builder.cluster.model import Cluster, Node
from builder.errors import InputError
from builder.forming.kubeconfig import refresh
from builder.machine.machine import Machine
from builder.reading.words import one_of

app = typer.Typer()
QUIET = 2.0
"""Seconds without a word, at native speed, after which a node has answered all that was piped to its shell."""

NodeName = Annotated[str | None, typer.Argument(metavar="NODE", help="The node (default: the first master).")]


def named(cluster: Cluster, names: list[str] | None) -> list[Node]:
    """The nodes of these names; all where none is given."""
    known = {node.name: node for node in cluster.nodes}
    if unknown := [name for name in names or () if name not in known]:
        raise InputError(f"the cluster {cluster.name} has no node {unknown[0]}", hint=one_of(unknown[0], known))
    return [known[name] for name in names] if names else list(cluster.nodes)


def chosen(cluster: Cluster, name: str | None) -> Node:
    """The node of that name, or the first master."""
    return cluster.masters[0] if name is None else named(cluster, [name])[0]


@app.command(epilog="Examples:  kubeiso shell\n\n           kubeiso shell --command 'ctr -n services.linuxkit tasks ls'")
def shell(
    node: NodeName = None,
    name: Name = "kubeiso",
    command: Annotated[str | None, typer.Option("--command", help="Runs this on the node instead of a session.")] = None,
) -> None:
    """The node's console in this terminal, or one command on it."""
    machine = Machine.attach(chosen(state.load(name), node).directory)
    if command is None:
        session(machine.spec.console_socket, machine.spec.console_lock, QUIET * machine.scale)
        return
    try:
        ended = machine.shell().run(command, machine.within(600), print)
    finally:
        machine.close()
    raise typer.Exit(ended.code)


@app.command(epilog="Examples:  kubeiso logs --follow\n\n           kubeiso logs --file kubelet")
def logs(
    node: NodeName = None,
    name: Name = "kubeiso",
    file: Annotated[str | None, typer.Option("--file", help="A log on the node, such as kubelet.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Goes on with the console until the machine ends.")] = False,
) -> None:
    """A node's console log from its first byte, or a log file of the node."""
    if file is not None and follow:
        raise InputError("--follow and --file are given together", hint="--follow shows the console")
    machine = Machine.attach(chosen(state.load(name), node).directory)
    if file is None:
        _print_console(machine, follow)
    else:
        _print_file(machine, file)


def _print_console(machine: Machine, follow: bool) -> None:
    with machine.spec.console_log.open(errors="replace") as log:
        while True:
            alive = machine.alive()
            print(log.read(), end="", flush=True)
            if not (follow and alive):
                return
            time.sleep(0.5)


def _print_file(machine: Machine, file: str) -> None:
    path = f"/var/log/{Path(file).name.removesuffix('.log')}.log"
    try:
        ended = machine.shell().run(f"cat {shlex.quote(path)}", machine.within(60))
    finally:
        machine.close()
    if ended.code != 0:
        hint = "kubeiso shell --command 'ls /var/log'"
        raise InputError(f"{machine.spec.name} has no log {file}", why=ended.output.strip(), hint=hint)
    print(ended.output)


@app.command(epilog="Example:  export KUBECONFIG=$(kubeiso kubeconfig)")
def kubeconfig(name: Name = "kubeiso") -> None:
    """Prints the path of the cluster's kubeconfig; of several masters, it leads to one that is ready.

    A certificate in it that has ended, or is about to, is replaced by the one that a master has by now.
    """
    cluster = state.load(name)
    if not cluster.kubeconfig.exists():
        raise InputError(f"the cluster {name} has no kubeconfig yet", hint=f"kubeiso init --name {name}")
    refresh(cluster, lambda node, path: _read(Machine.attach(cluster.node(node).directory), path))
    if len(cluster.masters) > 1:
        use_reachable(cluster)
    print(cluster.kubeconfig)


def _read(machine: Machine, path: str) -> bytes:
    """A file of the node."""
    try:
        return machine.shell().read_file(path, machine.within(30))
    finally:
        machine.close()
