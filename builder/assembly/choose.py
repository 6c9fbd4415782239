"""Which assembler makes the root tree."""

import os

from builder.architecture import AMD64
from builder.assembly.linuxkit import LinuxkitAssembler, find_program
from builder.assembly.model import Assembler
from builder.assembly.native import NativeAssembler
from builder.errors import InputError, ToolMissing
from builder.progress import note

KINDS = ("auto", "native", "linuxkit")


def choose(kind: str) -> Assembler:
    """The assembler for "auto", "native" or "linuxkit"; "auto" takes LinuxKit's CLI where there is one, and says so.

    The CLI is what KUBEISO_LINUXKIT names, else `linuxkit` on PATH. Raises ToolMissing where it is asked for and not there,
    InputError for another word.
    """
    if kind not in KINDS:
        raise InputError(f"there is no assembler {kind!r}", hint="it is one of " + ", ".join(KINDS))
    if kind == "native":
        return NativeAssembler()
    program = find_program()
    if program:
        if not os.access(program, os.X_OK):
            raise ToolMissing(f"{program} is no program", hint="KUBEISO_LINUXKIT has to name the LinuxKit CLI, or be unset")
        note(f"assembler: {program} (--assembler native does without it)")
        return LinuxkitAssembler(program)
    if kind == "auto":
        return NativeAssembler()
    raise ToolMissing(
        "the program linuxkit is not installed",
        hint=f"take linuxkit-linux-{AMD64.linuxkit} from https://github.com/linuxkit/linuxkit/releases and put it on PATH as"
        " linuxkit, or use --assembler native, which gives the same tree",
    )
