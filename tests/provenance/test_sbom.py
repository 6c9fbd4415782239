"""The SBOM and the build record of a whole small build: complete, well-formed, the same bytes each time."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from pipeline_samples import planned, store_with
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from builder.assembly.native import NativeAssembler
from builder.components.model import DebianPackage
from builder.components.toolchain import go
from builder.pipeline.build import build
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.provenance import cyclonedx, gomodules, purl, slsa, spdx
from builder.provenance.bill import DESCRIBES, DOCUMENT, Bill, Part
from builder.provenance.gomodules import Module, linked, modules_of
from builder.provenance.model import Built
from builder.recipe.model import Role
from builder.run import run
from builder.store import Digest, Store, file_digest, sha256

pytest_plugins = ["pipeline_fixtures"]

# Chapters 6, 7 and 11 of the SPDX specification 2.3: what is mandatory, and what a value looks like.
DOCUMENT_FIELDS = {
    "spdxVersion",
    "dataLicense",
    "SPDXID",
    "name",
    "documentNamespace",
    "creationInfo",
    "packages",
    "relationships",
}
PACKAGE_FIELDS = {"name", "SPDXID", "downloadLocation"}
IDENTIFIER = re.compile(r"SPDXRef-[A-Za-z0-9.-]+")
CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
PURPOSES = {"APPLICATION", "LIBRARY", "CONTAINER", "OPERATING_SYSTEM"}
RELATIONS = {"CONTAINS", "DESCRIBES", "BUILD_TOOL_OF"}


def made(
    sample: tuple[Project, Path], place: Path, role: Role | None = Role.MASTER
) -> tuple[Built, dict[str, Any], dict[str, Any]]:
    """A build from an empty cache, its SBOM and its record."""
    found, deb = sample
    built = build(found, planned(found, role), store_with(place / "cache", deb), place / "out", BuildOptions())[0]
    return built, *(json.loads(built.media.path.with_suffix(f".iso.{kind}.json").read_text()) for kind in ("spdx", "build"))


def check_spdx(document: dict[str, Any]) -> None:
    """Fails where the document lacks what SPDX 2.3 wants, or points at what is not in it."""
    assert set(document) >= DOCUMENT_FIELDS
    assert (document["spdxVersion"], document["dataLicense"]) == ("SPDX-2.3", "CC0-1.0")
    assert document["SPDXID"] == "SPDXRef-DOCUMENT"
    assert re.fullmatch(r"https://[^#\s]+", document["documentNamespace"])
    assert CREATED.fullmatch(document["creationInfo"]["created"])
    assert all(re.match(r"(Tool|Person|Organization): \S", creator) for creator in document["creationInfo"]["creators"])
    identifiers = Counter(["SPDXRef-DOCUMENT", *(package["SPDXID"] for package in document["packages"])])
    assert max(identifiers.values()) == 1
    for package in document["packages"]:
        assert set(package) >= PACKAGE_FIELDS and package["name"] and IDENTIFIER.fullmatch(package["SPDXID"])
        assert package["filesAnalyzed"] is False, "with files analysed a verification code would be needed"
        assert package.get("primaryPackagePurpose", "LIBRARY") in PURPOSES
        assert all(re.fullmatch("[0-9a-f]{64}", each["checksumValue"]) for each in package.get("checksums", ()))
        for reference in package.get("externalRefs", ()):
            assert (reference["referenceCategory"], reference["referenceType"]) == ("PACKAGE-MANAGER", "purl")
            assert re.fullmatch(r"pkg:[a-z]+/[^\s?]+@[^\s?]+(\?[^\s?]+)?", reference["referenceLocator"])
    for relation in document["relationships"]:
        assert relation["relationshipType"] in RELATIONS
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= set(identifiers)
    read = JsonLikeDictParser().parse(document)  # type: ignore[no-untyped-call]
    assert [fault.validation_message for fault in validate_full_spdx_document(read)] == []
    described = [relation for relation in document["relationships"] if relation["relationshipType"] == "DESCRIBES"]
    assert [relation["spdxElementId"] for relation in described] == ["SPDXRef-DOCUMENT"]


def inside(document: dict[str, Any], name: str) -> set[str]:
    """The names of what a package contains directly."""
    names = {package["SPDXID"]: package["name"] for package in document["packages"]}
    return {
        names[relation["relatedSpdxElement"]]
        for relation in document["relationships"]
        if relation["relationshipType"] == "CONTAINS" and names[relation["spdxElementId"]] == name
    }


def test_the_sbom_has_all_that_is_on_the_medium(sample: tuple[Project, Path], tmp_path: Path) -> None:
    built, document, _ = made(sample, tmp_path)
    check_spdx(document)
    medium = "kubeiso-toy-master"
    assert inside(document, f"{medium}.iso") == {medium, "grub"}
    assert inside(document, medium) == {
        "docker.io/kubeiso/kernel:1", "docker.io/kubeiso/firmware:1",
        "docker.io/kubeiso/init:1", "docker.io/kubeiso/runc:1", "docker.io/kubeiso/containerd:1", "docker.io/kubeiso/apparmor:1",
        "docker.io/kubeiso/images-master:1", "docker.io/kubeiso/sysctl:1", "docker.io/kubeiso/dhcpcd:1",
        "docker.io/kubeiso/chrony:1", "docker.io/kubeiso/metadata:1", "docker.io/kubeiso/pod-network:1",
        "docker.io/kubeiso/state:1", "docker.io/kubeiso/api-balancer:1", "docker.io/kubeiso/kubelet:1.2.3",
        "docker.io/kubeiso/sshd:1", "initrd",
    }  # fmt: skip
    carried = {reference.partition("@")[0] for reference in built.spec.container_images}
    assert inside(document, "docker.io/kubeiso/images-master:1") == carried
    assert inside(document, "docker.io/kubeiso/sysctl:1") == {"tools"}
    assert inside(document, "docker.io/kubeiso/kubelet:1.2.3") == {"node"}
    packages = {package["name"]: package for package in document["packages"]}
    assert packages[f"{medium}.iso"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": built.media.sha256[7:]}]
    assert packages["tools"]["checksums"][0]["checksumValue"] == file_digest(sample[1])[7:]
    assert packages["tools"]["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/tools@1:2.0%2Bb1?arch=amd64&distro=trixie"
    assert "kubelet sha256:" in packages["node"]["sourceInfo"] and "kubectl" not in packages["node"]["sourceInfo"]


def test_every_standard_is_told_of_the_same(sample: tuple[Project, Path], tmp_path: Path) -> None:
    """CycloneDX is what its own validator takes, and both name the same parts; SLSA's statement has what lies beside."""
    built, document, _ = made(sample, tmp_path)
    text = built.media.path.with_suffix(".iso.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    cdx = json.loads(text)
    whole, parts = cdx["metadata"]["component"], cdx["components"]
    assert whole["hashes"] == [{"alg": "SHA-256", "content": built.media.sha256[7:]}]
    assert {part["name"] for part in (whole, *parts)} == {package["name"] for package in document["packages"]}
    tools = next(part for part in parts if part["name"] == "tools")
    assert tools["supplier"] == {"name": "Debian"} and tools["purl"].startswith("pkg:deb/debian/tools@")
    statement = json.loads(built.media.path.with_suffix(".iso.slsa.json").read_text())
    assert (statement["_type"], statement["predicateType"]) == (slsa.STATEMENT, slsa.PREDICATE)
    subjects = {each["name"]: f"sha256:{each['digest']['sha256']}" for each in statement["subject"]}
    beside = (f"{built.media.path.name}{end}" for end in ("", ".sha256", ".spdx.json", ".cdx.json"))
    assert subjects == {name: file_digest(built.media.path.with_name(name)) for name in beside}
    dependencies = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {"uri": tools["purl"], "digest": {"sha256": file_digest(sample[1])[7:]}} in dependencies


def test_the_record_tells_what_the_medium_is_made_of_and_with(sample: tuple[Project, Path], tmp_path: Path) -> None:
    built, _, record = made(sample, tmp_path)
    store = Store(tmp_path / "cache")
    root = NativeAssembler().assemble(built.document, store)
    assert record["root"] == {"sha256": root.digest, "size": store.path(root.digest).stat().st_size} and built.root == root
    assert (record["assembler"], record["lock"]) == ("native", file_digest(sample[0].lock))
    layers = record["medium"]["layers"]
    assert [layer["sha256"] for layer in layers] == list(built.media.layers) != []
    listed = run(["xorriso", "-indev", built.media.path, "-find", "/kubeiso", "-type", "f"]).stdout
    assert listed.count(".squashfs") == len(layers)
    assert all(store.path(layer["sha256"]).stat().st_size == layer["size"] for layer in layers)
    assert record["tools"]["go"] == go().version
    assert re.fullmatch(r"xorriso \d[\d.]*", record["tools"]["xorriso"]) and "mksquashfs" in record["tools"]["mksquashfs"]
    assert re.fullmatch(r"grub-mkimage \(GRUB\) \S+", record["tools"]["grub-mkimage"])


def test_two_builds_are_told_in_the_same_bytes(sample: tuple[Project, Path], tmp_path: Path) -> None:
    """Also where one of them made the other role too."""
    one, two = made(sample, tmp_path / "one")[0], made(sample, tmp_path / "two", None)[0]
    assert one.role is two.role is Role.MASTER
    for kind in (".yml", ".iso.sha256", ".iso.spdx.json", ".iso.cdx.json", ".iso.slsa.json", ".iso.build.json"):
        first, second = (each.media.path.with_name(f"{each.media.path.stem}{kind}") for each in (one, two))
        assert first.read_bytes() == second.read_bytes(), kind
        assert str(tmp_path) not in first.read_text()


def test_what_lies_in_the_folder_already_stays(sample: tuple[Project, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    made(sample, tmp_path)
    stem = "kubeiso-toy-master"
    kinds = ("iso", "iso.sha256", "yml", "iso.spdx.json", "iso.cdx.json", "iso.slsa.json", "iso.build.json")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"mine.txt", *(f"{stem}.{kind}" for kind in kinds)}


BUILD_INFO = {  # as `go version -m -json` writes it
    "GoVersion": "go1.27.3 X:nodwarf5",
    "Path": "k8s.io/kubernetes/cmd/kubelet",
    "Main": {"Path": "k8s.io/kubernetes", "Version": "v1.36.3", "Sum": "h1:main="},
    "Deps": [
        {"Path": "k8s.io/api", "Version": "v0.0.0", "Replace": {"Path": "k8s.io/api", "Version": "v0.36.3", "Sum": "h1:api="}},
        {"Path": "example.test/here", "Version": "v1.0.0", "Replace": {"Path": "./here", "Version": ""}},
        {"Path": "github.com/BurntSushi/toml", "Version": "v1.5.0+incompatible", "Sum": "h1:toml="},
    ],
}


def test_modules_are_named_as_they_were_linked() -> None:
    assert modules_of(BUILD_INFO) == (
        Module("github.com/BurntSushi/toml", "v1.5.0+incompatible", "h1:toml="), Module("k8s.io/api", "v0.36.3", "h1:api="),
        Module("k8s.io/kubernetes", "v1.36.3", "h1:main="), Module("stdlib", "1.27.3"),
    )  # fmt: skip
    own = {"GoVersion": "go1.27.3", "Main": {"Path": "kubeiso.dev/pkg/pause", "Version": "(devel)"}}
    assert modules_of(own) == (Module("stdlib", "1.27.3"),)


def test_modules_are_read_once_from_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    root = Path(run([go().program, "env", "GOROOT"], env={"GOTOOLCHAIN": "local"}).stdout.strip())
    program, text = store.put_file(root / "bin" / "go"), store.put(b"#!/bin/sh\n")
    found = linked((program, text), store)
    assert found[text] == ()
    assert Module("stdlib", go().version.removeprefix("go")) in found[program]

    def forbidden(_: Digest, __: Store) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(gomodules, "_read", forbidden)
    assert linked((program, text), store) == found


TOML = Module("github.com/BurntSushi/toml", "v1.5.0+incompatible")
CA = DebianPackage(name="ca", version="1~2", path="pool/c/ca_1~2_all.deb", size=1, sha256=sha256(b""))
COREDNS = "pkg:oci/coredns@sha256:ab?arch=amd64&repository_url=registry.k8s.io/coredns/coredns&tag=v1.14.2"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (purl.golang(TOML), "pkg:golang/github.com/burntsushi/toml@v1.5.0%2Bincompatible"),
        (purl.golang(Module("stdlib", "1.27.3")), "pkg:golang/stdlib@1.27.3"),
        (purl.oci("registry.k8s.io/coredns/coredns:v1.14.2", "sha256:ab", "amd64"), COREDNS),
        (purl.oci("localhost:5000/x", "sha256:ab", "amd64"), "pkg:oci/x@sha256:ab?arch=amd64&repository_url=localhost:5000/x"),
        (purl.generic("grub", "2.12-9+deb13u1"), "pkg:generic/grub@2.12-9%2Bdeb13u1"),
        (purl.debian(CA, "trixie"), "pkg:deb/debian/ca@1~2?arch=all&distro=trixie"),
    ],
)
def test_package_urls(made: str, expected: str) -> None:
    assert made == expected


def test_packages_whose_names_look_alike_are_kept_apart() -> None:
    assert Part("Go", "a_b", "v1", "x").identifier != Part("Go", "a-b", "v1", "x").identifier
    bill = Bill()
    assert bill.add(Part("Go", "a", "v1")) == bill.add(Part("Go", "a", "v1"))
    bill.relate(DOCUMENT, DESCRIBES, bill.add(Part("Go", "a", "v1")))
    for made in (spdx.document, cyclonedx.document):
        assert made(bill, "x", "toy-1", "seed") == made(bill, "x", "toy-1", "seed")
        assert made(bill, "x", "t-1", "one") != made(bill, "x", "t-1", "two"), "a name of its own"
    assert len(spdx.document(bill, "x", "toy-1", "seed")["packages"]) == 1
