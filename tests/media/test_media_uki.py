"""Unified kernels: what lies behind systemd's stub, and what a signed medium has for UEFI to start."""

from dataclasses import replace
from pathlib import Path

import pefile
import pytest
from media_samples import SYSTEMD, node_items, programs, read_newc, request

from builder.architecture import AMD64
from builder.errors import BuildError, InputError
from builder.media import pe, uki
from builder.media.inspection import volume_label
from builder.media.make import MAKERS, SIGNED, make_medium
from builder.media.model import Prepared, SecureBoot
from builder.media.prepare import prepare
from builder.run import run
from builder.store import Store
from builder.trust import platformkeys
from builder.trust.secureboot import secure_boot

PARTS = [".osrel", ".cmdline", ".linux", ".initrd", ".kubeiso"]
PROFILES = [".profile", ".profile", ".cmdline", ".profile", ".cmdline"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trust") / "keys"
    platformkeys.create(folder, "test", 30)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("uki") / "store")


@pytest.fixture(scope="module")
def ready(store: Store) -> Prepared:
    return replace(prepare(request(store, node_items()), store), programs=programs(store))


def test_it_has_kernel_command_line_initrd_and_layers_inside(ready: Prepared, store: Store, tmp_path: Path) -> None:
    made = make_medium(MAKERS["uki"], ready, store, tmp_path / "node.efi").path
    data, parts = made.read_bytes(), pe.sections(made)
    assert list(parts)[-len(PARTS) - 1 :] == [*PARTS, ".profile"]
    inside = {name: data[part.at : part.at + part.size] for name, part in parts.items()}
    assert inside[".cmdline"] == b"console=ttyS0 quiet"
    assert inside[".linux"] == store.read(ready.kernel)
    initrd = store.read(ready.initrd)
    assert inside[".initrd"].startswith(initrd)
    found, _ = read_newc(inside[".initrd"][-(-len(initrd) // 4) * 4 :])
    assert {path: entry[2] for path, entry in found.items() if path in ready.layers} == {
        path: store.read(layer) for path, layer in ready.layers.items()
    }


def test_its_sections_are_as_a_loader_wants_them(ready: Prepared, store: Store, tmp_path: Path) -> None:
    """Each on pages of its own, none over another, and all within what the header says of the whole."""
    made = make_medium(MAKERS["uki"], ready, store, tmp_path / "node.efi").path
    with pefile.PE(made, fast_load=True) as program:
        ends = 0
        for section in program.sections:
            assert section.VirtualAddress >= ends
            ends = section.VirtualAddress + section.Misc_VirtualSize
            assert section.PointerToRawData % program.OPTIONAL_HEADER.FileAlignment == 0
            assert section.PointerToRawData + section.SizeOfRawData <= made.stat().st_size
        for section in program.sections[-len(PARTS + PROFILES) :]:
            assert section.VirtualAddress % program.OPTIONAL_HEADER.SectionAlignment == 0
        assert ends <= program.OPTIONAL_HEADER.SizeOfImage


def test_each_entry_of_the_menu_is_a_profile_with_its_own_command_line(ready: Prepared, store: Store, tmp_path: Path) -> None:
    made = make_medium(MAKERS["uki"], ready, store, tmp_path / "node.efi").path
    with pefile.PE(made, fast_load=True) as program:
        sections = program.sections[-len(PARTS + PROFILES) :]
        texts = [(section.Name.rstrip(b"\0").decode(), section.get_data()[: section.Misc_VirtualSize]) for section in sections]
    assert [name for name, _ in texts] == [*PARTS, *PROFILES]
    assert [text for name, text in texts if name == ".profile"] == [
        b"ID=node\nTITLE=KUBEISO_TEST\n",
        b"ID=messages\nTITLE=KUBEISO_TEST, with every message of the kernel\n",
        b"ID=serial\nTITLE=KUBEISO_TEST, with its console on the first serial port\n",
    ]
    assert [text for name, text in texts if name == ".cmdline"] == [
        b"console=ttyS0 quiet", b"console=ttyS0 quiet ignore_loglevel", b"console=ttyS0 quiet console=ttyS0,115200n8",
    ]  # fmt: skip


def test_it_has_the_same_bits_each_time(ready: Prepared, store: Store, tmp_path: Path) -> None:
    one, two = (make_medium(MAKERS["uki"], ready, store, tmp_path / f"{name}.efi") for name in ("one", "two"))
    assert one.sha256 == two.sha256


def test_a_key_signs_it_and_no_other_did(ready: Prepared, store: Store, tmp_path: Path, keys: Path) -> None:
    secure = secure_boot(str(keys / "db.key"), None)
    made = make_medium(uki.signing(MAKERS["uki"]), replace(ready, secure=secure), store, tmp_path / "node.efi").path
    assert run(["sbverify", "--cert", keys / "db.crt", made], check=False).code == 0
    assert run(["sbverify", "--cert", keys / "KEK.crt", made], check=False).code != 0


@pytest.mark.parametrize("form", ["iso", "raw"])
def test_a_signed_medium_has_a_signed_kernel_where_grub_was(
    ready: Prepared, store: Store, tmp_path: Path, keys: Path, form: str
) -> None:
    """In the EFI partition, which is large enough for it; BIOS has GRUB as before."""
    secure = secure_boot(str(keys / "db.key"), None)
    made = make_medium(uki.signing(MAKERS[form]), replace(ready, secure=secure), store, tmp_path / f"node.{form}").path
    assert volume_label(made) == ready.label
    begin, size = efi_partition(made)
    image = tmp_path / "efi.img"
    image.write_bytes(made.read_bytes()[begin : begin + size])
    menu, program, settings = (tmp_path / name for name in ("menu.efi", "kernel.efi", "loader.conf"))
    for name, path in (("EFI/BOOT/BOOTX64.EFI", menu), ("EFI/Linux/kubeiso.efi", program), ("loader/loader.conf", settings)):
        run(["mcopy", "-i", image, f"::{name}", path])
    for path in (menu, program):
        assert run(["sbverify", "--cert", keys / "db.crt", path], check=False).code == 0
    assert b"#### LoaderInfo: systemd-boot " in menu.read_bytes() and "editor no\n" in settings.read_text()
    parts, data = pe.sections(program), program.read_bytes()
    initrd = parts[".initrd"]
    assert data[initrd.at : initrd.at + initrd.size] == store.read(ready.initrd), "the layers lie on the medium"


def efi_partition(disk: Path) -> tuple[int, int]:
    listed = run(["sfdisk", "--dump", disk]).stdout
    (row,) = [line for line in listed.splitlines() if "C12A7328" in line]
    words = dict(word.strip().split("=") for word in row.partition(":")[2].split(","))
    return int(words["start"]) * 512, int(words["size"]) * 512


def test_a_token_signs(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, ready: Prepared, store: Store) -> None:
    """SoftHSM, which has the key from a file."""
    (tmp_path / "hsm.conf").write_text(f"directories.tokendir = {tmp_path}\n")
    (tmp_path / "pin").write_text("1234")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "hsm.conf"))
    monkeypatch.setenv("PKCS11_MODULE_PATH", "/usr/lib/softhsm/libsofthsm2.so")
    known = {"SOFTHSM2_CONF": str(tmp_path / "hsm.conf")}
    pin = ["--pin", "1234"]
    run(["softhsm2-util", "--init-token", "--free", "--label", "t", "--so-pin", "1234", *pin], env=known)
    run(["softhsm2-util", "--import", keys / "db.key", "--token", "t", "--label", "db", "--id", "01", *pin], env=known)
    key = f"pkcs11:token=t;object=db;type=private?pin-source=file:{tmp_path / 'pin'}"
    signer = uki.signing(MAKERS["uki"])
    made = make_medium(signer, replace(ready, secure=secure_boot(key, keys / "db.crt")), store, tmp_path / "node.efi").path
    assert run(["sbverify", "--cert", keys / "db.crt", made], check=False).code == 0
    nobodys = replace(ready, secure=SecureBoot("pkcs11:token=none?x", keys / "db.crt"))
    with pytest.raises(InputError, match="pkcs11:token=none signs nothing") as caught:
        make_medium(signer, nobodys, store, tmp_path / "n.efi")
    assert caught.value.details and not (tmp_path / "n.efi").exists()


def test_what_is_no_program_or_has_no_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").write_text("no program")
    with pytest.raises(BuildError, match="no PE program"):
        pe.append(tmp_path / "text", [], tmp_path / "out")
    many = [(f".s{number}", tmp_path / "text") for number in range(100)]
    with pytest.raises(BuildError, match="no room for 100 sections"):
        pe.append(SYSTEMD / AMD64.efi_stub, many, tmp_path / "out")
    monkeypatch.setattr(pe, "LIMIT", 1000)
    with pytest.raises(BuildError, match="beyond what a PE program can hold"):
        pe.append(SYSTEMD / AMD64.efi_stub, many[:1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_each_format_but_the_networks_is_signed() -> None:
    assert set(SIGNED) == {"iso", "raw", "qcow2", "vmdk", "ova", "containerdisk", "uki"}
