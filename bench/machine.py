"""The machine that was measured, without its name and without a path."""

from __future__ import annotations

import os
import platform
import re

import psutil

#: Above it the times of a run say more about its neighbours than about what was measured.
QUIET_LOAD = 0.5


def describe_machine(postgres: str) -> str:
    """One line: cores, memory, kernel, Python, and `postgres`, such as "PostgreSQL 15.4"; what else ran before."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    busy = " **The machine was busy: believe the counts, not the times.**" if load > QUIET_LOAD * cores else ""
    kernel = re.match(r"[\d.]+", platform.release())
    return (
        f"{cores} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory, {platform.system()}"
        f" {kernel[0].rstrip('.') if kernel else ''}, Python {platform.python_version()}, {postgres} with fsync."
        f" Load average before: {load:.1f}.{busy}"
    )
