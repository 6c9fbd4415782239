"""Images of others in the node itself: fetched by their digest from their registry, before anything is built."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_samples import store_with
from registry_served import Authority, Registry, digest, image, indexed, served

from builder.assembly.native import NativeAssembler
from builder.errors import BuildError
from builder.media.tree import read_tree
from builder.pipeline.build import build
from builder.pipeline.model import BuildOptions
from builder.pipeline.plan import plan
from builder.project import Project
from builder.recipe.model import Role

pytest_plugins = ["pipeline_fixtures"]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """It has team/agent:1, an image, and team/agent:all, an index of that image and one for another machine."""
    authority = Authority("ours")
    (tmp_path / "ca.pem").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    parts = image("team/agent", "1", "agent")
    both = Registry({**parts, **indexed(parts, "team/agent", "1", "all")})
    with served(both, authority.identity("r", "127.0.0.1"), tmp_path / "r") as at:
        yield at


def named(registry: Registry, tag: str) -> str:
    (body,) = [body for path, (_, body) in registry.blobs.items() if path == f"/v2/team/agent/manifests/{tag}"]
    return f"127.0.0.1:{registry.port}/team/agent:{tag}@{digest(body)}"


def recipe(project: Project, reference: str) -> Path:
    path = project.recipes / "foreign.yml"
    services = [{"name": "agent", "image": reference}]
    path.write_text(json.dumps({"runtime": "toy", "network": {"cni": "none"}, "roles": ["master"], "services": services}))
    return path


@pytest.mark.parametrize("tag", ["1", "all"], ids=["an image", "an index"])
def test_a_service_s_image_is_fetched_and_lies_in_the_root(
    sample: tuple[Project, Path], registry: Registry, tmp_path: Path, tag: str
) -> None:
    project, deb = sample
    store, reference = store_with(tmp_path / "cache", deb), named(registry, tag)
    made = plan(project, recipe(project, reference), (Role.MASTER,), BuildOptions())
    (one,) = build(project, made, store, tmp_path / "out", BuildOptions())
    assert reference in one.document.references(), "the YAML says what the recipe says"
    tree = read_tree(store.path(NativeAssembler().assemble(one.document, store).digest))
    assert [name.rpartition("agent/")[2] for name in tree.nodes if name.endswith("/word")] == ["lower/word"]
    asked = len(registry.pulled)
    build(project, made, store, tmp_path / "out", BuildOptions(offline=True))
    assert len(registry.pulled) == asked > 0, "once"


def test_without_a_network_it_is_told_before_anything_is_built(
    sample: tuple[Project, Path], registry: Registry, tmp_path: Path
) -> None:
    project, deb = sample
    store = store_with(tmp_path / "cache", deb)
    made = plan(project, recipe(project, named(registry, "1")), (Role.MASTER,), BuildOptions())
    before = set((store.root / "blobs/sha256").iterdir())
    with pytest.raises(BuildError, match=r"team/agent:1@sha256:[0-9a-f]+ is not in the cache"):
        build(project, made, store, tmp_path / "out", BuildOptions(offline=True))
    assert set((store.root / "blobs/sha256").iterdir()) == before
