"""The root tree from LinuxKit's own CLI, without Docker and without network."""

import os
import shutil
from pathlib import Path

from builder.assembly.files import sources
from builder.assembly.layout import platform_of, write_layout
from builder.assembly.model import RootTar
from builder.assembly.references import demand, image_named
from builder.linuxkit.model import Document
from builder.progress import step
from builder.run import failure, run
from builder.store import Digest, Store, file_digest, key_of


class LinuxkitAssembler:
    """Runs `linuxkit build --format tar` on the YAML, with the store's images as its cache."""

    name = "linuxkit"

    def __init__(self, program: Path) -> None:
        self._program = program

    def key(self, document: Document) -> str:
        return key_of("root tree", self.name, file_digest(self._program), document.to_yaml(), sources(document))

    def assemble(self, document: Document, store: Store) -> RootTar:
        """The root tree of a document whose images are in the store; remembered for this very program.

        Raises BuildError with what the CLI wrote where it fails.
        """
        demand(store, document.references())
        root = Digest(store.once(self.key(document), lambda: {"root": self._build(document, store)})["root"])
        return RootTar(root, self.name, store.path(root).stat().st_size)

    def _build(self, document: Document, store: Store) -> Digest:
        with step("assembling the root tree with linuxkit"), store.workdir("linuxkit") as work:
            cache, root = work / "cache", work / "root.tar"
            write_layout(store, cache, document.references())
            options = ["--arch", _architecture(document, store), "--no-sbom", "--format", "tar"]
            done = run(
                [self._program, "build", "--cache", cache, *options, "--o", root, "-"],
                env=_environment(document, work),
                input=document.to_yaml(),
                check=False,
                timeout=None,
            )
            if done.code != 0:  # it says on stdout what is wrong with a YAML
                raise failure(done.argv, done.code, done.stdout + done.stderr)
            return store.adopt(root)


def _architecture(document: Document, store: Store) -> str:
    return platform_of(store, image_named(store, document.kernel.image))["architecture"]


def _environment(document: Document, work: Path) -> dict[str, str]:
    """A home of its own, since the CLI makes ~/.moby there; the user's where a file's source is below it."""
    if any((file.source or "").startswith("~/") for file in document.files or []):
        return {}
    home = work / "home"
    home.mkdir()
    return {"HOME": os.fspath(home)}


def find_program() -> Path | None:
    """The CLI: what KUBEISO_LINUXKIT names, else `linuxkit` on PATH."""
    found = os.environ.get("KUBEISO_LINUXKIT") or shutil.which("linuxkit")
    return Path(found) if found else None
