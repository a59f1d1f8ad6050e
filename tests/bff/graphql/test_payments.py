"""Payments and sagas at the edge: the RPC of each field, and its answers and refusals."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from bff.graphql import schema
from mesh.errors import BadInput, NotFound
from payment_svc.domain import State
from tutormesh.payment.v1 import payment_pb2

TAUGHT = """query($after: String) { getTutorPayments(first: 7, after: $after) {
  nodes { id userId status amount { display } stripePaymentIntentId } pageInfo { hasNextPage endCursor } } }"""
SAGA = "query($id: ID!) { saga(id: $id) { id state isComplete } }"


async def test_a_tutor_pages_through_the_payments_of_what_they_teach(tutor: Any, script: Any, lesson: Any) -> None:
    script.answers["ListTutorPayments"] = payment_pb2.ListTutorPaymentsResponse(
        payments=[lesson.payment(stripe_payment_intent_id="")], next_page_token="more", cursors=["more"]
    )
    (node,) = (page := (await tutor.data(TAUGHT, after="here"))["getTutorPayments"])["nodes"]
    assert node == {
        "id": lesson.payment_id,
        "userId": lesson.student,
        "status": "SUCCEEDED",
        "amount": {"display": "$50.00"},
        "stripePaymentIntentId": None,
    }
    assert page["pageInfo"] == {"hasNextPage": True, "endCursor": "more"}
    request = script.one("ListTutorPayments").request
    assert (request.tutor_id, request.page_size, request.page_token) == (tutor.id, 7, "here")


@pytest.mark.parametrize(("state", "is_complete"), [("AWAITING_PAYMENT", False), ("COMPLETED", True)])
async def test_a_saga_shows_how_far_its_purchase_is(student: Any, script: Any, state: str, is_complete: bool) -> None:
    saga_id = str(uuid.uuid4())
    script.answers["GetSagaProgress"] = payment_pb2.GetSagaProgressResponse(
        saga_id=saga_id, saga_state=state, is_complete=is_complete
    )
    assert (await student.data(SAGA, id=saga_id))["saga"] == {"id": saga_id, "state": state, "isComplete": is_complete}
    seen = script.one("GetSagaProgress")
    assert (seen.request.saga_id, str(seen.call.person.id)) == (saga_id, student.id)


async def test_a_saga_that_is_refused_names_its_argument(student: Any, script: Any) -> None:
    script.answers["GetSagaProgress"] = NotFound()
    assert (await student.error(SAGA, id=str(uuid.uuid4())))["code"] == "NOT_FOUND"
    script.answers["GetSagaProgress"] = BadInput("is no UUID", field="saga_id")
    error = await student.error(SAGA, id="x")
    assert (error["code"], error["field"], error["message"]) == ("BAD_USER_INPUT", ["id"], "id: is no UUID")


async def test_a_saga_needs_a_token(nobody: Any, script: Any) -> None:
    assert (await nobody.error(SAGA, id=str(uuid.uuid4())))["code"] == "UNAUTHENTICATED"
    assert not script.seen


def test_the_schema_knows_every_state_of_a_saga() -> None:
    assert set(schema.build().type_map["SagaState"].values) == {state.value for state in State}
