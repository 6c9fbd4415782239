"""Images of others: skopeo brings them, from what people have, with the digests by which pods may ask for them."""

import json
import re
from pathlib import Path

import pytest
from foreign_images import archived, docker_saved, layout
from image_samples import layer_of, read
from registry_served import Authority, Registry, digest, image, served

from builder import oci
from builder.errors import BuildError, InputError
from builder.images.held import bring, recall
from builder.images.model import HeldImage
from builder.images.stores.containers_storage import ROOT, ContainersStorage
from builder.store import Store

NAME = "docker.io/library/app:1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def word_of(store: Store, found: oci.Image) -> bytes:
    """What the image's one file says, unpacked for a runtime."""
    made = ContainersStorage().make("docker.io/kubeiso/images:1", [found], None, store)
    (place,) = [name for name in layer_of(store, made) if name.endswith("/diff/word")]
    records = json.loads(read(store, made, f"{ROOT}/overlay-images/images.json"))
    assert records[0]["names"] == [found.name] and records[0]["digest"] == found.digest
    return read(store, made, place)


def test_an_oci_layout_comes_with_its_own_digest(tmp_path: Path, store: Store) -> None:
    folder = layout(tmp_path / "a:b", ("other", "word"))  # of one alone the name is the recipe's
    found = bring(HeldImage(name=NAME, source=folder), store)
    (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
    assert found == oci.Image(name=NAME, digest=entry["digest"])
    assert word_of(store, found) == b"word"
    assert recall(HeldImage(name=NAME, source=folder), store) == found


def test_an_oci_archive_with_several_gives_the_one_of_the_name(tmp_path: Path, store: Store) -> None:
    folder = layout(tmp_path / "l", (NAME, "this"), ("docker.io/library/app:2", "other"))
    tar = archived(folder, tmp_path / "a.tar")
    assert word_of(store, bring(HeldImage(name=NAME, source=tar), store)) == b"this"
    with pytest.raises(InputError, match=r"can't be used for the image docker\.io/library/app:3") as caught:
        bring(HeldImage(name="docker.io/library/app:3", source=tar), store)
    assert "docker.io/library/app:1" in (caught.value.hint or "")


@pytest.mark.parametrize("named", [[("app:1", "docker's")], [("app:2", "other"), ("app:1", "docker's")]], ids=["one", "two"])
def test_what_docker_save_wrote(tmp_path: Path, store: Store, named: list[tuple[str, str]]) -> None:
    found = bring(HeldImage(name=NAME, source=docker_saved(tmp_path / "d.tar", *named)), store)
    assert found.name == NAME and word_of(store, found) == b"docker's"


def test_an_archive_that_changed_is_read_anew(tmp_path: Path, store: Store) -> None:
    tar = archived(layout(tmp_path / "one", (NAME, "first")), tmp_path / "a.tar")
    held = HeldImage(name=NAME, source=tar)
    first = bring(held, store)
    archived(layout(tmp_path / "two", (NAME, "second")), tar)
    assert recall(held, store).digest == ""
    assert bring(held, store) != first and word_of(store, bring(held, store)) == b"second"


@pytest.mark.parametrize(
    ("made", "told"),
    [({"machine": "arm64"}, "it is for arm64, the nodes are amd64"), ({"packing": "+zstd"}, "a layer is of type .*zstd")],
    ids=["another machine", "another compression"],
)
def test_what_a_node_can_not_use(tmp_path: Path, store: Store, made: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match="can't be used for the image") as caught:
        bring(HeldImage(name=NAME, source=layout(tmp_path / "l", (NAME, "x"), **made)), store)
    assert re.search(told, caught.value.why)


def test_one_of_another_digest_than_its_name_says(tmp_path: Path, store: Store) -> None:
    folder = layout(tmp_path / "l", (NAME, "x"))
    with pytest.raises(InputError, match="can't be used") as caught:
        bring(HeldImage(name=f"{NAME}@sha256:{'0' * 64}", source=folder), store)
    assert caught.value.why.startswith("its digest is sha256:")


@pytest.mark.parametrize("text", ["[]", "{}", '{"manifests": [7]}', "no"])
def test_an_index_that_lists_nothing(tmp_path: Path, store: Store, text: str) -> None:
    folder = layout(tmp_path / "l", (NAME, "x"))
    (folder / "index.json").write_text(text)
    for source in (folder, archived(folder, tmp_path / "a.tar")):
        with pytest.raises(InputError, match="can't be used") as caught:
            bring(HeldImage(name=NAME, source=source), store)
        assert "index.json" in caught.value.why


@pytest.mark.parametrize("data", [b"no archive", b""], ids=["a text", "nothing"])
def test_a_file_that_is_no_archive(tmp_path: Path, store: Store, data: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.tar can't be used") as caught:
        bring(HeldImage(name=NAME, source=tmp_path / "x.tar"), store)
    assert "docker save" in (caught.value.hint or "")


def test_a_blob_of_another_content_never_enters(tmp_path: Path, store: Store) -> None:
    folder = layout(tmp_path / "l", (NAME, "x"))
    layer = max((folder / "blobs/sha256").iterdir(), key=lambda path: path.read_bytes()[:2] == b"\x1f\x8b")
    layer.write_bytes(layer.read_bytes()[:-1] + b"?")
    with pytest.raises(BuildError):
        bring(HeldImage(name=NAME, source=folder), store)
    assert recall(HeldImage(name=NAME, source=folder), store).digest == ""


def test_a_registry_gives_it_by_digest_once(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority("ours")
    (tmp_path / "ca.pem").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    parts = image("team/app", "2", "from afar")
    with served(Registry(parts), authority.identity("r", "127.0.0.1"), tmp_path / "r") as registry:
        wanted = digest(next(body for path, (_, body) in parts.items() if path.endswith("/manifests/2")))
        held = HeldImage(name=f"127.0.0.1:{registry.port}/team/app:2@{wanted}", source=None)
        with pytest.raises(BuildError, match="not in the cache"):
            bring(held, store, offline=True)
        found = bring(held, store)
        assert found == oci.Image(name=f"127.0.0.1:{registry.port}/team/app:2", digest=wanted)
        asked = len(registry.pulled)
        assert bring(held, store, offline=True) == found and len(registry.pulled) == asked > 0
    assert word_of(store, found) == b"from afar"
    with pytest.raises(BuildError, match="skopeo"):
        bring(HeldImage(name=held.name.replace("app:2", "app:3"), source=None), store)
