"""Live progress on a terminal, drawn by rich."""

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from builder.progress import Step, amount


def _plain(text: str) -> TextColumn:
    """A title may hold anything: "[/var/log]" is no markup."""
    return TextColumn(text, markup=False)


class Terminal:
    """One line for each step under way, with its amounts; notes scroll above."""

    def __init__(self, verbose: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._verbose = verbose
        self._tasks: dict[int, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(), _plain("{task.description}"), BarColumn(24), _plain("{task.fields[amount]}"),
            TimeElapsedColumn(),
            console=self._console, transient=True,
        )  # fmt: skip

    def began(self, step: Step) -> None:
        if not self._tasks:
            self._progress.start()
        self._tasks[id(step)] = self._progress.add_task(step.title, total=step.total, amount="")

    def moved(self, step: Step) -> None:
        if (task := self._tasks.get(id(step))) is not None:
            self._progress.update(task, completed=step.done, total=step.total, amount=amount(step)[:80])

    def ended(self, step: Step, failed: bool) -> None:
        task = self._tasks.pop(id(step), None)
        if task is not None:
            self._progress.remove_task(task)
        if not self._tasks:
            self._progress.stop()
        mark = ("✗", "red") if failed else ("✓", "green")
        self._console.print(Text.assemble(mark, f" {step.title} ", (f"{step.seconds:.1f} s", "dim")))

    def note(self, level: str, text: str) -> None:
        if level == "debug" and not self._verbose:
            return
        style = {"warning": "yellow", "debug": "dim"}.get(level)
        self._console.print(text, style=style, markup=False)
