"""A developer's own build of Kubernetes: where its programs lie, and what they say of themselves."""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder import elf
from builder.architecture import AMD64
from builder.components.model import Component
from builder.components.source import Files
from builder.errors import InputError, KubeisoError
from builder.progress import step
from builder.run import run
from builder.store import Digest, Store, file_digest, key_of

NAME = "kubernetes"
OPTION = "--kubernetes-dir"

# Where Kubernetes' own scripts put programs for a platform (hack/lib/init.sh, build/common.sh, build/lib/release.sh of v1.36.3),
# and where they lie in an unpacked kubernetes-server-linux-amd64.tar.gz; below the folder that is given, or as it.
PLACES = tuple(place.format(AMD64.kubernetes) for place in (
    ".", "bin", "bin/linux/{}", "linux/{}", "_output/bin", "_output/local/bin/linux/{}", "_output/dockerized/bin/linux/{}",
    "local/bin/linux/{}", "dockerized/bin/linux/{}", "server/bin", "kubernetes/server/bin",
))  # fmt: skip
# How each is asked for its version; any other is asked with --version.
VERSION_WORDS = {"kubeadm": ("version", "-o", "short"), "kubectl": ("version", "--client")}
VERSION = re.compile(r"\bv(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+\S+)?)")
# How a clone builds a program that needs no C library (hack/lib/golang.sh).
STATIC = "make WHAT=cmd/NAME KUBE_STATIC_OVERRIDES=NAME KUBE_CGO_OVERRIDES=   (or CGO_ENABLED=0 go build)"
ANSWER_WITHIN = 60.0  # seconds; on an idle machine it takes a tenth of one


@dataclass(frozen=True)
class Own:
    """A developer's own programs in the store: file -> digest, and file -> the version that it tells, without a leading v."""

    files: Files
    versions: Mapping[str, str]

    def component(self, version: str, rest: Component | None) -> Component:
        """The component of that version; `rest` has the files that are not own."""
        origin, others = (rest.source, rest.files) if rest else ("", {})
        source = f"{origin}+local" if origin else "local"
        return Component(name=NAME, version=version, source=source, files={**others, **self.files}, own=dict(self.versions))


def own_programs(given: Path, names: Iterable[str]) -> dict[str, Path]:
    """Those of the programs `names` that lie in the folder `given`: in itself, or where a build of Kubernetes puts them below it.

    Raises InputError where there is no such folder, none of the programs, more than one folder with some, and for files that
    are no programs for the platform.
    """
    names = sorted(names)
    if not given.is_dir():
        what = "is a file, not a folder" if given.exists() else "there is no such folder"
        raise InputError(f"{OPTION} {given}: {what}", hint="give the clone's root, or the folder with the programs: _output/bin")
    folders = _folders(given, names)
    if not folders:
        raise InputError(
            f"{OPTION} {given}: there is none of Kubernetes' programs", details=(f"looked for: {', '.join(names)}",),
            why=f"neither in it nor below it, in {', '.join(place for place in PLACES[1:] if place.startswith('_'))}",
            hint='build some there: make WHAT="cmd/kubelet cmd/kubeadm"',
        )  # fmt: skip
    if len(folders) > 1:
        raise InputError(
            f"{OPTION} {given}: there are programs in {len(folders)} folders", details=tuple(map(str, folders)),
            hint=f"say which: {OPTION} {folders[0]}",
        )  # fmt: skip
    found = _in(folders[0], names)
    if mistakes := _mistakes(found.values()):
        system = f"linux/{AMD64.kubernetes}"
        hint = f"build for this platform: make KUBE_BUILD_PLATFORMS={system}, which fills _output/local/bin/{system}"
        raise InputError(
            f"{OPTION} {given}: not programs that an {AMD64.spoken} Linux can run", details=tuple(mistakes), hint=hint
        )
    return found


def _folders(given: Path, names: Iterable[str]) -> list[Path]:
    """The folders that have any of the programs, each once; those for this platform alone where there are such."""
    with_some = (given / place for place in PLACES if _in(given / place, names))
    folders = list({folder.resolve(): folder for folder in with_some}.values())
    fitting = [folder for folder in folders if not any(_mistakes(_in(folder, names).values()))]
    return fitting or folders  # a clone may have builds for other machines too


def _in(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    return {name: folder / name for name in names if (folder / name).is_file()}


def _mistakes(paths: Iterable[Path]) -> list[str]:
    return [f"{path}: {mistake}" for path in paths for mistake in _mistake(path)]


def _mistake(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            start = file.read(elf.HEADER.size)
    except OSError as error:
        yield str(error)
        return
    machine = elf.machine(start)
    if machine is None:
        yield (
            "it is a script, and images of the control plane have no shell" if start[:2] == b"#!" else "it is no 64-bit ELF file"
        )
    elif machine != elf.MACHINES[AMD64.elf]:
        yield f"it is for {machine}"


def ask(programs: Mapping[str, Path], store: Store) -> Own:
    """Takes the programs into the store and runs each once for its version. Raises InputError for those that do not tell one."""
    with step("Reading your own Kubernetes", total=len(programs), unit="programs") as work:
        files, versions = {}, {}
        for name, path in sorted(programs.items()):
            work.advance(0, name)
            files[name] = _taken(path, store)
            versions[name] = _version(name, path, files[name], store)
            work.advance(1, name)
    return Own(files, versions)


def _taken(path: Path, store: Store) -> Digest:
    """The file in the store; one that is there already is not written again."""
    try:
        digest = file_digest(path)
        return digest if store.has(digest) else store.put_file(path)
    except PermissionError as error:
        raise InputError(f"{OPTION}: {path} can't be read", why=str(error), hint="make it readable: chmod a+r") from error


def _version(name: str, path: Path, digest: Digest, store: Store) -> str:
    def told() -> dict[str, str]:
        try:
            done = run([store.path(digest), *VERSION_WORDS.get(name, ("--version",))], check=False, timeout=ANSWER_WITHIN)
        except KubeisoError as error:
            why = _not_loaded(store.path(digest)) or error.why or error.what
            raise InputError(f"{OPTION}: {path} does not run", why=why, hint=f"build it anew: {STATIC}") from error
        match = VERSION.search(done.stdout)
        if done.code != 0 or match is None:
            said = (done.stderr or done.stdout).strip().splitlines()[-3:]
            raise InputError(
                f"{OPTION}: {path} does not tell its version",
                details=tuple(said),
                hint=f"is it Kubernetes' {name}? build it anew",
            )
        return {"version": match[1]}

    version: str = store.once(key_of("version of kubernetes", name, digest), told)["version"]
    if version.startswith("0."):
        raise InputError(
            f"{OPTION}: {path} was built without a version: it says v{version}",
            why="kubeadm and the API server go by versions; a plain `go build` and a clone without tags set none",
            hint=f"git fetch --tags, then: make WHAT=cmd/{name}   (or go build -ldflags, as hack/lib/version.sh has them)",
        )
    return version


def _not_loaded(program: Path) -> str:
    try:
        loader = elf.needs_of(program).loader
    except (ValueError, struct.error):
        return "the file is cut short"
    return f"it is linked to {loader}, which is not on this machine" if loader and not Path(loader).exists() else ""


def images_of(kubeadm: Digest, version: str, store: Store) -> tuple[str, ...]:
    """The images that this kubeadm asks for in a cluster of the version, by their full names. Raises BuildError."""

    def told() -> dict[str, list[str]]:
        words = ("config", "images", "list", "--kubernetes-version", f"v{version}")
        return {"images": run([store.path(kubeadm), *words], timeout=ANSWER_WITHIN).stdout.split()}

    return tuple(store.once(key_of("images of kubeadm", kubeadm, version), told)["images"])
