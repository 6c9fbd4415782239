"""Snapshots of etcd, with masters that only play their part: what is asked of whom, and what a failure leaves."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cluster_samples import a_cluster

from builder.checks import NotYet
from builder.cli import etcd
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster
from builder.console.model import Result
from builder.deadline import Deadline
from builder.errors import CheckError, InputError
from builder.snapshots.model import Master, is_of, is_whole
from builder.snapshots.restore import restore
from builder.snapshots.save import save

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
BODY = (b"ca.crt " + PEM).ljust(1024, b"\0")
SNAPSHOT = BODY + hashlib.sha256(BODY).digest()
FACTS = {"hash": 7, "revision": 500, "totalKey": 3, "totalSize": 1024, "version": "3.6.0"}


class Line:
    """A master's line: scripts by their verb, each with what it says; `trouble` maps a verb to the words of its failure."""

    def __init__(self, trouble: dict[str, str] | None = None, data: bytes = SNAPSHOT) -> None:
        self.asked: list[str] = []
        self.files: dict[str, bytes] = {}
        self.trouble = trouble or {}
        self.data = data
        self.state = "idle"

    def run(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None = None) -> Result:
        assert deadline.seconds > 0 and on_output is None
        words = command.partition(" kubelet ")[2].split() or command.split()
        verb = words[1] if words[0] == "etcd-restore.sh" else words[0]
        self.asked.append(" ".join(words))
        if verb in self.trouble:
            return Result(1, f"first words\n{self.trouble[verb]}\n")
        return Result(0, self.said(verb))

    def said(self, verb: str) -> str:
        if verb == "standing":
            return f"{self.state}\n"
        if verb == "prepare":
            self.state = "prepared"
        elif verb == "switch":
            self.state = f"failed: {self.trouble['exchange']}" if "exchange" in self.trouble else "idle"
        return f"warning: x\n{json.dumps(FACTS)}\n" if verb in ("prepare", "etcd-save.sh") else ""

    def read_file(self, path: str, deadline: Deadline) -> bytes:
        assert path == "/var/lib/etcd/save/snapshot.db" and deadline.seconds > 0
        return self.data

    def write_file(self, path: str, data: bytes, deadline: Deadline, mode: int = 0o600) -> None:
        assert mode == 0o600 and deadline.seconds > 0
        self.files[path] = data


def masters(*lines: Line) -> list[Master]:
    return [Master(f"m{at}", f"10.0.0.{at}", line, Deadline.after) for at, line in enumerate(lines, 1)]


def test_a_snapshot_is_whole_or_not() -> None:
    assert is_whole(SNAPSHOT)
    for wrong in (b"", SNAPSHOT[:-1], SNAPSHOT[:-512], b"x" + SNAPSHOT[1:], BODY, hashlib.sha256(b"").digest()):
        assert not is_whole(wrong)
    assert is_of(SNAPSHOT, PEM) and not is_of(SNAPSHOT, PEM.replace(b"MIIB", b"MIIC"))


def test_the_next_master_is_asked_where_one_gives_no_snapshot() -> None:
    first, second = Line({"etcd-save.sh": "etcd has no quorum"}), Line()
    node, facts, data = save(masters(first, second))
    assert (node, facts.revision, data) == ("m2", 500, SNAPSHOT)
    assert second.asked == ["etcd-save.sh", "rm -rf /var/lib/etcd/save"]


def test_no_master_gives_one() -> None:
    with pytest.raises(CheckError, match="no master gives a snapshot") as caught:
        save(masters(Line({"etcd-save.sh": "the disk is too full"}), Line(data=SNAPSHOT[:-1])))
    assert caught.value.details[0] == "m1: the disk is too full" and "SHA-256" in caught.value.details[1]


def test_all_masters_take_the_same_cluster() -> None:
    lines = [Line(), Line(), Line()]
    assert restore(masters(*lines), SNAPSHOT, 900).totalKey == 3
    prepared = [next(word for word in line.asked if " prepare " in word).split()[2:] for line in lines]
    checksum = hashlib.sha256(SNAPSHOT).hexdigest()
    assert [words[:5] for words in prepared] == [
        [checksum, "2", "900", f"m{at}", f"https://10.0.0.{at}:2380"] for at in (1, 2, 3)
    ]
    every = "m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380,m3=https://10.0.0.3:2380"
    assert {tuple(words[5:]) for words in prepared} == {(every, prepared[0][6])}
    assert all(line.asked[-1] == "etcd-restore.sh standing" and "etcd-restore.sh switch" in line.asked for line in lines)
    again = [Line()]
    restore(masters(*again), SNAPSHOT, 900)
    assert prepared[0][6] not in " ".join(again[0].asked), "members of two restores never meet"


def test_one_that_can_t_prepare_leaves_all_as_they_were() -> None:
    lines = [Line(), Line({"prepare": "the disk is too full"}), Line()]
    with pytest.raises(CheckError, match="on m2 failed") as caught:
        restore(masters(*lines), SNAPSHOT, 900)
    assert caught.value.why == "the disk is too full"
    assert not any("switch" in word for line in lines for word in line.asked)
    assert all(line.asked[-1] == "etcd-restore.sh forget" for line in lines)


def test_an_earlier_restore_that_is_not_done_is_waited_for() -> None:
    line = Line()
    line.state = "switching"
    with pytest.raises(CheckError, match="m1 is still at an earlier restore"):
        restore(masters(line), SNAPSHOT, 900)
    assert line.asked == ["etcd-restore.sh standing"] and line.files == {}


@pytest.mark.parametrize("trouble", ["switch", "exchange"])
def test_one_that_kept_its_data_is_told_with_the_way_out(trouble: str) -> None:
    lines = [Line(), Line({trouble: "etcd did not end within 900 s"})]
    with pytest.raises(CheckError, match=r"m2 kept the data|not every master") as caught:
        restore(masters(*lines), SNAPSHOT, 900)
    assert "etcd did not end" in str(caught.value) and "run this again" in caught.value.hint
    assert "etcd-restore.sh switch" in lines[0].asked


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    made = a_cluster(directory=tmp_path)
    trust = base64.b64encode(PEM).decode()
    made.kubeconfig.write_text(yaml.safe_dump({"clusters": [{"cluster": {"certificate-authority-data": trust}}]}))
    return made


@pytest.fixture
def one_line(monkeypatch: pytest.MonkeyPatch) -> Line:
    """Of the first master, whose machine runs."""
    line = Line()
    monkeypatch.setattr(etcd, "attached", lambda *_, **__: {})
    monkeypatch.setattr(etcd, "masters_of", lambda *_: masters(line))
    return line


def test_a_saved_snapshot_is_for_its_owner_alone(cluster: Cluster, one_line: Line, tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    etcd.save_to(cluster, file, False)
    assert file.read_bytes() == SNAPSHOT and file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="is there already"):
        etcd.save_to(cluster, file, False)
    assert one_line.asked.count("etcd-save.sh") == 1, "nobody is asked for what has no place"


def test_a_snapshot_that_has_no_place_is_not_taken(cluster: Cluster, one_line: Line, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be written"):
        etcd.save_to(cluster, tmp_path / "none" / "x.db", False)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is there already"):
        etcd.save_to(cluster, tmp_path / "link", False)
    assert one_line.asked == []


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "can't be read"), (b"", "damaged, or no snapshot"), (SNAPSHOT[:-512], "damaged"), (b"y" + SNAPSHOT[1:], "damaged")],
)
def test_what_is_no_snapshot_is_refused_before_anything_is_asked(
    cluster: Cluster, one_line: Line, tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "x.db"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=words):
        etcd.restore_from(cluster, file, False, False)
    assert one_line.asked == []


def test_another_cluster_s_snapshot_is_refused_unless_asked(
    cluster: Cluster, one_line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"another".ljust(512, b"\0")
    file = tmp_path / "x.db"
    file.write_bytes(body + hashlib.sha256(body).digest())
    with pytest.raises(InputError, match="not a snapshot of the cluster c") as caught:
        etcd.restore_from(cluster, file, False, False)
    assert "--other-cluster" in caught.value.hint and one_line.asked == []
    monkeypatch.setattr(etcd, "revision_of", lambda _: 900)
    monkeypatch.setattr(etcd, "whole", lambda *_: None)
    etcd.restore_from(cluster, file, True, False)
    assert "etcd-restore.sh switch" in one_line.asked


@pytest.mark.parametrize(
    ("told", "revision"),
    [('{"metadata": {"resourceVersion": "608"}}', 608), ('{"metadata": {"resourceVersion": ""}}', None), (None, None)],
)
def test_what_the_cluster_is_at(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, told: str | None, revision: int | None
) -> None:
    """Where it can't be asked, more than it can be, and more each time."""

    def text(_: Kubectl, *words: str) -> str:
        assert words == ("get", "--raw", "/api/v1/namespaces?limit=1")
        if told is None:
            raise NotYet("connection refused")
        return told

    monkeypatch.setattr(Kubectl, "text", text)
    first, second = etcd.revision_of(cluster), etcd.revision_of(cluster)
    assert first == second == revision if revision else 10**15 < first <= second < 2**53
