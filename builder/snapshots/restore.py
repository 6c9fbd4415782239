"""A snapshot in the place of what the etcd of every master has.

First all masters make their new data beside the old one; then all are told to exchange them (pkg/kubelet: etcd-restore.sh). Until
then nothing is touched; from then on each master goes on alone, whatever becomes of this program.
"""

import gzip
import hashlib
import secrets
import shlex
import time
from collections.abc import Sequence
from functools import partial

from builder.cluster.parallel import for_each
from builder.deadline import poll
from builder.errors import CheckError
from builder.progress import note, step
from builder.snapshots.model import Facts, Master
from builder.snapshots.save import facts_of

_GIVEN = "/var/lib/etcd/restore/snapshot.db.gz"
_EXCHANGE = 900.0
"""Seconds natively: the node itself gives its control plane so many to end (etcd-restore.sh), whatever its speed."""

_AGAIN = "run this again, so that all masters have the same data"


def unknown() -> int:
    """For a revision that can't be asked: microseconds since 1970, beyond what any cluster reaches, and more each time."""
    return time.time_ns() // 1000


def restore(masters: Sequence[Master], data: bytes, revision: int) -> Facts:
    """revision: what the cluster is at now. Returns what etcdutl says of the snapshot; etcd may still be starting.

    Raises CheckError; what it says tells whether anything was touched.
    """
    for master in masters:
        if (told := master.demand("etcd-restore.sh standing", 60, "etcd-restore.sh")).strip() == "switching":
            raise CheckError(f"{master.name} is still at an earlier restore: {told.strip()}", hint="run this again in a minute")
    try:
        (facts, *_) = for_each(masters, partial(_prepare, data=data, revision=revision, words=_words(masters)))
    except BaseException:
        _forget(masters)
        raise
    with step(f"Exchanging the data of etcd on {', '.join(master.name for master in masters)}"):
        _switch_all(masters)
        for_each(masters, _exchanged)
    return facts


def _words(masters: Sequence[Master]) -> tuple[str, str]:
    """The new members, and a token that no other restore has, so that members of different ones never meet."""
    return ",".join(f"{master.name}={_peer(master)}" for master in masters), f"kubeiso-{secrets.token_hex(8)}"


def _peer(master: Master) -> str:
    """kubeadm's (cmd/kubeadm/app/util/etcd: GetPeerURL)."""
    host = f"[{master.address}]" if ":" in master.address else master.address
    return f"https://{host}:2380"


def _prepare(master: Master, data: bytes, revision: int, words: tuple[str, str]) -> Facts:
    with step(f"Preparing {master.name}"):
        master.shell.write_file(_GIVEN, gzip.compress(data, mtime=0), master.within(120 + len(data) / 2**17))
        given = (hashlib.sha256(data).hexdigest(), str(-(-len(data) // 1024)), str(revision), master.name, _peer(master), *words)
        told = master.demand(f"etcd-restore.sh prepare {shlex.join(given)}", 300, "preparing the restore")
    return facts_of(told)


def _forget(masters: Sequence[Master]) -> None:
    for master in masters:
        try:
            master.ask("etcd-restore.sh forget", 60)
        except CheckError as error:
            note(f"{master.name}: what was prepared could not be removed: {error.what}")


def _switch_all(masters: Sequence[Master]) -> None:
    try:
        for_each(masters, lambda master: master.demand("etcd-restore.sh switch", 60, "the exchange"))
    except CheckError as error:
        raise CheckError("not every master takes the snapshot", details=(str(error),), hint=_AGAIN) from error


def _exchanged(master: Master) -> None:
    """Waits until the master has its new data in place."""

    def look() -> str | None:
        told = master.ask("etcd-restore.sh standing", 60)
        return told.output.strip() if told.code == 0 and told.output.strip() != "switching" else None

    standing = poll(look, master.within(_EXCHANGE), what=f"{master.name} exchanges the data of its etcd", interval=2.0)
    if standing != "idle":
        why = standing.removeprefix("failed: ")
        raise CheckError(f"{master.name} kept the data that it had", why=why, hint=_AGAIN)
