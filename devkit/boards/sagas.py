"""For who looks after purchases under way: sagas, the events that move them, and what holds them up."""

from __future__ import annotations

from devkit.boards.panels import ALERTS, RATE, Board, Number, Panel, Query, Row, add, per_minute, quantile, rate, total

_PROVIDER = "tutormesh_provider_call_duration_seconds"
_SHARES = ((0.5, "half"), (0.95, "95 of 100"))

_NOW = Row(
    "Now",
    (
        Number(
            "Open",
            "Sagas that have not ended. Most of them wait for a person to pay.",
            Query(add(total("tutormesh_sagas_open", "kind, state")), "open"),
            runbook="somebody-asks-about-a-purchase",
        ),
        Number(
            "Longest due",
            "How long the saga that is due for longest waits for a process to run it.",
            Query("max(tutormesh_saga_oldest_due_seconds)", "due"),
            unit="s",
            alarm=30,
            runbook="a-saga-is-parked",
        ),
        Number(
            "Parked",
            "Sagas that wait for a person: `tutormesh saga list`.",
            Query(add(total("tutormesh_sagas_parked", "reason")), "parked"),
            alarm=1,
            runbook="a-saga-is-parked",
        ),
        Number(
            "Oldest event",
            "The age of the oldest stored event of a provider that waits for a machine.",
            Query("max(tutormesh_inbox_oldest_seconds)", "waits"),
            unit="s",
            alarm=3600,
            runbook="an-event-is-parked",
        ),
        Number(
            "Last reconcile",
            "When a process last compared what is open with the payment provider.",
            Query("time() - max(tutormesh_reconcile_timestamp_seconds)", "ago"),
            unit="s",
            alarm=900,
            runbook="the-webhook-secret-is-lost-or-was-rotated",
        ),
        ALERTS,
    ),
)
_SAGAS = Row(
    "Sagas",
    (
        Panel(
            "Open",
            "Sagas that have not ended, by state.",
            (Query("sum by (state) (max by (kind, state) (tutormesh_sagas_open))", "{{state}}"),),
            stacked=True,
            runbook="somebody-asks-about-a-purchase",
        ),
        Panel(
            "Transitions",
            "Changes of state a minute, by the state after.",
            (Query(per_minute("tutormesh_saga_transitions_total", "state"), "{{state}}"),),
            unit="cpm",
            runbook="somebody-asks-about-a-purchase",
        ),
        Panel(
            "From beginning to end",
            "95 of 100 sagas took at most so long, by kind and end. People who pay are a part of it.",
            (Query(quantile(0.95, "tutormesh_saga_duration_seconds", "kind, state"), "{{kind}} {{state}}"),),
            unit="s",
            runbook="traces",
        ),
    ),
)
_TROUBLE = Row(
    "What holds sagas up",
    (
        Panel(
            "Tries that failed",
            "Tries a minute that are repeated, by reason.",
            (Query(per_minute("tutormesh_saga_backoffs_total", "reason"), "{{reason}}"),),
            unit="cpm",
            runbook="a-saga-is-parked",
        ),
        Panel(
            "Owners that died or stood still",
            "Sagas a minute that another process took over, and runs that stopped because of it.",
            (
                Query(f"60 * sum(rate(tutormesh_saga_takeovers_total{RATE}))", "taken over"),
                Query(f"60 * sum(rate(tutormesh_saga_fences_lost_total{RATE}))", "runs that stopped"),
            ),
            unit="cpm",
            runbook="a-replica-hangs",
        ),
        Panel(
            "Parked",
            "Sagas that wait for a person, by reason.",
            (Query("max by (reason) (tutormesh_sagas_parked)", "{{reason}}"),),
            stacked=True,
            runbook="a-saga-is-parked",
        ),
    ),
)
_EVENTS = Row(
    "Events of the provider",
    (
        Panel(
            "Events",
            "Webhooks and events that reconcile found, a minute, by what was decided.",
            (Query(per_minute("tutormesh_webhook_events_total", "verdict"), "{{verdict}}"),),
            unit="cpm",
            runbook="the-webhook-secret-is-lost-or-was-rotated",
        ),
        Panel(
            "How old events are",
            "The age of an event when it was applied or stored, by who brought it.",
            tuple(
                Query(quantile(share, "tutormesh_webhook_lag_seconds", "source"), f"{name}, {{{{source}}}}")
                for share, name in _SHARES
            ),
            unit="s",
            runbook="the-webhook-secret-is-lost-or-was-rotated",
        ),
        Panel(
            "Found by reconcile",
            "What no webhook had told, a minute, by stage.",
            (Query(per_minute("tutormesh_reconcile_found_total", "stage"), "{{stage}}"),),
            unit="cpm",
            runbook="the-webhook-secret-is-lost-or-was-rotated",
        ),
        Panel(
            "Stored events",
            "Events that are not done. NEWS waits for a run, INBOX for the inbox, PARKED for a person.",
            (Query("max by (status) (tutormesh_inbox_events)", "{{status}}"),),
            runbook="an-event-is-parked",
        ),
        Panel(
            "How long the provider takes",
            "95 of 100 calls are answered within this time, by call.",
            (Query(quantile(0.95, _PROVIDER, "provider, call"), "{{provider}} {{call}}"),),
            unit="s",
            runbook="traces",
        ),
        Panel(
            "Outcomes of the provider's calls",
            "Calls a second, by outcome.",
            (Query(rate(f"{_PROVIDER}_count", "outcome"), "{{outcome}}"),),
            unit="reqps",
        ),
    ),
)
_AFTERWARDS = Row(
    "Refunds and messages",
    (
        Panel(
            "Refunds",
            "What became of refunds, a minute.",
            (Query(per_minute("tutormesh_refunds_total", "status"), "{{status}}"),),
            unit="cpm",
            runbook="a-refund-keeps-failing",
        ),
        Panel(
            "Messages that wait",
            "PENDING messages, and dead letters, by channel.",
            (Query("max by (channel, status) (tutormesh_messages)", "{{channel}} {{status}}"),),
            runbook="a-message-was-given-up",
        ),
        Panel(
            "Runs",
            "Runs of sagas under way, by process.",
            (Query("tutormesh_saga_runs_in_progress", "{{instance}}"),),
            runbook="a-replica-hangs",
        ),
    ),
)

BOARD = Board(
    "sagas",
    "tutormesh: sagas",
    "Purchases under way, and what holds them up.",
    (_NOW, _SAGAS, _TROUBLE, _EVENTS, _AFTERWARDS),
)
