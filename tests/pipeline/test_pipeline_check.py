"""What `check` says of a recipe by the node that it would make; a build says the same before it begins."""

import tarfile
from pathlib import Path

import pytest
import yaml
from pipeline_samples import image, store_with, write

from builder.assembly.native import NativeAssembler
from builder.errors import InputError
from builder.linuxkit.model import Document
from builder.media.tree import read_tree
from builder.pipeline.build import build
from builder.pipeline.model import BuildOptions
from builder.pipeline.plan import judged, plan
from builder.pipeline.render import render
from builder.project import Project
from builder.store import Store

pytest_plugins = ["pipeline_fixtures"]

DIGEST = "sha256:" + "1" * 64
START = "runtime: toy\nnetwork: {cni: none}\n"


@pytest.fixture
def found(sample: tuple[Project, Path]) -> Project:
    project, _ = sample
    init = {"links": {"etc/kubernetes": "/var/lib/kubeadm", "lib": "usr/lib"}, "contents": {"etc/passwd": "root\n"}}
    image(project.root, "init", **init, directories={"opt/cni/bin": "0755"})
    image(project.root, "var-files", contents={"usr/bin/var-files": "x"})
    return project


def said(project: Project, text: str) -> list[str]:
    recipe = project.recipes / "x.yml"
    recipe.write_text(START + text)
    return [str(mistake) for mistake in judged(project, recipe, {}).mistakes]


MISTAKES = {
    "services: [{name: kubelet, image: extra}]": "3:19: services[0].name: the node has a service 'kubelet' of its own (choose",
    "services: [{name: zz, image: kubelet}]": "3:19: services[0].name: kubelet is one of the node's own services, which others "
    "find by its name (name: kubelet)",
    "services: [{name: console, image: getty}]": "3:19: services[0].name: getty is one of the node's own services",
    "services: [{name: a, image: kernel}]": "3:29: services[0].image: 'kernel' is a part of the node's root, not a service",
    "services: [{name: a, image: extra, linuxkit: {uid: nobody}}]": "3:46: services[0].linuxkit: no container is named 'nobody'",
    "services: [{name: a, image: extra, linuxkit: {mounts: [{destination: /x}]}}]": "3:46: services[0].linuxkit: the mount at",
    "services: [{name: a, image: extra, linuxkit: {capabilities: [all, CAP_BPF]}}]": "3:46: services[0].linuxkit: there is no",
    "services: [{name: a, image: extra, linuxkit: {devices: [{path: /dev/x, type: c}]}}]": "3:46: services[0].linuxkit: the mode",
    f"replace: {{spare: 'x/y@{DIGEST}'}}": "3:11: replace.spare: has no effect: no node of this recipe has it",
    f"replace: {{etcd: 'x/y@{DIGEST}'}}": "3:11: replace.etcd: has no effect: it is an image for pods",
    "files: [{path: /etc, contents: x}]": "3:16: files[0].path: /etc is a folder of the node (name a file in it, such as",
    "files: [{path: /opt/cni/bin, symlink: /x}]": "3:16: files[0].path: /opt/cni/bin is a folder of the node",
    "files: [{path: /etc/kubelet.conf.d/args, contents: x}]": "3:16: files[0].path: nobody reads it: of /etc/kubelet.conf.d the "
    "node reads arguments and *.conf",
    "files: [{path: /etc/sysctl.d/x, contents: x}]": "3:16: files[0].path: nobody reads it: of /etc/sysctl.d the node reads",
    "files: [{path: /etc/passwd/x, contents: x}]": "3:16: files[0].path: /etc/passwd is a file, so nothing can lie below it",
    "files: [{path: /etc/passwd, directory: true}]": "3:16: files[0].path: /etc/passwd is a file of the node, not a folder",
    "files: [{path: /etc/kubernetes, contents: x}]": "3:16: files[0].path: /etc/kubernetes is a folder of the node",
    "files: [{path: /srv/x, contents: x}, {path: /srv/x/y, contents: x}]": "3:45: files[1].path: /srv/x is a file, so nothing",
    "files: [{path: /srv/x/y, contents: x}, {path: /srv/x, contents: x}]": "3:47: files[1].path: /srv/x is a folder of the node",
    "files: [{path: /srv/x, symlink: /run/y}, {path: /srv/x/y, contents: x}]": "3:49: files[1].path: it leads to /run/y/y, and "
    "the node mounts a file system of its own on /run",
    "files: [{path: /a, symlink: b}, {path: /b, symlink: a}, {path: /a/x, contents: x}]": "3:64: files[2].path: the root tree's "
    "symbolic links turn in a circle",
    "services: [{name: a, image: still}]": "3:29: services[0].image: the image still has nothing to run (say what: linuxkit",
    "firmware: {images: [extra]}": "3:21: firmware.images[0]: extra is an image with a program to run, not files alone",
    "firmware: {images: [unpinned]}": "3:21: firmware.images[0]: components.lock has no packages for unpinned",
    "services: [{name: a, image: unpinned, linuxkit: {command: [x]}}]": "3:29: services[0].image: components.lock has no",
    "media: {formats: [iso, iso]}": "3:24: media.formats[1]: iso is given twice (keep one of them)",
    "manifests: [a.yml, a.yml]": "3:20: manifests[1]: a.yml is given twice (keep one of them)",
    "kernel: {arguments: ['x=${y}']}\nmedia: {formats: [iso, pxe]}": "3:21: kernel.arguments: the kernel's command line has ${",
    "images: [{name: docker.io/library/app:1, source: a.yml}]": "3:50: images[0].source: ",
    "kernel: {arguments: [" + "x" * 2000 + "]}": "3:21: kernel.arguments: the kernel's command line has 21",
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[:60])
def test_each_mistake_alone(found: Project, text: str) -> None:
    image(found.root, "extra", contents={"usr/bin/extra": "x"}, cmd=["/usr/bin/extra"])
    image(found.root, "spare")
    image(found.root, "still", contents={"usr/share/still": "x"})
    image(found.root, "unpinned", packages=["nowhere"])
    (found.recipes / "a.yml").write_text("kind: Namespace\napiVersion: v1\nmetadata: {name: a}\n")
    (told,) = said(found, text + "\n")
    assert told.startswith(MISTAKES[text])


def test_they_are_told_with_those_of_the_file_itself(found: Project) -> None:
    told = said(
        found,
        "files:\n  - {path: /a, contents: x, mode: 5}\n  - {path: /etc, contents: x}\n"
        f"services:\n  - {{nme: x, image: extra}}\n  - {{name: kubelet, image: 'x/y@{DIGEST}'}}\nkernel: {{console: 5}}\n",
    )
    places = [line.split(" ")[1] for line in told]
    assert places == [
        "files[0].mode:", "files[1].path:", "services[0].nme:", "services[0].image:", "services[1].name:",
        "kernel.console:",
    ]  # fmt: skip


def test_a_build_says_the_same_before_it_begins(found: Project) -> None:
    recipe = found.recipes / "x.yml"
    recipe.write_text(START + "files: [{path: /etc, contents: x}]\n")
    with pytest.raises(InputError) as told:
        plan(found, recipe, None, BuildOptions())
    assert told.value.details == (f"{recipe}:{judged(found, recipe, {}).mistakes[0]}",)


def test_the_node_s_own_service_may_have_other_settings(found: Project) -> None:
    assert said(found, "services: [{name: kubelet, image: kubelet, linuxkit: {oomScoreAdj: -5}}]\n") == []


def test_a_format_that_nobody_makes_is_told_with_the_right_word(found: Project) -> None:
    (told,) = said(found, "media: {formats: [iso, qcow]}\n")
    assert told.endswith("media.formats[1]: unknown format 'qcow' (did you mean 'qcow2'?)")
    assert said(found, "media: {formats: [qcow2, ova], disk: 8192}\n") == []


def test_a_client_of_storage_needs_those_that_it_is_of_no_use_without(found: Project) -> None:
    write(found.root / "storage" / "many.yml", {"title": "several ways to a disk", "needs": ["udev"]})
    (told,) = said(found, "storage: [many]\n")
    assert "storage[0]: many is of no use without udev (add udev)" in told
    assert said(found, "storage: [many, udev]\n") == []
    write(found.root / "guest_tools" / "few.yml", {"title": "half of a hypervisor's", "needs": ["vmware"]})
    (told,) = said(found, "guest_tools: [few]\n")
    assert "guest_tools[0]: few is of no use without vmware (add vmware)" in told


def test_a_kubelet_that_would_not_start_is_told_before(found: Project) -> None:
    assert said(found, "kernel: {sysctl: {kernel.panic: '10', vm.swappiness: '1'}}\n") == []
    (told,) = said(found, "kernel: {sysctl: {vm/overcommit_memory: '2'}}\n")
    assert "kernel.sysctl.vm/overcommit_memory: the kubelet does not start with this: it wants 1" in told
    with_it = "kubelet: {protectKernelDefaults: false}\nkernel: {sysctl: {vm/overcommit_memory: '2'}}\n"
    assert not any("does not start" in line for line in said(found, with_it))


def test_an_image_of_others_is_named_by_its_digest(found: Project) -> None:
    assert said(found, f"services: [{{name: a, image: 'x/y@{DIGEST}'}}]\nreplace: {{getty: 'x/y@{DIGEST}'}}\n") == []


def test_a_file_below_var_is_put_there_at_boot(found: Project) -> None:
    recipe = found.recipes / "x.yml"
    recipe.write_text(
        START + "files:\n  - {path: /etc/kubernetes/audit/policy.yaml, contents: x, mode: '0600'}\n"
        "  - {path: /var/lib/mine, directory: true, mode: '0700'}\n  - {path: /etc/motd, contents: hi}\n"
    )
    made = plan(found, recipe, None, BuildOptions())
    text = render(found, made, None, Store(found.root / "cache"))
    for document in (Document.from_yaml(part) for part in text.split("\n---\n")):
        assert [entry.name for entry in document.onboot or []][:4] == ["sysctl", "metadata", "state", "var-files"]
        own = [(file.path, file.mode) for file in document.files or [] if "kubeiso/var" in file.path or file.path == "etc/motd"]
        assert own == [
            ("usr/share/kubeiso/var", "0755"), ("usr/share/kubeiso/var/lib", "0755"),
            ("usr/share/kubeiso/var/lib/kubeadm", "0755"),
            ("usr/share/kubeiso/var/lib/kubeadm/audit", "0755"), ("usr/share/kubeiso/var/lib/kubeadm/audit/policy.yaml", "0600"),
            ("usr/share/kubeiso/var/lib/mine", "0700"), ("etc/motd", "0644"),
        ]  # fmt: skip


def test_a_node_without_such_files_has_no_such_step(found: Project) -> None:
    assert said(found, "files: [{path: /etc/motd, contents: hi}]\n") == []
    made = plan(found, found.recipes / "x.yml", None, BuildOptions())
    assert not any("var-files" in need.onboot for need in made.needs.values())


def test_a_file_that_is_no_text_lies_in_an_image(found: Project, sample: tuple[Project, Path], tmp_path: Path) -> None:
    recipe, data = found.recipes / "x.yml", b"\x7fELF\xff\x00" * 1000
    (found.recipes / "firmware").write_bytes(data)
    (found.recipes / "dos").write_bytes(b"a\r\nb\r\n")
    recipe.write_text(START + "files:\n  - {path: /lib/fw, source: firmware, mode: '0600'}\n  - {path: /etc/dos, source: dos}\n")
    store, out = store_with(tmp_path / "cache", sample[1]), tmp_path / "out"
    made = plan(found, recipe, None, BuildOptions())
    assert "docker.io/kubeiso/recipe-files:1\n" in render(found, made, None, store)
    for one in build(found, made, store, out, BuildOptions()):
        tree = read_tree(store.path(NativeAssembler().assemble(one.document, store).digest))
        node, dos = tree.find("usr/lib/fw"), tree.find("etc/dos")
        assert node and dos
        assert (tree.read(node), node.info.mode & 0o777, node.info.type) == (data, 0o600, tarfile.REGTYPE)
        assert tree.read(dos) == b"a\r\nb\r\n"
        assert yaml.safe_load(out.joinpath(f"kubeiso-x-{one.role.value}.yml").read_text())["init"][-1].count("@sha256:") == 1
    assert "recipe-files:1@sha256:" in render(found, made, None, store)


def test_what_can_t_be_read_of_the_descriptions_is_told(found: Project) -> None:
    write(found.root / "runtimes" / "toy.yml", {"title": "toy"})
    with pytest.raises(InputError, match=r"toy\.yml"):
        said(found, "")


def test_packages_for_another_platform_are_told(found: Project) -> None:
    lock = found.root / "components.lock"
    lock.write_text(lock.read_text().replace("platform: amd64", "platform: riscv64"))
    assert said(found, "platform: amd64\n") == [
        "3:11: platform: components.lock has the packages for riscv64 (platform: riscv64)"
    ]


def test_policies_that_do_nothing_are_advised_of(found: Project) -> None:
    recipe = found.recipes / "x.yml"
    write(found.root / "networks" / "lan.yml", {"title": "lan", "policies": "guard"})
    write(found.root / "networks" / "policies" / "guard.yml", {"title": "guard"})
    for policies, told in (("false", 1), ("true", 0)):
        recipe.write_text(f"runtime: toy\nnetwork: {{cni: lan, policies: {policies}}}\n")
        judgement = judged(found, recipe, {})
        assert (judgement.mistakes, len(judgement.advice)) == ([], told)
        assert all("NetworkPolicy objects are taken and do nothing" in line for line in judgement.advice)
    recipe.write_text("runtime: toy\nnetwork: {cni: lan}\nroles: [mster]\n")
    assert judged(found, recipe, {}).advice == []


def test_what_counts_only_where_the_console_is_open_is_advised_of(found: Project) -> None:
    recipe = found.recipes / "x.yml"
    write(found.root / "networks" / "lan.yml", {"title": "lan"})
    recipe.write_text(f"runtime: toy\nnetwork: {{cni: lan}}\nreplace: {{getty: 'x/getty:1@sha256:{'0' * 64}'}}\n")
    judgement = judged(found, recipe, {})
    assert judgement.mistakes == []
    assert [line for line in judgement.advice if "replace" in line] == [
        "replace: getty is part of what is built with --console-login alone"
    ]


def test_policies_that_nothing_can_enforce_are_a_mistake(found: Project) -> None:
    recipe = found.recipes / "x.yml"
    recipe.write_text("runtime: toy\nnetwork: {cni: none, policies: true}\n")
    (mistake,) = judged(found, recipe, {}).mistakes
    assert str(mistake).startswith(
        "2:32: network.policies: nothing is described that enforces NetworkPolicy for the pod network none"
    )
