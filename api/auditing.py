"""Lets every process audit calls for help in its turn, and tells an address outside each minute that all is well.

It has nothing to do with the job queue: when no worker lives, the processes that serve still look and speak. What cannot be
seen from inside (this machine, its network, the database are gone) is seen outside, by the silence of the heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import httpx
import structlog

from patrol.sos import auditor
from storage.database import Database
from storage.faults import StorageFault
from storage.jobs import poke_workers
from storage.principal import Role, system

if TYPE_CHECKING:
    from pydantic import SecretStr

    from api.services import Services

log = structlog.get_logger(__name__)

FIRST_SECONDS = 20.0
"""A process that has just begun lets the workers begin as well."""

ASK_SECONDS = 5.0
"""How often a process asks whether a round is due."""

BLIND_SECONDS = 30.0
"""How often a process says that it cannot look."""

HEARTBEAT_SECONDS = 8.0
"""The time limit for the address outside."""


@asynccontextmanager
async def auditing(services: Services, *, first: float = FIRST_SECONDS) -> AsyncIterator[None]:
    """Audits in its turn for as long as it is open."""
    task = asyncio.create_task(_keep_auditing(services, first))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _keep_auditing(services: Services, first: float) -> None:
    pause = first
    while True:
        await asyncio.sleep(pause)
        pause = await audit_once(services)


async def audit_once(services: Services) -> float:
    """Does a round if one is due, and gives the heartbeat if all is well; returns the seconds to wait.

    It raises nothing: an auditor that a surprise can end is none.
    """
    try:
        done = await auditor.audit_calls(
            services.database,
            services.notifier,
            services.teller,
            poke=lambda: _poke(services.database),
        )
    except (StorageFault, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as fault:
        log.critical("calls_not_audited", fault=type(fault).__name__)
        return BLIND_SECONDS
    except Exception:
        log.critical("calls_not_audited", exc_info=True)
        return BLIND_SECONDS
    if done is not None and done.well and services.settings.heartbeat_url is not None:
        await beat(services.settings.heartbeat_url)
    return ASK_SECONDS


async def beat(where: SecretStr) -> bool:
    """Asks the address outside; whether it answered with 2xx. Its address is a secret, so no line holds it."""
    try:
        async with (
            asyncio.timeout(HEARTBEAT_SECONDS),
            httpx.AsyncClient(timeout=HEARTBEAT_SECONDS) as client,
        ):
            answer = await client.get(where.get_secret_value())
    except (httpx.HTTPError, TimeoutError) as fault:
        log.warning("heartbeat_failed", fault=type(fault).__name__)
        return False
    if not answer.is_success:
        log.warning("heartbeat_refused", status=answer.status_code)
    return answer.is_success


_pokes: set[asyncio.Task[None]] = set()


def _poke(database: Database) -> None:
    task = asyncio.get_running_loop().create_task(_wake(database))
    _pokes.add(task)
    task.add_done_callback(_pokes.discard)


async def _wake(database: Database) -> None:
    # Workers look by themselves each second; a poke that is lost costs that second.
    with contextlib.suppress(StorageFault, asyncpg.PostgresError):
        async with database.enter(Role.SYSTEM, system("auditor")) as entered:
            await poke_workers(entered.connection)
