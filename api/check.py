"""Looks at everything that this product rests on, by doing it, and says what is wrong and what would help."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

import asyncpg

from api.secret import installation_secret
from api.settings import Settings, SettingsWrong, unknown_settings
from api.stores import store_of
from patrol.keys import SecretWrong, load
from storage.database import Database
from storage.faults import StorageFault
from storage.fitness import examine
from storage.principal import Role, system

FIRST_YEAR, LAST_YEAR = 2025, 2100
"""A clock outside these years is wrong; 2568 and later is one that counts by the Buddhist era."""


class Level(StrEnum):
    """How much a finding matters."""

    FINE = "ok"
    WARNING = "warning"
    REFUSAL = "REFUSED"
    """The product must not run, or does not do what it promises, until this is corrected."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    part: str
    text: str

    def as_data(self) -> dict[str, str]:
        """For a program."""
        return {"level": self.level.value, "part": self.part, "text": self.text}


async def findings(settings: Settings) -> list[Finding]:
    """Everything that was looked at, worst part by part; never raises because of what it looks at."""
    found: list[Finding] = []
    for part, look in _PARTS.items():
        before = len(found)
        try:
            async for level, text in look(settings):
                found.append(Finding(level, part, text))
        except (StorageFault, SettingsWrong, SecretWrong, asyncpg.PostgresError) as fault:
            found.append(Finding(Level.REFUSAL, part, " ".join(str(fault).split())))
        if len(found) == before:
            found.append(Finding(Level.FINE, part, "nothing is wrong"))
    return found


Look = AsyncIterator[tuple[Level, str]]


async def _settings(settings: Settings) -> Look:
    for name in unknown_settings(os.environ):
        yield Level.WARNING, f"{name} is not a setting; see docs/settings.md."
    host = urlsplit(settings.s3_public_url or settings.s3_url or "").hostname
    if host in ("127.0.0.1", "::1", "localhost"):
        yield (
            Level.WARNING,
            "Signed links carry this machine's own address, which no phone reaches. Set PATROL_S3_PUBLIC_URL.",
        )
    if settings.public_url is None:
        yield (
            Level.WARNING,
            "PATROL_PUBLIC_URL is not set, so enrolment codes cannot say where a phone enrols.",
        )
    elif settings.public_url.startswith("http://") and settings.host != "127.0.0.1":
        yield Level.WARNING, "PATROL_PUBLIC_URL is not https: tokens would travel in the open."
    if settings.trusted_operations == "any":
        yield (
            Level.WARNING,
            "The phone door runs any operation. Set PATROL_TRUSTED_OPERATIONS to only in production.",
        )


async def _database(settings: Settings) -> Look:
    assert settings.database_url is not None  # the caller found or refused it
    fitness = await examine(settings.database_url)
    for refusal in fitness.refusals:
        yield Level.REFUSAL, refusal
    for warning in fitness.warnings:
        yield Level.WARNING, warning


async def _keys(settings: Settings) -> Look:
    assert settings.database_url is not None  # the caller found or refused it
    secret = installation_secret(settings)
    database = await Database.connect(settings.database_url, size=2)
    try:
        async with database.write(system("check"), Role.SYSTEM) as connection:
            keys = await load(connection, secret)
    finally:
        await database.close()
    believed = [key for key in keys if keys.get(key.kid) is not None]
    if not any(key.signs_from <= datetime.now(UTC) for key in believed):
        yield Level.REFUSAL, "No key signs now. Run `patrol keys rotate` and wait for its overlap."


async def _buckets(settings: Settings) -> Look:
    store = store_of(settings)
    try:
        problems = await store.problems()
        for problem in problems:
            yield Level.REFUSAL, problem
        if problems:
            return
        for prove in (store.check_hold, store.check_public_link):
            if (wrong := await prove()) is not None:
                yield Level.REFUSAL, wrong
    finally:
        store.close()


async def _firebase(settings: Settings) -> Look:
    from api.push import CredentialsUnfit, notifier_from

    try:
        notifier = notifier_from(settings.firebase_credentials, endpoint=settings.firebase_endpoint)
    except CredentialsUnfit as error:
        yield Level.REFUSAL, str(error)
        return
    try:
        problem = await notifier.check()
    finally:
        await notifier.close()
    if problem is not None:
        # Without push an alert still reaches the live subscription, so the product may run.
        yield Level.REFUSAL if notifier.enabled else Level.WARNING, problem


async def _clock(_: Settings) -> Look:
    year = datetime.now(UTC).year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        yield (
            Level.REFUSAL,
            f"This machine's clock says {year}. Set it right, by the Gregorian calendar, and let it follow NTP.",
        )


_PARTS: dict[str, Callable[[Settings], Look]] = {
    "settings": _settings,
    "clock": _clock,
    "database": _database,
    "keys": _keys,
    "buckets": _buckets,
    "firebase": _firebase,
}
