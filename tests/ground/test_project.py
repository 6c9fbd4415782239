"""Where the project's files are looked for: the working folder's own before the project's."""

import shutil
from pathlib import Path

import pytest

from builder import progress
from builder.errors import InputError
from builder.project import Folder, Project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def working(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the program is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBEISO_PROJECT", raising=False)
    return tmp_path


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.usefixtures("working")
def test_a_clone_is_its_own_project() -> None:
    project = Project.here()
    assert (project.root, project.own) == (ROOT, None)
    assert project.pkg / "init" == ROOT / "pkg" / "init" and project.lock == ROOT / "components.lock"


def test_what_the_working_folder_has_comes_first(working: Path) -> None:
    mine = write(working / "recipes" / "cri-containerd.yml")
    more = write(working / "recipes" / "lab.yml")
    image = write(working / "pkg" / "init" / "image.yml").parent
    project = Project.here()
    assert project.recipes / "cri-containerd.yml" == mine and project.recipes / "lab.yml" == more
    assert {path.stem for path in project.recipes.glob("*.yml")} >= {"cri-containerd", "lab"}
    assert list(project.recipes.glob("cri-containerd.yml")) == [mine], "one of each name"
    assert project.pkg / "init" == image and project.pkg / "getty" == ROOT / "pkg" / "getty"
    assert project.folder("networks") / "bridge.yml" == ROOT / "networks" / "bridge.yml"


def test_a_folder_pkg_of_another_trade_hides_nothing(working: Path) -> None:
    """Go's projects keep their packages in a folder of that name."""
    write(working / "pkg" / "init" / "main.go")
    write(working / "pkg" / "kubernetes" / "client.go")
    project = Project.here()
    assert project.pkg / "init" == ROOT / "pkg" / "init" and project.pkg / "kubernetes" == ROOT / "pkg" / "kubernetes"
    assert working / "pkg" / "init" / "main.go" not in project.pkg.glob("**/*.go")


def test_what_is_hidden_is_told(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(working / "recipes" / "cri-containerd.yml")
    told: list[str] = []
    sink = progress.Silent()
    monkeypatch.setattr(sink, "note", lambda _, text: told.append(text))
    before = progress.use(sink)
    Project.here().tell_own()
    progress.use(before)
    assert told == ["recipes/ of this folder comes first, in place of kubeiso's own: cri-containerd.yml"]


def test_pins_are_renewed_in_the_working_folder_where_it_has_folders_of_its_own(working: Path) -> None:
    assert Project.here().lock_to_write == ROOT / "components.lock"
    write(working / "pkg" / "mine" / "image.yml")
    project = Project.here()
    assert project.lock == ROOT / "components.lock" and project.lock_to_write == working / "components.lock"
    shutil.copy(ROOT / "components.lock", working)
    assert Project.here().lock == working / "components.lock"


def test_a_name_that_no_layer_has(tmp_path: Path) -> None:
    assert Folder((tmp_path / "a", tmp_path / "b")) / "x" == tmp_path / "b" / "x"


def test_no_project(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEISO_PROJECT", str(working))
    with pytest.raises(InputError, match="is not a kubeiso project"):
        Project.here()
