"""What a child process does between fork and exec: bind its life to its parent's, and stop being root.

Sources: Linux, prctl(2) and capabilities(7). On other systems a child can outlive a parent that was killed.
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

# The library is loaded before any fork, because a child must not load one between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and the group that a child runs as."""

    uid: int
    gid: int


def bind_to_parent(died: signal.Signals = signal.SIGKILL, identity: Identity | None = None) -> Callable[[], None]:
    """A `preexec_fn` that sends the child the signal `died` when this process ends, even by kill -9.

    With an `identity`, a child of root becomes that user first. The thread that forks must live as long as the child.
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
    """Have this process get SIGTERM when its parent dies, so that a killed `make` leaves no mesh behind."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _become(identity: Identity) -> None:  # pragma: no cover - runs in the child too
    """Become this user. Keep one capability of root's: to pass closed folders, for a checkout below /root."""
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
