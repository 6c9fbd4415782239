"""The project's own Go programs, compiled as the builder compiles them, so that what they share is compiled once."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.components.toolchain import COMPILED_AS, build_environment, go, network
from builder.run import run
from builder.store import Store, default_root
from builder.tidy import GO_LOCK


@contextmanager
def _work() -> Iterator[tuple[Path, Path]]:
    """The builder's own cache of modules and of what was compiled, and a folder for one command."""
    store = Store(default_root())
    with store.lock(GO_LOCK), tempfile.TemporaryDirectory() as work:
        yield store.scratch("go"), Path(work)


def go_run(folder: Path, verb: str, *words: str) -> None:
    """A go command in the folder of a module; the first word after its flags is what `words` begin with."""
    with _work() as (scratch, work):
        environment = {**build_environment(scratch, work), **network(go().program), "CGO_ENABLED": "0"}
        run([go().program, verb, *COMPILED_AS, *words], cwd=folder, env=environment, timeout=None)


def go_test(folder: Path) -> None:
    """Vets and tests the module in the folder."""
    go_run(folder, "vet", "./...")
    go_run(folder, "test", "-vet=off", "./...")
