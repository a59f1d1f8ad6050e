"""What this service refuses, and what it leaves to a person."""

from __future__ import annotations

from mesh.errors import Refusal, StatusCode


class NotYet(Exception):
    """A saga cannot go on now, and that is no fault: it backs off."""

    reason = "NOT_YET"


class StillOwed(NotYet):
    """Everything is undone, but the money is not back yet."""

    reason = "REFUND_NOT_DONE"

    def __init__(self) -> None:
        super().__init__("the money is not back yet")


class NeedsAPerson(Exception):
    """A machine must not decide this: the saga is parked with this reason."""

    reason = "NEEDS_A_PERSON"


class RefundGivenUp(NeedsAPerson):
    """The provider refuses a refund for good, or has failed it too often.

    `failed` counts the decision's refunds that have failed by now. What a parked saga keeps of it allows a person to
    have it tried again.
    """

    reason = "REFUND_GIVEN_UP"

    def __init__(self, why: str, failed: int) -> None:
        self.failed = failed
        super().__init__(why)


class CourseNotFound(Refusal):
    """There is no such course."""

    code = StatusCode.NOT_FOUND
    reason = "COURSE_NOT_FOUND"


class IdempotencyMismatch(Refusal):
    """This idempotency key was used for another request."""

    reason = "IDEMPOTENCY_MISMATCH"


class SlotTaken(Refusal):
    """This time is not to be had."""

    reason = "SLOT_TAKEN"


class ProviderUnavailable(Refusal):
    """The payment provider cannot be reached now; the same request may be sent again."""

    code = StatusCode.UNAVAILABLE
    reason = "PAYMENT_PROVIDER_UNAVAILABLE"


class AmountMismatch(Refusal):
    """The amount is not the booking's price."""

    reason = "AMOUNT_MISMATCH"


class NotCancellable(Refusal):
    """It has ended already, or its lesson has begun."""

    reason = "NOT_CANCELLABLE"


class QuoteExpired(Refusal):
    """The quote is older than 15 minutes, or what it was given for has changed."""

    reason = "QUOTE_EXPIRED"


class ProviderMismatch(Refusal):
    """The booking is paid through another payment engine."""

    reason = "ENGINE_MISMATCH"


class ReferenceUsed(Refusal):
    """The payment engine has reported this reference for another booking."""

    reason = "REFERENCE_USED"


class WrongState(Refusal):
    """Its state does not allow this."""

    reason = "WRONG_STATE"


class BadSignature(Refusal):
    """The signature does not fit the body."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "BAD_SIGNATURE"


class KeyUsed(Refusal):
    """The student has used this idempotency key before."""

    reason = "IDEMPOTENCY_KEY_USED"


class TooManyKeys(Refusal):
    """The student has used too many idempotency keys within a day."""

    reason = "TOO_MANY_HOLDS"


class OpenAlready(Refusal):
    """The student has an open saga for this tutor and time, or for this course."""

    reason = "HAS_OPEN_SAGA"
