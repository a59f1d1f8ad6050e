"""`python -m devkit.chaos`: one run, as the command line says. The exit code is 0 without findings, else 1."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys

from devkit.chaos.report import Run, format_report
from devkit.chaos.run import run
from devkit.processes.lifetime import end_with_parent

SHORT_SECONDS, FULL_SECONDS = 60.0, 600.0
#: The start, the matrix and the checks together take less than this.
OVERHEAD_SECONDS = 1500.0


def main() -> None:
    arguments = _arguments()
    seed = secrets.randbelow(10**9) if arguments.seed is None else arguments.seed
    seconds = arguments.seconds or (FULL_SECONDS if arguments.full else SHORT_SECONDS)
    print(f"seed {seed}", flush=True)
    if "MAKELEVEL" in os.environ:
        end_with_parent()
    result = asyncio.run(_run_until_signal(seed, seconds, full=arguments.full))
    print(format_report(result))
    sys.exit(1 if result.findings else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="chaos", description="Clients race for lessons and courses while everything fails."
    )
    parser.add_argument("--seconds", type=float, help="how long faults fall (60; 600 with --full)")
    parser.add_argument("--seed", type=int, help="decides everything that is random (a new one)")
    parser.add_argument("--full", action="store_true", help="first kill every process in every state of a saga")
    return parser.parse_args()


async def _run_until_signal(seed: int, seconds: float, *, full: bool) -> Run:
    """Run, and let a signal stop the run in order, so that no process is left."""
    task = asyncio.create_task(run(seed, seconds, full=full, tell=_print_line))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        async with asyncio.timeout(seconds + OVERHEAD_SECONDS):
            return await task
    except asyncio.CancelledError:
        sys.exit("chaos: stopped")


def _print_line(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
