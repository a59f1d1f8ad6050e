"""`make bench` measures a real mesh, and its arithmetic is right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report, traces
from bench.alone import Alone
from bench.batches import Batch
from bench.lessons import Sold
from bench.open_loop import OpenLoop
from bench.plots import draw

ROOT = Path(__file__).parents[2]
#: It starts a mesh of its own. The engine's benchmark and the report are tested always.
FULL = pytest.mark.skipif(not os.environ.get("FULL"), reason="FULL=1 runs it")


@FULL
def test_a_quick_benchmark_sells_lessons_on_a_real_mesh_and_leaves_no_data():
    command = [sys.executable, "-m", "bench", "--quick"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as bench:
        output, _ = bench.communicate(timeout=300)
    assert bench.returncode == 0, output
    assert "PaymentService/BookSession x1" in output
    assert "SessionService/CreateConfirmedSession x1" in output
    for part in (
        "CPU milliseconds per lesson",
        "Open loop",
        "Beside the floor",
        "The engine alone",
        "the Stripe sandbox",
    ):
        assert part in output
    assert not (ROOT / ".data" / f"bench-{bench.pid}").exists()


@pytest.fixture
def result() -> report.Result:
    """One round of one student."""
    result = report.Result({"A/B": 2.0}, echoes_per_lesson=2, commits_per_lesson=3)
    row = result.row(1)
    used = {"payment": 0.3, "postgres": 0.2, "sandbox": 0.7, "launcher": 0.1}
    row.lessons.append(Batch(count=10, wall=1.0, mesh=used, bench=9.0, writes=90, wal_bytes=160_000))
    row.echoes.append(Batch(count=20, wall=0.1, mesh={"payment": 9.0, "postgres": 9.0}, bench=0.05))
    row.commits.append(Batch(count=30, wall=0.3, mesh={"payment": 9.0, "postgres": 0.03}, bench=0.02))
    row.sold += [Sold(booked=0.05, confirmed=0.1), Sold(booked=0.05, confirmed=0.1)]
    return result


def _rows(page: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]


def test_a_lesson_is_compared_with_the_first_and_with_its_own_number_of_echoes_and_commits(result):
    """The CPU of the sandbox and the launcher is left out, and listed apart."""
    rows = _rows(report.make_page(result, "2 cores").text)
    assert ["1", "100.0", "40.0", "2.5×", "50.0", "10.0", "5.0×"] in rows
    assert ["1", "100.0", "80.0", "1.2×", "50.0", "30.0", "1.7×"] in rows  # beside the floor that stays
    assert ["1", "50.0", "30.0", "20.0"] in rows
    assert ["1", "70.0", "10.0", "900.0", "10.0"] in rows


def test_the_page_has_the_speed_and_the_bytes_of_a_lesson(result):
    result.open_loop = OpenLoop(5.0, [0.1] * 99 + [0.3])
    result.alone = [Alone("the students' apps", count=10, wall=0.1, cpu=0.02)]
    rows = _rows(report.make_page(result, "2 cores").text)
    assert ["1", "10.0", "100", "100", "100", "50", "9.0", "16000", "2"] in rows
    assert ["5.0", "100", "102", "1.0", "100"] in rows
    assert ["the students' apps", "100", "2.0"] in rows


def test_a_page_and_its_pictures_name_no_machine_and_are_always_the_same(result, tmp_path):
    page = report.make_page(result, "2 cores")
    page.write(tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["lessons-1.svg", "lessons-2.svg", "lessons.md"]
    for name in files:
        text = (tmp_path / name).read_text()
        assert os.uname().nodename not in text
        assert str(ROOT) not in text
        assert str(tmp_path) not in text
    draw(page.plots[1], tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "lessons-2.svg").read_bytes()


def test_the_cost_of_traces_is_the_median_of_ratios_of_batches_side_by_side():
    def batch(payment: float) -> Batch:
        return Batch(count=10, wall=1.0, mesh={"payment": payment, "postgres": 0.1, "sandbox": 9.0}, bench=9.0)

    page = traces.make_page([batch(0.1), batch(0.3), batch(0.2)], [batch(0.11), batch(0.3), batch(0.3)], 7, "2 cores")
    rows = _rows(page.text)
    assert ["the product", "30.00", "40.00", "1.050×"] in rows
    assert ["payment", "20.00", "30.00", "1.100×"] in rows
    assert "**1.050×**" in page.text and "7 spans" in page.text and not any(row[0] == "sandbox" for row in rows)
