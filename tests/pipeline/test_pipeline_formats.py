"""Media of several formats: adding one touches its own file and a line of the table."""

import hashlib
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from pipeline_samples import planned, store_with

from builder.assembly.choose import choose
from builder.assembly.model import Assembler
from builder.errors import BuildError, InputError
from builder.media import make
from builder.media.model import Maker, Prepared
from builder.pipeline import build as build_module
from builder.pipeline.build import build
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.recipe.model import Role
from builder.store import Store

pytest_plugins = ["pipeline_fixtures"]


def write_toy(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
    """A medium that is the list of what it is made of."""
    listed = work / "list"
    listed.write_text(f"{prepared.label} {prepared.cmdline}\n{prepared.kernel}\n{prepared.initrd}\n{sorted(prepared.layers)}\n")
    assert all(store.path(digest).is_file() for digest in (prepared.kernel, prepared.initrd, *prepared.layers.values()))
    listed.replace(target)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Maker:
    """The whole of what a newcomer adds."""
    maker = Maker("toy", write_toy, tools=("xz",), versions=("xz",), carried={"xz-utils": "xz"})
    monkeypatch.setitem(make.MAKERS, "toy", maker)
    return maker


def test_a_toy_medium_beside_an_iso(
    sample: tuple[Project, Path], toy: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, deb = sample
    assembled: list[str] = []

    def counted(name: str) -> Assembler:
        assembled.append(name)
        return choose(name)

    monkeypatch.setattr(build_module, "choose", counted)
    options = BuildOptions(formats=("iso", toy.format, "iso"))
    iso, made = build(project, planned(project, Role.MASTER), store_with(tmp_path / "cache", deb), tmp_path / "out", options)
    assert assembled == ["auto"], "the root tree is assembled once"
    assert (iso.media.format, made.media.format) == ("iso", "toy")
    assert (iso.media.kernel, iso.media.initrd, iso.media.layers) == (made.media.kernel, made.media.initrd, made.media.layers)
    stem = "kubeiso-toy-master"
    beside = [
        f"{stem}.{kind}{end}"
        for kind in ("iso", "toy")
        for end in ("", ".build.json", ".cdx.json", ".sha256", ".slsa.json", ".spdx.json")
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*beside, f"{stem}.yml"])
    text = (tmp_path / "out" / f"{stem}.toy").read_bytes()
    assert (tmp_path / "out" / f"{stem}.toy.sha256").read_text() == f"{hashlib.sha256(text).hexdigest()}  {stem}.toy\n"
    record = json.loads((tmp_path / "out" / f"{stem}.toy.build.json").read_text())
    assert record["medium"]["file"] == f"{stem}.toy" and "xz" in record["tools"] and "xorriso" not in record["tools"]
    bill = json.loads((tmp_path / "out" / f"{stem}.toy.spdx.json").read_text())
    assert {package["name"] for package in bill["packages"]} >= {"xz-utils"}
    assert "grub" not in {package["name"] for package in bill["packages"]}


def test_a_medium_that_can_t_be_made_leaves_the_one_before(
    sample: tuple[Project, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BuildError("the disk caught fire")

    project, deb = sample
    monkeypatch.setitem(make.MAKERS, "toy", Maker("toy", fail))
    store, plan = store_with(tmp_path / "cache", deb), planned(project, Role.MASTER)
    with pytest.raises(BuildError, match="caught fire"):
        build(project, plan, store, tmp_path / "out", BuildOptions(formats=("iso", "toy")))
    assert not [path.name for path in (tmp_path / "out").iterdir() if "toy." in path.name.removeprefix("kubeiso-toy-master")]
    assert (tmp_path / "out" / "kubeiso-toy-master.iso").exists()


def test_what_holds_a_recipe_s_secrets_is_its_user_s_alone(sample: tuple[Project, Path], tmp_path: Path) -> None:
    """The files of a recipe stand in the YAML and in the record; an ISO has them, too, and is meant to be carried."""
    project, deb = sample
    build(project, planned(project, Role.MASTER), store_with(tmp_path / "cache", deb), tmp_path / "out", BuildOptions())
    modes = {path.name.partition(".")[2]: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes["yml"] == modes["iso.build.json"] == 0o600


@pytest.mark.parametrize("formats", [("rabbit",), ("iso", "rabbit"), ("",)])
def test_a_format_that_nobody_makes(sample: tuple[Project, Path], tmp_path: Path, formats: tuple[str, ...]) -> None:
    project, deb = sample
    store, plan = store_with(tmp_path / "cache", deb), planned(project, Role.MASTER)
    with pytest.raises(InputError, match="no medium has the format") as refused:
        build(project, plan, store, tmp_path / "out", BuildOptions(formats=formats))
    assert refused.value.hint == f"known are: {', '.join(make.MAKERS)}" and not (tmp_path / "out").exists()


def test_formats_and_the_disks_size_come_from_the_recipe_where_the_command_names_none(
    sample: tuple[Project, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project, deb = sample
    sizes: list[int] = []

    def write(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
        sizes.append(prepared.disk)
        write_toy(prepared, store, work, target)

    monkeypatch.setitem(make.MAKERS, "toy", Maker("toy", write))
    plan = planned(project, Role.MASTER)
    wanted = plan.recipe.media.model_copy(update={"formats": ("toy",), "disk": 4096})
    plan = replace(plan, recipe=plan.recipe.model_copy(update={"media": wanted}))
    (one,) = build(project, plan, store_with(tmp_path / "cache", deb), tmp_path / "out", BuildOptions())
    assert (one.media.format, sizes) == ("toy", [4 << 30])
