"""Who may do what, at every door and again inside every service. Data only: the tests beside it walk each cell.

Columns of people: the student and the tutor of the thing in question, others of their roles, an admin, a machine with the
role `service` (a payment engine), and nobody. A row whose name has a colon is another case of the operation before it.
"""

from __future__ import annotations

WHO = ("student", "other student", "tutor", "other tutor", "admin", "service", "nobody")

OK = "OK"
NOTHING = "NOTHING"  # an answer without a thing in it
HIDDEN = "NOT_FOUND"
ROLE = "FORBIDDEN"
WHO_ARE_YOU = "UNAUTHENTICATED"
NO_COURSE = "COURSE_NOT_FOUND"
NOT_OVER = "ILLEGAL_MOVE"

#: Root field of the schema → what each is answered.
GRAPHQL: dict[str, tuple[str, ...]] = {
    "Query.tutorAvailability": (OK, OK, OK, OK, OK, OK, WHO_ARE_YOU),
    "Query.booking": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "Query.getMyBookings": (OK, NOTHING, OK, NOTHING, NOTHING, NOTHING, WHO_ARE_YOU),
    "Query.getMySessions": (OK, NOTHING, OK, NOTHING, NOTHING, NOTHING, WHO_ARE_YOU),
    "Query.getSessionDetails": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "Query.getPaymentHistory": (OK, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, WHO_ARE_YOU),
    "Query.cancellationQuote": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "Query.courses": (OK, OK, OK, OK, OK, OK, WHO_ARE_YOU),
    "Query.course: a draft": (HIDDEN, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "Query.course: published": (OK, OK, OK, OK, OK, OK, WHO_ARE_YOU),
    "Query.getMyEnrollments": (OK, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, WHO_ARE_YOU),
    "Mutation.bookSession": (OK, OK, ROLE, ROLE, ROLE, ROLE, WHO_ARE_YOU),
    "Mutation.cancelBooking": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "Mutation.cancelSession": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "Mutation.publishAvailability": (ROLE, ROLE, OK, OK, ROLE, ROLE, WHO_ARE_YOU),
    "Mutation.enrollInCourse": (OK, OK, ROLE, ROLE, ROLE, ROLE, WHO_ARE_YOU),
    "Mutation.cancelEnrollment": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "Mutation.createCourse": (ROLE, ROLE, OK, OK, ROLE, ROLE, WHO_ARE_YOU),
    "Mutation.publishCourse: a draft": (NO_COURSE, NO_COURSE, OK, NO_COURSE, OK, OK, WHO_ARE_YOU),
    "Mutation.publishCourse: published": (ROLE, ROLE, OK, ROLE, OK, OK, WHO_ARE_YOU),
}

_THEIRS = (OK, NOTHING, OK, NOTHING, OK, OK, WHO_ARE_YOU)
_ANYBODYS = (OK, OK, OK, OK, OK, OK, WHO_ARE_YOU)
#: Entity of a subgraph → what a gateway gets that asks for it by its key, for each.
ENTITIES: dict[str, tuple[str, ...]] = {
    "availability User": _ANYBODYS,
    "bookings Booking": _THEIRS,
    "bookings User": _ANYBODYS,
    "learning Booking": _THEIRS,
    "learning Course: a draft": (NOTHING, NOTHING, OK, NOTHING, OK, OK, WHO_ARE_YOU),
    "learning Course: published": _ANYBODYS,
    "learning Enrollment": _THEIRS,
    "learning User": _ANYBODYS,
    "payments Booking": _THEIRS,
    "payments Enrollment": _THEIRS,
    "payments Payment": _THEIRS,
    "payments User": _ANYBODYS,
    "sessions Booking": _THEIRS,
    "sessions Session": _THEIRS,
    "sessions User": _ANYBODYS,
}

#: Field of the schema's Subscription → the first thing each is told on a connection of theirs.
SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "bookingUpdated": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
}

#: Route of REST → what each is answered: 2xx, 404, 403, 401.
REST: dict[str, tuple[str, ...]] = {
    "POST /api/v1/bookings": (OK, ROLE, ROLE, ROLE, ROLE, OK, WHO_ARE_YOU),
    "POST /api/v1/bookings: for oneself": (OK, OK, ROLE, ROLE, ROLE, OK, WHO_ARE_YOU),
    "POST /api/v1/bookings: through another engine": (ROLE, ROLE, ROLE, ROLE, ROLE, OK, WHO_ARE_YOU),
    "POST /api/v1/bookings: at a price": (OK, ROLE, ROLE, ROLE, ROLE, OK, WHO_ARE_YOU),
    "GET /api/v1/bookings/{uuid}": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "POST /api/v1/bookings/{uuid}/cancel": (OK, HIDDEN, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "POST /api/v1/bookings/{uuid}/payment-callback": (ROLE, ROLE, ROLE, ROLE, ROLE, OK, WHO_ARE_YOU),
    "GET /api/v1/instructors/{uuid}/availability": (OK, OK, OK, OK, OK, OK, WHO_ARE_YOU),
    "POST /api/v1/instructors/{uuid}/availability/block": (ROLE, ROLE, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "DELETE /api/v1/instructors/{uuid}/availability/block/{blockUuid}": (ROLE, ROLE, OK, HIDDEN, OK, OK, WHO_ARE_YOU),
    "POST /payment/create-intent": (OK, HIDDEN, ROLE, ROLE, ROLE, OK, WHO_ARE_YOU),
}

#: Doors without a person behind them: open, or (the webhooks) believed by their signature alone.
OPEN = (
    "GET /graphql",
    "GET /graphql/explorer.css",
    "GET /graphql/explorer.js",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "POST /payment/webhook",
    "POST /webhooks/stripe",
)
#: Doors whose rows are those of the schemas behind them.
OF_SCHEMAS = (
    "POST /graphql",
    "WEBSOCKET /graphql",
    "POST /subgraphs/availability",
    "POST /subgraphs/bookings",
    "WEBSOCKET /subgraphs/bookings",
    "POST /subgraphs/learning",
    "POST /subgraphs/payments",
    "POST /subgraphs/sessions",
)

#: RPC → the services that may call it.
CALLERS: dict[str, str] = {
    "AvailabilityService.PublishAvailability": "bff ops internal",
    "AvailabilityService.ListSlots": "bff ops internal",
    "AvailabilityService.HoldSlot": "payment",
    "AvailabilityService.ConfirmSlot": "payment",
    "AvailabilityService.ReleaseSlot": "payment",
    "AvailabilityService.BlockTime": "bff ops internal",
    "AvailabilityService.RemoveBlock": "bff ops internal",
    "AvailabilityService.ListClaims": "ops",
    "BookingService.CreateBooking": "payment",
    "BookingService.ConfirmBooking": "payment",
    "BookingService.EndBooking": "payment",
    "BookingService.GetBooking": "bff payment ops internal",
    "BookingService.BatchGetBookings": "bff ops internal",
    "BookingService.BatchGetTimelines": "bff ops internal",
    "BookingService.ListBookings": "bff ops internal",
    "BookingService.WatchBooking": "bff ops internal",
    "LearningService.CreateCourse": "bff ops internal",
    "LearningService.PublishCourse": "bff ops internal",
    "LearningService.GetCourse": "bff payment ops internal",
    "LearningService.BatchGetCourses": "bff ops internal",
    "LearningService.ListCourses": "bff ops internal",
    "LearningService.VerifyCourse": "bff payment ops internal",
    "LearningService.HoldSeat": "payment",
    "LearningService.CreateEnrollmentRecord": "payment",
    "LearningService.EndEnrollment": "payment",
    "LearningService.CancelEnrollment": "payment",
    "LearningService.GetEnrollment": "bff payment ops internal",
    "LearningService.BatchGetEnrollments": "bff ops internal",
    "LearningService.ListEnrollments": "bff ops internal",
    "NotificationService.ListNotifications": "ops",
    "NotificationService.RetryNotifications": "ops",
    "PaymentService.BookSession": "bff ops internal",
    "PaymentService.EnrollInCourse": "bff ops internal",
    "PaymentService.CancelEnrollment": "bff ops internal",
    "PaymentService.CreatePaymentIntent": "bff ops internal",
    "PaymentService.QuoteCancellation": "bff ops internal",
    "PaymentService.CancelBooking": "bff ops internal",
    "PaymentService.GetPayment": "bff ops internal",
    "PaymentService.BatchGetPayments": "bff ops internal",
    "PaymentService.ListPayments": "bff ops internal",
    "PaymentService.GetBookingTimeline": "bff ops internal",
    "PaymentService.BatchGetBookingTimelines": "bff ops internal",
    "PaymentService.HandleStripeWebhook": "bff",
    "PaymentService.HandlePaymentCallback": "bff ops internal",
    "SagaService.ListSagas": "ops",
    "SagaService.GetSaga": "ops",
    "SagaService.RetrySaga": "ops",
    "SagaService.ResolveSaga": "ops",
    "SagaService.Reconcile": "ops",
    "SagaService.ListProviderIntents": "ops",
    "SessionService.CreateConfirmedSession": "payment",
    "SessionService.CancelSession": "payment",
    "SessionService.CompleteSession": "bff ops internal",
    "SessionService.GetSession": "bff payment ops internal",
    "SessionService.BatchGetSessions": "bff ops internal",
    "SessionService.ListSessions": "bff ops internal",
}

#: RPC → what it answers when a listed service carries each of WHO; "nobody" is the service on its own behalf.
#: What only payment_svc or only the operator calls looks at no person: those services are believed as they are.
CARRIED: dict[str, tuple[str, ...]] = {
    "AvailabilityService.PublishAvailability": (ROLE, ROLE, OK, ROLE, OK, OK, OK),
    "AvailabilityService.ListSlots": (OK, OK, OK, OK, OK, OK, OK),
    "AvailabilityService.BlockTime": (ROLE, ROLE, OK, ROLE, OK, OK, OK),
    "AvailabilityService.RemoveBlock": (ROLE, ROLE, OK, ROLE, OK, OK, OK),
    "BookingService.GetBooking": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "BookingService.BatchGetBookings": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "BookingService.BatchGetTimelines": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "BookingService.ListBookings: the student's": (OK, ROLE, ROLE, ROLE, OK, OK, OK),
    "BookingService.ListBookings: the tutor's": (ROLE, ROLE, OK, ROLE, OK, OK, OK),
    "BookingService.WatchBooking": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "LearningService.CreateCourse": (ROLE, ROLE, OK, ROLE, OK, OK, OK),
    "LearningService.PublishCourse: a draft": (NO_COURSE, NO_COURSE, OK, NO_COURSE, OK, OK, OK),
    "LearningService.PublishCourse: published": (ROLE, ROLE, OK, ROLE, OK, OK, OK),
    "LearningService.GetCourse: a draft": (NO_COURSE, NO_COURSE, OK, NO_COURSE, OK, OK, OK),
    "LearningService.GetCourse: published": (OK, OK, OK, OK, OK, OK, OK),
    "LearningService.BatchGetCourses: a draft": (NOTHING, NOTHING, OK, NOTHING, OK, OK, OK),
    "LearningService.ListCourses": (OK, OK, OK, OK, OK, OK, OK),
    "LearningService.VerifyCourse": (OK, OK, OK, OK, OK, OK, OK),
    "LearningService.GetEnrollment": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "LearningService.BatchGetEnrollments": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "LearningService.ListEnrollments": (OK, ROLE, ROLE, ROLE, OK, OK, OK),
    "PaymentService.BookSession": (OK, ROLE, ROLE, ROLE, ROLE, OK, OK),
    "PaymentService.BookSession: for oneself": (OK, OK, ROLE, ROLE, ROLE, OK, OK),
    "PaymentService.EnrollInCourse: for oneself": (OK, OK, ROLE, ROLE, ROLE, OK, OK),
    "PaymentService.EnrollInCourse": (OK, ROLE, ROLE, ROLE, ROLE, OK, OK),
    "PaymentService.CancelEnrollment": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.CreatePaymentIntent": (OK, HIDDEN, HIDDEN, HIDDEN, ROLE, OK, OK),
    "PaymentService.QuoteCancellation": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.CancelBooking": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.GetPayment": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.BatchGetPayments": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "PaymentService.ListPayments": (OK, ROLE, ROLE, ROLE, OK, OK, OK),
    "PaymentService.GetBookingTimeline": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.BatchGetBookingTimelines": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "PaymentService.BookSession: through another engine": (ROLE, ROLE, ROLE, ROLE, ROLE, OK, OK),
    "PaymentService.HandlePaymentCallback": (ROLE, ROLE, ROLE, ROLE, ROLE, OK, OK),
    "SessionService.CompleteSession": (ROLE, HIDDEN, NOT_OVER, HIDDEN, NOT_OVER, NOT_OVER, NOT_OVER),
    "SessionService.GetSession": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "SessionService.BatchGetSessions": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "SessionService.ListSessions: the student's": (OK, ROLE, ROLE, ROLE, OK, OK, OK),
    "SessionService.ListSessions: the tutor's": (ROLE, ROLE, OK, ROLE, OK, OK, OK),
}

#: RPCs that list everybody's: for ops on its own behalf, and for nobody else.
EVERYBODYS = (
    "AvailabilityService.ListClaims",
    "BookingService.ListBookings",
    "LearningService.ListEnrollments",
    "PaymentService.ListPayments",
    "SessionService.ListSessions",
)
