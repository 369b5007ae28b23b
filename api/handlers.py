"""Which job is run by which rule, in which lane and with how much patience."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.services import Services
from patrol import pushes, reachability, tracks
from patrol.audit import SCHEDULES, SEAL, seal_log
from patrol.clips import upkeep as clip_upkeep
from patrol.clips.declaring import JOIN_CLIP, VERIFY_CLIP
from patrol.clips.joining import TIME_LIMIT, join_clip
from patrol.clips.verifying import Verified, verify_clip
from patrol.files.verifying import TIME_LIMIT as FILE_TIME_LIMIT
from patrol.files.verifying import VERIFY_MEDIA, Judged, verify_media
from patrol.media import MAKE_THUMBNAILS
from patrol.sos import channels, post_watch
from patrol.sos.calling import call_next, call_step, raise_urgency
from patrol.sos.care import MEET_DEADLINE
from patrol.sos.deadlines import meet_deadline
from patrol.sos.escalation import CALL_NEXT, CALL_STEP, PRESS_HARDER
from patrol.sync import compaction, history, quarantine
from patrol.sync.overdue import TELL, tell_supervisors
from patrol.thumbnails import make_thumbnails
from patrol.uploads import upkeep as upload_upkeep
from storage.job_turns import Every
from storage.jobs import Handler, Job, JobKind


def handlers(services: Services) -> Mapping[str, JobKind]:
    """The jobs of this product over open services."""

    async def thumbnails(job: Job) -> None:
        await make_thumbnails(services.database, services.store, UUID(job.data()["snapshot_id"]))

    async def call(job: Job) -> None:
        services.notifier.make_way()
        await call_step(
            services.database,
            services.notifier,
            UUID(job.data()["step_id"]),
            teller=services.teller,
        )

    async def go_on(job: Job) -> None:
        await call_next(services.database, UUID(job.data()["alert_id"]))
        # What it made due is to be run now, here or in another process.
        services.live.wake_workers()

    async def raised(job: Job) -> None:
        await raise_urgency(services.database, UUID(job.data()["alert_id"]))

    async def deadline(job: Job) -> None:
        moved = await meet_deadline(services.database, UUID(job.data()["deadline_id"]))
        if moved is not None:
            alert_id, scope_id = moved
            services.live.poke([scope_id], ["alerts", "responses"], [alert_id])

    def tell(changed: Verified | None) -> None:
        if changed is not None:
            services.live.poke([changed.scope_id], ["clips"], [changed.alert_id])

    async def verify(job: Job) -> None:
        keep = timedelta(days=services.settings.evidence_days)
        clip_id = UUID(job.data()["clip_id"])
        tell(await verify_clip(services.database, services.store, clip_id, keep=keep))

    async def join(job: Job) -> None:
        clip_id = UUID(job.data()["clip_id"])
        tell(await join_clip(services.database, services.store, clip_id))

    async def watch_clips(_: Job) -> None:
        for one in await clip_upkeep.watch(services.database, services.store, datetime.now(UTC)):
            tell(one)

    async def look_back_at_clips(_: Job) -> None:
        for one in await clip_upkeep.look_back(
            services.database, services.store, datetime.now(UTC)
        ):
            tell(one)

    def tell_of_file(changed: Judged | None) -> None:
        if changed is not None:
            alerts = [] if changed.alert_id is None else [changed.alert_id]
            services.live.poke([changed.scope_id], ["media"], alerts)

    async def verify_file(job: Job) -> None:
        keep = timedelta(days=services.settings.evidence_days)
        media_id = UUID(job.data()["media_id"])
        tell_of_file(await verify_media(services.database, services.store, media_id, keep=keep))

    async def watch_uploads(_: Job) -> None:
        for one in await upload_upkeep.watch(services.database, services.store, datetime.now(UTC)):
            tell_of_file(one)

    async def tidy_uploads(_: Job) -> None:
        for one in await upload_upkeep.tidy(
            services.database,
            services.store,
            datetime.now(UTC),
            kept_open=timedelta(days=services.settings.upload_days),
        ):
            tell_of_file(one)

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

    async def tell_of_refused(job: Job) -> None:
        scopes = await tell_supervisors(
            services.database, services.notifier, job.data(), again=job.attempt < 10
        )
        services.live.poke(scopes, ["quarantine"])

    async def ordinary(job: Job) -> None:
        await pushes.send_push(services.database, services.notifier, job.data())

    async def ask_phones(_: Job) -> None:
        await pushes.ask_to_sync(services.database)

    async def test_phones(job: Job) -> None:
        await reachability.send_test(
            services.database,
            services.notifier,
            UUID(job.data()["officer_id"]),
            again=job.attempt < 10,
        )

    async def reach(_: Job) -> None:
        await reachability.check_stations(services.database)

    async def look_at_posts(_: Job) -> None:
        for news in await post_watch.watch_posts(services.database, datetime.now(UTC)):
            services.live.poke([news.scope_id], ["notices"], [])
            services.live.wake_workers()

    async def try_channels(_: Job) -> None:
        await channels.try_channels(services.database, services.teller, datetime.now(UTC))

    return {
        channels.TEST: JobKind(try_channels),
        post_watch.WATCH: JobKind(look_at_posts),
        pushes.SEND_PUSH: JobKind(ordinary, attempts=3),
        pushes.ASK_PHONES: JobKind(ask_phones),
        reachability.TEST_PUSH: JobKind(test_phones, attempts=3),
        reachability.CHECK: JobKind(reach),
        quarantine.WATCH: JobKind(overdue),
        TELL: JobKind(tell_of_refused),
        compaction.COMPACT: JobKind(compact, time_limit=timedelta(hours=1)),
        tracks.MAKE_TRACK_PARTITIONS: JobKind(partitions),
        history.WATCH: JobKind(watch, time_limit=timedelta(hours=1)),
        SEAL: JobKind(seal, attempts=20),
        # Somebody watches: a segment waits for no picture and for no file that is being made.
        VERIFY_CLIP: JobKind(verify, lane="clips", attempts=20, time_limit=timedelta(minutes=5)),
        JOIN_CLIP: JobKind(join, attempts=10, time_limit=TIME_LIMIT),
        clip_upkeep.WATCH: JobKind(watch_clips),
        clip_upkeep.LOOK_BACK: JobKind(look_back_at_clips, time_limit=timedelta(minutes=30)),
        VERIFY_MEDIA: JobKind(verify_file, attempts=20, time_limit=FILE_TIME_LIMIT),
        upload_upkeep.WATCH: JobKind(watch_uploads),
        upload_upkeep.TIDY: JobKind(tidy_uploads, time_limit=timedelta(minutes=30)),
        MAKE_THUMBNAILS: JobKind(thumbnails, time_limit=timedelta(minutes=2)),
        CALL_STEP: _urgent(call),
        CALL_NEXT: _urgent(go_on),
        PRESS_HARDER: _urgent(raised),
        MEET_DEADLINE: _urgent(deadline),
    }


def _urgent(run: Handler) -> JobKind:
    """A call is never given up while a later step could still be helped by it: about ten minutes of trying."""
    return JobKind(
        run,
        lane="urgent",
        attempts=60,
        first_pause=timedelta(milliseconds=200),
        longest_pause=timedelta(seconds=10),
        time_limit=timedelta(minutes=2),
    )


def schedules() -> Sequence[Every]:
    """What is run again and again, once for all workers."""
    return (
        *SCHEDULES,
        *compaction.SCHEDULES,
        *clip_upkeep.SCHEDULES,
        *upload_upkeep.SCHEDULES,
        *history.SCHEDULES,
        *tracks.SCHEDULES,
        *quarantine.SCHEDULES,
        *post_watch.SCHEDULES,
        *channels.SCHEDULES,
        *pushes.SCHEDULES,
        *reachability.SCHEDULES,
    )
