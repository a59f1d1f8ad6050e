"""The CPU seconds, user and system, that processes have used, and the memory that they have."""

from __future__ import annotations

import contextlib
from collections import defaultdict

import psutil

from devkit.layout import PROGRAMS

_BY_MODULE = {program.module: program.name for program in PROGRAMS.values()}


def of(process: psutil.Process) -> float:
    """The CPU seconds of one process so far, with those of its ended children."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def of_mesh(launcher: psutil.Process) -> dict[str, float]:
    """The CPU seconds of each kind of process of a mesh so far, by name. "postgres" is the sum of its backends."""
    used: defaultdict[str, float] = defaultdict(float, launcher=own(launcher))
    for process in launcher.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            used[_name(process)] += own(process) if process.name() != "postgres" else of(process)
    return used


def memory_of_mesh(launcher: psutil.Process) -> dict[str, int]:
    """The resident bytes of each kind of process of a mesh, by name. Those of "postgres" count shared memory once."""
    found: defaultdict[str, int] = defaultdict(int, launcher=launcher.memory_info().rss)
    for process in launcher.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            memory = process.memory_full_info() if process.name() == "postgres" else process.memory_info()
            found[_name(process)] += getattr(memory, "pss", memory.rss)
    return found


def own(process: psutil.Process) -> float:
    """The CPU seconds of one process so far, without its children."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _name(process: psutil.Process) -> str:
    if process.name() == "postgres":
        return "postgres"
    return next((_BY_MODULE[part] for part in process.cmdline() if part in _BY_MODULE), "other")


def of_server(postmaster: psutil.Process) -> float:
    """The CPU seconds of a PostgreSQL server so far: of its postmaster, its backends, and those that have ended."""
    used = of(postmaster)
    for process in postmaster.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            used += own(process)
    return used
