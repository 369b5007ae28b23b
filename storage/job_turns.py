"""Jobs that come again and again: one row per rhythm is the clock that all workers share, so each turn runs once.

pgqueuer's SchedulerManager is not used: it looks at its crontab up to a second late, reclaims a schedule only after
30 s, and keeps nothing of a turn that failed. Here a turn is an ordinary job, with retries and a kept failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
from pgqueuer.db import AsyncpgDriver
from sqlalchemy import CheckConstraint, Interval
from sqlmodel import Field, SQLModel

from storage.jobs import queries_over, tidy

# Makes the row of a repeated job, due at once, or changes its rhythm.
PLANT: Final = """
insert into job_schedule (name, every, due_at) values ($1, $2, now())
on conflict (name) do update
set every = excluded.every, due_at = least(job_schedule.due_at, now() + excluded.every)
where job_schedule.every <> excluded.every
"""

# Takes the turns that are due; the next one keeps the rhythm and skips what was missed.
TAKE_DUE: Final = """
update job_schedule schedule
set due_at = schedule.due_at + schedule.every * (1 + floor(
        extract(epoch from now() - schedule.due_at) / extract(epoch from schedule.every)))
from (select name from job_schedule where name = any($1::text[]) and due_at <= now()
      order by name for update skip locked) due
where schedule.name = due.name
returning schedule.name
"""

# Seconds until the next turn.
NEXT_DUE: Final = """
select extract(epoch from min(due_at) - clock_timestamp())::float8
from job_schedule where name = any($1::text[])
"""


class JobSchedule(SQLModel, table=True):
    """When a repeated job is due next."""

    __tablename__ = "job_schedule"
    __table_args__ = (CheckConstraint("every > interval '0'", name="every"),)

    name: str = Field(primary_key=True)
    every: timedelta = Field(sa_type=Interval)
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Every:
    """A job that is enqueued in a steady rhythm, once for all workers; missed turns are made up by a single one.

    While one turn waits (also for its retry) or runs, the next is skipped, so turns never overlap.
    """

    name: str
    every: timedelta
    payload: bytes = b"{}"
    priority: int = 0


TIDY: Final = Every("jobs.tidy", timedelta(hours=1))


async def keep_turns(
    conn: asyncpg.Connection, turns: Mapping[str, Every], wake: Callable[[], None]
) -> None:
    """Enqueues turns when they are due and deletes old job history hourly, until cancelled.

    `conn` is its alone, so that neither ever holds up a claim.
    """
    names = [*turns, TIDY.name]
    for turn in (*turns.values(), TIDY):
        await conn.execute(PLANT, turn.name, turn.every)
    tidying = False
    while True:
        async with conn.transaction():
            due = {row["name"] for row in await conn.fetch(TAKE_DUE, names)}
            for name in sorted(due - {TIDY.name}):
                await _enqueue(conn, turns[name])
        if due:
            wake()
        tidying = tidying or TIDY.name in due
        tidying = tidying and await tidy(conn) > 0
        pause = await conn.fetchval(NEXT_DUE, names)
        # A row that another worker is just taking still looks due: look again soon, not at once.
        await asyncio.sleep(0 if tidying else min(max(pause, 0.02), 5.0))


async def _enqueue(conn: asyncpg.Connection, turn: Every) -> None:
    await queries_over(AsyncpgDriver(conn)).enqueue(
        turn.name,
        turn.payload,
        turn.priority,
        dedupe_key=f"every: {turn.name}",
        on_conflict="skip",
    )
