"""The entries of a boot menu, the same for GRUB and for systemd-boot."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """name: in a unified kernel's profile. title: what follows the medium's label. more: further kernel arguments."""

    name: str
    title: str = ""
    more: str = ""


ENTRIES = (
    Entry("node"),
    Entry("messages", ", with every message of the kernel", "ignore_loglevel"),
    Entry("serial", ", with its console on the first serial port", "console=ttyS0,115200n8"),
)
