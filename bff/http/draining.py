"""The end of the edge: what it says of itself between the signal and its stop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Drain:
    """True once the edge is about to stop: /readyz says so, and each answer is the last one of its connection."""

    is_draining: bool = False
