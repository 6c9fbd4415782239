"""Objects that a suite brings along, and the proof that the API server took each of them."""

import yaml

from builder.checks import NotYet
from builder.cluster.kubectl import Kubectl
from builder.forming.objects import Object, is_going

# What kubectl says of an object that the API server has now; of one that it only tried, "(dry run)" or more follows.
_DONE = ("created", "configured", "unchanged")


def apply(kubectl: Kubectl, manifest: str) -> str:
    """Applies the documents; NotYet unless kubectl tells of each of their objects, by kind and name, that it is there."""
    told = [line.split() for line in kubectl.text("apply", "-f", "-", input=manifest).splitlines()]
    done = {_plain(line[0]) for line in told if len(line) == 2 and line[1] in _DONE}
    wanted = [f"{item['kind'].lower()}/{item['metadata']['name']}" for item in yaml.safe_load_all(manifest)]
    if missing := [name for name in wanted if name not in done]:
        raise NotYet(f"kubectl apply does not tell of {', '.join(missing)}: {' / '.join(map(' '.join, told)) or 'nothing'}")
    return f"{len(wanted)} objects, the last {wanted[-1]}"


def by_node(kubectl: Kubectl, namespace: str, app: str) -> dict[str, Object]:
    """The pods with that label, by the name of their node; those that go are none."""
    found = kubectl.items("pods", "-n", namespace, "-l", f"app={app}")
    return {pod["spec"].get("nodeName", ""): pod for pod in found if not is_going(pod)}


def _plain(name: str) -> str:
    """KIND.GROUP/NAME without the group, as in "deployment.apps/nginx"."""
    kind, _, rest = name.partition("/")
    return f"{kind.partition('.')[0]}/{rest}"


def delete_namespace(kubectl: Kubectl, name: str) -> None:
    """Delete a namespace with all that is in it; NotYet until it is gone."""
    kubectl.text("delete", "namespace", name, "--ignore-not-found", "--wait=false")
    if kubectl.text("get", "namespace", name, "--ignore-not-found", "-o", "name").strip():
        raise NotYet(f"{name} is being deleted")
