"""`make bench ARGS=--replicas`: lessons with two payment and two booking replicas, beside the same with one of each.

Two meshes run side by side, and their batches alternate. Two replicas sell more only where cores are free. How the calls
are shared shows on any machine.
"""

from __future__ import annotations

import contextlib
import os
from statistics import median

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench import lessons
from bench.batches import Batch, measure, sell
from bench.mesh import Mesh, run_mesh
from bench.results_page import table

REPLICATED = ("payment", "booking")
TWICE = {f"{name.upper()}_REPLICAS": "2" for name in REPLICATED}
STUDENTS, LESSONS, ROUNDS = 32, 160, 5


async def compare() -> str:
    """The report: medians of the rounds, their ratio, and the calls that each replica has served."""
    one: list[Batch] = []
    two: list[Batch] = []
    async with contextlib.AsyncExitStack() as stack:
        sides = []
        for batches, settings in ((one, {}), (two, TWICE)):
            mesh = await stack.enter_async_context(run_mesh(**settings))
            shop = await stack.enter_async_context(lessons.open_shop(mesh.layout))
            students = [await stack.enter_async_context(shop.student()) for _ in range(STUDENTS)]
            await sell(students, STUDENTS, [])  # warm
            sides.append((mesh, students, batches))
        before = await _count_served(sides[1][0])
        for turn in range(ROUNDS):
            for mesh, students, batches in sides if turn % 2 else reversed(sides):
                batches.append(await measure(mesh, [], sell(students, LESSONS, [])))
        after = await _count_served(sides[1][0])
    rates = [median(1 / batch.wall_each for batch in batches) for batches in (one, two)]
    shares = [[name, *(round(after[name, number] - before[name, number]) for number in (1, 2))] for name in REPLICATED]
    return (
        f"Lessons a second at {STUDENTS} students on {os.cpu_count()} cores, {ROUNDS} rounds of {LESSONS}: with one replica"
        f" {rates[0]:.1f}, with two {rates[1]:.1f}, x{rates[1] / rates[0]:.2f}\n\n"
        + table(["calls served", "replica 1", "replica 2"], shares)
    )


async def _count_served(mesh: Mesh) -> dict[tuple[str, int], float]:
    """How many calls each replica has served so far, by the metrics of each process."""
    found = {}
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        for name in REPLICATED:
            for number in (1, 2):
                answer = await http.get(f"http://127.0.0.1:{mesh.layout.metrics_port(name, number)}/metrics")
                families = text_string_to_metric_families(answer.raise_for_status().text)
                samples = (sample for family in families for sample in family.samples)
                counts = (one.value for one in samples if one.name == "tutormesh_rpc_duration_seconds_count")
                found[name, number] = sum(counts)
    return found
