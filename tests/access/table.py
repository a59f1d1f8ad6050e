"""Who may do what, at the edge and again inside every service. This is data only; the tests beside it try each cell.

The columns are the student and the tutor of the record in question, others of their roles, an admin, a machine, and
nobody. A machine has the role `service`, as a payment provider that calls us back. A colon in a row's name separates
the operation from the case.
"""

from __future__ import annotations

WHO = ("student", "other student", "tutor", "other tutor", "admin", "service", "nobody")

OK = "OK"
NOTHING = "NOTHING"  # an answer whose list is empty
HIDDEN = "NOT_FOUND"
FORBIDDEN = "FORBIDDEN"
UNAUTHENTICATED = "UNAUTHENTICATED"
NO_COURSE = "COURSE_NOT_FOUND"
NOT_OVER = "ILLEGAL_MOVE"

#: The answer to each person, by root field of the schema.
GRAPHQL: dict[str, tuple[str, ...]] = {
    "Query.tutorAvailability": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "Query.tutors": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "Query.myAvailability": (NOTHING, NOTHING, OK, NOTHING, NOTHING, NOTHING, UNAUTHENTICATED),
    "Query.myBlocks": (NOTHING, NOTHING, OK, NOTHING, NOTHING, NOTHING, UNAUTHENTICATED),
    "Query.booking": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Query.getMyBookings": (OK, NOTHING, OK, NOTHING, NOTHING, NOTHING, UNAUTHENTICATED),
    "Query.getMySessions": (OK, NOTHING, OK, NOTHING, NOTHING, NOTHING, UNAUTHENTICATED),
    "Query.getSessionDetails": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Query.getPaymentHistory": (OK, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, UNAUTHENTICATED),
    "Query.getTutorPayments": (NOTHING, NOTHING, OK, NOTHING, NOTHING, NOTHING, UNAUTHENTICATED),
    "Query.saga": (OK, HIDDEN, HIDDEN, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Query.cancellationQuote": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Query.courses": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "Query.course: a draft": (HIDDEN, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Query.course: published": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "Query.getMyEnrollments": (OK, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, UNAUTHENTICATED),
    "Query.enrollmentQuote": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Mutation.bookSession": (OK, OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, UNAUTHENTICATED),
    "Mutation.cancelBooking": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Mutation.cancelSession": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Mutation.refreshBooking": (OK, HIDDEN, FORBIDDEN, HIDDEN, FORBIDDEN, FORBIDDEN, UNAUTHENTICATED),
    "Mutation.publishAvailability": (FORBIDDEN, FORBIDDEN, OK, OK, FORBIDDEN, FORBIDDEN, UNAUTHENTICATED),
    "Mutation.blockTime": (FORBIDDEN, FORBIDDEN, OK, OK, FORBIDDEN, FORBIDDEN, UNAUTHENTICATED),
    "Mutation.removeBlock": (FORBIDDEN, FORBIDDEN, OK, HIDDEN, FORBIDDEN, FORBIDDEN, UNAUTHENTICATED),
    "Mutation.enrollInCourse": (OK, OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, UNAUTHENTICATED),
    "Mutation.cancelEnrollment": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "Mutation.createCourse": (FORBIDDEN, FORBIDDEN, OK, OK, FORBIDDEN, FORBIDDEN, UNAUTHENTICATED),
    "Mutation.publishCourse: a draft": (NO_COURSE, NO_COURSE, OK, NO_COURSE, OK, OK, UNAUTHENTICATED),
    "Mutation.publishCourse: published": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, UNAUTHENTICATED),
}

_THEIRS = (OK, NOTHING, OK, NOTHING, OK, OK, UNAUTHENTICATED)
_ANYBODYS = (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED)
#: What a gateway gets for each person when it asks for an entity by its key, by entity and subgraph.
ENTITIES: dict[str, tuple[str, ...]] = {
    "availability User": _ANYBODYS,
    "bookings Booking": _THEIRS,
    "bookings User": _ANYBODYS,
    "learning Booking": _THEIRS,
    "learning Course: a draft": (NOTHING, NOTHING, OK, NOTHING, OK, OK, UNAUTHENTICATED),
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

#: The first message to each person on their connection, by field of the schema's Subscription.
SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "bookingUpdated": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "enrollmentUpdated": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
}

#: The answer to each person (2xx, 404, 403, 401), by REST route.
REST: dict[str, tuple[str, ...]] = {
    "POST /api/v1/bookings": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, UNAUTHENTICATED),
    "POST /api/v1/bookings: for oneself": (OK, OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, UNAUTHENTICATED),
    "POST /api/v1/bookings: through another provider": (
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        OK,
        UNAUTHENTICATED,
    ),
    "POST /api/v1/bookings: at a price": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, UNAUTHENTICATED),
    "GET /api/v1/bookings": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "GET /api/v1/bookings: a student's": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK, UNAUTHENTICATED),
    "GET /api/v1/bookings: a tutor's": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, UNAUTHENTICATED),
    "GET /api/v1/bookings/{uuid}": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/bookings/{uuid}/cancel": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/bookings/{uuid}/payment-callback": (
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        OK,
        UNAUTHENTICATED,
    ),
    "GET /api/v1/instructors": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "GET /api/v1/instructors/{uuid}/availability": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "GET /api/v1/instructors/{uuid}/availability/schedule": (FORBIDDEN, FORBIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "GET /api/v1/instructors/{uuid}/availability/blocks": (FORBIDDEN, FORBIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/instructors/{uuid}/availability/block": (FORBIDDEN, FORBIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "DELETE /api/v1/instructors/{uuid}/availability/block/{blockUuid}": (
        FORBIDDEN,
        FORBIDDEN,
        OK,
        HIDDEN,
        OK,
        OK,
        UNAUTHENTICATED,
    ),
    "GET /api/v1/courses": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/courses": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, UNAUTHENTICATED),
    "GET /api/v1/courses/{uuid}: a draft": (NO_COURSE, NO_COURSE, OK, NO_COURSE, OK, OK, UNAUTHENTICATED),
    "GET /api/v1/courses/{uuid}: published": (OK, OK, OK, OK, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/courses/{uuid}/publish: a draft": (FORBIDDEN, FORBIDDEN, OK, NO_COURSE, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/courses/{uuid}/publish: published": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/enrollments": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, UNAUTHENTICATED),
    "POST /api/v1/enrollments: for oneself": (OK, OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, UNAUTHENTICATED),
    "GET /api/v1/enrollments/{uuid}": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/enrollments/{uuid}/cancel": (OK, HIDDEN, OK, HIDDEN, OK, OK, UNAUTHENTICATED),
    "POST /api/v1/enrollments/{uuid}/payment-callback": (
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        OK,
        UNAUTHENTICATED,
    ),
    "POST /payment/create-intent": (OK, HIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, UNAUTHENTICATED),
}

#: Routes that need no person: they are open, or they check a signature alone (the webhooks).
OPEN = (
    "GET /",
    "GET /embed/demo",
    "GET /embed/slots.js",
    "GET /graphql",
    "GET /graphql/explorer.css",
    "GET /graphql/explorer.js",
    "GET /graphql/explorer/answer.js",
    "GET /graphql/explorer/examples.js",
    "GET /graphql/explorer/people",
    "GET /graphql/explorer/schema.js",
    "GET /graphql/explorer/socket.js",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "POST /payment/webhook",
    "POST /webhooks/stripe",
    "GET /shop",
    "GET /pages/{file:path}",
)
#: Routes of GraphQL; their rows are those of the schemas behind them.
OF_SCHEMAS = (
    "POST /graphql",
    "WEBSOCKET /graphql",
    "POST /subgraphs/availability",
    "POST /subgraphs/bookings",
    "WEBSOCKET /subgraphs/bookings",
    "POST /subgraphs/learning",
    "WEBSOCKET /subgraphs/learning",
    "POST /subgraphs/payments",
    "POST /subgraphs/sessions",
)

#: The services that may call each RPC.
CALLERS: dict[str, str] = {
    "AvailabilityService.PublishAvailability": "bff ops internal",
    "AvailabilityService.ListTutors": "bff ops internal",
    "AvailabilityService.GetSchedule": "bff payment ops internal",
    "AvailabilityService.ListSlots": "bff payment ops internal",
    "AvailabilityService.HoldSlot": "payment",
    "AvailabilityService.ConfirmSlot": "payment",
    "AvailabilityService.ReleaseSlot": "payment",
    "AvailabilityService.BlockTime": "bff ops internal",
    "AvailabilityService.RemoveBlock": "bff ops internal",
    "AvailabilityService.ListBlocks": "bff ops internal",
    "AvailabilityService.ListClaims": "ops",
    "AvailabilityService.CleanUpHolds": "ops",
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
    "LearningService.WatchEnrollment": "bff ops internal",
    "LearningService.ListEnrollments": "bff ops internal",
    "LinkService.OpenCheckout": "bff",
    "LinkService.RefreshCheckout": "bff",
    "LinkService.OpenPurchase": "bff",
    "LinkService.QuotePurchaseCancellation": "bff",
    "LinkService.CancelPurchase": "bff",
    "NotificationService.ListNotifications": "ops",
    "NotificationService.RetryNotifications": "ops",
    "PaymentService.BookSession": "bff ops internal",
    "PaymentService.EnrollInCourse": "bff ops internal",
    "PaymentService.QuoteEnrollmentCancellation": "bff ops internal",
    "PaymentService.CancelEnrollment": "bff ops internal",
    "PaymentService.CreatePaymentIntent": "bff ops internal",
    "PaymentService.RefreshBooking": "bff ops internal",
    "PaymentService.QuoteCancellation": "bff ops internal",
    "PaymentService.CancelBooking": "bff ops internal",
    "PaymentService.GetPayment": "bff ops internal",
    "PaymentService.BatchGetPayments": "bff ops internal",
    "PaymentService.ListPayments": "bff ops internal",
    "PaymentService.ListTutorPayments": "bff ops internal",
    "PaymentService.GetSagaProgress": "bff ops internal",
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

#: What the edge gets without a person, where another service gets more: it asks for a visitor, never for itself.
VISITORS: dict[str, str] = {
    "LearningService.BatchGetCourses: a draft": NOTHING,
    "LearningService.GetCourse: a draft": NO_COURSE,
}

#: What anybody reads without a token at an edge that has PUBLIC_AVAILABILITY. All other rows stay as they are.
PUBLIC: dict[str, str] = {
    "Query.tutorAvailability": OK,
    "Query.tutors": OK,
    "Query.courses": OK,
    "Query.course: a draft": HIDDEN,
    "Query.course: published": OK,
    **dict.fromkeys(("availability User", "bookings User", "payments User", "sessions User"), OK),
    "learning Course: a draft": NOTHING,
    "learning Course: published": OK,
    "learning User": OK,
    "GET /api/v1/instructors": OK,
    "GET /api/v1/instructors/{uuid}/availability": OK,
    "GET /api/v1/courses": OK,
    "GET /api/v1/courses/{uuid}: a draft": NO_COURSE,
    "GET /api/v1/courses/{uuid}: published": OK,
}

#: The answer of each RPC when a listed service calls it for each of WHO. "nobody" means on its own behalf.
#: An RPC that only payment_svc or only the operator may call checks no person, so it is not listed here.
CARRIED: dict[str, tuple[str, ...]] = {
    "AvailabilityService.PublishAvailability": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "AvailabilityService.GetSchedule": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "AvailabilityService.ListSlots": (OK, OK, OK, OK, OK, OK, OK),
    "AvailabilityService.ListTutors": (OK, OK, OK, OK, OK, OK, OK),
    "AvailabilityService.BlockTime": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "AvailabilityService.RemoveBlock": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "AvailabilityService.ListBlocks": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "BookingService.GetBooking": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "BookingService.BatchGetBookings": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "BookingService.BatchGetTimelines": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "BookingService.ListBookings: the student's": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK, OK),
    "BookingService.ListBookings: the tutor's": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "BookingService.WatchBooking": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "LearningService.CreateCourse": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "LearningService.PublishCourse: a draft": (NO_COURSE, NO_COURSE, OK, NO_COURSE, OK, OK, OK),
    "LearningService.PublishCourse: published": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "LearningService.GetCourse: a draft": (NO_COURSE, NO_COURSE, OK, NO_COURSE, OK, OK, OK),
    "LearningService.GetCourse: published": (OK, OK, OK, OK, OK, OK, OK),
    "LearningService.BatchGetCourses: a draft": (NOTHING, NOTHING, OK, NOTHING, OK, OK, OK),
    "LearningService.ListCourses": (OK, OK, OK, OK, OK, OK, OK),
    "LearningService.VerifyCourse": (OK, OK, OK, OK, OK, OK, OK),
    "LearningService.GetEnrollment": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "LearningService.BatchGetEnrollments": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "LearningService.WatchEnrollment": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "LearningService.ListEnrollments": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK, OK),
    "PaymentService.BookSession": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK),
    "PaymentService.BookSession: for oneself": (OK, OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK),
    "PaymentService.EnrollInCourse: for oneself": (OK, OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK),
    "PaymentService.EnrollInCourse": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK),
    "PaymentService.QuoteEnrollmentCancellation": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.CancelEnrollment": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.CreatePaymentIntent": (OK, HIDDEN, HIDDEN, HIDDEN, FORBIDDEN, OK, OK),
    "PaymentService.RefreshBooking": (OK, HIDDEN, FORBIDDEN, HIDDEN, FORBIDDEN, FORBIDDEN, UNAUTHENTICATED),
    "PaymentService.QuoteCancellation": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.CancelBooking": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.GetPayment": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.BatchGetPayments": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "PaymentService.ListPayments": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK, OK),
    "PaymentService.ListTutorPayments": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
    "PaymentService.GetSagaProgress": (OK, HIDDEN, HIDDEN, HIDDEN, OK, OK, OK),
    "PaymentService.GetBookingTimeline": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "PaymentService.BatchGetBookingTimelines": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "PaymentService.BookSession: through another provider": (
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        OK,
        OK,
    ),
    "PaymentService.HandlePaymentCallback": (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK),
    "SessionService.CompleteSession": (FORBIDDEN, HIDDEN, NOT_OVER, HIDDEN, NOT_OVER, NOT_OVER, NOT_OVER),
    "SessionService.GetSession": (OK, HIDDEN, OK, HIDDEN, OK, OK, OK),
    "SessionService.BatchGetSessions": (OK, NOTHING, OK, NOTHING, OK, OK, OK),
    "SessionService.ListSessions: the student's": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK, OK),
    "SessionService.ListSessions: the tutor's": (FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, OK),
}

#: RPCs that can list everybody's records. Only ops may ask for that, on its own behalf.
EVERYBODYS = (
    "AvailabilityService.ListClaims",
    "AvailabilityService.CleanUpHolds",
    "BookingService.ListBookings",
    "LearningService.ListEnrollments",
    "PaymentService.ListPayments",
    "SessionService.ListSessions",
)
