"""What a soak says of its samples: slopes after warming up, rates without starts, a chart that is XML."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

BENCH = Path(__file__).resolve().parents[3] / "bench"


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("soak", BENCH / "soak.py")
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    sys.modules["soak"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in ("soak", "chart", "multiply"):
        sys.modules.pop(name, None)


def course(soak, start, first, last, memory):
    """A sample every ten seconds, a hundred documents each."""
    return [
        soak.Sample(n / 10, start, n, {"worker": memory(n)}, {"worker": 7})
        for n in range(first, last + 1, 100)
    ]


def test_a_role_that_grows_is_seen_whatever_it_held_at_first(soak):
    samples = course(soak, 1, 0, 10_000, lambda n: 100e6 + min(n, 1500) * 1e5 + n * 300)
    assert soak.slopes(samples) == {"worker": pytest.approx(3.0, rel=0.01)}


def test_the_slope_is_of_one_stretch_and_not_of_a_restart(soak):
    before = course(soak, 1, 0, 4_000, lambda n: 500e6)
    after = course(soak, 2, 4_000, 20_000, lambda n: 200e6)
    assert soak.slopes(before + after) == {"worker": pytest.approx(0.0, abs=1e-6)}


def test_a_role_that_is_gone_at_times_is_fitted_to_when_it_was_there(soak):
    samples = course(soak, 1, 0, 10_000, lambda n: 50e6)
    samples[::2] = [soak.Sample(s.seconds, s.start, s.documents, {}, {}) for s in samples[::2]]
    assert soak.slopes(samples) == {"worker": pytest.approx(0.0, abs=1e-6)}


def test_rates_leave_the_time_between_two_starts_out(soak):
    samples = course(soak, 1, 0, 2_000, lambda n: 1) + [
        soak.Sample(s.seconds + 500, 2, s.documents, s.memory, s.mapped)
        for s in course(soak, 2, 2_000, 4_000, lambda n: 1)
    ]
    assert soak.rates(samples, parts=4) == [10.0] * 4


def test_the_course_is_written_as_a_table_and_a_picture(soak, tmp_path):
    samples = course(soak, 1, 0, 1_000, lambda n: 100e6 + n)
    soak.write(samples, tmp_path / "soak", "a <run> & more")
    rows = (tmp_path / "soak.csv").read_text("utf-8").splitlines()
    assert rows[0] == "seconds,start,documents,worker_bytes,worker_mapped_bytes"
    assert len(rows) == 12
    picture = ElementTree.fromstring((tmp_path / "soak.svg").read_text("utf-8"))
    lines = picture.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.get("points").split()) for line in lines] == [10, 11]
    assert any(t.text == "a <run> & more" for t in picture.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("highest", [0.003, 1, 8.1, 9.99, 10, 45, 123456])
def test_every_axis_has_a_few_round_ticks(soak, highest):
    step = soak.chart.step(highest)
    assert 3 <= highest / step <= 8
    assert f"{step:.0e}"[0] in "1235"
