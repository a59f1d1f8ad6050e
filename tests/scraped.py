"""What metrics say: those of a process, by its port, and those of the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import httpx
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from mesh.metrics.registry import REGISTRY

#: How long a replica may take to begin.
STARTS_SECONDS = 20.0


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self.samples: list[Sample] = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name and these labels; 0 when there is none."""
        return sum(sample.value for sample in self._found(name, labels))

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {sample.labels[label] for sample in self._found(name, {})}

    def _found(self, name: str, labels: dict[str, str]) -> Iterator[Sample]:
        for sample in self.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                yield sample


def own() -> Scrape:
    """Those of this process. Other tests have counted before: compare two of them."""
    return Scrape(generate_latest(REGISTRY).decode())


async def scrape(http: httpx.AsyncClient, ports: Iterable[int]) -> Scrape:
    """Those of the processes with these metrics ports, together. A mesh is ready before its last replica has begun."""
    answers = [await _answer_of(http, port) for port in ports]
    return Scrape("".join(answer.raise_for_status().text for answer in answers))


async def _answer_of(http: httpx.AsyncClient, port: int) -> httpx.Response:
    async with asyncio.timeout(STARTS_SECONDS):
        while True:
            try:
                return await http.get(f"http://127.0.0.1:{port}/metrics")
            except httpx.ConnectError:
                await asyncio.sleep(0.1)
