"""Pages that fit a bad link, and pulls of chosen subjects: each request makes progress, and no filter loses a row."""

from __future__ import annotations

import zlib
from random import Random
from uuid import UUID

import orjson
import pytest

from patrol.sync.page import LEAST_BYTES, MOST_BYTES
from patrol.sync.subjects import SUBJECTS
from schema.door import Door
from schema.verify import SyncSubject
from tests.phone import PULL, Phone, ask
from tests.world import World

THAI = "กขคงจฉชซญฐณดตถทธนบปผฝพฟภมยรลวศสหอฮ"


def _text(dice: Random, letters: int) -> str:
    """A text that does not compress to nothing."""
    return "".join(dice.choice(THAI) for _ in range(letters))


async def _fill(world: World, rows: int, letters: int) -> None:
    device = await world.add_device()
    for number in range(rows):
        await world.add_incident(
            world.market, description=_text(Random(number), letters), device=device
        )


# Bytes


@pytest.mark.parametrize("size", [LEAST_BYTES, 5_000, 20_000, 100_000])
async def test_a_page_ends_where_its_bytes_do(size: int, kanya: Phone, world: World) -> None:
    await _fill(world, 20, 600)
    pages = await kanya.pull(maxBytes=size)
    assert len(kanya.rows["incidents"]) == 20
    for page in pages:
        rows = [row for name in kanya.rows for row in page[name]]
        assert rows or page is pages[-1]
        # About: what is estimated are the rows, and a row alone may be larger.
        assert len(orjson.dumps(rows)) < max(size * 1.3, 4_000) or len(rows) == 1
    assert kanya.differing(pages[-1]) == []
    # And pages are no smaller than they need to be.
    assert len(pages) < 3 + 20 * 2_500 / size * 2


async def test_a_row_that_is_larger_than_the_page_passes_alone(kanya: Phone, world: World) -> None:
    await _fill(world, 3, 9_000)
    pages = await kanya.pull(maxBytes=LEAST_BYTES)
    assert [len(page["incidents"]) for page in pages if page["incidents"]] == [1, 1, 1]


async def test_removals_take_room_too(kanya: Phone, world: World) -> None:
    await _fill(world, 40, 10)
    await kanya.pull()
    await world.change("update incident set deleted_at = now()")
    pages = await kanya.pull(maxBytes=LEAST_BYTES)
    assert max(len(page["removals"]) for page in pages) <= LEAST_BYTES // 100
    assert sum(len(page["removals"]) for page in pages) == 40
    assert not kanya.rows["incidents"]


@pytest.mark.parametrize("size", [LEAST_BYTES - 1, MOST_BYTES + 1, -1])
async def test_a_page_without_room_or_with_too_much_is_refused(size: int, kanya: Phone) -> None:
    answer = await ask(kanya.door, kanya.context, PULL, maxBytes=size)
    assert answer["errors"][0]["extensions"]["code"] == "PAGE_SIZE_INVALID"


class Link:
    """A link of 20 kbit/s that is cut every 30 s: what is on its way then is lost, with its answer."""

    WINDOW = 30 * 20_000 // 8
    REQUEST = 3_000  # the request and what opens a connection

    def __init__(self) -> None:
        self.left = self.WINDOW
        self.cuts = 0

    def carries(self, answer: bytes) -> bool:
        """Whether an answer arrives, compressed as the server does, before the next cut."""
        packed = zlib.compressobj(6, zlib.DEFLATED, 31)
        size = self.REQUEST + len(packed.compress(answer) + packed.flush())
        if size <= self.left:
            self.left -= size
            return True
        self.cuts += 1
        self.left = self.WINDOW
        return False


async def _pull_over(link: Link, phone: Phone, max_bytes: int, attempts: int) -> list[int]:
    """Pulls over a link, beginning each attempt anew; the pages that arrived between cuts."""
    arrived = [0]
    for _ in range(attempts):
        operation = phone.door.operations.get(phone.text)
        variables = {"cursor": phone.cursor, "maxBytes": max_bytes}
        answer = await phone.door.execute(operation, variables, phone.context)
        if not link.carries(answer):
            arrived.append(0)
            continue
        phone.apply(orjson.loads(answer)["data"]["pull"])
        arrived[-1] += 1
        if phone.pages[-1]["complete"]:
            break
    return arrived


async def test_on_a_bad_link_every_attempt_makes_progress(kanya: Phone, world: World) -> None:
    await _fill(world, 60, 4_000)
    link = Link()
    arrived = await _pull_over(link, kanya, 48 * 1024, 200)
    assert len(kanya.rows["incidents"]) == 60
    assert link.cuts >= 2
    assert min(arrived) >= 1
    assert kanya.differing(kanya.pages[-1]) == []


async def test_without_a_bound_in_bytes_nothing_ever_arrives(kanya: Phone, world: World) -> None:
    """The negative control: the same rows, the same link, and pages that are bounded by rows alone."""
    await _fill(world, 60, 4_000)
    arrived = await _pull_over(Link(), kanya, MOST_BYTES, 10)
    assert set(arrived) == {0}
    assert not kanya.rows["incidents"]


# Chosen subjects


def test_the_filter_names_every_subject() -> None:
    assert {one.name for one in SyncSubject} == {subject.name for subject in SUBJECTS}


async def test_a_filtered_pull_brings_its_subjects_and_no_others(
    kanya: Phone, world: World
) -> None:
    await world.add_incident(world.market)
    await kanya.pull(subjects=["zones", "cameras"])
    assert {name for name, rows in kanya.rows.items() if rows} == {"zones", "cameras"}


async def test_each_filter_has_a_cursor_of_its_own(kanya: Phone, world: World) -> None:
    first = await world.add_incident(world.market)
    await kanya.pull(subjects=["cameras"])
    cameras, kanya.cursor = kanya.cursor, None
    await kanya.pull(subjects=["incidents"])
    incidents = kanya.cursor
    await world.change("update camera set name = 'Changed' where id = $1", world.market_camera)
    await world.change("update incident set deleted_at = now() where id = $1", first)
    page = await kanya.pull_page(subjects=["incidents"])
    assert (len(page["removals"]), len(page["cameras"])) == (1, 0)
    assert page["resetSubjects"] == []
    kanya.cursor = cameras
    page = await kanya.pull_page(subjects=["cameras"])
    assert [row["name"] for row in page["cameras"]] == ["Changed"]
    assert incidents != cameras


@pytest.mark.parametrize("narrow", [["incidents"], ["cameras", "zones"], []])
async def test_a_cursor_of_another_filter_loses_nothing(
    narrow: list[str], prasert: Phone, world: World
) -> None:
    gone = [await world.add_incident(zone) for zone in (world.market, world.temple)]
    await world.add_incident(world.market)
    await prasert.pull()
    # Changes on both sides of the narrow pull, of subjects that it has and that it has not.
    await world.change("update incident set deleted_at = now() where id = $1", gone[0])
    await world.change("update camera set deleted_at = now() where id = $1", world.market_camera)
    await prasert.pull(subjects=narrow)
    await world.change("update incident set deleted_at = now() where id = $1", gone[1])
    pages = await prasert.pull()
    assert set(pages[0]["resetSubjects"]) == set(prasert.rows) - set(narrow)
    assert await prasert.verify() == []
    assert set(prasert.rows["cameras"]) == {str(world.temple_camera)}
    # What both filters have is not given anew.
    assert sum(len(page["incidents"]) for page in pages) <= (0 if "incidents" in narrow else 1)


async def test_without_being_told_to_drop_the_others_a_phone_would_keep_what_was_deleted(
    kanya: Phone, world: World
) -> None:
    """The negative control of `resetSubjects`."""
    await kanya.pull()
    await world.change("update camera set deleted_at = now() where id = $1", world.market_camera)
    await kanya.pull(subjects=["incidents"])
    answer = await ask(kanya.door, kanya.context, PULL, cursor=kanya.cursor)
    page = answer["data"]["pull"]
    kanya.apply(page | {"resetSubjects": []})
    assert str(world.market_camera) in kanya.rows["cameras"]


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_filters_that_change_in_the_middle_of_a_walk_lose_nothing(
    size: int, prasert: Phone, world: World
) -> None:
    incidents = [await world.add_incident(zone) for zone in (world.market, world.temple) * 4]
    filters = [None, ["incidents"], ["cameras", "incidents"], None, ["zones"], ["incidents"]]
    for number, only in enumerate(filters):
        for _ in range(3):
            await prasert.pull_page(first=size, subjects=only)
        await world.change(
            "update incident set deleted_at = now() where id = $1", incidents[number]
        )
    await prasert.pull(first=size)
    assert await prasert.verify() == []
    assert len(prasert.rows["incidents"]) == 2


async def test_a_filtered_check_speaks_of_its_subjects(kanya: Phone, world: World) -> None:
    await world.add_incident(world.market)
    page = (await kanya.pull(subjects=["incidents"], verify=True))[-1]
    assert {one["subject"] for one in page["digests"]} == {"incidents"}


async def test_a_subject_that_is_none_is_refused(door: Door, kanya: Phone) -> None:
    answer = await ask(door, kanya.context, PULL, subjects=["officer_state"])
    assert answer["errors"][0]["extensions"]["code"] == "VARIABLE_INVALID"


async def test_an_older_release_s_cursor_is_still_honoured(kanya: Phone, world: World) -> None:
    """A walk under way had one field less."""
    from patrol.sync import cursor as cursors

    for _ in range(5):
        await world.add_incident(world.market)
    await kanya.pull_page(first=2)
    keys = kanya.context.keys
    holder = kanya.context.principal.id
    assert isinstance(holder, UUID)
    assert kanya.cursor is not None
    kid, _, body = kanya.cursor.split(".")
    raw = orjson.loads(cursors._bytes(body))
    raw[2] = raw[2][:5]
    old = orjson.dumps(raw)
    mac = keys.current.mac("cursor", holder.bytes + old)
    kanya.cursor = f"{kid}.{cursors._text(mac)}.{cursors._text(old)}"
    pages = await kanya.pull(first=2)
    assert all(page["reset"] is None for page in pages)
    assert len(kanya.rows["incidents"]) == 5
