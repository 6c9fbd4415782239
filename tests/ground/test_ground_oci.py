"""OCI images in the store."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.architecture import AMD64
from builder.oci import (
    CONFIG,
    LAYER,
    LINUXKIT_LABEL,
    MANIFEST,
    Process,
    blobs_of,
    canonical,
    layer_entries,
    layer_paths,
    manifest_of,
    process_of,
    write_image,
)
from builder.store import Digest, Store, sha256
from builder.tarball import writing

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
words = st.lists(st.text(max_size=12), max_size=3).map(tuple)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def layer(store: Store, name: str) -> Digest:
    out = io.BytesIO()
    with writing(out) as tar:
        tar.add_bytes(name, name.encode())
    return store.put(out.getvalue())


def test_an_image_is_manifest_config_and_layers(store: Store) -> None:
    layers = [layer(store, "lower"), layer(store, "upper")]
    image = write_image(store, "docker.io/example/tool:1", layers, Process(entrypoint=("/tool",), labels={LINUXKIT_LABEL: "{}"}))
    manifest = json.loads(store.read(image.digest))
    assert manifest == {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": manifest["config"]["digest"], "size": manifest["config"]["size"]},
        "layers": [{"mediaType": LAYER, "digest": each, "size": store.path(each).stat().st_size} for each in layers],
    }
    config = store.read(manifest["config"]["digest"])
    assert len(config) == manifest["config"]["size"]
    assert json.loads(config) == {
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": ["/tool"], "Labels": {LINUXKIT_LABEL: "{}"}},
        "rootfs": {"type": "layers", "diff_ids": layers},
    }  # fmt: skip
    assert image.reference == f"docker.io/example/tool:1@{image.digest}"


def test_layers_are_found_again_lowest_first(store: Store) -> None:
    layers = [layer(store, "lower"), layer(store, "upper")]
    image = write_image(store, "x", layers, Process())
    assert layer_paths(store, image.digest) == tuple(store.path(each) for each in layers)
    found = [
        (info.name, content.read())
        for path in layer_paths(store, image.digest)
        for info, content in layer_entries(path)
        if content
    ]
    assert found == [("lower", b"lower"), ("upper", b"upper")]


def test_blobs_are_all_that_the_image_needs(store: Store) -> None:
    only = layer(store, "file")
    image = write_image(store, "x", [only], Process())
    blobs = blobs_of(store, image.digest)
    assert blobs == (image.digest, manifest_of(store, image.digest).config.digest, only)
    assert store.has(*blobs)


def test_the_digest_is_that_of_content_not_of_name(store: Store, tmp_path: Path) -> None:
    layers = [layer(store, "file")]
    image = write_image(store, "a", layers, Process(cmd=("/bin/a",)))
    other = Store(tmp_path / "other")
    assert write_image(other, "b", [layer(other, "file")], Process(cmd=("/bin/a",))).digest == image.digest
    assert write_image(store, "a", layers, Process(cmd=("/bin/b",))).digest != image.digest
    assert write_image(store, "a", layers, Process(cmd=("/bin/a",)), platform=replace(AMD64, oci="arm64")).digest != image.digest


@QUICK
@given(
    process=st.builds(
        Process,
        entrypoint=words,
        cmd=words,
        env=words,
        working_dir=st.text(max_size=9),
        user=st.text(max_size=9),
        labels=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    )
)
def test_what_an_image_runs_is_found_again(store: Store, process: Process) -> None:
    assert process_of(store, write_image(store, "x", [], process).digest) == process


def test_an_image_without_a_config_runs_nothing(store: Store) -> None:
    """Docker leaves out `config` where it is empty, or writes null."""
    config = store.put(b'{"architecture": "amd64", "os": "linux", "config": null}')
    descriptor = {"mediaType": CONFIG, "digest": config, "size": 0}
    digest = store.put(canonical({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": []}))
    assert process_of(store, digest) == Process()


def test_canonical_json_has_one_form() -> None:
    assert canonical({"b": 1, "a": [1, {"d": None, "c": "é"}]}) == b'{"a":[1,{"c":"\\u00e9","d":null}],"b":1}'
    assert sha256(canonical({"x": 1, "y": 2})) == sha256(canonical({"y": 2, "x": 1}))
