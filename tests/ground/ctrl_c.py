"""A plugin for tests of Ctrl-C and of a hang-up, which arrive with it in a run in the background and under nohup(1) too."""

import signal


def pytest_configure() -> None:
    """A shell ignores SIGINT and SIGQUIT for what it starts in the background, nohup SIGHUP, and what is ignored is handed on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
