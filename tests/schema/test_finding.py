"""What people look for must be found by every filter as a naive reader finds it, by indexes, and partners learn nothing more."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from schema.finding import BoundsInput, NearInput
from schema.planner import RequestErrors
from schema.planner.keyset import encode
from storage.database import Database
from storage.principal import Role
from storage.vocabulary import (
    DetailLevel,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    SharingSubject,
)
from tests.personas import as_admin, as_officer, as_partner
from tests.phone import Phone, ask, context
from tests.schema.asked import DOOR, Asked
from tests.schema.reference import LISTS
from tests.world import LATITUDE, LONGITUDE, SIDE, World, now

TITLES = (
    "Motorcycle stolen", "รถจักรยานยนต์หาย", "ไฟไหม้ที่ตลาด", "เสื้อแดง 100%", "a_b in the night market",
    "back\\slash 'quoted'", "ตู้ ATM ถูกทุบ", "Fire at the Temple", "ไฟดับ", "“Café” 警察 ไฟ火", "มีด",
)  # fmt: skip
TERMS = (
    "motor", "MOTOR", "ไฟ", "รถ", "ไฟไหม้", "เสื้อ", "ตู้", "100%", "a_b", "a b", "k\\s", "night mar", "'quo",
    "caf", "警察", "ไฟ火", "มีด", "unicorn", "ฮฮ", "the", "a_", "ดับ",
)  # fmt: skip


async def fill(world: World, rows: int = 60) -> None:
    """Incidents of all kinds, at places within and around the zones, some without a place or a text."""
    chance = random.Random(7)
    device = await world.add_device()
    hour_ago = now() - timedelta(hours=1)
    for number in range(rows):
        placed = chance.random() < 0.9
        await world.add_incident(
            chance.choice([world.market, world.temple, None]),
            title=chance.choice(TITLES),
            description=chance.choice(["", "", *TITLES]),
            category=chance.choice(list(IncidentCategory)[:4]),
            severity=chance.choice(list(IncidentSeverity)),
            status=chance.choice(list(IncidentStatus)),
            occurred_at=hour_ago - timedelta(minutes=chance.randrange(20)),
            updated_at=hour_ago + timedelta(seconds=chance.randrange(900)),
            deleted_at=now() if number % 20 == 0 else None,
            latitude=LATITUDE + chance.uniform(-SIDE, 2 * SIDE) if placed else None,
            longitude=LONGITUDE + chance.uniform(-SIDE, 3 * SIDE) if placed else None,
            device=device,
        )


FILTERS: dict[str, list[dict[str, Any]]] = {
    "category": [{}, {"category": ["THEFT"]}, {"category": ["THEFT", "ROBBERY", "THEFT"]}],
    "severity": [{}, {"severity": ["HIGH", "LOW"]}],
    "status": [{}, {"status": ["OPEN"]}],
    "text": [{}, {"text": "ไฟ"}, {"text": "motor"}],
    "place": [
        {},
        {"within": {"south": 16.7131, "west": 98.5708, "north": 16.7151, "east": 98.5738}},
        {"within": {"south": 16.6, "west": 98.5, "north": 16.72, "east": 98.575}},
        {"within": {"south": -5, "west": -180, "north": 16.715, "east": 98.575}},
        {"near": {"latitude": 16.7151, "longitude": 98.5728, "radiusM": 250}},
        {"near": {"latitude": 16.7151, "longitude": 98.5728, "radiusM": 900}},
    ],
}

SHAPE = "nodes { id } totalCount pageInfo { hasNextPage endCursor }"
LIST = """query ($zone: UUID, $category: [IncidentCategory!], $severity: [IncidentSeverity!], $status: [IncidentStatus!],
        $since: DateTime, $until: DateTime, $text: SearchText, $within: BoundsInput, $near: NearInput,
        $order: IncidentOrder! = OCCURRED, $first: Int! = 200, $after: String) {
    incidents(zoneId: $zone, category: $category, severity: $severity, status: $status, since: $since, until: $until,
        text: $text, within: $within, near: $near, order: $order, first: $first, after: $after) { %s } }"""
PHONE = LIST % SHAPE
PARTNER = LIST % f"... on Refusal {{ code }} ... on IncidentConnection {{ {SHAPE} }}"


async def asking(door: Any, asked: Any, operation: str, **given: Any) -> dict[str, Any]:
    """As `ask`, whose own parameter is named like one of our variables."""
    try:
        known = door.operations.get(operation)
        answer: dict[str, Any] = orjson.loads(await door.execute(known, given, asked))
    except RequestErrors as refused:
        return {"errors": refused.errors}
    return answer


async def whole(door: Any, asked: Any, operation: str, **given: Any) -> tuple[list[str], int]:
    """All pages of a list, seven rows each, and the total."""
    seen: list[str] = []
    after = None
    while True:
        answer = await asking(door, asked, operation, first=7, after=after, **given)
        assert "errors" not in answer, answer
        page = answer["data"]["incidents"]
        seen += [row["id"] for row in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return seen, page["totalCount"]


def combined() -> Iterator[dict[str, Any]]:
    """Each filter with each other one."""
    for one, two in itertools.combinations(FILTERS, 2):
        for first, second in itertools.product(FILTERS[one], FILTERS[two]):
            yield {**first, **second}


async def visible(owner: asyncpg.Connection, relation: str) -> list[dict[str, Any]]:
    rows = await owner.fetch(f"select * from {relation}")
    return [{**row, "id": str(row["id"]), "zone_id": str(row["zone_id"])} for row in rows]


def naive(rows: list[dict[str, Any]], order: str = "OCCURRED", **given: Any) -> list[str]:
    """What a reader of the whole table finds."""
    column = {"OCCURRED": "occurred_at", "UPDATED": "updated_at"}[order]
    given = {("zoneId" if name == "zone" else name): one for name, one in given.items()}
    found = [
        row
        for row in rows
        if row.get("deleted_at") is None
        and LISTS["incidents"].matches(
            {**row, "title": row["title"] or "", "description": row["description"] or ""}, given
        )
    ]
    found.sort(key=lambda row: (row[column], row["id"]), reverse=True)
    return [row["id"] for row in found]


@pytest.mark.oldest
async def test_each_filter_with_each_other_finds_what_a_naive_reader_finds(
    prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await fill(world)
    rows = await visible(owner, "incident")
    found = 0
    for given, order in zip(combined(), itertools.cycle(["OCCURRED", "OCCURRED", "UPDATED"])):
        expected = naive(rows, order, **given)
        assert await whole(prasert.door, prasert.context, PHONE, order=order, **given) == (
            expected,
            len(expected),
        ), given
        found += bool(expected)
    assert found > 30
    for given in ({"zone": str(world.market)}, {"zone": str(world.station)}):
        expected = naive(rows, **given)
        assert await whole(prasert.door, prasert.context, PHONE, **given) == (
            expected,
            len(expected),
        )


# Texts


@pytest.mark.oldest
@pytest.mark.parametrize("few", [True, False], ids=["read in order", "looked up"])
async def test_texts_are_found_in_thai_and_english_and_wildcards_mean_themselves(
    few: bool, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await fill(world)
    if not few:
        await crowd(owner, world, 3_000)
    rows = await visible(owner, "incident")
    looked_up = 0
    for term in TERMS:
        if term == "a_":
            continue
        expected = naive(rows, text=term)
        answer = await asking(prasert.door, prasert.context, PHONE, text=term)
        assert [row["id"] for row in answer["data"]["incidents"]["nodes"]] == expected[:200], term
        assert answer["data"]["incidents"]["totalCount"] == len(expected)
        async with prasert.context.database.read(Role.PHONE, prasert.context.principal) as entered:
            ids = await entered.connection.fetchval(CALL, term, list(entered.scopes))
        looked_up += ids is not None
        assert ids is None or set(expected) <= set(map(str, ids))
    assert (looked_up == 0) if few else looked_up > 15


CALL = "select access.incidents_with($1, $2, null, false)"


async def crowd(owner: asyncpg.Connection, world: World, rows: int) -> None:
    """Many rows of the market, quickly, which hold none of the texts."""
    await owner.execute(
        """insert into incident (id, scope_id, station_id, zone_id, category, severity, status, title, description,
               latitude, longitude, occurred_at, captured_at_raw, received_at, updated_at, reported_by, device_id)
           select gen_random_uuid(), $1, $2, $1, (array['NOISE', 'FRAUD', 'DRUGS'])[1 + n % 3],
                  (array['LOW', 'MEDIUM', 'HIGH'])[1 + n % 3], (array['CLOSED', 'RESOLVED'])[1 + n % 2], 'zz ' || n, 'วว',
                  $5 + (n % 100) * 0.0003, $6 + (n / 100 % 100) * 0.0003, now() - n * interval '1 minute' , 'x', now(), now(), $3, $4
           from generate_series(1, $7::int) n""",
        world.market, world.station, world.kanya, await world.add_device(), LATITUDE, LONGITUDE, rows,
    )  # fmt: skip
    await owner.execute("vacuum analyze incident")


@pytest.mark.parametrize(
    "text", ["", "a", "ก", "ab", "  a  ", "é é", "--", "---", "%%%", "x" * 101, "🔥🔥"]
)
async def test_a_text_that_says_too_little_or_too_much_is_refused(text: str, kanya: Phone) -> None:
    answer = await asking(kanya.door, kanya.context, PHONE, text=text)
    if text == "é é":
        assert "errors" not in answer  # three characters, two of them letters
        return
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "VARIABLE_INVALID"
    assert "SearchText" in error["message"]


# Places


@pytest.mark.parametrize(
    "given",
    [
        {"within": {"south": 17, "west": 98, "north": 16, "east": 99}},
        {"within": {"south": 16, "west": 179, "north": 17, "east": -179}},
        {"within": {"south": -91, "west": 98, "north": 17, "east": 99}},
        {"within": {"south": 16, "west": 98, "north": 17, "east": 181}},
        {"near": {"latitude": 16, "longitude": 98, "radiusM": 0}},
        {"near": {"latitude": 16, "longitude": 98, "radiusM": 50_001}},
        {"near": {"latitude": 98, "longitude": 16, "radiusM": 5}},
        {"near": {"latitude": 16, "longitude": 179.99, "radiusM": 50_000}},
        {"near": {"latitude": 89.9, "longitude": 0, "radiusM": 50_000}},
    ],
)
async def test_a_place_that_makes_no_sense_is_refused(
    given: dict[str, Any], kanya: Phone, radio: Asked
) -> None:
    answer = await asking(kanya.door, kanya.context, PHONE, **given)
    assert answer["errors"][0]["extensions"]["code"] == "VARIABLE_INVALID"
    answer = await asking(DOOR, context(radio.database, radio.principal), PARTNER, **given)
    assert "VARIABLE_INVALID" in orjson.dumps(answer).decode()


@pytest.mark.oldest
async def test_the_squares_of_the_statement_are_those_of_the_database(
    world: World, owner: asyncpg.Connection
) -> None:
    chance = random.Random(3)
    device = await world.add_device()
    edges = [
        0.0,
        0.0005,
        -0.0005,
        16.7135,
        16.71349999999999,
        89.9999,
        -90.0,
        90.0,
        1e-12,
        -16.7135,
    ]
    for latitude in [*edges, *(chance.uniform(-90, 90) for _ in range(40))]:
        longitude = chance.choice([chance.uniform(-180, 180), -180.0, 180.0, 98.5725])
        incident = await world.add_incident(
            world.market, latitude=latitude, longitude=longitude, device=device
        )
        form, parts = BoundsInput(
            south=latitude, west=longitude, north=latitude, east=longitude
        ).asked()
        stored = await owner.fetchrow("select cell, area from incident where id = $1", incident)
        assert form == "cell"
        assert parts["squares"] == [stored["cell"]]
        assert (
            stored["area"]
            == (stored["cell"] // 1_000_000) // 32 * 100_000 + (stored["cell"] % 1_000_000) // 32
        )


def test_the_box_around_a_circle_holds_all_of_it() -> None:
    form, parts = NearInput(latitude=60.0, longitude=20.0, radius_m=50_000.0).asked()
    assert form == "wide"
    assert parts["north"] - 60 > 50_000 / 111_200
    assert parts["east"] - 20 > 2 * 50_000 / 111_200


async def test_a_position_that_changes_changes_its_squares_and_an_import_stamps_nothing(
    world: World, owner: asyncpg.Connection
) -> None:
    incident = await world.add_incident(world.market)
    before = await owner.fetchrow("select cell, area, rev from incident where id = $1", incident)
    await world.change("update incident set title = title where id = $1", incident)
    await world.change("update incident set cell = 1, area = 2 where id = $1", incident)
    assert before == await owner.fetchrow(
        "select cell, area, rev from incident where id = $1", incident
    )
    await world.change(
        "update incident set latitude = null, longitude = null where id = $1", incident
    )
    assert tuple(
        await owner.fetchrow("select cell, area, rev from incident where id = $1", incident)
    ) == (None, None, 2)


# Zones and cameras


async def test_zones_and_cameras_are_found_by_text_place_and_update(
    prasert: Phone, world: World
) -> None:
    far = await world.add_camera(world.market, name="Bridge", latitude=16.9, code="X-99")
    await world.change("update camera set name = 'North bridge' where id = $1", far)

    async def ids(text: str) -> list[str]:
        answer = await ask(prasert.door, prasert.context, "{ " + text + " { nodes { id } } }")
        [listed] = answer["data"].values()
        return [row["id"] for row in listed["nodes"]]

    both = [str(world.market_camera), str(world.temple_camera)]
    assert await ids('cameras(text: "bridge")') == [str(far)]
    assert await ids('cameras(text: "x-9")') == [str(far)]
    assert sorted(await ids('cameras(text: "กล้อง")')) == sorted([*both, str(far)])
    assert await ids("cameras(within: {south: 16.8, west: 98, north: 17, east: 99})") == [str(far)]
    assert await ids(
        "cameras(near: {latitude: 16.7151, longitude: 98.5728, radiusM: 50})"
    ) == sorted(both)
    assert (await ids("cameras(order: UPDATED)"))[0] == str(far)
    assert await ids(f'cameras(zoneId: "{world.temple}")') == [str(world.temple_camera)]
    assert await ids('zones(text: "ตลาด")') == [str(world.market)]
    assert await ids('zones(text: "ตลาด", kind: COMMUNITY)') == []
    await world.change("update zone set name_th = 'วัดหลวง' where id = $1", world.temple)
    assert (await ids("zones(order: UPDATED)"))[0] == str(world.temple)


# Orders and cursors


@pytest.mark.parametrize("order", ["OCCURRED", "UPDATED"])
async def test_a_walk_during_inserts_brings_every_row_that_was_there_once(
    order: str, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await fill(world, 30)
    given: dict[str, Any] = {"category": ["THEFT", "ROBBERY"], "order": order}
    there = naive(await visible(owner, "incident"), **given)
    column = {"OCCURRED": "occurred_at", "UPDATED": "updated_at"}[order]
    seen: list[str] = []
    by_number: list[str] = []
    after = None
    while True:
        answer = await asking(prasert.door, prasert.context, PHONE, first=3, after=after, **given)
        page = answer["data"]["incidents"]
        numbered = naive(await visible(owner, "incident"), **given)
        by_number += numbered[len(by_number) : len(by_number) + 3]
        seen += [row["id"] for row in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        await world.add_incident(world.market, occurred_at=now())
        middle = await owner.fetchval(f"select min({column}) from incident")
        await world.add_incident(world.temple, occurred_at=middle - timedelta(days=1))
    assert [one for one in seen if one in there] == there
    assert len(set(seen)) == len(seen)
    # A negative control: pages by number repeat rows, as each new one shifts them.
    assert len(set(by_number)) < len(by_number)


async def test_a_cursor_of_another_order_is_refused(kanya: Phone, world: World) -> None:
    incident = await world.add_incident(world.market)
    for order, other in (("OCCURRED", "UPDATED"), ("UPDATED", "OCCURRED")):
        cursor = encode(other, now().isoformat(), str(incident))
        answer = await asking(kanya.door, kanya.context, PHONE, order=order, after=cursor)
        assert answer["errors"][0]["extensions"]["code"] == "CURSOR_INVALID"


# Partners


async def test_partners_find_what_they_see_and_nothing_more(
    world: World, database: Database, owner: asyncpg.Connection
) -> None:
    """Full detail of the temple after a while, coarse detail of the market: every answer follows from the view's rows."""
    agency = await world.add_organisation("Agency")
    subjects = [SharingSubject.INCIDENTS]
    await world.add_agreement(agency, [world.market], subjects=subjects, detail=DetailLevel.COARSE)
    await world.add_agreement(agency, [world.temple], subjects=subjects, delay_seconds=4_000)
    await world.add_agreement(agency, [world.temple], subjects=subjects, detail=DetailLevel.COARSE)
    await fill(world)
    await world.add_incident(
        world.temple, title="ไฟไหม้ unicorn", received_at=now() - timedelta(hours=3)
    )
    await world.add_incident(world.temple, title="ไฟไหม้ unicorn")
    await world.add_incident(world.market, title="ไฟไหม้ unicorn")
    principal = await as_partner(world, agency)
    async with database.read(Role.PARTNER, principal) as entered:
        rows = [
            {**row, "id": str(row["id"]), "zone_id": str(row["zone_id"])}
            for row in await entered.connection.fetch("select * from partner.incident")
        ]
    assert {row["detail"] for row in rows} == {"COARSE", "FULL"}
    asked = context(database, principal)
    for given in (*combined(), {"text": "unicorn"}, {"text": "ไฟ"}, {"zone": str(world.market)}):
        expected = naive(rows, **given)
        assert await whole(DOOR, asked, PARTNER, **given) == (expected, len(expected)), given
    assert len(naive(rows, text="unicorn")) == 1
    await crowd(owner, world, 3_000)
    assert len((await whole(DOOR, asked, PARTNER, text="unicorn"))[0]) == 1


@pytest.mark.oldest
async def test_a_partner_cannot_place_a_coarse_row_by_asking(
    world: World, database: Database
) -> None:
    agency = await world.add_organisation("Agency")
    await world.add_agreement(agency, [world.market], detail=DetailLevel.COARSE)
    await world.add_incident(world.market, latitude=16.71311, longitude=98.57112)
    asked = context(database, await as_partner(world, agency))

    async def found(**given: Any) -> int:
        return (await whole(DOOR, asked, PARTNER, **given))[1]

    exact = {"south": 16.7131, "west": 98.5711, "north": 16.7132, "east": 98.5712}
    rounded = {"south": 16.713, "west": 98.571, "north": 16.713, "east": 98.571}
    assert await found(within=exact) == 0
    assert await found(within=rounded) == 1
    assert await found(near={"latitude": 16.71311, "longitude": 98.57112, "radiusM": 5}) == 0
    assert await found(near={"latitude": 16.713, "longitude": 98.571, "radiusM": 5}) == 1


# The function that searches


async def test_the_search_looks_at_no_scope_that_is_not_the_callers(
    world: World, database: Database, owner: asyncpg.Connection
) -> None:
    await crowd(owner, world, 5_000)  # or texts are not looked up at all
    hidden = await world.add_incident(world.temple, title="A unicorn")
    both = [world.market, world.temple]
    principals = {
        Role.PHONE: await as_officer(world, world.kanya),
        Role.PARTNER: await as_partner(world, world.radio),
    }
    for role, principal in principals.items():
        async with database.read(role, principal) as entered:
            assert await entered.connection.fetchval(CALL, "unicorn", both) == []
            assert await entered.connection.fetchval(CALL, "unicorn", [world.temple]) is None
            assert await entered.connection.fetchval(CALL, "unicorn", [None]) is None
    async with database.read(Role.ADMIN, await as_admin(world)) as entered:
        assert await entered.connection.fetchval(CALL, "unicorn", both) == [hidden]
    async with database.enter(Role.SYSTEM, principals[Role.PHONE]) as entered:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await entered.connection.fetchval(CALL, "unicorn", [world.market])


@pytest.mark.parametrize("needle", ["ab", "éé", "ƛƛ", "ɤɤ"])
async def test_two_letters_that_cannot_be_looked_up_are_read_in_order(
    needle: str, world: World, database: Database
) -> None:
    """Which letters have two cases, Python and PostgreSQL need not agree on."""
    async with database.read(Role.PHONE, await as_officer(world, world.kanya)) as entered:
        assert await entered.connection.fetchval(CALL, needle, [world.market]) is None


@pytest.mark.parametrize("needle", [None, "", "a", "x" * 101])
async def test_the_search_refuses_texts_that_it_could_not_look_up(
    needle: str | None, world: World, database: Database
) -> None:
    async with database.read(Role.PHONE, await as_officer(world, world.kanya)) as entered:
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await entered.connection.fetchval(CALL, needle, [world.market])


# Plans


GIVEN: dict[str, dict[str, Any]] = {
    "the page": {},
    "a zone": {"zone": "market"},
    "categories": {"category": ["ROBBERY", "FIRE"]},
    "a severity": {"severity": ["CRITICAL"]},
    "statuses": {"status": ["OPEN", "IN_PROGRESS"]},
    "all words": {"category": ["FIRE"], "severity": ["LOW"], "status": ["OPEN"]},
    "a time": {"since": "2020-01-01T00:00:00Z", "until": "2020-02-01T00:00:00Z"},
    "a small box": FILTERS["place"][1],
    "a box": {"within": {"south": 13.7, "west": 100.5, "north": 13.8, "east": 100.6}},
    "a circle": FILTERS["place"][4],
    "a rare text": {"text": "unicorn"},
    "two letters": {"text": "ฮฮ"},
    "a wide circle and a common text": {
        "near": {"latitude": LATITUDE, "longitude": LONGITUDE, "radiusM": 20_000},
        "text": "zz 1",
    },
    "a wide box and all words": {
        "within": {"south": 16, "west": 98, "north": 17, "east": 99},
        "category": ["NOISE", "FRAUD"],
        "text": "zz 1",
    },
    "the order of updates": {"order": "UPDATED"},
}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("who", ["phone", "partner"])
async def test_each_filter_reads_few_rows_by_indexes_under_the_policies(
    who: str, mode: str, world: World, database: Database, owner: asyncpg.Connection, prasert: Phone
) -> None:
    await crowd(owner, world, 20_000)
    principal = await as_partner(world, world.radio)
    door, asked, text, role = (
        (prasert.door, prasert.context, PHONE, Role.PHONE)
        if who == "phone"
        else (DOOR, context(database, principal), PARTNER, Role.PARTNER)
    )
    plain = text.replace(" totalCount", "")
    for name, given in GIVEN.items():
        given = {**given, **({"zone": str(world.market)} if "zone" in given else {})}
        plan, touched = await explained(door, asked, role, plain, given, mode)
        assert touched < 2_500, (name, plan)
    # A negative control: a filter without an index of its own reads every row of the scope.
    async with database.read(role, asked.principal) as entered:
        rows = await entered.connection.fetch(
            "explain (analyze) select id from "
            f"{'incident' if who == 'phone' else 'partner.incident'} where title = 'nowhere'"
        )
    read = re.compile(r"Filter: 20000|actual [^)]*rows=20000")
    assert any(read.search(row[0]) for row in rows), rows


async def explained(
    door: Any, asked: Any, role: Role, text: str, given: dict[str, Any], mode: str
) -> tuple[str, int]:
    """The plan of the list's statement, and how many incidents it touched.

    A statement that is prepared and often run gets a generic plan, which is made without its values.
    """
    sent: list[tuple[str, tuple[Any, ...]]] = []
    real = asyncpg.Connection.fetch

    async def fetch(self: Any, query: str, *values: Any, **more: Any) -> Any:
        sent.append((query, values))
        return await real(self, query, *values, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "fetch", fetch)
        answer = await asking(door, asked, text, first=50, **given)
    assert "errors" not in answer, answer
    query, values = sent[-1]
    async with asked.database.read(role, asked.principal) as entered:
        connection = entered.connection
        kinds = [
            one.name if one.kind == "scalar" else one.name.removesuffix("[]") + "[]"
            for one in (await connection.prepare(query)).get_parameters()
        ]
        literals = [
            await connection.fetchval(f"select quote_nullable($1::{kind}::text)", value)
            for kind, value in zip(kinds, values, strict=True)
        ]
        await connection.execute(f"set local plan_cache_mode = {mode}")
        await connection.execute(f"prepare explained ({', '.join(kinds)}) as {query}")
        [[plan]] = await connection.fetch(
            f"explain (analyze, format json) execute explained ({', '.join(literals)})"
        )
        await connection.execute("deallocate explained")
    return plan, touched_by(orjson.loads(plan)[0]["Plan"])


def touched_by(node: dict[str, Any]) -> int:
    here = 0
    if node.get("Relation Name") == "incident":
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        if node["Actual Loops"]:
            assert node["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan"), node
        here = round((read + node.get("Rows Removed by Index Recheck", 0)) * node["Actual Loops"])
    return here + sum(touched_by(one) for one in node.get("Plans", ()))
