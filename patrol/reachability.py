"""Whether an SOS would be heard: known before it is needed, by a test push to everybody who goes on duty.

The test takes the whole way of an SOS, high priority included, and the phone tells of it by `reportReachability`. What a
phone says of itself (permissions, silence, battery) counts as well. A station where nobody on duty can be reached is told
so, before anybody calls for help there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from patrol.clock import read_phone_time
from patrol.notify import Notification, Notifier, Outcome
from patrol.pushes import address_of, retire, tell
from storage.database import Connection, Database
from storage.job_turns import Every
from storage.jobs import Retry, enqueue
from storage.principal import Role, system
from storage.pushes import READ_PHONES, READ_SUPERVISORS
from storage.reachability import (
    BEGIN_TESTS,
    CHECK_STATIONS,
    END_TESTS,
    KEEP_REACHABILITY,
    READ_DUTY_OF_SESSION,
)
from storage.statements import as_json
from storage.vocabulary import PushKind

log = structlog.get_logger(__name__)

TEST_PUSH: Final = "test_push"
"""The name of the job; its payload is `{"officer_id": …}`."""

CHECK: Final = "check_reachability"

SCHEDULES: Final = (Every(CHECK, timedelta(minutes=1)),)

TEST_TTL: Final = timedelta(minutes=5)

TEST_PAUSE: Final = timedelta(minutes=1)
"""Between two tries of a test that could not be sent."""

_WORKER = system("reachability")


@dataclass(frozen=True, slots=True)
class PhoneState:
    """What a phone says of itself; None is what it cannot tell, and leaves what it said before.

    `silent`: an SOS would make no sound. `last_push_at` is by the phone's clock, `test_id` the last test push that came.
    """

    notifications_allowed: bool | None = None
    full_screen_allowed: bool | None = None
    silent: bool | None = None
    battery_exempt: bool | None = None
    battery_percent: int | None = None
    charging: bool | None = None
    last_push_at: str | None = None
    test_id: UUID | None = None


async def report_reachability(connection: Connection, session: UUID, state: PhoneState) -> bool:
    """Keeps what the phone of a session says of itself; False where it has no push address yet."""
    now = datetime.now(UTC)
    percent = state.battery_percent
    if percent is not None and not 0 <= percent <= 100:
        percent = None  # a broken gauge is no reason to know nothing of the phone
    pushed = state.last_push_at and read_phone_time(state.last_push_at, now).at
    kept = await connection.fetchval(
        KEEP_REACHABILITY,
        session,
        now,
        state.notifications_allowed,
        state.full_screen_allowed,
        state.silent,
        state.battery_exempt,
        percent,
        state.charging,
        pushed or None,
        state.test_id,
    )
    return kept is not None


async def want_test(connection: Connection, officer: UUID) -> None:
    """Has the phones of an officer tested soon after the caller's commit."""
    key = f"{TEST_PUSH} {officer}"
    await enqueue(connection, TEST_PUSH, {"officer_id": str(officer)}, dedupe_key=key)


async def want_test_of_session(connection: Connection, session: UUID) -> None:
    """The same for a phone that has a new address, if its officer is on duty."""
    officer = await connection.fetchval(READ_DUTY_OF_SESSION, session)
    if officer is not None:
        await want_test(connection, officer)


async def send_test(
    database: Database, notifier: Notifier, officer: UUID, *, again: bool = True
) -> None:
    """Sends the test push to the phones of an officer, the whole way of an SOS.

    Raises:
        Retry: the push service could not take it now, which says nothing of the phone; unless `again` is False.
    """
    if not notifier.enabled:
        return  # that push is off is known, and says nothing of a phone
    test = uuid7()
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        phones = await connection.fetch(READ_PHONES, [officer])
        ids = [row["id"] for row in phones]
        # Before it is sent, because a phone may tell of it at once.
        await connection.execute(BEGIN_TESTS, ids, test, datetime.now(UTC))
    addresses = list(dict.fromkeys(address_of(row) for row in phones))
    if not addresses:
        return
    message = Notification(
        PushKind.TEST.value, int(TEST_TTL.total_seconds()), urgent=True, test_id=test
    )
    sent = await notifier.send(message, addresses)
    by_address = {each.address: each for each in sent}
    rows = [
        {
            "id": row["id"],
            "outcome": by_address[address_of(row)].outcome.value,
            "reason": by_address[address_of(row)].reason,
        }
        for row in phones
    ]
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        await connection.execute(END_TESTS, as_json(rows), test)
        await retire(connection, sent)
    waits = [each.retry_after or 0.0 for each in sent if each.outcome is Outcome.RETRY]
    if waits and again:
        raise Retry(max(timedelta(seconds=max(waits)), TEST_PAUSE), "the test was not sent")


async def check_stations(database: Database) -> None:
    """Notes for each station whether anybody on duty can be reached, and tells its supervisors when that changes."""
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        for row in await connection.fetch(CHECK_STATIONS, datetime.now(UTC)):
            if not row["changed"] or (row["first"] and row["reachable"]):
                continue
            facts: dict[str, Any] = {
                "station_id": str(row["station_id"]),
                "on_duty": row["on_duty"],
            }
            if row["reachable"]:
                log.info("station_reached_again", **facts)
                kind = PushKind.STATION_REACHED
            else:
                log.error("station_reaches_nobody", **facts)
                kind = PushKind.STATION_SILENT
            supervisors = await connection.fetch(READ_SUPERVISORS, row["station_id"])
            await tell(connection, [one["id"] for one in supervisors], kind)
