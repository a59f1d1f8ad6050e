"""The process itself: its version, its event loop, its certificate."""

from __future__ import annotations

import asyncio
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import ProcessCollector

from mesh.certificates import Certificates
from mesh.metrics.registry import REGISTRY, counter, gauge, histogram

BUILD = gauge(
    "tutormesh_build_info", "Always 1; the labels say which service this is, and its version.", ("service", "version")
)
LAG = histogram(
    "tutormesh_event_loop_lag_seconds",
    "How late the event loop woke a task that had slept; four samples a second.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
EXPIRY = gauge(
    "tutormesh_certificate_expiry_timestamp_seconds",
    "When the certificate in use ends, Unix time. Only with MESH_TLS=on.",
    ("service",),
)
TOKENS_REFUSED = counter(
    "tutormesh_tokens_refused_total",
    "Tokens that were refused, by cause: expired, not_yet_valid, unknown_key and further ones.",
    ("cause",),
)
SAMPLE_SECONDS = 0.25
# An alert on growth needs the 0 from which a number grows.
for _cause in ("not_yet_valid", "unknown_key", "issuer", "audience"):
    TOKENS_REFUSED.labels(_cause)

ProcessCollector(registry=REGISTRY)


def describe(service: str, certificates: Certificates | None) -> None:
    """Say which process this is, and until when its certificate is valid."""
    BUILD.labels(service, _version()).set(1)
    if certificates is not None:
        EXPIRY.labels(service).set_function(lambda: certificates.current().ends.timestamp())


async def measure_lag() -> None:
    """Measure until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        wakes_at = loop.time() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        LAG.observe(max(0.0, loop.time() - wakes_at))


def _version() -> str:
    try:
        return version("tutormesh")
    except PackageNotFoundError:  # a container runs from the source, without an installed package
        return "source"
