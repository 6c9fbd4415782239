"""QEMU itself takes the arguments of a cluster's node: a machine that is set up in full and never runs."""

import struct
from collections.abc import Iterator

import pytest

from builder.errors import BuildError, CheckError
from builder.machine.launch import launch, prepare
from builder.machine.model import Acceleration, MachineSpec
from builder.machine.qmp import Qmp
from builder.network.network import Switch
from builder.process import Process

PCAP = 0xA1B2C3D4


@pytest.fixture
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MachineSpec]:
    place = tmp_path_factory.mktemp("q")
    for name in ("node.iso", "cidata.img", "state.img"):
        (place / name).write_bytes(bytes(1 << 20))
    switch = Switch.start(place / "net")
    yield MachineSpec(
        name="one", directory=place / "one", medium=place / "node.iso", acceleration=Acceleration(name="tcg", reason="test"),
        memory=128, cpus=1, capture=True,
        cluster_network=switch.card, metadata=place / "cidata.img", state_disk=place / "state.img",
    )  # fmt: skip
    switch.stop()


@pytest.fixture
def qmp(spec: MachineSpec) -> Iterator[Qmp]:
    prepare(spec)
    process = Process.find(launch(spec), str(spec.directory))
    assert process
    try:
        with Qmp(spec.qmp_socket) as connection:
            yield connection
    finally:
        process.end(10.0)


def test_it_has_its_cards_and_its_disks(qmp: Qmp, spec: MachineSpec) -> None:
    disks = {info["inserted"]["node-name"]: info["inserted"] for info in qmp.execute("query-block") if "inserted" in info}
    assert {name: disk["ro"] for name, disk in disks.items()} == {"medium": True, "metadata": True, "state": False}
    assert disks["state"]["cache"] == {"no-flush": True, "direct": False, "writeback": True}
    network = qmp.monitor("info network")
    assert "access: index=0,type=user" in network
    assert "cluster: index=0,type=" in network
    for name in ("access", "cluster"):
        assert struct.unpack("=I", spec.capture_file(name).read_bytes()[:4])[0] == PCAP
        qmp.set_link(name, up=False)
        qmp.set_link(name, up=True)
    with pytest.raises(CheckError, match="refused set_link"):
        qmp.set_link("elsewhere", up=False)


def test_a_state_disk_belongs_to_one_machine_at_a_time(qmp: Qmp, spec: MachineSpec) -> None:
    assert qmp.status() == "prelaunch"
    second = spec.model_copy(update={"name": "two", "directory": spec.directory.with_name("two")})
    prepare(second)
    with pytest.raises(BuildError, match="could not start") as refused:
        launch(second)
    assert "lock" in str(refused.value)
