"""A snapshot of a running cluster's etcd, taken by etcd itself."""

from collections.abc import Sequence

from pydantic import ValidationError

from builder.errors import CheckError
from builder.progress import note, step
from builder.run import last_line
from builder.snapshots.model import Facts, Master, is_whole

_MADE = "/var/lib/etcd/save"
"""Where pkg/kubelet's etcd-save.sh leaves it."""


def save(masters: Sequence[Master]) -> tuple[str, Facts, bytes]:
    """The name of the first master whose etcd gives one, what etcdutl says of it, and the snapshot. Raises CheckError."""
    reasons = []
    for master in masters:
        try:
            return master.name, *_saved(master)
        except CheckError as error:
            reasons.append(f"{master.name}: {error.why or error.what}")
            if master is not masters[-1]:
                note(f"{reasons[-1]}: the next master is asked")
    raise CheckError("no master gives a snapshot of its etcd", details=tuple(reasons), hint="kubeiso status shows what is wrong")


def _saved(master: Master) -> tuple[Facts, bytes]:
    with step(f"Taking a snapshot of etcd on {master.name}"):
        facts = facts_of(master.demand("etcd-save.sh", 300, "etcd-save.sh"))
    try:
        with step(f"Fetching it, {facts.totalSize / 2**20:.1f} MiB"):
            data = master.shell.read_file(f"{_MADE}/snapshot.db", master.within(60 + facts.totalSize / 2**18))
    finally:
        master.shell.run(f"rm -rf {_MADE}", master.within(30))
    if not is_whole(data):
        raise CheckError("the snapshot did not arrive whole", why="its SHA-256 is another")
    return facts, data


def facts_of(told: str) -> Facts:
    """What etcdutl said last."""
    try:
        return Facts.model_validate_json(last_line(told))
    except ValidationError as error:
        raise CheckError("etcdutl says nothing of the snapshot", why=last_line(told)) from error
