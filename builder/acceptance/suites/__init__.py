"""The suites, each a file with one value SUITE: whoever adds a file here adds a suite."""

import importlib
import pkgutil
from functools import cache

from builder.acceptance.run import Suite


@cache
def known() -> dict[str, Suite]:
    """Every suite by its name, in the order of names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{name}").SUITE for name in names]
    return {suite.name: suite for suite in found}
