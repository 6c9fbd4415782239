"""The initrd, read back."""

import json
import stat
from pathlib import Path

from media_samples import read_newc

from builder.media.initrd import CONFIG, config, make_initrd, members
from builder.media.layers import Sealed
from builder.media.modules import Selection
from builder.media.verity import Root
from builder.run import run
from builder.store import Digest, Store

SELECTION = Selection("6.12", {"kernel/fs/isofs.ko": b"isofs!", "modules.dep": b"kernel/fs/isofs.ko:\n"}, ("isofs",))
LAYERS = {
    f"kubeiso/layer-{number}.squashfs": Sealed(Digest(f"sha256:{number * 64}"), Root(int(number), f"{number}a" * 32))
    for number in "12"
}
SETTINGS = config("LABEL", LAYERS, SELECTION.always)


def unpacked(initrd: bytes, work: Path) -> bytes:
    (work / "in.zst").write_bytes(initrd)
    run(["zstd", "-q", "-d", "-f", work / "in.zst", "-o", work / "out"])
    return (work / "out").read_bytes()


def test_the_program_reads_label_layers_and_modules() -> None:
    assert json.loads(SETTINGS) == {
        "label": "LABEL",
        "layers": ["kubeiso/layer-1.squashfs", "kubeiso/layer-2.squashfs"],
        "digests": ["1" * 64, "2" * 64],
        "roots": [{"blocks": 1, "hash": "1a" * 32}, {"blocks": 2, "hash": "2a" * 32}],
        "load": ["isofs"],
    }


def test_directories_come_before_what_is_in_them() -> None:
    seen: set[str] = set()
    for member in members(b"program", SELECTION):
        parent = str(Path(member.path).parent)
        assert parent == "." or parent in seen
        seen.add(member.path)


def test_an_initrd_is_microcode_then_settings_then_the_compressed_rest(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    initrd = store.read(make_initrd(b"program", SELECTION, SETTINGS, b"ucode", store))
    assert initrd[:8] == b"ucode\0\0\0"
    settings, end = read_newc(initrd[8:])
    assert settings == {
        "etc": (stat.S_IFDIR | 0o755, (0, 0), b""),
        CONFIG: (stat.S_IFREG | 0o644, (0, 0), SETTINGS),
    }
    rest, _ = read_newc(unpacked(initrd[8 + end :], tmp_path))
    assert rest["init"] == (stat.S_IFREG | 0o755, (0, 0), b"program")
    assert rest["dev/console"] == (stat.S_IFCHR | 0o600, (5, 1), b"")
    assert rest["lib/modules/6.12/kernel/fs/isofs.ko"][2] == b"isofs!"
    assert {"dev", "proc", "sys", "run", "lib", "lib/modules", "lib/modules/6.12/kernel/fs"} < rest.keys()


def test_other_settings_keep_the_compressed_part(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one = store.read(make_initrd(b"program", SELECTION, SETTINGS, b"", store))
    results = set((store.root / "results").iterdir())
    two = store.read(make_initrd(b"program", SELECTION, config("OTHER", {"x": Sealed(Digest(""), Root(1, ""))}, ()), b"", store))
    assert set((store.root / "results").iterdir()) == results
    assert one[read_newc(one)[1] :] == two[read_newc(two)[1] :]
