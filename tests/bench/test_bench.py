"""`make bench` measures a real mesh, and its arithmetic is right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench import report
from bench.lessons import Sold
from bench.report import Batch

ROOT = Path(__file__).parents[2]


def test_a_quick_benchmark_sells_lessons_on_a_real_mesh_and_leaves_no_data():
    command = [sys.executable, "-m", "bench", "--quick"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as bench:
        output, _ = bench.communicate(timeout=120)
    assert bench.returncode == 0, output
    assert "PaymentService/BookSession x1" in output
    assert "SessionService/CreateConfirmedSession x1" in output
    assert "CPU milliseconds per lesson" in output
    assert "An echo with certificates, beside one in plaintext" in output
    assert not (ROOT / ".data" / f"bench-{bench.pid}").exists()


def test_a_lesson_is_compared_with_its_own_number_of_echoes_and_commits():
    result = report.Result({"A/B": 2.0}, echoes_per_lesson=2, commits_per_lesson=3)
    row = result.row(1)
    row.lessons.append(Batch(count=10, wall=1.0, mesh={"payment": 0.3, "postgres": 0.2}, bench=9.0))
    row.echoes.append(Batch(count=20, wall=0.1, mesh={"payment": 9.0, "postgres": 9.0}, bench=0.05))
    row.commits.append(Batch(count=30, wall=0.3, mesh={"payment": 9.0, "postgres": 0.03}, bench=0.02))
    row.sold += [Sold(booked=0.05, confirmed=0.1), Sold(booked=0.05, confirmed=0.1)]
    lines = [line.split() for line in report.format_report(result).splitlines()]
    assert lines[-1] == ["1", "100.0", "10.0", "30.0", "2.5x", "50.0", "5.0", "5.0", "5.0x"]
    assert ["1", "10.0", "100", "100", "100", "50", "2"] in lines
