"""One channel over several connections to the same address, which calls take in turn.

gRPC keeps one connection to an address. Where replicas share a port, or a balancer hands out connections, one replica would
get every call of a caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import grpc

#: A connection of its own for each channel: gRPC would share one among channels with the same address and options.
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)


class _InTurn:
    """An RPC of the channel, as stubs call it."""

    def __init__(self, rpcs: Sequence[Any]) -> None:
        self._rpcs = cycle(rpcs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return next(self._rpcs)(*args, **kwargs)


class SpreadChannel(grpc.aio.Channel):
    """Sends each call over the next of these channels. A call that has begun ends where it began."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self._channels = channels

    def _in_turn(self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _InTurn([getattr(channel, kind)(*args, **kwargs) for channel in self._channels])

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._in_turn("unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._in_turn("unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._in_turn("stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._in_turn("stream_stream", args, kwargs)

    async def close(self, grace: float | None = None) -> None:
        await asyncio.gather(*(channel.close(grace) for channel in self._channels))

    async def __aenter__(self) -> SpreadChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """That of the first connection."""
        return self._channels[0].get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channels[0].wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Return once every connection is there."""
        await asyncio.gather(*(channel.channel_ready() for channel in self._channels))
