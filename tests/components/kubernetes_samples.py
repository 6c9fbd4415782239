"""Stand-ins for a developer's own programs of Kubernetes: programs that run, and tell a version."""

import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from builder import elf
from builder.architecture import AMD64

NEXT = "1.37.0-alpha.1.12+0123456789abcd-dirty"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet")
# What each says before its version.
PREFIX = {"kubeadm": "v", "kubectl": "Client Version: v"}
BASE = 0x400000
MANY_WORDS = 5
"""So many words on the command line, its own name included, are no question for a version."""


def program(short: str, long: str = "", *, code: int = 0, machine: int = AMD64.elf) -> bytes:
    """A static program for Linux that prints `short`, or `long` when it is called with MANY_WORDS or more."""
    texts = [(text + "\n").encode() for text in (short, long)]
    places = [0, 0]
    for _ in range(2):  # the code's length does not depend on the places
        said = [
            b"\xbe" + struct.pack("<I", place) + b"\xba" + struct.pack("<I", len(text))
            for place, text in zip(places, texts, strict=True)
        ]
        code_bytes = (
            b"\x48\x8b\x04\x24"  # mov rax, [rsp]: how many words
            + bytes([0x48, 0x83, 0xF8, MANY_WORDS])  # cmp rax, MANY_WORDS
            + said[0]  # mov esi, text; mov edx, length
            + b"\x72\x0a"  # jb over the next two
            + said[1]
            + b"\xbf\x01\x00\x00\x00\xb8\x01\x00\x00\x00\x0f\x05"  # write(1, ...)
            + b"\xbf" + struct.pack("<I", code) + b"\xb8\x3c\x00\x00\x00\x0f\x05"  # exit(code)
        )  # fmt: skip
        start = elf.HEADER.size + elf.SEGMENT.size
        first = BASE + start + len(code_bytes)
        places = [first, first + len(texts[0])]
    size = start + len(code_bytes) + sum(map(len, texts))
    header = elf.HEADER.pack(
        elf.MAGIC.ljust(16, b"\0"),
        2,
        machine,
        1,
        BASE + start,
        elf.HEADER.size,
        0,
        0,
        elf.HEADER.size,
        elf.SEGMENT.size,
        1,
        0,
        0,
        0,
    )
    return header + elf.SEGMENT.pack(elf.PT_LOAD, 5, 0, BASE, BASE, size, size, 0x1000) + code_bytes + b"".join(texts)


def images(version: str, **other: str) -> str:
    """What kubeadm 1.36 says to `config images list`, with other tags for some."""
    tags = {"coredns/coredns": "v1.14.2", "pause": "3.10.2", "etcd": "3.6.8-0", **other}
    ours = [name for name in PROGRAMS if name.startswith("kube-")]
    return "\n".join(f"registry.k8s.io/{name}:{tag}" for name, tag in (dict.fromkeys(ours, f"v{version}") | tags).items())


def own(name: str, version: str, asks: str = "") -> bytes:
    return program(f"{PREFIX.get(name, 'Kubernetes v')}{version}", asks)


def write(folder: Path, programs: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in programs.items():
        (folder / name).write_bytes(data)
    return folder


def built_with_cgo(path: Path, text: str) -> Path:
    """A program that is linked to this machine's C library."""
    source = f'#include <stdio.h>\nint main(void) {{ puts("{text}"); return 0; }}\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-x", "c", "-", "-o", path], input=source, text=True, check=True)
    return path


def c_library(path: Path, version: str) -> None:
    """A shared library that says to be glibc of that version."""
    script = path.with_suffix(".map")
    script.write_text(f"GLIBC_{version} {{ global: puts; }};\n")
    command: list[str | Path] = [
        "gcc",
        "-shared",
        "-fPIC",
        "-nostdlib",
        f"-Wl,--version-script={script}",
        "-x",
        "c",
        "-",
        "-o",
        path,
    ]
    subprocess.run(command, input="int puts(const char *text) { return text != 0; }\n", text=True, check=True)
    script.unlink()
