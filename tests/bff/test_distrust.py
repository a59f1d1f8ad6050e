"""A peer that rejects a token which the edge has verified."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import StatusCode

from mesh.errors import CallFailed, Unauthenticated


@pytest.mark.parametrize("failure", ["refusal", "bare status"])
@pytest.mark.parametrize(
    ("query", "rpc"),
    [
        ("query($id: ID!) { booking(id: $id) { id } }", "BatchGetBookings"),
        ("mutation($id: ID!) { cancelBooking(bookingId: $id) { refund { display } } }", "CancelBooking"),
    ],
)
async def test_a_peer_that_rejects_the_token_makes_the_edge_unavailable(
    student: Any, script: Any, peers: Any, lesson: Any, capfd: Any, monkeypatch: Any, failure: str, query: str, rpc: str
) -> None:
    """The edge has verified the person's token, so another login would not help."""
    script.answers[rpc] = Unauthenticated("the token is signed by an unknown key")
    if failure == "bare status":

        async def refused(*_: object, timeout: float) -> None:
            raise CallFailed(StatusCode.UNAUTHENTICATED, "no credentials")

        monkeypatch.setattr(peers.payment if rpc == "CancelBooking" else peers.booking, rpc, refused)
    error = await student.error(query, id=lesson.booking_id)
    assert error["code"] == "UNAVAILABLE"
    assert "token" not in error["message"]
    logged = "".join(capfd.readouterr())
    assert "[warning" in logged
    assert "peer_did_not_believe_us" in logged
