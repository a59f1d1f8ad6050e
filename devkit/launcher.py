"""`tutormesh up`: one process per service, a PostgreSQL, a Stripe sandbox; kept alive, and stopped in order.

Warm start: PostgreSQL and the sandbox at once, one question per database, then all services at once.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence

from devkit import databases
from devkit.child import Child, python
from devkit.console import Console
from devkit.environment import bare, environment, must_be_whole, programs
from devkit.guards import Refused, ports_are_free, sole_owner
from devkit.layout import HOST, PROGRAMS, STORED, Layout
from devkit.postgres import Postgres
from devkit.readiness import ready

TOKENS_EVERY_SECONDS = 3600
START_SECONDS = 30
#: What our programs exit with when a setting is missing or malformed, which they have named.
MISCONFIGURED = 2
_LOOK_EVERY = 0.05
#: Who is stopped when, and how long each is given before it is killed: callers before the called.
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
        """Start everything, and keep it alive until `stopping` is set. Raises Refused, Misconfigured."""
        must_be_whole(self._layout.settings)
        with sole_owner(self._layout.data):
            await ports_are_free(self._layout, self._names)
            starting = asyncio.create_task(self._start())
            asked = asyncio.create_task(stopping.wait())
            try:
                await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
                if starting.done():  # it ends only by failing
                    await starting
            finally:
                starting.cancel()
                asked.cancel()
                await asyncio.gather(starting, asked, return_exceptions=True)
                await self._stop()

    async def _start(self) -> None:
        began = time.monotonic()
        self._write_tokens()
        if "sandbox" in self._names:
            self._keep("sandbox")
        await self._start_postgres()
        await self._migrate()
        for name in self._names:
            if name != "sandbox":
                self._keep(name)
        await self._all_ready()
        await self._load_demo()
        self._tell(time.monotonic() - began)
        while True:
            await asyncio.sleep(TOKENS_EVERY_SECONDS)
            self._write_tokens()

    async def _all_ready(self) -> None:
        """Until everything serves. Raises Refused when a program says that its settings never will do."""
        serving = asyncio.create_task(ready(self._layout.port("bff")))
        try:
            while not serving.done():
                await asyncio.wait([serving], timeout=_LOOK_EVERY)
                if unable := [child.name for child in self.children if child.gave_up]:
                    raise Refused(f"{', '.join(unable)}: a setting cannot be used; the lines above say which")
        finally:
            serving.cancel()
        self._was_ready = True

    def _hopeless(self, code: int) -> bool:
        """Settings do not change under way: what ends so later has another trouble, and is started again as ever."""
        return code == MISCONFIGURED and not self._was_ready

    def _keep(self, name: str) -> None:
        known = databases.urls(self._server_url)
        own = environment(self._layout, name, known.get(name))
        for number in range(1, self._layout.replicas(name) + 1):
            label = name if self._layout.replicas(name) == 1 else f"{name}.{number}"
            child = self._child(label, self._commands[name], own)
            self.children.append(child)
            child.start()

    def _child(self, label: str, argv: Sequence[str], own: dict[str, str]) -> Child:
        return Child(label, argv, own, self._console, self._layout.root, hopeless=self._hopeless)

    async def _start_postgres(self) -> None:
        if self._postgres is None:
            return
        child = postgres_child(self._postgres, self._layout, self._console)
        self.children.append(child)
        child.start()
        deadline = time.monotonic() + START_SECONDS
        while child.process is None or not self._postgres.is_ready(child.process.pid):
            if time.monotonic() > deadline or child.starts > 3:
                raise Refused("PostgreSQL does not start; the lines above say why")
            await asyncio.sleep(0.01)

    async def _migrate(self) -> None:
        if not await databases.all_current(self._server_url):
            known = databases.urls(self._server_url)
            await self._once(
                "migrate", python("ops", "migrate"), {f"{n.upper()}_DATABASE_URL": u for n, u in known.items()}
            )

    async def _load_demo(self) -> None:
        loaded = self._layout.data / "demo.loaded"
        if not loaded.exists():
            await self._once("demo", python("devkit.demo"), {})
            loaded.touch()

    async def _once(self, label: str, argv: Sequence[str], own: dict[str, str]) -> None:
        if await self._child(label, argv, bare(self._layout.settings) | own).once() != 0:
            raise Refused(f"{label} failed; the lines above say why")

    def _write_tokens(self) -> None:
        for name in (*self._names, "ops"):
            self._layout.write_service_token(name)

    def _tell(self, seconds: float) -> None:
        self._console.plain("")
        self._console.table(_told(self._layout, self._names))
        self._console.plain(
            f"\nstarted in {seconds:.1f} s; Ctrl-C stops everything; data is kept in {self._layout.data}"
        )
        self._console.plain("ready")

    async def _stop(self) -> None:
        for names, patience in STOPS:
            now = [child for child in self.children if child.name.split(".")[0] in names]
            await asyncio.gather(*(child.stop(patience) for child in now))
        if self._postgres is not None:
            self._postgres.forget_sockets()


def postgres_child(postgres: Postgres, layout: Layout, console: Console) -> Child:
    """The embedded PostgreSQL as a process to keep alive."""
    return Child(
        "postgres",
        postgres.argv,
        bare(layout.settings),
        console,
        layout.data,
        before_exec=postgres.before_exec,
        prepare=postgres.prepare,
        stops=(signal.SIGINT, signal.SIGQUIT, signal.SIGKILL),
    )


async def up(layout: Layout) -> None:
    """Run one mesh until a signal."""
    await Launcher(layout, Console()).run(_signals())


def _signals() -> asyncio.Event:
    """Set at the first signal; more of them (a terminal's, and make's) change nothing."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def _told(layout: Layout, names: Sequence[str]) -> dict[str, str]:
    rows = {
        "GraphQL": f"{layout.url('bff')}/graphql (in a browser: the explorer)",
        "webhooks": f"{layout.url('bff')}/webhooks/stripe",
        "health": f"{layout.url('bff')}/readyz",
    }
    rows |= {f"gRPC {program.name}": layout.address(program.name) for program in STORED}
    if "sandbox" in names:
        rows["Stripe sandbox"] = layout.url("sandbox")
        rows["mail"] = f"{layout.url('sandbox')}/_sandbox/mail (taken on smtp://{HOST}:{layout.mail_port})"
    return rows
