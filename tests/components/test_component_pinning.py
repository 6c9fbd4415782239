"""Pins of a further version of Kubernetes, from a module proxy on the loopback address."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from component_samples import Server, project, served

from builder.components import pinning
from builder.components.description import describe, minors
from builder.errors import BuildError, InputError
from builder.project import Project
from builder.store import Store, default_root

CONSTANTS = """
	// DefaultEtcdVersion indicates the default etcd version that kubeadm uses
	DefaultEtcdVersion = "3.9.9-0"
	CoreDNSVersion = "v1.20.1"
	PauseVersion = "3.11.2"
	SupportedEtcdVersion = map[uint8]string{
		39: "3.8.1-0",
		40: "3.9.4-0",
	}
"""
KUBERNETES = """// generated
module k8s.io/kubernetes

go 1.24.0

godebug default=go1.24

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
)
"""
MAIN = "package main\n\nfunc main() {}\n"
MODULES: dict[tuple[str, str], dict[str, str]] = {
    ("k8s.io/kubernetes", "v1.40.1"): {
        "go.mod": KUBERNETES, "cmd/kubeadm/app/constants/constants.go": CONSTANTS,
        "cmd/kubelet/main.go": 'package main\n\nimport _ "k8s.io/api/core"\n\nfunc main() {}\n',
    },
    ("k8s.io/api", "v0.40.1"): {
        "go.mod": "module k8s.io/api\n\ngo 1.24.0\n", "core/types.go": 'package core\n\nconst Words = "of 1.40"\n',
    },
    ("go.etcd.io/etcd/server/v3", "v3.9.4"): {"go.mod": "module go.etcd.io/etcd/server/v3\n\ngo 1.24.0\n", "main.go": MAIN},
    ("github.com/coredns/coredns", "v1.20.1"): {"go.mod": "module github.com/coredns/coredns\n\ngo 1.24.0\n", "coredns.go": MAIN},
}  # fmt: skip
FIELDS = """package main

import (
	"syscall"

	"k8s.io/api/core"
)

func main() { syscall.Write(1, []byte(core.Words)) }
"""
PROGRAMS = {
    "kubernetes": ("1.39.2", "k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kubelet", "v1.39.2"),
    "etcd": ("3.8.1", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", "v3.8.1"),
    "coredns": ("1.19.0", "github.com/coredns/coredns", "github.com/coredns/coredns", "v1.19.0"),
}


def proxied() -> dict[str, bytes]:
    """The modules, and of each the list of its versions, with one that is no release."""
    modules = {place: {name: text.encode() for name, text in content.items()} for place, content in MODULES.items()}
    lists = {f"/{path}/@v/list": f"{version}\n{version}-rc.1\n".encode() for path, version in MODULES}
    return {**served(modules), **lists}


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOSUMDB", "off")
    with Server(proxied()).running() as running:
        monkeypatch.setenv("GOPROXY", running.url)
        yield running


@pytest.fixture
def sample(tmp_path: Path, proxy: Server) -> Project:
    assert proxy.url
    made = project(tmp_path / "p", runc={"version": "1", "golang": {"packages": {"runc": "."}}})
    for name, (version, module, package, required) in PROGRAMS.items():
        folder = made.root / "pkg" / name / "1.39"
        folder.mkdir(parents=True)
        text = f'# Why.\nversion: "{version}"\ngolang:\n  packages: {{{name}: {package}}}\n'
        (folder / "component.yml").write_text(text)
        (folder / "go.mod").write_text(f"module kubeiso.dev/pkg/{name}\n\ngo 1.24.0\n\nrequire {module} {required}\n")
    (made.root / "pkg/kubernetes/fields").mkdir()
    (made.root / "pkg/kubernetes/fields/main.go").write_text(FIELDS)
    (made.root / "pkg/kubernetes/1.39/minor.yml").write_text('# Words.\netcd: "3.8.1"\ncoredns: "1.19.0"\npause: "3.11.1"\n')
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One of its own, but for what Go compiled of its own library."""
    made, compiled = Store(tmp_path / "cache"), Store(default_root()).scratch("go") / "compiled"
    compiled.mkdir(exist_ok=True)
    (made.scratch("go") / "compiled").symlink_to(compiled)
    return made


def test_each_part_is_pinned_as_that_kubernetes_asks_for_it(sample: Project, store: Store) -> None:
    made = pinning.add_kubernetes("1.40.1", sample, store)
    pkg = sample.root / "pkg"
    assert made == [pkg / name / "1.40" for name in ("coredns", "etcd", "kubernetes")], "Kubernetes comes last"
    versions = {name: describe(name, sample, "1.40").version for name in PROGRAMS}
    assert versions == {"kubernetes": "1.40.1", "etcd": "3.9.4", "coredns": "1.20.1"}
    assert (pkg / "kubernetes/1.40/component.yml").read_text().startswith('# Why.\nversion: "1.40.1"\n')
    minor = yaml.safe_load((pkg / "kubernetes/1.40/minor.yml").read_text())
    assert minor == {"etcd": "3.9.4", "coredns": "1.20.1", "pause": "3.11.2", "default": False, "conformance": False}
    go_mod = (pkg / "kubernetes/1.40/go.mod").read_text()
    assert "\ngodebug default=go1.24\n" in go_mod and "k8s.io/api => k8s.io/api v0.40.1" in go_mod
    assert "k8s.io/kubernetes v1.40.1" in go_mod and "1.39" not in go_mod
    assert "k8s.io/api v0.40.1 h1:" in (pkg / "kubernetes/1.40/go.sum").read_text()
    assert (pkg / "kubernetes/1.40/fields.json").read_text() == "of 1.40", "by the types of that version"
    assert "replace" not in (pkg / "etcd/1.40/go.mod").read_text()
    assert minors("kubernetes", sample) == ("1.39", "1.40")
    another_patch_keeps_the_words_of_the_one_before(sample, store)


def another_patch_keeps_the_words_of_the_one_before(sample: Project, store: Store) -> None:
    folder = sample.root / "pkg/kubernetes/1.40"
    text = (folder / "minor.yml").read_text().replace("default: false", "default: true").replace("3.11.2", "3.0.0")
    (folder / "minor.yml").write_text(text)
    pinning.add_kubernetes("1.40.1", sample, store)
    minor = yaml.safe_load((folder / "minor.yml").read_text())
    assert (minor["default"], minor["pause"]) == (True, "3.11.2")


def test_pins_of_one_s_own_lie_in_the_working_folder(sample: Project, store: Store, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    (own / "pkg").mkdir(parents=True)
    project = Project(sample.root, own)
    pinning.add_kubernetes("1.40.1", project, store)
    assert minors("kubernetes", project) == minors("etcd", project) == ("1.39", "1.40"), "those that are there stay"
    assert minors("kubernetes", sample) == ("1.39",), "what is installed stays as it is"


def test_a_version_that_is_none(sample: Project, store: Store) -> None:
    with pytest.raises(InputError, match=r"there is no Kubernetes 1\.40\.9") as raised:
        pinning.add_kubernetes("1.40.9", sample, store)
    assert "--available" in raised.value.hint
    assert minors("kubernetes", sample) == ("1.39",)


@pytest.mark.parametrize("lacking", ["go.etcd.io/etcd/server/v3", "k8s.io/api"])
def test_a_module_that_cannot_be_had_leaves_nothing(sample: Project, store: Store, proxy: Server, lacking: str) -> None:
    proxy.files = {path: data for path, data in proxy.files.items() if not path.startswith(f"/{lacking}/")}
    with pytest.raises(BuildError):
        pinning.add_kubernetes("1.40.1", sample, store)
    assert [minors(name, sample) for name in PROGRAMS] == [("1.39",)] * 3


def test_a_proxy_that_is_away_is_not_a_wrong_version(sample: Project, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    with pytest.raises(BuildError, match="could not be fetched"):
        pinning.add_kubernetes("1.40.1", sample, store)


def test_constants_that_are_elsewhere_are_told() -> None:
    with pytest.raises(BuildError, match="does not say the version of coredns"):
        pinning.stated(CONSTANTS.replace("CoreDNSVersion", "DNSVersion"), "1.40.1")
    assert pinning.stated(CONSTANTS, "1.41.0")["etcd"] == "3.9.9", "a minor that the table lacks has the default"


def test_what_the_proxy_knows(proxy: Server, store: Store) -> None:
    assert proxy.url
    assert pinning.available(store) == ("1.40.1",), "no pre-releases"


def test_the_nearest_minor_is_the_pattern() -> None:
    assert pinning.nearest(("1.34", "1.36", "1.37"), "1.35") == "1.36"
    assert pinning.nearest(("1.34", "1.37"), "1.38") == "1.37"
    assert pinning.nearest(("1.34", "1.37"), "1.34") == "1.34"
