"""The apps of students and tutors, and their browsers at the payment provider. An answer of an unknown kind is a finding."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from devkit.chaos.ledger import Ledger
from devkit.environment import SANDBOX_KEYS
from devkit.keys import Signer
from devkit.layout import Layout

#: When a client gives up, and when an answer is too late. The edge promises 10 s, and this machine is busy.
TIMEOUT_SECONDS, SLOW_SECONDS = 20.0, 12.0
AWAY = "NO_ANSWER"
LATER_CODES = frozenset({"UNAVAILABLE", "RATE_LIMITED", AWAY})
LATER_REFUSALS = frozenset({"TRY_AGAIN", "PAYMENT_PROVIDER_UNAVAILABLE"})
#: The main field of a payload; an answer whose main field is null is incomplete.
PARTS = ("booking", "enrollment", "course")
_NAMES = (
    "bookSession", "cancelBooking", "cancellationQuote", "enrollInCourse", "cancelEnrollment", "getMyEnrollments",
    "createCourse", "publishCourse", "publishAvailability", "booking", "__schema",
)  # fmt: skip
WasDown = Callable[[str, float], bool]

BOOKING = "query ($id: ID!) { booking(id: $id) { id status } }"
#: There is no query for one enrollment; a student reads all of them, page by page.
ENROLLMENTS = """query ($after: String) { getMyEnrollments(first: 100, after: $after) {
  nodes { id status course { id seats seatsTaken } } pageInfo { hasNextPage endCursor }
} }"""
QUOTE = "query ($id: ID!) { cancellationQuote(bookingId: $id) { token refund { amountMinor } } }"
PUBLISH = """mutation ($input: PublishAvailabilityInput!) {
  publishAvailability(input: $input) { userErrors { code retryable } }
}"""
CREATE_COURSE = """mutation ($input: CreateCourseInput!) {
  createCourse(input: $input) { course { id } userErrors { code retryable } }
}"""
PUBLISH_COURSE = """mutation ($id: ID!) {
  publishCourse(id: $id) { course { id } userErrors { code retryable } }
}"""
OFFERS = "{ __schema { mutationType { fields { name } } queryType { fields { name } } } }"


class Malformed(Exception):
    """An answer does not follow docs/api.md; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The edge's answer: a value, the codes of its errors, and the codes of its user errors."""

    value: Any = None
    codes: frozenset[str] = field(default=frozenset())
    refusals: frozenset[str] = field(default=frozenset())

    @property
    def is_for_later(self) -> bool:
        """True when the same request has to be sent again, also because a part of the answer is missing."""
        return bool(self.refusals & LATER_REFUSALS) or (self._is_incomplete and bool(self.codes & LATER_CODES))

    @property
    def _is_incomplete(self) -> bool:
        if not isinstance(self.value, dict):
            return self.value is None
        return any(self.value.get(part, "") is None for part in PARTS)


def parse_answer(body: str) -> Answer:
    """Parse a GraphQL answer with one field. Raises Malformed."""
    try:
        told = json.loads(body)
        codes = frozenset(error["extensions"]["code"] for error in told.get("errors", ()))
        values = list((told.get("data") or {}).values())
        value = values[0] if values else None
        refused = value.get("userErrors", ()) if isinstance(value, dict) else ()
        refusals = frozenset(error["code"] for error in refused)
        misjudged = [error["code"] for error in refused if error["retryable"] != (error["code"] in LATER_REFUSALS)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"{type(error).__name__}: {body[:200]!r}") from error
    if misjudged:
        raise Malformed(f"retryable is wrong for {misjudged}")
    if value is None and not codes:
        raise Malformed(f"neither data nor errors: {body[:200]!r}")
    return Answer(value, codes, refusals)


class Edge:
    """Calls GraphQL as any person."""

    def __init__(
        self, http: httpx.AsyncClient, mesh: Layout, signer: Signer, ledger: Ledger, was_down: WasDown
    ) -> None:
        self._http, self._url, self._signer = http, f"{mesh.url('bff')}/graphql", signer
        self._ledger, self._was_down = ledger, was_down
        self._tokens: dict[tuple[str, str], str] = {}

    async def ask(self, person: tuple[str, str], query: str, known: frozenset[str], **variables: object) -> Answer:
        """Send a request as this (role, id). Codes that are neither `known` nor "try again later" are findings."""
        body = {"query": query, "variables": variables}
        headers = {"Authorization": f"Bearer {self._token(person)}"}
        began = time.time()
        try:
            response = await self._http.post(self._url, json=body, headers=headers)
        except httpx.TransportError as error:
            return self._lost_connection(query, began, error)
        self._ledger.slowest_answer = max(self._ledger.slowest_answer, time.time() - began)
        return self._check(query, response, known, time.time() - began)

    def _token(self, person: tuple[str, str]) -> str:
        if person not in self._tokens:
            self._tokens[person] = self._signer.token(person[0], subject=person[1])
        return self._tokens[person]

    def _lost_connection(self, query: str, began: float, error: Exception) -> Answer:
        self._ledger.counts["connections lost"] += 1
        if not self._was_down("bff", began):
            self._ledger.add_finding(f"{_name(query)}: {error!r} after {time.time() - began:.1f} s, and the bff was up")
        return Answer(codes=frozenset({AWAY}))

    def _check(self, query: str, response: httpx.Response, known: frozenset[str], seconds: float) -> Answer:
        try:
            answer = parse_answer(response.text)
        except Malformed as error:
            self._ledger.add_finding(f"{_name(query)}: malformed answer, HTTP {response.status_code}: {error}")
            return Answer(codes=frozenset({"MALFORMED"}))
        if seconds > SLOW_SECONDS:
            self._ledger.add_finding(f"{_name(query)}: answered after {seconds:.1f} s")
        wrong = (answer.codes | answer.refusals) - known - LATER_CODES - LATER_REFUSALS
        if wrong:
            self._ledger.add_finding(f"{_name(query)}: answered {sorted(wrong)}: {response.text[:300]}")
        return answer


class Browser:
    """A student's browser: it calls the payment provider with the publishable key and the client secret."""

    def __init__(self, http: httpx.AsyncClient, mesh: Layout, ledger: Ledger) -> None:
        self._http, self._url, self._ledger = http, f"{mesh.url('sandbox')}/v1/payment_intents", ledger
        self._headers = {"Authorization": f"Bearer {SANDBOX_KEYS['STRIPE_PUBLISHABLE_KEY']}"}

    async def pay(self, intent: str, secret: str, card: str) -> str:
        """Confirm with a test card. Returns the intent's status, "declined", "refused" or "unknown"."""
        form = {"payment_method": f"pm_card_{card}", "client_secret": secret}
        return await self._request("POST", f"{self._url}/{intent}/confirm", form)

    async def authenticate(self, intent: str) -> str:
        """Authenticate at the bank. Returns the same words as `pay`."""
        return await self._request("POST", f"{self._url}/{intent}/_authenticate", {})

    async def status(self, intent: str, secret: str) -> str:
        """The intent's present status, in the same words as `pay`."""
        return await self._request("GET", f"{self._url}/{intent}?client_secret={secret}", None)

    async def _request(self, method: str, url: str, form: dict[str, str] | None) -> str:
        try:
            answer = await self._http.request(method, url, data=form, headers=self._headers)
        except httpx.TransportError:
            return "unknown"
        if answer.status_code == httpx.codes.PAYMENT_REQUIRED:
            return "declined"
        if answer.status_code == httpx.codes.OK:
            return str(answer.json()["status"])
        return "unknown" if answer.status_code >= 429 else "refused"


def _name(query: str) -> str:
    """The field that a GraphQL document queries."""
    return next(name for name in _NAMES if name in query)
