"""Reports and programs of others' tests, as small scripts."""

from pathlib import Path
from xml.sax.saxutils import quoteattr


def junit(*cases: tuple[str, str], message: str = "") -> bytes:
    """A report as Ginkgo writes it: name and state of each test, those that were not asked for included."""
    failure = f"<failure message={quoteattr(message)}/>" if message else ""
    rows = "".join(f"<testcase name={quoteattr(name)} status={quoteattr(state)}>{failure}</testcase>" for name, state in cases)
    return f"<testsuites><testsuite>{rows}</testsuite></testsuites>".encode()


def full(name: str) -> str:
    return f"[It] [sig-x] {name} [Conformance]"


def program(folder: Path, report: bytes, code: int = 0) -> Path:
    """Writes the report where Ginkgo's argument says, tells its arguments, and ends."""
    (folder / "given.xml").write_bytes(report)
    made = folder / "program"
    made.write_text(
        "#!/bin/sh\n"
        f'for word; do echo "$word"; case $word in --ginkgo.junit-report=*) cp {folder}/given.xml "${{word#*=}}";; esac; done\n'
        f"exit {code}\n"
    )
    made.chmod(0o755)
    return made
