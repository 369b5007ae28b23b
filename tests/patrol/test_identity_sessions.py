"""Phones sign in, lose answers, are shared, copied and stolen; nobody is signed out who should not be."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from patrol.errors import (
    DeviceProofInvalid,
    EnrolmentCodeInvalid,
    NotAllowed,
    NotFound,
    RefreshTokenInvalid,
    RefreshTokenReused,
    SessionRevoked,
    TokenExpired,
    VariableInvalid,
)
from patrol.identity import (
    AccessTokens,
    Phone,
    PhoneKey,
    SignedIn,
    enrol,
    go_off_duty,
    go_on_duty,
    issue_code_as_supervisor,
    issue_enrolment_code,
    refresh,
    revoke_device,
    revoke_officer_sessions,
    revoke_session,
    set_push_address,
    sign_out,
)
from patrol.identity.refresh_tokens import RefreshToken
from patrol.keys import KeySet, load, retire, rotate
from storage.database import Database
from storage.faults import PrincipalRevoked
from storage.principal import Principal, Role, system
from storage.vocabulary import PushAddressKind
from tests import personas
from tests.conftest import SECRET
from tests.phones import SigningPhone, p256_key
from tests.world import World


@pytest.fixture
def access(keys: KeySet) -> AccessTokens:
    return AccessTokens(keys)


@dataclass
class Station:
    """What these tests do again and again."""

    world: World
    access: AccessTokens

    @property
    def database(self) -> Database:
        return self.world.database

    async def code(self, officer: UUID, ttl: timedelta = timedelta(hours=1)) -> str:
        async with self.database.write(system("test")) as connection:
            return (await issue_enrolment_code(connection, officer, "test", ttl)).code

    async def enrolled(self, phone: SigningPhone, officer: UUID) -> SignedIn:
        return await phone.enrol(self.database, self.access, await self.code(officer))

    async def refreshed(self, phone: SigningPhone, token: str) -> SignedIn:
        return await phone.refresh(self.database, self.access, token)

    def principal(self, signed_in: SignedIn) -> Principal:
        return self.access.verify(signed_in.access_token).principal

    async def is_served(self, signed_in: SignedIn) -> bool:
        try:
            async with self.database.read(Role.PHONE, self.principal(signed_in)) as entered:
                return bool(await entered.connection.fetchval("select count(*) from station") >= 0)
        except PrincipalRevoked:
            return False


@pytest.fixture
def station(world: World, access: AccessTokens) -> Station:
    return Station(world, access)


# Enrolment


@pytest.mark.oldest
@pytest.mark.parametrize("private", [None, p256_key()], ids=["Ed25519", "P-256"])
async def test_a_code_turns_a_phone_into_the_officers_phone(
    station: Station, world: World, private: object
) -> None:
    phone = SigningPhone(private) if private else SigningPhone()
    signed_in = await station.enrolled(phone, world.kanya)
    principal = station.principal(signed_in)
    assert (principal.id, principal.credential_id) == (world.kanya, signed_in.session_id)
    assert signed_in.officer["name"] == "Kanya"
    async with world.database.read(Role.PHONE, principal) as entered:
        assert set(entered.scopes) == {world.market}


@pytest.mark.parametrize("written", ["{}", " {} ", "{lower}", "{plain}", "{spaced}"], ids=str)
async def test_a_code_may_be_written_as_people_write_it(
    station: Station, world: World, written: str
) -> None:
    code = await station.code(world.kanya)
    plain = code.replace("-", "")
    typed = written.format(
        code, lower=code.lower(), plain=plain, spaced=" ".join([plain[:3], plain[3:6], plain[6:]])
    )
    typed = typed.replace("0", "o").replace("1", "l")
    await SigningPhone().enrol(station.database, station.access, typed)


async def test_a_lost_enrolment_answer_can_be_asked_for_again_by_the_same_phone_only(
    station: Station, world: World
) -> None:
    phone, code = SigningPhone(), await station.code(world.kanya)
    first = await phone.enrol(station.database, station.access, code)
    again = await phone.enrol(station.database, station.access, code)
    assert (again.session_id, again.refresh_token) == (first.session_id, first.refresh_token)
    with pytest.raises(EnrolmentCodeInvalid):
        await SigningPhone().enrol(station.database, station.access, code)
    await station.refreshed(phone, again.refresh_token)
    with pytest.raises(EnrolmentCodeInvalid):
        await phone.enrol(station.database, station.access, code)


async def test_two_phones_with_one_code_get_one_session(station: Station, world: World) -> None:
    code = await station.code(world.kanya)
    answers = await asyncio.gather(
        *(SigningPhone().enrol(station.database, station.access, code) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, SignedIn) for answer in answers) == 1
    assert sum(isinstance(answer, EnrolmentCodeInvalid) for answer in answers) == 4


async def test_an_expired_code_is_refused(station: Station, world: World) -> None:
    code = await station.code(world.kanya, ttl=timedelta(0))
    with pytest.raises(EnrolmentCodeInvalid):
        await SigningPhone().enrol(station.database, station.access, code)


@pytest.mark.parametrize(
    "code", ["", "ABCDE-FGHJK", "ABCDE", "UUUUU-UUUUU", "ABCDE-FGHJKM", "\0" * 10]
)
async def test_an_unknown_code_is_refused(station: Station, code: str) -> None:
    with pytest.raises(EnrolmentCodeInvalid):
        await SigningPhone().enrol(station.database, station.access, code)


async def test_a_code_of_an_officer_who_left_is_refused(station: Station, world: World) -> None:
    code = await station.code(world.kanya)
    await world.change("update officer set active = false where id = $1", world.kanya)
    with pytest.raises(EnrolmentCodeInvalid):
        await SigningPhone().enrol(station.database, station.access, code)


async def test_a_phone_must_prove_the_key_that_it_shows(station: Station, world: World) -> None:
    code, other = await station.code(world.kanya), await station.code(world.somkid)
    phone, thief = SigningPhone(), SigningPhone()
    shown = Phone(PhoneKey.of(phone.jwk), "android", "Test")
    for proof in (
        thief.enrol_proof(code),
        phone.enrol_proof(other),
        phone.refresh_proof(code),
        phone.signed({"aud": "enrol"}),
        phone.signed([1]),
        "",
    ):
        with pytest.raises(DeviceProofInvalid):
            await enrol(station.database, station.access, code=code, proof=proof, phone=shown)
    await phone.enrol(station.database, station.access, code)


async def test_the_code_is_kept_as_a_hash_and_the_audit_names_everybody(
    station: Station, world: World, owner: asyncpg.Connection
) -> None:
    supervisor = await personas.as_officer(world, world.prasert)
    issued = await issue_code_as_supervisor(world.database, supervisor, world.kanya)
    signed_in = await SigningPhone().enrol(station.database, station.access, issued.code)
    rows = await owner.fetch("select * from audit_entry order by id")
    assert [(row["principal"], row["act"], row["subject"]) for row in rows] == [
        (str(supervisor), "enrolment_code.issue", str(world.kanya)),
        ("system:sign-in", "session.begin", str(signed_in.session_id)),
    ]
    kept = str(rows) + str(await owner.fetch("select * from enrolment_code"))
    for secret in (issued.code, issued.code.replace("-", ""), signed_in.refresh_token):
        assert secret not in kept
        assert secret not in repr(issued) + repr(signed_in)


async def test_only_a_supervisor_issues_codes_and_only_for_the_own_station(
    station: Station, world: World
) -> None:
    supervisor = await personas.as_officer(world, world.prasert)
    elsewhere = await world.add_officer("Malee", station=await world.add_station("Phop Phra"))
    with pytest.raises(NotFound):
        await issue_code_as_supervisor(world.database, supervisor, elsewhere)
    for nobody in (
        await personas.as_officer(world, world.kanya),
        await personas.as_partner(world, world.radio),
        await personas.as_camera(world, world.market_camera),
    ):
        with pytest.raises(NotAllowed):
            await issue_code_as_supervisor(world.database, nobody, world.somkid)
    async with world.database.write(system("test")) as connection:
        with pytest.raises(NotFound):
            await issue_enrolment_code(connection, world.station, "test")


# Refresh


async def test_every_refresh_answer_is_lost_once_and_nobody_is_signed_out(
    station: Station, world: World
) -> None:
    phone = SigningPhone()
    token = (await station.enrolled(phone, world.kanya)).refresh_token
    for _ in range(30):
        lost = await station.refreshed(phone, token)
        told = await station.refreshed(phone, token)
        assert told.refresh_token == lost.refresh_token != token
        assert await station.is_served(told)
        token = told.refresh_token


async def test_answers_lost_at_random_many_times_in_a_row_sign_nobody_out(
    station: Station, world: World
) -> None:
    phone, chance = SigningPhone(), random.Random(7)
    token = (await station.enrolled(phone, world.kanya)).refresh_token
    rotations = 0
    for _ in range(120):
        answer = await station.refreshed(phone, token)
        if chance.random() < 0.4:
            token, rotations = answer.refresh_token, rotations + 1
    assert rotations > 30


async def test_a_naive_rotation_would_have_lost_the_session(station: Station, world: World) -> None:
    """The control: a server that believes only its newest token signs out the first phone that loses an answer."""
    newest = 1

    def naive(generation: int) -> int:
        nonlocal newest
        if generation != newest:
            raise RefreshTokenReused
        newest += 1
        return newest

    held = 1
    naive(held)  # and the answer is lost
    with pytest.raises(RefreshTokenReused):
        naive(held)
    phone = SigningPhone()
    token = (await station.enrolled(phone, world.kanya)).refresh_token
    await station.refreshed(phone, token)
    await station.refreshed(phone, token)


async def test_reuse_after_the_successor_was_used_ends_the_session(
    station: Station, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    signed_in = await station.enrolled(phone, world.kanya)
    second = await station.refreshed(phone, signed_in.refresh_token)
    third = await station.refreshed(phone, second.refresh_token)
    with pytest.raises(RefreshTokenReused):
        await station.refreshed(phone, signed_in.refresh_token)
    for token in (signed_in, second, third):
        with pytest.raises(SessionRevoked):
            await station.refreshed(phone, token.refresh_token)
        assert not await station.is_served(token)
    row = await owner.fetchrow("select revoked_reason from session where id = $1", third.session_id)
    assert row["revoked_reason"] == "REFRESH_TOKEN_REUSED"
    acts = await owner.fetchval("select array_agg(act order by id) from audit_entry")
    assert acts[-1] == "session.reuse"


async def test_a_stolen_token_without_the_phones_key_is_refused_and_harms_nobody(
    station: Station, world: World
) -> None:
    phone, thief = SigningPhone(), SigningPhone()
    signed_in = await station.enrolled(phone, world.kanya)
    second = await station.refreshed(phone, signed_in.refresh_token)
    third = await station.refreshed(phone, second.refresh_token)
    for stolen in (third.refresh_token, signed_in.refresh_token):
        with pytest.raises(DeviceProofInvalid):
            await station.refreshed(thief, stolen)
        # A proof that was overheard is for another token.
        with pytest.raises(DeviceProofInvalid):
            await refresh(
                station.database,
                station.access,
                refresh_token=stolen,
                proof=phone.refresh_proof(second.refresh_token),
            )
    assert await station.is_served(third)
    await station.refreshed(phone, third.refresh_token)


async def test_parallel_refreshes_of_one_token_give_one_successor(
    station: Station, world: World
) -> None:
    phone = SigningPhone()
    token = (await station.enrolled(phone, world.kanya)).refresh_token
    for _ in range(5):
        answers = await asyncio.gather(*(station.refreshed(phone, token) for _ in range(6)))
        assert len({answer.refresh_token for answer in answers}) == 1
        token = answers[0].refresh_token


async def test_a_forged_refresh_token_is_refused(
    station: Station, world: World, keys: KeySet
) -> None:
    phone = SigningPhone()
    signed_in = await station.enrolled(phone, world.kanya)
    kid, session, generation, mac = signed_in.refresh_token.split(".")
    for forged in (
        f"{kid}.{session}.2.{mac}",
        f"{kid}.{UUID(int=1).hex}.{generation}.{mac}",
        f"other.{session}.{generation}.{mac}",
        f"{kid}.{session}.0{generation}.{mac}",
        f"{kid}.{session}.{generation}.{mac[:-1]}{'A' if mac[-1] != 'A' else 'Q'}",
        f"{kid}.{session}.{generation}.{mac}=",
        f"{kid}.{session.upper()}.{generation}.{mac}",
        signed_in.access_token,
        "٣.٣.٣.٣",
        "",
    ):
        with pytest.raises(RefreshTokenInvalid):
            await station.refreshed(phone, forged)
    with pytest.raises(RefreshTokenInvalid):
        await station.refreshed(phone, RefreshToken(UUID(int=5), 1).written(keys))


async def test_a_restore_from_a_backup_signs_nobody_out(
    station: Station, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    answer = await station.enrolled(phone, world.kanya)
    for _ in range(4):
        answer = await station.refreshed(phone, answer.refresh_token)
    await owner.execute("update session set generation = 2")
    answer = await station.refreshed(phone, answer.refresh_token)
    await station.refreshed(phone, answer.refresh_token)
    assert await owner.fetchval("select generation from session") == 7


async def test_a_session_lives_on_while_it_is_used_and_ends_when_it_is_not(
    station: Station, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    signed_in = await station.enrolled(phone, world.kanya)
    await owner.execute("update session set expires_at = now() + interval '1 minute'")
    later = await station.refreshed(phone, signed_in.refresh_token)
    assert later.session_expires_at - later.server_time > timedelta(days=89)
    await owner.execute("update session set expires_at = now()")
    with pytest.raises(SessionRevoked, match="not used for too long"):
        await station.refreshed(phone, later.refresh_token)
    assert not await station.is_served(later)


async def test_keys_rotate_with_overlap_and_a_retired_key_signs_out(
    station: Station, world: World, keys: KeySet, database: Database
) -> None:
    phone = SigningPhone()
    old = await station.enrolled(phone, world.kanya)
    old_kid = keys.current.kid
    async with database.write(system("keys"), Role.SYSTEM) as connection:
        new_kid = await rotate(connection, SECRET, overlap=timedelta(0))
        keys.replace(await load(connection, SECRET))
    assert keys.current.kid == new_kid
    assert await station.is_served(old)
    new = await station.refreshed(phone, old.refresh_token)
    assert new.refresh_token.startswith(new_kid)
    async with database.write(system("keys"), Role.SYSTEM) as connection:
        await retire(connection, old_kid)
        keys.replace(await load(connection, SECRET))
    with pytest.raises(RefreshTokenInvalid):
        await station.refreshed(phone, old.refresh_token)
    assert await station.is_served(new)
    await station.refreshed(phone, new.refresh_token)


async def test_a_process_that_lost_an_answer_and_rotated_its_key_still_gives_a_good_successor(
    station: Station, world: World, keys: KeySet, database: Database
) -> None:
    phone = SigningPhone()
    first = await station.enrolled(phone, world.kanya)
    lost = await station.refreshed(phone, first.refresh_token)
    async with database.write(system("keys"), Role.SYSTEM) as connection:
        await rotate(connection, SECRET, overlap=timedelta(0))
        keys.replace(await load(connection, SECRET))
    told = await station.refreshed(phone, first.refresh_token)
    assert told.refresh_token != lost.refresh_token
    await station.refreshed(phone, told.refresh_token)
    await station.refreshed(phone, lost.refresh_token)


# Shared phones, and the end


async def test_two_officers_share_a_phone_and_each_has_a_session(
    station: Station, world: World
) -> None:
    phone = SigningPhone()
    kanya = await station.enrolled(phone, world.kanya)
    somkid = await station.enrolled(phone, world.somkid)
    assert kanya.device_id == somkid.device_id
    assert kanya.session_id != somkid.session_id
    kanya = await station.refreshed(phone, kanya.refresh_token)
    await sign_out(station.database, station.principal(kanya))
    assert not await station.is_served(kanya)
    assert await station.is_served(somkid)
    await station.refreshed(phone, somkid.refresh_token)


async def test_one_key_written_in_two_ways_is_one_phone(station: Station, world: World) -> None:
    phone = SigningPhone()
    kanya = await station.enrolled(phone, world.kanya)
    code = await station.code(world.somkid)
    odd = {**phone.jwk, "x": phone.jwk["x"].replace("-", "+").replace("_", "/") + "=", "kid": "1"}
    somkid = await enrol(
        station.database,
        station.access,
        code=code,
        proof=phone.enrol_proof(code),
        phone=Phone(PhoneKey.of(odd), "android", "Test"),
    )
    assert somkid.device_id == kanya.device_id


async def test_enrolling_again_on_the_same_phone_replaces_the_session(
    station: Station, world: World
) -> None:
    phone = SigningPhone()
    first = await station.enrolled(phone, world.kanya)
    second = await station.enrolled(phone, world.kanya)
    elsewhere = await station.enrolled(SigningPhone(), world.kanya)
    assert second.device_id == first.device_id
    assert not await station.is_served(first)
    assert await station.is_served(second)
    assert await station.is_served(elsewhere)


@pytest.mark.parametrize("what", ["session", "device", "officer", "sign-out", "inactive"])
async def test_a_revocation_takes_effect_at_once_on_a_token_that_is_still_valid(
    station: Station, world: World, what: str
) -> None:
    phone = SigningPhone()
    signed_in = await station.enrolled(phone, world.kanya)
    other = await station.enrolled(SigningPhone(), world.somkid)
    assert await station.is_served(signed_in)
    admin = await personas.as_admin(world)
    async with world.database.write(admin) as connection:
        if what == "session":
            await revoke_session(connection, signed_in.session_id)
        elif what == "device":
            await revoke_device(connection, signed_in.device_id)
        elif what == "officer":
            ended = await revoke_officer_sessions(connection, world.kanya)
            assert ended == [signed_in.session_id]
        elif what == "inactive":
            await connection.execute("update officer set active = false where id = $1", world.kanya)
    if what == "sign-out":
        for _ in range(2):
            await sign_out(world.database, station.principal(signed_in))
    station.access.verify(signed_in.access_token)
    assert not await station.is_served(signed_in)
    with pytest.raises(SessionRevoked):
        await station.refreshed(phone, signed_in.refresh_token)
    assert await station.is_served(other)


async def test_a_revoked_phone_cannot_enrol_and_does_not_spend_the_code(
    station: Station, world: World
) -> None:
    phone = SigningPhone()
    signed_in = await station.enrolled(phone, world.kanya)
    async with world.database.write(system("test")) as connection:
        await revoke_device(connection, signed_in.device_id)
        with pytest.raises(NotFound):
            await revoke_device(connection, signed_in.device_id)
        with pytest.raises(NotFound):
            await revoke_session(connection, signed_in.session_id)
    code = await station.code(world.somkid)
    with pytest.raises(SessionRevoked, match="phone was revoked"):
        await phone.enrol(station.database, station.access, code)
    await SigningPhone().enrol(station.database, station.access, code)


async def test_an_expired_access_token_is_told_from_a_bad_one(
    station: Station, world: World, keys: KeySet
) -> None:
    past = AccessTokens(keys, lifetime=timedelta(seconds=-1))
    signed_in = await SigningPhone().enrol(world.database, past, await station.code(world.kanya))
    with pytest.raises(TokenExpired):
        station.access.verify(signed_in.access_token)


# Reached, and on duty


async def test_pushes_follow_the_officer_who_reported_the_address_last(
    station: Station, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    kanya = await station.enrolled(phone, world.kanya)
    somkid = await station.enrolled(phone, world.somkid)

    async def report(who: SignedIn, address: str = "fid-1") -> None:
        async with world.database.write(station.principal(who)) as connection:
            await set_push_address(connection, who.session_id, PushAddressKind.FID, address)

    async def rings() -> list[tuple[UUID, str]]:
        rows = await owner.fetch(
            "select session_id, address from installation where retired_at is null"
        )
        return [(row["session_id"], row["address"]) for row in rows]

    await report(kanya)
    await report(somkid)
    assert await rings() == [(somkid.session_id, "fid-1")]
    await report(kanya)
    assert await rings() == [(kanya.session_id, "fid-1")]
    await report(kanya, "fid-2")
    assert await rings() == [(kanya.session_id, "fid-2")]
    await asyncio.gather(*(report(who, "fid-3") for who in (kanya, somkid) * 4))
    assert len(await rings()) == 1
    await report(kanya)
    await sign_out(world.database, station.principal(kanya))
    assert kanya.session_id not in dict(await rings())
    with pytest.raises(VariableInvalid):
        await report(somkid, "\0")


async def test_an_officer_whose_last_session_ends_goes_off_duty(
    station: Station, world: World, owner: asyncpg.Connection
) -> None:
    first, second = SigningPhone(), SigningPhone()
    here = await station.enrolled(first, world.kanya)
    there = await station.enrolled(second, world.kanya)

    async def duty() -> tuple[object, object]:
        row = await owner.fetchrow("select on_duty, on_duty_since from officer_state")
        return row["on_duty"], row["on_duty_since"]

    async with world.database.write(station.principal(here)) as connection:
        await go_on_duty(connection, world.kanya)
    began = await duty()
    assert began[0] is True
    async with world.database.write(station.principal(here)) as connection:
        await go_on_duty(connection, world.kanya)
    assert await duty() == began
    await sign_out(world.database, station.principal(here))
    assert await duty() == began
    async with world.database.write(station.principal(there)) as connection:
        await go_off_duty(connection, world.kanya)
    assert await duty() == (False, None)
    async with world.database.write(station.principal(there)) as connection:
        await go_on_duty(connection, world.kanya)
    await sign_out(world.database, station.principal(there))
    assert await duty() == (False, None)
