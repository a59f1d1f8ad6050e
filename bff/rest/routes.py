"""Every route of the REST door."""

from __future__ import annotations

from starlette.routing import Route

from bff.http.authentication import Admission
from bff.peers import Peers
from bff.rest import availability, bookings, openapi, payments
from bff.rest.door import RestDoor

OPERATIONS = (*bookings.OPERATIONS, *availability.OPERATIONS, *payments.OPERATIONS)


def routes(peers: Peers, admission: Admission) -> list[Route]:
    """The routes over these peers."""
    door = RestDoor(peers, admission)
    return [*map(door.route, OPERATIONS), Route("/openapi.json", openapi.served)]
