"""The administrator's kubeconfig on this machine, whose certificate ends after a year."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cluster_samples import a_cluster

from builder.cluster.model import Cluster
from builder.errors import CheckError
from builder.forming import kubeconfig as module
from builder.forming.authority import admin_config, new_authority
from builder.forming.kubeconfig import ADMIN, ends, kubeconfig, refresh

YEAR = timedelta(days=365)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    made = a_cluster(2, directory=tmp_path)
    made.kubeconfig.write_text(kubeconfig(made, admin_config(new_authority())))
    return made


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            assert tz is UTC
            return datetime.now(UTC) + timedelta(days=days)

    monkeypatch.setattr(module, "datetime", Clock)


def test_when_it_ends(cluster: Cluster) -> None:
    assert abs(ends(cluster.kubeconfig.read_text()) - datetime.now(UTC) - YEAR) < timedelta(hours=2)


def test_one_that_is_good_is_left_alone(cluster: Cluster) -> None:
    refresh(cluster, lambda *_: pytest.fail("nobody is asked"))


@pytest.mark.parametrize("days", [320, 400])
def test_one_that_ends_is_taken_anew_from_the_first_master_that_has_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    later(monkeypatch, days)
    before = yaml.safe_load(cluster.kubeconfig.read_text())
    admin = admin_config(new_authority())

    def read(node: str, path: str) -> bytes:
        assert path == ADMIN
        if node == cluster.masters[0].name:
            raise CheckError("QEMU has ended")
        return admin

    refresh(cluster, read)
    after = yaml.safe_load(cluster.kubeconfig.read_text())
    assert after["users"] == yaml.safe_load(admin)["users"] != before["users"]
    assert after["contexts"] == before["contexts"]
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_where_no_master_has_it_the_old_one_stays(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, 320)
    before, asked = cluster.kubeconfig.read_text(), []

    def read(node: str, _: str) -> bytes:
        asked.append(node)
        raise CheckError("QEMU has ended")

    refresh(cluster, read)
    assert cluster.kubeconfig.read_text() == before
    assert asked == [node.name for node in cluster.masters]
