"""`tutormesh trace`: which traces belong to a booking, and how they are drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from ops.__main__ import main

SECOND = 1_000_000_000


def span(trace: str, name: str, at: float, *, parent: str = "", about: str = "", **more: Any) -> dict[str, Any]:
    """A span as OTLP's JSON has it. It is its name's, lasts half a second, and is about a booking."""
    told = [{"key": "tutormesh.booking_id", "value": {"stringValue": about}}] if about else []
    times = {"startTimeUnixNano": str(int(at * SECOND)), "endTimeUnixNano": str(int((at + 0.5) * SECOND))}
    return {"traceId": trace, "spanId": name, "parentSpanId": parent, "name": name, "attributes": told, **times, **more}


def write(folder: Path, service: str, *spans: dict[str, Any]) -> None:
    named = [{"key": "service.name", "value": {"stringValue": service}}]
    batch = {"resourceSpans": [{"resource": {"attributes": named}, "scopeSpans": [{"spans": list(spans)}]}]}
    folder.joinpath("traces").mkdir(exist_ok=True)
    with folder.joinpath("traces", f"{service}.jsonl").open("a") as file:
        file.write(json.dumps(batch) + "\n")


def trace(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["trace", *arguments], env={"TUTORMESH_DATA": str(folder)})
    return done.exit_code, done.output


def test_a_booking_has_the_traces_that_name_it_and_those_they_are_linked_to(tmp_path: Path) -> None:
    write(tmp_path, "bff", span("t1", "book", 1))
    write(tmp_path, "payment", span("t2", "run", 9, about="b1", links=[{"traceId": "t1", "spanId": "book"}]))
    write(tmp_path, "payment", span("t3", "other", 5, about="b2"))
    code, output = trace(tmp_path, "b1")
    assert code == 0
    assert "trace t1" in output and "trace t2" in output and "t3" not in output
    assert output.index("t1") < output.index("t2")
    assert output.splitlines()[-3].endswith("Z  follows t1")


def test_a_span_stands_under_its_parent_of_another_service_with_its_milliseconds_and_its_error(tmp_path: Path) -> None:
    failed = {"status": {"code": "STATUS_CODE_ERROR"}}
    write(tmp_path, "payment", span("t1", "call", 1.25, parent="book", about="b1", **failed))
    write(tmp_path, "bff", span("t1", "book", 1))
    _, output = trace(tmp_path, "t1")
    assert output.splitlines()[1:3] == [
        "      0.0 ms    500.0 ms  bff            book",
        "    250.0 ms    500.0 ms  payment          call  ERROR",
    ]


def test_statements_are_shown_on_request(tmp_path: Path) -> None:
    statement = span("t1", "SELECT", 1, parent="book", about="b1")
    statement["attributes"].append({"key": "db.query.text", "value": {"stringValue": "select 1"}})
    write(tmp_path, "bff", span("t1", "book", 1, about="b1"), statement)
    assert "SELECT" not in trace(tmp_path, "b1")[1]
    assert "SELECT" in trace(tmp_path, "b1", "--sql")[1]


def test_half_a_line_is_left_out_and_an_unknown_id_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "bff", span("t1", "book", 1, about="b1"))
    with tmp_path.joinpath("traces", "bff.jsonl").open("a") as file:
        file.write('{"resourceSpans": [')
    assert trace(tmp_path, "b1")[0] == 0
    assert trace(tmp_path, "b9") == (1, "Error: no span of the mesh's 1 files is about b9\n")
