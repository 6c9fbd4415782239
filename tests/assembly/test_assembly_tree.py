"""The root tree: recorded from LinuxKit's CLI, and made again by the native assembler."""

import gzip
import json
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import assembly_samples as samples
import pytest
import yaml

from builder.assembly import native
from builder.assembly.compare import compare, facts
from builder.assembly.flatten import image_entries
from builder.assembly.linuxkit import LinuxkitAssembler, find_program
from builder.assembly.native import NativeAssembler, root_tree
from builder.errors import BuildError, InputError
from builder.linuxkit.model import Document
from builder.references import digest_of
from builder.store import Digest, Store
from builder.tarball import EPOCH

GOLDEN = Path(__file__).parent / "golden"
READABLE = (
    "etc/linuxkit.yml",
    "etc/linuxkit.json",
    "containers/onboot/000-rich/config.json",
    "containers/onboot/000-rich/runtime.json",
    "containers/services/adding/config.json",
    "containers/services/again/runtime.json",
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "cache")


def content_of(document: Document, store: Store, name: str) -> bytes:
    """The content of the last entry of that name."""
    found = b""
    for info, content in root_tree(document, store):
        if info.name == name:
            found = content if isinstance(content, bytes) else content.read() if content else b""
    return found


def listing(store: Store, root: Digest) -> str:
    """A line for each entry, and the archive's digest."""
    lines = []
    for (name, _), entry in facts(store, root):
        records = " ".join(f"{key}={value}" for key, value in entry.records)
        owner = f"{entry.uid}:{entry.gid} {entry.owner}"
        lines.append(ascii(f"{name} {entry.type} {entry.mode} {owner} {entry.size} {entry.mtime} {entry.device} {entry.linkname}"
                           f" {entry.content[:16]} {records}")[1:-1])  # fmt: skip
    return "\n".join([*lines, root, ""])


def test_every_entry_is_as_linuxkit_writes_it(store: Store) -> None:
    root = NativeAssembler().assemble(samples.everything(store), store)
    assert listing(store, root.digest).splitlines() == (GOLDEN / "everything.txt").read_text().splitlines()
    assert root.assembler == "native"


@pytest.mark.parametrize("name", READABLE)
def test_generated_files_are_as_linuxkit_writes_them(store: Store, name: str) -> None:
    recorded = (GOLDEN / name.replace("/", "_")).read_bytes()
    assert content_of(samples.everything(store), store, name).decode() == recorded.decode()


def record_what_linuxkit_gives(store: Store) -> None:
    """Writes the golden files anew. Becomes a test only with KUBEISO_RECORD=1, and fails even then: it proves nothing."""
    program = find_program()
    assert program, "recording needs the LinuxKit CLI on PATH or in KUBEISO_LINUXKIT"
    document = samples.everything(store)
    root = LinuxkitAssembler(program).assemble(document, store).digest
    assert compare(store, NativeAssembler().assemble(document, store).digest, root) == []
    (GOLDEN / "everything.txt").write_text(listing(store, root))
    for name in READABLE:
        (GOLDEN / name.replace("/", "_")).write_bytes(content_of(document, store, name))
    pytest.fail("recorded; run again without KUBEISO_RECORD")


if os.environ.get("KUBEISO_RECORD"):
    test_record_what_linuxkit_gives = record_what_linuxkit_gives


def test_the_result_is_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    document = samples.everything(store)
    first = NativeAssembler().assemble(document, store)
    monkeypatch.setattr(native, "root_tree", lambda *_: pytest.fail("assembled again"))
    assert NativeAssembler().assemble(document, store) == first


def test_another_source_gives_another_tree(store: Store) -> None:
    document = samples.everything(store)
    first = NativeAssembler().assemble(document, store)
    Path("source.txt").write_bytes(b"changed\n")
    second = NativeAssembler().assemble(document, store)
    assert [line.split(":")[0] for line in compare(store, first.digest, second.digest)] == ["srv/from"] * 2  # size and content


def test_generated_entries_have_the_fixed_time(store: Store) -> None:
    made = {info.name: info.mtime for info, _ in root_tree(samples.everything(store), store)}
    for name in ("boot/kernel", "boot/cmdline", "containers/services/adding/config.json", "etc/linuxkit.yml", "etc"):
        assert made[name] == EPOCH


def test_memory_does_not_grow_with_the_layers(store: Store) -> None:
    size = 48 << 20
    image = samples.image(store, "kubeiso/large:1", [samples.item("large", bytes(size)), *many(2000)])
    document = minimal(store, services=[{"name": "large", "image": image}])
    tracemalloc.start()
    NativeAssembler().assemble(document, store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 4


def many(count: int) -> list[samples.Item]:
    return [samples.item(f"d{index % 7}/f{index}", b"x") for index in range(count)]


def minimal(store: Store, **sections: Any) -> Document:
    return Document.model_validate({"kernel": {"image": samples.kernel_image(store)}, **sections})


def test_a_gzipped_layer_gives_the_same_entries(store: Store) -> None:
    layer = samples.archive(many(20))
    plain, packed = (
        samples.image_of_layers(store, "x", [store.put(data)]).digest for data in (layer, gzip.compress(layer, mtime=0))
    )
    names = [[info.name for info, _ in image_entries(store, digest)] for digest in (plain, packed)]
    assert plain != packed
    assert names[0] == names[1] != []


def entry(**settings: Any) -> Callable[[Store], dict[str, Any]]:
    def sections(store: Store) -> dict[str, Any]:
        image = samples.image(store, "kubeiso/plain:1", many(1))
        return {"services": [{"name": "one", "image": image, **settings}], "volumes": [{"name": "seed", "readonly": True}]}

    return sections


def labelled(label: str) -> Callable[[Store], dict[str, Any]]:
    return lambda store: {"services": [{"name": "one", "image": samples.image(store, "x/y:1", many(1), label=label)}]}


def file(**settings: Any) -> Callable[[Store], dict[str, Any]]:
    return lambda _: {"files": [{"path": "etc/x", **settings}]}


MISTAKES: dict[str, Callable[[Store], dict[str, Any]]] = {
    "is not pinned by digest": lambda _: {"init": ["kubeiso/init:1"]},
    "services: one occurs more than once": lambda store: {"services": entry()(store)["services"] * 2},
    "has other characters than": lambda _: {"volumes": [{"name": "Big"}]},
    "there is no capability 'CAP_FLY'": entry(capabilities=["CAP_FLY"]),
    "expected a limit NAME,SOFT,HARD, got 'nofile,5'": entry(rlimits=["nofile,5"]),
    "expected a limit NAME,SOFT,HARD, got 'nofile,5,many'": entry(rlimits=["nofile,5,many"]),
    "expected a bind SOURCE:/DESTINATION": entry(binds=["/only"]),
    "expected a tmpfs /PATH or /PATH:OPTIONS": entry(tmpfs=["/a:b:c"]),
    "of the device /dev/x is not octal": entry(devices=[{"path": "/dev/x", "type": "c"}]),
    "there is no capability 'all'": entry(capabilities=["all", "CAP_BPF"]),
    "the mount at '/x' has no type": entry(mounts=[{"destination": "/x"}]),
    "a mount of type ext4 has no destination": entry(mounts=[{"type": "ext4"}]),
    "services[0].runtime.recources: unknown key": entry(runtime={"recources": []}),
    "no container is named 'nobody'": entry(uid="nobody"),
    "there is no volume 'none'": entry(binds=["none:/x"]),
    "the volume 'seed' is read-only": entry(**{"binds.add": ["seed:/x"]}),
    "services[0].devices[0].mode: expected an octal mode": entry(devices=[{"path": "/dev/x", "type": "c", "mode": "rw"}]),
    "y:1@sha256:": labelled('{"pid": 5}'),
    "surrogates not allowed": labelled('{"hostname": "\\ud83d\\ude00"}'),
    "sets a name or an image": labelled('{"name": "mine"}'),
    "one of contents, source, metadata, directory, symlink is needed, not none": file(),
    "not contents, source": file(contents="x", source="/etc/hosts"),
    "not directory, contents": file(contents="x", directory=True),
    "the source nowhere can't be read": file(source="nowhere"),
    "the mode 'rw' is not octal": file(contents="", mode="rw"),
    "is for linux/amd64, not for linux/arm64": lambda store: {
        "volumes": [{"name": "v", "format": "oci", "platforms": ["linux/arm64"], "image": samples.image(store, "x/y:1", many(1))}]
    },
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_of_a_document_are_told(store: Store, message: str) -> None:
    document = {"kernel": {"image": samples.kernel_image(store)}, **MISTAKES[message](store)}
    with pytest.raises(InputError) as told:
        NativeAssembler().assemble(Document.from_yaml(yaml.safe_dump(document)), store)
    assert message in str(told.value)


@pytest.mark.parametrize(
    "evil",
    [
        samples.item("../../../../etc/shadow", b"evil"), samples.item("a/../../x", b"evil"), samples.folder("x/../.."),
        samples.link("x", "../../../../etc/shadow", tarfile.LNKTYPE),
    ],
    ids=["dots at the start", "dots within", "a folder", "a hard link"],
)  # fmt: skip
def test_no_layer_leads_out_of_its_container(store: Store, evil: samples.Item) -> None:
    image = samples.image(store, "kubeiso/evil", [samples.item("bin/x", b"x"), evil])
    document = minimal(store, services=[{"name": "evil", "image": image}])
    with pytest.raises(BuildError, match="which leads out of the image"):
        NativeAssembler().assemble(document, store)


def test_a_missing_layer_is_told_with_its_image(store: Store) -> None:
    document = minimal(store)
    store.path(digest_of(document.kernel.image)).unlink()
    with pytest.raises(BuildError, match="not in the store") as told:
        NativeAssembler().assemble(document, store)
    assert told.value.details == (document.kernel.image,)


BROKEN_KERNELS = {
    "no file kernel": [samples.item("kernel.tar", samples.archive([]))],
    "no file kernel.tar": [samples.item("kernel", b"k")],
    "no regular file": [samples.link("kernel", "vmlinuz"), samples.item("kernel.tar", samples.archive([]))],
    "no tar archive": [samples.item("kernel", b"k"), samples.item("kernel.tar", b"no archive" * 100)],
}


@pytest.mark.parametrize("message", BROKEN_KERNELS)
def test_a_broken_kernel_image_is_told(store: Store, message: str) -> None:
    document = Document.model_validate({"kernel": {"image": samples.image(store, "k/k:1", BROKEN_KERNELS[message])}})
    with pytest.raises(BuildError, match=message):
        NativeAssembler().assemble(document, store)


def test_a_kernel_without_modules_has_to_say_so(store: Store) -> None:
    image = samples.image(store, "k/k:1", [samples.item("vmlinuz", b"k")])
    document = Document.model_validate({"kernel": {"image": image, "binary": "vmlinuz", "tar": "none"}})
    assert [info.name for info, _ in root_tree(document, store)] == ["boot", "boot/cmdline", "boot/kernel"]


def test_an_image_whose_hosts_is_a_link_is_told(store: Store) -> None:
    image = samples.image(store, "x/y:1", [samples.link("etc/hosts", "/run/hosts")])
    with pytest.raises(BuildError, match="etc/hosts as something else than a file"):
        NativeAssembler().assemble(minimal(store, services=[{"name": "x", "image": image}]), store)


def test_nothing_half_written_stays_after_a_failure(store: Store) -> None:
    broken = store.put(samples.archive(many(1))[:700])
    image = samples.image_of_layers(store, "x/y:1", [broken]).reference
    with pytest.raises(BuildError, match="no tar archive"):
        NativeAssembler().assemble(minimal(store, init=[image]), store)
    assert list((store.root / "tmp").iterdir()) == []
    assert not list((store.root / "results").iterdir())


def test_config_json_is_json(store: Store) -> None:
    name = "containers/services/again/config.json"
    config = json.loads(content_of(samples.everything(store), store, name))
    assert config["process"]["user"] == {"uid": 103, "gid": 0, "additionalGids": [7, 102]}
    assert config["root"] == {"path": "rootfs", "readonly": True}
