"""The verb verify: is a medium what its maker made, from the file and what lies beside it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from builder.cli.common import Json, choose_sink, show
from builder.errors import CheckError
from builder.pipeline.tools import demand
from builder.trust.verification import Finding, Verdict
from builder.trust.verification import verify as examine

app = typer.Typer()


@app.command(
    epilog="Examples:  kubeiso verify out/kubeiso-cri-containerd-master.iso --key sign.pub"
    "\n\n           kubeiso verify x.efi --secureboot-cert db.crt"
)
def verify(
    file: Annotated[Path, typer.Argument(help="A medium that kubeiso made, of any format.")],
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="The maker's public key (minisign), or a file that has it.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--secureboot-cert", metavar="FILE", help="Of the key that signed what UEFI starts (PEM).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Checks a medium against what it knows of itself and what lies beside it; exit code 5 where something does not fit.

    With --key and --secureboot-cert all has to be signed by these keys. Without them damage is found, and no forgery.
    """
    choose_sink(as_json)
    demand(("sbverify", *(("minisign",) if key else ())))
    found = examine(file, key, certificate)
    result = {"file": str(file), "findings": [asdict(each) for each in found]}
    show(result, "\n".join(map(_line, found)), as_json)
    failed = [each for each in found if each.verdict is Verdict.FAILED]
    if failed:
        details = tuple(f"{each.name}: {each.text}" for each in failed)
        raise CheckError(f"{file} is not what its maker made", details=details, hint="get it again, from where it was made")


def _line(finding: Finding) -> str:
    return f"{finding.verdict.value:8} {finding.name}: {finding.text}"
