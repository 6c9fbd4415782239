"""What ends a boot, and what only looks like it."""

from pathlib import Path

import pytest

from builder.console import story as story_module
from builder.console.story import UNSIGNED, Story, separate

PANIC = "[    4.859876] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"
TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (PANIC, "Kernel panic - not syncing: Attempted to kill init"),
        ("[    1.0] Oops: 0002 [#1] PREEMPT SMP NOPTI", "Oops: 0002"),
        ("[   90.1] Out of memory: Killed process 1 (init) total-vm:1kB", "Killed process 1 "),
        ('KUBEISO {"t":4,"stage":"root","state":"failed","error":"no squashfs"}', "stage root: no squashfs"),
        ('KUBEISO {"t":4,"stage":"onboot","name":"sysctl","state":"failed"}', "stage onboot sysctl: no reason told"),
        ("BdsDxe: No bootable option or device was found.", "the firmware found nothing to boot from"),
    ],
)
def test_a_fatal_line_is_the_reason(line: str, words: str) -> None:
    assert words in Story.of(["before", line, "after"]).reason


@pytest.mark.parametrize(
    "line",
    [
        "[   90.1] Out of memory: Killed process 1234 (stress) total-vm:1kB",
        'KUBEISO {"t":4,"stage":"service","name":"kubelet","state":"failed","error":"exit 1"}',
        'KUBEISO {"t":4,"stage":"onboot","name":"dhcp","state":"failed","optional":true}',
        'KUBEISO {"t":4,"stage":"onboot","name":"metadata","state":"failed","error":"bonds","degraded":true}',
        "the word panic alone",
    ],
)
def test_other_lines_are_no_reason(line: str) -> None:
    assert Story.of([line]).reason == ""


def test_a_degraded_node_is_told_with_its_reason() -> None:
    story = Story.of(
        ['KUBEISO {"stage":"degraded","state":"failed","error":"metadata: bonds"}', 'KUBEISO {"stage":"ready","state":"ok"}']
    )
    assert (story.reason, story.degraded) == ("", "metadata: bonds")
    assert Story.of(['KUBEISO {"stage":"ready","state":"ok"}']).degraded == ""


def test_the_first_reason_stays() -> None:
    story = Story.of(['KUBEISO {"stage":"medium","state":"failed","error":"not found"}', PANIC])
    assert "not found" in story.reason


def test_a_log_that_a_command_prints_may_quote_a_panic() -> None:
    story = Story.of([f"{TOKEN} begin", PANIC])
    assert story.busy
    assert story.reason == ""
    story.take(f"{TOKEN} end 0")
    assert not story.busy
    assert story.reason == ""


def test_a_panic_during_a_command_counts_once_the_node_stays_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story.of([f"{TOKEN} begin", PANIC])
    monkeypatch.setattr(story_module, "GRACE", -1.0)
    assert "Kernel panic" in story.reason


def test_a_log_is_read_without_its_unfinished_line(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(
        b'\x1b[2J\x1b[01;01HKUBEISO {"stage":"init","state":"ok"}\r\n\xff\xfe bytes\r\nKUBEISO {"stage":"ready","state":"ok"}'
    )
    story = Story.from_log(log)
    assert [stage.stage for stage in story.stages] == ["init"]
    assert len(story.tail(10)) == 2
    assert Story.from_log(tmp_path / "none").stages == []


LOADER = "  Booting `KUBEISO_MASTER_1BC78099'"
READY = 'KUBEISO {"t":30.000,"stage":"ready","state":"ok","cpu_ms":70}'


@pytest.mark.parametrize("cut", [[PANIC], [f"{TOKEN} begin"], [f"{TOKEN} begin", PANIC]])
def test_a_log_of_two_boots_tells_of_the_second(cut: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story_module, "GRACE", -1.0)
    story = Story.of([LOADER, READY, *cut, LOADER, 'KUBEISO {"t":2.100,"stage":"medium","state":"ok"}'])
    assert story.reason == ""
    assert not story.busy
    assert [stage.stage for stage in story.stages] == ["medium"]


def test_what_a_second_boot_s_kernel_told_counts() -> None:
    assert "Oops: 0002" in Story.of([LOADER, READY, LOADER, "[    1.0] Oops: 0002 [#1] PREEMPT"]).reason


DAMAGED = 'KUBEISO {"t":9,"stage":"damage","name":"layer-1","state":"failed","error":"layer-1 on the medium is damaged"}'


def test_a_damaged_medium_stops_a_boot_and_no_node_that_runs() -> None:
    booting, ready = Story(), Story()
    ready.take('KUBEISO {"t":8,"stage":"ready","state":"ok"}')
    for story in (booting, ready):
        assert story.take(DAMAGED)
        assert [told.name for told in story.stages][-1] == "layer-1"
    assert "layer-1 on the medium is damaged" in booting.reason
    assert ready.reason == ""


def test_firmware_that_refuses_what_is_not_signed_is_told_apart_from_none_to_boot() -> None:
    refusal = 'BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM QM00011 " from PciRoot(0x0)/Sata(0x5,0xFFFF,0x0): Access Denied'
    nothing = "BdsDxe: No bootable option or device was found."
    assert Story.of([refusal, nothing]).reason == UNSIGNED
    assert Story.of([nothing]).reason == "the firmware found nothing to boot from"
    kernel = "EFI stub: UEFI Secure Boot is enabled."
    assert Story.of([refusal, kernel, READY]).reason == "", "another device had something that it takes"
    assert Story.of([refusal, kernel, nothing]).reason != UNSIGNED, "what was refused in an earlier boot is over"


def test_each_start_has_a_part_of_the_log_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    separate(log, "n")
    with log.open("a") as file:
        file.write(f"Booting `kubeiso'\n{PANIC}\nhalf a li")
    assert Story.from_log(log).reason
    separate(log, "n")
    assert "half a li\n=== kubeiso: start 2 of n at " in log.read_text()
    assert log.read_text().startswith("=== kubeiso: start 1 of n at ") and log.stat().st_mode & 0o777 == 0o600
    assert Story.from_log(log).faults == ()
    assert "Kernel panic" in Story.since(log, 0).faults[0], "of a node that was added meanwhile, all is looked at"


def test_what_came_after_a_moment_is_of_the_boot_before_it(tmp_path: Path) -> None:
    """A boot's stages are known from before the moment; its faults were told then."""
    log = tmp_path / "console.log"
    log.write_text(f"Booting `kubeiso'\n{READY}\n{PANIC}\n")
    size = log.stat().st_size
    assert Story.since(log, size).faults == ()
    with log.open("a") as file:
        file.write("EFI stub: one\nEFI stub: two\n")
    assert Story.since(log, size).faults == ("it started anew, by itself",)
