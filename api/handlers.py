"""Which job is run by which rule, in which lane and with how much patience."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.services import Services
from patrol import tracks
from patrol.audit import SCHEDULES, SEAL, seal_log
from patrol.media import MAKE_THUMBNAILS
from patrol.sos.calling import call_step
from patrol.sos.escalation import CALL_STEP
from patrol.sync import compaction, history, quarantine
from patrol.thumbnails import make_thumbnails
from storage.job_turns import Every
from storage.jobs import Job, JobKind


def handlers(services: Services) -> Mapping[str, JobKind]:
    """The jobs of this product over open services."""

    async def thumbnails(job: Job) -> None:
        await make_thumbnails(services.database, services.store, UUID(job.data()["snapshot_id"]))

    async def call(job: Job) -> None:
        await call_step(services.database, services.notifier, UUID(job.data()["step_id"]))

    async def seal(_: Job) -> None:
        await seal_log(services.database, services.keys)

    async def watch(_: Job) -> None:
        await history.notice(services.database, services.store)

    async def partitions(_: Job) -> None:
        await tracks.make_partitions(services.database, datetime.now(UTC))

    async def compact(_: Job) -> None:
        await compaction.compact(
            services.database, silent=timedelta(days=services.settings.silent_days)
        )

    async def overdue(_: Job) -> None:
        await quarantine.watch(
            services.database, shift=timedelta(hours=services.settings.shift_hours)
        )

    return {
        quarantine.WATCH: JobKind(overdue),
        compaction.COMPACT: JobKind(compact, time_limit=timedelta(hours=1)),
        tracks.MAKE_TRACK_PARTITIONS: JobKind(partitions),
        history.WATCH: JobKind(watch, time_limit=timedelta(hours=1)),
        SEAL: JobKind(seal, attempts=20),
        MAKE_THUMBNAILS: JobKind(thumbnails, time_limit=timedelta(minutes=2)),
        # A call is never given up while a later step could still be helped by it: about ten minutes of trying.
        CALL_STEP: JobKind(
            call,
            lane="urgent",
            attempts=60,
            first_pause=timedelta(milliseconds=200),
            longest_pause=timedelta(seconds=10),
            time_limit=timedelta(minutes=2),
        ),
    }


def schedules() -> Sequence[Every]:
    """What is run again and again, once for all workers."""
    return (
        *SCHEDULES,
        *compaction.SCHEDULES,
        *history.SCHEDULES,
        *tracks.SCHEDULES,
        *quarantine.SCHEDULES,
    )
