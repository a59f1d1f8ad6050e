"""Each request field is decoded, or refused with BadInput that names it; nothing else is raised."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from mesh import clock, cursors, wire
from mesh.currencies import MOST_TOLD
from mesh.errors import BadInput
from mesh.money import Money
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import money_pb2

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
ODD = st.one_of(
    st.text(),
    st.uuids().map(str),
    st.sampled_from(["{%s}", "urn:uuid:%s", "%s\n"]).map(lambda shape: shape % uuid.UUID(int=5)),
)


@given(ODD)
def test_a_uuid_is_decoded_or_its_field_is_named(value):
    try:
        assert str(wire.uuid(value, "booking_id")) == value.lower()
    except BadInput as refusal:
        assert (refusal.field, refusal.message) == ("booking_id", "booking_id: not a UUID")


def test_a_uuid_may_be_in_capitals_and_an_optional_one_empty():
    assert wire.uuid("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "id") == uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
    assert wire.optional_uuid("", "id") is None
    assert wire.optional_uuid(str(uuid.UUID(int=1)), "id") == uuid.UUID(int=1)


@given(INT64, INT32)
def test_an_instant_is_decoded_exactly_or_its_field_is_named(seconds, nanos):
    message = booking_pb2.Booking(start_time=Timestamp(seconds=seconds, nanos=nanos))
    try:
        instant = wire.instant(message, "start_time")
    except BadInput as refusal:
        assert refusal.field == "start_time"
        return
    assert wire.EARLIEST <= instant <= wire.LATEST
    assert instant == datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanos // 1000)


def test_a_missing_instant_is_refused_and_its_field_named():
    with pytest.raises(BadInput, match="start_time: must be given"):
        wire.instant(booking_pb2.Booking(), "start_time")


@given(INT64, st.one_of(st.text(max_size=5), st.sampled_from(["USD", "JPY", "KWD", "usd", "kWd"])))
def test_money_is_decoded_exactly_or_its_field_is_named(amount, currency):
    message = booking_pb2.Booking(price=money_pb2.Money(amount_minor=amount, currency=currency))
    try:
        assert wire.money(message, "price") == Money(amount, currency.upper())
    except BadInput as refusal:
        assert refusal.field == "price"


@pytest.mark.parametrize(
    ("asked", "price"),
    [
        (Money(0, "USD"), 0),
        (Money(50, "USD"), 50),
        (Money(99_999_999, "USD"), 99_999_999),
        (Money(1255, "KWD"), 1260),
        (Money(1245, "KWD"), 1240),
        (Money(100_000_000, "IDR"), 100_000_000),
        (Money(MOST_TOLD, "IDR"), MOST_TOLD),
        (Money(0, "IQD"), 0),
    ],
)
def test_a_price_is_rounded_to_what_can_be_charged(asked, price):
    message = booking_pb2.Booking(price=wire.to_money(asked))
    assert wire.price(message, "price") == Money(price, asked.currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (49, "USD"),
        (100_000_000, "USD"),
        (4, "KWD"),
        (1_000_000, "UGX"),
        (1, "IQD"),
        (MOST_TOLD + 1, "IDR"),
        (-1, "EUR"),
    ],
)
def test_a_price_that_can_never_be_charged_is_refused_and_its_field_named(amount, currency):
    message = booking_pb2.Booking(price=money_pb2.Money(amount_minor=amount, currency=currency))
    with pytest.raises(BadInput) as refused:
        wire.price(message, "price")
    assert refused.value.field == "price"


@pytest.mark.parametrize("written", ["usd", "USD", "Usd"])
def test_a_currency_may_be_written_in_any_case(written):
    message = booking_pb2.Booking(price=money_pb2.Money(amount_minor=50, currency=written))
    assert wire.money(message, "price") == wire.price(message, "price") == Money(50, "USD")


@pytest.mark.parametrize("written", ["\u0131nr", "\u017fek", "us", "usdt", " usd", ""])
def test_what_only_looks_like_a_currency_is_refused(written):
    message = booking_pb2.Booking(price=money_pb2.Money(amount_minor=50, currency=written))
    with pytest.raises(BadInput, match="price: not an ISO 4217 currency"):
        wire.money(message, "price")


def test_missing_money_is_refused_and_given_money_is_encoded_as_it_was_decoded():
    with pytest.raises(BadInput, match="price: must be given"):
        wire.money(booking_pb2.Booking(), "price")
    assert wire.to_money(Money(5, "USD")) == money_pb2.Money(amount_minor=5, currency="USD")


@given(st.text(max_size=20), st.integers(0, 5), st.integers(5, 10))
def test_text_is_decoded_or_its_field_is_named(value, least, most):
    try:
        assert wire.text(value, "purpose", most, least) == value
    except BadInput as refusal:
        assert refusal.field == "purpose"
        assert "\x00" in value or not least <= len(value) <= most
    else:
        assert "\x00" not in value


def test_text_with_nul_is_refused():
    with pytest.raises(BadInput, match="purpose: must not contain NUL"):
        wire.text("a\x00b", "purpose", 10)


@given(INT32)
def test_a_page_has_a_size_within_its_bounds(size):
    try:
        assert 1 <= wire.page_size(size, 20) <= wire.MAX_PAGE
    except BadInput as refusal:
        assert refusal.field == "page_size"
        assert not 0 <= size <= wire.MAX_PAGE


@given(st.datetimes(datetime(1970, 1, 2), datetime(8999, 1, 1), timezones=st.just(UTC)), st.uuids())
def test_a_cursor_is_decoded_as_it_was_encoded(at, row):
    token = cursors.encode(at, row)
    assert cursors.decode(token) == (at, row)
    assert token.isascii()
    assert "=" not in token


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_a_malformed_cursor_is_refused_and_its_field_named(token):
    try:
        place = cursors.decode(token, "after")
    except BadInput as refusal:
        assert refusal.field == "after"
    else:
        assert place is None or token


def _cursor(at: str) -> str:
    return base64.urlsafe_b64encode(f"{at}|{uuid.UUID(int=1)}".encode()).decode()


@pytest.mark.parametrize("at", ["2026-11-21T12:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "now"])
def test_a_cursor_forged_to_a_time_postgresql_cannot_take_is_refused(at):
    with pytest.raises(BadInput, match="page_token: not a token of this list"):
        cursors.decode(_cursor(at))


def test_an_empty_cursor_is_the_beginning():
    assert cursors.decode("") is None
    assert cursors.decode_id("") is None


@given(ODD)
def test_a_cursor_by_id_is_decoded_or_its_field_is_named(token):
    try:
        place = cursors.decode_id(token)
        assert place is None or cursors.decode_id(cursors.encode_id(place)) == place
    except BadInput as refusal:
        assert refusal.field == "page_token"


def test_instants_are_encoded_in_utc_from_any_zone():
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert clock.iso(there) == "2026-11-21T12:00:00Z"
    assert clock.to_proto(there) == Timestamp(seconds=int(NOON.timestamp()))
    assert clock.to_proto(None) is None
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
