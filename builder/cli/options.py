"""Options that several verbs have, each group said once: a verb takes a group as one parameter, the user sees its fields."""

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer

from builder.cli.building import build_options
from builder.cli.common import (
    Disk,
    Json,
    KubernetesDir,
    Masters,
    Memory,
    Nodes,
    Offline,
    Out,
    Overrides,
    Recipe,
    Runtime,
    SourceName,
    Values,
    Verbose,
    WorkerMemory,
    recipe_path,
)
from builder.cluster.model import Hardware
from builder.errors import InputError
from builder.machine.model import Attachment, Firmware
from builder.machine.secureboot import demand_keys
from builder.media.model import SecureBoot
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.trust.signing import demand_key

AssemblerName = Annotated[str, typer.Option("--assembler", help="auto, linuxkit (the CLI) or native (kubeiso's own).")]
FirmwareOption = Annotated[Firmware, typer.Option("--firmware", help="What the machines boot with.")]
AttachmentOption = Annotated[Attachment, typer.Option("--attach", help="How the ISO is attached.")]
SecureBootKey = Annotated[
    str | None,
    typer.Option(
        "--secureboot-key", metavar="KEY", help="Signs what UEFI starts: a key's file (PEM), or a pkcs11: URI of one in a token."
    ),
]
SecureBootCertificate = Annotated[
    Path | None,
    typer.Option(
        "--secureboot-cert", metavar="FILE", help="Its certificate (PEM); without it the key's file with .crt at its end."
    ),
]
SecureBootKeys = Annotated[
    Path | None,
    typer.Option(
        "--secureboot-keys",
        metavar="DIR",
        help="Signs the media with this folder's db.key; the machines (UEFI) start no other.",
    ),
]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Which:
    """Which recipe."""

    runtime: Runtime = None
    recipe: Recipe = None

    @property
    def path(self) -> Path:
        return recipe_path(Project.here(), self.runtime, self.recipe)


@dataclass(frozen=True)
class How:
    """How media are built."""

    offline: Offline = False
    assembler: AssemblerName = "auto"
    source: SourceName = "auto"
    component: Overrides = None
    kubernetes_dir: KubernetesDir = None
    values: Values = None
    out: Out = Path("out")

    def options(self, *, console_login: bool) -> BuildOptions:
        return build_options(
            assembler=self.assembler, offline=self.offline, overrides=self.component, kubernetes_dir=self.kubernetes_dir,
            values=self.values, console_login=console_login, source=self.source,
        )  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How many machines, and what they are."""

    nodes: Nodes = 1
    masters: Masters = 1
    memory: Memory = 3072
    worker_memory: WorkerMemory = 1536
    disk: Disk = 0
    firmware: FirmwareOption = Firmware.BIOS
    attach: AttachmentOption = Attachment.CDROM
    keys: SecureBootKeys = None

    @property
    def hardware(self) -> Hardware:
        keys = self.keys.absolute() if self.keys else None
        if keys:
            demand_keys(keys)
        return Hardware(
            memory=self.memory, worker_memory=self.worker_memory, disk=self.disk, attachment=self.attach, keys=keys,
            firmware=Firmware.UEFI if keys else self.firmware,
        )  # fmt: skip


@dataclass(frozen=True)
class Told:
    """How progress and results are told."""

    as_json: Json = False
    verbose: Verbose = False


def secure(key: str | None, certificate: Path | None) -> SecureBoot | None:
    """What is asked for with --secureboot-key. Raises InputError for what does not fit together."""
    if key is None:
        if certificate is not None:
            raise InputError("--secureboot-cert is given alone", hint="--secureboot-key says with what to sign")
        return None
    from builder.trust.secureboot import secure_boot  # cryptography, which no other build wants

    return secure_boot(key, certificate)


def signer(key: Path | None) -> Path | None:
    """What is asked for with --sign-key. Raises InputError for what is no such key."""
    if key:
        demand_key(key)
    return key


def spread(verb: Callable[P, R]) -> Callable[..., R]:
    """The verb with each parameter that is a group of options replaced by the group's fields, in their order."""
    hints = typing.get_type_hints(verb, include_extras=True)
    parameters: dict[str, inspect.Parameter] = {}
    groups: dict[str, type[Any]] = {}
    for name, parameter in inspect.signature(verb).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters |= _parameters(hints[name])
        else:
            parameters[name] = parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)

    @functools.wraps(verb)
    def spread_out(**given: Any) -> R:
        taken = {name: group(**{field.name: given.pop(field.name) for field in fields(group)}) for name, group in groups.items()}
        return verb(**given, **taken)  # type: ignore[call-arg]

    spread_out.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    spread_out.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    del spread_out.__wrapped__  # else its own signature is asked for
    return spread_out


def _parameters(group: type[Any]) -> dict[str, inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    return {
        field.name: inspect.Parameter(field.name, kind, default=field.default, annotation=hints[field.name])
        for field in fields(group)
    }
