"""For who is woken at night: which process, which RPC, which database, since when."""

from __future__ import annotations

from devkit.boards.panels import ALERTS, RATE, Board, Number, Panel, Query, Row, add, quantile, rate

_RPC, _FIELD = "tutormesh_rpc_duration_seconds", "tutormesh_graphql_field_duration_seconds"
_PROVIDER, _EDGE = "tutormesh_provider_call_duration_seconds", "tutormesh_bff_request_duration_seconds"
_FAULTS = 'code=~"INTERNAL|UNKNOWN|UNAVAILABLE|RESOURCE_EXHAUSTED|DEADLINE_EXCEEDED"'
_WRONG = 'outcome=~"unknown|unreadable|failed"'


def _of_process(expr: str) -> str:
    """With the name of the service, which a process tells in one metric only."""
    return f"{expr} * on (instance) group_left (service) tutormesh_build_info"


_BY_PROCESS = "{{service}} {{instance}}"

_NOW = Row(
    "Now",
    (
        Number(
            "Processes away",
            "Processes that answer no scrape.",
            Query(add('count(up{job="tutormesh"} == 0)'), "away"),
            alarm=1,
            runbook="a-replica-hangs",
        ),
        Number(
            "Databases in trouble",
            "Databases that do not answer, or take no writes, for at least one process.",
            Query(add("count(min by (database) (tutormesh_database_up) == 0)"), "in trouble"),
            alarm=1,
            runbook="the-database-is-away",
        ),
        Number(
            "RPCs that fail",
            "The share of served RPCs that ended with a fault of ours. Refusals by a rule are none.",
            Query(f"({add(f'sum(rate({_RPC}_count{{{_FAULTS}}}[5m]))')}) / sum(rate({_RPC}_count[5m]))", "of all RPCs"),
            unit="percentunit",
            alarm=0.05,
        ),
        Number(
            "GraphQL",
            "95 of 100 root fields are answered within this time.",
            Query(f"histogram_quantile(0.95, sum by (le) (rate({_FIELD}_bucket[5m])))", "95 of 100"),
            unit="s",
            alarm=2.5,
            runbook="traces",
        ),
        Number(
            "Slowest event loop",
            "The process that wakes its tasks latest: nine of ten wake-ups are at most so late.",
            Query(
                "max(histogram_quantile(0.9, sum by (instance, le) (rate(tutormesh_event_loop_lag_seconds_bucket[5m]))))",
                "late",
            ),
            unit="s",
            alarm=0.25,
            runbook="a-replica-hangs",
        ),
        ALERTS,
    ),
)
_GRAPHQL = Row(
    "GraphQL and the edge",
    (
        Panel(
            "Root fields",
            "Answered a second, by field.",
            (Query(rate(f"{_FIELD}_count", "field"), "{{field}}"),),
            "reqps",
        ),
        Panel(
            "How long root fields take",
            "95 of 100 are answered within this time, by field.",
            (Query(quantile(0.95, _FIELD, "field"), "{{field}}"),),
            "s",
            runbook="traces",
        ),
        Panel(
            "Errors",
            "GraphQL errors a second by code, and HTTP answers from 500 on. A failed GraphQL operation is a 200.",
            (
                Query(rate("tutormesh_graphql_errors_total", "code"), "{{code}}"),
                Query(rate("tutormesh_bff_requests_total", "route, status", 'status=~"5.."'), "{{status}} {{route}}"),
            ),
            "reqps",
        ),
        Panel(
            "How long HTTP requests take",
            "95 of 100 are answered within this time, by route.",
            (Query(quantile(0.95, _EDGE, "route"), "{{route}}"),),
            "s",
            runbook="traces",
        ),
        Panel(
            "Under way at the edge",
            "Requests that are being answered now, and RPCs that each service serves now.",
            (
                Query("sum by (instance) (tutormesh_bff_requests_in_flight)", "edge {{instance}}"),
                Query(_of_process('tutormesh_rpcs_in_progress{kind="unary"}'), _BY_PROCESS),
            ),
        ),
        Panel(
            "Turned away",
            "Requests a second beyond a person's rate, and tokens that were refused, by cause.",
            (
                Query("sum(rate(tutormesh_bff_rate_limited_total" + RATE + "))", "too many"),
                Query(rate("tutormesh_tokens_refused_total", "cause"), "token: {{cause}}"),
            ),
            "reqps",
            runbook="a-token-is-refused",
        ),
    ),
)
_RPCS = Row(
    "RPCs between services",
    (
        Panel("RPCs", "Served a second, by RPC.", (Query(rate(f"{_RPC}_count", "rpc"), "{{rpc}}"),), "reqps"),
        Panel(
            "How long RPCs take",
            "95 of 100 are served within this time, by RPC.",
            (Query(quantile(0.95, _RPC, "rpc"), "{{rpc}}"),),
            "s",
            runbook="traces",
        ),
        Panel(
            "RPCs that fail",
            "Faults of ours a second, by RPC and status code.",
            (Query(rate(f"{_RPC}_count", "rpc, code", _FAULTS), "{{rpc}} {{code}}"),),
            "reqps",
        ),
    ),
)
_DATABASES = Row(
    "Databases and the payment provider",
    (
        Panel(
            "Connections in use",
            "The share of a pool that is in use. At 1 transactions wait.",
            (
                Query(
                    "max by (database, instance) "
                    '(tutormesh_database_connections{state="in_use"} / on (database, instance) '
                    "tutormesh_database_connections_limit)",
                    "{{database}} {{instance}}",
                ),
            ),
            "percentunit",
            runbook="the-database-is-away",
        ),
        Panel(
            "Transactions that fail",
            "A second, by database and cause. Faults of the caller are none.",
            (Query(rate("tutormesh_database_failures_total", "database, cause"), "{{database}} {{cause}}"),),
            "reqps",
            runbook="the-database-is-away",
        ),
        Panel(
            "Calls of the provider",
            "A second, by call. `unknown`, `unreadable` and `failed` have no usable answer.",
            (
                Query(rate(f"{_PROVIDER}_count", "provider, call", 'outcome=~"ok|refused"'), "{{provider}} {{call}}"),
                Query(rate(f"{_PROVIDER}_count", "provider, call", _WRONG), "no answer: {{provider}} {{call}}"),
            ),
            "reqps",
        ),
    ),
)
_PROCESSES = Row(
    "Processes",
    (
        Panel(
            "Processor",
            "Cores that each process uses. A process cannot use more than about one.",
            (Query(_of_process(f"rate(process_cpu_seconds_total{RATE})"), _BY_PROCESS),),
        ),
        Panel(
            "Memory",
            "Resident memory of each process.",
            (Query(_of_process("process_resident_memory_bytes"), _BY_PROCESS),),
            "bytes",
        ),
        Panel(
            "Event loops",
            "Nine of ten wake-ups are at most so late.",
            (
                Query(
                    _of_process(quantile(0.9, "tutormesh_event_loop_lag_seconds", "instance")),
                    _BY_PROCESS,
                ),
            ),
            "s",
            runbook="a-replica-hangs",
        ),
        Panel(
            "Clocks",
            "How far the clock of a process is ahead of its database's.",
            (Query("tutormesh_database_clock_skew_seconds", "{{database}} {{instance}}"),),
            "s",
            runbook="a-token-is-refused",
        ),
        Panel(
            "Certificates",
            "How long the certificate in use is valid still. Only with MESH_TLS=on.",
            (
                Query(
                    "min by (service) (tutormesh_certificate_expiry_timestamp_seconds - time())",
                    "{{service}}",
                ),
            ),
            "s",
            runbook="a-certificate-is-refused",
        ),
        Panel(
            "Age of the processes",
            "A line that falls to 0 is a restart.",
            (Query(_of_process("(time() - process_start_time_seconds)"), _BY_PROCESS),),
            "s",
            runbook="a-replica-hangs",
        ),
    ),
)

BOARD = Board(
    "engineering",
    "tutormesh: engineering",
    "Processes, RPCs, databases and the payment provider.",
    (_NOW, _GRAPHQL, _RPCS, _DATABASES, _PROCESSES),
)
