"""A plugin for tests of Ctrl-C, which arrives with it in a run in the background too."""

import signal


def pytest_configure() -> None:
    """A shell ignores SIGINT for what it starts in the background, and what is ignored is handed on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
