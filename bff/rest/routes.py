"""Every route of REST."""

from __future__ import annotations

from starlette.routing import Route

from bff.http.authentication import Authenticator
from bff.peers import Peers
from bff.rest import availability, booking_lists, bookings, courses, enrollments, openapi, payments
from bff.rest.endpoints import RestRouter

ENDPOINTS = (
    *bookings.ENDPOINTS,
    *booking_lists.ENDPOINTS,
    *availability.ENDPOINTS,
    *payments.ENDPOINTS,
    *courses.ENDPOINTS,
    *enrollments.ENDPOINTS,
)


def rest_routes(peers: Peers, authenticator: Authenticator, *, is_open: bool = False) -> list[Route]:
    """The routes to these peers. `is_open` lets everybody read what PUBLIC_AVAILABILITY opens."""
    router = RestRouter(peers, authenticator, is_open=is_open)
    return [*map(router.route, ENDPOINTS), Route("/openapi.json", openapi.serve(ENDPOINTS))]
