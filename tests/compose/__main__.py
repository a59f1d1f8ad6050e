"""`make compose-test`: what a user does with docker-compose.yml, on a project and ports of its own.

It builds, starts, waits for health, sells a lesson through the edge, runs operator commands, survives the death of a
process, and stops. It needs a Docker engine. ARGS=--built takes the images that are there; ARGS=--keep leaves all as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit.demo.lesson import sell_lesson_at

ROOT = Path(__file__).parents[2]
PROJECT = "tutormesh-compose-test"
SERVICES = ("availability", "booking", "session", "learning")
#: The commands of a container end in this time, or something is wrong.
SECONDS = 300
KILLED = 137


class ComposeFailed(Exception):
    """A step did not do what it should."""


@dataclass(frozen=True, slots=True)
class Compose:
    """One project of docker compose."""

    command: tuple[str, ...]
    environment: dict[str, str]

    def run(self, *arguments: str, seconds: float = SECONDS) -> str:
        """The output of a command of compose. Raises ComposeFailed."""
        return self._run(*self.command, "-p", PROJECT, *arguments, seconds=seconds)

    def exec(self, container: str, *command: str) -> str:
        """The output of a command in a running container."""
        return self.run("exec", "-T", container, *command)

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine says of a container."""
        (found,) = json.loads(self._run("docker", "inspect", self.run("ps", "-a", "-q", container).strip()))
        return dict(found)

    def state(self, container: str) -> dict[str, Any]:
        return dict(self.inspect(container)["State"])

    def _run(self, *command: str, seconds: float = SECONDS) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | self.environment, capture_output=True, text=True, timeout=seconds
        )
        if done.returncode:
            raise ComposeFailed(f"{' '.join(command)}: {done.stderr[-2000:] or done.stdout[-2000:]}")
        return done.stdout


def find_compose() -> tuple[str, ...]:
    """`docker compose`, or the older docker-compose."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True)
    if plugin.returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose", "-f", "docker-compose.yml", "-f", "tests/compose/version-1.yml")
    raise ComposeFailed("neither `docker compose` nor docker-compose is here")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Look each half second. Raises ComposeFailed after these seconds."""
    ends = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > ends:
            raise ComposeFailed(f"after {seconds:.0f} s: not {what}")
        time.sleep(0.5)


def is_healthy(compose: Compose, name: str) -> bool:
    return bool(compose.state(name).get("Health", {}).get("Status") == "healthy")


def sell_lesson(compose: Compose, edge: str, sandbox: str) -> str:
    """Sell one lesson as an app does, with tokens of the issuer's container. The id of the booking."""
    tutor = str(uuid.uuid4())
    of_tutor = compose.exec("issuer", "tutormesh", "token", "--role", "tutor", "--subject", tutor).strip()
    of_student = compose.exec("issuer", "tutormesh", "token", "--role", "student").strip()
    return asyncio.run(sell_lesson_at(edge, sandbox, tutor, of_tutor, of_student))


def check_operator(compose: Compose, booking: str) -> None:
    """The operator's commands work in their container, and everything is in order."""
    sagas = compose.exec("ops", "tutormesh", "saga", "list")
    expect("Book" in sagas and "COMPLETED" in sagas, f"saga list: {sagas}")
    expect("CONFIRMED" in compose.exec("ops", "tutormesh", "find", booking), "find")
    expect("clean" in compose.exec("ops", "tutormesh", "audit"), "audit")


def check_secrets(compose: Compose) -> None:
    """No URL has the password, and the keys that sign are in the issuer alone."""
    password = compose.environment["POSTGRES_PASSWORD"]
    for name in (*SERVICES, "payment", "bff", "ops"):
        given = compose.inspect(name)["Config"]["Env"]
        expect(all(password not in one or one == f"PGPASSWORD={password}" for one in given), f"{name} has the password")
        expect(not compose.exec(name, "find", "/var/lib/tutormesh/issuer", "-type", "f"), f"{name} has signing keys")
    expect("authority.pem" in compose.exec("issuer", "find", "/var/lib/tutormesh/issuer", "-type", "f"), "signing keys")


def check_death(compose: Compose) -> None:
    """A process dies; its container is started again and gets healthy."""
    before = compose.inspect("payment")
    with contextlib.suppress(ComposeFailed):  # the container ends under the shell too
        compose.exec("payment", "sh", "-c", "kill -9 -1")
    wait_until(lambda: compose.inspect("payment")["RestartCount"] > before["RestartCount"], "started again")
    wait_until(lambda: is_healthy(compose, "payment"), "healthy again")


def check_stop(compose: Compose) -> None:
    """All end by themselves, callers before those that they call, PostgreSQL last."""
    compose.run("stop")
    names = ("bff", "payment", *SERVICES, "postgres")
    states = {name: compose.state(name) for name in (*names, "issuer", "sandbox", "ops")}
    killed = [name for name, state in states.items() if state["ExitCode"] == KILLED]
    expect(not killed, f"had to be killed: {killed}")
    ended = {name: state["FinishedAt"] for name, state in states.items()}
    expect(ended["bff"] < ended["payment"] < min(ended[name] for name in SERVICES), f"order of the stop: {ended}")
    expect(max(ended[name] for name in SERVICES) < ended["postgres"], f"order of the stop: {ended}")


def expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise ComposeFailed(what)


def run_everything(compose: Compose, *, built: bool) -> None:
    """What a user does, in order. Raises ComposeFailed."""
    edge, sandbox = (f"http://127.0.0.1:{compose.environment[port]}" for port in ("EDGE_PORT", "STRIPE_SANDBOX_PORT"))
    if not built:
        tell("build", lambda: compose.run("build", seconds=1800))
    tell("up", lambda: compose.run("up", "-d", "--no-build", seconds=600))
    for name in ("bff", "payment", *SERVICES, "postgres", "issuer", "sandbox"):
        tell(f"{name} is healthy", lambda name=name: wait_until(lambda: is_healthy(compose, name), f"{name} healthy"))
    booking = tell("sell a lesson", lambda: sell_lesson(compose, edge, sandbox))
    tell("the operator's commands", lambda: check_operator(compose, booking))
    tell("the secrets", lambda: check_secrets(compose))
    tell("a process dies", lambda: check_death(compose))
    tell("sell another lesson", lambda: sell_lesson(compose, edge, sandbox))
    tell("stop", lambda: check_stop(compose))


def tell(what: str, step: Callable[[], Any]) -> Any:
    """Do a step, and print how long it took."""
    began = time.monotonic()
    answer = step()
    print(f"{what}: {time.monotonic() - began:.1f} s", flush=True)
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(prog="make compose-test", description=__doc__.partition("\n")[0])
    parser.add_argument("--built", action="store_true", help="take the images that are there")
    parser.add_argument("--keep", action="store_true", help="leave containers and volumes")
    given = parser.parse_args()
    environment = {
        "EDGE_PORT": str(free_port()),
        "STRIPE_SANDBOX_PORT": str(free_port()),
        "POSTGRES_PASSWORD": f"{secrets.token_hex(8)}@/#%",
        "LINK_SECRET": secrets.token_hex(32),
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
    }
    try:
        compose = Compose(find_compose(), environment)
        try:
            run_everything(compose, built=given.built)
        except (ComposeFailed, subprocess.TimeoutExpired):
            print(compose.run("logs", "--no-color", "--tail=30"), file=sys.stderr)
            raise
        finally:
            if not given.keep:
                compose.run("down", "--volumes", "--remove-orphans")
    except (ComposeFailed, subprocess.TimeoutExpired) as error:
        sys.exit(f"compose-test: {error}")


if __name__ == "__main__":
    main()
