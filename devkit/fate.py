"""What a child process does between fork and exec: bind its life to ours, and stop being root if it must not be.

Linux: prctl(2), capabilities(7). Elsewhere children are stopped in the ordinary way only, and nobody is root.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

# Loaded before any fork: a child between fork and exec should not load libraries.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a child runs as."""

    uid: int
    gid: int


def bound_to_us(died: signal.Signals = signal.SIGKILL, identity: Identity | None = None) -> Callable[[], None]:
    """A `preexec_fn`: the child gets the signal `died` when this process is gone, even by kill -9.

    With an `identity`, root becomes that user first. Fork from a thread that lives as long as the child should.
    """
    parent = os.getpid()

    def before_exec() -> None:  # pragma: no cover - runs in the child, where nothing measures
        if identity is not None:
            _become(identity)
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, died, 0, 0, 0)  # after setuid, which clears it
            if os.getppid() != parent:  # the parent died before we asked
                os._exit(1)

    return before_exec


def end_with_parent() -> None:
    """From now on our own parent's death is a SIGTERM to us: `make`, killed, leaves no mesh behind."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _become(identity: Identity) -> None:  # pragma: no cover - as above
    """Drop root. Kept, where root has it: the right to pass folders closed to others (a checkout under /root)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(identity.gid)
    os.setuid(identity.uid)
    if _libc is not None:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
        if _libc.capset(header, struct.pack("=6I", bit, bit, bit, 0, 0, 0)) == 0:
            _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
        else:
            _libc.capset(header, struct.pack("=6I", 0, 0, 0, 0, 0, 0))
