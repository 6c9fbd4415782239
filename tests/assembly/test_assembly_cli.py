"""LinuxKit's CLI as an assembler, and its tree beside the native one."""

import json
import stat
from pathlib import Path

import assembly_samples as samples
import pytest

from builder import progress
from builder.assembly.choose import choose
from builder.assembly.compare import compare
from builder.assembly.layout import write_layout
from builder.assembly.linuxkit import LinuxkitAssembler, find_program
from builder.assembly.native import NativeAssembler
from builder.errors import BuildError, InputError, ToolMissing
from builder.images.compose import image_name, process_of
from builder.images.description import load_description
from builder.images.stores.registry import names
from builder.linuxkit.emit import document as emit
from builder.linuxkit.model import Document
from builder.oci import Image, write_image
from builder.project import Project
from builder.recipe.load import load_recipe
from builder.recipe.model import Role
from builder.references import digest_of, expand
from builder.spec.decide import decide
from builder.spec.descriptions import pod_network, runtime
from builder.spec.files import own_files
from builder.spec.model import Kubernetes
from builder.spec.needs import needs
from builder.spec.root import Root
from builder.store import Store

PROJECT = Path(__file__).parents[2]
RECIPES = sorted(path.stem for path in (PROJECT / "recipes").glob("*.yml"))
needs_cli = pytest.mark.skipif(find_program() is None, reason="LinuxKit's CLI is neither on PATH nor named by KUBEISO_LINUXKIT")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "cache")


def assert_same(document: Document, store: Store) -> None:
    program = find_program()
    assert program
    theirs, ours = (assembler.assemble(document, store) for assembler in (LinuxkitAssembler(program), NativeAssembler()))
    assert compare(store, ours.digest, theirs.digest) == []
    assert ours.digest == theirs.digest, "the entries are the same, but not the archives' bytes"


@needs_cli
def test_both_assemblers_give_the_same_bytes(store: Store) -> None:
    assert_same(samples.everything(store), store)


@needs_cli
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("recipe", RECIPES)
def test_both_assemblers_give_the_same_bytes_for_a_recipe(store: Store, recipe: str, role: Role) -> None:
    """The recipe's real document; its images have one file, but the labels and processes of those in pkg/."""
    assert_same(document_of(recipe, role, store), store)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_s_document_can_be_assembled(store: Store, recipe: str, role: Role) -> None:
    """Where LinuxKit's CLI is not at hand, too."""
    assert NativeAssembler().assemble(document_of(recipe, role, store), store).size > 0


def document_of(name: str, role: Role, store: Store) -> Document:
    path = PROJECT / "recipes" / f"{name}.yml"
    recipe = load_recipe(path, Project(PROJECT))
    described, network = runtime(Project(PROJECT), recipe.runtime, names()), pod_network(Project(PROJECT), recipe.network.cni)
    need = needs(recipe, role, described, network, console_login=True)
    images = {folder: stand_in(folder, store) for folder in {*need.node, *need.containers}}
    kept = stand_in("image-store", store)
    version = Kubernetes(version=recipe.kubernetes.version or "1.36.3")
    own = own_files(recipe.files, recipe.manifests, path.parent, Root())
    return emit(decide(recipe, role, described, network, need, images, kept, version, own, console_login=True))


def stand_in(folder: str, store: Store) -> Image:
    if (
        not (PROJECT / "pkg" / folder / "image.yml").exists() or folder == "kernel"
    ):  # the store of the pods' images has no settings
        reference = samples.kernel_image(store)
        return Image(name=reference.split("@")[0], digest=digest_of(reference))
    description = load_description(PROJECT / "pkg" / folder)
    layer = store.put(samples.archive([samples.item(f"usr/share/{folder}", folder.encode())]))
    return write_image(store, image_name(description, {}), [layer], process_of(description))


def test_the_cache_names_each_image_by_its_full_reference(store: Store, tmp_path: Path) -> None:
    references = [samples.image(store, name, [samples.item("x", b"x")]) for name in ("x", "a/b:1", "r.example/a/b:1")]
    write_layout(store, tmp_path / "layout", references)
    index = json.loads((tmp_path / "layout" / "index.json").read_text())
    names = [one["annotations"]["org.opencontainers.image.ref.name"] for one in index["manifests"]]
    assert names == [expand(reference) for reference in references]
    assert [name.split("@")[0] for name in names] == ["docker.io/library/x", "docker.io/a/b:1", "r.example/a/b:1"]
    blobs = tmp_path / "layout" / "blobs" / "sha256"
    inner = json.loads((blobs / index["manifests"][0]["digest"].removeprefix("sha256:")).read_text())
    assert inner["manifests"][0]["platform"] == {"architecture": "amd64", "os": "linux"}
    assert inner["manifests"][0]["digest"] == digest_of(references[0])
    assert all(blob.is_symlink() and blob.is_file() for blob in blobs.iterdir())


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


SAMPLE_CLI = 'while [ "$1" != --o ]; do shift; done; cat > "$2"; echo home: $HOME >> "$2"; find "$HOME/.." >> "$2"'


def test_the_cli_gets_the_yaml_and_its_tar_is_taken(store: Store, tmp_path: Path) -> None:
    document = Document.model_validate({"kernel": {"image": samples.kernel_image(store)}})
    assembler = LinuxkitAssembler(program(tmp_path / "linuxkit", SAMPLE_CLI))
    root = assembler.assemble(document, store)
    text = store.read(root.digest).decode()
    assert text.startswith(document.to_yaml())
    assert str(store.root / "tmp") in text.split("home: ")[1].splitlines()[0]
    assert "/cache/index.json" in text
    assert root.assembler == "linuxkit"
    assert assembler.assemble(document, store) == root


def test_what_the_cli_says_is_told(store: Store, tmp_path: Path) -> None:
    document = Document.model_validate({"kernel": {"image": samples.kernel_image(store)}})
    failing = program(tmp_path / "linuxkit", "echo '- files.0: wrong'; echo 'Error: invalid' >&2; exit 1")
    with pytest.raises(BuildError) as told:
        LinuxkitAssembler(failing).assemble(document, store)
    assert told.value.details == ("- files.0: wrong", "Error: invalid")


class Notes(progress.Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, level: str, text: str) -> None:
        self.texts.append(f"{level}: {text}")


@pytest.fixture
def notes() -> Notes:
    return Notes()


def test_auto_takes_the_cli_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes) -> None:
    path = program(tmp_path / "linuxkit", "exit 0")
    monkeypatch.delenv("KUBEISO_LINUXKIT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    before = progress.use(notes)
    try:
        assert choose("auto").name == "linuxkit"
    finally:
        progress.use(before)
    assert len(notes.texts) == 1 and str(path) in notes.texts[0]


def test_without_the_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEISO_LINUXKIT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose("auto").name == "native"
    assert choose("native").name == "native"
    with pytest.raises(ToolMissing) as told:
        choose("linuxkit")
    assert "github.com/linuxkit/linuxkit/releases" in told.value.hint


def test_a_named_cli_is_taken_and_another_word_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEISO_LINUXKIT", str(program(tmp_path / "mine", "exit 0")))
    assert choose("linuxkit").name == "linuxkit"
    assert choose("native").name == "native"
    with pytest.raises(InputError):
        choose("docker")
    monkeypatch.setenv("KUBEISO_LINUXKIT", str(tmp_path / "none"))
    with pytest.raises(ToolMissing):
        choose("auto")
