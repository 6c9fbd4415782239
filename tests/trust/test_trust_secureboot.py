"""Keys for Secure Boot: what is made, what of the user's is refused before any work."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key

from builder.errors import InputError
from builder.machine.qemu import OVMF_VARS
from builder.machine.secureboot import demand_keys, enroll
from builder.run import run
from builder.trust import platformkeys
from builder.trust.secureboot import secure_boot


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trust") / "keys"
    platformkeys.create(folder, "acme", 30)
    return folder


def test_the_folder_has_all_that_firmware_takes(keys: Path) -> None:
    ends = ("auth", "cer", "crt", "esl", "key")
    assert {path.name for path in keys.iterdir()} == {
        "README", "owner.guid", "sign.key", "sign.pub", *(f"{name}.{end}" for name in ("PK", "KEK", "db") for end in ends)
    }  # fmt: skip
    assert all(stat.S_IMODE((keys / f"{name}.key").stat().st_mode) == 0o600 for name in ("PK", "KEK", "db", "sign"))
    assert not [path for path in keys.parent.iterdir() if path != keys], "nothing is left beside it"


def test_keys_are_never_replaced(keys: Path) -> None:
    before = (keys / "db.key").read_bytes()
    with pytest.raises(InputError, match="there already"):
        platformkeys.create(keys, "acme", 30)
    assert (keys / "db.key").read_bytes() == before


def test_an_update_is_signed_by_the_key_above(keys: Path, tmp_path: Path) -> None:
    """EFI_VARIABLE_AUTHENTICATION_2: 16 bytes of time, a WIN_CERTIFICATE_UEFI_GUID that begins with its length, the list."""
    for variable, signer in (("PK", "PK"), ("KEK", "PK"), ("db", "KEK")):
        data, wanted = (keys / f"{variable}.auth").read_bytes(), (keys / f"{variable}.esl").read_bytes()
        length = int.from_bytes(data[16:20], "little")
        assert data[16 + length :] == wanted
        (tmp_path / "p7").write_bytes(data[16 + 24 : 16 + length])
        told = run(["openssl", "asn1parse", "-inform", "der", "-in", tmp_path / "p7"]).stdout
        assert f"acme {signer}" in told


def test_the_variables_of_a_virtual_machine_trust_these_keys_alone(keys: Path, tmp_path: Path) -> None:
    enroll(OVMF_VARS, keys, tmp_path / "vars.fd")
    data = (tmp_path / "vars.fd").read_bytes()
    assert len(data) == OVMF_VARS.stat().st_size
    for name in ("PK", "KEK", "db"):
        assert (keys / f"{name}.cer").read_bytes() in data
    assert b"Microsoft" not in data


def test_a_folder_without_certificates_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no PK\.crt, KEK\.crt, db\.crt"):
        demand_keys(tmp_path)


def test_what_does_not_fit_is_told_before_any_work(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "text.crt").write_text("text")
    (tmp_path / "text.key").write_text("text")
    (tmp_path / "lone.key").write_bytes((keys / "db.key").read_bytes())
    for key, certificate, told in (
        (keys / "none.key", None, "none.crt can't be read"),
        (tmp_path / "text.key", None, "text.crt is no certificate in PEM"),
        (tmp_path / "lone.key", None, "lone.crt can't be read"),
        (tmp_path / "text.key", keys / "db.crt", "text.key is no private key in PEM"),
        (keys / "db.key", keys / "KEK.crt", "KEK.crt is not that of the key"),
        (keys / "db.key", keys / "db.cer", "db.cer is no certificate in PEM"),
        ("pkcs11:token=t;object=db", None, "certificate of the key in the token is missing"),
        ("pkcs11:token=t;object=db?pin-value=1234", keys / "db.crt", "has the PIN in it"),
    ):
        with pytest.raises(InputError) as caught:
            secure_boot(str(key), certificate)
        assert told in caught.value.what
        assert "1234" not in str(caught.value)
        assert caught.value.hint


def test_a_key_with_a_passphrase_is_told(keys: Path, tmp_path: Path) -> None:
    key = load_pem_private_key((keys / "db.key").read_bytes(), None)
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "db.key").write_bytes(data)
    with pytest.raises(InputError, match="has a passphrase"):
        secure_boot(str(tmp_path / "db.key"), keys / "db.crt")
