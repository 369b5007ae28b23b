"""A recording is there within seconds, plays for whoever may see it, outlives its phone, and ends as one file."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import av
import httpx
import orjson
import pytest

from api.handlers import handlers
from patrol.clips import upkeep
from patrol.clips.joining import join_clip
from patrol.clips.verifying import verify_clip
from patrol.keys import KeySet
from schema.door import Door
from schema.phone import phone_door
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.faults import StoreRefused
from storage.job_worker import Worker
from storage.jobs import Retry
from tests.api.recording import COMPLETE, LINKS, Recorder, settle, states
from tests.api.site import Site, opened
from tests.conftest import store_on
from tests.patrol.films import film
from tests.personas import as_officer
from tests.phone import Phone, ask, context
from tests.world import World

PROGRAMS = [one for one in ("ffprobe", "ffmpeg") if shutil.which(one)]


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


@pytest.fixture(scope="module")
def door() -> Door:
    return phone_door()


async def phone_of(site: Site, door: Door, officer: UUID) -> Phone:
    """An officer's phone, with what a server gives its operations."""
    services = site.services
    principal = await as_officer(site.world, officer)
    return Phone(
        door,
        context(
            services.database, principal, services.keys, link=services.link, store=services.store, settings=services.settings
        ),
    )  # fmt: skip


@pytest.fixture
async def kanya(site: Site, door: Door) -> Phone:
    return await phone_of(site, door, site.world.kanya)


@pytest.fixture
async def room(site: Site, door: Door) -> Phone:
    """The control room: the supervisor's screen."""
    return await phone_of(site, door, site.world.prasert)


@pytest.fixture
async def recorder(site: Site, kanya: Phone) -> Recorder:
    return Recorder(kanya, film(), site.http)


async def listed(site: Site, url: str) -> list[str]:
    """The lines of a playlist."""
    answer = await site.http.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    return answer.text.splitlines()


def shown(lines: list[str]) -> list[tuple[int, bool]]:
    """The numbers of a list, and whether each can be played."""
    return [
        (int(line.split("/")[1].split(".")[0]), lines[place - 2] != "#EXT-X-GAP")
        for place, line in enumerate(lines)
        if line.startswith("segments/")
    ]


def play(url: str) -> tuple[int, float]:
    """Pictures, and seconds between the first and the last, as a player that knows nothing of us sees them."""
    with av.open(url, format="hls", options={"live_start_index": "0"}, timeout=20) as found:
        times = [float(frame.time or 0) for frame in found.decode(video=0)]
    return len(times), max(times) - min(times)


async def run(program: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and complaints."""
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            out, errors = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    # That a segment lies with another host than the list is told as an error by some releases, and followed all the same.
    told = [line for line in errors.decode().splitlines() if "Cannot reuse HTTP" not in line]
    return process.returncode or 0, out.decode(), "\n".join(told)


@pytest.mark.parametrize("container", ["MPEG_TS", "FMP4"])
async def test_a_clip_is_watched_while_it_is_recorded_and_ends_as_one_file(
    site: Site, kanya: Phone, room: Phone, owner: asyncpg.Connection, container: str, tmp_path: Path
) -> None:
    recorder = Recorder(kanya, film(container), site.http)
    database, store = site.services.database, site.services.store
    await recorder.begin()
    await recorder.record(0, 1)
    await settle(database, store, recorder.clip)

    clip = await recorder.seen(room)
    lines = await listed(site, clip["liveUrl"])
    assert (clip["state"], clip["declared"], clip["ready"]) == ("RECORDING", 2, 2)
    assert shown(lines) == [(0, True), (1, True)]
    assert "#EXT-X-ENDLIST" not in lines
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in lines

    await recorder.record(2, 3)
    await recorder.close(4)
    await settle(database, store, recorder.clip)

    clip = await recorder.seen(room)
    lines = await listed(site, clip["liveUrl"])
    assert (clip["state"], clip["expected"], clip["ready"], clip["quarantined"]) == (
        "READY",
        4,
        4,
        0,
    )
    assert shown(lines) == [(number, True) for number in range(4)]
    assert lines[-1] == "#EXT-X-ENDLIST"
    count, seconds = await asyncio.to_thread(play, f"{site.http.base_url}{clip['liveUrl']}")
    assert count == 80
    assert 7.8 <= seconds <= 8.1
    # The one file, as a stranger reads it.
    data = (await site.http.get(clip["fileUrl"])).content
    path = tmp_path / "file.mp4"
    path.write_bytes(data)
    with av.open(path) as found:
        kinds = sorted((one.type, one.codec_context.name) for one in found.streams)
        assert kinds == [("audio", "aac"), ("video", "h264")]
        assert 7.9 <= float(found.duration or 0) / av.time_base <= 8.6
        assert sum(1 for _ in found.decode(video=0)) == 80
    assert len(data) == await owner.fetchval("select file_bytes from sos_clip")
    for size in ("url320", "url960"):
        assert (await site.http.get(clip[size])).content[8:12] == b"WEBP"
    # What arrived is kept as it came.
    kept = [
        item
        async for item in store.walk(
            Bucket.EVIDENCE, under=f"alerts/{recorder.alert}/", versions=True
        )
    ]
    assert sorted(item.size for item in kept) == sorted(
        len(one) for one in (*recorder.film.segments, *([recorder.film.head] if recorder.film.head else []))
    )  # fmt: skip


@pytest.mark.skipif(not PROGRAMS, reason="neither ffprobe nor ffmpeg is installed")
@pytest.mark.parametrize("container", ["MPEG_TS", "FMP4"])
async def test_ffmpeg_and_ffprobe_read_the_list_and_the_file(
    site: Site, kanya: Phone, container: str
) -> None:
    recorder = Recorder(kanya, film(container), site.http)
    await recorder.begin()
    await recorder.record(0, 1, 2, 3)
    await recorder.close(4)
    await settle(site.services.database, site.services.store, recorder.clip)
    clip = await recorder.seen()
    for url in (f"{site.http.base_url}{clip['liveUrl']}", clip["fileUrl"]):
        if "ffprobe" in PROGRAMS:
            code, told, complaints = await run(
                "ffprobe", "-v", "error", "-of", "json", "-count_frames",
                "-show_entries", "stream=codec_name,nb_read_frames", url,
            )  # fmt: skip
            assert (code, complaints) == (0, "")
            frames = {
                one["codec_name"]: int(one["nb_read_frames"])
                for one in orjson.loads(told)["streams"]
            }
            assert frames["h264"] == 80
            assert frames["aac"] > 50
        if "ffmpeg" in PROGRAMS:
            played = await run("ffmpeg", "-v", "error", "-i", url, "-f", "null", "-")
            assert played == (0, "", "")


async def test_everything_is_declared_without_signal_and_in_one_push(
    site: Site, recorder: Recorder, owner: asyncpg.Connection
) -> None:
    phone = recorder.phone
    answers = await phone.push(
        "SOS",
        phone.mutation("SOS", {"raiseAlert": {"id": recorder.alert, "latitude": 16.7151, "longitude": 98.5728}}),
        recorder.declaring(startedAt="2567-02-29T08:00:00+07:00"),
        phone.mutation("SOS", {"declareSegments": {"id": recorder.clip, "segments": [recorder.film.declared(0)]}}),
        phone.mutation("SOS", {"declareSegments": {"id": recorder.clip, "segments": [recorder.film.declared(1)]}}),
        phone.mutation("SOS", {"closeClip": {"id": recorder.clip, "segmentCount": 2}}),
    )  # fmt: skip
    assert [one["outcome"] for one in answers] == ["APPLIED"] * 5
    await recorder.send(1)
    await recorder.send(0)
    await settle(site.services.database, site.services.store, recorder.clip)
    clip = await recorder.seen()
    assert (clip["state"], clip["ready"], clip["startedAt"]) == ("READY", 2, "2024-02-29T01:00:00Z")
    await phone.pull()
    [row] = phone.rows["clips"].values()
    assert (row["state"], row["ready"], row["scopeId"]) == ("READY", 2, str(site.world.market))
    told = await owner.fetch("select kind from sos_event where kind like 'CLIP%' order by id")
    assert [row["kind"] for row in told] == ["CLIP_STARTED", "CLIP_ENDED", "CLIP_READY"]


async def test_what_is_said_twice_is_stored_once(
    recorder: Recorder, owner: asyncpg.Connection
) -> None:
    await recorder.begin()
    for _ in range(2):
        again = recorder.declaring()
        assert (await recorder.phone.push("SOS", again))[0]["outcome"] == "APPLIED"
        assert (await recorder.declare(0, 1))["detail"] == {}
        await recorder.complete(0, 1)
    assert await owner.fetchval("select count(*) from sos_clip_segment") == 2
    await recorder.send(0)
    assert (await recorder.links(0, 1))[0, False]["url"] is None
    assert len(await recorder.complete(0, 0, 1)) == 2
    assert await owner.fetchval("select count(*) from stored_object") == 1
    # The control: other words for a number that stands are refused, the rest of the declaration is not.
    other = recorder.film.declared(0) | {"sha256": "ab" * 32}
    answer = await recorder.declare(2, given=[other])
    [refused] = answer["detail"]["refused"]
    assert (refused["sequence"], refused["code"]) == (0, "ALREADY_EXISTS")
    assert await owner.fetchval("select count(*) from sos_clip_segment") == 3
    answers = await recorder.phone.push("SOS", recorder.declaring(container="FMP4"))
    assert (answers[0]["outcome"], answers[0]["code"]) == ("REJECTED", "ALREADY_EXISTS")


async def test_a_link_takes_only_what_was_declared_once_and_locks_it(
    site: Site, recorder: Recorder
) -> None:
    await recorder.begin()
    await recorder.declare(0)
    link = (await recorder.links(0))[0, False]
    data = recorder.film.segments[0]
    lying = bytes([data[0]]) + data[1:][::-1]
    assert (await recorder.put(link, lying)).status_code == 400
    assert (await recorder.put(link, data + b"x")).status_code == 403
    assert (await recorder.put(link, data, **{"content-type": "text/html"})).status_code == 403
    bare = {"headers": [one for one in link["headers"] if "checksum" not in one["name"]]}
    assert (await recorder.put(link | bare, data)).status_code == 403
    assert [one["state"] for one in await recorder.complete(0)] == ["DECLARED"]

    assert (await recorder.put(link, data)).status_code == 200
    assert (await recorder.put(link, data)).status_code == 412
    store = site.services.store
    [item] = [
        one
        async for one in store.walk(
            Bucket.EVIDENCE, under=f"alerts/{recorder.alert}/", versions=True
        )
    ]
    assert item.version_id is not None
    until = await store.retained_until(Bucket.EVIDENCE, item.key, version_id=item.version_id)
    assert until is not None
    assert timedelta(days=6) < until - datetime.now(UTC) < timedelta(days=8)
    with pytest.raises(StoreRefused):
        await store.delete(Bucket.EVIDENCE, item.key, version_id=item.version_id)

    assert [one["state"] for one in await recorder.complete(0)] == ["UPLOADED"]
    await settle(site.services.database, store, recorder.clip)
    until = await store.retained_until(Bucket.EVIDENCE, item.key, version_id=item.version_id)
    assert until is not None
    assert until - datetime.now(UTC) > timedelta(days=360)


async def test_a_segment_that_was_sent_plays_although_its_phone_vanished(
    site: Site, recorder: Recorder, room: Phone, owner: asyncpg.Connection
) -> None:
    database, store = site.services.database, site.services.store
    await recorder.begin()
    await recorder.declare(0, 1, 2)
    links = await recorder.links(0, 1, 2)
    for number in (0, 1):
        await recorder.put(links[number, False], recorder.film.segments[number])
    # Not another word from the phone.
    now = datetime.now(UTC)
    assert [one.alert_id for one in await upkeep.watch(database, store, now)] == [
        UUID(recorder.alert)
    ]
    assert await upkeep.watch(database, store, now) == []
    await settle(database, store, recorder.clip)
    clip = await recorder.seen(room)
    assert (clip["state"], clip["ready"], clip["declared"]) == ("RECORDING", 2, 3)
    assert shown(await listed(site, clip["liveUrl"])) == [(0, True), (1, True)]

    later = now + upkeep.SILENT_AFTER + timedelta(seconds=30)
    await upkeep.watch(database, store, later)
    await settle(database, store, recorder.clip)
    clip = await recorder.seen(room)
    assert (clip["state"], clip["silent"], clip["fileSeconds"] > 3.9) == ("READY", True, True)
    await owner.execute("update sos_clip set ended_at = ended_at - interval '5 minutes'")
    lines = await listed(site, clip["liveUrl"])
    assert shown(lines) == [(0, True), (1, True), (2, False)]
    assert lines[-1] == "#EXT-X-ENDLIST"


async def test_late_segments_fill_their_gap_days_later_and_from_another_process(
    site: Site, door: Door, recorder: Recorder, owner: asyncpg.Connection
) -> None:
    database, store = site.services.database, site.services.store
    await recorder.begin()
    await recorder.declare(0, 1, 2, 3)
    await recorder.send(3)
    await recorder.send(0)
    await recorder.close(4)
    await settle(database, store, recorder.clip)
    first = await recorder.seen()
    assert (first["state"], first["ready"]) == ("READY", 2)
    await owner.execute("update sos_clip set ended_at = ended_at - interval '3 days'")
    await owner.execute("update sos_clip_segment set created_at = created_at - interval '3 days'")
    lines = await listed(site, first["liveUrl"])
    assert shown(lines) == [(0, True), (1, False), (2, False), (3, True)]

    # The same officer on another phone, with what the app had kept.
    recorder.phone = await phone_of(site, door, site.world.kanya)
    links = await recorder.links(0, 1, 2, 3)
    assert [number for (number, _), one in links.items() if one["url"]] == [1, 2]
    await recorder.send(2)
    await recorder.put(links[1, False], recorder.film.segments[1])
    # Of number 1 nobody tells; it is found when the last weeks are looked at.
    assert await upkeep.watch(database, store, datetime.now(UTC)) == []
    assert len(await upkeep.look_back(database, store, datetime.now(UTC))) == 1
    await settle(database, store, recorder.clip)
    second = await recorder.seen()
    assert (second["state"], second["ready"]) == ("READY", 4)
    assert second["fileUrl"] != first["fileUrl"]
    lines = await listed(site, first["liveUrl"])
    assert shown(lines) == [(number, True) for number in range(4)]
    count, _ = await asyncio.to_thread(play, f"{site.http.base_url}{second['liveUrl']}")
    assert count == 80


async def test_a_recorder_that_was_given_up_as_silent_goes_on(
    site: Site, recorder: Recorder
) -> None:
    database, store = site.services.database, site.services.store
    await recorder.begin()
    await recorder.record(0)
    await upkeep.watch(database, store, datetime.now(UTC) + timedelta(hours=1))
    await settle(database, store, recorder.clip)
    assert (await recorder.seen())["state"] == "READY"
    await recorder.record(1)
    clip = await recorder.seen()
    assert (clip["state"], clip["silent"], clip["endedAt"]) == ("RECORDING", False, None)
    await recorder.close(2)
    await settle(database, store, recorder.clip)
    clip = await recorder.seen()
    assert (clip["state"], clip["ready"]) == ("READY", 2)
    assert clip["fileSeconds"] >= 3.9


async def test_a_hole_is_waited_for_a_little_and_then_shown(
    site: Site, recorder: Recorder, owner: asyncpg.Connection
) -> None:
    database, store = site.services.database, site.services.store
    await recorder.begin()
    await recorder.record(0)
    await recorder.record(2)
    await settle(database, store, recorder.clip)
    url = (await recorder.seen())["liveUrl"]
    assert shown(await listed(site, url)) == [(0, True)]
    await owner.execute("update sos_clip_segment set ready_at = ready_at - interval '7 seconds'")
    assert shown(await listed(site, url)) == [(0, True), (1, False), (2, True)]
    await recorder.record(1)
    await settle(database, store, recorder.clip)
    assert shown(await listed(site, url)) == [(0, True), (1, True), (2, True)]


async def test_only_who_may_see_the_alert_may_watch_and_only_with_a_link_of_ours(
    site: Site, door: Door, recorder: Recorder, owner: asyncpg.Connection
) -> None:
    await recorder.begin()
    await recorder.record(0)
    await settle(site.services.database, site.services.store, recorder.clip)
    url = (await recorder.seen())["liveUrl"]
    key = url.partition("?key=")[2]
    segment = f"/clips/{recorder.clip}/segments/0.ts"
    assert (await site.http.get(f"{segment}?key={key}")).status_code == 307
    for wrong in ("", "x", key[:-2] + ("AA" if key[-2:] != "AA" else "BB"), f"{key}.x"):
        for path in (segment, f"/clips/{recorder.clip}/live.m3u8"):
            answer = await site.http.get(f"{path}?key={wrong}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (
                401,
                "WATCH_LINK_INVALID",
            )
    other = await site.http.get(f"/clips/{recorder.alert}/live.m3u8?key={key}")
    assert other.status_code == 401
    assert (
        await site.http.get(f"/clips/{recorder.clip}/segments/9.ts?key={key}")
    ).status_code == 404
    # Who loses the scope, or his session, loses the clip at once.
    await owner.execute("update sos_alert set scope_id = $1, zone_id = $1", site.world.temple)
    assert (await site.http.get(url)).status_code == 404
    assert (await site.http.get(f"{segment}?key={key}")).status_code == 404
    await owner.execute("update sos_alert set scope_id = $1, zone_id = $1", site.world.market)
    assert (await site.http.get(url)).status_code == 200
    await owner.execute("update session set revoked_at = now()")
    assert (await site.http.get(url)).status_code == 401


async def test_only_the_recorder_adds_to_his_clip(
    site: Site, recorder: Recorder, room: Phone
) -> None:
    await recorder.begin()
    await recorder.declare(0)
    thief = Recorder(room, recorder.film, site.http, recorder.alert, recorder.clip)
    for mutation in (
        {"declareSegments": {"id": recorder.clip, "segments": [recorder.film.declared(1)]}},
        {"closeClip": {"id": recorder.clip}},
    ):
        [answer] = await room.push("SOS", room.mutation("SOS", mutation))
        assert (answer["outcome"], answer["code"]) == ("REJECTED", "NOT_ALLOWED")
    for text in (LINKS, COMPLETE):
        answer = await ask(room.door, room.context, text, clipId=thief.clip, sequences=[0])
        [done] = answer["data"].values()
        assert done["refusal"]["code"] == "CLIP_UNKNOWN"
    assert (await recorder.seen())["state"] == "RECORDING"


async def test_segments_go_with_their_alert(
    site: Site, recorder: Recorder, owner: asyncpg.Connection
) -> None:
    await recorder.begin()
    await recorder.record(0)
    await settle(site.services.database, site.services.store, recorder.clip)
    await owner.execute("update sos_alert set scope_id = $1, zone_id = $1", site.world.temple)
    for table in ("sos_clip", "sos_clip_segment", "stored_object"):
        scopes = await owner.fetch(f"select distinct scope_id from {table}")
        assert [row["scope_id"] for row in scopes] == [site.world.temple], table


async def test_the_worker_does_it_all_within_seconds(
    site: Site, recorder: Recorder, owner: asyncpg.Connection
) -> None:
    assert site.services.database.url is not None
    worker = Worker(
        site.services.database.url, handlers(site.services), poll=timedelta(seconds=0.1)
    )
    working = asyncio.create_task(worker.run())
    try:
        await recorder.begin()
        await recorder.record(0, 1)

        async def until(condition: str) -> None:
            async with asyncio.timeout(20):
                while not await owner.fetchval(f"select {condition} from sos_clip"):
                    pass  # each look is a round trip to the database

        await until("ready = 2")
        await recorder.close(2)
        await until("state = 'READY'")
    finally:
        worker.stop()
        await working


async def test_work_that_is_cut_off_anywhere_is_done_again_and_ends_the_same(
    site: Site, recorder: Recorder, owner: asyncpg.Connection
) -> None:
    database, store = site.services.database, site.services.store
    await recorder.begin()
    await recorder.record(0, 1, 2, 3)
    await recorder.close(4)
    for rule in (verify_clip, join_clip):
        for pause in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
            work = asyncio.create_task(rule(database, store, UUID(recorder.clip)))
            await asyncio.wait([work], timeout=pause)
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
    await settle(database, store, recorder.clip)
    clip = await recorder.seen()
    assert (clip["state"], clip["ready"]) == ("READY", 4)
    # Twice more changes nothing.
    rev = await owner.fetchval("select rev from sos_clip")
    await settle(database, store, recorder.clip)
    assert await owner.fetchval("select rev from sos_clip") == rev


async def test_a_store_that_is_away_is_asked_again(
    site: Site, recorder: Recorder, s3: Any, owner: asyncpg.Connection
) -> None:
    await recorder.begin()
    await recorder.record(0)
    s3_away = store_on(s3, "x")
    away = type(s3_away)("127.0.0.1:9", "k", "s" * 8, region="us-east-1", secure=False)
    s3_away.close()
    with pytest.raises(Retry):
        await verify_clip(site.services.database, away, UUID(recorder.clip))
    away.close()
    assert await states(owner, recorder.clip) == {0: ("UPLOADED", None)}


async def test_a_player_on_another_page_may_read_the_segments(
    site: Site, recorder: Recorder
) -> None:
    await recorder.begin()
    await recorder.record(0)
    await settle(site.services.database, site.services.store, recorder.clip)
    url = (await recorder.seen())["liveUrl"]
    origin = {"origin": "https://room.example"}
    async with httpx.AsyncClient(trust_env=False, headers=origin, follow_redirects=True) as page:
        answer = await page.get(
            f"{site.http.base_url}/clips/{recorder.clip}/segments/0.ts?key={url.partition('key=')[2]}"
        )
    assert answer.content == recorder.film.segments[0]
    assert answer.headers["access-control-allow-origin"] in ("*", origin["origin"])
