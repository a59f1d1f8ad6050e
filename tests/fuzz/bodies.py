"""Random bodies for HTTP: any JSON, JSON with the right names and wrong values, and bytes that are not JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_NAMES = """student_uuid course_uuid instructor_uuid start_time end_time price_amount currency purpose payment_engine
payment_reference payment_status blocks reason bookingId amount query variables operationName extensions id type data
representations""".split()
_DOCUMENTS = (
    "{ __typename }",
    "query($id: ID!) { booking(id: $id) { id session { id } payment { id } } }",
    "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }",
    "mutation($id: ID!) { cancelBooking(bookingId: $id) { userErrors { code } } }",
    "subscription($id: ID!) { bookingUpdated(bookingId: $id) { id } }",
    "subscription($id: ID!) { enrollmentUpdated(enrollmentId: $id) { id } }",
    "{" * 200,
)


def bodies(ids: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """Bodies that no good client sends; their strings are often one of these ids."""
    words = st.sampled_from(
        (*ids, "", "\x00", "50.00", "50.001", "USD", "2030-01-31T10:00:00", "stripe", "callback", "succeeded")
    )
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | words
    values = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=5),
        max_leaves=10,
    )
    named = st.dictionaries(st.sampled_from(_NAMES), values, max_size=12)
    asked = st.fixed_dictionaries(
        {"query": st.sampled_from(_DOCUMENTS) | words}, optional={"variables": named | values}
    )
    return st.one_of(values, named, asked, asked).map(_json) | st.binary(max_size=300)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
