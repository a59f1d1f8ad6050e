"""A channel whose certificate is renewed: when the files change, a new connection takes over, and the old one drains.

grpcio has no dynamic credentials for clients: a channel keeps those that it was opened with. So this channel opens another
one inside, waits until it is connected, and sends it all further calls. Calls that have begun end where they began; each
has a deadline.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from typing import Any

import grpc

from mesh import loops
from mesh.certificates import CHECK_SECONDS, Certificate, Certificates
from mesh.logs import log

#: How long the new connection may take. After that it takes over only when the old one does not work either.
CONNECT_SECONDS = 5.0
Options = Sequence[tuple[str, Any]]


class _Opened:
    """A channel that was opened with one certificate, and its calls that have not ended."""

    def __init__(self, channel: grpc.aio.Channel, certificate: Certificate) -> None:
        self.channel, self.certificate = channel, certificate
        self._methods: dict[_Method, Any] = {}
        self._calls: weakref.WeakSet[Any] = weakref.WeakSet()

    def call(self, method: _Method, *args: Any, **kwargs: Any) -> Any:
        if method not in self._methods:
            self._methods[method] = getattr(self.channel, method.kind)(*method.args, **method.kwargs)
        call = self._methods[method](*args, **kwargs)
        self._calls.add(call)
        return call

    def is_drained(self) -> bool:
        return all(map(_has_ended, self._calls))

    def is_ready(self) -> bool:
        return self.channel.get_state() is grpc.ChannelConnectivity.READY


def _has_ended(call: Any) -> bool:
    try:
        return bool(call.done())
    except Exception:  # an interceptor raised an exception of ours, which ended the call
        return True


class _Method:
    """An RPC of the channel, as stubs call it."""

    def __init__(self, channel: RenewedChannel, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._channel, self.kind, self.args, self.kwargs = channel, kind, args, kwargs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._channel.newest.call(self, *args, **kwargs)


class RenewedChannel(grpc.aio.Channel):
    """A channel to a service that must have a certificate of this name. Needs a running event loop."""

    def __init__(
        self,
        address: str,
        service: str,
        certificates: Certificates,
        options: Options,
        interceptors: Sequence[grpc.aio.ClientInterceptor],
    ) -> None:
        self._address, self._certificates, self._interceptors = address, certificates, interceptors
        self._options = [*options, ("grpc.ssl_target_name_override", service)]
        self.newest = self._open(certificates.current())
        self._draining: list[_Opened] = []
        self._renewing = asyncio.get_running_loop().create_task(
            loops.run_forever("channel_renewal", self._renew, CHECK_SECONDS)
        )

    def _open(self, certificate: Certificate) -> _Opened:
        channel = grpc.aio.secure_channel(
            self._address, certificate.for_clients(), options=self._options, interceptors=self._interceptors
        )
        return _Opened(channel, certificate)

    async def _renew(self) -> None:
        certificate = self._certificates.current()
        if certificate is not self.newest.certificate:
            await self._take_over(self._open(certificate))
        for drained in [opened for opened in self._draining if opened.is_drained()]:
            self._draining.remove(drained)
            await drained.channel.close()

    async def _take_over(self, opened: _Opened) -> None:
        """Send further calls to this channel, once it is connected, or when the one before does not work either."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await opened.channel.channel_ready()
        except TimeoutError:
            if self.newest.is_ready():
                log().warning("channel_not_renewed", peer=self._address, id=opened.certificate.identity)
                await opened.channel.close()
                return
        except BaseException:
            await opened.channel.close()
            raise
        self._draining.append(self.newest)
        self.newest = opened
        log().info("channel_renewed", peer=self._address, ends=opened.certificate.ends.isoformat())

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, "unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, "unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, "stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, "stream_stream", args, kwargs)

    async def close(self, grace: float | None = None) -> None:
        """Close what is open. The deadline of `grace` is for each of the connections."""
        self._renewing.cancel()
        await asyncio.wait([self._renewing])
        for opened in (*self._draining, self.newest):
            await opened.channel.close(grace)

    async def __aenter__(self) -> RenewedChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self.newest.channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self.newest.channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self.newest.channel.channel_ready()
