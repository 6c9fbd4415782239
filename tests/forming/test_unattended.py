"""A cluster that its nodes form by themselves: what each finds in its metadata, and the authority that was made before."""

import base64
import subprocess
from pathlib import Path

import pytest
import yaml
from cluster_samples import a_cluster
from cryptography import x509

from builder.forming.authority import admin_config, administrator, new_authority
from builder.forming.kubeconfig import kubeconfig
from builder.forming.unattended import Unattended, trees
from builder.run import run

INIT = "kind: InitConfiguration\n---\nkind: ClusterConfiguration\n"
JOIN = "kind: JoinConfiguration\n"


def parsed(text: str) -> dict[str, dict[str, object]]:
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def test_master_and_worker_have_the_same_token_and_the_worker_trusts_the_authority() -> None:
    cluster, authority = a_cluster(), new_authority()
    given = trees(cluster, cluster.nodes, Unattended(INIT, JOIN), authority)
    master, worker = (given[node.name] for node in (cluster.masters[0], cluster.workers[0]))
    assert "kubeadm/init" in master and "kubeadm/join" in worker
    init = parsed(master["kubeadm/kubeadm.yaml"])["InitConfiguration"]
    found = parsed(worker["kubeadm/kubeadm.yaml"])["JoinConfiguration"]["discovery"]
    assert init["bootstrapTokens"] == [{"token": found["tlsBootstrapToken"], "ttl": "120m0s"}]  # type: ignore[index]
    (trusted,) = yaml.safe_load(worker["kubeadm/discovery.conf"])["clusters"]
    assert base64.b64decode(trusted["cluster"]["certificate-authority-data"]) == authority.certificate
    assert trusted["cluster"]["server"] == f"https://{cluster.masters[0].address}:6443"
    assert master["kubeadm/pki/ca.key"].encode() == authority.key
    assert not any("pki" in path for path in worker)  # the key stays with the master
    assert "kubeadm/untaint-master" not in master
    assert "kubeadm/patches/etcd+strategic.yaml" in master


def test_openssl_takes_the_administrator_for_a_client_of_that_authority(tmp_path: Path) -> None:
    authority = new_authority()
    user = administrator(authority)
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    (tmp_path / "user.crt").write_bytes(user.certificate)
    run(["openssl", "verify", "-purpose", "sslclient", "-CAfile", tmp_path / "ca.crt", tmp_path / "user.crt"])
    (tmp_path / "ca.crt").write_bytes(new_authority().certificate)
    with pytest.raises(Exception, match="verif"):
        run(["openssl", "verify", "-purpose", "sslclient", "-CAfile", tmp_path / "ca.crt", tmp_path / "user.crt"])
    subject = x509.load_pem_x509_certificate(user.certificate).subject.rfc4514_string()
    assert subject == "CN=kubernetes-admin,O=system:masters"


def test_the_kubeconfig_leads_to_the_masters_port_with_the_administrators_key(tmp_path: Path) -> None:
    cluster, authority = a_cluster(), new_authority()
    config = yaml.safe_load(kubeconfig(cluster, admin_config(authority)))
    (master,) = cluster.masters
    assert config["current-context"] == master.name
    assert config["clusters"][0]["cluster"]["server"] == f"https://127.0.0.1:{master.ports.api}"
    key = tmp_path / "key.pem"

    key.write_bytes(base64.b64decode(config["users"][0]["user"]["client-key-data"]))
    subprocess.run(["openssl", "pkey", "-in", key, "-noout", "-check"], check=True, capture_output=True)
