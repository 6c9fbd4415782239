"""critest on a node: a few tests of it, and the whole; a small script stands in its place."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_samples import a_cluster
from others_tests import full, junit, program

from builder.acceptance.critest import FEW, WITHOUT, Critest
from builder.acceptance.suites import known
from builder.checks import NotYet
from builder.cluster.model import Cluster
from builder.console.model import Result
from builder.deadline import Deadline
from builder.errors import CheckError


class Here:
    """This machine in a node's place; critest is the script `program`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None = None) -> Result:
        assert not deadline.expired and on_output is None
        moved = (
            command.replace("nsenter -t 1 -m -- ", "")
            .replace("/tmp/", f"{self.folder}/")
            .replace("critest --", f"{self.folder}/program --")
        )
        done = subprocess.run(["sh", "-c", moved], capture_output=True, text=True, check=False)
        return Result(done.returncode, done.stdout + done.stderr)

    def read_file(self, path: str, deadline: Deadline) -> bytes:
        assert not deadline.expired
        return (self.folder / Path(path).name).read_bytes()

    def write_file(self, path: str, data: bytes, deadline: Deadline, mode: int = 0o600) -> None:
        assert not deadline.expired and mode == 0o600
        (self.folder / Path(path).name).write_bytes(data)


def critest(folder: Path, report: bytes, code: int = 0, cluster: Cluster | None = None) -> Critest:
    program(folder, report, code)
    return Critest(cluster or a_cluster(directory=folder), folder, 1.0, lambda: Here(folder))


def runtime_without(folder: Path, **tests: str) -> Cluster:
    cluster = a_cluster(directory=folder)
    return cluster.model_copy(update={"runtime": cluster.runtime.model_copy(update={"critest_without": tests})})


def few(*names: str) -> bytes:
    return junit(*((full(name), "passed") for name in names))


def test_a_few_run_on_the_node_against_the_runtime_s_socket(tmp_path: Path) -> None:
    (check,) = critest(tmp_path, few(*FEW)).few()
    assert check.look() == f"{len(FEW)} of {len(FEW)} passed"
    assert "--runtime-endpoint=unix:///s" in (tmp_path / "critest.log").read_text().splitlines()
    assert "docker.io/kubeiso/client:1" in (tmp_path / "critest.yml").read_text()


def test_what_a_runtime_can_t_pass_is_not_among_the_few(tmp_path: Path) -> None:
    cluster = runtime_without(tmp_path, **{FEW[0]: "why"})
    (check,) = critest(tmp_path, few(*FEW[1:]), cluster=cluster).few()
    assert check.look() == f"{len(FEW) - 1} of {len(FEW) - 1} passed"


def test_critest_that_writes_no_report_has_not_passed(tmp_path: Path) -> None:
    (tmp_path / "critest.xml").write_text("an earlier run's")
    (check,) = critest(tmp_path, b"", code=127).few()
    with pytest.raises(NotYet, match="exit code 127 and no report"):
        check.look()


def test_there_is_no_pod_network_before_the_cluster_where_that_makes_it(tmp_path: Path) -> None:
    cluster = a_cluster(directory=tmp_path, host_ranges=False)
    assert critest(tmp_path, b"", cluster=cluster).few() == []
    with pytest.raises(CheckError, match="no network before there is a cluster"):
        critest(tmp_path, b"", cluster=cluster).run_all()


# The whole

TESTS = ("runtime should run", "runtime should run twice", "Image Manager should pull", "AppArmor should confine")
SCRIPT = """#!/bin/sh
for word; do echo "$word"; case $word in
  --ginkgo.dry-run) dry=1 ;;
  --ginkgo.junit-report=*) [ "$dry" ] && from=known || from=given; cp {folder}/$from.xml "${{word#*=}}" ;;
esac; done
"""


def whole(folder: Path, *ran: tuple[str, str], known: tuple[str, ...] = TESTS, cluster: Cluster | None = None) -> Critest:
    made = critest(folder, junit(*((full(name), state) for name, state in ran)), cluster=cluster)
    (folder / "known.xml").write_bytes(few(*known))
    (folder / "program").write_text(SCRIPT.format(folder=folder))
    return made


def test_all_that_can_pass_has_to(tmp_path: Path) -> None:
    told = whole(tmp_path, (TESTS[0], "passed"), (TESTS[1], "passed"), (TESTS[2], "skipped")).run_all()
    assert told.startswith("2 of 2 passed, 2 left out: ") and f"AppArmor ({WITHOUT['AppArmor']})" in told
    said = (tmp_path / "critest.log").read_text()
    assert "--ginkgo.skip=Image\\ Manager|" in said and "--ginkgo.focus" not in said


@pytest.mark.parametrize(
    ("ran", "reason"),
    [
        (((TESTS[0], "passed"), (TESTS[1], "skipped")), "not run: .*run twice"),
        (((TESTS[0], "passed"),), "1 tests ran, not the 2"),
        (((TESTS[0], "passed"), (TESTS[1], "failed")), "run twice.*failed"),
        (((TESTS[0], "passed"), (TESTS[1], "passed"), (TESTS[2], "passed")), "run besides: .*Image Manager"),
        ((), "0 tests ran, not the 2"),
    ],
)
def test_a_test_that_did_not_pass_is_told(tmp_path: Path, ran: tuple[tuple[str, str], ...], reason: str) -> None:
    with pytest.raises(NotYet, match=reason):
        whole(tmp_path, *ran).run_all()


def test_what_the_runtime_can_t_pass_is_told_with_its_reason(tmp_path: Path) -> None:
    cluster = runtime_without(tmp_path, **{"should run twice": "it runs once"})
    told = whole(tmp_path, (TESTS[0], "passed"), cluster=cluster).run_all()
    assert told.startswith("1 of 1 passed, 3 left out: ") and "should run twice (it runs once)" in told


def test_a_reason_for_a_test_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    cluster = runtime_without(tmp_path, **{"should run thrice": "it runs once"})
    with pytest.raises(NotYet, match="no test that is named should run thrice"):
        whole(tmp_path, cluster=cluster).run_all()


def test_a_critest_that_lists_nothing_has_not_passed(tmp_path: Path) -> None:
    with pytest.raises(NotYet, match="0 tests"):
        whole(tmp_path, known=()).run_all()


def test_only_its_own_media_have_its_images() -> None:
    assert [name for name, suite in known().items() if "critest-busybox" in suite.extra.images] == ["critest"]
