"""The statements of callback.py, over its tables."""

from __future__ import annotations

from mesh.statements import text

_SELECT = """
    select p.*, (select a.reference from callback_attempt a where a.callback_payment_id = p.id
                 order by a.at desc, a.reference limit 1) as failed_reference
    from callback_payment p
"""
# A payment to collect appears once per saga.
OPEN = text("""
    insert into callback_payment (id, saga_id, payment_id, amount_minor, currency, status, engine)
    values (:id, :saga, :payment, :amount, :currency, 'requires_payment', :engine)
    on conflict (saga_id) do nothing
""")
# The first session that the provider names is the payment's.
OPEN_SESSION = text("""
    update callback_payment set session_id = :session, payment_url = :url, updated_at = clock_timestamp()
    where id = :id and session_id is null
""")
# Another payment that this provider has used a reference for.
USED_BY_ANOTHER = text("""
    select 1 from callback_reference r join callback_payment p on p.id = :id and p.engine = r.engine
    where r.reference = :reference and r.callback_payment_id <> p.id
""")
# A reference is kept by the statement that it changes something by: `callback_reference_pkey` refuses it to two payments.
_KEEP_REFERENCE = """
    kept as (insert into callback_reference (engine, reference, callback_payment_id)
        select distinct engine, :reference, id from changed on conflict (engine, reference, callback_payment_id) do nothing)
"""
OF_SAGA = text(_SELECT + "where p.saga_id = :saga")
GET = text(_SELECT + "where p.id = :id")
# Nobody shall collect it any more, unless it was collected.
CALL_OFF = text("""
    update callback_payment set status = 'canceled', updated_at = clock_timestamp()
    where id = :id and status = 'requires_payment'
""")
# It was collected. The provider may collect a payment that we called off. That counts only after the saga has ended,
# because only then does somebody refund it.
PAY = text(f"""
    with changed as (
        update callback_payment p set status = 'succeeded', reference = :reference, updated_at = clock_timestamp()
        where id = :id and (status = 'requires_payment' or status = 'canceled' and exists (
            select 1 from saga s where s.id = p.saga_id and s.is_complete)) returning id, engine
    ), {_KEEP_REFERENCE}
    select 1 from changed
""")  # noqa: S608 - constants only
# It will not be collected. What the provider collects all the same comes after the saga's end.
FAIL = text(f"""
    with changed as (
        update callback_payment set status = 'canceled', updated_at = clock_timestamp()
        where id = :id and status = 'requires_payment' returning id, engine
    ), {_KEEP_REFERENCE}
    insert into callback_attempt (callback_payment_id, reference) select id, :reference from changed
    on conflict do nothing
""")  # noqa: S608 - constants only
DECLINED = text("select reference from callback_attempt where callback_payment_id = :id")
REFUND = text("""
    insert into callback_refund (id, callback_payment_id, amount_minor, currency, status)
    values (:id, :payment, :amount, :currency, 'pending') on conflict (id) do nothing
""")
REFUNDS = text("""
    select * from callback_refund where callback_payment_id = :id order by created_at desc, id desc limit 100
""")
# Every pending refund of the payment is paid. A repeated report pays no refund that was opened after the first report.
PAY_BACK = text(f"""
    with changed as (
        update callback_refund b set status = 'succeeded', reference = :reference, updated_at = clock_timestamp()
        from callback_payment p
        where p.id = :id and b.callback_payment_id = p.id and b.status = 'pending' and not exists (
            select 1 from callback_refund r where r.callback_payment_id = :id and r.reference = :reference)
        returning p.id, p.engine
    ), {_KEEP_REFERENCE}
    select 1 from changed
""")  # noqa: S608 - constants only
REPORTED = text("select 1 from callback_refund where callback_payment_id = :id and reference = :reference limit 1")
PAGE = text(_SELECT + "where p.id > :after order by p.id limit :most")
RECENT = text(
    _SELECT
    + """
    where p.updated_at >= now() - make_interval(secs => cast(:seconds as float8)) and p.status = 'succeeded'
    order by p.updated_at desc limit :most
"""
)
