"""What a recipe sets of the kernel."""

from pathlib import Path

import pytest
from spec_samples import file_of, mistakes_of, spec_of

from builder.recipe.model import Recipe

GIVEN = {
    "sysctl": {"net.core.somaxconn": "4096", "kernel.pid_max": "99999"},
    "modules": {"nf_conntrack": "hashsize=131072", "dummy": ""},
}
FILES = ("etc/sysctl.d/50-recipe.conf", "etc/modules-load.d/50-recipe.conf", "etc/modprobe.d/50-recipe.conf")


def test_it_comes_after_the_node_s_own() -> None:
    spec = spec_of(Recipe.model_validate({"runtime": "cri-containerd", "kernel": GIVEN}))
    sysctl, load, options = (file_of(spec, path) for path in FILES)
    assert sysctl == "net.core.somaxconn = 4096\nkernel.pid_max = 99999\n"
    assert load == "nf_conntrack\ndummy\n" and options == "options nf_conntrack hashsize=131072\n"
    names = [file.path for file in spec.files if file.path.startswith(("etc/sysctl.d/", "etc/modules-load.d/"))]
    assert names and all(name.rpartition("/")[2] <= "50-recipe.conf" for name in names), "the last one read wins"


def test_a_recipe_without_any_adds_no_file() -> None:
    assert not {file.path for file in spec_of(Recipe(runtime="cri-containerd")).files} & set(FILES)


def test_huge_pages_are_set_aside_before_anything_takes_the_memory() -> None:
    spec = spec_of(Recipe.model_validate({"runtime": "cri-containerd", "kernel": {"hugepages": {"2Mi": 512, "1Gi": 2}}}))
    assert " hugepagesz=2M hugepages=512 hugepagesz=1G hugepages=2" in spec.cmdline


@pytest.mark.parametrize(("variant", "image"), [(None, "kernel"), ("cloud", "kernel-cloud"), ("rt", "kernel-rt")])
def test_another_kernel_is_another_image(variant: str | None, image: str) -> None:
    spec = spec_of(Recipe.model_validate({"runtime": "cri-containerd", "kernel": {"variant": variant} if variant else {}}))
    assert f"/{image}:" in spec.kernel and spec.microcode


WRONG = {
    "kernel: {variant: clout}": "kernel.variant: there is no kernel 'clout' (did you mean 'cloud'?)",
    "kernel: {hugepages: {4Mi: 1}}": "a size of huge pages of x86-64, 2Mi or 1Gi",
    "kernel: {hugepages: {2Mi: 0}}": "expected at least 1",
    "kernel: {sysctl: {somaxconn: '1'}}": "a key of /proc/sys such as net.core.somaxconn",
    "kernel: {sysctl: {net.core.somaxconn: 4096}}": "expected a text, got a number (write it in quotes: '4096')",
    'kernel: {sysctl: {net.core.somaxconn: "1\\nx.y = 2"}}': "expected one line of text",
    "kernel: {modules: {../x: ''}}": "a kernel module's name such as nf_conntrack",
    'kernel: {modules: {dummy: "a=1\\ninstall b c"}}': "expected parameters such as hashsize=131072",
    "kernel: {modules: [dummy]}": "expected a group of keys, got a list",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes(tmp_path: Path, text: str) -> None:
    assert WRONG[text] in mistakes_of(text, tmp_path)[0]
