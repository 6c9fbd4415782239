"""Every image that Kubernetes' tests can name is made by us, or no conformance test that runs here asks for it."""

from pathlib import Path

import pytest
from default_target import DEFAULT
from test_image_complete import composed

from builder.acceptance.suites.conformance import CONFORMANCE
from builder.components.registry import find
from builder.oci import process_of
from builder.pipeline.clusters import e2e_test
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.run import run
from builder.spec.versions import control_plane
from builder.store import Store

# By the start of the name: test/utils/image/manifest.go against the files that testdata/conformance.yaml names.
NOT_MADE = {
    "gcr.io/k8s-authenticated-test/agnhost:2.6": "asked for on Google's cloud alone (replica sets from a private registry)",
    "invalid.registry.k8s.io/invalid/alpine:3.1": "must not exist: of tests of failed pulls, which are no conformance tests",
    "registry.k8s.io/build-image/distroless-iptables:": "of a test of kube-proxy's iptables, no conformance test",
    "registry.k8s.io/cloud-provider-gcp/": "of storage on Google's cloud",
    "registry.k8s.io/e2e-test-images/apparmor-loader:": "of AppArmor, no conformance test",
    "registry.k8s.io/e2e-test-images/busybox:1.36.1-1": "of CSI drivers' manifests, no conformance test",
    "registry.k8s.io/e2e-test-images/ipc-utils:": "of the node's own tests of hostIPC",
    "registry.k8s.io/e2e-test-images/kitten:": "of the test of image volumes, which asks a registry each time (drawn.OFFLINE)",
    "registry.k8s.io/e2e-test-images/nginx:1.27-0": "of server side apply, no conformance test",
    "registry.k8s.io/e2e-test-images/node-perf/": "of measurements",
    "registry.k8s.io/e2e-test-images/nonroot:": "of runAsNonRoot, no conformance test",
    "registry.k8s.io/e2e-test-images/perl:": "named by no test",
    "registry.k8s.io/e2e-test-images/regression-issue-74839:": "of conntrack, no conformance test",
    "registry.k8s.io/e2e-test-images/resource-consumer:": "of autoscaling, no conformance test",
    "registry.k8s.io/e2e-test-images/volume/": "of NFS and iSCSI, no conformance test",
    "registry.k8s.io/sig-storage/": "of CSI drivers, no conformance test",
}
MADE = sorted({*CONFORMANCE.images, *control_plane(True)})


@pytest.fixture(scope="module")
def program() -> Path:
    return e2e_test(Project.here(), Store(), BuildOptions(), DEFAULT)


@pytest.mark.network
@pytest.mark.long
def test_every_image_that_a_test_can_name_is_made_or_has_a_reason(program: Path) -> None:
    project, store = Project.here(), Store()
    named = set(run([program, "--list-images"]).stdout.split())
    assert len(named) > 30
    made = {composed(name, project, store).name for name in MADE}
    left = {name for name in named - made if not any(name.startswith(start) for start in NOT_MADE)}
    assert left == set()
    assert not [start for start in NOT_MADE if not any(name.startswith(start) for name in named - made)], "of older versions"


@pytest.mark.network
@pytest.mark.long
def test_no_image_is_made_for_the_tests_alone_that_none_of_them_names(program: Path) -> None:
    project, store = Project.here(), Store()
    named = set(run([program, "--list-images"]).stdout.split())
    assert {composed(name, project, store).name for name in CONFORMANCE.images} <= named


@pytest.mark.network
@pytest.mark.long
def test_another_tag_of_agnhost_costs_no_room() -> None:
    """containerd and others keep a layer once, whatever images have it."""
    project, store = Project.here(), Store()
    layers = {name: composed(name, project, store) for name in ("agnhost", "agnhost-prev", "glibc-dns-testing")}
    from builder.oci import layer_paths

    assert len({layer_paths(store, image.digest)[0] for image in layers.values()}) == 1
    assert process_of(store, layers["glibc-dns-testing"].digest).entrypoint == ()


@pytest.mark.network
@pytest.mark.long
def test_the_agnhost_of_each_tag_is_of_the_pinned_kubernetes() -> None:
    assert find("agnhost", Store(), Project.here()).version == "2.63.0"
