"""What the work costs beside the least that it could cost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bench_ratio import Ratios, image, prose, seconds
from image_samples import make_deb, tar_of
from media_samples import kernel, noise

from builder.assembly.native import NativeAssembler
from builder.images.compose import WORKERS, Request, compose_all
from builder.images.model import ImageDescription
from builder.linuxkit.model import Document
from builder.store import Store, file_digest, sha256
from builder.tarball import entries, writing

pytest_plugins = ["bench_fixtures"]
pytestmark = pytest.mark.bench

Files = dict[str, bytes | str]
TREES: dict[str, Callable[[], Files]] = {
    "one large file": lambda: {"large": noise(64 << 20)},
    "3000 small files": lambda: {f"d{number % 50}/f{number}": b"small" for number in range(3000)},
}


def document(store: Store, files: Files) -> Document:
    """A kernel, and one service with these files."""
    boot = image(store, "kubeiso/kernel:1", tar_of({"kernel": kernel(), "kernel.tar": tar_of({})}))
    service = image(store, "kubeiso/service:1", tar_of(files))
    return Document.model_validate({"kernel": {"image": boot}, "services": [{"name": "service", "image": service}]})


def copy(root: Path, store: Store) -> None:
    """From one archive to another, entry by entry."""
    with root.open("rb") as file, store.writer() as out, writing(out) as archive:  # type: ignore[arg-type]  # tarfile only calls write()
        for info, content in entries(file):
            archive.add(info, content)


@pytest.mark.parametrize("what", TREES)
def test_assembly_beside_a_copy(tmp_path: Path, ratios: Ratios, what: str) -> None:
    store = Store(tmp_path / "cache")
    root, made = document(store, TREES[what]()), []

    def assemble() -> None:
        for result in (store.root / "results").iterdir():
            result.unlink()  # so that it is done again
        made.append(NativeAssembler().assemble(root, store))

    assembled = seconds(assemble, times=3)
    copied = seconds(lambda: copy(store.path(made[0].digest), store), times=3)
    says = "what LinuxKit's rules cost over a plain copy with Python's tarfile; below 1: less than nothing"
    ratio = ratios.add(f"assembly of a root tree / tar to tar copy of it, {what}", assembled, copied, says)
    assert ratio < 10


def test_images_two_at_a_time(tmp_path: Path, ratios: Ratios) -> None:
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    requests = [request(one, tmp_path, f"toy{number}", prose(3 << 20, seed=number)) for number in range(4)]
    for each in requests:
        two.put_file(one.path(each.debs[0]))
    alone = seconds(lambda: [compose_all([each], one) for each in requests])
    beside = seconds(lambda: compose_all(requests, two))
    assert compose_all(requests, two) == compose_all(requests, one)
    says = f"{WORKERS} at best, with as many processors to spare: how much of the work is outside Python's lock"
    ratios.add(f"images composed one by one / {WORKERS} at a time", alone, beside, says)


def request(store: Store, work: Path, name: str, program: bytes) -> Request:
    deb = make_deb(store, work, name, {f"usr/bin/{name}": program})
    return Request(name, work / name, ImageDescription(image=f"docker.io/kubeiso/{name}:1", packages=(name,)), {}, (deb,))


def test_blobs_that_are_looked_after(tmp_path: Path, ratios: Ratios) -> None:
    """Small blobs, since what a blob costs beside its bytes weighs most on them."""
    blobs = [noise(4096, seed=number) for number in range(300)]
    rounds = iter(range(100))

    def plain() -> None:
        folder = tmp_path / f"plain{next(rounds)}"
        folder.mkdir()
        for blob in blobs:
            name = sha256(blob)
            (folder / "aside").write_bytes(blob)
            (folder / "aside").rename(folder / name)

    def put() -> None:
        store = Store(tmp_path / f"store{next(rounds)}")
        for blob in blobs:
            store.put(blob)

    says = "the price of claims on work under way, and of a note that tells after a power cut what is whole"
    ratio = ratios.add(
        "small blobs put into the store / written and renamed", seconds(put, times=3), seconds(plain, times=3), says
    )
    assert ratio < 20


def test_the_first_use_after_a_reboot(tmp_path: Path, ratios: Ratios, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a build pays once for each blob, in the boot after the one in which it was made."""
    store = Store(tmp_path)
    digests = [store.put(noise(8 << 20, seed=number)) for number in range(3)]
    monkeypatch.setattr("builder.store.boot_id", lambda: "another boot")
    first = seconds(lambda: Store(tmp_path).has(*digests))
    hashed = seconds(lambda: [file_digest(store.path(digest)) for digest in digests], times=3)
    later = seconds(lambda: Store(tmp_path).has(*digests), times=3)
    ratios.add("first use of blobs after a reboot / their hashes", first, hashed, "near 1: each is read once")
    says = "every other use costs no more than a look at the size"
    assert ratios.add("first use of blobs after a reboot / a later one", first, later, says) > 3
