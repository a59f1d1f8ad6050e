"""What a saga has learned: one frozen dataclass per kind. store/facts.py writes them as JSON and reads them back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from mesh.errors import Refusal, TryAgain
from mesh.money import Money
from payment_svc.domain.orders import AskedPrice
from payment_svc.domain.payments import STRIPE, Received
from payment_svc.domain.refusals import NeedsAPerson, NotYet
from payment_svc.domain.states import DeclineReason, State, Undo


@dataclass(frozen=True, slots=True)
class SagaError:
    """Why a saga waits, is parked or was refused: enough to answer a repeated request."""

    code: str = "UNAVAILABLE"  # the name of a gRPC status
    reason: str = ""
    message: str = ""
    field: str = ""

    @classmethod
    def of(cls, error: Exception) -> SagaError:
        """What the row keeps of an exception. Only a refusal's own words may be shown to a caller."""
        if isinstance(error, Refusal):
            return cls(error.status_code.name, error.reason, error.message, error.field)
        if isinstance(error, NotYet | NeedsAPerson):
            return cls("UNAVAILABLE", error.reason, str(error))
        return cls("UNAVAILABLE", TryAgain.reason, f"{type(error).__name__}: {error}")

    def to_refusal(self) -> Refusal:
        """The refusal that was kept, of the class that this process knows for its reason."""
        return Refusal.from_parts(self.code, self.reason, self.message, self.field)


@dataclass(frozen=True, slots=True)
class CancelDecision:
    """What was decided when somebody cancelled."""

    by: str  # student, tutor, instructor, admin or platform
    percent: int
    rule: str  # the rule of the policy, in words
    refund_minor: int  # in the currency of the price

    def describe(self, reason: str) -> str:
        """The detail of the saga's event; `reason` is the person's own."""
        words = f"by the {self.by}; {self.rule}"
        return f"{words}: {reason}" if reason else words


@dataclass(frozen=True, slots=True)
class PurchaseFacts:
    """What every saga that sells something can know."""

    policy: str = ""  # the cancellation policy at purchase, such as 24h:100,2h:50
    provider: str = STRIPE  # who takes the money: STRIPE, or CALLBACK for all that call us back
    provider_name: str = ""  # the name of one that calls us back, when it is not CALLBACK itself
    timezone: str = ""  # the IANA time zone in which the student is told times
    locale: str = ""  # the student's language, a BCP 47 tag
    return_url: str = field(default="", repr=False)  # where the page to pay on leads once it is paid
    cancel_url: str = field(default="", repr=False)  # where it leads when the student turns back
    asked_price: AskedPrice | None = None  # the price that came with the order
    price: Money | None = None  # the tutor's or the course's price when the hold was made
    tutor_name: str = ""  # what the tutor was called to students then; of a course it is not known
    tutor_timezone: str = ""  # the IANA time zone of the tutor's hours then; of a course it is not known
    course_title: str = ""  # what the course was called then, also that of a lesson's course
    hold_expires_at: datetime | None = None  # the end of the hold, as the student was shown it
    hold_was_over: bool = False  # the hold had ended before its answer came
    is_recorded: bool = False  # the booking or the enrollment exists
    client_secret: str = field(default="", repr=False)  # the PaymentIntent's, while it can be paid
    declined_charges: tuple[str, ...] = ()  # the provider's ids of the declined attempts, sorted
    decline_reason: DeclineReason | None = None  # why the latest of them was declined
    undo: Undo | None = None  # why the saga is undone
    ends_as: State | None = None  # how its booking ends; missing in rows from before 2026-11-26
    refusal: SagaError | None = None  # the refusal behind Undo.REFUSED
    cancel: CancelDecision | None = None  # decided when a person cancelled before the payment
    has_ended: bool = False  # the end of its booking is committed, before money goes back
    paid: Received | None = None  # what an undone saga is known to have received: its intent needs no closing
    refunds_given_up: int = 0  # how many of its refunds had failed when it was parked for that
    was_closed_unpaid: bool = False  # it ended with an intent that nobody had paid

    @property
    def payment_engine(self) -> str:
        """The provider's name in PAYMENT_ENGINES."""
        return self.provider_name or self.provider


@dataclass(frozen=True, slots=True)
class LessonFacts(PurchaseFacts):
    """The facts of BookAndPayForSessionSaga."""

    course_id: UUID | None = None  # the course that the lesson belongs to
    purpose: str = ""
    block_id: str = ""  # the hold's id in the tutor's calendar
    meeting_link: str = field(default="", repr=False)  # where the lesson is held: for its two people alone


@dataclass(frozen=True, slots=True)
class EnrollmentFacts(PurchaseFacts):
    """The facts of EnrollInCourseSaga."""


@dataclass(frozen=True, slots=True)
class CancelFacts:
    """The facts of a saga that takes back what was sold."""

    purchase_id: UUID  # the saga that sold it
    cancel: CancelDecision
    price: Money
    intent_id: str = ""  # the purchase's PaymentIntent; empty when nothing was paid
    received_minor: int = 0  # what that intent had received when the cancel was decided
    tutor_name: str = ""  # as the purchase knows it
    has_ended: bool = False
    refunds_given_up: int = 0  # how many of its refunds had failed when it was parked for that


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """The facts of a case that only waits for a person."""

    dispute_id: str


@dataclass(frozen=True, slots=True)
class RefundCaseFacts:
    """The facts of a case about a refund that was given up after the sagas of its purchase had ended."""

    purchase_id: UUID  # the saga that sold it
    intent_id: str
    refunds_given_up: int = 0  # how many refunds had failed when it was last parked


CaseFacts = DisputeFacts | RefundCaseFacts
Facts = PurchaseFacts | CancelFacts | CaseFacts
