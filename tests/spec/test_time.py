"""Time servers: what a recipe may name, and what chrony is told."""

import pytest
from spec_samples import file_of, spec_of

from builder.reading.shapes import Unfit
from builder.recipe.model import Recipe, Time
from builder.timeserver import TimeServer


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("ntp.example.org", TimeServer("ntp.example.org")),
        ("10.0.2.2:12345", TimeServer("10.0.2.2", 12345)),
        ("[fd00::1]", TimeServer("fd00::1")),
        ("[fd00::1]:124", TimeServer("fd00::1", 124)),
    ],
)
def test_a_time_server_by_name_or_address(text: str, server: TimeServer) -> None:
    assert TimeServer.parse(text) == server


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("fd00::1", "neither a name nor an address", "did you mean '[fd00::1]'?"),
        ("[10.0.0.1", "neither a name nor an address", ""),
        ("[ntp]", "'ntp' is neither a name nor an address", ""),
        ("-a.b", "'-a.b' is neither a name nor an address", ""),
        ("a..b", "'a..b' is neither a name nor an address", ""),
        ("a;reboot", "neither a name nor an address", ""),
        ("a" * 64, "neither a name nor an address", ""),
        ("ntp:0", "0 is no port", "ports go from 1 to 65535"),
        ("ntp:65536", "65536 is no port", "ports go from 1 to 65535"),
    ],
)
def test_what_is_no_time_server(text: str, said: str, hint: str) -> None:
    with pytest.raises(Unfit, match=said.replace("[", r"\[")) as told:
        TimeServer.parse(text)
    assert told.value.hint == hint


def test_the_recipe_s_servers_are_chrony_s_and_a_name_may_stand_for_several() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd", time=Time(servers=("ntp.example.org", "10.0.0.1:1123", "[fd00::1]"))))
    assert file_of(spec, "etc/ntp/recipe.sources") == (
        "pool ntp.example.org iburst\nserver 10.0.0.1 port 1123 iburst\nserver fd00::1 iburst\n"
    )


def test_without_servers_there_are_those_of_the_network_alone() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd", time=Time(servers=())))
    assert [file.path for file in spec.files if file.path.startswith("etc/ntp")] == ["etc/ntp"]


def test_the_clock_is_looked_at_once_the_network_is_there_and_before_anything_of_kubernetes() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd"))
    steps = [entry.name for entry in spec.onboot]
    assert steps.index("dhcpcd") < steps.index("chrony")
    services = [entry.name for entry in spec.services]
    assert services.index("chrony") < services.index("kubelet")
