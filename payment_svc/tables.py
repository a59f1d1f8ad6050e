"""payment_svc's schema. A rule that must never be broken is a constraint here first."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from mesh.stamped_tables import changed_column, changed_index, deleted_row

metadata = MetaData()
deleted_row(metadata)
INSTANT = DateTime(timezone=True)
CLOCK = func.clock_timestamp()

_ENDS = "('COMPLETED', 'REJECTED', 'PAYMENT_FAILED', 'EXPIRED', 'CANCELLED', 'REFUNDED')"
_STATES = (
    "('AWAITING_AVAILABILITY', 'AWAITING_PAYMENT', 'BOOKING_SESSION', 'COMPENSATING', 'PARKED',"
    " 'COMPLETED', 'REJECTED', 'PAYMENT_FAILED', 'EXPIRED', 'CANCELLED', 'REFUNDED')"
)

# The kinds of sagas (domain/kinds.py). A new kind is a row of a migration.
saga_kind = Table(
    "saga_kind",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("subject", Text),
    CheckConstraint("role in ('SALE', 'CANCEL', 'CASE')", name="saga_kind_role_known"),
    CheckConstraint("subject in ('LESSON', 'COURSE')", name="saga_kind_subject_known"),
)

saga = Table(
    "saga",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("context", JSONB, nullable=False),
    Column("fence", BigInteger, nullable=False, server_default="1"),
    Column("lease_owner", Text),
    Column("lease_until", INSTANT),
    Column("wake_at", INSTANT),
    Column("news", BigInteger, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("error", JSONB),
    Column("is_complete", Boolean, nullable=False, server_default=text("false")),
    Column("student_id", UUID, nullable=False),
    # Who teaches. A course's instructor is known once a seat is held.
    Column("tutor_id", UUID),
    Column("time_slot", INSTANT),
    Column("minutes", Integer),
    # What is sold: the id of a booking or of an enrollment. All sagas around one purchase share it.
    Column("booking_id", UUID, nullable=False),
    Column("session_id", UUID),
    Column("payment_id", UUID, nullable=False),
    Column("payment_intent_id", Text),
    Column("hold_ends", INSTANT),
    Column("state_since", INSTANT, nullable=False, server_default=CLOCK),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
    # The course that is sold; null for a lesson, also for a lesson that belongs to a course (see its context).
    Column("course_id", UUID),
    # The role of its kind, set by the trigger saga_role.
    Column("role", Text, nullable=False),
    # The request that began it, as the log lines of that request name it.
    Column("request_id", Text),
    # The span that began it, for links between traces (W3C: Trace Context); empty when it was not traced.
    Column("traceparent", Text, CheckConstraint("length(traceparent) <= 55"), nullable=False, server_default=""),
    # When its student last had the provider asked.
    Column("looked_at", INSTANT),
    # Whether the provider had the money then. Null while its answer is unknown: a process may have died with it.
    Column("seen_paid", Boolean),
    CheckConstraint(f"state in {_STATES}", name="saga_state_known"),
    CheckConstraint(f"is_complete = (state in {_ENDS})", name="saga_complete_in_end_states"),
    # Every saga has ended, or wakes by itself, or is parked with a reason.
    CheckConstraint(
        "case when is_complete then wake_at is null when state = 'PARKED' then wake_at is null and error is not null"
        " else wake_at is not null end",
        name="saga_never_forgotten",
    ),
    CheckConstraint("(lease_owner is null) = (lease_until is null)", name="saga_lease_whole"),
    # A saga that awaits its payment names the intent, and knows when the hold ends.
    CheckConstraint(
        "state <> 'AWAITING_PAYMENT' or (payment_intent_id is not null and hold_ends is not null)",
        name="saga_awaits_an_intent",
    ),
    # A lesson's saga has its tutor, time and session from the beginning. A course's saga has none of them.
    CheckConstraint(
        "case when course_id is null then num_nulls(tutor_id, time_slot, minutes, session_id) = 0"
        " else num_nonnulls(time_slot, minutes, session_id) = 0 end",
        name="saga_of_a_lesson_or_a_course",
    ),
    Index("saga_due", "wake_at", postgresql_where=text("wake_at is not null")),
    Index(
        "saga_open_slot",
        "student_id",
        "tutor_id",
        "time_slot",
        unique=True,
        postgresql_where=text("not is_complete and role = 'SALE'"),
    ),
    Index(
        "saga_open_course",
        "student_id",
        "course_id",
        unique=True,
        postgresql_where=text("not is_complete and role = 'SALE'"),
    ),
    Index("saga_intent", "payment_intent_id", unique=True, postgresql_where=text("payment_intent_id is not null")),
    Index("saga_booking", "booking_id"),
    # An operator finds a saga by what a person or a log line names.
    Index("saga_student", "student_id"),
    Index("saga_session", "session_id", postgresql_where=text("session_id is not null")),
    Index("saga_payment", "payment_id"),
    Index("saga_request", "request_id", postgresql_where=text("request_id is not null")),
    # The first committed cancel wins. Every later one gets its answer.
    Index(
        "saga_one_cancel",
        "booking_id",
        unique=True,
        postgresql_where=text("role = 'CANCEL' and state <> 'REJECTED'"),
    ),
    Index("saga_newest", "created_at", "id"),
    Index("saga_open_newest", "created_at", "id", postgresql_where=text("not is_complete")),
    Index("saga_parked", "id", postgresql_where=text("state = 'PARKED'")),
    Index("saga_waiting", "id", postgresql_where=text("state = 'AWAITING_PAYMENT'")),
    Index("saga_refused", "updated_at", postgresql_where=text("state = 'REJECTED' and role = 'SALE'")),
    changed_column(),
    changed_index("saga"),
)

# A saga gets the role of its kind, and is about what its kind sells. An unknown kind has no role, and is refused.
_SET_ROLE = DDL(  # type: ignore[no-untyped-call]
    """
    create function saga_set_role() returns trigger language plpgsql as $$
    declare known saga_kind;
    begin
        select * into known from saga_kind where name = new.kind;
        if (known.subject = 'COURSE') <> (new.course_id is not null) then
            raise check_violation using constraint = 'saga_kind_fits', message = 'the saga is not about what its kind sells';
        end if;
        new.role := known.role;
        return new;
    end $$
"""
)
_ROLE_TRIGGER = DDL(  # type: ignore[no-untyped-call]
    "create trigger saga_role before insert on saga for each row execute function saga_set_role()"
)
event.listen(metadata, "after_create", _SET_ROLE)
event.listen(metadata, "after_create", _ROLE_TRIGGER)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("student_id", UUID, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("saga_id", UUID, ForeignKey("saga.id"), nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Index("idempotency_key_saga", "saga_id"),
    Index("idempotency_key_age", "created_at"),
)

# A student has at most 1000 keys at a time, counted under a lock. A key that exists is none more.
_COUNT_KEYS = DDL(  # type: ignore[no-untyped-call]
    """
    create function idempotency_key_count() returns trigger language plpgsql as $$
    begin
        perform pg_advisory_xact_lock(hashtextextended('idempotency_key ' || new.student_id, 0));
        if not exists (select from idempotency_key where student_id = new.student_id and key = new.key)
            and (select count(*) from idempotency_key where student_id = new.student_id) >= 1000 then
            raise check_violation using constraint = 'idempotency_key_limit', message = 'the student has 1000 keys';
        end if;
        return new;
    end $$
"""
)
_KEY_TRIGGER = DDL(  # type: ignore[no-untyped-call]
    """
    create trigger idempotency_key_limit before insert on idempotency_key
    for each row execute function idempotency_key_count()
"""
)
event.listen(metadata, "after_create", _COUNT_KEYS)
event.listen(metadata, "after_create", _KEY_TRIGGER)

saga_event = Table(
    "saga_event",
    metadata,
    Column("saga_id", UUID, ForeignKey("saga.id"), primary_key=True),
    Column("seq", BigInteger, Identity(), primary_key=True),
    Column("at", INSTANT, nullable=False, server_default=CLOCK),
    Column("state", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
)

payment = Table(
    "payment",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("saga_id", UUID, ForeignKey("saga.id"), nullable=False, unique=True),
    # What it pays for: the id of a booking or of an enrollment.
    Column("booking_id", UUID, nullable=False),
    Column("session_id", UUID),
    Column("student_id", UUID, nullable=False),
    Column("tutor_id", UUID),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("context", Text, nullable=False),
    Column("context_id", UUID, nullable=False),
    Column("payment_intent_id", Text, nullable=False, unique=True),
    Column("received_minor", BigInteger, nullable=False, server_default="0"),
    Column("disputed", Boolean, nullable=False, server_default=text("false")),
    # A dispute was lost: the bank has given the money back, and nothing is left to refund.
    Column("charged_back", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    CheckConstraint("amount_minor > 0 and received_minor >= 0", name="payment_amounts"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="payment_currency"),
    CheckConstraint("status in ('PENDING', 'SUCCEEDED', 'FAILED', 'CANCELLED')", name="payment_status_stored"),
    CheckConstraint("context in ('SESSION_BOOKING', 'COURSE_ENROLLMENT')", name="payment_context_known"),
    CheckConstraint(
        "case when context = 'SESSION_BOOKING' then num_nulls(tutor_id, session_id) = 0 else session_id is null end",
        name="payment_context_whole",
    ),
    CheckConstraint("(status = 'SUCCEEDED') = (received_minor > 0)", name="payment_received_when_succeeded"),
    Index("payment_history", "student_id", "created_at", "id"),
    Index("payment_of_tutor", "tutor_id", "created_at", "id"),
    changed_column(),
    changed_index("payment"),
)

refund = Table(
    "refund",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("payment_id", UUID, nullable=False),
    Column("saga_id", UUID, ForeignKey("saga.id"), nullable=False),
    Column("payment_intent_id", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("provider_refund_id", Text, unique=True),
    # People are told once per this id. All tries of one decision share it; null: the refund's own id.
    Column("told_as", UUID),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
    CheckConstraint("amount_minor > 0", name="refund_amount"),
    CheckConstraint("status in ('PENDING', 'SUCCEEDED', 'FAILED')", name="refund_status_known"),
    Index("refund_intent", "payment_intent_id"),
    Index("refund_payment", "payment_id"),
    Index("refund_saga", "saga_id"),
    Index("refund_open", "updated_at", postgresql_where=text("status = 'PENDING'")),
    changed_column(),
    changed_index("refund"),
)

stripe_event = Table(
    "stripe_event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("saga_id", UUID, nullable=False),
    Column("payment_intent_id", Text, nullable=False),
    # NEWS: a signal for an open saga, DONE with its next transition. INBOX: the inbox handles it. DONE. PARKED.
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("wake_at", INSTANT),
    Column("error", Text),
    Column("received_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("processed_at", INSTANT),
    CheckConstraint("status in ('NEWS', 'INBOX', 'DONE', 'PARKED')", name="stripe_event_status_known"),
    CheckConstraint("(status = 'INBOX') = (wake_at is not null)", name="stripe_event_never_forgotten"),
    CheckConstraint("(status = 'DONE') = (processed_at is not null)", name="stripe_event_processed_when_done"),
    CheckConstraint("status <> 'PARKED' or error is not null", name="stripe_event_parked_with_a_reason"),
    Index("stripe_event_due", "wake_at", postgresql_where=text("wake_at is not null")),
    Index("stripe_event_saga", "saga_id"),
    Index("stripe_event_open", "saga_id", postgresql_where=text("status <> 'DONE'")),
    Index("stripe_event_oldest", "received_at", postgresql_where=text("status in ('NEWS', 'INBOX')")),
    Index("stripe_event_parked", "id", postgresql_where=text("status = 'PARKED'")),
)

# What people are told: one row per message and route. The commit that makes it true writes it; a loop deletes old rows.
notification = Table(
    "notification",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("audience", Text, primary_key=True),
    Column("seq", BigInteger, Identity(), nullable=False, unique=True),
    Column("type", Text, nullable=False),
    # The booking or the enrollment. A route delivers the messages of each in the order of seq.
    Column("subject_id", UUID, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("status", Text, nullable=False, server_default="PENDING"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("tried_since", INSTANT),
    Column("wake_at", INSTANT, server_default=CLOCK),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("settled_at", INSTANT),
    CheckConstraint("status in ('PENDING', 'DELIVERED', 'DEAD')", name="notification_status_known"),
    CheckConstraint("audience in ('everybody', 'student', 'tutor')", name="notification_audience_known"),
    CheckConstraint("(status = 'PENDING') = (wake_at is not null)", name="notification_never_forgotten"),
    CheckConstraint("(status = 'PENDING') = (settled_at is null)", name="notification_settled_when_done"),
    CheckConstraint("status <> 'DEAD' or error <> ''", name="notification_dead_with_a_reason"),
    Index("notification_due", "channel", "wake_at", postgresql_where=text("wake_at is not null")),
    Index("notification_order", "subject_id", "channel", "audience", "seq"),
    Index("notification_dead", "seq", postgresql_where=text("status = 'DEAD'")),
    Index("notification_settled", "settled_at", postgresql_where=text("settled_at is not null")),
)

callback_payment = Table(
    "callback_payment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("saga_id", UUID, ForeignKey("saga.id"), nullable=False, unique=True),
    Column("payment_id", UUID, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    # The reference under which the provider says that it was paid.
    Column("reference", Text),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
    # The provider's name in PAYMENT_ENGINES, and the session that it opened when it was asked for one.
    Column("engine", Text, nullable=False, server_default="callback"),
    Column("session_id", Text),
    Column("payment_url", Text),
    CheckConstraint("starts_with(id, 'cb_')", name="callback_payment_named"),
    CheckConstraint("(session_id is null) = (payment_url is null)", name="callback_payment_session_with_its_url"),
    CheckConstraint("amount_minor > 0", name="callback_payment_amount"),
    CheckConstraint("status in ('requires_payment', 'succeeded', 'canceled')", name="callback_payment_status_known"),
    CheckConstraint("(status = 'succeeded') = (reference is not null)", name="callback_payment_paid_by_a_reference"),
    Index("callback_payment_reference", "reference", postgresql_where=text("reference is not null")),
    Index("callback_payment_lately", "updated_at", postgresql_where=text("status = 'succeeded'")),
    changed_column(),
    changed_index("callback_payment"),
)

# A provider uses a reference for one payment alone, whatever it reports by it.
callback_reference = Table(
    "callback_reference",
    metadata,
    Column("engine", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("callback_payment_id", Text, ForeignKey("callback_payment.id"), nullable=False),
    UniqueConstraint("engine", "reference", "callback_payment_id", name="callback_reference_of_a_payment"),
)

callback_attempt = Table(
    "callback_attempt",
    metadata,
    Column("callback_payment_id", Text, ForeignKey("callback_payment.id"), primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("at", INSTANT, nullable=False, server_default=CLOCK),
    Index("callback_attempt_reference", "reference"),
)

callback_refund = Table(
    "callback_refund",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("callback_payment_id", Text, ForeignKey("callback_payment.id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reference", Text),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
    CheckConstraint("amount_minor > 0", name="callback_refund_amount"),
    CheckConstraint("status in ('pending', 'succeeded')", name="callback_refund_status_known"),
    CheckConstraint("(status = 'succeeded') = (reference is not null)", name="callback_refund_told_by_a_reference"),
    Index("callback_refund_payment", "callback_payment_id"),
    Index("callback_refund_reference", "reference", postgresql_where=text("reference is not null")),
    changed_column(),
    changed_index("callback_refund"),
)

# What the last audit has kept for the next one.
audit_mark = Table(
    "audit_mark",
    metadata,
    Column("is_only", Boolean, primary_key=True, server_default=text("true")),
    Column("mark", Text, nullable=False),
    CheckConstraint("is_only"),
)
