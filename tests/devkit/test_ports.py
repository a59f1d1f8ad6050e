"""A port that was given to one process is not given to another, even before anything listens on it."""

from __future__ import annotations

import itertools
import subprocess
import sys

from devkit.layout import MESH_PORTS
from tests.devkit.fake_mesh import ROOT

#: A program that prints the ports it was given and lives until its input ends.
TAKES_TEN = """
import sys
from devkit.ports import reserve_ports
print(*(reserve_ports() for _ in range(10)), flush=True)
sys.stdin.read()
"""


def test_two_processes_at_once_are_given_different_ports():
    pipe = subprocess.PIPE
    both = [subprocess.Popen([sys.executable, "-c", TAKES_TEN], cwd=ROOT, stdin=pipe, stdout=pipe) for _ in range(2)]
    try:
        given = [process.stdout.readline().split() for process in both if process.stdout]
    finally:
        for process in both:
            process.communicate()
    assert [len(bases) for bases in given] == [10, 10]
    assert set(given[0]).isdisjoint(given[1])
    bases = sorted(int(base) for ports in given for base in ports)
    assert all(later - earlier >= MESH_PORTS for earlier, later in itertools.pairwise(bases))
