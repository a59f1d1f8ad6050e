"""The machine that was measured, without its name and without a path."""

from __future__ import annotations

import os
import platform
import re

import psutil


def describe_machine(postgres: str) -> str:
    """One line: cores, memory, kernel, Python, and `postgres`, such as "PostgreSQL 15.4"; what else ran before."""
    cores = os.cpu_count() or 1
    kernel = re.match(r"[\d.]+", platform.release())
    return (
        f"{cores} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory, {platform.system()}"
        f" {kernel[0].rstrip('.') if kernel else ''}, Python {platform.python_version()}, {postgres} with fsync."
        f" Load average before: {os.getloadavg()[0]:.1f}."
    )
