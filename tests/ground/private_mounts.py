"""Mounts for one program alone."""

import subprocess
from functools import cache


@cache
def private_mounts() -> tuple[str, ...]:
    """The words that start a program that may mount, and whose mounts nobody else sees.

    For root a mount namespace; in a chroot, whose root is no mount point, with the propagation that it finds; for others a user
    namespace too. Fails where the kernel gives none of them: what is tested there can't be seen in another way.
    """
    for words in (("--mount",), ("--mount", "--map-root-user"), ("--mount", "--propagation", "unchanged")):
        mounts = ("unshare", *words, "sh", "-c", "mount -t tmpfs none /tmp")
        if subprocess.run(mounts, capture_output=True).returncode == 0:
            return ("unshare", *words)
    raise AssertionError("this machine gives no private mounts")
