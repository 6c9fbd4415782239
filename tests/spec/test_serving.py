"""The certificate of a kubelet's port: the cluster's, and known to the API server, unless a recipe wants the kubelet's own."""

from typing import Any

import pytest
import yaml
from spec_samples import file_of, spec_of

from builder.recipe.model import Recipe

ARGUMENT = {"name": "kubelet-certificate-authority", "value": "/etc/kubernetes/pki/ca.crt"}


def documents(kubelet: dict[str, Any]) -> dict[str, Any]:
    text = file_of(spec_of(Recipe(runtime="cri-containerd", kubelet=kubelet)), "etc/kubeadm/kubeadm.yaml")
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


@pytest.mark.parametrize(
    ("given", "signed"), [({}, True), ({"serverTLSBootstrap": True}, True), ({"serverTLSBootstrap": False}, False)]
)
def test_kubelets_and_the_api_server_agree(given: dict[str, Any], signed: bool) -> None:
    found = documents(given)
    assert found["KubeletConfiguration"]["serverTLSBootstrap"] is signed
    assert (ARGUMENT in found["ClusterConfiguration"]["apiServer"]["extraArgs"]) is signed
