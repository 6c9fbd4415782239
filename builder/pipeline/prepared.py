"""Document -> what media are made of. The root tree's tar between the two, a gigabyte, is not read again and so not kept."""

from dataclasses import replace

from builder.assembly.model import Assembler, RootTar
from builder.linuxkit.model import Document
from builder.media.model import MediaRequest, Prepared
from builder.media.prepare import prepare, program_digest, tool_versions
from builder.progress import step
from builder.store import Digest, Store, key_of


def prepared(assembler: Assembler, document: Document, request: MediaRequest, store: Store) -> tuple[RootTar, Prepared]:
    """The root tree, known by its digest and no longer in the store, and what media are made of; remembered for equal inputs.

    request: what goes on a medium; its root is the one that is found here. Raises what the assembler and `prepare` raise.
    """
    key = assembler.key(document)

    def make() -> dict[str, object]:
        with store.lock(f"root-{key}"):  # so that nobody drops the tar while another one reads it
            with step("Assembling the root tree"):
                root = assembler.assemble(document, store)
            with step("Preparing kernel, initrd and layers"):
                made = prepare(replace(request, root=root.digest), store)
            store.discard(root.digest)
        told = {"cmdline": made.cmdline, "kernel": made.kernel, "initrd": made.initrd, "layers": list(made.layers.items())}
        return {**told, "root": _name(root.digest), "size": root.size}

    asked = (request.initrd_program, request.label, request.changing, request.platform.name)
    inputs = (key, *asked, program_digest(), tool_versions())
    found = store.once(key_of("prepared", *inputs), make)
    root = RootTar(Digest(f"sha256:{found['root']}"), assembler.name, found["size"])
    kernel, ramdisk, layers = (
        Digest(found["kernel"]),
        Digest(found["initrd"]),
        {path: Digest(blob) for path, blob in found["layers"]},
    )
    return root, Prepared(request.label, found["cmdline"], kernel, ramdisk, layers, platform=request.platform)


def _name(digest: Digest) -> str:
    """Without its algorithm it is no digest to the store, which gives back a result only while every blob of it is there."""
    return digest.removeprefix("sha256:")
