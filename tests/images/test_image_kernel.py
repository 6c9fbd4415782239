"""The kernel image: pruned modules, their closure, indexes made anew."""

import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_samples import layer_of, make_deb, make_module, read
from media_samples import read_newc

from builder import progress
from builder.errors import BuildError
from builder.images.compose import compose
from builder.images.model import ImageDescription, KernelDescription
from builder.run import run
from builder.store import Digest, Store

VERSION = "6.12.1-toy"
BASE = f"usr/lib/modules/{VERSION}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


class Notes(progress.Silent):
    """Keeps what is told."""

    def __init__(self, told: list[tuple[str, str]]) -> None:
        self._told = told

    def note(self, level: str, text: str) -> None:
        self._told.append((level, text))


@pytest.fixture
def told() -> Iterator[list[tuple[str, str]]]:
    """The level and text of each note of the test."""
    notes: list[tuple[str, str]] = []
    before = progress.use(Notes(notes))
    yield notes
    progress.use(before)


def zstd(data: bytes, work: Path) -> bytes:
    (work / "module").write_bytes(data)
    run(["zstd", "-q", "-f", work / "module", "-o", work / "module.zst"])
    return (work / "module.zst").read_bytes()


def kernel_deb(store: Store, work: Path) -> Digest:
    veth = make_module({"alias": "rtnl-link-veth", "depends": "lib-a,lib_b", "license": "GPL"})
    return make_deb(store, work, "linux-image-6.12.1-toy", {
        f"boot/vmlinuz-{VERSION}": b"MZ kernel", f"boot/config-{VERSION}": b"CONFIG_A=y\n", f"boot/System.map-{VERSION}": b"map",
        f"lib/modules/{VERSION}/kernel/drivers/net/veth.ko.xz": lzma.compress(veth),
        f"lib/modules/{VERSION}/kernel/lib/lib-a.ko.xz": lzma.compress(make_module({"softdep": "pre: lib_c post: none"})),
        f"lib/modules/{VERSION}/kernel/lib/lib-b.ko.zst": zstd(make_module({"license": "GPL"}), work),
        f"lib/modules/{VERSION}/kernel/lib/lib_c.ko": make_module({"license": "GPL"}),
        f"lib/modules/{VERSION}/kernel/sound/snd.ko.xz": lzma.compress(make_module({"alias": "snd"})),
        f"lib/modules/{VERSION}/modules.order": b"kernel/sound/snd.ko\nkernel/drivers/net/veth.ko\n",
        f"lib/modules/{VERSION}/modules.builtin": b"kernel/fs/proc.ko\n",
        f"usr/share/doc/linux-image-{VERSION}/copyright": b"GPL-2", f"usr/share/doc/linux-image-{VERSION}/changelog": b"",
    })  # fmt: skip


def files_of(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive if info.isreg()}  # type: ignore[union-attr]


def kernel_image(store: Store, work: Path, *keep: str, drop: tuple[str, ...] = ()) -> dict[str, bytes]:
    description = ImageDescription(image="docker.io/kubeiso/kernel:1", kernel=KernelDescription(keep=keep, drop=drop))
    image = compose("kernel", work, description, {}, [kernel_deb(store, work)], store)
    assert set(layer_of(store, image)) == {"kernel", "kernel.tar"}
    assert read(store, image, "kernel") == b"MZ kernel"
    return files_of(read(store, image, "kernel.tar"))


def test_a_kept_module_brings_what_it_needs_uncompressed_and_nothing_else(store: Store, tmp_path: Path) -> None:
    files = kernel_image(store, tmp_path, "drivers/net")
    modules = {name.removeprefix(f"{BASE}/kernel/") for name in files if name.endswith(".ko")}
    assert modules == {"drivers/net/veth.ko", "lib/lib-a.ko", "lib/lib-b.ko", "lib/lib_c.ko"}
    assert all(files[f"{BASE}/kernel/{name}"].startswith(b"\x7fELF") for name in modules)


def test_the_indexes_speak_of_the_kept_modules_alone(store: Store, tmp_path: Path) -> None:
    files = kernel_image(store, tmp_path, "drivers/net")
    assert b"kernel/drivers/net/veth.ko:" in files[f"{BASE}/modules.dep"]
    assert b"snd" not in files[f"{BASE}/modules.dep"]
    assert b"alias rtnl-link-veth veth" in files[f"{BASE}/modules.alias"]
    assert files[f"{BASE}/modules.order"] == b"kernel/drivers/net/veth.ko\n"
    assert files[f"{BASE}/modules.builtin"] == b"kernel/fs/proc.ko\n"
    assert f"{BASE}/modules.dep.bin" in files


def test_configuration_and_licence_are_beside_the_modules_and_the_symbols_are_not(store: Store, tmp_path: Path) -> None:
    files = kernel_image(store, tmp_path, "drivers/net")
    assert files[f"{BASE}/config"] == b"CONFIG_A=y\n"
    assert files[f"usr/share/doc/linux-image-{VERSION}/copyright"] == b"GPL-2"
    assert not any("System.map" in name or "changelog" in name for name in files)


def test_drop_wins_over_keep_but_not_over_need(store: Store, tmp_path: Path) -> None:
    files = kernel_image(store, tmp_path, drop=("sound", "lib/*"))
    assert {name.rpartition("/")[2] for name in files if name.endswith(".ko")} == {"veth.ko", "lib-a.ko", "lib-b.ko", "lib_c.ko"}


def test_what_is_inside_the_kernel_counts_as_met_and_a_misspelt_glob_is_told(
    store: Store, tmp_path: Path, told: list[tuple[str, str]]
) -> None:
    files = kernel_image(store, tmp_path, "drivers/net", "fs/proc", "drivers/nett", drop=("soud",))
    assert ("warning", "pkg/kernel: no module of this kernel matches drivers/nett, soud") in told
    assert [text for level, text in told if level == "warning" and "fs/proc" in text] == []
    assert f"{BASE}/kernel/drivers/net/veth.ko" in files


def test_packages_without_a_kernel_are_refused(store: Store, tmp_path: Path) -> None:
    description = ImageDescription(image="docker.io/kubeiso/kernel:1", kernel=KernelDescription())
    with pytest.raises(BuildError, match="exactly one boot/vmlinuz"):
        compose("kernel", tmp_path, description, {}, [make_deb(store, tmp_path, "a", {"etc/a": b""})], store)


@pytest.mark.parametrize(("keep", "drop"), [(("drivers/nett",), ()), ((), ("*",))])
def test_a_kernel_without_a_module_is_refused(store: Store, tmp_path: Path, keep: tuple[str, ...], drop: tuple[str, ...]) -> None:
    with pytest.raises(BuildError, match=f"pkg/kernel keeps no module of Linux {VERSION}") as caught:
        kernel_image(store, tmp_path, *keep, drop=drop)
    assert "its packages have 5" in caught.value.why
    assert "`keep`" in caught.value.hint


def test_the_same_package_gives_the_same_image(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(kernel_image(Store(tmp_path / name / "store"), tmp_path / name, "drivers/net"))
    assert made[0] == made[1]


def microcode_deb(store: Store, work: Path) -> Digest:
    base = "lib/firmware/intel-ucode"
    return make_deb(store, work, "intel-microcode", {
        f"{base}/06-02-01": b"second", f"{base}/06-01-01": b"first", f"{base}/06-03-01": b"second", "lib/firmware/other": b"no",
    })  # fmt: skip


def test_microcode_is_an_archive_that_is_not_compressed_with_each_piece_once_in_the_order_of_names(
    store: Store, tmp_path: Path
) -> None:
    parts = {"kernel/x86/microcode/GenuineIntel.bin": "usr/lib/firmware/intel-ucode/*"}
    description = ImageDescription(image="docker.io/kubeiso/kernel:1", kernel=KernelDescription(microcode=parts))
    packages = [kernel_deb(store, tmp_path), microcode_deb(store, tmp_path)]
    image = compose("kernel", tmp_path, description, {}, packages, store)
    members, _ = read_newc(read(store, image, "ucode.cpio"))
    assert list(members) == ["kernel", "kernel/x86", "kernel/x86/microcode", "kernel/x86/microcode/GenuineIntel.bin"]
    assert members["kernel/x86/microcode/GenuineIntel.bin"][2] == b"firstsecond"


def test_microcode_that_no_package_has_is_told(store: Store, tmp_path: Path) -> None:
    kernel = KernelDescription(microcode={"kernel/x86/microcode/GenuineIntel.bin": "usr/lib/firmware/intel-ucode/*"})
    description = ImageDescription(image="docker.io/kubeiso/kernel:1", kernel=kernel)
    with pytest.raises(BuildError, match=r"no microcode usr/lib/firmware/intel-ucode/\*"):
        compose("kernel", tmp_path, description, {}, [kernel_deb(store, tmp_path)], store)
