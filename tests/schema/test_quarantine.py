"""What was refused is kept whole, shown to the one who made it and to who leads him, and applied once if a person says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest
from structlog.testing import capture_logs

from api.trusted import OPERATIONS
from patrol.errors import by_code
from patrol.keys import KeySet
from patrol.notify import Delivery, Notification, Outcome, PushAddress
from patrol.sync.overdue import TELL, tell_supervisors
from patrol.sync.quarantine import watch
from schema.admin import admin_door
from schema.door import Door
from storage.database import Database
from storage.jobs import Retry
from storage.vocabulary import OfficerRole
from tests.personas import as_admin, as_officer
from tests.phone import Heard, Phone, ask, context
from tests.world import World, now

pytestmark = pytest.mark.oldest

LIST = (OPERATIONS / "Refused.graphql").read_text()
REPLAY = (OPERATIONS / "ReplayQuarantined.graphql").read_text()
DISCARD = (OPERATIONS / "DiscardQuarantined.graphql").read_text()


async def items(phone: Phone, **more: Any) -> list[dict[str, Any]]:
    """What a phone is shown of the quarantine."""
    answer = await ask(phone.door, phone.context, LIST, **more)
    assert "errors" not in answer, answer
    nodes: list[dict[str, Any]] = answer["data"]["quarantine"]["nodes"]
    return nodes


async def replay(phone: Phone, item: str, **more: Any) -> dict[str, Any]:
    given = {"id": item, "reason": "It did happen there."} | more
    answer = await ask(phone.door, phone.context, REPLAY, **given)
    assert "errors" not in answer, answer
    told: dict[str, Any] = answer["data"]["replayQuarantined"]
    return told


async def discard(phone: Phone, item: str, reason: str = "A slip of the finger.") -> dict[str, Any]:
    answer = await ask(phone.door, phone.context, DISCARD, id=item, reason=reason)
    told: dict[str, Any] = answer["data"]["discardQuarantined"]
    return told


@pytest.fixture
async def boss(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    """The phone of another station's supervisor, who is a guest in this one."""
    tak = await world.add_station("Tak")
    officer = await world.add_officer("Boss", station=tak, role=OfficerRole.SUPERVISOR)
    await world.assign(officer, world.station)
    return Phone(door, context(database, await as_officer(world, officer), keys))


@pytest.fixture
async def refused(kanya: Phone, world: World) -> str:
    """A change of an incident in a zone that is not assigned to her any more."""
    incident = await world.add_incident(world.temple)
    [answer] = await kanya.push("RECORDS", kanya.change(str(incident), 1, title="Too late"))
    assert answer["code"] == "NOT_IN_SCOPE"
    return str(incident)


async def test_an_officer_sees_what_became_of_a_refused_record_in_both_languages(
    kanya: Phone, refused: str, world: World
) -> None:
    [item] = await items(kanya)
    problem = by_code("NOT_IN_SCOPE")
    assert (item["state"], item["subject"], item["rowId"]) == ("KEPT", "incidents", refused)
    assert (item["summary"], item["lane"], item["sequence"]) == ("Too late", "RECORDS", 1)
    assert (item["reason"], item["reasonTh"]) == (problem.default_message(), problem.message_th)
    assert any("\u0e00" <= letter <= "\u0e7f" for letter in item["reasonTh"])
    assert item["officer"]["id"] == str(world.kanya)
    assert item["device"]["model"] == "test"
    assert not item["overdue"]


async def test_the_answer_to_a_push_says_why_in_both_languages(kanya: Phone, world: World) -> None:
    text = """mutation ($mutations: [MutationInput!]!) { push(lane: RECORDS, mutations: $mutations) {
        answers { outcome code reason reasonTh } } }"""
    hidden = str(await world.add_incident(world.temple))
    changes = [kanya.report(), kanya.change(hidden, 1, title="x")]
    answer = await ask(kanya.door, kanya.context, text, mutations=changes)
    taken, refused = answer["data"]["push"]["answers"]
    assert (taken["reason"], taken["reasonTh"]) == (None, None)
    assert refused["reason"] == by_code("NOT_IN_SCOPE").default_message()
    assert refused["reasonTh"] == by_code("NOT_IN_SCOPE").message_th


def test_every_code_that_a_record_is_refused_with_is_told_in_thai() -> None:
    codes = (
        "NOT_IN_SCOPE", "NOT_FOUND", "ALREADY_EXISTS", "STATE_NOT_REACHABLE", "FIELD_CONFLICT", "RECORD_INVALID",
        "TOO_LARGE", "SEQUENCE_REUSED", "SESSION_REVOKED", "VARIABLE_INVALID",
    )  # fmt: skip
    assert all(by_code(code).message_th for code in codes)
    # The words of a general problem are not those of a special one.
    assert by_code("BODY_TOO_LARGE").message_th == ""


async def test_a_supervisor_sees_the_items_of_the_station_and_no_stranger_does(
    kanya: Phone,
    prasert: Phone,
    boss: Phone,
    refused: str,
    door: Door,
    database: Database,
    world: World,
    keys: KeySet,
) -> None:
    somkid = Phone(door, context(database, await as_officer(world, world.somkid), keys))
    [seen] = await items(prasert)
    assert seen["rowId"] == refused
    assert await items(somkid) == []
    assert await items(boss) == []
    # A negative control: the item is there, and what hides it is the policy.
    assert await world.change("select count(*) from quarantine") == 1


async def test_a_replay_applies_once_and_tells_phones(
    kanya: Phone, prasert: Phone, refused: str, world: World, owner: asyncpg.Connection
) -> None:
    [item] = await items(prasert)
    heard = prasert.context.live
    assert isinstance(heard, Heard)
    lanes = await owner.fetch("select lane, applied_sequence from sync_lane")
    first = await replay(prasert, item["id"])
    assert first["refusal"] is None
    assert (first["item"]["state"], first["item"]["outcome"]) == ("REPLAYED", "APPLIED")
    again = await replay(prasert, item["id"])
    assert again["item"]["outcome"] == "APPLIED"
    row = await owner.fetchrow("select title, rev, field_revs from incident")
    assert (row["title"], row["rev"]) == ("Too late", 2)
    # As the officer who recorded it, on no number of the lane.
    assert str(world.kanya) in row["field_revs"]
    assert await owner.fetch("select lane, applied_sequence from sync_lane") == lanes
    assert heard.scopes == [world.temple]
    acts = "select count(*) from audit_entry where act = 'quarantine.replay'"
    assert await owner.fetchval(acts) == 1
    [resolved] = await items(kanya)
    assert (resolved["state"], resolved["decision"]) == ("REPLAYED", "It did happen there.")
    assert await items(prasert, state="KEPT") == []


async def test_what_is_refused_again_stays_with_the_code_of_this_time(
    prasert: Phone, refused: str, world: World, owner: asyncpg.Connection
) -> None:
    [item] = await items(prasert)
    await world.change("update incident set deleted_at = now()")
    told = await replay(prasert, item["id"])
    assert (told["item"]["state"], told["item"]["code"]) == ("KEPT", "NOT_FOUND")
    await world.change("update incident set deleted_at = null")
    assert (await replay(prasert, item["id"]))["item"]["state"] == "REPLAYED"
    assert await owner.fetchval("select attempts from quarantine") == 2


async def test_bad_data_is_refused_again_and_the_station_goes_on(
    kanya: Phone, prasert: Phone, owner: asyncpg.Connection
) -> None:
    await kanya.push("RECORDS", kanya.report(title=""))
    [item] = await items(prasert)
    told = await replay(prasert, item["id"])
    assert (told["item"]["state"], told["item"]["code"]) == ("KEPT", "RECORD_INVALID")
    await owner.execute("update quarantine set payload = jsonb_set(payload, '{kind}', '\"later\"')")
    told = await replay(prasert, item["id"])
    assert told["item"]["code"] == "CHANGE_UNREADABLE"
    assert await owner.fetchval("select count(*) from incident") == 0


async def test_a_conflict_is_decided_for_the_officer_only_where_a_person_overrules(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    await prasert.push("RECORDS", prasert.change(incident, 1, title="The supervisor's"))
    change = kanya.change(incident, 1, title="The officer's", severity="HIGH")
    await kanya.push("RECORDS", change)
    await prasert.push("RECORDS", prasert.change(incident, 3, severity="LOW"))
    [item] = await items(prasert)
    kept = await replay(prasert, item["id"])
    assert (kept["item"]["state"], kept["item"]["code"]) == ("KEPT", "FIELD_CONFLICT")
    assert await owner.fetchval("select title from incident") == "The supervisor's"
    taken = await replay(prasert, item["id"], overrule=True)
    assert taken["item"]["state"] == "REPLAYED"
    row = await owner.fetchrow("select title, severity from incident")
    # What she was not refused for is not written a second time.
    assert tuple(row) == ("The officer's", "LOW")


async def test_a_conflict_names_fields_as_the_contract_does_and_a_replay_knows_them(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    seen = [f"2026-05-14T0{hour}:00:00Z" for hour in (1, 2)]
    await prasert.push("RECORDS", prasert.change(incident, 1, occurredAt=seen[0]))
    [answer] = await kanya.push("RECORDS", kanya.change(incident, 1, occurredAt=seen[1]))
    assert answer["detail"] == {"fields": ["occurredAt"]}
    [item] = await items(prasert)
    await replay(prasert, item["id"], overrule=True)
    occurred = await owner.fetchval("select occurred_at from incident")
    assert occurred == datetime.fromisoformat(seen[1])


async def test_what_is_discarded_stays_and_may_still_be_replayed(
    prasert: Phone, refused: str, world: World, owner: asyncpg.Connection
) -> None:
    [item] = await items(prasert)
    for _ in range(2):
        assert (await discard(prasert, item["id"]))["refusal"] is None
    row = await owner.fetchrow("select state, resolved_by, reason, payload from quarantine")
    assert tuple(row)[:3] == ("DISCARDED", f"officer:{world.prasert}", "A slip of the finger.")
    assert orjson.loads(row["payload"])["fields"]["title"] == "Too late"
    acts = "select count(*) from audit_entry where act = 'quarantine.discard'"
    assert await owner.fetchval(acts) == 1
    assert (await replay(prasert, item["id"]))["item"]["state"] == "REPLAYED"
    assert (await discard(prasert, item["id"]))["refusal"]["code"] == "STATE_NOT_REACHABLE"


async def test_only_supervisors_of_the_station_decide(
    kanya: Phone, boss: Phone, prasert: Phone, refused: str, owner: asyncpg.Connection
) -> None:
    [item] = await items(prasert)
    for phone, code in ((kanya, "NOT_ALLOWED"), (boss, "NOT_FOUND")):
        assert (await replay(phone, item["id"]))["refusal"]["code"] == code
        assert (await discard(phone, item["id"]))["refusal"]["code"] == code
    assert (await replay(prasert, item["id"], reason=" "))["refusal"]["code"] == "BAD_REQUEST"
    assert await owner.fetchval("select state from quarantine") == "KEPT"
    assert await owner.fetchval("select rev from incident") == 1


async def test_an_administrator_decides_for_any_station(
    prasert: Phone, refused: str, database: Database, world: World
) -> None:
    door, office = admin_door(), context(database, await as_admin(world))
    listed = await ask(
        door,
        office,
        "{ quarantine(state: KEPT) { nodes { id summary reasonTh station { id } overdue } } }",
    )
    [item] = listed["data"]["quarantine"]["nodes"]
    assert (item["summary"], item["station"]["id"]) == ("Too late", str(world.station))
    answer = await ask(door, office, REPLAY, id=item["id"], reason="Asked by telephone.")
    assert answer["data"]["replayQuarantined"]["item"]["state"] == "REPLAYED"


async def test_who_led_the_officer_when_it_was_kept_decides_also_when_he_has_moved(
    prasert: Phone, boss: Phone, refused: str, world: World
) -> None:
    tak = await world.change("select station_id from officer where name = 'Boss'")
    await world.change("update officer set station_id = $1 where id = $2", tak, world.kanya)
    assert len(await items(prasert)) == 1
    assert await items(boss) == []


async def test_an_item_that_outlives_a_shift_is_told_of_once(
    prasert: Phone, refused: str, world: World, database: Database, owner: asyncpg.Connection
) -> None:
    assert await watch(database) == 0
    await owner.execute("update quarantine set created_at = now() - interval '13 hours'")
    with capture_logs() as logs:
        assert await watch(database) == 1
        assert await watch(database) == 0
    [line] = [one for one in logs if one["event"] == "quarantine_overdue"]
    assert (line["log_level"], line["items"]) == ("warning", 1)
    [item] = await items(prasert)
    assert item["overdue"]
    assert await watch(database, shift=timedelta(days=1)) == 0
    await discard(prasert, item["id"])
    [item] = await items(prasert)
    assert not item["overdue"]


async def test_a_refused_call_for_help_is_overdue_at_once(
    kanya: Phone, prasert: Phone, database: Database
) -> None:
    answer = kanya.mutation(
        "SOS",
        {"answerAlert": {"alertId": "01890000-0000-7000-8000-000000000000", "status": "CLOSED"}},
    )
    answer["change"]["answerAlert"]["id"] = answer["change"]["answerAlert"].pop("alertId")
    [told] = await kanya.push("SOS", answer)
    assert told["outcome"] == "REJECTED"
    [item] = await items(prasert)
    assert item["overdue"]
    assert await watch(database) == 1


class Carrier:
    """A push service that takes everything, or nothing yet."""

    enabled = True

    def __init__(self, outcome: Outcome = Outcome.ACCEPTED) -> None:
        self.outcome = outcome
        self.sent: list[tuple[Notification, list[PushAddress]]] = []

    async def send(
        self, notification: Notification, addresses: Sequence[PushAddress]
    ) -> list[Delivery]:
        self.sent.append((notification, list(addresses)))
        return [Delivery(one, self.outcome, now()) for one in addresses]


async def test_supervisors_of_the_station_are_told_of_it_on_their_phones(
    kanya: Phone, prasert: Phone, boss: Phone, refused: str, world: World, database: Database, owner: asyncpg.Connection
) -> None:  # fmt: skip
    for phone in (kanya, prasert, boss):
        await owner.execute(
            "insert into installation (id, session_id, kind, address) values (gen_random_uuid(), $1, 'FID', $2)",
            phone.context.principal.credential_id,
            str(phone.context.principal.id),
        )
    await owner.execute("update quarantine set created_at = now() - interval '13 hours'")
    assert await watch(database) == 1
    assert await watch(database) == 0
    [job] = await owner.fetch("select payload from pgqueuer where entrypoint = $1", TELL)
    data = orjson.loads(job["payload"])
    assert data == {"station_id": str(world.station), "urgent": False}
    carrier = Carrier()
    scopes = await tell_supervisors(database, carrier, data)
    [(notification, addresses)] = carrier.sent
    assert (notification.kind, notification.urgent) == ("QUARANTINE", False)
    # Neither the officer nor another station's supervisor.
    assert [one.value for one in addresses] == [str(world.prasert)]
    staff = await owner.fetchval("select access.staff_scope($1)", world.station)
    assert scopes == [staff]
    busy = Carrier(Outcome.RETRY)
    with pytest.raises(Retry):
        await tell_supervisors(database, busy, data)
    assert await tell_supervisors(database, busy, data, again=False) == [staff]
    await owner.execute(
        "update session set revoked_at = now() where officer_id = $1", world.prasert
    )
    nobody = Carrier()
    assert await tell_supervisors(database, nobody, data) == [staff]
    assert nobody.sent == []


async def test_a_refused_call_for_help_is_told_of_loudly(
    kanya: Phone, database: Database, owner: asyncpg.Connection
) -> None:
    gone = "01890000-0000-7000-8000-000000000000"
    await kanya.push(
        "SOS", kanya.mutation("SOS", {"answerAlert": {"id": gone, "status": "CLOSED"}})
    )
    assert await watch(database) == 1
    [job] = await owner.fetch("select payload from pgqueuer where entrypoint = $1", TELL)
    assert orjson.loads(job["payload"])["urgent"]
