"""Poles send what their cameras see of an alert, by links or through us, and are refused plainly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from patrol.clips.declaring import LARGEST_SEGMENT
from patrol.keys import KeySet
from storage.buckets import ObjectStore
from storage.database import Database
from tests.api.recording import settle
from tests.api.site import Site, code, opened
from tests.patrol.films import declared, film
from tests.world import World

FILM = film()
WORDS = {"container": "MPEG_TS", "videoCodec": "H264", "audioCodec": "AAC"}


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


@pytest.fixture
async def clips(site: Site) -> str:
    """The address of the clips of an alert that the pole has raised."""
    pressed = await site.http.post(site.alarm, headers=site.as_post())
    return f"/ingest/posts/{site.world.post}/alerts/{pressed.json()['alertId']}/clips"


async def begin(site: Site, clips: str, **more: Any) -> str:
    answer = await site.http.post(clips, json=WORDS | more, headers=site.as_post())
    assert answer.status_code == 201, answer.text
    return f"{clips}/{answer.json()['id']}"


async def test_a_pole_sends_a_clip_by_links(
    site: Site, clips: str, owner: asyncpg.Connection
) -> None:
    clip = await begin(site, clips, id=str(uuid7()))
    told = {"segments": [FILM.declared(number) for number in range(2)]}
    answer = await site.http.post(f"{clip}/segments", json=told, headers=site.as_post())
    assert answer.status_code == 200
    assert answer.json()["refused"] == []
    for one in answer.json()["segments"]:
        data = FILM.segments[one["sequence"]]
        put = await site.http.put(one["url"], content=data, headers=one["headers"])
        assert put.status_code == 200, put.text
    done = await site.http.post(
        f"{clip}/complete", json={"sequences": [0, 1, 5]}, headers=site.as_post()
    )
    assert [one["state"] for one in done.json()["segments"]] == ["UPLOADED", "UPLOADED"]
    ended = await site.http.post(f"{clip}/close", json={"segmentCount": 2}, headers=site.as_post())
    assert ended.status_code == 200
    await settle(site.services.database, site.services.store, clip.rpartition("/")[2])
    row = await owner.fetchrow("select state, ready, post_id from sos_clip")
    assert row is not None
    assert (row["state"], row["ready"], row["post_id"]) == ("READY", 2, site.world.post)


async def test_a_simple_box_sends_a_clip_segment_by_segment_through_us(
    site: Site, clips: str, owner: asyncpg.Connection
) -> None:
    film_ = film("FMP4")
    named = site.as_post(**{"idempotency-key": "17"})
    first = await site.http.post(clips, json=WORDS | {"container": "FMP4"}, headers=named)
    again = await site.http.post(clips, json=WORDS | {"container": "FMP4"}, headers=named)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    clip = f"{clips}/{first.json()['id']}"
    # The head comes last, and everything waits for it.
    for _ in range(2):
        answers = [
            await site.http.put(
                f"{clip}/{number}?seconds=2.0",
                content=film_.segments[number],
                headers=site.as_post(),
            )
            for number in (1, 0)
        ]
    assert [one.status_code for one in answers] == [200, 200]
    await settle(site.services.database, site.services.store, first.json()["id"])
    assert await owner.fetchval("select ready from sos_clip") == 0
    head = await site.http.put(f"{clip}/heads/0", content=film_.head, headers=site.as_post())
    assert (head.status_code, head.json()["state"]) == (201, "UPLOADED")
    await site.http.post(f"{clip}/close", headers=site.as_post())
    await settle(site.services.database, site.services.store, first.json()["id"])
    row = await owner.fetchrow("select state, ready from sos_clip")
    assert row is not None
    assert (row["state"], row["ready"]) == ("READY", 2)


async def test_what_is_wrong_is_refused_with_its_reason_and_nothing_is_lost(
    site: Site, clips: str, owner: asyncpg.Connection
) -> None:
    clip = await begin(site, clips)
    data = FILM.segments[0]

    async def put(content: bytes, path: str = "0?seconds=2.0", **headers: str) -> Any:
        return await site.http.put(
            f"{clip}/{path}", content=content, headers=site.as_post(**headers)
        )

    assert code(await put(b"")) == (400, "RECORD_INVALID")
    assert code(await put(data, "0")) == (400, "VARIABLE_INVALID")
    assert code(await put(data, "0?seconds=x")) == (400, "VARIABLE_INVALID")
    assert code(await put(data, "30000?seconds=2")) == (400, "RECORD_INVALID")
    assert code(await put(data, "0?seconds=nan")) == (400, "RECORD_INVALID")
    assert code(await put(data, f"{'9' * 5000}?seconds=2")) == (404, "ADDRESS_UNKNOWN")
    for numbers in ([2**40], [10**40], [-1]):
        told = await site.http.post(
            f"{clip}/complete", json={"sequences": numbers}, headers=site.as_post()
        )
        assert told.json() == {"segments": []}
    lying = await put(data, **{"x-content-sha256": "ab" * 32})
    assert code(lying) == (415, "SEGMENT_UNFIT")
    assert lying.json()["error"]["reason"] == "SHA256_DIFFERS"
    large = await put(bytes(LARGEST_SEGMENT + 1))
    assert code(large) == (413, "BODY_TOO_LARGE")
    assert await owner.fetchval("select count(*) from sos_clip_segment") == 0

    # What is no film is taken, because it may be evidence, and told as soon as it was looked at.
    assert (await put(b"no film" * 100)).status_code == 201
    await settle(site.services.database, site.services.store, clip.rpartition("/")[2])
    again = await put(b"no film" * 100)
    assert again.status_code in (201, 415)
    assert (await put(data)).status_code in (201, 409)
    assert await owner.fetchval(
        "select count(*) from stored_object where state = 'QUARANTINED' and reason = 'WRONG_CONTAINER'"
    )


async def test_other_bytes_under_a_number_are_refused(site: Site, clips: str) -> None:
    clip = await begin(site, clips)
    first = await site.http.put(
        f"{clip}/0?seconds=2", content=FILM.segments[0], headers=site.as_post()
    )
    other = await site.http.put(
        f"{clip}/0?seconds=2", content=FILM.segments[1], headers=site.as_post()
    )
    assert first.status_code == 201
    assert code(other) == (409, "ALREADY_EXISTS")


async def test_a_pole_reaches_its_own_alerts_and_clips_only(
    site: Site, clips: str, owner: asyncpg.Connection
) -> None:
    clip = await begin(site, clips)
    elsewhere = f"/ingest/posts/{site.world.post}/alerts/{uuid7()}/clips"
    assert code(await site.http.post(elsewhere, json=WORDS, headers=site.as_post())) == (
        404, "NOT_FOUND",
    )  # fmt: skip
    swapped = f"{elsewhere}/{clip.rpartition('/')[2]}/close"
    assert code(await site.http.post(swapped, headers=site.as_post())) == (404, "CLIP_UNKNOWN")
    other = await site.world.add_post(site.world.temple)
    foreign = clips.replace(str(site.world.post), str(other))
    assert code(await site.http.post(foreign, json=WORDS, headers=site.as_post())) == (
        404, "POST_UNKNOWN",
    )  # fmt: skip
    assert code(await site.http.post(clips, json=WORDS)) == (401, "NOT_SIGNED_IN")
    await owner.execute("update device_key set revoked_at = now() where post_id is not null")
    for answer in (
        await site.http.post(clips, json=WORDS, headers=site.as_post()),
        await site.http.put(
            f"{clip}/0?seconds=2", content=FILM.segments[0], headers=site.as_post()
        ),
    ):
        assert answer.status_code == 401
    assert await owner.fetchval("select count(*) from sos_clip_segment") == 0


async def test_a_list_with_one_wrong_entry_takes_the_others(site: Site, clips: str) -> None:
    clip = await begin(site, clips)
    wrong = declared(b"x", 1) | {"sizeBytes": 0}
    answer = await site.http.post(
        f"{clip}/segments", json={"segments": [FILM.declared(0), wrong]}, headers=site.as_post()
    )
    assert [one["sequence"] for one in answer.json()["segments"]] == [0]
    assert [one["code"] for one in answer.json()["refused"]] == ["RECORD_INVALID"]
