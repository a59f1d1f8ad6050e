"""Runs one of our programs with its pace quickened: `python quickened.py payment_svc`.

A day of operations has to pass within seconds, so every clock of the monitoring runs PACE times as fast: the scrapes and the
rules (tests/troubles/watching.py), how often a process reads its backlog, and how long reconcile leaves a payment alone.
What a person or a provider waits for stays as it is. SIGUSR1 makes the event loop stand still.
"""

from __future__ import annotations

import runpy
import signal
import sys
import time

from mesh.metrics import exposition

PACE = 15
#: How long reconcile leaves a payment alone.
STALE_SECONDS = 120 / PACE
#: How long the event loop stands still.
STALL_SECONDS = 12.0


def main() -> None:
    module = sys.argv[1]
    exposition.REFRESH_SECONDS /= PACE
    if module == "payment_svc":
        from payment_svc.settling import reconcile

        reconcile.LOOP = reconcile.Scope(STALE_SECONDS, reconcile.LOOP_WINDOW)
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(STALL_SECONDS))
    sys.argv[:] = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
