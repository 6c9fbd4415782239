"""What is run inside of a pod."""

from builder.checks import NotYet
from builder.cluster.kubectl import Kubectl
from builder.run import last_line


def exit_code(kubectl: Kubectl, *where: str) -> str:
    """The proof that exec gives back what a command says and ends with. where: kubectl's words for the container."""
    done = kubectl.run("exec", *where, "--", "sh", "-c", "echo kept; exit 42")
    if (done.code, done.stdout.strip()) != (42, "kept"):
        raise NotYet(f"exit code {done.code}, output {done.stdout.strip()!r}: {last_line(done.stderr)}")
    return "exit code 42 came back"
