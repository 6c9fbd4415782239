"""The store of containers/storage: what lies where, read back by the formulas that its own library goes by."""

import base64
import gzip
import hashlib
import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from image_samples import layer_of, make_image, read, tar_of

from builder import oci
from builder.images.stores.containers_storage import ROOT, ContainersStorage, data_file
from builder.images.stores.registry import image_store
from builder.store import Store

OPAQUE: dict[str, bytes | str] = {"d/": b"", "d/.wh.gone": b"", "o/": b"", "o/.wh..wh..opq": b"", "o/new": b"n"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def made(store: Store, *images: oci.Image) -> oci.Image:
    return ContainersStorage().make("docker.io/kubeiso/images:1", images, None, store)


def records(store: Store, image: oci.Image, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(read(store, image, f"{ROOT}/overlay-{kind}/{kind}.json"))
    return found


def lower_dirs(store: Store, image: oci.Image, layer: str) -> list[str]:
    """The layers that overlayfs gets for a container of that layer, the uppermost first (overlay.go, get)."""
    entries = layer_of(store, image)
    shorts = [f"l/{read(store, image, f'{ROOT}/overlay/{layer}/link').decode()}"]
    if f"{ROOT}/overlay/{layer}/lower" in entries:
        shorts += read(store, image, f"{ROOT}/overlay/{layer}/lower").decode().split(":")
    found = [entries[f"{ROOT}/overlay/{short}"].linkname for short in shorts]
    assert all(len(short) == len("l/") + 26 for short in shorts)
    return [f"{ROOT}/overlay/{target.removeprefix('../')}" for target in found]


def test_an_image_is_read_back_by_name_with_its_documents_and_layers(store: Store) -> None:
    toy = make_image(store, "registry.k8s.io/a:v1", {"bin/": b"", "bin/a": b"a"}, {"b": b"b"}, {"c": b"c"})
    image = made(store, toy)
    (record,) = records(store, image, "images")
    config = oci.manifest_of(store, toy.digest).config.digest
    assert (record["names"], record["id"], record["digest"]) == (
        ["registry.k8s.io/a:v1"], config.removeprefix("sha256:"), toy.digest,
    )  # fmt: skip
    for key, digest in record["big-data-digests"].items():
        data = read(store, image, f"{ROOT}/overlay-images/{record['id']}/{data_file(key)}")
        assert hashlib.sha256(data).hexdigest() == digest.removeprefix("sha256:")
        assert len(data) == record["big-data-sizes"][key]
    assert set(record["big-data-names"]) == {config, "manifest", f"manifest-{toy.digest}"}
    places = lower_dirs(store, image, record["layer"])
    assert [read(store, image, f"{places[number]}/{name}") for number, name in ((0, "c"), (1, "b"), (2, "bin/a"))] == [
        b"c", b"b", b"a",
    ]  # fmt: skip


def test_layers_are_named_by_the_library_s_formula_and_know_their_parents(store: Store) -> None:
    toy = make_image(store, "registry.k8s.io/a:v1", {"a": b"a"}, {"b": b"b"})
    image = made(store, toy)
    first, second = (layer.digest.removeprefix("sha256:") for layer in oci.manifest_of(store, toy.digest).layers)
    found = {record["id"]: record for record in records(store, image, "layers")}
    top = hashlib.sha256(f"{first}+{second}".encode()).hexdigest()
    assert set(found) == {first, top} and found[top]["parent"] == first and "parent" not in found[first]
    assert found[top]["diff-digest"] == f"sha256:{second}" and found[top]["diff-size"] == len(tar_of({"b": b"b"}))


def test_whiteouts_and_opaque_folders_are_those_of_overlayfs(store: Store) -> None:
    image = made(store, make_image(store, "registry.k8s.io/a:v1", {"d/gone": b"", "o/old": b""}, OPAQUE))
    (record,) = records(store, image, "images")
    upper, layer = lower_dirs(store, image, record["layer"])[0], layer_of(store, image)
    gone = layer[f"{upper}/d/gone"]
    assert (gone.type, gone.devmajor, gone.devminor) == (tarfile.CHRTYPE, 0, 0)
    assert layer[f"{upper}/o"].pax_headers["SCHILY.xattr.trusted.overlay.opaque"] == "y"
    assert not any(".wh." in name for name in layer)


def test_the_locks_are_there_without_which_a_read_only_store_is_passed_over(store: Store) -> None:
    image = made(store, make_image(store, "registry.k8s.io/a:v1", {"a": b""}))
    for name in ("overlay-images/images.lock", "overlay-layers/layers.lock"):
        assert read(store, image, f"{ROOT}/{name}") == b""


def test_a_layer_s_root_has_the_mode_that_it_says_or_the_library_s(store: Store) -> None:
    image = made(store, make_image(store, "registry.k8s.io/a:v1", {"a": b""}, {"./": b"", "b": b""}))
    (record,) = records(store, image, "images")
    modes = [stat.S_IMODE(layer_of(store, image)[place].mode) for place in lower_dirs(store, image, record["layer"])]
    assert modes == [0o750, 0o555]


def test_two_stores_get_the_same_digest(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        store = Store(tmp_path / name)
        images = [make_image(store, f"registry.k8s.io/{each}:v1", {"base": b""}, {each: b"", **OPAQUE}) for each in "abc"]
        digests.add(made(store, *images).digest)
    assert len(digests) == 1


def test_an_image_of_two_names_is_one_record_and_a_shared_layer_is_there_once(store: Store) -> None:
    one = make_image(store, "registry.k8s.io/a:v1", {"base": b""}, {"a": b""})
    again = oci.Image(name="registry.k8s.io/pause:3", digest=one.digest)
    other = make_image(store, "registry.k8s.io/b:v1", {"base": b""}, {"b": b""})
    image = made(store, one, other, again)
    assert sorted(record["names"] for record in records(store, image, "images")) == [
        ["registry.k8s.io/a:v1", "registry.k8s.io/pause:3"], ["registry.k8s.io/b:v1"],
    ]  # fmt: skip
    assert len(records(store, image, "layers")) == 3


def test_a_compressed_layer_is_unpacked_and_said_to_be_compressed(store: Store) -> None:
    plain = make_image(store, "registry.k8s.io/a:v1", {"a": b"a"})
    packed = gzip.compress(tar_of({"a": b"a"}), mtime=0)
    manifest = json.loads(store.read(plain.digest))
    manifest["layers"] = [{"mediaType": f"{oci.LAYER}+gzip", "digest": store.put(packed), "size": len(packed)}]
    image = made(store, oci.Image(name="registry.k8s.io/a:v1", digest=store.put(oci.canonical(manifest))))
    (record,) = records(store, image, "layers")
    assert (record["compression"], record["compressed-size"], record["diff-size"]) == (2, len(packed), len(tar_of({"a": b"a"})))
    assert read(store, image, f"{ROOT}/overlay/{record['id']}/diff/a") == b"a"


def test_what_changes_with_an_image_is_its_records_and_documents_alone(store: Store) -> None:
    toy = make_image(store, "registry.k8s.io/a:v1", {"a": b"content of a layer"})
    image = made(store, toy)
    found = {store.read(digest) for digest in ContainersStorage().changing(image, store)}
    assert read(store, image, f"{ROOT}/overlay-images/images.json") in found and store.read(toy.digest) in found
    assert b"content of a layer" not in found


def test_it_is_remembered_and_its_word_is_known(store: Store) -> None:
    toy = make_image(store, "registry.k8s.io/a:v1", {"a": b""})
    maker = image_store("containers-storage")
    assert maker.recall("docker.io/kubeiso/images:1", [toy], None, store).digest == ""
    image = made(store, toy)
    assert maker.recall("docker.io/kubeiso/images:1", [toy], None, store) == image


def test_documents_names_are_plain_or_base64() -> None:
    assert data_file("manifest") == "manifest"
    assert data_file("manifest-1") == "=" + base64.b64encode(b"manifest-1").decode()
