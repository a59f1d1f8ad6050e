"""Logs: each line has its context, and no line has a secret."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest
import structlog
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from mesh import calls, logs
from mesh.errors import CallFailed
from mesh.logs import REDACTED, log, redact
from tests.mesh.conftest import GET, bookings, sessions, wait_until
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.session.v1 import session_pb2_grpc

ROOT = Path(__file__).parents[2]
SECRETS = {
    "client secret": "pi_3Pabc123_secret_Xyz789",
    "setup secret": "seti_1Pabc_secret_Xyz789",
    "live key": "sk_live_51Habcdef",
    "test key": "sk_test_sandbox",
    "restricted key": "rk_live_51Habcdef",
    "webhook secret": "whsec_Jd83kDkw2",
    "webhook secret in base64": "whsec_Jd8-3k/D_kw+2==",
    "JWT": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "unsigned JWT": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
    "link": "lk_0123456789abcdefghijklmnop",
}


@pytest.fixture
def lines(capsys):
    """`lines(log_format)`: sets logging up, and returns a function that returns the lines written since."""
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level

    def start(log_format):
        logs.configure("tea", log_format)
        return lambda: capsys.readouterr().out.splitlines()

    yield start
    structlog.contextvars.unbind_contextvars("service")
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.parametrize(("log_format", "text"), [("json", '"alert": true'), ("console", "alert=true")])
def test_an_alert_has_the_text_that_the_documentation_names(lines, log_format, text):
    written = lines(log_format)
    log().error("tea_spilt", alert=True)
    log().info("tea_made")
    alert, other = written()
    assert text in alert and "alert" not in other
    assert text in (ROOT / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_log_line_contains_a_secret(lines, log_format, kind):
    secret, written = SECRETS[kind], lines(log_format)
    log().info(
        f"said {secret} aloud", nested={"deep": [secret, (secret,)]}, other=CallFailed(StatusCode.UNKNOWN, secret)
    )
    logging.getLogger("library").error("library says %s", secret)
    try:
        raise RuntimeError(f"crashed with {secret}")
    except RuntimeError as error:
        log().error("crashed", exc_info=error)
        logging.getLogger("library").exception("so did the library")
    text = "\n".join(written())
    assert text.count("RuntimeError: crashed with") == 2
    assert "library says" in text
    assert secret not in text
    assert text.count(REDACTED) >= 6


@pytest.mark.parametrize(
    "name",
    [
        "client_secret",
        "clientSecret",
        "token",
        "Authorization",
        "password",
        "api_key",
        "apikey",
        "cookie",
        "stripe_signature",
        "jwt",
        "payload",
    ],
)
def test_the_value_of_a_key_named_like_a_secret_is_redacted(lines, name):
    written = lines("json")
    log().info("happened", **{name: "plain as day"}, nested={name: "plain as day"})
    (line,) = written()
    assert "plain as day" not in line
    assert json.loads(line)[name] == REDACTED


def test_a_password_in_a_url_is_redacted_and_the_rest_stays():
    assert redact("at postgresql://app:hunter2@db:5432/x now") == f"at postgresql://{REDACTED}@db:5432/x now"


def test_a_bearer_token_of_any_shape_is_redacted():
    assert redact("Authorization: Bearer opaque-123") == f"Authorization: Bearer {REDACTED}"


@given(st.text(st.sampled_from("eyJ.:/@ _-sklrpiwhcBber1a"), max_size=40))
def test_a_text_that_is_taken_for_plain_has_nothing_to_redact(text):
    assert redact(text) == logs._SECRET_VALUES.sub(REDACTED, text)


@pytest.mark.parametrize("value", [None, True, 7, 2.5, "a plain word", ""])
def test_text_without_a_secret_stays_as_it_is(value):
    assert redact(value) == value


def test_other_objects_are_logged_as_text():
    number = uuid.uuid4()
    assert redact({"id": number, "bytes": b"sk_live_1"}) == {"id": str(number), "bytes": f"b'{REDACTED}'"}


@given(st.text(), st.text(), st.from_regex(r"\A(pi|seti)_[A-Za-z0-9]{8,24}_secret_[A-Za-z0-9]{8,24}\Z"))
def test_a_client_secret_is_redacted_in_any_text(before, after, secret):
    assert secret not in redact(f"{before}{secret}{after}")


def test_json_lines_name_service_level_time_and_request(lines):
    written = lines("json")
    with calls.background("r-7"):
        log().warning("tea_is_cold", degrees=20)
    (line,) = written()
    line_fields = json.loads(line)
    assert (
        line_fields["event"],
        line_fields["service"],
        line_fields["level"],
        line_fields["request_id"],
        line_fields["degrees"],
    ) == (
        "tea_is_cold",
        "tea",
        "warning",
        "r-7",
        20,
    )
    assert line_fields["timestamp"].endswith("Z")


def test_a_librarys_record_is_a_json_line_too(lines):
    written = lines("json")
    logging.getLogger("library").warning("odd: %d", 3)
    logging.getLogger("library").info("chatter")
    (line,) = written()
    line_fields = json.loads(line)
    assert (line_fields["event"], line_fields["level"]) == ("odd: 3", "warning")
    assert set(line_fields) <= {"event", "level", "timestamp", "request_id", "service"}


async def test_a_call_whose_caller_stops_waiting_is_logged(lines, start_server, open_channel):
    entered, never = asyncio.Event(), asyncio.Event()

    async def work_on() -> None:
        entered.set()
        await never.wait()

    server = await start_server(sessions(work_on), bookings(work_on))
    written = lines("json")
    line_fields: list[dict[str, Any]] = []

    async def cancelled(method: str) -> bool:
        line_fields.extend(json.loads(line) for line in written())
        return any(
            line["code"] == "CANCELLED" and line["method"].endswith(method) for line in line_fields if "code" in line
        )

    with pytest.raises(CallFailed):
        await session_pb2_grpc.SessionServiceStub(open_channel(server)).GetSession(GET, timeout=0.2)
    await wait_until(lambda: cancelled("/GetSession"))
    entered.clear()
    stub = booking_pb2_grpc.BookingServiceStub(open_channel(server, service="bff"))
    stream = stub.WatchBooking(booking_pb2.WatchBookingRequest(booking_id="b"), timeout=20)
    await asyncio.wait_for(entered.wait(), 5)
    stream.cancel()
    await wait_until(lambda: cancelled("/WatchBooking"))
    assert all(line["caller"] and line["request_id"] != calls.NO_CALL for line in line_fields if line["event"] == "rpc")
