"""What lets nodes into a cluster for a short while, and how it is made void: secrets of the namespace kube-system."""

import secrets
import shlex
import time

from builder.checks import NotYet
from builder.cluster.kubectl import Kubectl
from builder.progress import warn

CERTIFICATES = "kubeadm-certs"
"""Where kubeadm keeps the cluster's certificates, encrypted, for further masters."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_TRIES = 3
_PAUSE = 2.0


def new_token() -> str:
    """A random bootstrap token, [a-z0-9]{6}.[a-z0-9]{16} (Kubernetes' documentation, "Authenticating with Bootstrap Tokens")."""
    word = "".join(secrets.choice(_LETTERS) for _ in range(22))
    return f"{word[:6]}.{word[6:]}"


def token_secret(token: str) -> str:
    """The name of the Secret that holds a bootstrap token."""
    return f"bootstrap-token-{token[:6]}"


def void(kubectl: Kubectl, secret: str, what: str) -> None:
    """Deletes the secret, of which `what` is the title; where that can't be done, the user is told how to do it."""
    words = ("delete", "secret", "-n", "kube-system", secret, "--ignore-not-found", "--wait=false")
    reason = ""
    for again in range(_TRIES):
        if again:
            time.sleep(_PAUSE)
        try:
            kubectl.text(*words)
            return
        except NotYet as error:
            reason = str(error)
    warn(
        f"{what} could not be voided ({reason}), and is good until it expires; this voids it: {shlex.join(kubectl.argv(*words))}"
    )
