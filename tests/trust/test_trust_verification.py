"""A medium that was sent to somebody who has a public key and nothing else: what is found of each change to it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from media_samples import SYSTEMD, change, node_items, noise, programs, request

from builder.architecture import AMD64
from builder.errors import InputError
from builder.media import uki
from builder.media.make import MAKERS, make_medium
from builder.media.model import BILL
from builder.media.prepare import prepare
from builder.media.volume import opened
from builder.run import run
from builder.store import Store
from builder.trust import platformkeys, signing
from builder.trust.secureboot import secure_boot
from builder.trust.verification import Verdict, verify

FORMATS = ("iso", "raw", "qcow2", "ova", "containerdisk", "uki", "pxe")
Sent = dict[str, Path]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trust") / "keys"
    platformkeys.create(folder, "acme", 30)
    platformkeys.create(folder.with_name("others"), "others", 30)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Sent:
    """A signed medium of each format, with a signature and a bill beside it."""
    room = tmp_path_factory.mktemp("made")
    store = Store(room / "store")
    ready = replace(prepare(request(store, node_items()), store), programs=programs(store))
    secure = secure_boot(str(keys / "db.key"), None)
    ready = replace(ready, secure=secure, notes={BILL: store.put(b"{}")})
    found = {}
    for form in FORMATS:
        media = make_medium(uki.signing(MAKERS[form]), ready, store, room / "out" / MAKERS[form].name("node"))
        digest = media.sha256.removeprefix("sha256:")
        statement = media.path.with_name(f"{media.path.name}.slsa.json")
        statement.write_text(json.dumps({"subject": [{"digest": {"sha256": digest}}]}))
        media.path.with_name(f"{media.path.name}.sha256").write_text(f"{digest}  {media.path.name}\n")
        signing.sign([media.path, statement], keys / "sign.key")
        found[form] = media.path
    return found


@pytest.fixture
def sent(made: Sent, tmp_path: Path) -> Callable[[str], Path]:
    """A copy in a folder of its own, with all that belongs beside it."""

    def copied(form: str) -> Path:
        for path in made[form].parent.glob(f"{made[form].name}*"):
            shutil.copy(path, tmp_path)
        return tmp_path / made[form].name

    return copied


def verdicts(medium: Path, key: str | None, certificate: Path | None = None) -> dict[str, Verdict]:
    return {finding.name.replace(medium.name, "FILE"): finding.verdict for finding in verify(medium, key, certificate)}


@pytest.mark.parametrize("form", FORMATS)
def test_what_was_sent_is_what_was_made(sent: Callable[[str], Path], keys: Path, form: str) -> None:
    certificate = None if form == "pxe" else keys / "db.crt"
    found = verdicts(sent(form), str(keys / "sign.pub"), certificate)
    assert found.pop("secure boot") is (Verdict.UNKNOWN if form == "pxe" else Verdict.OK)
    assert found == dict.fromkeys(
        ("layers", "signature of FILE", "checksum", "FILE.slsa.json", "signature of FILE.slsa.json"), Verdict.OK
    )  # fmt: skip


def test_without_a_key_nothing_is_said_of_who_made_it(sent: Callable[[str], Path]) -> None:
    found = verdicts(sent("iso"), None)
    assert (found["signature of FILE"], found["secure boot"]) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert (found["layers"], found["checksum"]) == (Verdict.OK, Verdict.OK)


def test_another_key_did_not_sign_it(sent: Callable[[str], Path], keys: Path) -> None:
    others = keys.with_name("others")
    found = verdicts(sent("iso"), str(others / "sign.pub"), others / "db.crt")
    assert (found["signature of FILE"], found["secure boot"]) == (Verdict.FAILED, Verdict.FAILED)


@pytest.mark.parametrize("form", ["iso", "uki", "pxe"])
def test_one_changed_byte_of_a_layer_is_found_by_each_proof(sent: Callable[[str], Path], keys: Path, form: str) -> None:
    medium = sent(form)
    with opened(medium) as volume:
        start, size = next(iter(volume.layers.values()))
    change(medium, start + size // 2)
    found = verdicts(medium, str(keys / "sign.pub"), keys / "db.crt")
    for name in ("layers", "signature of FILE", "checksum", "FILE.slsa.json"):
        assert found[name] is Verdict.FAILED, name
    assert found["signature of FILE.slsa.json"] is Verdict.OK, "which is another file"


def test_a_kernel_for_bios_that_is_not_the_signed_one_is_found(sent: Callable[[str], Path], keys: Path) -> None:
    """UEFI would start the signed one."""
    medium = sent("iso")
    with opened(medium) as volume:
        start, size = volume.places["/boot/kernel"]
    change(medium, start + size - 1)
    assert verdicts(medium, None, keys / "db.crt")["secure boot"] is Verdict.FAILED


def test_a_signature_that_is_missing_or_of_another_file_is_found(sent: Callable[[str], Path], keys: Path) -> None:
    medium, other = sent("iso"), sent("raw")
    signature = medium.with_name(f"{medium.name}.minisig")
    shutil.copy(other.with_name(f"{other.name}.minisig"), signature)
    assert verdicts(medium, str(keys / "sign.pub"))["signature of FILE"] is Verdict.FAILED
    signature.unlink()
    assert verdicts(medium, str(keys / "sign.pub"))["signature of FILE"] is Verdict.FAILED
    assert verdicts(medium, None)["signature of FILE"] is Verdict.UNKNOWN


def test_the_key_itself_will_do(sent: Callable[[str], Path], keys: Path) -> None:
    line = (keys / "sign.pub").read_text().splitlines()[1]
    assert verdicts(sent("iso"), line)["signature of FILE"] is Verdict.OK


def test_what_tells_of_another_file_or_nothing_is_found(sent: Callable[[str], Path]) -> None:
    medium = sent("iso")
    for text in ("{}", "[]", "no JSON", '{"subject": [{"digest": 1}]}'):
        medium.with_name(f"{medium.name}.slsa.json").write_text(text)
        assert verdicts(medium, None)["FILE.slsa.json"] is Verdict.FAILED, text


def test_what_is_no_medium_or_no_key_is_the_users_mistake(tmp_path: Path, sent: Callable[[str], Path]) -> None:
    (tmp_path / "noise").write_bytes(noise(1 << 16))
    shutil.copy("/bin/true", tmp_path / "program")
    (tmp_path / "x.efi").write_bytes((SYSTEMD / AMD64.efi_stub).read_bytes())
    run(["tar", "-cf", tmp_path / "x.tar", "-C", tmp_path, "noise"])
    for name in ("noise", "program", "x.efi", "x.tar", "nothing"):
        with pytest.raises(InputError):
            verify(tmp_path / name, None, None)
    medium = sent("iso")
    for key in ("no key", str(medium)):
        with pytest.raises(InputError, match="no public key"):
            verify(medium, key, None)


@pytest.mark.parametrize("form", ["iso", "uki", "pxe", "ova"])
def test_a_file_that_is_cut_short_is_no_medium(sent: Callable[[str], Path], form: str) -> None:
    medium = sent(form)
    with medium.open("r+b") as file:
        file.truncate(medium.stat().st_size * 2 // 3)
    with pytest.raises(InputError):
        verify(medium, None, None)


def test_a_secret_key_that_is_none_is_told(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "text").write_text("text")
    for path, told in (
        (tmp_path / "text", "no secret key"),
        (keys / "sign.pub", "no secret key"),
        (tmp_path / "no", "can't be read"),
    ):
        with pytest.raises(InputError, match=told):
            signing.demand_key(path)
    signing.demand_key(keys / "sign.key")
