"""/openapi.json is true: schemathesis sends what it allows, and more, and every answer matches it.

What the other tests of this folder ask is held against it too (conftest.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bff.rest.openapi import document
from bff.rest.routes import ENDPOINTS, rest_routes
from tests.bff.rest.conftest import DOCUMENT
from tests.learners import enrolled
from tests.people import People, lesson_time
from tests.world import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
few = settings(
    max_examples=30,
    deadline=None,  # the edge has its own; the machine may be busy
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
LABELS = [f"{method.upper()} {path}" for path, item in document(ENDPOINTS)["paths"].items() for method in item]
OPEN = {"/webhooks/stripe", "/payment/webhook", "/healthz", "/readyz"}
HEALTH = ("GET /healthz", "GET /readyz")  # they have no parameters: one request is every request


def cases(label: str, known: dict[str, str]) -> list[schemathesis.Case]:
    """Requests for one operation that the document allows, for things that exist and for others; and some it forbids.

    All of them are drawn before the first is asked: Hypothesis watches the `random` that the mesh of this process uses.
    """
    method, _, path = label.partition(" ")
    operation, drawn = DOCUMENT[path][method], []
    ways = [operation.as_strategy(GenerationMode.POSITIVE), operation.as_strategy(GenerationMode.NEGATIVE)]
    there = {name: value for name, value in known.items() if f"{{{name}}}" in path}

    @few
    @given(case=st.one_of(*ways, operation.as_strategy(GenerationMode.POSITIVE, path_parameters=there)))
    def draw(case: schemathesis.Case) -> None:
        drawn.append(case)

    draw()
    return drawn


def has_unknown_parameter(case: schemathesis.Case) -> bool:
    """Such a parameter of a query is ignored, and need not be refused."""
    return not {parameter.name for parameter in case.operation.query} >= set(case.query or {})


def asked(case: schemathesis.Case, url: str, token: str) -> int:
    checks = [check for check in CHECKS if check is not negative_data_rejection or not has_unknown_parameter(case)]
    answer = case.call_and_validate(url, headers={"Authorization": f"Bearer {token}"}, checks=checks, timeout=15)
    assert "Traceback" not in answer.text
    return answer.status_code


@pytest.mark.parametrize("label", LABELS)
async def test_every_answer_matches_the_document(people: People, someone: Any, label: str) -> None:
    tutor, service = await people.tutor(), someone("service")
    made = await someone("student").book(tutor, lesson_time(3))
    known = {"uuid": made["uuid"], "blockUuid": made["availability_block_uuid"]}
    if "instructors" in label:
        known["uuid"] = str(tutor)
    elif "courses" in label or "enrollments" in label:
        place = await enrolled(people)
        known["uuid"] = place.course.id if "courses" in label else place.id
    seen = [await asyncio.to_thread(asked, case, people.world.bff_url, service.token) for case in cases(label, known)]
    assert len(seen) >= (2 if label.startswith(HEALTH) else 20)


async def test_the_document_is_valid_and_needs_no_token(world: World, someone: Any) -> None:
    answer = await someone("").ask("GET", "/openapi.json")
    assert answer.json() == document(ENDPOINTS)
    DOCUMENT.validate()
    assert document(ENDPOINTS)["openapi"].startswith("3.1.")


def test_the_document_has_every_route_and_no_other() -> None:
    described = {label for label in LABELS if label.partition(" ")[2] not in OPEN}
    served = {f"{method} {route.path}" for route in rest_routes(None, None) for method in route.methods - {"HEAD"}}
    assert described == served - {"GET /openapi.json"}


def media_types(part: Any) -> Iterator[dict[str, Any]]:
    """Every description of a body, of a request or of an answer."""
    if isinstance(part, dict):
        yield from part.get("content", {}).values()
        for inner in part.values():
            yield from media_types(inner)


def schemas_within(schema: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """This schema and those that it is made of, each with its name."""
    yield name, schema
    for inner, other in schema.get("properties", {}).items():
        yield from schemas_within(other, f"{name}.{inner}")
    for other in (*schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from schemas_within(other, f"{name}[]")


def every_schema() -> Iterator[tuple[str, dict[str, Any]]]:
    told = document(ENDPOINTS)
    for name, schema in told["components"]["schemas"].items():
        yield from schemas_within(schema, name)
    for path, item in told["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                yield from schemas_within(parameter["schema"], f"{path}?{parameter['name']}")
    for number, media in enumerate(media_types(told)):
        yield from schemas_within(media["schema"], f"body {number}")


def test_every_body_has_a_schema_and_the_document_names_its_server() -> None:
    bodies = list(media_types(document(ENDPOINTS)))
    assert len(bodies) > 20
    assert all("schema" in body for body in bodies)
    assert [server["url"] for server in document(ENDPOINTS)["servers"]] == ["/"]


def test_every_schema_is_one_that_generators_of_clients_can_read() -> None:
    """OpenAPI Generator 7 fails on a missing type and on null alone; its Python takes no boolean constant."""
    for name, schema in every_schema():
        assert "$ref" in schema or "oneOf" in schema or schema.get("type") not in (None, "null", ["null"]), name
        assert not (schema.get("type") == "boolean" and {"const", "enum"} & set(schema)), name


def test_no_field_of_a_body_has_a_default() -> None:
    """A generated client would always send it, also where the role may not choose."""
    with_default = {name for name, schema in every_schema() if "default" in schema and "?" not in name}
    assert with_default == set()


def test_a_time_has_one_format_in_requests_and_in_answers() -> None:
    names = ("_time", "_at", "?from", "?to")
    times = {name: schema.get("format") for name, schema in every_schema() if name.endswith(names)}
    assert {name.rpartition(".")[0] for name in times} >= {"NewBooking", "NewBlocks.blocks[]", "Slots.slots[]"}
    assert set(times.values()) == {"date-time"}


async def test_a_listed_time_can_be_booked_as_a_generated_client_writes_it(people: People, someone: Any) -> None:
    tutor, student, form = await people.tutor(), someone("student"), "%Y-%m-%dT%H:%M:%S.%f%z"
    span = {"from": lesson_time(2).strftime(form), "to": lesson_time(6).strftime(form)}
    slots = (await student.data("GET", f"/api/v1/instructors/{tutor}/availability", params=span))["slots"]
    start, end = (datetime.fromisoformat(slots[0][name]).strftime(form) for name in ("start_time", "end_time"))
    assert start.endswith("+0000")
    price = {"price_amount": slots[0]["price_amount"], "currency": slots[0]["currency"]}
    booked = await student.book(tutor, lesson_time(), start_time=start, end_time=end, **price)
    assert booked["start_time"] == slots[0]["start_time"]


async def test_an_unknown_method_is_405_and_names_the_allowed_ones(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.bff_url) as http:
        answer = await http.put("/api/v1/bookings")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
