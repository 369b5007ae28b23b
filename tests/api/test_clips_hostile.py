"""Whatever a phone or a stranger sends as a segment: it is kept and told why, never played, and the worker goes on."""

from __future__ import annotations

import io
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import av
import pytest
from PIL import Image

from patrol.clips import verifying
from patrol.clips.probe import opened as reading
from patrol.clips.structure import Unfit
from patrol.clips.verifying import verify_clip
from patrol.keys import KeySet
from patrol.limited import Limits
from schema.phone import phone_door
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.vocabulary import ClipContainer
from tests.api.recording import Recorder, settle, states
from tests.api.site import Site, opened
from tests.patrol.films import declared, film
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.world import World


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


@pytest.fixture
async def kanya(site: Site) -> Phone:
    principal = await as_officer(site.world, site.world.kanya)
    services = site.services
    return Phone(
        phone_door(),
        context(services.database, principal, services.keys, link=services.link, store=services.store),
    )  # fmt: skip


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG")
    return out.getvalue()


def huge() -> bytes:
    """A picture of 25 million points: small on the wire, large for who decodes it."""
    return film(segments=1, seconds=0.3, size=(6144, 4096), audio=False).segments[0]


def lying_sps() -> bytes:
    """A stream whose tables promise what its packets do not hold."""
    data = bytearray(film(segments=1).segments[0])
    for at in range(400, len(data) - 1, 7):
        if at % 188 > 4:
            data[at] ^= 0x5A
    return bytes(data)


def listing() -> bytes:
    """A list of files, which a careless decoder would follow to what only this machine may read."""
    return b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def endless_box() -> bytes:
    return struct.pack(">I4sQ", 1, b"moof", 2**62) + b"x" * 400


TS = {
    "garbage": (bytes(range(256)) * 40, Unfit.WRONG_CONTAINER),
    "a picture": (jpeg(), Unfit.WRONG_CONTAINER),
    "a list of files": (listing(), Unfit.WRONG_CONTAINER),
    "another container": (film("FMP4").segments[0], Unfit.WRONG_CONTAINER),
    "cut off": (film().segments[0][:-100], Unfit.TRUNCATED),
    "followed by an archive": (film().segments[0] + b"PK\3\4" + bytes(184), Unfit.MIXED),
    "empty packets": (b"\x47\x1f\xff\x10" * 47 * 20, Unfit.UNDECODABLE),
    "another codec": (film(video="libx265").segments[0], Unfit.CODEC_DIFFERS),
    "a large picture": (huge(), Unfit.TOO_MANY_PIXELS),
    "no sound": (film(audio=False).segments[0], None),
    "too long": (film(segments=1, seconds=90.0, size=(64, 64), audio=False).segments[0], Unfit.TOO_LONG),
}  # fmt: skip

MP4 = {
    "garbage": (bytes(range(256)) * 40, Unfit.WRONG_CONTAINER),
    "cut off": (film("FMP4").segments[0][:-50], Unfit.TRUNCATED),
    "followed by an archive": (film("FMP4").segments[0] + b"PK\3\4" + bytes(60), Unfit.MIXED),
    "an endless box": (endless_box(), Unfit.TRUNCATED),
    "a box of nothing": (struct.pack(">I4s", 0, b"moof") + bytes(100), Unfit.MIXED),
    "a whole file": ((film("FMP4").head or b"") + film("FMP4").segments[0], Unfit.WRONG_CONTAINER),
}


@pytest.mark.parametrize("container", ["MPEG_TS", "FMP4"])
async def test_nothing_hostile_is_played_and_what_is_good_beside_it_is(
    site: Site, kanya: Phone, owner: asyncpg.Connection, container: str
) -> None:
    recorder = Recorder(kanya, film(container), site.http)
    await recorder.begin()
    cases = list((TS if container == "MPEG_TS" else MP4).values())
    given = [declared(data, 1 + place) for place, (data, _) in enumerate(cases)]
    answer = await recorder.declare(0, given=given)
    assert answer["detail"] == {}
    links = await recorder.links(*range(len(cases) + 1))
    await recorder.put(links[0, False], recorder.film.segments[0])
    for place, (data, _) in enumerate(cases):
        assert (await recorder.put(links[1 + place, False], data)).status_code == 200
    await recorder.complete(*range(len(cases) + 1))
    await settle(site.services.database, site.services.store, recorder.clip)

    found = await states(owner, recorder.clip)
    assert found[0] == ("READY", None)
    for place, (_, reason) in enumerate(cases):
        wanted = ("READY", None) if reason is None else ("QUARANTINED", reason.value)
        assert found[1 + place] == wanted, place
    # Nothing is lost: the bytes are where they came to, and the reason stands beside them.
    kept = site.services.store.walk(Bucket.EVIDENCE, under=f"alerts/{recorder.alert}/")
    assert len([item async for item in kept]) == len(cases) + 1 + (recorder.film.head is not None)
    refused = sum(1 for _, reason in cases if reason is not None)
    told = await owner.fetchval(
        "select count(*) from sos_event where kind = 'CLIP_SEGMENT_REFUSED'"
    )
    assert told == refused
    assert (await recorder.seen())["quarantined"] == refused
    # The number is free again, for the same phone that mends its mistake.
    [answer] = [await recorder.declare(1)]
    assert answer["detail"] == {}
    await recorder.send(1)
    await settle(site.services.database, site.services.store, recorder.clip)
    place = await owner.fetchval(
        "select count(*) from sos_clip_segment where sequence = 1 and not init and state = 'READY'"
    )
    assert place == 1


async def test_damage_inside_the_packets_harms_nobody(
    site: Site, kanya: Phone, owner: asyncpg.Connection
) -> None:
    recorder = Recorder(kanya, film(), site.http)
    await recorder.begin()
    data = lying_sps()
    await recorder.declare(0, given=[declared(data, 1)])
    links = await recorder.links(0, 1)
    await recorder.put(links[0, False], recorder.film.segments[0])
    await recorder.put(links[1, False], data)
    await recorder.complete(0, 1)
    await settle(site.services.database, site.services.store, recorder.clip)
    found = await states(owner, recorder.clip)
    assert found[0] == ("READY", None)
    assert found[1][0] == "QUARANTINED"


async def test_bytes_that_are_not_the_declared_ones_are_found_although_the_store_took_them(
    site: Site, kanya: Phone, owner: asyncpg.Connection
) -> None:
    """A store that checks nothing, or a disk that turns a bit: we look for ourselves."""
    recorder = Recorder(kanya, film(), site.http)
    await recorder.begin()
    await recorder.declare(0, 1, 2)
    store = site.services.store
    row = await owner.fetch("select id, sequence from sos_clip_segment order by sequence")
    folder = f"alerts/{recorder.alert}/{recorder.clip}"
    good = recorder.film.segments
    for one, data in zip(row, (good[1], good[1][:-188], good[2] + bytes(188)), strict=True):
        key = f"{folder}/{one['sequence']:06d}-{one['id']}.ts"
        await store.put_bytes(Bucket.EVIDENCE, key, data, content_type="video/mp2t")
    await recorder.complete(0, 1, 2)
    await settle(site.services.database, store, recorder.clip)
    found = await states(owner, recorder.clip)
    assert {found[0][0], found[1][0], found[2][0]} == {"QUARANTINED"}
    assert {found[0][1], found[1][1], found[2][1]} <= {"SHA256_DIFFERS", "SIZE_DIFFERS"}
    # The very same declaration is taken again, under an id of its own.
    assert (await recorder.declare(0))["detail"] == {}
    await recorder.send(0)
    await settle(site.services.database, store, recorder.clip)
    assert (await states(owner, recorder.clip))[0] == ("READY", None)


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        ({"sizeBytes": 0}, "RECORD_INVALID"),
        ({"sizeBytes": 33 * 1024 * 1024}, "TOO_LARGE"),
        ({"sha256": "zz" * 32}, "RECORD_INVALID"),
        ({"sequence": -1}, "RECORD_INVALID"),
        ({"sequence": 20_000}, "RECORD_INVALID"),
        ({"sequence": 2_000_000_000}, "RECORD_INVALID"),
        ({"seconds": 0}, "RECORD_INVALID"),
        ({"seconds": -4.0}, "RECORD_INVALID"),
        ({"seconds": 3600.0}, "RECORD_INVALID"),
        ({"init": True}, "RECORD_INVALID"),
    ],
)
async def test_a_declaration_that_cannot_be_is_refused_alone(
    site: Site, kanya: Phone, owner: asyncpg.Connection, odd: dict[str, Any], code: str
) -> None:
    recorder = Recorder(kanya, film(), site.http)
    await recorder.begin()
    answer = await recorder.declare(0, given=[recorder.film.declared(1) | odd])
    assert answer["outcome"] == "APPLIED"
    [refused] = answer["detail"]["refused"]
    assert refused["code"] == code
    assert await owner.fetchval("select count(*) from sos_clip_segment") == 1


async def test_who_needs_more_memory_than_there_is_stands_apart_and_the_others_do_not(
    site: Site, kanya: Phone, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As little as the interpreter with its libraries and a small picture needs: the large one does not fit.
    monkeypatch.setattr(verifying, "LIMITS", Limits(memory=260 * 1024 * 1024, cpu=30, wall=60.0))
    recorder = Recorder(kanya, film(), site.http)
    await recorder.begin()
    data = huge()
    await recorder.declare(0, 2, given=[declared(data, 1)])
    links = await recorder.links(0, 1, 2)
    for number, sent in ((0, recorder.film.segments[0]), (1, data), (2, recorder.film.segments[2])):
        await recorder.put(links[number, False], sent)
    await recorder.complete(0, 1, 2)
    await settle(site.services.database, site.services.store, recorder.clip)
    found = await states(owner, recorder.clip)
    assert (found[0][0], found[2][0]) == ("READY", "READY")
    assert found[1][0] == "QUARANTINED"


async def test_a_list_of_files_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "there.ts").write_bytes(film().segments[0])
    (tmp_path / "list.m3u8").write_bytes(
        listing().replace(b"/etc/passwd", f"{tmp_path}/there.ts".encode())
    )
    with (tmp_path / "list.m3u8").open("rb") as file, pytest.raises(av.error.FFmpegError):
        reading(file, ClipContainer.MPEG_TS)
    # The control: a demuxer that may choose for itself follows it.
    with av.open(str(tmp_path / "list.m3u8")) as found:
        assert found.streams.video


async def test_nothing_is_done_for_a_clip_that_does_not_exist(site: Site) -> None:
    assert await verify_clip(site.services.database, site.services.store, UUID(int=1)) is None
