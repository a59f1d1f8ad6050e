"""The statement that commits a transition: one UPDATE of the saga, and beside it everything that becomes true with it.

Each part has a name and a sentence. A part that has nothing to do in a transition is left out, since PostgreSQL spends
time on each part of a statement.
"""

from __future__ import annotations

from functools import cache

from mesh.statements import Statement, text
from payment_svc.domain import State, Transition
from payment_svc.store import outbox

# The UPDATE names the fence, the signals that the writer has seen, and the `updated_at` that it has read. Zero rows mean
# that the writer is stale: it lost the lease, a signal came, or the same transition was committed without an answer.
_MOVE = """moved as (
        update saga set
            state = :state,
            fence = fence + cast(:takes_over as int),
            is_complete = :complete,
            context = cast(:context as jsonb),
            payment_intent_id = coalesce(cast(:intent as text), payment_intent_id),
            tutor_id = coalesce(tutor_id, cast(:tutor as uuid)),
            attempt = case when :has_failed then attempt + 1 else 0 end,
            error = cast(:error as jsonb),
            hold_ends = coalesce(hold_ends, clock_timestamp() + make_interval(secs => cast(:hold_seconds as float8))),
            state_since = case when state = :state then state_since else clock_timestamp() end,
            updated_at = clock_timestamp(),
            lease_owner = cast(:owner as text),
            lease_until = case when :keep_lease then clock_timestamp() + make_interval(secs => :lease) end,
            wake_at = case
                when :keep_lease then clock_timestamp() + make_interval(secs => :lease)
                when :await_payment then coalesce(hold_ends,
                                         clock_timestamp() + make_interval(secs => cast(:hold_seconds as float8)))
                else least(clock_timestamp() + make_interval(secs => cast(:retry_in as float8)),
                           case when cast(:state as text) = 'AWAITING_PAYMENT' and hold_ends > clock_timestamp()
                               then hold_ends end)
            end
        where id = :id and fence = :fence and news = :signals and updated_at = :seen and not is_complete
        {and_more}
        returning *, clock_timestamp() as loaded_at
    )"""
_MOVE_SAGA = _MOVE.format(and_more="")
# A provider's event moves the saga once. Two deliveries at the same time meet at the saga's row, which then is another one.
_MOVE_SAGA_BY_EVENT = _MOVE.format(and_more="and not exists (select from stripe_event where id = :event_id)")
_STORE_EVENT = """heard as (
        insert into stripe_event (id, type, saga_id, payment_intent_id, status, processed_at)
        select cast(:event_id as text), cast(:event_type as text), id, cast(:event_intent as text), 'DONE',
               clock_timestamp() from moved
    )"""
# The events that signalled this saga are done: the writer has looked at the intent since.
_FINISH_SIGNALS = """finished as (
        update stripe_event set status = 'DONE', processed_at = clock_timestamp()
        where saga_id = (select id from moved) and status = 'NEWS'
    )"""
# The saga's history gets a line, unless nothing happened that anybody should read.
_WRITE_EVENT = """told as (
        insert into saga_event (saga_id, state, event, detail)
        select id, state, cast(:event as text), cast(:detail as text) from moved where cast(:event as text) <> ''
    )"""
# The payment appears with its intent, and its status follows. A payment that has succeeded never changes here.
_WRITE_PAYMENT = """paid as (
        insert into payment (id, saga_id, booking_id, session_id, student_id, tutor_id, amount_minor, currency, status,
                             context, context_id, payment_intent_id, received_minor)
        select payment_id, id, booking_id, session_id, student_id, tutor_id, cast(:amount as bigint),
               cast(:currency as text), cast(:payment_status as text), cast(:payment_context as text),
               coalesce(course_id, session_id), payment_intent_id, cast(:received as bigint)
        from moved where cast(:payment_status as text) is not null
        on conflict (id) do update set status = excluded.status, received_minor = excluded.received_minor
        where payment.status <> 'SUCCEEDED'
    )"""
# A refused request frees its idempotency key, so that the student can ask again under it.
_FREE_KEY = """freed as (
        delete from idempotency_key where saga_id = (select id from moved where state = 'REJECTED')
    )"""
_LATER_PARTS = (_FINISH_SIGNALS, _WRITE_EVENT, _WRITE_PAYMENT, _FREE_KEY, outbox.ANNOUNCE_END)
_ALL_PARTS = (_MOVE_SAGA, _MOVE_SAGA_BY_EVENT, _STORE_EVENT, *_LATER_PARTS)


@cache
def _compose(*parts: str) -> Statement:
    return text(f"with {', '.join(parts)} select * from moved")  # noqa: S608 - constants


def commit_statement(transition: Transition, *, announces: bool, by_event: bool = False) -> Statement:
    """The statement for this transition.

    `announces`: there is a route on which its message goes. `by_event`: a provider's event causes it, and is stored.
    """
    needed = (
        not by_event,
        by_event,
        by_event,
        transition.saga.signals > 0,
        transition.event != "",
        transition.payment is not None,
        transition.state is State.REJECTED,
        announces,
    )
    return _compose(*(part for part, is_needed in zip(_ALL_PARTS, needed, strict=True) if is_needed))
