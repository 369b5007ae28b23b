"""Runs the real command line as its users do: another process, its environment, its exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import dataclass

import structlog
from typer.testing import CliRunner

from api.cli.app import app
from tests.conftest import SECRET

LONGEST = 60.0


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with no settings of the product but the given ones."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PATROL_")}
    return kept | {f"PATROL_{name.upper()}": text for name, text in settings.items()}


@dataclass(frozen=True)
class CommandLine:
    """`patrol` with the same settings for each command."""

    settings: dict[str, str]

    async def __call__(self, *words: str, **more: str) -> Done:
        """Runs one command; `more` are further settings."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.cli",
            *words,
            env=environment(**self.settings, **more),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), LONGEST)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def ok(self, *words: str, **more: str) -> str:
        """Runs a command that must succeed; what it printed."""
        done = await self(*words, **more)
        assert done.code == 0, done.err
        return done.out


@dataclass(frozen=True)
class QuickCommandLine(CommandLine):
    """The same commands without a process of their own, which costs two seconds each."""

    async def __call__(self, *words: str, **more: str) -> Done:
        """Runs one command in a thread, where it may have an event loop of its own."""
        given = environment(**self.settings, **more)
        ours: dict[str, str | None] = dict.fromkeys(os.environ.keys() - given.keys())
        root, configured = logging.getLogger(), structlog.get_config()
        handlers, level = root.handlers, root.level
        try:
            result = await asyncio.to_thread(
                CliRunner().invoke, app, words, env=ours | given, catch_exceptions=False
            )
        finally:
            root.handlers = handlers
            root.setLevel(level)
            structlog.configure(**configured)
        return Done(result.exit_code, result.stdout, result.stderr)


def on_database(login_url: str, owner_url: str, **more: str) -> QuickCommandLine:
    """The command line on a database of the tests."""
    return QuickCommandLine(
        {"database_url": login_url, "database_owner_url": owner_url, "secret": SECRET, **more}
    )
