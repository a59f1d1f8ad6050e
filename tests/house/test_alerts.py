"""Each trouble raises the alert that is meant for it, and no other: promtool evaluates the rules over invented scrapes."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.house.conftest import ROOT
from tests.house.test_metrics import PROMTOOL, RULES, promtool

A = 'instance="a"'
PROVIDER = 'tutormesh_provider_call_duration_seconds_count{provider="stripe",outcome='
LAG = 'tutormesh_event_loop_lag_seconds_count{instance="a"}'
LATE = "tutormesh_webhook_lag_seconds_bucket{source="
#: Half an hour of a mesh in which nothing is wrong, a sample each half minute. A trouble replaces some of it.
QUIET = {
    f'up{{job="tutormesh",{A}}}': "1x60",
    f"process_start_time_seconds{{{A}}}": "-7200x60",
    LAG: "0+120x60",
    f'tutormesh_database_up{{ability="answer",database="payment",{A}}}': "1x60",
    f'tutormesh_database_up{{ability="write",database="payment",{A}}}': "1x60",
    f'tutormesh_database_failures_total{{cause="no_connection_free",database="payment",{A}}}': "0x60",
    f'tutormesh_database_clock_skew_seconds{{database="payment",{A}}}': "0.01x60",
    f'tutormesh_certificate_expiry_timestamp_seconds{{service="payment",{A}}}': "40000x60",
    'tutormesh_rpc_duration_seconds_count{rpc="BookingService/GetBooking",code="OK"}': "0+100x60",
    'tutormesh_rpc_duration_seconds_count{rpc="BookingService/GetBooking",code="UNAVAILABLE"}': "0x60",
    'tutormesh_graphql_errors_total{code="BAD_USER_INPUT"}': "0+50x60",
    'tutormesh_graphql_errors_total{code="UNAVAILABLE"}': "0x60",
    'tutormesh_graphql_user_errors_total{field="bookSession",code="SLOT_TAKEN"}': "0+50x60",
    'tutormesh_bff_requests_total{route="/readyz",method="GET",status="503"}': "0+50x60",
    'tutormesh_bff_requests_total{route="/webhooks/stripe",method="POST",status="503"}': "0+50x60",
    'tutormesh_bff_requests_total{route="/api/v1/bookings",method="POST",status="503"}': "0x60",
    f'{PROVIDER}"ok",call="create_intent"}}': "0+20x60",
    f'{PROVIDER}"unknown",call="create_intent"}}': "0x60",
    f'{PROVIDER}"ok",call="recent_events"}}': "0+20x60",
    f'{LATE}"webhook",le="5"}}': "0+10x60",
    f'{LATE}"webhook",le="300"}}': "0+10x60",
    f'{LATE}"webhook",le="+Inf"}}': "0+10x60",
    'tutormesh_reconcile_found_total{stage="waiting"}': "0x10 1x50",
    'tutormesh_webhook_events_total{type="payment_intent.succeeded",verdict="Ignore"}': "0x11 1x49",
    'tutormesh_reconcile_found_total{stage="untold"}': "0x60",
    'tutormesh_webhook_events_total{type="charge.refunded",verdict="Ignore"}': "0x60",
    f"tutormesh_reconcile_timestamp_seconds{{{A}}}": "0+30x60",
    "tutormesh_saga_oldest_due_seconds": "0.2x60",
    'tutormesh_saga_takeovers_total{kind="BookAndPayForSessionSaga"}': "0x60",
    'tutormesh_sagas_parked{reason="DISPUTED"}': "0x60",
    'tutormesh_sagas_parked{reason="REFUND_GIVEN_UP"}': "0x60",
    'tutormesh_inbox_events{status="PARKED"}': "0x60",
    "tutormesh_inbox_oldest_seconds": "3x60",
    'tutormesh_messages{channel="email",status="DEAD"}': "0x60",
    'tutormesh_tokens_refused_total{cause="not_yet_valid"}': "0x60",
    'tutormesh_audit_breaches{invariant="I2"}': "0x60",
    "tutormesh_audit_timestamp_seconds": "0x60",
}
#: What changes for each alert, by the beginning of the series. An alert that has two troubles is named by its first word.
TROUBLES: dict[str, dict[str, str]] = {
    "": {},
    "ProcessAway": {"up{": "1x20 0x40"},
    "ProcessStandsStill": {LAG: "0+120x20 2400x40"},
    "DatabaseAway": {"tutormesh_database_up": "1x20 0x40"},
    "DatabaseTakesNoWrites": {'tutormesh_database_up{ability="write"': "1x20 0x40"},
    "ConnectionsUsedUp": {"tutormesh_database_failures_total": "0x40 2+2x20"},
    "ClockSkew": {"tutormesh_database_clock_skew_seconds": "-3x60"},
    "CertificateEnds": {"tutormesh_certificate_expiry": "4000x60"},
    "RpcsFail": {'tutormesh_rpc_duration_seconds_count{rpc="BookingService/GetBooking",code="UNAV': "0x20 10+10x40"},
    "PeopleGetErrors": {'tutormesh_graphql_errors_total{code="UNAV': "0x20 3+3x40"},
    "PeopleGetErrors by REST": {'tutormesh_bff_requests_total{route="/api': "0x20 3+3x40"},
    "ProviderAway": {f'{PROVIDER}"ok",call="create': "0+20x20 400x40", f'{PROVIDER}"unknown"': "0x20 4+4x40"},
    "WebhooksAreLate": {f'{LATE}"webhook",le="5"': "0x60"},
    "WebhooksAreLost": {'tutormesh_reconcile_found_total{stage="waiting"': "0x10 1x40 2x10"},
    "ReconcileStandsStill": {"tutormesh_reconcile_timestamp_seconds": "0x60"},
    "SagasStandStill": {"tutormesh_saga_oldest_due_seconds": "0+10x60"},
    "SagasAreTakenOver": {"tutormesh_saga_takeovers_total": "0x40 1+1x20"},
    "SagaParked": {'tutormesh_sagas_parked{reason="DISPUTED"': "0x50 1x10"},
    "RefundGivenUp": {'tutormesh_sagas_parked{reason="REFUND_GIVEN_UP"': "0x50 1x10"},
    "EventParked": {"tutormesh_inbox_events": "0x50 1x10"},
    "InboxStandsStill": {"tutormesh_inbox_oldest_seconds": "3000+30x60"},
    "DeadLetters": {"tutormesh_messages": "0x50 1x10"},
    "TokensRefused": {"tutormesh_tokens_refused_total": "0x40 5+5x20"},
    "AuditBreach": {"tutormesh_audit_breaches": "0x50 1x10"},
    "AuditIsOld": {"tutormesh_audit_timestamp_seconds": "-90000x60"},
}


def case(trouble: str) -> dict[str, object]:
    series, alert = {}, trouble.partition(" ")[0]
    for name, values in QUIET.items():
        series[name] = changed(name, values, TROUBLES[trouble])
    expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else []
    fires = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "30m", "exp_samples": expected}
    given = [{"series": name, "values": values} for name, values in series.items()]
    return {"name": trouble or "quiet", "interval": "30s", "input_series": given, "promql_expr_test": [fires]}


def changed(name: str, values: str, trouble: dict[str, str]) -> str:
    return next((instead for begin, instead in trouble.items() if name.startswith(begin)), values)


def test_every_alert_has_a_trouble_but_the_one_of_a_quantile() -> None:
    assert {rule["alert"] for rule in RULES} - TROUBLES.keys() == {"EventLoopLags"}


@PROMTOOL
def test_each_trouble_raises_its_alert_and_no_other(tmp_path: Path) -> None:
    cases = [case(trouble) for trouble in TROUBLES]
    rules = {"rule_files": [str(ROOT / "deploy" / "alerts.yml")], "evaluation_interval": "30s", "tests": cases}
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(rules))
    promtool("test", "rules", str(tmp_path / "cases.yml"))
