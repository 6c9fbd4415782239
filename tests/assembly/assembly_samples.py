"""Small images with every kind of entry, and a document that uses every key of LinuxKit's YAML."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from builder.linuxkit.model import Document
from builder.oci import Image, Process, write_image
from builder.store import Digest, Store

Item = tuple[tarfile.TarInfo, bytes]
LONG = "usr/share/" + "long-directory-name/" * 5 + "file"
LABEL = {
    "binds": ["/etc/resolv.conf:/etc/resolv.conf", "/run:/run:rshared,rbind"],
    "binds.add": ["/never:/never"],
    "capabilities": ["CAP_SYS_ADMIN", "CAP_CHOWN"],
    "mounts": [{"type": "cgroup", "options": ["rw", "nosuid"]}, {"type": "tmpfs", "destination": "/tmp", "source": "tmpfs"}],
    "tmpfs": ["/scratch:rw,size=10m", "/plain"],
    "pid": "host",
    "net": "host",
    "hostname": "from-label",
    "rootfsPropagation": "shared",
    "env": ["FROM=label"],
    "cwd": "/label",
    "annotations": {"z": "last", "a": "first"},
    "runtime": {"mkdir": ["/var/lib/x"], "mounts": [{"type": "bind", "source": "/a", "destination": "/b", "options": ["bind"]}]},
}


def item(name: str, content: bytes = b"", *, type: bytes = tarfile.REGTYPE, mode: int = 0o644, **fields: Any) -> Item:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = type, mode, len(content), 1_600_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def folder(name: str, mode: int = 0o755, **fields: Any) -> Item:
    return item(name, type=tarfile.DIRTYPE, mode=mode, **fields)


def link(name: str, target: str, type: bytes = tarfile.SYMTYPE) -> Item:
    return item(name, type=type, mode=0o777, linkname=target)


def archive(items: Iterable[Item], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for info, content in items:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def image(store: Store, name: str, *layers: Iterable[Item], label: Mapping[str, Any] | str = "", **process: Any) -> str:
    """The reference of an image of these layers, lowest first."""
    digests = [store.put(archive(items)) for items in layers]
    return image_of_layers(store, name, digests, label=label, **process).reference


def image_of_layers(
    store: Store, name: str, layers: list[Digest], *, label: Mapping[str, Any] | str = "", **process: Any
) -> Image:
    text = label if isinstance(label, str) else json.dumps(label, ensure_ascii=False)
    labels = {"org.mobyproject.config": text} if text else {}
    return write_image(store, name, layers, Process.model_validate({**process, "labels": labels}))


def kernel_image(store: Store) -> str:
    modules = [
        folder("./"),
        folder("lib/modules/"),
        folder("lib/modules/6.12/" + "deep/" * 20),
        item("lib/modules/6.12/a.ko", b"module" * 100),
        link("lib/modules/6.12/build", "/usr/src/linux"),
        item("lib/modules/6.12/" + "x" * 120, b"long"),
        item("lib/modules/6.12/empty"),
    ]
    return image(
        store, "kubeiso/kernel:6.12",
        [item("ucode.cpio", b"microcode"), item("kernel", b"\x7fkernel" * 1000, mode=0o600, mtime=1_700_000_000.25),
         item("kernel.tar", archive(modules)), item("System.map", b"dropped")],
    )  # fmt: skip


def init_images(store: Store) -> list[str]:
    first = image(
        store, "docker.io/kubeiso/init:1",
        [folder("etc"), item("etc/hosts", b"own hosts"), link("etc/resolv.conf", "/somewhere"), item("etc/hostname", b"gone"),
         item("lib/apk/db/installed", b"P:first\n"), item("sbin/init", b"#!init", mode=0o4755), item("bin/both", b"lower")],
        [folder("./bin"), item("./bin/both", b"upper"), folder("dev"),
         item("dev/console", type=tarfile.CHRTYPE, devmajor=5, devminor=1)],
    )  # fmt: skip
    second = image(
        store, "localhost/runc:1",
        [item("lib/apk/db/installed", b"P:second\n"), item("bin/both", b"third"), link("etc/mtab", "/old"),
         item("Dockerfile", b"FROM"), item(".dockerenv")],
    )  # fmt: skip
    return [first, second]


def kinds_image(store: Store) -> str:
    """Two layers with entries of every kind, with whiteouts and with names that need PAX records."""
    lower = [
        folder("etc/", uname="root", gname="root"),
        item("etc/hosts", b"a"),
        item("etc/resolv.conf", b"b", mode=0o600, uid=3),
        item("removed/inside", b"gone"),
        item("kept", b"lower"),
        item("large", b"0123456789abcdef" * 50_000 + b"odd"),
        item("turned/into/file", b"hidden"),
        item("opaque/lower", b"stays: opaque markers have no effect"),
        item(LONG, b"long name"),
        item("näme/ünïcode", b"utf-8", uname="größe"),
        item("sub/second", b"time", mtime=1_600_000_000.5),
        item("xattr", b"cap", pax_headers={"SCHILY.xattr.user.note": "remembered", "comment": "kept too"}),
        item("owner", b"big ids", uid=4_000_000, gid=3_000_000),
    ]
    upper = [
        item(".wh.removed"),
        item("turned/into", b"a file over a directory"),
        item("opaque/.wh..wh..opq"),
        item("opaque/upper", b"new"),
        item("kept", b"upper wins", mode=0o4711, uid=7, gid=8, uname="user", gname="group"),
        link("hard", "kept", tarfile.LNKTYPE),
        link("soft", "../" + "target/" * 30),
        item("char", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        item("block", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
        item("fifo", type=tarfile.FIFOTYPE),
        item("x" * 99 + "/y", b"cut behind a slash"),
        item("old", b"time before 1970", mtime=-5),
    ]
    return image(
        store, "docker.io/kubeiso/kinds:2", lower, upper, label=LABEL, entrypoint=["/bin/sh"], cmd=["-c", "true"],
        env=["PATH=/bin"], working_dir="/srv",
    )  # fmt: skip


def everything(store: Store) -> Document:
    """A document with every key; one of its files takes its content from `source.txt` in the working directory."""
    Path("source.txt").write_bytes(b"from a file\n")
    kinds = kinds_image(store)
    plain = image(store, "kubeiso/plain", [item("bin/plain", b"plain", mode=0o755)], entrypoint=["/bin/plain"])
    return Document.model_validate({
        "kernel": {"image": kernel_image(store), "cmdline": "console=ttyS0 <&> quiet", "ucode": "ucode.cpio"},
        "init": init_images(store),
        "volumes": volumes(plain, kinds),
        "onboot": [rich(kinds), {"name": "plain", "image": plain, "binds": ["data:/data", "seed:/seed:ro", "/x:/y"]}],
        "onshutdown": [{"name": "bye", "image": plain, "command": ["/bin/bye"], "readonly": True}],
        "services": [
            {"name": "label-only", "image": kinds},
            {"name": "again", "image": plain, "readonly": True, "uid": "label-only", "gid": "root", "additionalGids": [7, "bye"]},
            adding(kinds),
            {"name": "other", "image": image(store, "registry.example:5000/a/b/other:1", [folder("opt")]), "readonly": True},
        ],
        "files": files(),
    })  # fmt: skip


def volumes(plain: str, kinds: str) -> list[dict[str, Any]]:
    return [
        {"name": "data"},
        {"name": "seed", "image": plain, "readonly": True},
        {"name": "tree", "image": kinds, "format": "filesystem"},
        {"name": "layout", "image": plain, "format": "oci", "platforms": ["linux/amd64"]},
    ]


def rich(reference: str) -> dict[str, Any]:
    """An entry that sets every key."""
    return {
        "name": "rich",
        "image": reference,
        "capabilities": ["all"],
        "ambient": ["CAP_NET_ADMIN"],
        "mounts": [{"type": "bind", "source": "data", "destination": "/vol", "options": ["rw"]}, {"destination": "/dev"}],
        "binds": ["/dev:/hostdev", "/a:/b:ro", "data:/data:rw,noexec"],
        "devices": [
            {"path": "/dev/kvm", "type": "c", "major": 10, "minor": 232, "mode": "0666"},
            {"path": "all", "type": "b"},
            {"path": "/dev/zero", "type": "c", "major": 1, "minor": 0, "mode": "0"},
        ],
        "tmpfs": ["/t:rw,nosuid"],
        "command": ["/bin/x", "<html> & co", "line\nbreak", "tab\t", "ünï \u2028 \U0001f600"],
        "env": [],
        "cwd": "/yaml",
        "net": "/run/netns/x",
        "pid": "new",
        "ipc": "new",
        "uts": "host",
        "userns": "new",
        "hostname": "yes",
        "readonly": False,
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "uid": -1,
        "gid": 65534,
        "additionalGids": [],
        "noNewPrivileges": True,
        "oomScoreAdj": 0,
        "rootfsPropagation": "rslave",
        "cgroupsPath": "/rich",
        "resources": resources(),
        "sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.conf10": "0", "net.ipv4.conf9": "0", "kernel.x": "0x10", "Kernel": "on"},
        "rlimits": ["nofile,1024,unlimited", " RLIMIT_CORE , 0 , 0 "],
        "uidMappings": [{"hostID": 1000, "containerID": 0, "size": 10}],
        "gidMappings": [{"hostID": 1000, "containerID": 0, "size": 10}],
        "annotations": {"b": "2", "a": "1: one #", "empty": ""},
        "runtime": runtime(),
    }


def resources() -> dict[str, Any]:
    return {
        "devices": [{"allow": False, "type": "a", "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 5}],
        "memory": {"limit": 1 << 30, "swap": -1, "swappiness": 0, "kernelTCP": 5, "disableOOMKiller": True},
        "cpu": {"shares": 512, "quota": 1000, "cpus": "0-1", "realtimeRuntime": 5},
        "pids": {"limit": 100},
        "blockio": {"weight": 10, "leafWeight": 20},
        "hugepageLimits": [{"pageSize": 2, "limit": 5}],
        "network": {"classID": 7, "priorities": [{"name": "eth0", "priority": 3}]},
    }


def runtime() -> dict[str, Any]:
    return {
        "cgroups": ["podruntime", "systemreserved"],
        "mounts": [{"type": "tmpfs", "source": "tmpfs", "destination": "/m", "options": ["mode=755"]}],
        "mkdir": [],
        "interfaces": [{"name": "vethin", "add": "veth", "peer": "vethout"}, {"name": "eth0", "createInRoot": True}],
        "bindNS": {"net": "/run/netns/rich", "cgroup": ""},
        "namespace": "k8s.io",
    }


def adding(reference: str) -> dict[str, Any]:
    """An entry that adds to the label's lists, from an image that another entry has unpacked already."""
    return {
        "name": "adding",
        "image": reference,
        "binds.add": ["/more:/more", "tree:/tree"],
        "capabilities.add": ["CAP_BPF", "CAP_CHOWN"],
        "net": "new",
        "mounts": [{"source": "proc"}, {"type": "mqueue"}],
    }


def files() -> list[dict[str, Any]]:
    return [
        {"path": "etc/linuxkit.yml", "metadata": "yaml", "mode": "0644"},
        {"path": "/etc/deep/er/secret", "contents": "secret"},
        {"path": "etc/deep/other", "contents": "a\n  b\n", "mode": "0640", "uid": "rich", "gid": 5},
        {"path": "etc/linuxkit.json", "metadata": "json"},
        {"path": "srv/from", "source": "source.txt", "mode": "0444"},
        {"path": "srv/missing", "source": "none.txt", "optional": True},
        {"path": "var/dir/", "directory": True, "mode": "1777"},
        {"path": "var/dir2", "directory": True},
        {"path": "bin/link", "symlink": "../sbin/init"},
        {"path": "etc/empty", "contents": "", "mode": "0600", "uid": 0},
        {"path": "etc/literal", "contents": "first\nsecond\n\n"},
        {"path": "etc/odd", "contents": " leading\nand trailing \n"},
        {"path": "etc/long", "contents": "words " * 40 + "end"},
        {"path": "etc/quoted", "contents": "a: b # c " + "with \"quotes\"  and   spaces " * 8 + "\u00a0\u0085\ufeff\x07"},
        {"path": "etc/single", "contents": "- it's a list: " * 10},
        *({"path": f"etc/word{index}", "contents": word} for index, word in enumerate(WORDS)),
        {"path": "etc/ünï", "contents": "\U0001f600 face", "gid": "root"},
    ]  # fmt: skip


# Texts that YAML could take for something else than a string, or that need quotes for other reasons.
WORDS = (
    "yes", "No", "n", "off", "null", "~", "1", "-1", "+1", "0x1F", "0o17", "017", "08", "1_000", "1__0", "_1", "0b11", "0b", "0x",
    "1e3", "1e", "1.5", "1.", ".5", "+.5", ".inf", "1:30", "=", "<<", "0.1.2", "2017-04-18", "2017-13-45", "2017-04-18 16:30:00",
    "2001-1-2T3:4:5Z", "- x", "-x", "?", "?x", ":", "a:b", "a: b", "#", "a #b", "'", "\"", "@x", "%x", "`", "!x", "&x", "*x", "|",
    ">", "---", "...x", " x", "x ", "[a]", "{a}", ",", "\t", "x\ty", "x\r\ny", "\n", "x\n", "x\n\n", "\nx", "x" * 200,
    "é" * 100 + " y",
)  # fmt: skip
