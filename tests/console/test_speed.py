"""Stage lines and the scale of a guest's speed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.console.speed import NATIVE_CPU_MS, parse_stage, scale_of


def test_a_stage_line_is_read_with_all_that_it_tells() -> None:
    stage = parse_stage(
        'KUBEISO {"t":3.5,"stage":"service","name":"kubelet","state":"failed","seconds":1.25,"error":"exit 1","try":3}'
    )
    assert stage is not None
    assert (stage.t, stage.stage, stage.name, stage.state, stage.seconds, stage.error) == (
        3.5,
        "service",
        "kubelet",
        "failed",
        1.25,
        "exit 1",
    )
    assert stage.title == "service kubelet"
    assert stage.model_extra == {"try": 3}


def test_a_stage_line_may_follow_other_output() -> None:
    stage = parse_stage('login: KUBEISO {"t":1,"stage":"ready","state":"ok","cpu_ms":30}')
    assert stage is not None
    assert stage.cpu_ms == 30


@pytest.mark.parametrize(
    "line",
    [
        "", "KUBEISO", "KUBEISO {}", 'KUBEISO {"t":1,"stage":"ready"', 'KUBEISO {"stage":"ready","state":"o[ 1.0] usb 1-1\\nk"',
        'KUBEISO {"stage":7,"state":"ok"}', 'KUBEISO {"stage":"a","state":"ok","t":"soon"}', 'kubeiso {"stage":"a","state":"ok"}',
    ],
)  # fmt: skip
def test_what_is_no_stage_line_is_none(line: str) -> None:
    assert parse_stage(line) is None


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    parse_stage("KUBEISO " + text)


@given(st.text(), st.text(), st.floats(0, 1e6))
def test_what_is_told_is_what_is_read(name: str, error: str, seconds: float) -> None:
    told = {"t": 1.0, "stage": "service", "name": name, "state": "failed", "error": error, "seconds": seconds}
    stage = parse_stage("KUBEISO " + json.dumps(told))
    assert stage is not None
    assert (stage.name, stage.error, stage.seconds) == (name, error, seconds)


@pytest.mark.parametrize(
    ("cpu_ms", "scale"),
    [(0.0, 1.0), (NATIVE_CPU_MS / 2, 1.0), (NATIVE_CPU_MS, 1.0), (2 * NATIVE_CPU_MS, 5.0), (500 * NATIVE_CPU_MS, 30.0)],
)
def test_the_scale_lies_between_1_and_30(cpu_ms: float, scale: float) -> None:
    assert scale_of(cpu_ms) == pytest.approx(scale)
