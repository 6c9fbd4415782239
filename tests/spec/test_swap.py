"""Swap, time zones and clients of storage, from recipe to node."""

from pathlib import Path

import pytest
import yaml
from spec_samples import file_of, mistakes_of, spec_of

from builder.recipe.model import Recipe, State, Swap, Time
from builder.spec.zone import rule


def kubelet(recipe: Recipe) -> dict[str, object]:
    documents = yaml.safe_load_all(file_of(spec_of(recipe), "etc/kubeadm/kubeadm.yaml"))
    found: dict[str, object] = next(each for each in documents if each["kind"] == "KubeletConfiguration")
    return found


@pytest.mark.parametrize(("pods", "behaviour"), [(True, "LimitedSwap"), (False, "NoSwap")])
def test_the_kubelet_starts_beside_swap(pods: bool, behaviour: str) -> None:
    config = kubelet(Recipe(runtime="cri-containerd", swap=Swap(size="2Gi", pods=pods)))
    assert (config["failSwapOn"], config["memorySwap"]) == (False, {"swapBehavior": behaviour})


def test_the_step_comes_after_the_state_disk() -> None:
    steps = [entry.name for entry in spec_of(Recipe(runtime="cri-containerd", swap=Swap(size="512Mi"))).onboot]
    assert steps.index("state") < steps.index("swap")
    (entry,) = (e for e in spec_of(Recipe(runtime="cri-containerd", swap=Swap(size="512Mi"))).onboot if e.name == "swap")
    assert entry.settings["command"] == ["/usr/bin/swap.sh", str(512 << 20)]


def test_without_a_word_there_is_no_swap() -> None:
    recipe = Recipe(runtime="cri-containerd")
    assert "swap" not in {entry.name for entry in spec_of(recipe).onboot} and "failSwapOn" not in kubelet(recipe)


def test_swap_without_a_disk_is_a_mistake(tmp_path: Path) -> None:
    (told,) = mistakes_of("swap: {size: 1Gi}\nstate: {need: none}", tmp_path)
    assert "swap.size: has no effect: with state.need: none there is no disk for it" in told
    assert spec_of(Recipe(runtime="cri-containerd", state=State(need="optional"), swap=Swap(size="1Gi")))


def test_a_time_zone_is_the_node_s_and_its_shells() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd", time=Time(zone="Europe/Berlin")))
    links = {file.path: file.symlink for file in spec.files if file.symlink}
    assert links["etc/localtime"] == "/usr/share/zoneinfo/Europe/Berlin"
    assert (file_of(spec, "etc/timezone"), file_of(spec, "etc/TZ")) == ("Europe/Berlin\n", "CET-1CEST,M3.5.0,M10.5.0/3\n")
    assert any("tzdata" in reference for reference in spec.init)
    assert not any("tzdata" in reference for reference in spec_of(Recipe(runtime="cri-containerd")).init)


@pytest.mark.parametrize(
    ("zone", "posix"), [("UTC", "UTC0"), ("Asia/Kolkata", "IST-5:30"), ("US/Pacific", "PST8PDT,M3.2.0,M11.1.0")]
)
def test_the_rule_of_a_zone(zone: str, posix: str) -> None:
    assert rule(zone) == posix


def test_a_zone_that_is_none_is_told_with_the_nearest(tmp_path: Path) -> None:
    (told,) = mistakes_of("time: {zone: Europe/Berln}", tmp_path)
    assert "time.zone: there is no time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)" in told


def test_clients_of_storage_bring_services_and_modules() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd", storage=("udev", "iscsi")))
    assert {"udev", "iscsid"} <= {entry.name for entry in spec.services}
    assert "iscsi_tcp\n" in file_of(spec, "etc/modules-load.d/20-kubeiso.conf")
    plain = spec_of(Recipe(runtime="cri-containerd", storage=()))
    assert not {"udev", "iscsid"} & {entry.name for entry in plain.services}
