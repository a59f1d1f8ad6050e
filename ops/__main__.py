"""`tutormesh`: a table of commands. A command is imported when it is used, so that the small ones start fast."""

from __future__ import annotations

import errno
import importlib
from typing import Any

import click

COMMANDS = {
    "up": "ops.up:up",
    "migrate": "ops.migrate:migrate",
    "token": "ops.token:token",
    "certificate": "ops.certificate:certificate",
    "find": "ops.find:find",
    "trace": "ops.trace:trace",
    "saga": "ops.saga:saga",
    "notifications": "ops.notifications:notifications",
    "audit": "ops.audit:audit",
    "reconcile": "ops.reconcile:reconcile",
    "cleanup-holds": "ops.cleanup_holds:cleanup_holds",
    "health": "ops.health:health",
}
_HELP = {
    "up": "Run the whole mesh on this machine until Ctrl-C.",
    "migrate": "Bring the databases to their newest revision.",
    "token": "Print a development JWT.",
    "certificate": "Write a development certificate.",
    "find": "Show the story of a purchase by any id of it.",
    "trace": "Show the calls about a purchase by any id of it.",
    "saga": "List, show, retry and resolve sagas.",
    "notifications": "List the messages to people, and retry those that were given up.",
    "audit": "Check the invariants over all databases and the payment provider.",
    "reconcile": "Ask the payment provider about every open payment.",
    "cleanup-holds": "Delete holds that have lapsed, now.",
    "health": "Ask a service whether it is SERVING.",
}


#: What the owner of a file or folder can mend.
_OF_FILES = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
)


class Commands(click.Group):
    """A click group whose commands are "module:attribute" and are imported on use."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A file or folder that cannot be used is one line, not a traceback."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.filename is None or error.errno not in _OF_FILES:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list for the help text without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_HELP.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The command of tutormesh: booking and payments for tutoring marketplaces."""


if __name__ == "__main__":
    main(prog_name="tutormesh")
