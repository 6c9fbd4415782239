"""The same work for several nodes side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from builder.errors import CheckError, KubeisoError


class Named(Protocol):
    """A node, or its folder."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)
R = TypeVar("R")


def for_each(nodes: Sequence[N], work: Callable[[N], R]) -> list[R]:
    """What `work` returned for each node, in the order of the nodes.

    All are waited for, even when one fails, so that nothing is still under way afterwards. Raises the error of the node that
    failed, or one CheckError with all of them. Ctrl-C does not wait: whoever catches it ends the machines, which ends the work.
    """
    if len(nodes) == 1:
        return [work(nodes[0])]
    pool = ThreadPoolExecutor(max_workers=max(1, len(nodes)), thread_name_prefix="node")
    tasks = [pool.submit(work, node) for node in nodes]
    try:
        wait(tasks)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    _raise_failures(nodes, tasks)
    return [task.result() for task in tasks]


def _raise_failures(nodes: Sequence[Named], tasks: Sequence["Future[R]"]) -> None:
    failed = [(node, error) for node, task in zip(nodes, tasks, strict=True) if (error := task.exception())]
    for _, error in failed:
        if not isinstance(error, KubeisoError) or len(failed) == 1:
            raise error
    if failed:
        names = ", ".join(node.name for node, _ in failed)
        raise CheckError(f"{len(failed)} nodes failed: {names}", details=tuple(str(error) for _, error in failed))
