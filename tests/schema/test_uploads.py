"""A file arrives over lines that break, once and whole; and is shown only when it is what it was declared to be."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from PIL import Image
from uuid_utils.compat import uuid7

from patrol.files.verifying import verify_media
from patrol.keys import KeySet
from patrol.uploads import upkeep
from schema.door import Door
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.embedded import EmbeddedS3
from storage.faults import StoreRefused
from tests.conftest import store_on
from tests.patrol import sent_files as files
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.schema.sender import Sender, shown, states
from tests.world import World

LARGE = 12 * 1024 * 1024
"""Three parts of a slow line."""

PART = 5 * 1024 * 1024


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
async def kanya(
    door: Door,
    database: Database,
    world: World,
    keys: KeySet,
    store: ObjectStore,
    http: httpx.AsyncClient,
) -> Sender:
    principal = await as_officer(world, world.kanya)
    return Sender(Phone(door, context(database, principal, keys, store=store)), http)


@pytest.fixture
async def incident(world: World) -> str:
    return str(await world.add_incident(world.market))


def large_film() -> bytes:
    return files.mp4(noise=LARGE)


async def test_a_photograph_goes_in_one_piece_and_is_shown_when_it_was_verified(
    kanya: Sender, incident: str, store: ObjectStore
) -> None:
    data = files.jpeg(orientation=6)
    id = await kanya.attach(data, incident=incident)
    one = await kanya.send(id)
    assert (one["state"], one["advice"], one["parts"]) == ("DECLARED", "NOW", [])
    assert (await shown(kanya, incident))[id]["original"] is None
    [standing] = await kanya.complete(id)
    assert (standing["state"], standing["refusal"]) == ("UPLOADED", None)
    before = (await shown(kanya, incident))[id]
    assert (before["original"], before["url320"]) == (None, None)

    await verify_media(kanya.phone.context.database, store, UUID(id))
    after = (await shown(kanya, incident))[id]
    assert (after["state"], after["reason"]) == ("READY", None)
    assert (after["width"], after["height"], after["orientation"]) == (480, 640, 6)
    assert after["camera"] == "Samsung SM-A546E"
    assert after["fileTakenAt"] == "2026-11-23T09:30:00Z"
    assert (after["hasPosition"], after["fileLatitude"], after["fileLongitude"]) == (
        True, 16.7151, 98.5728,
    )  # fmt: skip
    assert (after["original"]["sha256"], after["original"]["sizeBytes"]) == (
        sha256(data).hexdigest(),
        len(data),
    )
    # Upright, and without anything of the original but its pixels.
    key = after["url320"].removeprefix("signed:derived/")
    into = io.BytesIO()
    await store.get(Bucket.DERIVED, key, into, max_bytes=10**6)
    with Image.open(into) as small:
        assert (small.format, small.size) == ("WEBP", (320, 427))
        assert "exif" not in small.info
        red, green, _ = small.convert("RGB").getpixel((300, 20))
        assert red > 150 > green
    row = await kanya.seen(id)
    assert 5 <= len(base64.b64decode(row["thumbHash"])) <= 25


@pytest.mark.parametrize(
    ("data", "content_type", "kind", "expected"),
    [
        (files.png(mode="RGBA"), "image/png", "PHOTO", {"width": 640, "height": 480}),
        (files.webp(), "image/webp", "PHOTO", {"width": 480, "height": 640}),
        (files.heic(orientation=6), "image/heic", "PHOTO", {"width": 480, "height": 640}),
        (files.mp4(audio=True), "video/mp4", "VIDEO", {"width": 320, "seconds": 2.0}),
        (files.mp4(format="mov"), "video/quicktime", "VIDEO", {"height": 240, "seconds": 2.0}),
        (files.sound(), "audio/mp4", "AUDIO", {"seconds": 3.2, "width": None}),
        (files.sound("wav", "pcm_s16le"), "audio/wav", "AUDIO", {"seconds": 3.072}),
        (files.PDF, "application/pdf", "DOCUMENT", {"width": None, "thumbHash": None}),
        (files.jpeg(), "image/jpeg", "DOCUMENT", {"width": 640}),
    ],
    ids=["png", "webp", "heic", "mp4", "mov", "m4a", "wav", "pdf", "scan"],
)
async def test_what_phones_make_becomes_ready(
    data: bytes,
    content_type: str,
    kind: str,
    expected: dict[str, Any],
    kanya: Sender,
    incident: str,
) -> None:
    id = await kanya.attach(data, content_type, kind, incident=incident)
    row = await kanya.deliver(id)
    assert (row["state"], row["reason"]) == ("READY", None)
    assert {name: row[name] for name in expected} == expected
    seen = (await shown(kanya, incident))[id]
    assert (seen["url960"] is None) == (kind == "AUDIO" or data == files.PDF)
    assert seen["original"] is not None


@pytest.mark.parametrize(
    ("data", "content_type", "kind", "reason"),
    [
        (files.jpeg()[:3000], "image/jpeg", "PHOTO", "TRUNCATED"),
        (files.heic()[:900], "image/heic", "PHOTO", "TRUNCATED"),
        (files.mp4()[:2000], "video/mp4", "VIDEO", "TRUNCATED"),
        (files.PDF[:-8], "application/pdf", "DOCUMENT", "TRUNCATED"),
        (files.png(), "image/jpeg", "PHOTO", "WRONG_TYPE"),
        (files.mp4(audio=True), "audio/mp4", "AUDIO", "WRONG_TYPE"),
        (b"\0", "image/jpeg", "PHOTO", "WRONG_TYPE"),
        (files.jpeg() + files.ZIP, "image/jpeg", "PHOTO", "POLYGLOT"),
        (files.PDF + files.ZIP, "application/pdf", "DOCUMENT", "POLYGLOT"),
        (files.mp4() + files.ZIP, "video/mp4", "VIDEO", "POLYGLOT"),
        (files.bomb(), "image/png", "PHOTO", "TOO_MANY_PIXELS"),
        (files.jpeg_bomb(), "image/jpeg", "PHOTO", "TOO_MANY_PIXELS"),
        (files.heic_bomb(), "image/heic", "PHOTO", "TOO_MANY_PIXELS"),
        (b"MZ" + bytes(500), "application/x-msdownload", "DOCUMENT", "TYPE_NOT_TAKEN"),
        (files.jpeg(), "image/jpeg", "VIDEO", "TYPE_NOT_TAKEN"),
    ],
)
async def test_what_is_not_what_it_was_declared_to_be_stands_in_quarantine_with_its_bytes(
    data: bytes,
    content_type: str,
    kind: str,
    reason: str,
    kanya: Sender,
    incident: str,
    store: ObjectStore,
    owner: asyncpg.Connection,
) -> None:
    id = await kanya.attach(data, content_type, kind, incident=incident)
    row = await kanya.deliver(id)
    assert (row["state"], row["reason"]) == ("QUARANTINED", reason)
    seen = (await shown(kanya, incident))[id]
    assert (seen["original"], seen["url320"], seen["thumbHash"]) == (None, None, None)
    kept = await owner.fetchrow("select * from stored_object")
    assert (kept["state"], kept["reason"]) == ("QUARANTINED", reason)
    into = io.BytesIO()
    read = await store.get(Bucket.EVIDENCE, kept["key"], into, max_bytes=len(data))
    assert read.sha256 == sha256(data).hexdigest()
    # It is what the phone declared, so sending it again would change nothing.
    assert (await kanya.file(id))["whole"] is None


async def test_an_upload_goes_on_where_it_stopped_days_later_by_another_server(
    kanya: Sender, incident: str, s3: EmbeddedS3, store: ObjectStore, owner: asyncpg.Connection
) -> None:
    data = large_film()
    id = await kanya.attach(data, "video/mp4", "VIDEO", incident=incident)
    assert (await kanya.file(id, "SLOW"))["advice"] == "WHEN_FASTER"
    # The officer insists: without a network the server gives no advice but links.
    first = await kanya.file(id)
    assert (first["partSize"], first["partCount"], first["missingParts"]) == (8 * 1024**2, 2, 2)
    await kanya.send(id, most=1)
    await owner.execute("update media_upload set asked_at = asked_at - interval '3 days'")
    [standing] = await kanya.complete(id)
    assert standing["state"] == "DECLARED"

    prefix = store.name_of(Bucket.EVIDENCE).removesuffix(Bucket.EVIDENCE)
    other = store_on(s3, prefix)
    try:
        later = kanya.on(other)
        again = await later.send(id, network="WIFI")
        # Begun in parts it goes on in the same parts, whatever the line is now.
        assert (again["partCount"], again["missingParts"]) == (2, 1)
        assert [part["number"] for part in again["parts"]] == [2]
        assert (await later.file(id))["missingParts"] == 0
        [standing] = await later.complete(id)
        assert standing["state"] == "UPLOADED"
        [standing] = await kanya.complete(id)
        assert standing["state"] == "UPLOADED"
        await verify_media(later.phone.context.database, other, UUID(id))
    finally:
        other.close()
    assert (await kanya.seen(id))["state"] == "READY"
    versions = [
        one
        async for one in store.walk(Bucket.EVIDENCE, under=f"incidents/{incident}/", versions=True)
    ]
    assert [one.size for one in versions] == [len(data)]
    assert versions[0].version_id is not None
    until = await store.retained_until(
        Bucket.EVIDENCE, versions[0].key, version_id=versions[0].version_id
    )
    assert until is not None
    assert until > datetime.now(UTC) + timedelta(days=300)


async def test_a_file_of_a_bad_line_goes_on_in_parts_though_it_began_in_one_piece(
    kanya: Sender, incident: str, owner: asyncpg.Connection
) -> None:
    alert = str(uuid7())
    call = {"raiseAlert": {"id": alert, "latitude": 16.7151, "longitude": 98.5728}}
    await kanya.phone.push("SOS", kanya.phone.mutation("SOS", call))
    id = await kanya.attach(large_film(), "video/mp4", "VIDEO", alert=alert)
    assert (await kanya.file(id, "WIFI"))["whole"] is not None
    slow = await kanya.send(id, network="SLOW")
    # A call for help is sent on any line.
    assert (slow["advice"], slow["partCount"]) == ("NOW", 3)
    await kanya.complete(id)
    assert await owner.fetchval("select count(*) from media_upload") == 1
    row = await kanya.deliver(await kanya.attach(files.jpeg(), incident=incident))
    assert row["state"] == "READY"
    assert (await kanya.file(id))["state"] == "UPLOADED"


async def test_the_order_is_help_first_then_what_is_seen_soon_then_the_rest(
    kanya: Sender, incident: str
) -> None:
    alert = str(uuid7())
    call = {"raiseAlert": {"id": alert, "latitude": 16.7151, "longitude": 98.5728}}
    await kanya.phone.push("SOS", kanya.phone.mutation("SOS", call))
    film = await kanya.attach(large_film(), "video/mp4", "VIDEO", incident=incident)
    photo = await kanya.attach(files.jpeg(), incident=incident)
    help_film = await kanya.attach(large_film(), "video/mp4", "VIDEO", alert=alert)
    help_photo = await kanya.attach(files.jpeg(seed=1), alert=alert)
    ids = [film, photo, help_film, help_photo]
    done = await kanya.asked(*ids, network="SLOW")
    assert [one["id"] for one in done["files"]] == [help_photo, help_film, photo, film]
    assert [one["advice"] for one in done["files"]] == ["NOW", "NOW", "NOW", "WHEN_FASTER"]
    assert done["atOnce"] == 1
    assert (await kanya.asked(*ids, network="WIFI"))["atOnce"] == 4


async def test_a_link_takes_only_what_was_declared_and_only_once(
    kanya: Sender, incident: str, store: ObjectStore, owner: asyncpg.Connection
) -> None:
    data = files.jpeg()
    id = await kanya.attach(data, incident=incident)
    place = (await kanya.file(id))["whole"]
    assert (await kanya.put(place, data[:-1] + b"x")).status_code == 400
    assert (await kanya.put(place, data + b"x")).status_code == 403
    assert (await kanya.put(place, b"")).status_code == 403
    assert (await kanya.put({"url": place["url"]}, data)).status_code == 403
    assert (await kanya.complete(id))[0]["state"] == "DECLARED"
    assert (await kanya.put(place, data)).status_code == 200
    assert (await kanya.put(place, data)).status_code == 412
    key = await owner.fetchval("select key from media_upload")
    there = await store.stat(Bucket.EVIDENCE, key)
    with pytest.raises(StoreRefused):
        await store.delete(Bucket.EVIDENCE, key, version_id=there.version_id)
    film = await kanya.attach(large_film(), "video/mp4", "VIDEO", incident=incident)
    part = (await kanya.file(film))["parts"][0]
    assert (await kanya.put(part, large_film()[:100])).status_code == 403


@pytest.mark.parametrize("reason", ["SHA256_DIFFERS", "SIZE_DIFFERS", "OBJECT_MISSING"])
async def test_what_broke_on_the_way_is_kept_and_may_be_sent_again_three_times(
    reason: str, kanya: Sender, incident: str, store: ObjectStore, owner: asyncpg.Connection
) -> None:
    film = large_film()
    id = await kanya.attach(film, "video/mp4", "VIDEO", incident=incident)
    lie = film[:-1] + b"x"

    async def break_it() -> None:
        if reason == "SHA256_DIFFERS":
            assert (await kanya.deliver(id, lie=lie))["reason"] == reason
            return
        await kanya.send(id)
        await kanya.complete(id)
        if reason == "SIZE_DIFFERS":
            # A store that does not hold a link to its size.
            await owner.execute(
                "update stored_object set version_id = null where state = 'UPLOADED'"
            )
            key = await owner.fetchval("select key from stored_object where state = 'UPLOADED'")
            await store.put_bytes(Bucket.EVIDENCE, key, film[:-5], content_type="video/mp4")
        else:
            await owner.execute(
                "update stored_object set key = key || 'lost', version_id = null where state = 'UPLOADED'"
            )
        await verify_media(kanya.phone.context.database, store, UUID(id))
        assert (await kanya.seen(id))["reason"] == reason

    for _ in range(2):
        await break_it()
    assert (await kanya.deliver(id))["state"] == "READY"
    kept = await owner.fetch("select state, reason from stored_object order by id")
    assert [tuple(row) for row in kept] == [("QUARANTINED", reason)] * 2 + [("READY", None)]
    other = await kanya.attach(film, "video/mp4", "VIDEO", incident=incident)
    id = other
    for _ in range(3):
        await break_it()
    one = await kanya.file(id)
    assert (one["state"], one["reason"], one["parts"]) == ("QUARANTINED", reason, [])


async def test_only_who_attached_a_file_sends_it_from_whatever_phone(
    kanya: Sender, incident: str, world: World, http: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    id = await kanya.attach(files.jpeg(), incident=incident)
    phone = kanya.phone

    async def by(officer: UUID) -> Sender:
        principal = await as_officer(world, officer)
        there = context(phone.context.database, principal, phone.context.keys, store=phone.context.store)  # fmt: skip
        return Sender(Phone(phone.door, there), http, kanya.bytes_of)

    stranger = await by(world.prasert)
    for told in (await stranger.file(id), (await stranger.complete(id))[0]):
        assert (told["state"], told["refusal"]["code"]) == (None, "MEDIA_UNKNOWN")
    nobody = str(uuid7())
    assert (await kanya.file(nobody))["refusal"]["code"] == "MEDIA_UNKNOWN"
    # She lost her phone, and the post moved to another zone meanwhile.
    await owner.execute("update incident set scope_id = $1, zone_id = $1", world.temple)
    again = await by(world.kanya)
    await again.send(id)
    assert (await again.complete(id))[0]["state"] == "UPLOADED"
    assert await owner.fetchval("select scope_id from stored_object") == world.temple
    await owner.execute("update incident set scope_id = $1, zone_id = $1", world.market)
    assert await owner.fetchval("select scope_id from stored_object") == world.market


async def test_a_file_may_be_only_so_large(
    kanya: Sender, incident: str, owner: asyncpg.Connection
) -> None:
    id = await kanya.attach(files.jpeg(), incident=incident, sizeBytes=33 * 1024 * 1024)
    one = await kanya.file(id)
    assert (one["refusal"]["code"], one["whole"]) == ("MEDIA_TOO_LARGE", None)
    done = await kanya.asked(*(str(uuid7()) for _ in range(21)))
    assert done["refusal"]["code"] == "TOO_LARGE"
    assert await owner.fetchval("select count(*) from media_upload") == 0


async def test_bytes_that_nobody_told_of_are_found(
    kanya: Sender, incident: str, store: ObjectStore, owner: asyncpg.Connection
) -> None:
    photo = await kanya.attach(files.jpeg(), incident=incident)
    film = await kanya.attach(large_film(), "video/mp4", "VIDEO", incident=incident)
    half = await kanya.attach(large_film(), "video/mp4", "VIDEO", incident=incident)
    await kanya.send(photo)
    await kanya.send(film)
    await kanya.send(half, most=1)
    database = kanya.phone.context.database
    assert await upkeep.watch(database, store, datetime.now(UTC)) == []
    await owner.execute("update media_upload set asked_at = asked_at - interval '1 minute'")
    assert len(await upkeep.watch(database, store, datetime.now(UTC))) == 2
    found = await states(owner)
    assert {id: found[id][0] for id in (photo, film, half)} == {
        photo: "UPLOADED", film: "UPLOADED", half: "DECLARED",
    }  # fmt: skip
    jobs = await owner.fetch("select payload from pgqueuer where entrypoint = 'verify_media'")
    assert len(jobs) == 2


async def test_an_upload_that_nobody_goes_on_with_is_given_up_and_can_be_sent_anew(
    kanya: Sender, incident: str, store: ObjectStore, owner: asyncpg.Connection
) -> None:
    half = await kanya.attach(large_film(), "video/mp4", "VIDEO", incident=incident)
    whole = await kanya.attach(files.jpeg(), incident=incident)
    film = await kanya.attach(large_film(), "video/mp4", "VIDEO", incident=incident)
    await kanya.send(half, most=1)
    await kanya.send(whole)
    await kanya.send(film)
    database, now = kanya.phone.context.database, datetime.now(UTC)
    await upkeep.tidy(database, store, now)
    assert await owner.fetchval("select count(*) from media_upload where state = 'OPEN'") == 3
    await owner.execute("update media_upload set asked_at = asked_at - interval '15 days'")
    # The control: what arrived whole is noted, not given up.
    assert len(await upkeep.tidy(database, store, now)) == 2
    found = await states(owner)
    assert [found[id][0] for id in (half, whole, film)] == ["DECLARED", "UPLOADED", "UPLOADED"]
    row = await owner.fetchrow("select * from media_upload where state = 'ABANDONED'")
    assert str(row["media_id"]) == half
    assert await store.multiparts.open(Bucket.EVIDENCE, under=f"incidents/{incident}/") == []
    again = await kanya.file(half)
    assert again["missingParts"] == again["partCount"]
    assert (await kanya.deliver(half))["state"] == "READY"


async def test_an_upload_that_no_row_names_is_given_up_and_one_of_a_row_is_not(
    kanya: Sender, incident: str, store: ObjectStore, owner: asyncpg.Connection
) -> None:
    film = await kanya.attach(large_film(), "video/mp4", "VIDEO", incident=incident)
    await kanya.send(film, most=1)
    folder = f"incidents/{incident}/"
    await store.multiparts.begin(Bucket.EVIDENCE, f"{folder}x/y.mp4", content_type="video/mp4")
    assert len(await store.multiparts.open(Bucket.EVIDENCE, under=folder)) == 2
    later = datetime.now(UTC) + timedelta(days=15)
    await owner.execute("update media_upload set asked_at = $1", later)
    await upkeep.tidy(kanya.phone.context.database, store, later)
    left = await store.multiparts.open(Bucket.EVIDENCE, under=folder)
    assert [one.multipart_id for one in left] == [
        await owner.fetchval("select multipart_id from media_upload")
    ]


async def test_an_upload_that_the_store_forgot_begins_anew(
    kanya: Sender, incident: str, store: ObjectStore, owner: asyncpg.Connection
) -> None:
    film = await kanya.attach(large_film(), "video/mp4", "VIDEO", incident=incident)
    await kanya.send(film, most=1)
    row = await owner.fetchrow("select key, multipart_id from media_upload")
    await store.multiparts.give_up(Bucket.EVIDENCE, row["key"], row["multipart_id"])
    assert (await kanya.complete(film))[0]["state"] == "DECLARED"
    again = await kanya.file(film)
    assert again["missingParts"] == again["partCount"] == len(again["parts"])
    assert (await kanya.deliver(film))["state"] == "READY"


async def test_a_job_that_was_given_up_is_asked_for_again(
    kanya: Sender, incident: str, store: ObjectStore, owner: asyncpg.Connection
) -> None:
    id = await kanya.attach(files.jpeg(), incident=incident)
    await kanya.send(id)
    await kanya.complete(id)
    await owner.execute("delete from pgqueuer")
    await upkeep.tidy(kanya.phone.context.database, store, datetime.now(UTC))
    assert await owner.fetchval("select count(*) from pgqueuer") == 0
    await owner.execute("update media set arrived_at = arrived_at - interval '1 hour'")
    await upkeep.tidy(kanya.phone.context.database, store, datetime.now(UTC))
    assert await owner.fetchval("select count(*) from pgqueuer") == 1
