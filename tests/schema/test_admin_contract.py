"""The administrator's contract: it shows everything but secrets, to administrators alone, and every act is written down."""

from __future__ import annotations

import re
import socket
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    parse,
    validate,
)
from uuid_utils.compat import uuid7

from api.telling import AppriseTeller
from patrol.audit import audit, seal_log
from patrol.checkpoints import add_checkpoint, content_of, set_checkpoint_active
from patrol.identity import issue_api_key, issue_device_key, issue_enrolment_code
from patrol.keys import KeySet
from patrol.sos.channels import add_channel
from patrol.sos.policy import BUILT_IN
from patrol.sos.posts import mute_post
from schema.admin import admin_door
from schema.context import Context
from schema.door import Door
from schema.partner import partner_door
from schema.phone import phone_door
from schema.planner.keyset import encode
from schema.planner.limits import Limits
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.embedded import EmbeddedS3
from storage.faults import PrincipalRevoked
from storage.principal import Principal, Role, system
from tests import personas
from tests.conftest import SECRET, store_on
from tests.phone import ask, context
from tests.world import World, insert, now

DOOR = admin_door(limits=Limits(fields=10_000))
SCHEMA: GraphQLSchema = DOOR.schema._schema
assert SCHEMA.query_type is not None
assert SCHEMA.mutation_type is not None
QUERIES = SCHEMA.query_type.fields
MUTATIONS = SCHEMA.mutation_type.fields


def everything(kind: GraphQLObjectType, above: tuple[str, ...] = ()) -> str:
    """A selection of all that a type can be asked; no type below itself."""
    parts = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if not is_composite_type(inner):
            parts.append(name)
        elif isinstance(inner, GraphQLObjectType) and inner.name not in above and len(above) < 5:
            parts.append(f"{name} {everything(inner, (*above, kind.name, inner.name))}")
    return "{ " + " ".join(parts or ["__typename"]) + " }"


def asking(name: str, field: GraphQLField, **arguments: Any) -> str:
    """The operation that asks a root for everything; a root by id gets the variable `id`."""
    kind = get_named_type(field.type)
    assert isinstance(kind, GraphQLObjectType)
    if "id" in field.args:
        return f"query ($id: UUID!) {{ {name}(id: $id) {everything(kind)} }}"
    # Everything of three lists of fifty is more than one request may ask for.
    few = "(first: 10)" if "first" in field.args else ""
    return f"{{ {name}{few} {everything(kind)} }}"


@dataclass
class Office:
    """An administrator at work: the station with one row of everything, and the secrets that nobody may see again."""

    world: World
    database: Database
    context: Context
    ids: dict[str, UUID]
    secrets: list[bytes]

    @property
    def principal(self) -> Principal:
        return self.context.principal

    async def ask(self, text: str, **variables: Any) -> dict[str, Any]:
        return await ask(DOOR, self.context, text, **variables)

    async def acts(self) -> list[str]:
        """What the audit log says that this administrator did."""
        rows = await self.world.change(
            "select array(select act from audit_entry where principal = $1 order by id)",
            str(self.principal),
        )
        return list(rows)


@pytest.fixture
async def office(
    world: World,
    database: Database,
    keys: KeySet,
    owner: asyncpg.Connection,
    own_store: ObjectStore,
) -> Office:
    ids: dict[str, UUID] = {}
    kanya = await personas.as_officer(world, world.kanya)
    session, device = kanya.credential_id, kanya.device_id
    assert session is not None
    assert device is not None
    incident = await world.add_incident(world.market, world.kanya, device=device)
    stored = await world.store(
        "stored_object", scope_id=world.market, bucket="snapshots", key="a/b.jpg", size_bytes=3,
        sha256=b"o" * 32, content_type="image/jpeg", state="QUARANTINED", reason="truncated",
    )  # fmt: skip
    snapshot = await world.store(
        "snapshot", scope_id=world.market, camera_id=world.market_camera, object_id=stored, sha256=b"o" * 32,
        taken_at=now(), width=640, height=480, thumb_320_key="t/320", thumb_960_key="t/960",
    )  # fmt: skip
    alert = await world.store(
        "sos_alert", scope_id=world.market, station_id=world.station, zone_id=world.market, source="OFFICER",
        status="OPEN", officer_id=world.kanya, raised_at=now(), captured_at_raw="now", received_at=now(),
    )  # fmt: skip
    step = await world.store(
        "sos_step", alert_id=alert, scope_id=world.market, number=1, target="STATION", due_at=now()
    )
    phone = await world.store(
        "installation", session_id=session, kind="FID", address="the address of a phone"
    )
    await world.store(
        "sos_recipient", alert_id=alert, step_id=step, scope_id=world.market, officer_id=world.kanya,
        installation_id=phone, outcome="ACCEPTED", attempted_at=now(),
    )  # fmt: skip
    await world.store(
        "quarantine", device_id=device, officer_id=world.kanya, lane="RECORDS", sequence=7, mutation_id=uuid7(),
        code="NOT_IN_SCOPE", payload={"title": "ลักทรัพย์"},
    )  # fmt: skip
    epoch = await world.change("select id from sync_epoch")
    await world.store("sync_backup", epoch_id=epoch, durable_through=now(), note="of today")
    await world.store(
        "sync_gap", device_id=device, officer_id=world.kanya, lane="RECORDS", from_sequence=3, to_sequence=4,
        epoch_id=epoch,
    )  # fmt: skip
    notice = await world.store(
        "notice", station_id=world.station, zone_id=world.market, severity="INFO", title="Fair", body="Until ten.",
        valid_from=now(), posted_by=world.prasert,
    )  # fmt: skip
    await world.store(
        "escalation_policy", station_id=world.station, version=1, content=BUILT_IN.document(), set_by="test"
    )  # fmt: skip
    teller = AppriseTeller(SECRET, time_limit=2)
    async with database.write(system("test"), Role.SYSTEM) as connection:
        channel = await add_channel(
            connection, teller, world.station, "Desk", "json://127.0.0.1:1", by="test"
        )
        await insert(
            connection, "sos_finding", kind="STEP_OVERDUE", subject_id=step, alert_id=alert, station_id=world.station,
            seen_at=now(),
        )  # fmt: skip
    for statement, *values in (
        ("insert into camera_state (camera_id, scope_id, last_seen_at, last_snapshot_id) values ($1, $2, now(), $3)",
         world.market_camera, world.market, snapshot),
        ("insert into sos_post_state (post_id, scope_id, last_seen_at) values ($1, $2, now())", world.post, world.market),
        ("insert into officer_state (officer_id, on_duty) values ($1, true)", world.kanya),
        ("insert into device_state (device_id, app_version) values ($1, '1.0')", device),
    ):  # fmt: skip
        await world.change(statement, *values)
    async with database.write(system("test")) as connection:
        partner = await issue_api_key(connection, world.radio, "newsroom")
        camera = await issue_device_key(connection, camera_id=world.market_camera)
        post = await issue_device_key(connection, post_id=world.post)
        code = await issue_enrolment_code(connection, world.kanya, "test")
        checkpoint = await add_checkpoint(
            connection, keys, world.station, code="K1", name="Gate", name_th="ประตู", latitude=16.7, longitude=98.5
        )  # fmt: skip
    job = await owner.fetchval(
        "insert into pgqueuer (priority, status, entrypoint, payload) values (0, 'failed', 'a.job', 'a payload') returning id"
    )
    await owner.execute(
        "insert into pgqueuer_log (job_id, status, priority, entrypoint, traceback) values ($1, 'failed', 0, 'a.job', $2)",
        job,
        '{"exception_type": "ValueError", "exception_message": "no picture"}',
    )
    assert await seal_log(database, keys) is not None
    ids |= {
        "session": session, "device": device, "incident": incident, "api_key": partner.id, "device_key": camera.id,
        "checkpoint": checkpoint, "notice": notice, "alert": alert, "channel": channel,
    }  # fmt: skip
    hashes = await owner.fetch(
        "select key_sha256 as hash from api_key union all select key_sha256 from device_key "
        "union all select code_sha256 from enrolment_code union all select token_sha256 from admin_token "
        "union all select wrapped from signing_key union all select mac from audit_seal"
    )
    principal = await personas.as_admin(world)
    token = await owner.fetchval("select token_sha256 from admin_token where id = $1", principal.id)
    spoken = [partner.secret, camera.secret, post.secret, code.code, "the address of a phone", "a payload"]  # fmt: skip
    return Office(
        world,
        database,
        context(database, principal, keys, store=own_store, teller=teller),
        ids,
        [token, *(row["hash"] for row in hashes), *(one.encode() for one in spoken)],
    )


@pytest.mark.parametrize("name", sorted(QUERIES))
async def test_every_query_answers_an_administrator_with_everything_but_secrets(
    office: Office, name: str
) -> None:
    whose = {
        "officer": office.world.kanya,
        "device": office.ids["device"],
        "organisation": office.world.radio,
        "escalationPolicy": office.world.station,
    }
    variables = {"id": str(whose[name])} if "id" in QUERIES[name].args else {}
    answer = await office.ask(asking(name, QUERIES[name]), **variables)
    assert "errors" not in answer
    found = answer["data"][name]
    assert found["nodes"] if isinstance(found, dict) and "nodes" in found else found
    if isinstance(found, dict) and "totalCount" in found:
        assert found["totalCount"] == len(found["nodes"])
    said = orjson.dumps(answer)
    for secret in office.secrets:
        for written in (secret, secret.hex().encode(), b64encode(secret)):
            assert written not in said


@pytest.mark.parametrize("name", sorted(QUERIES))
async def test_no_other_credential_reads_here(office: Office, name: str) -> None:
    world, text = office.world, asking(name, QUERIES[name])
    variables = {"id": str(world.kanya)} if "id" in QUERIES[name].args else {}
    for principal in (
        await personas.as_officer(world, world.prasert),
        await personas.as_partner(world, world.radio),
        await personas.as_camera(world, world.market_camera),
        system("worker"),
    ):
        foreign = context(office.database, principal, store=office.context.store)
        answer = await ask(DOOR, foreign, text, **variables)
        assert [one["extensions"]["code"] for one in answer["errors"]] == ["NOT_ALLOWED"]
        assert not (answer["data"] or {}).get(name)


def test_no_secret_has_a_name_in_the_contract() -> None:
    told = re.compile(r"hash|wrapped|secret|password|address|public_?key|mac$|kid$|sha256", re.I)
    named = {
        f"{kind.name}.{name}"
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name in kind.fields
        if told.search(name)
    }
    assert named == {
        "ApiKeyIssued.secret",
        "DeviceKeyIssued.secret",
        "EnrolmentCodeIssued.secret",
        "Mutation.issuePostPassword",
        "ReportExported.sha256",
        "StoredObject.sha256",
        "AuditSeal.sha256",
    }


def test_the_contracts_share_no_type() -> None:
    doors: list[Door] = [DOOR, phone_door(), partner_door()]
    for at, door in enumerate(doors):
        own = _classes(door)
        for other in doors[at + 1 :]:
            assert not own & _classes(other)


def _classes(door: Door) -> set[type]:
    kinds = door.schema._schema.type_map.values()
    return {
        kind.extensions["strawberry-definition"].origin
        for kind in kinds
        if isinstance(kind, GraphQLObjectType) and "strawberry-definition" in kind.extensions
    }


def test_lists_are_keyset_connections_with_an_end() -> None:
    for name, field in QUERIES.items():
        kind = get_named_type(field.type)
        assert isinstance(kind, GraphQLObjectType)
        if "nodes" in kind.fields:
            assert {"first", "after"} <= field.args.keys(), name
            assert {"nodes", "pageInfo", "totalCount"} <= kind.fields.keys()


@pytest.mark.parametrize("root", ["auditEntries", "failedJobs", "devices", "zones"])
async def test_a_list_is_walked_page_by_page_to_its_end(
    office: Office, owner: asyncpg.Connection, root: str
) -> None:
    async with office.database.write(system("test")) as connection:
        for number in range(4):
            await audit(connection, "test.act", number)
            await office.world.add_device()
            await owner.execute(
                "insert into pgqueuer (priority, status, entrypoint) values (0, 'failed', 'a.job')"
            )
    text = f"query ($after: String) {{ {root}(first: 2, after: $after) {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
    whole = (await office.ask(f"{{ {root}(first: 200) {{ nodes {{ id }} }} }}"))["data"][root]
    walked, after, more = [], None, True
    while more:
        page = (await office.ask(text, after=after))["data"][root]
        walked += page["nodes"]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert walked == whole["nodes"]
    assert len(walked) == len({one["id"] for one in walked}) > 1


@pytest.mark.parametrize(
    ("root", "key"),
    [
        ("auditEntries", "not a number"),
        ("auditEntries", str(2**70)),
        ("auditEntries", str(2**63)),
        ("zones", "5"),
    ],
)
async def test_a_forged_cursor_is_refused(office: Office, root: str, key: str) -> None:
    forged = encode("NAME", "x", key) if root == "zones" else encode("LATEST", 5, key)
    for cursor in ("%", forged, encode("LATEST", 2**63, "5")):
        answer = await office.ask(
            f"query ($after: String) {{ {root}(after: $after) {{ nodes {{ id }} }} }}", after=cursor
        )
        assert answer["errors"][0]["extensions"]["code"] == "CURSOR_INVALID"


async def test_filters_narrow_a_list(office: Office) -> None:
    world = office.world
    asked = await office.ask(
        "query ($zone: UUID!) {"
        " officers(active: true) { totalCount }"
        " gone: officers(active: false) { totalCount }"
        " cameras(zoneId: $zone) { nodes { id keys { prefix } } }"
        " kept: storedObjects(state: [QUARANTINED], bucket: \"snapshots\") { totalCount }"
        " ready: storedObjects(state: [READY]) { totalCount }"
        " open: quarantine(resolved: false, code: NOT_IN_SCOPE) { totalCount }"
        " resolved: quarantine(resolved: true) { totalCount }"
        ' keys: auditEntries(act: "partner.key.issue") { nodes { subject detail } }'
        ' none: auditEntries(principal: "admin:nobody") { totalCount } }',
        zone=str(world.market),
    )  # fmt: skip
    data = asked["data"]
    assert data["officers"]["totalCount"] == 3
    assert data["gone"]["totalCount"] == 0
    assert [one["id"] for one in data["cameras"]["nodes"]] == [str(world.market_camera)]
    assert len(data["cameras"]["nodes"][0]["keys"]) == 1
    assert (data["kept"]["totalCount"], data["ready"]["totalCount"]) == (1, 0)
    assert (data["open"]["totalCount"], data["resolved"]["totalCount"]) == (1, 0)
    assert [one["subject"] for one in data["keys"]["nodes"]] == [str(world.radio)]
    assert data["none"]["totalCount"] == 0


async def test_a_text_that_no_row_can_hold_is_the_callers_mistake(office: Office) -> None:
    answer = await office.ask(
        "query ($badge: String) { officers(badge: $badge) { totalCount } }", badge="a\0b"
    )
    assert answer["errors"][0]["extensions"]["code"] == "VARIABLE_INVALID"


async def test_buckets_are_told_as_they_are_found(office: Office) -> None:
    await office.context.store.put_bytes(Bucket.DERIVED, "a", b"12345", content_type="text/plain")
    answer = await office.ask(
        "{ buckets { purpose exists objects bytes versioning objectLock lifecycle problems } }"
    )
    buckets = {one["purpose"]: one for one in answer["data"]["buckets"]}
    assert set(buckets) == {"SNAPSHOTS", "EVIDENCE", "DERIVED", "EXPORTS"}
    assert (buckets["DERIVED"]["objects"], buckets["DERIVED"]["bytes"]) == (1, 5)
    assert buckets["EVIDENCE"]["objectLock"]
    assert buckets["EVIDENCE"]["versioning"]
    assert "7 days" in buckets["EXPORTS"]["lifecycle"]
    assert not any(one["problems"] for one in buckets.values())


@pytest.mark.parametrize("text", ["{ buckets { name } }", "mutation { ensureBuckets { created } }"])
async def test_a_store_that_is_away_is_said_so(office: Office, text: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        store = ObjectStore(
            f"127.0.0.1:{nobody.getsockname()[1]}",
            "key",
            "secret",
            region="us-east-1",
            secure=False,
        )
        answer = await ask(DOOR, context(office.database, office.principal, store=store), text)
        store.close()
    assert answer["errors"][0]["extensions"]["code"] == "STORE_UNAVAILABLE"


async def test_a_store_that_refuses_is_said_so(office: Office, s3: EmbeddedS3) -> None:
    store = ObjectStore(
        s3.endpoint, s3.access_key, "not its secret", region=s3.region, secure=False, prefix="no-"
    )
    foreign = context(office.database, office.principal, store=store)
    answer = await ask(
        DOOR, foreign, "mutation { ensureBuckets { created refusal { code whatToDo } } }"
    )
    store.close()
    assert answer["data"]["ensureBuckets"]["created"] is None
    assert answer["data"]["ensureBuckets"]["refusal"]["code"] == "STORE_REFUSED"
    assert await office.acts() == ["buckets.ensure"]


async def test_the_payload_of_a_job_stays_with_the_worker(office: Office) -> None:
    async with office.database.enter(Role.ADMIN, office.principal) as entered:
        assert await entered.connection.fetchval("select count(id) from pgqueuer") == 1
        for closed in ("payload", "headers", "dedupe_key"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await entered.connection.fetch(f"select {closed} from pgqueuer")


@pytest.mark.parametrize(
    "text",
    ["{ buckets { name } }", "mutation { ensureBuckets { created } }", "mutation { revokeDevice(id: \"01890000-0000-7000-8000-000000000000\") { id } }"],
)  # fmt: skip
async def test_a_revoked_token_does_nothing(office: Office, text: str) -> None:
    await office.world.change(
        "update admin_token set revoked_at = now() where id = $1", office.principal.id
    )
    answer = await office.ask(text)
    assert answer["errors"][0]["extensions"]["code"] == "SESSION_REVOKED"


# Acts

Act = Callable[[Office], Awaitable[tuple[str, dict[str, Any], list[str]]]]
"""What is sent: the arguments of the mutation, their values, and the acts that the log must hold afterwards."""


async def _revoke_device(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.ids["device"]}, ["device.revoke"]


async def _revoke_session(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.ids["session"]}, ["session.revoke"]


async def _revoke_officer(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return (
        "$id: UUID! | id: $id",
        {"id": office.world.kanya},
        ["officer.revoke", "officer.sign_out_everywhere"],
    )


async def _restore_officer(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    await office.world.change("update officer set active = false where id = $1", office.world.kanya)
    return "$id: UUID! | id: $id", {"id": office.world.kanya}, ["officer.restore"]


async def _issue_enrolment_code(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return (
        "$id: UUID! | officerId: $id, minutes: 5",
        {"id": office.world.kanya},
        ["enrolment_code.issue"],
    )


async def _add_officer(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    officer = {
        "stationId": office.world.station, "badge": "NEW", "role": "OFFICER", "rank": "Pol. Sgt.", "name": "Mali",
        "nameTh": "มะลิ", "scopeIds": [office.world.market],
    }  # fmt: skip
    return (
        "$o: AddOfficerInput! | officer: $o",
        {"o": officer},
        ["officer.add", "officer.assign"],
    )


async def _assign_officer(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    given = {"id": office.world.kanya, "to": [office.world.temple]}
    return "$id: UUID!, $to: [UUID!]! | id: $id, scopeIds: $to", given, ["officer.assign"]


async def _add_organisation(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    organisation = {"code": "NEW", "name": "Hospital", "nameTh": "โรงพยาบาล", "sector": "STATE_AGENCY"}  # fmt: skip
    return (
        "$o: AddOrganisationInput! | organisation: $o",
        {"o": organisation},
        ["partner.add"],
    )


async def _grant_agreement(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    agreement = {
        "organisationId": office.world.radio, "zoneIds": [office.world.temple], "subjects": ["CAMERAS"],
        "delaySeconds": 600,
    }  # fmt: skip
    return (
        "$a: GrantAgreementInput! | agreement: $a",
        {"a": agreement},
        ["agreement.grant"],
    )


async def _revoke_agreement(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.world.agreement}, ["agreement.revoke"]


async def _issue_api_key(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return (
        '$id: UUID! | organisationId: $id, label: "desk"',
        {"id": office.world.radio},
        ["partner.key.issue"],
    )


async def _revoke_api_key(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.ids["api_key"]}, ["partner.key.revoke"]


async def _issue_device_key(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | postId: $id", {"id": office.world.post}, ["device.key.issue"]


async def _revoke_device_key(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.ids["device_key"]}, ["device.key.revoke"]


async def _post_notice(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    notice = {
        "stationId": str(office.world.station), "severity": "URGENT", "title": "Flood", "body": "Stay away.",
    }  # fmt: skip
    return (
        "$notice: PostNoticeInput! | notice: $notice",
        {"notice": notice},
        ["notice.post"],
    )


async def _set_escalation_policy(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return (
        "$id: UUID!, $policy: EscalationPolicyInput! | id: $id, policy: $policy",
        {
            "id": office.world.station,
            "policy": {"steps": [{"target": "STATION", "after": 0}], "againAfter": 60},
        },
        ["escalation.set"],
    )


async def _withdraw_notice(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.ids["notice"]}, ["notice.withdraw"]


async def _note_backup(_: Office) -> tuple[str, dict[str, Any], list[str]]:
    given = {"until": "2026-01-02T03:05:00+00:00"}
    return "$until: DateTime! | until: $until", given, ["backup.note"]


async def _ensure_buckets(_: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "", {}, ["buckets.ensure"]


async def _add_checkpoint(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    given = (
        'stationId: $id, code: "K2", name: "Pier", nameTh: "ท่าเรือ", latitude: 16.7, longitude: 98.5'
    )
    return (
        f"$id: UUID! | checkpoint: {{{given}}}",
        {"id": office.world.station},
        ["checkpoint.add"],
    )


async def _reissue_checkpoint_code(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.ids["checkpoint"]}, ["checkpoint.reissue"]


async def _retire_checkpoint(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.ids["checkpoint"]}, ["checkpoint.retire"]


async def _restore_checkpoint(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    async with office.database.write(system("test")) as connection:
        await set_checkpoint_active(connection, office.ids["checkpoint"], False)
    return "$id: UUID! | id: $id", {"id": office.ids["checkpoint"]}, ["checkpoint.restore"]


async def _replay_quarantined(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    given = {"id": await office.world.change("select id from quarantine")}
    return '$id: UUID! | id: $id, reason: "the zone is hers now"', given, ["quarantine.replay"]


async def _discard_quarantined(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    given = {"id": await office.world.change("select id from quarantine")}
    return '$id: UUID! | id: $id, reason: "a test"', given, ["quarantine.discard"]


async def _report_device_lost(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    async with office.database.write(system("test"), Role.SYSTEM) as connection:
        await connection.execute(
        "insert into held_snapshot (device_id, officer_id, subjects, epoch_id, snapshot, sets) "
        "values ($1, $2, '', gen_random_uuid(), pg_current_snapshot(), '{}')",
        office.ids["device"], office.world.kanya,
    )  # fmt: skip
    given = {"id": office.ids["device"]}
    return '$id: UUID! | id: $id, reason: "left in a taxi"', given, ["device.lost"]


async def _add_sos_channel(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    channel = {"stationId": office.world.station, "label": "LINE", "address": "json://127.0.0.1:1"}
    return "$c: AddSosChannelInput! | channel: $c", {"c": channel}, ["channel.add"]


def _of_channel(act: str) -> Act:
    async def ordered(office: Office) -> tuple[str, dict[str, Any], list[str]]:
        return "$id: UUID! | id: $id", {"id": office.ids["channel"]}, [act]

    return ordered


def _of_post(act: str, given: str = "", key: str = "id") -> Act:
    async def ordered(office: Office) -> tuple[str, dict[str, Any], list[str]]:
        return f"$id: UUID! | {key}: $id{given}", {"id": office.world.post}, [act]

    return ordered


async def _mute_post(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    given = {"id": office.world.post, "until": now() + timedelta(hours=1)}
    places = '$id: UUID!, $until: DateTime! | id: $id, reason: "stuck", until: $until'
    return places, given, ["post.muted"]


async def _unmute_post(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    async with office.database.write(system("test"), Role.SYSTEM) as connection:
        await mute_post(
            connection,
            office.world.post,
            reason="stuck",
            until=now() + timedelta(hours=1),
            now=now(),
        )
    return "$id: UUID! | id: $id", {"id": office.world.post}, ["post.unmuted"]


async def _export_alert(office: Office) -> tuple[str, dict[str, Any], list[str]]:
    return "$id: UUID! | id: $id", {"id": office.ids["alert"]}, ["alert.report"]


ACTS: dict[str, Act] = {
    "addSosChannel": _add_sos_channel,
    "testSosChannel": _of_channel("channel.test"),
    "removeSosChannel": _of_channel("channel.remove"),
    "armPostTest": _of_post("post.test_armed"),
    "issuePostLink": _of_post("device.key.issue", ", action: ALARM", "postId"),
    "issuePostPassword": _of_post("device.key.issue", "", "postId"),
    "mutePost": _mute_post,
    "unmutePost": _unmute_post,
    "reissuePostCode": _of_post("post.code.reissue"),
    "setPost": _of_post("post.setting_changed", ", getAllowed: true"),
    "testPost": _of_post("post.test"),
    "exportAlert": _export_alert,
    "replayQuarantined": _replay_quarantined,
    "discardQuarantined": _discard_quarantined,
    "reportDeviceLost": _report_device_lost,
    "addCheckpoint": _add_checkpoint,
    "reissueCheckpointCode": _reissue_checkpoint_code,
    "restoreCheckpoint": _restore_checkpoint,
    "retireCheckpoint": _retire_checkpoint,
    "addOfficer": _add_officer,
    "addOrganisation": _add_organisation,
    "assignOfficer": _assign_officer,
    "ensureBuckets": _ensure_buckets,
    "noteBackup": _note_backup,
    "grantAgreement": _grant_agreement,
    "issueApiKey": _issue_api_key,
    "issueDeviceKey": _issue_device_key,
    "issueEnrolmentCode": _issue_enrolment_code,
    "postNotice": _post_notice,
    "setEscalationPolicy": _set_escalation_policy,
    "restoreOfficer": _restore_officer,
    "revokeAgreement": _revoke_agreement,
    "revokeApiKey": _revoke_api_key,
    "revokeDevice": _revoke_device,
    "revokeDeviceKey": _revoke_device_key,
    "revokeOfficer": _revoke_officer,
    "revokeSession": _revoke_session,
    "withdrawNotice": _withdraw_notice,
}


def acting(name: str, places: str) -> str:
    """The text of a mutation that asks for everything in its answer."""
    kind = get_named_type(MUTATIONS[name].type)
    assert isinstance(kind, GraphQLObjectType)
    declared, _, given = places.partition(" | ")
    head = f"mutation ({declared})" if declared else "mutation"
    return f"{head} {{ {name}{f'({given})' if given else ''} {everything(kind)} }}"


@pytest.mark.parametrize("name", sorted(MUTATIONS))
async def test_every_act_is_written_down_with_who_did_it(office: Office, name: str) -> None:
    places, values, expected = await ACTS[name](office)
    assert await office.acts() == []
    answer = await office.ask(
        acting(name, places), **orjson.loads(orjson.dumps(values, default=str))
    )
    assert "errors" not in answer
    outcome = answer["data"][name]
    assert outcome["refusal"] is None
    # What was added or changed is in the answer itself, as it stands now.
    assert None not in [
        value for key, value in outcome.items() if key not in ("refusal", "expiresAt")
    ]
    assert await office.acts() == expected
    if "secret" in outcome:
        log = await office.world.change("select string_agg(detail::text, '') from audit_entry")
        assert outcome["secret"] not in log


@pytest.mark.parametrize("name", sorted(MUTATIONS))
async def test_nobody_else_may_act_here(
    office: Office, owner: asyncpg.Connection, name: str
) -> None:
    places, values, _ = await ACTS[name](office)
    world = office.world
    strangers = [
        await personas.as_officer(world, world.prasert),
        await personas.as_partner(world, world.radio),
        await personas.as_camera(world, world.market_camera),
        system("worker"),
    ]
    before = await owner.fetchval("select count(*) from audit_entry")
    for principal in strangers:
        foreign = context(office.database, principal, store=office.context.store)
        answer = await ask(
            DOOR, foreign, acting(name, places), **orjson.loads(orjson.dumps(values, default=str))
        )
        assert [one["extensions"]["code"] for one in answer["errors"]] == ["NOT_ALLOWED"]
    assert await owner.fetchval("select count(*) from audit_entry") == before


UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (f'revokeDevice(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'revokeSession(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'replayQuarantined(id: "{UNKNOWN}", reason: "x")', "NOT_FOUND"),
        (f'discardQuarantined(id: "{UNKNOWN}", reason: "x")', "NOT_FOUND"),
        (f'discardQuarantined(id: "{UNKNOWN}", reason: " ")', "BAD_REQUEST"),
        (f'reportDeviceLost(id: "{UNKNOWN}", reason: "x")', "NOT_FOUND"),
        (f'revokeOfficer(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'restoreOfficer(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'revokeAgreement(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'revokeApiKey(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'revokeDeviceKey(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'issueApiKey(organisationId: "{UNKNOWN}", label: "x")', "NOT_FOUND"),
        (f'issueEnrolmentCode(officerId: "{UNKNOWN}")', "NOT_FOUND"),
        ("issueEnrolmentCode(officerId: \"$kanya\", minutes: 0)", "VARIABLE_INVALID"),
        (f'issueDeviceKey(cameraId: "{UNKNOWN}")', "NOT_FOUND"),
        ("issueDeviceKey", "VARIABLE_INVALID"),
        (f'assignOfficer(id: "$kanya", scopeIds: ["{UNKNOWN}"])', "NOT_FOUND"),
        (f'assignOfficer(id: "{UNKNOWN}", scopeIds: ["$market"])', "RECORD_INVALID"),
        ('addOfficer(officer: {stationId: "$station", badge: "$badge", role: OFFICER, rank: "", name: "", nameTh: "", scopeIds: []})', "ALREADY_EXISTS"),
        (f'addOfficer(officer: {{stationId: "{UNKNOWN}", badge: "B", role: OFFICER, rank: "", name: "", nameTh: "", scopeIds: []}})', "RECORD_INVALID"),
        ('addOrganisation(organisation: {code: "$radio", name: "", nameTh: "", sector: MEDIA})', "ALREADY_EXISTS"),
        (f'grantAgreement(agreement: {{organisationId: "{UNKNOWN}", zoneIds: ["$market"], subjects: [ZONES]}})', "RECORD_INVALID"),
        ('grantAgreement(agreement: {organisationId: "$partner", zoneIds: [], subjects: [ZONES]})', "BAD_REQUEST"),
        ('addCheckpoint(checkpoint: {stationId: "$station", code: "K1", name: "", nameTh: "", latitude: 1, longitude: 1})', "ALREADY_EXISTS"),
        ('addCheckpoint(checkpoint: {stationId: "$station", code: "../K", name: "", nameTh: "", latitude: 1, longitude: 1})', "VARIABLE_INVALID"),
        ('addCheckpoint(checkpoint: {stationId: "$station", code: "K3", name: "", nameTh: "", latitude: 98, longitude: 1})', "VARIABLE_INVALID"),
        (f'addCheckpoint(checkpoint: {{stationId: "{UNKNOWN}", code: "K3", name: "", nameTh: "", latitude: 1, longitude: 1}})', "RECORD_INVALID"),
        (f'retireCheckpoint(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'restoreCheckpoint(id: "{UNKNOWN}")', "NOT_FOUND"),
        (f'reissueCheckpointCode(id: "{UNKNOWN}")', "NOT_FOUND"),
    ],
)  # fmt: skip
async def test_a_refusal_is_data_and_leaves_nothing_behind(
    office: Office, owner: asyncpg.Connection, call: str, code: str
) -> None:
    world = office.world
    known = {
        "$kanya": world.kanya, "$market": world.market, "$station": world.station, "$partner": world.radio,
        "$badge": await owner.fetchval("select badge from officer where id = $1", world.kanya),
        "$radio": await owner.fetchval("select code from organisation where id = $1", world.radio),
    }  # fmt: skip
    for place, value in known.items():
        call = call.replace(place, str(value))
    name = call.partition("(")[0]
    answer = await office.ask(f"mutation {{ {call} {{ refusal {{ code message whatToDo }} }} }}")
    assert "errors" not in answer
    refusal = answer["data"][name]["refusal"]
    assert refusal["code"] == code
    assert refusal["message"]
    assert refusal["whatToDo"]
    assert await office.acts() == []


async def test_who_was_revoked_is_refused_at_once_and_stays_so_after_a_return(
    office: Office,
) -> None:
    world = office.world
    kanya = await personas.as_officer(world, world.kanya)
    await office.ask("mutation ($id: UUID!) { revokeOfficer(id: $id) { id } }", id=str(world.kanya))
    with pytest.raises(PrincipalRevoked):
        async with office.database.read(Role.PHONE, kanya):
            pass
    await office.ask(
        "mutation ($id: UUID!) { restoreOfficer(id: $id) { id } }", id=str(world.kanya)
    )
    with pytest.raises(PrincipalRevoked):
        async with office.database.read(Role.PHONE, kanya):
            pass


async def test_the_code_to_print_is_that_of_the_number_that_stands(
    office: Office, keys: KeySet
) -> None:
    text = "{ checkpoints(active: true) { nodes { id codeNumber codeContent zone { id } } } }"
    [row] = (await office.ask(text))["data"]["checkpoints"]["nodes"]
    point, kid = UUID(row["id"]), keys.current.kid
    assert (row["codeNumber"], row["codeContent"]) == (1, content_of(keys, point, 1, kid))
    again = "mutation ($id: UUID!) { reissueCheckpointCode(id: $id) { id } }"
    await office.ask(again, id=row["id"])
    [row] = (await office.ask(text))["data"]["checkpoints"]["nodes"]
    assert (row["codeNumber"], row["codeContent"]) == (2, content_of(keys, point, 2, kid))
    # Without the key that signed it nothing wrong is printed.
    await office.world.change("insert into checkpoint_key values ('gone', $1)", bytes(32))
    await office.world.change("update checkpoint set code_kid = 'gone'")
    [row] = (await office.ask(text))["data"]["checkpoints"]["nodes"]
    assert row["codeContent"] is None


async def test_missing_buckets_are_created_and_named(office: Office, s3: EmbeddedS3) -> None:
    fresh = store_on(s3, f"f{uuid7().hex[-8:]}-")
    try:
        prepared = context(office.database, office.principal, store=fresh)
        answer = await ask(
            DOOR, prepared, "mutation { ensureBuckets { created refusal { code } } }"
        )
        assert len(answer["data"]["ensureBuckets"]["created"]) == 4
        assert await office.acts() == ["buckets.ensure", "buckets.create"]
    finally:
        fresh.close()


def test_the_generated_questions_fit_the_contract() -> None:
    for name, field in QUERIES.items():
        assert validate(SCHEMA, parse(asking(name, field))) == []


async def test_a_backup_is_noted_and_a_time_to_come_is_refused(office: Office) -> None:
    text = "mutation ($until: DateTime!) { noteBackup(until: $until) { durableThrough refusal { code } } }"
    noted = await office.ask(text, until="2026-01-02T03:05:00+00:00")
    assert "errors" not in noted, noted
    assert noted["data"]["noteBackup"]["durableThrough"].startswith("2026-01-02T03:04:00")
    assert "backup.note" in await office.acts()
    refused = await office.ask(text, until="2999-01-01T00:00:00+00:00")
    assert refused["data"]["noteBackup"]["refusal"]["code"] == "BAD_REQUEST"
