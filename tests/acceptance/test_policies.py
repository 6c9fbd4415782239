"""The checks of the suite policies against what they are there to see."""

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
import yaml
from healthy_world import a_pod
from looks import a_world, looks

from builder.acceptance.policies import Policies
from builder.acceptance.run import Asked
from builder.acceptance.suites.policies import refuse
from builder.checks import Check, NotYet
from builder.errors import InputError

FOUND = "Name:\tkubernetes.default.svc.cluster.local\nAddress: 10.96.0.1\n"


class Enforced:
    """A cluster in which policies are enforced: what was applied says who is answered."""

    def __init__(self) -> None:
        self.world = cast(Any, a_world())
        self.policy: dict[str, Any] | None = None
        self.answered: Callable[[str], str] = self._answered
        self.dns = (0, FOUND)
        for number, node in enumerate(self.world.cluster.nodes):
            for place, app in enumerate(("web", "friend", "stranger")):
                pod = a_pod(f"{app}-{node.name}", node.name, "policies", app, f"10.244.{number}.{place}")
                self.world.put("pod", "policies", pod)
        world = self.world
        taken = world._answer

        def answer(words: Sequence[str], input: str) -> tuple[int, str]:
            match words:
                case ["apply", "-f", "-"] if "NetworkPolicy" in input:
                    self.policy = yaml.safe_load(input)["spec"]
                    return 0, "networkpolicy.networking.k8s.io/proof created\n"
                case ["delete", "networkpolicy", *_]:
                    self.policy = None
                    return 0, ""
                case ["get", "networkpolicies", *_]:
                    return 0, "" if self.policy is None else "networkpolicy.networking.k8s.io/proof\n"
                case ["exec", "-n", "policies", pod, "--", "sh", "-c", command]:
                    return 0, self._asked(pod, command)
                case ["exec", "-n", "policies", _, "--", "nslookup", _]:
                    return self.dns
            found: tuple[int, str] = taken(words, input)
            return found

        world._answer = answer

    def _answered(self, app: str) -> str:
        return "28" if self.policy is not None and app == "stranger" else "page"

    def _asked(self, pod: str, command: str) -> str:
        addresses = re.findall(r"10\.244\.\d\.\d", command)
        return "".join(f"{address} {self.answered(pod.partition('-')[0])}\n" for address in addresses)

    def checks(self) -> list[Check]:
        return Policies(self.world.cluster, self.world).checks()


def test_where_policies_are_enforced_all_pass() -> None:
    enforced = Enforced()
    for check in enforced.checks():
        check.look()


Damage = Callable[[Enforced], Any]


def answering(**codes: str) -> Damage:
    return lambda it: setattr(it, "answered", lambda app: codes.get(app, "page"))


def without(pod: str) -> Damage:
    return lambda it: it.world.objects.pop(("pod", "policies", pod))


def kept(it: Enforced) -> None:
    """A policy that can't be removed: a finalizer holds it."""
    it.policy, answer = {}, it.world._answer
    it.world._answer = lambda words, input: (0, "") if words[0] == "delete" else answer(words, input)


HARM: list[tuple[str, Damage, str]] = [
    ("NP1", lambda it: setattr(it.world, "applied", "namespace/policies created\n"), "does not tell of"),
    ("NP2", without("stranger-c-worker-1"), "no pod stranger on c-worker-1"),
    ("NP2", lambda it: it.world.objects["pod", "policies", "web-c-master-1"]["status"]["conditions"].clear(), "web-c-master-1"),
    ("NP3", answering(stranger="28"), "stranger-c-master-1 asked 10.244.0.0 and got curl's exit code 28"),
    ("NP3", answering(friend="7"), "friend-c-master-1 asked"),
    ("NP3", lambda it: setattr(it, "_asked", lambda *_: ""), "got curl's exit code nothing"),
    ("NP5", lambda _: None, "stranger-c-master-1 asked 10.244.0.0 and got Welcome to nginx!"),
    ("NP5", answering(friend="28", stranger="28"), "friend-c-master-1 asked"),
    ("NP5", answering(stranger="6"), "stranger-c-master-1 asked"),
    ("NP7", lambda _: None, "got Welcome to nginx!"),
    (
        "NP7",
        lambda it: setattr(it, "dns", (1, "connection timed out; no servers could be reached")),
        "no servers could be reached",
    ),
    ("NP8", kept, "still there"),
    ("NP9", answering(stranger="28"), "got curl's exit code 28"),
]


@pytest.mark.parametrize(("name", "damage", "reason"), HARM)
def test_each_check_sees_its_harm(name: str, damage: Damage, reason: str) -> None:
    enforced = Enforced()
    damage(enforced)
    (look,) = looks(enforced.checks(), name)
    with pytest.raises(NotYet, match=reason):
        look()


def test_every_check_is_tried() -> None:
    policies = {"NP4", "NP6"}  # an object that is applied, as in NP1
    assert {check.id for check in Enforced().checks()} - {name for name, *_ in HARM} == policies


def test_it_is_refused_where_nothing_enforces_them() -> None:
    refuse(Asked(1, 1, 0, policies=True))
    with pytest.raises(InputError, match="needs a network that enforces them"):
        refuse(Asked(1, 1, 0))
