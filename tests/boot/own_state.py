"""Where the clusters of one run of the boot tests lie: apart from the user's, and from what a run that was killed has left."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.cluster import lifecycle, state
from builder.lock import held, is_held

HOME = Path("/var/tmp/kubeiso-tests")  # on a disk, which /tmp need not be; short, for the sockets
_VARIABLE = "KUBEISO_STATE"
_LOCK = "run.lock"


@contextmanager
def own_state(home: Path) -> Iterator[Path]:
    """$KUBEISO_STATE is a new directory in `home`, for the programs that tests start, too. Runs that were killed are ended first.

    At the end no test may have left a cluster.
    """
    home.mkdir(mode=0o700, exist_ok=True)
    before = os.environ.get(_VARIABLE)
    try:
        for path in home.iterdir():
            if not is_held(path / _LOCK):
                _end(path)
        directory = home / str(os.getpid())
        directory.mkdir()
        with held(directory / _LOCK):
            os.environ[_VARIABLE] = str(directory)
            yield directory
            left = state.names()
            _end(directory)
            assert left == [], "a test has left its clusters"
    finally:
        os.environ.pop(_VARIABLE)
        if before is not None:
            os.environ[_VARIABLE] = before


def _end(directory: Path) -> None:
    os.environ[_VARIABLE] = str(directory)
    for name in state.names():
        lifecycle.down(name)
    shutil.rmtree(directory)
