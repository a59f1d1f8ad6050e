"""Certificates between services: who gets in, who does not, and what the log says; files that are read again."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from devkit.certificates import Authority, authority
from mesh import certificates, renewed_channels
from mesh.certificates import Certificates, files_in
from mesh.channels import connect, messages
from mesh.errors import CallFailed, Forbidden, Unauthenticated
from mesh.identity import Verifier
from mesh.server import Server
from mesh.settings import ServiceSettings
from ops import probe
from tests.conftest import FixedToken
from tests.mesh.conftest import GET, bookings, nothing, sessions, wait_until
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.session.v1 import session_pb2_grpc

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca") / "authority.pem")


@pytest.fixture
def of(ca: Authority, tmp_path: Path) -> Callable[..., Certificates]:
    """`of("payment", …)`: the certificate of a service, in a folder of this name."""

    def make(name: str, issuer: Authority = ca, **times: Any) -> Certificates:
        folder = tmp_path / name
        issuer.issue(name, folder, **times)
        return Certificates(files_in(folder))

    return make


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (certificates, renewed_channels):
        monkeypatch.setattr(module, "CHECK_SECONDS", 0.02)


@pytest_asyncio.fixture
async def start(
    ca: Authority, tmp_path: Path, auth_settings: dict[str, Any], verifier: Verifier
) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """`await start(service, …)`: a server with the certificate of session_svc in the folder `session`."""
    async with contextlib.AsyncExitStack() as stack:

        async def run(*services: Any, **settings: Any) -> Server:
            folder = tmp_path / "session"
            ca.issue("session", folder)
            given = {"port": 0, "drain_seconds": 1, "mesh_tls": "on", "mesh_cert_dir": folder, **settings}
            server = Server(ServiceSettings(_env_file=None, **given, **auth_settings), verifier, list(services))
            await server.start()
            stack.push_async_callback(server.stop)
            return server

        yield run


@contextlib.asynccontextmanager
async def stub(server: Server, identity: Any, service: str = "session", own: Certificates | None = None) -> Any:
    async with connect(f"127.0.0.1:{server.port}", identity, service, own) as channel:
        yield session_pb2_grpc.SessionServiceStub(channel)


async def test_67_the_certificate_alone_says_which_service_calls(start, of):
    server = await start(sessions(nothing))
    with capture_logs() as lines:
        async with stub(server, of("payment")) as peer:
            await peer.GetSession(GET, timeout=5)
    assert [line["caller"] for line in lines if line["event"] == "rpc"] == ["payment"]


@pytest.mark.parametrize("name", ["availability", "internal", "internal/shop", "session"])
async def test_67_a_caller_that_the_rpc_does_not_declare_is_refused_by_name(start, of, name):
    server = await start(sessions(nothing))
    with capture_logs() as lines:
        async with stub(server, of(name)) as peer:
            with pytest.raises(Forbidden):
                await peer.CreateConfirmedSession(GET, timeout=5)
    (line,) = (line for line in lines if line["event"] == "rpc")
    assert line["why"] == f"CreateConfirmedSession may not be called by {name.partition('/')[0]}"


async def test_67_a_service_outside_the_mesh_is_internal(start, of):
    async with stub(await start(sessions(nothing)), of("internal/shop")) as peer:
        await peer.GetSession(GET, timeout=5)


async def test_67_a_persons_token_travels_beside_the_certificate(start, of, token):
    student, seen = uuid.uuid4(), []

    async def note() -> None:
        from mesh import calls

        seen.append((calls.current().service, calls.current().require_person().id))

    person = FixedToken("", "", token("student", student))
    async with stub(await start(sessions(note)), person, own=of("bff")) as peer:
        await peer.GetSession(GET, timeout=5)
    assert seen == [("bff", student)]


@pytest.mark.parametrize("header", ["x-service-token", "authorization"])
async def test_67_a_service_token_of_another_service_is_refused(start, of, token, header):
    server, own = await start(sessions(nothing)), of("bff")
    for service in ("payment", "bff"):
        text = token("service", service=service)
        given = FixedToken(service, text) if header == "x-service-token" else FixedToken("", "", text)
        async with stub(server, given, own=own) as peer:
            if service == "bff":
                await peer.GetSession(GET, timeout=5)
                continue
            with pytest.raises(Unauthenticated, match="token is of payment, and the certificate of bff"):
                await peer.GetSession(GET, timeout=5)


@pytest.mark.parametrize("header", ["x-forwarded-client-cert", "x-spiffe-id", "x-service"])
async def test_67_behind_a_sidecar_a_token_says_who_calls_and_no_header(start, token, header):
    server = await start(sessions(nothing), mesh_tls="external")
    said = ((header, "By=spiffe://tutormesh/session;URI=spiffe://tutormesh/payment"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        peer = session_pb2_grpc.SessionServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await peer.GetSession(GET, timeout=5, metadata=said)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        own = ("x-service-token", token("service", service="payment"))
        await peer.GetSession(GET, timeout=5, metadata=(*said, own))


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"begins": NOW - 2 * HOUR, "lifetime": HOUR}, "certificate has expired"),
        ({"begins": NOW + HOUR, "lifetime": HOUR}, "certificate is not yet valid"),
        (None, "unable to get local issuer certificate"),
    ],
    ids=["expired", "not yet valid", "of a wrong authority"],
)
async def test_67_a_certificate_that_is_not_good_is_refused_and_the_log_says_why(
    start, ca, tmp_path, capfd, times, words
):
    server = await start(sessions(nothing))
    issuer = ca if times else authority(tmp_path / "other.pem")
    issuer.issue("payment", tmp_path / "payment", **(times or {}))
    (tmp_path / "payment" / "ca.crt").write_bytes((tmp_path / "session" / "ca.crt").read_bytes())
    with capture_logs() as lines:
        own = Certificates(files_in(tmp_path / "payment"))
        async with stub(server, own) as peer:
            with pytest.raises(CallFailed) as refused:
                await peer.GetSession(GET, timeout=5)
            await wait_until(_async(lambda: any(line["event"] == "certificate_unusable" for line in lines)))
    assert refused.value.status_code is grpc.StatusCode.UNAVAILABLE
    assert words in capfd.readouterr().err


def _async(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return condition()

    return ask


async def test_67_whoever_has_no_certificate_gets_no_answer_not_even_of_health(start, of, capfd, token):
    server = await start(sessions(nothing))
    root = of("payment").current().authorities
    target, options = f"127.0.0.1:{server.port}", [("grpc.ssl_target_name_override", "session")]
    for channel in (
        grpc.aio.insecure_channel(target),
        grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(root), options),
    ):
        async with channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    said = capfd.readouterr().err
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in said and "WRONG_VERSION_NUMBER" in said


async def test_67_a_server_with_the_certificate_of_another_service_is_refused(start, of):
    server = await start(sessions(nothing))
    async with stub(server, of("payment"), "booking") as peer:
        with pytest.raises(CallFailed, match="Hostname Verification Check failed"):
            await peer.GetSession(GET, timeout=5)


async def test_a_server_says_that_its_certificate_lacks_the_name_by_which_clients_know_it(start, of):
    own = (await start(sessions(nothing)))._certificates
    own._current, own._checked_at = replace(own._current, dns_names=frozenset({"localhost"})), 0
    with capture_logs() as lines:
        await own.look()
    assert lines[0]["event"] == "certificate_unusable" and lines[0]["alert"]
    assert lines[0]["why"] == "lacks the DNS name session, by which clients know the service"
    assert of("payment").current().fault(datetime.now(UTC), serves=True) == ""


async def test_67_a_server_of_another_authority_is_refused(start, tmp_path):
    server = await start(sessions(nothing))
    authority(tmp_path / "other.pem").issue("payment", tmp_path / "payment")
    async with stub(server, Certificates(files_in(tmp_path / "payment"))) as peer:
        with pytest.raises(CallFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await peer.GetSession(GET, timeout=5)


def test_a_channel_with_certificates_needs_the_name_of_its_peer(of):
    with pytest.raises(ValueError, match="service="):
        connect("127.0.0.1:1", of("payment"))


async def test_probes_have_a_port_of_their_own_where_only_health_is_served(start, token):
    server = await start(sessions(nothing), health_port=0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.health_port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        headers = (("x-service-token", token("service", service="payment")),)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await session_pb2_grpc.SessionServiceStub(channel).GetSession(GET, timeout=5, metadata=headers)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_67_certificates_are_renewed_under_load_without_one_failed_call(start, of, ca, tmp_path):
    """Both ends' files change again and again, while calls run one after another, and a stream lasts."""
    release, running = asyncio.Event(), True
    server = await start(sessions(nothing), bookings(release.wait))
    own = of("bff")
    folders = {name: tmp_path / name for name in ("session", "bff")}
    done = 0

    async def call_on(peer: Any) -> None:
        nonlocal done
        while running:
            await peer.GetSession(GET, timeout=5)
            done += 1

    with capture_logs() as lines:
        async with connect(f"127.0.0.1:{server.port}", own, "session") as channel:
            peer = session_pb2_grpc.SessionServiceStub(channel)
            watch = booking_pb2_grpc.BookingServiceStub(channel).WatchBooking(
                booking_pb2.WatchBookingRequest(booking_id="1"), timeout=30
            )
            stream = messages(watch)
            assert (await anext(stream)).booking.id == "1"
            load = [asyncio.create_task(call_on(peer)) for _ in range(4)]
            for number in range(1, 4):
                for name, folder in folders.items():
                    ca.issue(name, folder)
                await wait_until(_async(lambda many=number: _count(lines, "channel_renewed") >= many))
                before = done
                await wait_until(_async(lambda least=before + 8: done >= least))
            running = False
            await asyncio.gather(*load)
            await wait_until(_async(lambda: len(channel._draining) == 1))  # that of the stream; the others have drained
            release.set()
            assert [one async for one in stream] == []
            await wait_until(_async(lambda: not channel._draining))
    assert {line["code"] for line in lines if line["event"] == "rpc"} == {"OK"}


def _count(lines: list[Any], event: str) -> int:
    return sum(line["event"] == event for line in lines)


async def test_67_a_new_authority_is_introduced_before_the_old_one_is_removed(start, of, ca, tmp_path):
    """Both are in everybody's ca.crt first; then the certificates change, one end after the other."""
    server, own = await start(sessions(nothing)), of("payment")
    newer = authority(tmp_path / "newer.pem")
    both = (tmp_path / "session" / "ca.crt").read_text()
    newer.issue("payment", tmp_path / "scratch")
    both += (tmp_path / "scratch" / "ca.crt").read_text()
    async with connect(f"127.0.0.1:{server.port}", own, "session") as channel:
        peer = session_pb2_grpc.SessionServiceStub(channel)
        with capture_logs() as lines:
            for name in ("session", "payment"):
                (tmp_path / name / "ca.crt").write_text(both)
            await wait_until(_async(lambda: _count(lines, "channel_renewed") == 1))
            for name in ("session", "payment"):
                newer.issue(name, tmp_path / name)
                (tmp_path / name / "ca.crt").write_text(both)
                await peer.GetSession(GET, timeout=5)
            newest = certificates.read(files_in(tmp_path / "payment"))
            await wait_until(_async(lambda: channel.newest.certificate == newest))
            await peer.GetSession(GET, timeout=5)
            assert _count(lines, "channel_not_renewed") == 0


async def test_67_a_renewed_certificate_that_peers_refuse_does_not_take_over(start, of, tmp_path, monkeypatch):
    monkeypatch.setattr(renewed_channels, "CONNECT_SECONDS", 0.3)
    server, own = await start(sessions(nothing)), of("payment")
    async with stub(server, own) as peer:
        await peer.GetSession(GET, timeout=5)
        with capture_logs() as lines:
            authority(tmp_path / "other.pem").issue("payment", tmp_path / "payment")
            await wait_until(_async(lambda: _count(lines, "channel_not_renewed") >= 1))
            await peer.GetSession(GET, timeout=5)
        assert _count(lines, "channel_renewed") == 0


def test_files_that_cannot_be_used_leave_the_last_good_certificate_and_one_line(of, ca, tmp_path):
    own, folder = of("payment"), tmp_path / "payment"
    before = own.current()
    (folder / "tls.crt").unlink()
    with capture_logs() as lines:
        for _ in range(3):
            own._checked_at = 0
            assert own.current() is before
        ca.issue("payment", folder)
        own._checked_at = 0
        assert own.current() is not before
    assert [line["event"] for line in lines] == ["certificate_unreadable", "certificate_renewed"]
    assert lines[0]["why"] == f"MESH_CERT_FILE: {folder / 'tls.crt'} cannot be read: No such file or directory"


def test_a_key_that_is_renewed_after_its_certificate_is_waited_for_without_an_alert(of, ca, tmp_path):
    own = of("payment")
    before = own.current()
    ca.issue("payment", tmp_path / "next")
    with capture_logs() as lines:
        for name in ("tls.crt", "tls.key"):
            (tmp_path / "payment" / name).write_bytes((tmp_path / "next" / name).read_bytes())
            own._checked_at = 0
            assert (own.current() is before) == (name == "tls.crt")
    assert [line["event"] for line in lines] == ["certificate_renewed"]


def test_a_folder_that_is_replaced_by_a_link_is_read_again_as_kubernetes_replaces_secrets(ca, tmp_path):
    def publish(release: str) -> None:
        ca.issue("payment", tmp_path / release)
        (tmp_path / "next").symlink_to(release)
        (tmp_path / "next").rename(tmp_path / "..data")

    publish("1")
    (tmp_path / "mounted").mkdir()
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tmp_path / "mounted" / name).symlink_to(Path("..", "..data", name))
    own = Certificates(files_in(tmp_path / "mounted"))
    before = own.current()
    publish("2")
    own._checked_at = 0
    assert own.current().chain == (tmp_path / "2" / "tls.crt").read_bytes() != before.chain


def test_a_certificate_that_nobody_renews_is_told_before_its_end(of):
    with capture_logs() as lines:
        own = of("payment", begins=datetime.now(UTC) - timedelta(minutes=57), lifetime=HOUR)
        for _ in range(3):
            own._checked_at = 0
            own.current()
    assert [(line["event"], line["alert"]) for line in lines] == [("certificate_ends_soon", True)]


async def test_the_health_check_of_containers_says_whether_a_service_is_serving(start):
    server = await start(sessions(nothing), health_port=0)
    address = f"127.0.0.1:{server.health_port}"
    assert await asyncio.to_thread(probe.ask_grpc, address) == ""
    await server.set_health(False)
    assert await asyncio.to_thread(probe.ask_grpc, address) == "it is not SERVING"
    assert await asyncio.to_thread(probe.ask_grpc, f"127.0.0.1:{server.port}") != ""


async def test_67_a_connection_outlives_its_expired_certificate_until_its_age_only(start, of, capfd):
    """Only handshakes look at certificates. So calls of an expired one end when the connection has had its time."""
    server = await start(sessions(nothing), max_connection_age_seconds=1.5)
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    async with stub(server, of("payment", begins=ends - HOUR, lifetime=HOUR)) as peer:
        served_at = None

        async def is_refused() -> bool:
            nonlocal served_at
            try:
                await peer.GetSession(GET, timeout=5)
                served_at = datetime.now(UTC)
            except CallFailed as failed:
                assert failed.status_code is grpc.StatusCode.UNAVAILABLE
                return True
            return False

        await wait_until(is_refused)
    assert served_at > ends
    assert "certificate has expired" in capfd.readouterr().err
