"""The interceptor that every RPC passes: it identifies the caller, bounds the call, types errors, and logs the outcome.

gRPC reads a request's message before it calls a handler, and waits for it as long as the client likes. So every RPC is
served as a stream of raw requests: the caller is identified first, then the message is awaited for MESSAGE_SECONDS, and
decoded here, where a malformed one is a refusal.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import StatusCode

from mesh import about, calls, errors, outcomes, tracing
from mesh.calls import Call
from mesh.certificates import service_of
from mesh.concurrency import AddressLimit, ConcurrencyLimit, Context, PublicLimit
from mesh.errors import BadInput, Forbidden, Refusal, TryAgain, Unauthenticated
from mesh.identity import Verifier

#: How long the message of a request may take to arrive.
MESSAGE_SECONDS = 10.0
#: How long an RPC that needs no token may take. Watches of health are excepted: they last as long as their channel.
PUBLIC_SECONDS = 30.0
ENDLESS = frozenset({"/grpc.health.v1.Health/Watch"})

Handler = Any  # grpc.RpcMethodHandler; its stubs know only synchronous behaviours
Decode = Callable[[bytes], Message]


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """How many RPCs of each sort may be inside at once."""

    calls: ConcurrencyLimit
    streams: ConcurrencyLimit
    #: Callers whose token is being verified.
    unidentified: AddressLimit
    #: Health and reflection, which need no token.
    public: PublicLimit


class Gate(grpc.aio.ServerInterceptor):
    """Lets in who may call, bounds how long it may take, and turns every error into a status."""

    def __init__(
        self, verifier: Verifier, callers: dict[str, frozenset[str]], limits: RpcLimits, *, by_certificate: bool = False
    ) -> None:
        self._verifier, self._callers, self._limits = verifier, callers, limits
        self._by_certificate = by_certificate
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        method = handler_call_details.method
        wrapped = self._handlers.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None:  # there is no such RPC
            return None
        self._handlers[method] = self._wrap(method, handler)
        return self._handlers[method]

    def _wrap(self, method: str, handler: Handler) -> Handler:
        codec, decode = {"response_serializer": handler.response_serializer}, handler.request_deserializer
        if method not in self._callers:
            return grpc.stream_stream_rpc_method_handler(self._wrap_public(method, handler), **codec)
        if handler.unary_unary:
            unary = self._wrap_unary(method, handler.unary_unary, decode)
            return grpc.stream_unary_rpc_method_handler(unary, **codec)
        stream = self._wrap_stream(method, handler.unary_stream, decode)
        return grpc.stream_stream_rpc_method_handler(stream, **codec)

    def _wrap_unary(
        self, method: str, serve: Callable[..., Awaitable[Message]], decode: Decode
    ) -> Callable[..., Awaitable[Message]]:
        async def unary(_: object, context: Context) -> Message:
            with tracing.span(
                tracing.short(method), "server", parent=_traceparent(context), answers=(grpc.aio.AbortError,)
            ):
                return await answer(context)

        async def answer(context: Context) -> Message:
            began = time.perf_counter()
            try:
                await self._admit(method, context)
                with self._limits.calls:
                    response = await serve(await _receive(context, decode), context)
                about.learn(about.ids_of(response))
            except asyncio.CancelledError:  # the deadline has passed, the client has left, or the drain is over
                outcomes.note(method, began, StatusCode.CANCELLED)
                raise
            except Exception as error:
                await outcomes.refuse(method, began, context, error)
                raise AssertionError("abort always raises") from error
            outcomes.note(method, began, StatusCode.OK)
            return response

        return unary

    def _wrap_stream(
        self, method: str, serve: Callable[..., AsyncGenerator[Message, None]], decode: Decode
    ) -> Callable[..., Awaitable[None]]:
        async def stream(_: object, context: Context) -> None:
            with tracing.span(
                tracing.short(method),
                "server",
                parent=_traceparent(context),
                answers=(grpc.aio.AbortError, asyncio.CancelledError),  # most streams end because their reader leaves
            ):
                await send(context)

        async def send(context: Context) -> None:
            began = time.perf_counter()
            try:
                await self._admit(method, context)
                with self._limits.streams:
                    await _send_all(serve(await _receive(context, decode), context), context)
            except asyncio.CancelledError:
                outcomes.note(method, began, StatusCode.CANCELLED, stream=True)
                raise
            except Exception as error:
                await outcomes.refuse(method, began, context, error, stream=True)
            outcomes.note(method, began, StatusCode.OK, stream=True)

        return stream

    def _wrap_public(self, method: str, handler: Handler) -> Callable[..., Awaitable[None]]:
        """An RPC that is open to everybody. Its answers are sent within its place and its time, too."""
        seconds = None if method in ENDLESS else PUBLIC_SECONDS

        async def public(_: object, context: Context) -> None:
            try:
                async with self._limits.public.enter(context, seconds):
                    await _serve_public(handler, context)
            except Refusal as refusal:
                await context.abort(*errors.to_status(refusal))

        return public

    async def _admit(self, method: str, context: Context) -> None:
        """Make this the current call. Raises a Refusal unless the caller may make it."""
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        left = context.time_remaining()
        call = Call(
            request_id=_request_id(metadata.get("x-request-id", "")),
            deadline=None if left is None else asyncio.get_running_loop().time() + left,
            ids=about.from_metadata(metadata.get(about.METADATA, "")),
        )
        calls.enter(call)
        with self._limits.unidentified.enter(context):
            person, service = await self._identify(metadata, context)
        calls.enter(replace(call, person=person, service=service))
        if service not in self._callers[method]:
            raise Forbidden(f"{method.rpartition('/')[2]} may not be called by {service or 'a person'}")

    async def _identify(self, metadata: dict[str, str], context: Context) -> tuple[calls.Person | None, str]:
        """The person and the service behind a call.

        With certificates, the service is the one that the connection's certificate names, and no token is needed.
        """
        person, service = await self._verify_tokens(metadata)
        if self._by_certificate:
            certified = _certified_service(context)
            if service not in ("", certified):
                raise Unauthenticated(f"the service token is of {service}, and the certificate of {certified}")
            service = certified
        if person is None and not service:
            raise Unauthenticated("a token must be given")
        return person, service

    async def _verify_tokens(self, metadata: dict[str, str]) -> tuple[calls.Person | None, str]:
        """Verify the tokens of a call. `authorization` takes a person's token, or a service's (handy with grpcurl)."""
        person, service = None, ""
        bearer = metadata.get("authorization", "")
        if bearer:
            scheme, _, token = bearer.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated("authorization must be a Bearer token")
            claims = await self._verifier.verify(token.strip())
            if claims.service:
                service = claims.service
            else:
                person = claims.person
        own = metadata.get("x-service-token", "")
        if own:
            service = (await self._verifier.verify(own)).service
        return person, service


def _certified_service(context: Context) -> str:
    """The service that the certificate of the connection names. Raises Unauthenticated for one of no service."""
    (identity,) = context.auth_context().get("peer_spiffe_id") or (b"",)
    service = service_of(identity.decode())
    if not service:
        raise Unauthenticated("the certificate names no service of this mesh")
    return service


async def _serve_public(handler: Handler, context: Context) -> None:
    decode = handler.request_deserializer
    if handler.unary_unary:
        await context.write(await handler.unary_unary(await _receive(context, decode), context))
    elif handler.unary_stream:
        await _send_all(handler.unary_stream(await _receive(context, decode), context), context)
    else:
        await _send_all(handler.stream_stream(_receive_all(context, decode), context), context)


async def _receive(context: Context, decode: Decode) -> Message:
    """The request's message. Raises TryAgain when it does not arrive in time, and BadInput for what is none."""
    try:
        raw = await _read(context)
    except TimeoutError:
        raise TryAgain("the request's message did not arrive in time") from None
    if raw is grpc.aio.EOF:
        raise BadInput("the request has no message")
    message = _decode(raw, decode)
    about.bind(about.ids_of(message))
    return message


async def _read(context: Context) -> Any:
    """The next message, or EOF. Raises TimeoutError after MESSAGE_SECONDS.

    The time is counted in two halves: in a process that stood still for longer than that, a message that has arrived
    meanwhile must be looked at before its time is over.
    """
    loop, half = asyncio.get_running_loop(), MESSAGE_SECONDS / 2
    async with asyncio.timeout(None) as bound:
        second_half = loop.call_later(half, lambda: bound.reschedule(loop.time() + half))
        try:
            return await context.read()
        finally:
            second_half.cancel()


async def _receive_all(context: Context, decode: Decode) -> AsyncIterator[Message]:
    while (raw := await context.read()) is not grpc.aio.EOF:
        yield _decode(raw, decode)


def _decode(raw: Any, decode: Decode) -> Message:
    try:
        return decode(raw)
    except DecodeError:
        raise BadInput("the request's message cannot be decoded") from None


async def _send_all(responses: AsyncGenerator[Message, None], context: Context) -> None:
    async with contextlib.aclosing(responses):
        async for response in responses:
            await context.write(response)


def _traceparent(context: Context) -> str:
    """The caller's span; empty when it sent none, or when nothing is traced here."""
    if not tracing.is_on():
        return ""
    sent = (value for name, value in context.invocation_metadata() or () if name == tracing.TRACEPARENT)
    return str(next(sent, ""))


def _request_id(given: str) -> str:
    """The caller's own request id; a new one when it sent none, or only the mark of being in no call."""
    return calls.new_request_id() if given in ("", calls.NO_CALL) else given[:64]
