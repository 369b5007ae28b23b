"""What a revoked phone still holds must reach a person, and the door that takes it must open to nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.identity import (
    AccessTokens,
    issue_enrolment_code,
    revoke_device,
    revoke_officer_sessions,
    revoke_session,
)
from patrol.keys import KeySet
from patrol.sync import surrender as rules
from patrol.sync.lost import lose_device
from patrol.sync.quarantine import replay, watch
from schema.reading import read_kept
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import system
from tests.api.site import Site, opened
from tests.phone import PUSH
from tests.signing_phone import SigningPhone
from tests.world import World, now

ME = (OPERATIONS / "Me.graphql").read_text()


@dataclass
class Holder:
    """A phone that was enrolled for Kanya and still holds reports that it made since."""

    site: Site
    key: SigningPhone
    session: str
    device: UUID
    access: str
    refresh: str
    held: list[dict[str, Any]]

    def record(self, title: str, **more: Any) -> dict[str, Any]:
        incident = {"id": str(uuid7()), "category": "THEFT", "severity": "LOW", "title": title}
        mutation = {
            "sequence": len(self.held) + 1,
            "mutationId": str(uuid7()),
            "capturedAt": now().isoformat(),
            "change": {"reportIncident": incident},
        } | more
        self.held.append(mutation)
        return mutation

    def batch(self) -> str:
        return orjson.dumps({"lane": "RECORDS", "mutations": self.held}).decode()

    async def surrender(self, batch: str | None = None, **changed: Any) -> httpx.Response:
        batch = self.batch() if batch is None else batch
        body = {
            "sessionId": self.session,
            "batch": batch,
            "proof": self.key.surrender_proof(self.session, batch),
        }
        return await self.site.http.post("/sync/surrender", json=body | changed)

    async def wiped(self) -> httpx.Response:
        body = {"sessionId": self.session, "proof": self.key.wiped_proof(self.session)}
        return await self.site.http.post("/sync/wiped", json=body)

    async def refreshed(self) -> httpx.Response:
        body = {"refreshToken": self.refresh, "proof": self.key.refresh_proof(self.refresh)}
        return await self.site.http.post("/auth/refresh", json=body)

    async def ask(self, text: str, **variables: Any) -> httpx.Response:
        return await self.site.http.post(
            "/graphql",
            json={"query": text, "variables": variables},
            headers={"authorization": f"Bearer {self.access}"},
        )


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


async def enrolled(
    site: Site, database: Database, keys: KeySet, world: World, key: SigningPhone
) -> Holder:
    async with database.write(system("test")) as connection:
        code = (await issue_enrolment_code(connection, world.kanya, "test")).code
    told = await key.enrol(database, AccessTokens(keys), code)
    return Holder(
        site, key, str(told.session_id), told.device_id, told.access_token, told.refresh_token, []
    )


@pytest.fixture
async def holder(site: Site, database: Database, keys: KeySet, world: World) -> Holder:
    return await enrolled(site, database, keys, world, SigningPhone())


async def revoke(holder: Holder, database: Database, world: World, how: str = "session") -> None:
    async with database.write(system("test")) as connection:
        if how == "session":
            await revoke_session(connection, UUID(holder.session))
        elif how == "device":
            await revoke_device(connection, holder.device)
        else:
            await connection.execute("update officer set active = false where id = $1", world.kanya)
            await revoke_officer_sessions(connection, world.kanya)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("how", ["session", "device", "officer"])
async def test_a_revoked_phone_hands_in_what_it_holds_and_nothing_is_applied(
    how: str, holder: Holder, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    holder.record("ลักทรัพย์")
    holder.record("Second")
    await revoke(holder, database, world, how)
    for _ in range(2):  # the first answer may be lost
        answer = await holder.surrender()
        assert answer.status_code == 200, answer.text
        assert answer.json()["kept"] == 2
        assert answer.json()["code"] == "SESSION_REVOKED"
    rows = await owner.fetch("select * from quarantine order by sequence")
    assert [(row["code"], row["surrendered"]) for row in rows] == [("SESSION_REVOKED", True)] * 2
    assert [row["officer_id"] for row in rows] == [world.kanya] * 2
    assert orjson.loads(rows[0]["payload"])["fields"]["title"] == "ลักทรัพย์"
    assert await owner.fetchval("select count(*) from incident") == 0
    assert await owner.fetchval("select count(*) from sync_lane") == 0
    acts = "select count(*) from audit_entry where act = 'quarantine.surrender'"
    assert await owner.fetchval(acts) == 1


async def test_what_was_handed_in_is_applied_when_staff_replays_it(
    holder: Holder, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    holder.record("Seen")
    await revoke(holder, database, world)
    await holder.surrender()
    item = await owner.fetchval("select id from quarantine")
    for _ in range(2):
        async with database.write(system("test")) as connection:
            assert (await replay(connection, item, by="test", reason="hers", read=read_kept)).taken
    row = await owner.fetchrow("select title, reported_by, device_id from incident")
    assert tuple(row) == ("Seen", world.kanya, holder.device)
    assert await owner.fetchval("select count(*) from sync_lane") == 0


async def test_a_call_for_help_of_a_newer_app_that_was_handed_in_is_replayed_as_a_push_reads_it(
    holder: Holder,
    site: Site,
    database: Database,
    keys: KeySet,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    called = {"id": str(uuid7()), "latitude": 16.7131, "longitude": 98.5708, "mood": "grim"}
    holder.record("", change={"raiseAlert": called})
    holder.record("", change={"countTraffic": {"lorries": 1}})
    await revoke(holder, database, world)
    batch = holder.batch().replace("RECORDS", "SOS")
    assert (await holder.surrender(batch)).json()["kept"] == 2
    first, second = await owner.fetch("select id from quarantine order by sequence")
    async with database.write(system("test")) as connection:
        for item, taken in ((first, True), (second, False)):
            told = await replay(connection, item["id"], by="t", reason="hers", read=read_kept)
            assert told.taken is taken, told
    row = await owner.fetchrow("select id, status, officer_id from sos_alert")
    assert (str(row["id"]), row["status"], row["officer_id"]) == (called["id"], "OPEN", world.kanya)
    detail = orjson.loads(await owner.fetchval("select detail from sync_outcome"))
    assert detail["unread"] == {"mood": "grim"}
    # Pushed later all the same, it is known again, also by a release that reads more of it.
    again = await enrolled(site, database, keys, world, holder.key)
    told = await again.ask(PUSH, lane="SOS", mutations=holder.held[:1])
    [answer] = told.json()["data"]["push"]["answers"]
    assert (answer["outcome"], answer["first"]) == ("DUPLICATE", "APPLIED")
    del called["mood"]
    told = await again.ask(PUSH, lane="SOS", mutations=holder.held[:1])
    assert told.json()["data"]["push"]["answers"][0]["outcome"] == "DUPLICATE"
    assert await owner.fetchval("select count(*) from sos_alert") == 1


async def test_a_revoked_phone_reads_nothing_through_its_door(
    holder: Holder, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    await world.add_incident(world.market, title="Hidden from thieves")
    holder.record("New")
    known = holder.record("Known to the server")
    assert (await holder.ask(ME)).status_code == 200  # a negative control
    await revoke(holder, database, world)
    await owner.execute(
        "insert into sync_outcome (device_id, officer_id, lane, sequence, mutation_id, content_sha256, outcome, row_id) "
        "values ($1, $2, 'RECORDS', 9, $3, sha256('x'), 'APPLIED', $3)",
        holder.device, world.kanya, known["mutationId"],
    )  # fmt: skip
    answer = await holder.surrender()
    # Not even whether a record was known before.
    assert set(answer.json()) == {"kept", "code", "whatToDo"}
    assert answer.json()["kept"] == 2
    assert await owner.fetchval("select count(*) from quarantine") == 1
    asked = await holder.ask((OPERATIONS / "IncidentPage.graphql").read_text())
    assert asked.json()["errors"][0]["extensions"]["code"] == "SESSION_REVOKED"
    assert "Hidden" not in asked.text + answer.text
    for method in ("GET", "PUT", "DELETE"):
        assert (await holder.site.http.request(method, "/sync/surrender")).status_code == 405


async def test_only_the_phones_own_key_opens_the_door_and_only_for_this_batch(
    holder: Holder, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    holder.record("Mine")
    await revoke(holder, database, world)
    batch, stranger = holder.batch(), SigningPhone()
    for changed in (
        {"proof": stranger.surrender_proof(holder.session, batch)},
        {"proof": holder.key.surrender_proof(holder.session, "{}")},
        {"proof": holder.key.refresh_proof(holder.refresh)},
        {"sessionId": str(uuid7())},
        {"sessionId": "no session"},
    ):
        assert code(await holder.surrender(**changed)) == (401, "DEVICE_PROOF_INVALID")
    assert await owner.fetchval("select count(*) from quarantine") == 0


async def test_wrong_proofs_are_bounded(holder: Holder, database: Database, world: World) -> None:
    await revoke(holder, database, world)
    answers = [await holder.surrender(proof="x") for _ in range(11)]
    assert code(answers[-1]) == (429, "TOO_MANY")
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_good_session_is_sent_to_push(holder: Holder, owner: asyncpg.Connection) -> None:
    holder.record("Mine")
    assert code(await holder.surrender()) == (403, "NOT_ALLOWED")
    assert await owner.fetchval("select count(*) from quarantine") == 0


async def test_a_change_that_this_release_cannot_read_is_kept_as_it_is(
    holder: Holder, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    holder.record("x", change={"raiseFlag": {"colour": "red\0"}})
    holder.record("wrong lane", change={"raiseAlert": {"id": str(uuid7())}})
    await revoke(holder, database, world)
    assert (await holder.surrender()).status_code == 200
    # Nor is it too large or too deep for anything here; either was answered with INTERNAL for ever.
    deep = "[" * 300 + "]" * 300
    odd = orjson.dumps([holder.record("odd", change={"raiseFlag": ["HERE"]})]).decode()
    batch = f'{{"lane": "RECORDS", "mutations": {odd}}}'.replace('"HERE"', f"{2**70}, {deep}")
    answer = await holder.surrender(batch)
    assert (answer.status_code, answer.json().get("kept")) == (200, 1), answer.text
    rows = await owner.fetch("select payload from quarantine order by sequence")
    payloads = [orjson.loads(row["payload"]) for row in rows]
    assert [one["kind"] for one in payloads] == ["unreadable"] * 3
    assert payloads[0]["raw"]["change"] == {"raiseFlag": {"colour": "red\ufffd"}}


@pytest.mark.parametrize(
    "batch", ["", "{", "[]", '{"lane": "SOS"}', '{"lane": "X", "mutations": []}']
)
async def test_a_batch_that_is_none_is_refused(
    batch: str, holder: Holder, database: Database, world: World
) -> None:
    await revoke(holder, database, world)
    assert code(await holder.surrender(batch)) == (400, "VARIABLE_INVALID")


async def test_the_room_of_a_revoked_phone_is_bounded(
    holder: Holder,
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3):
        holder.record(f"Report {number}")
    await revoke(holder, database, world)
    with monkeypatch.context() as limits:
        limits.setattr(rules, "ROOM_ITEMS", 2)
        assert code(await holder.surrender()) == (429, "TOO_MANY")
        limits.setattr(rules, "BATCH", 2)
        assert code(await holder.surrender()) == (413, "TOO_LARGE")
    assert await owner.fetchval("select count(*) from quarantine") == 0
    assert (await holder.surrender()).status_code == 200
    assert code(await holder.surrender("x" * 3_000_000)) == (413, "BODY_TOO_LARGE")


async def test_what_was_handed_in_and_is_pushed_later_takes_effect_once(
    holder: Holder,
    site: Site,
    database: Database,
    keys: KeySet,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    holder.record("Replayed before")
    holder.record("Pushed")
    await revoke(holder, database, world)
    await holder.surrender()
    first = await owner.fetchval("select id from quarantine where sequence = 1")
    async with database.write(system("test")) as connection:
        await replay(connection, first, by="test", reason="hers", read=read_kept)
    again = await enrolled(site, database, keys, world, holder.key)
    assert again.device == holder.device
    told = await again.ask(PUSH, lane="RECORDS", mutations=holder.held)
    answers = told.json()["data"]["push"]["answers"]
    assert [one["outcome"] for one in answers] == ["DUPLICATE", "APPLIED"]
    assert answers[0]["first"] == "APPLIED"
    assert await owner.fetchval("select count(*) from incident") == 2
    # What arrived on its ordinary way waits for nobody.
    await watch(database)
    rows = await owner.fetch("select state, resolved_by from quarantine order by sequence")
    assert [row["state"] for row in rows] == ["REPLAYED", "REPLAYED"]
    assert rows[1]["resolved_by"] == "system:sync"


async def test_a_lost_phone_is_told_to_erase_itself_and_says_when_it_has(
    holder: Holder, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    holder.record("Held")
    assert code(await holder.wiped()) == (403, "NOT_ALLOWED")
    async with database.write(system("test")) as connection:
        await lose_device(connection, holder.device, reason="stolen")
    assert code(await holder.refreshed()) == (401, "DEVICE_WIPE")
    answer = await holder.ask(ME)
    assert answer.json()["errors"][0]["extensions"]["code"] == "DEVICE_WIPE"
    handed = await holder.surrender()
    assert (handed.status_code, handed.json()["code"]) == (200, "DEVICE_WIPE")
    assert await owner.fetchval("select wiped_at from device") is None
    for _ in range(2):
        assert (await holder.wiped()).status_code == 204
    assert await owner.fetchval("select wiped_at from device") is not None
    acts = "select count(*) from audit_entry where act = 'device.wiped'"
    assert await owner.fetchval(acts) == 1
    assert code(await holder.refreshed()) == (401, "SESSION_REVOKED")


async def test_what_waits_is_told_by_health_and_metrics(
    holder: Holder, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    holder.record("Held")
    await revoke(holder, database, world)
    await holder.surrender()
    await owner.execute("update quarantine set created_at = now() - interval '13 hours'")
    figures = (await holder.site.http.get("/metrics")).text
    assert "patrol_quarantine_kept 1.0" in figures
    assert "patrol_quarantine_overdue 1.0" in figures
    ready = await holder.site.http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["quarantine"] == {"kept": 1, "overdue": 1}
