"""A station's fallback channels: called by a step, or by the auditor, when phones do not answer, and tested each week.

What is going to be told is written down before anything leaves the house, and what became of it afterwards. A worker that
dies in between tells again, and only what it does not know to have been told; the text carries the same call's id then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import AlreadyExists, NotFound, VariableInvalid
from patrol.notify import SealedAddress, Teller, Telling, Told
from patrol.pushes import tell
from patrol.sos.events import Event, note
from patrol.sos.words import Text, call_text, failing_text, trial_text
from storage.channels import (
    BEGIN_CALLS,
    CALL_REACHED,
    END_CALLS,
    END_TESTS,
    INSERT_CHANNEL,
    READ_CALL_CHANNELS,
    READ_CALLED_ALERT,
    READ_CALLING_STEP,
    READ_TESTED_CHANNELS,
    REMOVE_CHANNEL,
)
from storage.database import Connection, Database
from storage.job_turns import Every
from storage.principal import Role, system
from storage.pushes import READ_SUPERVISORS
from storage.statements import as_json
from storage.stations import READ_STATION_NAMES
from storage.vocabulary import AlertEventKind, ChannelLanguage, ChannelOutcome, PushKind

log = structlog.get_logger(__name__)

TEST: Final = "channels.test"
"""The job that tests the channels whose week is over."""

SCHEDULES: Final = (Every(TEST, timedelta(hours=1)),)

TEST_EVERY: Final = timedelta(days=7)
TEST_FAILING_EVERY: Final = timedelta(days=1)
LONGEST_LABEL: Final = 60

_WORKER = system("channels")


async def call_channels(
    database: Database, teller: Teller, step_id: UUID, *, channel_id: UUID | None = None
) -> bool:
    """Tells a step's call through the channels of the alert's station; a repeat tells only those that were not told.

    Args:
        channel_id: only this channel, of the same station.

    Returns:
        Whether anybody was told, now or before. False when the station has no channel.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        step = await entered.connection.fetchrow(READ_CALLING_STEP, step_id)
    if step is None:
        return False
    return await tell_of_alert(
        database,
        teller,
        step["alert_id"],
        step_id,
        lambda alert, link, language: call_text(alert, step_id, link, language),
        channel_id=channel_id,
    )


async def tell_of_alert(
    database: Database,
    teller: Teller,
    alert_id: UUID,
    call_id: UUID,
    text_of: Callable[[Any, str | None, ChannelLanguage], Text],
    *,
    channel_id: UUID | None = None,
) -> bool:
    """Tells something of an alert through its station's channels, once under each `call_id`.

    Args:
        text_of: the text, given the alert (`READ_CALLED_ALERT`), the link to its page and the language.
    """
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        alert = await connection.fetchrow(READ_CALLED_ALERT, alert_id)
        if alert is None:
            return False
        channels = await connection.fetch(
            READ_CALL_CHANNELS, alert["station_id"], call_id, channel_id
        )
        begun = [{"id": uuid7(), "channel_id": row["id"]} for row in channels]
        if begun:
            await connection.execute(
                BEGIN_CALLS, alert_id, alert["scope_id"], call_id, as_json(begun)
            )
    if channels:
        link = teller.alert_link(alert_id)
        told = await teller.tell(
            [
                _telling(row, text_of(alert, link, ChannelLanguage(row["language"])))
                for row in channels
            ]
        )
        for each in told:
            if each.outcome is not ChannelOutcome.TOLD:
                log.warning("channel_failed", channel=str(each.channel_id), reason=each.reason)
        async with database.write(_WORKER, Role.SYSTEM) as connection:
            await connection.execute(END_CALLS, call_id, _outcomes(told))
            await note(connection, [_event(alert_id, call_id, each) for each in told])
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        return bool(await entered.connection.fetchval(CALL_REACHED, call_id))


async def add_channel(
    connection: Connection,
    teller: Teller,
    station: UUID,
    label: str,
    address: str,
    *,
    language: ChannelLanguage = ChannelLanguage.BOTH,
    by: str,
) -> UUID:
    """Adds a channel; its address is sealed here and shown to nobody again.

    Raises:
        ChannelAddressInvalid: see `Teller.seal`.
        VariableInvalid: the label is empty, too long or holds what is not printed.
        AlreadyExists: the station has a channel of this label.
    """
    label = " ".join(label.split())
    if not 0 < len(label) <= LONGEST_LABEL or not label.isprintable() or "://" in label:
        raise VariableInvalid(f"A label has 1 to {LONGEST_LABEL} characters and is no address.")
    channel = uuid7()
    sealed = teller.seal(channel, address)
    added = await connection.fetchval(
        INSERT_CHANNEL, channel, station, label, sealed.scheme, sealed.sealed, language.value, by
    )
    if added is None:
        raise AlreadyExists(f"The station has a channel {label} already.")
    await audit(connection, "channel.add", channel, label=label, scheme=sealed.scheme)
    return channel


async def remove_channel(connection: Connection, channel: UUID, *, by: str) -> None:
    """Ends a channel and forgets its address.

    Raises:
        NotFound: there is no such channel.
    """
    removed = await connection.fetchrow(REMOVE_CHANNEL, channel, by)
    if removed is None:
        raise NotFound("There is no such channel.")
    await audit(
        connection, "channel.remove", channel, label=removed["label"], scheme=removed["scheme"]
    )


async def note_test(connection: Connection, channel: UUID) -> None:
    """Writes down that somebody has a channel tested.

    Raises:
        NotFound: there is no such channel.
    """
    if not await connection.fetch(READ_TESTED_CHANNELS, channel, None):
        raise NotFound("There is no such channel.")
    await audit(connection, "channel.test", channel)


async def try_channel(database: Database, teller: Teller, channel: UUID) -> Told:
    """Tests one channel now: its people are told that it works.

    Raises:
        NotFound: there is no such channel.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        rows = await entered.connection.fetch(READ_TESTED_CHANNELS, channel, None)
    if not rows:
        raise NotFound("There is no such channel.")
    [told] = await _try(database, teller, rows)
    return told


async def try_channels(database: Database, teller: Teller, now: datetime) -> list[Told]:
    """Runs the job `TEST`: tests the channels whose last test is a week old, those that failed it each day.

    Failures are told to the station's supervisors, through its channels that work, and in the log;
    `patrol_sos_channels_failing` counts them.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        rows = await entered.connection.fetch(READ_TESTED_CHANNELS, None, now - TEST_FAILING_EVERY)
        due = [
            row
            for row in rows
            if row["failing_since"] is not None
            or row["tested_at"] is None
            or row["tested_at"] < now - TEST_EVERY
        ]
    if not due:
        return []
    told = await _try(database, teller, due)
    await _tell_of_failing(database, teller, due, told)
    return told


async def _try(database: Database, teller: Teller, rows: Sequence[Any]) -> list[Told]:
    stations = {row["station_id"] for row in rows}
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        found = await entered.connection.fetch(READ_STATION_NAMES, list(stations))
    names = {row["id"]: row for row in found}
    told = await teller.tell(
        [
            _telling(
                row,
                trial_text(
                    row["label"],
                    names[row["station_id"]]["name"],
                    names[row["station_id"]]["name_th"],
                    ChannelLanguage(row["language"]),
                ),
            )
            for row in rows
        ]
    )
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        await connection.execute(END_TESTS, _outcomes(told))
    return told


async def _tell_of_failing(
    database: Database, teller: Teller, tested: Sequence[Any], told: Sequence[Told]
) -> None:
    """A channel that does not work cannot say so itself."""
    failed = {each.channel_id for each in told if each.outcome is not ChannelOutcome.TOLD}
    stations = {row["station_id"] for row in tested if row["id"] in failed}
    for station in sorted(stations):
        async with database.enter(Role.SYSTEM, _WORKER) as entered:
            names = await entered.connection.fetchrow(READ_STATION_NAMES, [station])
            rows = await entered.connection.fetch(READ_TESTED_CHANNELS, None, None)
        mine = [row for row in rows if row["station_id"] == station]
        broken = [row["label"] for row in mine if row["id"] in failed]
        text = failing_text(names["name"], names["name_th"], broken)
        log.error("channels_fail", station=str(station), channels=broken)
        async with database.write(_WORKER, Role.SYSTEM) as connection:
            supervisors = await connection.fetch(READ_SUPERVISORS, station)
            await tell(connection, [one["id"] for one in supervisors], PushKind.CHANNEL_FAILS)
        await teller.tell([_telling(row, text) for row in mine if row["failing_since"] is None])


def _event(alert_id: UUID, call_id: UUID, told: Told) -> Event:
    done = told.outcome is ChannelOutcome.TOLD
    kind = AlertEventKind.CHANNEL_TOLD if done else AlertEventKind.CHANNEL_FAILED
    detail = {"channelId": told.channel_id, "callId": call_id}
    return Event(
        alert_id,
        kind,
        told.at,
        told.at,
        detail=detail if done else detail | {"reason": told.reason},
    )


def _telling(row: Any, text: Text) -> Telling:
    return Telling(SealedAddress(row["id"], row["scheme"], row["sealed"]), text.title, text.text)


def _outcomes(told: Sequence[Told]) -> str:
    return as_json(
        [
            {
                "channel_id": each.channel_id,
                "outcome": each.outcome.value,
                "reason": each.reason,
                "at": each.at,
            }
            for each in told
        ]
    )
