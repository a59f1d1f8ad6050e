"""For who runs the marketplace: is money coming in, what is refused, and what waits for a person."""

from __future__ import annotations

from devkit.boards.panels import ALERTS, Board, Number, Panel, Query, Row, add, in_units, per_minute, quantile, total

_LESSON, _SEAT = "BookAndPayForSessionSaga", "EnrollInCourseSaga"
_SALES = f'kind=~"{_LESSON}|{_SEAT}"'
_MOVES = "tutormesh_saga_transitions_total"
_ENDS = f'{_SALES},state=~"COMPLETED|REJECTED|PAYMENT_FAILED|EXPIRED|CANCELLED|REFUNDED"'
_SOLD = f'sum(increase({_MOVES}{{{_SALES},state="COMPLETED"}}[1h]))'

_NOW = Row(
    "Now",
    (
        Number(
            "Sold in the last hour",
            "Lessons and seats of courses that were paid and are confirmed.",
            Query(add(_SOLD), "sold"),
            runbook="somebody-asks-about-a-purchase",
        ),
        Number(
            "Ended with a sale",
            "The share of the purchases that ended in the last hour. The others were refused, declined, left or cancelled.",
            Query(f"{_SOLD} / sum(increase({_MOVES}{{{_ENDS}}}[1h]))", "sold"),
            unit="percentunit",
            runbook="somebody-asks-about-a-purchase",
        ),
        Number(
            "Wait for payment",
            "Lessons and seats that are held, and not paid yet.",
            Query(add(total("tutormesh_sagas_open", "kind", f'{_SALES},state="AWAITING_PAYMENT"')), "held"),
            runbook="somebody-asks-about-a-purchase",
        ),
        Number(
            "Wait for a person",
            "Purchases, events of a payment provider and messages that no machine goes on with.",
            Query(
                add(
                    total("tutormesh_sagas_parked", "reason"),
                    total("tutormesh_inbox_events", "status", 'status="PARKED"'),
                    total("tutormesh_messages", "channel", 'status="DEAD"'),
                ),
                "waiting",
            ),
            alarm=1,
            runbook="a-saga-is-parked",
        ),
        Number(
            "Faults that people met",
            "Answers of the last hour that say that we, or the payment provider, could not.",
            Query(
                add(
                    'sum(increase(tutormesh_graphql_errors_total{code=~"UNAVAILABLE|INTERNAL"}[1h]))',
                    "sum(increase(tutormesh_graphql_user_errors_total"
                    '{code=~"TRY_AGAIN|PAYMENT_PROVIDER_UNAVAILABLE"}[1h]))',
                    'sum(increase(tutormesh_bff_requests_total{status=~"5..",route!~"/webhooks/.*|/readyz"}[1h]))',
                ),
                "faults",
            ),
            alarm=10,
        ),
        ALERTS,
    ),
)
_SALES_OVER_TIME = Row(
    "Sales",
    (
        Panel(
            "Sold",
            "Sales a minute, by what was sold.",
            (
                Query(per_minute(_MOVES, "state", f'kind="{_LESSON}",state="COMPLETED"'), "lessons"),
                Query(per_minute(_MOVES, "state", f'kind="{_SEAT}",state="COMPLETED"'), "seats of courses"),
            ),
            unit="cpm",
            stacked=True,
            runbook="somebody-asks-about-a-purchase",
        ),
        Panel(
            "How purchases end",
            "Ends a minute. REJECTED: the time was taken. EXPIRED: not paid in time. REFUNDED: paid too late, or cancelled.",
            (Query(per_minute(_MOVES, "state", _ENDS), "{{state}}"),),
            unit="cpm",
            stacked=True,
            runbook="somebody-asks-about-a-purchase",
        ),
        Panel(
            "Holds",
            "What is held and waits for payment, and what was paid and is being confirmed.",
            (
                Query(
                    f'sum by (state) (max by (kind, state) (tutormesh_sagas_open{{{_SALES},state!="PARKED"}}))',
                    "{{state}}",
                ),
            ),
            runbook="somebody-asks-about-a-purchase",
        ),
    ),
)
_MONEY = Row(
    "Money",
    (
        Panel(
            "Taken",
            "Prices of what was sold in the hour before, by currency. Each mark is ten times the one below.",
            (Query(in_units("increase", "tutormesh_sold_minor_units_total", "[1h]"), "{{currency}}"),),
            is_logarithmic=True,
            runbook="somebody-asks-about-a-purchase",
        ),
        Panel(
            "Given back",
            "Refunds of the hour before that have succeeded, by currency. Each mark is ten times the one below.",
            (Query(in_units("increase", "tutormesh_refunded_minor_units_total", "[1h]"), "{{currency}}"),),
            is_logarithmic=True,
            runbook="a-refund-keeps-failing",
        ),
        Panel(
            "Refunds",
            "What became of refunds, a minute. GIVEN_UP: a person must decide.",
            (Query(per_minute("tutormesh_refunds_total", "status"), "{{status}}"),),
            unit="cpm",
            runbook="a-refund-keeps-failing",
        ),
    ),
)
_PEOPLE = Row(
    "What people meet",
    (
        Panel(
            "Refused by a rule",
            "userErrors a minute, such as SLOT_TAKEN, by code.",
            (Query(per_minute("tutormesh_graphql_user_errors_total", "code"), "{{code}}"),),
            unit="cpm",
            runbook="somebody-asks-about-a-purchase",
        ),
        Panel(
            "From order to sale",
            "Half of the sales, and 95 of 100, took at most so long. Most of it is the person who pays.",
            tuple(
                Query(quantile(share, "tutormesh_saga_duration_seconds", "", f'{_SALES},state="COMPLETED"'), name)
                for share, name in ((0.5, "half"), (0.95, "95 of 100"))
            ),
            unit="s",
            runbook="somebody-asks-about-a-purchase",
        ),
        Panel(
            "Messages",
            "Tries a minute to deliver mails and notifications, by channel and outcome.",
            (Query(per_minute("tutormesh_message_tries_total", "channel, outcome"), "{{channel}} {{outcome}}"),),
            unit="cpm",
            runbook="a-message-was-given-up",
        ),
    ),
)

BOARD = Board(
    "business",
    "tutormesh: business",
    "Sales, money, and what people meet.",
    (_NOW, _SALES_OVER_TIME, _MONEY, _PEOPLE),
)
