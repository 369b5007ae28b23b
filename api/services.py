"""Everything a process works with, opened in order and closed in reverse: the database, the store, keys, push, pokes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import structlog

from api.live import Live
from api.secret import installation_secret
from api.settings import Settings, SettingsWrong
from api.stores import store_of
from api.telling import AppriseTeller
from patrol.keys import KeySet, SecretWrong, load
from patrol.sync.history import notice
from schema.context import Context
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.faults import StorageFault
from storage.fitness import require_fit
from storage.principal import Principal, Role, system

if TYPE_CHECKING:
    from api.push import FirebaseNotifier, SilentNotifier

log = structlog.get_logger(__name__)

KEYS_RELOAD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Services:
    """The adapters and pools of one process."""

    settings: Settings
    database: Database
    keys: KeySet
    store: ObjectStore
    live: Live
    notifier: FirebaseNotifier | SilentNotifier
    teller: AppriseTeller

    def link(self, bucket: str, key: str) -> str:
        """A signed link to an object, for at least as long as settings say."""
        lasting = timedelta(seconds=self.settings.link_seconds)
        return self.store.steady_link(Bucket(bucket), key, lasting=lasting)

    def context(self, principal: Principal) -> Context:
        """The context of one GraphQL operation."""
        return Context(
            principal,
            self.database,
            self.link,
            self.keys,
            self.live,
            self.store,
            self.settings,
            self.teller,
        )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Services]:
    """Opens what settings name and closes it again.

    Raises:
        SettingsWrong: an address is missing, or the secret cannot be used.
        StorageFault: the database cannot be reached, or may not be used (DatabaseUnfit).
        SecretWrong: the signing keys were wrapped with another secret.
        CredentialsUnfit: the Firebase credentials are none.
    """
    from api.push import (
        notifier_from,  # the SDK takes half a second to import; most commands never send
    )

    if settings.database_url is None:
        raise SettingsWrong(
            "PATROL_DATABASE_URL is not set. Set it, or start everything on this machine with `patrol up`."
        )
    secret = installation_secret(settings)
    await require_fit(settings.database_url)
    async with contextlib.AsyncExitStack() as stack:
        database = await Database.connect(settings.database_url, size=settings.database_pool)
        stack.push_async_callback(database.close)
        async with database.write(system("keys"), Role.SYSTEM) as connection:
            keys = await load(connection, secret)
        reloading = asyncio.create_task(_reload(database, keys, secret))
        stack.push_async_callback(_end, reloading)
        store = store_of(settings)
        stack.callback(store.close)
        # Before anybody is answered: a phone that is served from a restored database must be told of it.
        await notice(database, store)
        notifier = notifier_from(settings.firebase_credentials, endpoint=settings.firebase_endpoint)
        stack.push_async_callback(notifier.close)
        live = await stack.enter_async_context(Live(settings.database_url))
        teller = AppriseTeller(secret, alert_page=settings.alert_page_url)
        yield Services(settings, database, keys, store, live, notifier, teller)


async def _reload(database: Database, keys: KeySet, secret: str) -> None:
    """Takes over rotated and retired keys, so that all processes believe the same."""
    while True:
        await asyncio.sleep(KEYS_RELOAD_SECONDS)
        try:
            async with database.write(system("keys"), Role.SYSTEM) as connection:
                keys.replace(await load(connection, secret))
        except (StorageFault, SecretWrong, asyncpg.PostgresError) as fault:
            # The keys that this process has are still good; a later look finds the others.
            log.warning("keys_not_reloaded", fault=type(fault).__name__)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
