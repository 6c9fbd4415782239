"""The ratios of a run, and the table of them at its end."""

import pytest
from bench_ratio import Ratios

TABLE = pytest.StashKey[Ratios]()


@pytest.fixture
def ratios(pytestconfig: pytest.Config) -> Ratios:
    return pytestconfig.stash.setdefault(TABLE, Ratios())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash.get(TABLE, Ratios())
    if table.found:
        terminalreporter.section("ratios, each measured in this run")
        for ratio in table.found:
            terminalreporter.write_line(str(ratio))
