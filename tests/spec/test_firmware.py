"""What hardware needs besides its drivers, from recipe to LinuxKit's YAML."""

from spec_samples import spec_of

from builder.linuxkit.emit import document
from builder.recipe.model import Firmware, Recipe

DIGEST = "@sha256:" + "a" * 64


def recipe(**firmware: object) -> Recipe:
    return Recipe(runtime="cri-containerd", firmware=Firmware.model_validate(firmware))


def test_the_kernel_gets_microcode_and_the_drivers_their_files() -> None:
    spec = spec_of(recipe())
    assert document(spec).kernel.ucode == "ucode.cpio"
    assert "docker.io/kubeiso/firmware:1" in {reference.partition("@")[0] for reference in spec.init}


def test_neither_where_the_recipe_wants_none() -> None:
    spec = spec_of(recipe(microcode=False, images=()))
    assert document(spec).kernel.ucode is None and "ucode" not in document(spec).to_yaml()
    assert not any("firmware" in reference for reference in spec.init)


def test_files_of_one_s_own_stand_beside_or_in_place_of_ours() -> None:
    names = [reference.partition(":")[0].rpartition("/")[2] for reference in spec_of(recipe(images=["firmware", "mine"])).init]
    assert names.index("firmware") < names.index("mine")


def test_a_kernel_of_others_may_have_none() -> None:
    other = Recipe(runtime="cri-containerd", replace={"kernel": f"docker.io/linuxkit/kernel:6.12{DIGEST}"})
    assert document(spec_of(other)).kernel.ucode is None
