"""Where media are written before they are whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.workplace import sweep, workdir

ASIDE = ".kubeiso-iso-"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@contextmanager
def placed(target: Path) -> Iterator[Path]:
    """Where to write a medium: aside, from where it is renamed; what a killed run left there is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent, ASIDE)
    with workdir(target.parent, ASIDE) as aside:
        yield aside / target.name
        (aside / target.name).replace(target)
