"""SOURCE_DATE_EPOCH: the time that media and documents say."""

from pathlib import Path

import pytest

from builder import fat, moment
from builder.errors import InputError
from builder.provenance import cyclonedx, spdx
from builder.provenance.bill import DESCRIBES, DOCUMENT, Bill, Part
from builder.run import run
from builder.tarball import EPOCH


def test_without_it_the_time_is_linuxkits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(moment.VARIABLE, raising=False)
    assert (moment.moment(), moment.digits()) == (EPOCH, "2017041816300000")


def test_with_it_all_that_tells_a_time_tells_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(moment.VARIABLE, "1600000000")
    assert moment.digits() == "2020091312264000"
    bill = Bill()
    bill.relate(DOCUMENT, DESCRIBES, bill.add(Part("Node", "x", "1", purpose="OPERATING_SYSTEM")))
    assert spdx.document(bill, "x", "toy-1", "")["creationInfo"]["created"] == "2020-09-13T12:26:40Z"
    assert cyclonedx.document(bill, "x", "toy-1", "")["metadata"]["timestamp"].startswith("2020-09-13T12:26:40")
    (tmp_path / "program").write_bytes(b"x")
    image = fat.write_efi(tmp_path / "efi.img", {"EFI/BOOT/BOOTX64.EFI": tmp_path / "program"})
    assert "2020-09-13" in run(["mdir", "-i", image, "::EFI/BOOT"]).stdout


@pytest.mark.parametrize("wrong", ["now", "-1", "0", "1e9", "99999999999", "٣"])
def test_what_is_no_time_of_a_medium_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv(moment.VARIABLE, wrong)
    with pytest.raises(InputError, match=moment.VARIABLE):
        moment.moment()
