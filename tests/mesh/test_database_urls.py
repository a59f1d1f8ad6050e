"""What the URL of a database may say, and what is refused at the start, in one line that shows no password."""

from __future__ import annotations

import pytest

from mesh.database_urls import SCHEMES, check, driver_url, list_hosts

BASE = "postgresql+asyncpg://me:p%40%2F%23%25@db/booking"


@pytest.mark.parametrize(
    "url",
    [
        BASE,
        "postgresql://me@db/booking",
        "postgres://db",
        "postgresql+asyncpg://me@/booking?host=/run/postgresql&port=5433",
        "postgresql+asyncpg://me@a:5432,b:5433/booking?target_session_attrs=read-write",
        f"{BASE}?sslmode=require",
        f"{BASE}?sslmode=verify-full&sslrootcert={__file__}&ssl_min_protocol_version=TLSv1.3",
    ],
)
def test_what_libpq_reads_is_taken_as_it_is(url: str) -> None:
    assert check(url, SCHEMES) == url
    assert driver_url(url).startswith("postgresql://")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://db", r"must start with postgresql:// or postgres:// or postgresql\+asyncpg://"),
        (f"{BASE}?ssl=require", "'ssl' is no parameter of it; TLS is asked for by sslmode"),
        (f"{BASE}?sslmode=require&channel_binding=require", "'channel_binding' is no parameter of it"),
        (f"{BASE}?sslmode=on", "sslmode must be one of disable, "),
        (f"{BASE}?sslmode=verify-full", "sslmode=verify-full needs sslrootcert"),
        (f"{BASE}?sslmode=verify-ca&sslrootcert=/no/such.crt", "sslrootcert: /no/such.crt cannot be read"),
        (f"{BASE}?target_session_attrs=standby", "target_session_attrs must be one of any, primary, read-write"),
        (f"{BASE}?sslmode", "its parameters after the"),
        ("postgresql://me:hunter2@db:http/x", "its hosts must be host:port"),
        ("postgresql://me:hunter2@db:70000/x", "a port must be a number from 1 to 65535"),
        ("postgresql://me:hunter2@/x?host=a,b,c&port=1,2", "another number of ports than of hosts"),
        *((f"postgresql://me:hunter2{sign}@db/x", "must be percent-encoded: @ is %40") for sign in "@/#%?[]"),
        ("postgresql://me:hunter2%zz@db/x", "must be percent-encoded"),
        ("postgresql://me:hunter2\N{FULLWIDTH SOLIDUS}@db/x", "must be percent-encoded"),
    ],
)
def test_what_cannot_be_used_is_named_without_its_password(
    url: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match=words) as refused:
        check(url, SCHEMES)
    assert "hunter2" not in str(refused.value) and "\n" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://me@/x", []),
        ("postgresql://me@db/x", [("db", None)]),
        ("postgresql://me@a:1,b,[::1]:3/x", [("a", 1), ("b", None), ("::1", 3)]),
        ("postgresql://me@%2Frun%2Fpg:5433/x", [("/run/pg", 5433)]),
        ("postgresql://me@/x?host=/run/pg,db&port=5433,5434", [("/run/pg", 5433), ("db", 5434)]),
        ("postgresql://me@a,b/x?port=6432", [("a", 6432), ("b", 6432)]),
    ],
)
def test_the_hosts_come_in_the_urls_order(url: str, hosts: list[tuple[str, int | None]]) -> None:
    assert list_hosts(url) == hosts
