"""Reads runtimes/NAME.yml and networks/NAME.yml."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from builder.errors import InputError
from builder.spec.model import PodNetwork, Runtime

D = TypeVar("D", bound=BaseModel)


def runtime(root: Path, name: str) -> Runtime:
    return _load(root / "runtimes" / f"{name}.yml", Runtime)


def pod_network(root: Path, name: str) -> PodNetwork:
    return _load(root / "networks" / f"{name}.yml", PodNetwork)


def _load(path: Path, model: type[D]) -> D:
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.yml"))) or "none"
        raise InputError(f"there is no {path.parent.name}/{path.name}", hint=f"known are: {known}")
    try:
        return model.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is no YAML", why=str(error)) from error
    except ValidationError as error:
        found = tuple(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(f"{path} is no description of this kind", details=found) from error
