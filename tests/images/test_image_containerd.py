"""The containerd store: what lies where, and the records that the tool is asked for."""

import gzip
import json
import stat
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from go_programs import go_run, go_test
from image_samples import layer_of, make_image, read, tar_of

from builder import oci
from builder.errors import BuildError
from builder.images.stores.containerd import CRI, DOCKER, NAMES, ROOT, Client, ContainerdStore, folder_of
from builder.references import split
from builder.run import run
from builder.store import Store, file_digest

SOURCE = Path(__file__).parents[2] / "pkg" / "image-store"

# Writes the plan where a database would be.
RECORDER = """#!{python}
import json, pathlib, sys
plan = json.load(sys.stdin)
for name in ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db",
             "io.containerd.content.v1.content/blobs/sha256/aa"):
    file = pathlib.Path(plan["root"], name)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({{key: plan[key] for key in plan if key != "root"}}))
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    program = tmp_path / "recorder"
    program.write_text(RECORDER.format(python=sys.executable))
    program.chmod(0o755)
    return program


def made_with(store: Store, recorder: Path, *images: oci.Image, client: Client = CRI) -> tuple[oci.Image, dict[str, Any]]:
    image = ContainerdStore("containerd", client).make("docker.io/kubeiso/images:1", images, recorder, store)
    return image, json.loads(read(store, image, f"{ROOT}/io.containerd.metadata.v1.bolt/meta.db"))


def files_of(plan: dict[str, Any], number: int) -> str:
    """Where the image has the files of the plan's snapshot."""
    return f"{ROOT}/{folder_of(plan['snapshots'][number]['name'])}/fs"


def test_stores_with_images_in_common_have_their_files_once(store: Store, recorder: Path) -> None:
    """As those of a master and a worker: what each has for itself are its records."""
    images = [make_image(store, f"registry.k8s.io/{each}:v1", {"base": b""}, {each: each.encode()}) for each in "ab"]
    master, _ = made_with(store, recorder, *images)
    before = {path.name for path in (store.root / "blobs" / "sha256").iterdir()}
    worker, _ = made_with(store, recorder, images[0])
    shared = set(oci.layer_paths(store, master.digest)) & set(oci.layer_paths(store, worker.digest))
    assert len(shared) == 2 and master.digest != worker.digest
    added = {path.name for path in (store.root / "blobs" / "sha256").iterdir()} - before
    assert len(added) == 3, "records, config and manifest"


def test_a_layer_s_files_lie_in_a_snapshot_with_their_owners(store: Store, recorder: Path) -> None:
    toy = make_image(store, "registry.k8s.io/a:v1", {"bin/": b"", "bin/a": b"a", "l": "bin/a"})
    image, plan = made_with(store, recorder, toy)
    layer = layer_of(store, image)
    fs = files_of(plan, 0)
    assert read(store, image, f"{fs}/bin/a") == b"a"
    assert (layer[f"{fs}/bin"].mode, layer[f"{fs}/bin"].uid, layer[f"{fs}/bin"].gid) == (0o750, 7, 8)
    assert layer[f"{fs}/l"].linkname == "bin/a"
    assert stat.S_IMODE(layer[ROOT].mode) == 0o700
    assert list(layer) == sorted(layer)


def test_docker_knows_images_by_tag_alone_in_a_namespace_of_its_own(store: Store, recorder: Path) -> None:
    toy = make_image(store, "registry.k8s.io/a:v1", {"a": b"a"})
    image, plan = made_with(store, recorder, toy, client=DOCKER)
    (found,) = plan["images"]
    assert plan["namespace"] == "moby"
    assert (found["name"], found["digest"], found["labels"]) == (toy.name, toy.digest, {})
    assert read(store, image, f"{ROOT}/{NAMES}") == b"registry.k8s.io/a:v1\n"


def test_stores_for_different_clients_are_not_mixed_up(store: Store, recorder: Path) -> None:
    toy = make_image(store, "registry.k8s.io/a:v1", {"a": b"a"})
    one, two = (ContainerdStore(name, client) for name, client in (("containerd", CRI), ("docker", DOCKER)))
    made = one.make("docker.io/kubeiso/images:1", [toy], recorder, store)
    assert not two.recall("docker.io/kubeiso/images:1", [toy], file_digest(recorder), store).digest
    assert one.recall("docker.io/kubeiso/images:1", [toy], file_digest(recorder), store).digest == made.digest


def test_layers_become_a_chain_and_a_shared_one_is_there_once(store: Store, recorder: Path) -> None:
    one = make_image(store, "registry.k8s.io/a:v1", {"base": b""}, {"a": b""})
    two = make_image(store, "registry.k8s.io/b:v1", {"base": b""}, {"b": b""})
    image, plan = made_with(store, recorder, one, two)
    base, a, b = plan["snapshots"]
    assert (base["parent"], a["parent"], b["parent"]) == ("", base["name"], base["name"])
    names = [f"{files_of(plan, number)}/{name}" in layer_of(store, image) for number, name in ((0, "base"), (1, "a"), (2, "b"))]
    assert names == [True] * 3


def test_a_layer_s_place_does_not_depend_on_what_else_the_store_has(store: Store, recorder: Path) -> None:
    toy = make_image(store, "registry.k8s.io/b:v1", {"base": b""}, {"b": b""})
    other = make_image(store, "registry.k8s.io/a:v1", {"a": b""})
    one, plan = made_with(store, recorder, toy)
    two, _ = made_with(store, recorder, other, toy)
    places = [f"{ROOT}/layers/{each['name'].removeprefix('sha256:')}/fs" for each in plan["snapshots"]]
    assert all(place in layer_of(store, image) for place in places for image in (one, two))


def test_an_image_is_known_by_tag_digest_and_id_and_garbage_collection_finds_its_parts(store: Store, recorder: Path) -> None:
    toy = make_image(store, "localhost:5000/a/b:v1", {"a": b""})
    config = oci.manifest_of(store, toy.digest).config.digest
    _, plan = made_with(store, recorder, toy)
    assert [image["name"] for image in plan["images"]] == ["localhost:5000/a/b:v1", f"localhost:5000/a/b@{toy.digest}", config]
    assert {image["digest"] for image in plan["images"]} == {toy.digest}
    assert plan["images"][0]["labels"] == {"io.cri-containerd.image": "managed", "io.cri-containerd.pinned": "pinned"}
    labels = {blob["digest"]: blob["labels"] for blob in plan["blobs"]}
    assert labels == {
        toy.digest: {"containerd.io/gc.ref.content.config": config},
        config: {"containerd.io/gc.ref.snapshot.overlayfs": plan["snapshots"][-1]["name"]},
    }


def test_whiteouts_become_those_of_overlayfs(store: Store, recorder: Path) -> None:
    upper: dict[str, bytes | str] = {"d/": b"", "d/.wh.gone": b"", "o/.wh..wh..opq": b"", "o/new": b"n"}
    toy = make_image(store, "registry.k8s.io/a:v1", {"d/gone": b"", "o/old": b""}, upper)
    image, plan = made_with(store, recorder, toy)
    layer = layer_of(store, image)
    fs = files_of(plan, 1)
    gone = layer[f"{fs}/d/gone"]
    assert (gone.type, gone.devmajor, gone.devminor) == (tarfile.CHRTYPE, 0, 0)
    assert layer[f"{fs}/o"].pax_headers["SCHILY.xattr.trusted.overlay.opaque"] == "y"
    assert read(store, image, f"{fs}/o/new") == b"n"
    assert not any(".wh." in name for name in layer)


def test_a_compressed_layer_is_read_and_an_unknown_one_refused(store: Store, recorder: Path) -> None:
    plain = make_image(store, "registry.k8s.io/a:v1", {"a": b"a"})
    packed = store.put(gzip.compress(tar_of({"a": b"a"}), mtime=0))
    manifest = json.loads(store.read(plain.digest))
    for suffix in ("+gzip", "+zstd"):
        manifest["layers"] = [{"mediaType": oci.LAYER + suffix, "digest": packed, "size": 1}]
        other = oci.Image(name="registry.k8s.io/a:v1", digest=store.put(oci.canonical(manifest)))
        if suffix == "+gzip":
            image, plan = made_with(store, recorder, other)
            assert read(store, image, f"{files_of(plan, 0)}/a") == b"a"
        else:
            with pytest.raises(BuildError, match="can't be unpacked"):
                made_with(store, recorder, other)


@pytest.mark.parametrize(
    ("name", "expected"), [("registry.k8s.io/a:v1", "registry.k8s.io/a"), ("localhost:5000/a", "localhost:5000/a")]
)
def test_the_repository_is_the_name_without_its_tag(name: str, expected: str) -> None:
    assert split(name).repository == expected


def test_the_store_is_written_by_the_node_s_own_version_of_containerd() -> None:
    version = yaml.safe_load((SOURCE.parent / "containerd" / "component.yml").read_text())["version"]
    assert f"\tgithub.com/containerd/containerd/v2 v{version}\n" in (SOURCE / "go.mod").read_text()


def test_a_tool_that_fails_leaves_nothing_behind(store: Store, recorder: Path) -> None:
    toy = make_image(store, "registry.k8s.io/a:v1", {"a": b""})
    before = set((store.root / "blobs/sha256").iterdir())
    recorder.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    with pytest.raises(BuildError, match="exit code 1") as caught:
        made_with(store, recorder, toy)
    assert caught.value.details == ("no room",)
    assert set((store.root / "blobs/sha256").iterdir()) == before
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.network
def test_the_programs_own_tests_pass_and_a_node_takes_a_store_that_is_the_same_twice(tmp_path: Path) -> None:
    go_test(SOURCE)
    go_run(SOURCE, "build", "-o", f"{tmp_path}/", ".", "./seed")
    program = tmp_path / "image-store"
    made = set()
    for name in ("one", "two"):
        store = Store(tmp_path / name)
        images = [make_image(store, f"registry.k8s.io/{each}:v1", {"base": b""}, {each: b""}) for each in "abcdef"]
        image = ContainerdStore("containerd", CRI).make("docker.io/kubeiso/images:1", images, program, store)
        made.add(image.digest)
    assert len(made) == 1
    (tmp_path / "node").mkdir()
    for layer in oci.layer_paths(store, image.digest):
        run(["tar", "-x", "-f", layer, "-C", tmp_path / "node", "--no-same-owner"])
    seed = [tmp_path / "seed", tmp_path / "node" / ROOT, tmp_path / "containerd"]
    assert run(seed).stdout == "image-seed: 6 images put in place\n"
    links = {path.readlink() for path in (tmp_path / "containerd/io.containerd.snapshotter.v1.overlayfs/snapshots").iterdir()}
    assert links == {path.parent for path in (tmp_path / "node" / ROOT).glob("layers/*/fs")}
    assert len(links) == 7
    assert run(seed).stdout == "image-seed: the images are in place\n"
