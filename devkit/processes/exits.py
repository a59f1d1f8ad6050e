"""The end of a child process as an event, where the system tells of it. Polling would cost the mesh CPU for nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

_POLL_SECONDS = 0.05


async def wait_for_exit(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a child, once it has ended."""
    if process.poll() is None:
        descriptor = _open_descriptor(process.pid)
        if descriptor is None:
            while process.poll() is None:  # noqa: ASYNC110 - this system has no event for it
                await asyncio.sleep(_POLL_SECONDS)
        else:
            await _wait_until_readable(descriptor)
    return process.wait()


def _open_descriptor(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; None where there is none (macOS), or none is given."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


async def _wait_until_readable(descriptor: int) -> None:
    """Wait, and close the descriptor."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
