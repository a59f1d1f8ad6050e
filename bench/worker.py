"""A process that runs sagas when it is told to: our engine, and each engine that ours is compared with.

It prints `ready`. Then it reads lines `CONCURRENT COUNT SECONDS` and answers each with a line of JSON: the wall seconds, and
the seconds that each saga took. Only the standard library is imported: other engines have a virtual environment without
ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import TextIO

#: Sagas before the first measured one, so that caches are warm and connections are open.
WARM_UP = 32


@dataclass
class Loop:
    """A closed loop: each of `concurrent` customers buys one after the other, until `count` are bought or time is over."""

    concurrent: int
    count: int
    seconds: float
    wall: float = 0.0
    taken: list[float] = field(default_factory=list)

    async def run(self, buy: Callable[[], Awaitable[None]]) -> None:
        left, began = iter(range(self.count)), time.perf_counter()

        async def customer() -> None:
            for _ in left:
                start = time.perf_counter()
                await buy()
                if self._note(start, began):
                    return

        await asyncio.gather(*(customer() for _ in range(self.concurrent)))
        self.wall = time.perf_counter() - began

    def run_in_threads(self, buy: Callable[[], None]) -> None:
        """The same with a thread for each customer."""
        left, began = iter(range(self.count)), time.perf_counter()
        failed: list[BaseException] = []

        def customer() -> None:
            try:
                for _ in left:
                    start = time.perf_counter()
                    buy()
                    if self._note(start, began):
                        return
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=customer) for _ in range(self.concurrent)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        self.wall = time.perf_counter() - began

    def _note(self, start: float, began: float) -> bool:
        """Note one more. True when the time is over."""
        now = time.perf_counter()
        self.taken.append(now - start)
        return now - began > self.seconds


async def serve(run: Callable[[Loop], Awaitable[None]], answers: TextIO) -> None:
    """Warm up, then run the loops that the lines of standard input ask for, until it ends."""
    await run(Loop(8, WARM_UP, 30))
    print("ready", file=answers, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        concurrent, count, seconds = line.split()
        loop = Loop(int(concurrent), int(count), float(seconds))
        await run(loop)
        print(json.dumps(asdict(loop)), file=answers, flush=True)
