"""The hashes behind a layer: who knows the root finds one changed byte anywhere, and the same layer has the same bits."""

import random
from pathlib import Path

import pytest
from media_samples import item, noise, tree_of

from builder.errors import BuildError
from builder.media import verity
from builder.media.layers import make_layers
from builder.media.verity import BLOCK, Root, seal
from builder.run import Completed, run
from builder.store import Store


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A squashfs of some 300 blocks, so that its tree has more than one level."""
    store = Store(tmp_path / "store")
    (made,) = make_layers(tree_of(tmp_path, item("noise", noise(300 * BLOCK)), item("text", b"text")), store)
    file = tmp_path / "layer"
    file.write_bytes(store.read(made.layer))
    (tmp_path / "root").write_text(f"{made.root.blocks} {made.root.hash}")
    return file


def root_of(layer: Path) -> Root:
    blocks, hash = (layer.parent / "root").read_text().split()
    return Root(int(blocks), hash)


def checks(layer: Path) -> bool:
    """What veritysetup itself finds."""
    root = root_of(layer)
    offset = f"--hash-offset={root.blocks * BLOCK}"
    return run(["veritysetup", "verify", layer, layer, root.hash, offset], check=False).code == 0


def test_each_changed_byte_is_found(layer: Path) -> None:
    whole = layer.read_bytes()
    assert checks(layer) and root_of(layer).blocks > 256
    tree = (root_of(layer).blocks + 1) * BLOCK
    places = [0, tree - BLOCK - 1, tree, len(whole) - BLOCK, *random.Random(7).sample(range(tree - BLOCK), 12)]
    for place in places:
        layer.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert not checks(layer), f"byte {place}"
    layer.write_bytes(whole)
    assert checks(layer)


def test_the_squashfs_before_the_hashes_is_as_it_was(layer: Path) -> None:
    assert "squashfs-root/text" in run(["unsquashfs", "-l", layer]).stdout


def test_the_same_layer_has_the_same_bits(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(noise(200 * BLOCK))
    assert seal(tmp_path / "one") == seal(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_is_no_whole_blocks_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(bytes(BLOCK + 1))
    with pytest.raises(BuildError, match="4097 bytes"):
        seal(tmp_path / "short")
    assert (tmp_path / "short").stat().st_size == BLOCK + 1


def test_a_veritysetup_that_tells_no_root_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "layer").write_bytes(bytes(BLOCK))
    monkeypatch.setattr(verity, "run", lambda *_, **__: Completed((), 0, "Root hash: none\n", ""))
    with pytest.raises(BuildError, match="no root hash"):
        seal(tmp_path / "layer")
