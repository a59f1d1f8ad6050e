"""`tutormesh up`: run PostgreSQL, a Stripe sandbox and one process per service, keep them alive, stop them in order.

A start runs PostgreSQL together with the programs that have no database. It checks the databases' revisions, and then starts
the others together.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence

from devkit import databases
from devkit.environment import check_stripe_settings, environment, programs, shared_settings
from devkit.layout import HOST, METRICS_OFFSET, PROGRAMS, STORED, Layout, check_development
from devkit.people import write_tokens
from devkit.postgres import Postgres
from devkit.preflight import CannotStart, check_ports, lock_data_folder
from devkit.processes.child import Child, python
from devkit.processes.console import Console
from devkit.readiness import wait_until_listening, wait_until_ready
from mesh import proxies

TOKENS_EVERY_SECONDS = 3600
START_SECONDS = 30
#: The exit code of our programs when a setting is missing or malformed. They have printed its name.
MISCONFIGURED = 2
#: The order of stopping, callers before the services they call; and the seconds before a program is killed.
STOPS: Sequence[tuple[Sequence[str], float]] = (
    (("bff",), 5),
    (("payment",), 8),
    (("availability", "booking", "learning", "session"), 6),
    (("sandbox",), 3),
    (("postgres",), 6),
)

Commands = Mapping[str, Sequence[str]]
COMMANDS: Commands = {program.name: python(program.module) for program in PROGRAMS.values()}


class Launcher:
    """One mesh, from start to stop."""

    def __init__(self, layout: Layout, console: Console, commands: Commands = COMMANDS) -> None:
        self._layout, self._console, self._commands = layout, console, commands
        self._postgres = None if layout.foreign_server else databases.embedded(layout)
        self._was_ready = False
        self.children: list[Child] = []
        self._names = programs(layout.settings)

    @property
    def _server_url(self) -> str:
        return self._postgres.url() if self._postgres else str(self._layout.foreign_server)

    async def run(self, stopping: asyncio.Event) -> None:
        """Start the mesh, and keep it alive until `stopping` is set. Raises CannotStart, Misconfigured."""
        check_development(self._layout.settings)
        self._tell_of_proxies()
        check_stripe_settings(self._layout.settings)
        _ = self._layout.mesh_tls  # raises Misconfigured
        for name in self._names:
            self._layout.replicas(name)  # raises Misconfigured, before anything is started or migrated
        with lock_data_folder(self._layout.data):
            await check_ports(self._layout, self._names)
            starting = asyncio.create_task(self._start())
            asked = asyncio.create_task(stopping.wait())
            try:
                await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
                if starting.done():  # _start returns only by raising
                    await starting
            finally:
                starting.cancel()
                asked.cancel()
                await asyncio.gather(starting, asked, return_exceptions=True)
                await self._stop()

    async def _start(self) -> None:
        began = time.monotonic()
        self._write_tokens()
        stored = [program.name for program in STORED]
        for name in self._names:
            if name not in stored:
                self._start_program(name)
        await self._start_postgres()
        await self._migrate()
        for name in stored:
            self._start_program(name)
        await self._wait_until_ready()
        await self._load_demo()
        self._print_summary(time.monotonic() - began)
        while True:
            await asyncio.sleep(TOKENS_EVERY_SECONDS)
            self._write_tokens()

    def _write_tokens(self) -> None:
        self._layout.write_service_tokens()
        self._layout.write_service_certificates()
        write_tokens(self._layout)

    def _tell_of_proxies(self) -> None:
        if names := proxies.configured(self._layout.settings):
            self._console.plain(
                f"{', '.join(names)}: only what leaves this machine uses the proxy (Stripe, your webhooks);"
                f" {HOST} and localhost do not"
            )

    async def _wait_until_ready(self) -> None:
        """Wait until every service serves. Raises CannotStart when a program gave up because of its settings."""
        serving = asyncio.create_task(self._wait_until_serving())
        giving_up = [asyncio.create_task(child.wait_until_given_up()) for child in self.children]
        try:
            await asyncio.wait([serving, *giving_up], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (serving, *giving_up):
                task.cancel()
        if unable := [child.name for child in self.children if child.gave_up]:
            raise CannotStart(f"{', '.join(unable)}: a setting cannot be used; the lines above say which")
        self._was_ready = True

    async def _wait_until_serving(self) -> None:
        # The edge is asked last: what it cannot reach yet, it would try again after a pause.
        await wait_until_listening(self._layout.port(program.name) for program in STORED)
        await wait_until_ready(self._layout.port("bff"))

    def _is_hopeless(self, code: int) -> bool:
        """True for a bad setting at the start. Settings do not change later, so the same code then has another cause."""
        return code == MISCONFIGURED and not self._was_ready

    def _start_program(self, name: str) -> None:
        known = databases.urls(self._server_url)
        for number in range(1, self._layout.replicas(name) + 1):
            label = name if self._layout.replicas(name) == 1 else f"{name}.{number}"
            own = environment(self._layout, name, known.get(name), number)
            child = self._make_child(label, self._commands[name], own)
            self.children.append(child)
            child.start()

    def _make_child(self, label: str, argv: Sequence[str], own: dict[str, str]) -> Child:
        return Child(label, argv, own, self._console, self._layout.root, is_hopeless=self._is_hopeless)

    async def _start_postgres(self) -> None:
        if self._postgres is None:
            return
        child = postgres_child(self._postgres, self._layout, self._console)
        self.children.append(child)
        child.start()
        deadline = time.monotonic() + START_SECONDS
        while child.process is None or not self._postgres.is_ready(child.process.pid):
            if time.monotonic() > deadline or child.starts > 3:
                raise CannotStart("PostgreSQL does not start; the lines above say why")
            await asyncio.sleep(0.01)

    async def _migrate(self) -> None:
        await databases.make_missing(self._server_url)
        if not await databases.are_current(self._server_url):
            urls = databases.urls(self._server_url)
            own = {f"{name.upper()}_DATABASE_URL": url for name, url in urls.items()}
            await self._run_once("migrate", python("ops", "migrate"), own)

    async def _load_demo(self) -> None:
        loaded = self._layout.data / "demo.loaded"
        if not loaded.exists():
            await self._run_once("demo", python("devkit.demo.data"), {})
            loaded.touch()

    async def _run_once(self, label: str, argv: Sequence[str], own: dict[str, str]) -> None:
        if await self._make_child(label, argv, shared_settings(self._layout.settings) | own).run_once() != 0:
            raise CannotStart(f"{label} failed; the lines above say why")

    def _print_summary(self, seconds: float) -> None:
        self._console.plain("")
        self._console.table(_summary(self._layout, self._names))
        self._console.plain(
            f"\nstarted in {seconds:.1f} s; Ctrl-C stops everything; data is kept in {self._layout.data}"
        )
        self._console.plain("ready")

    async def _stop(self) -> None:
        for names, seconds in STOPS:
            children = [child for child in self.children if child.name.split(".")[0] in names]
            await asyncio.gather(*(child.stop(seconds) for child in children))
        if self._postgres is not None:
            self._postgres.remove_sockets()


def postgres_child(postgres: Postgres, layout: Layout, console: Console) -> Child:
    """The embedded PostgreSQL as a child process."""
    return Child(
        "postgres",
        postgres.argv,
        shared_settings(layout.settings),
        console,
        layout.data,
        before_exec=postgres.before_exec,
        prepare=postgres.prepare,
        stops=(signal.SIGINT, signal.SIGQUIT, signal.SIGKILL),
    )


async def run_mesh(layout: Layout) -> None:
    """Run one mesh until SIGINT, SIGTERM or SIGHUP."""
    await Launcher(layout, Console()).run(watch_signals())


def watch_signals() -> asyncio.Event:
    """An event that the first signal sets. Further signals (a terminal's, and make's) change nothing."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def _summary(layout: Layout, names: Sequence[str]) -> dict[str, str]:
    rows = {
        "pages": f"{layout.url('bff')}/ (the shop, the explorer, the mails)",
        "GraphQL": f"{layout.url('bff')}/graphql (in a browser: the explorer)",
        "webhooks": f"{layout.url('bff')}/webhooks/stripe",
        "health": f"{layout.url('bff')}/readyz",
        "metrics": f"http://{HOST}:{layout.metrics_port('bff')}/metrics (of every process {METRICS_OFFSET} above its port)",
    }
    rows |= {f"gRPC {program.name}": layout.address(program.name) for program in STORED}
    if "sandbox" in names:
        rows["Stripe sandbox"] = layout.url("sandbox")
        rows["mail"] = f"{layout.url('sandbox')}/mailbox (taken on smtp://{HOST}:{layout.mail_port})"
    return rows
