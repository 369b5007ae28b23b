"""Phones are shared, replaced and revoked, and officers reached and off duty."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from patrol.errors import (
    NotFound,
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
    revoke_device,
    revoke_officer_sessions,
    revoke_session,
    set_push_address,
    sign_out,
)
from patrol.keys import KeySet
from storage.principal import system
from storage.vocabulary import PushAddressKind
from tests import personas
from tests.patrol.identity_support import SignIn, blocked_or_done
from tests.signing_phone import SigningPhone
from tests.world import World

# Shared phones, and the end


async def test_two_officers_share_a_phone_and_each_has_a_session(
    sign_in: SignIn, world: World
) -> None:
    phone = SigningPhone()
    kanya = await sign_in.enrolled(phone, world.kanya)
    somkid = await sign_in.enrolled(phone, world.somkid)
    assert kanya.device_id == somkid.device_id
    assert kanya.session_id != somkid.session_id
    kanya = await sign_in.refreshed(phone, kanya.refresh_token)
    await sign_out(sign_in.database, sign_in.principal(kanya))
    assert not await sign_in.is_served(kanya)
    assert await sign_in.is_served(somkid)
    await sign_in.refreshed(phone, somkid.refresh_token)


async def test_one_key_written_in_two_ways_is_one_phone(sign_in: SignIn, world: World) -> None:
    phone = SigningPhone()
    kanya = await sign_in.enrolled(phone, world.kanya)
    code = await sign_in.code(world.somkid)
    odd = {**phone.jwk, "x": phone.jwk["x"].replace("-", "+").replace("_", "/") + "=", "kid": "1"}
    somkid = await enrol(
        sign_in.database,
        sign_in.access,
        code=code,
        proof=phone.enrol_proof(code),
        phone=Phone(PhoneKey.of(odd), "android", "Test"),
    )
    assert somkid.device_id == kanya.device_id


async def test_enrolling_again_on_the_same_phone_replaces_the_session(
    sign_in: SignIn, world: World
) -> None:
    phone = SigningPhone()
    first = await sign_in.enrolled(phone, world.kanya)
    second = await sign_in.enrolled(phone, world.kanya)
    elsewhere = await sign_in.enrolled(SigningPhone(), world.kanya)
    assert second.device_id == first.device_id
    assert not await sign_in.is_served(first)
    assert await sign_in.is_served(second)
    assert await sign_in.is_served(elsewhere)


@pytest.mark.parametrize("what", ["session", "device", "officer", "sign-out", "inactive"])
async def test_a_revocation_takes_effect_at_once_on_a_token_that_is_still_valid(
    sign_in: SignIn, world: World, what: str
) -> None:
    phone = SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)
    other = await sign_in.enrolled(SigningPhone(), world.somkid)
    assert await sign_in.is_served(signed_in)
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
            await sign_out(world.database, sign_in.principal(signed_in))
    sign_in.access.verify(signed_in.access_token)
    assert not await sign_in.is_served(signed_in)
    with pytest.raises(SessionRevoked):
        await sign_in.refreshed(phone, signed_in.refresh_token)
    assert await sign_in.is_served(other)


async def test_a_revoked_phone_cannot_enrol_and_does_not_spend_the_code(
    sign_in: SignIn, world: World
) -> None:
    phone = SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)
    async with world.database.write(system("test")) as connection:
        await revoke_device(connection, signed_in.device_id)
        with pytest.raises(NotFound):
            await revoke_device(connection, signed_in.device_id)
        with pytest.raises(NotFound):
            await revoke_session(connection, signed_in.session_id)
    code = await sign_in.code(world.somkid)
    with pytest.raises(SessionRevoked, match="phone was revoked"):
        await phone.enrol(sign_in.database, sign_in.access, code)
    await SigningPhone().enrol(sign_in.database, sign_in.access, code)


async def test_an_expired_access_token_is_told_from_a_bad_one(
    sign_in: SignIn, world: World, keys: KeySet
) -> None:
    past = AccessTokens(keys, lifetime=timedelta(seconds=-1))
    signed_in = await SigningPhone().enrol(world.database, past, await sign_in.code(world.kanya))
    with pytest.raises(TokenExpired):
        sign_in.access.verify(signed_in.access_token)


# Reached, and on duty


async def test_pushes_follow_the_officer_who_reported_the_address_last(
    sign_in: SignIn, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    kanya = await sign_in.enrolled(phone, world.kanya)
    somkid = await sign_in.enrolled(phone, world.somkid)

    async def report(who: SignedIn, address: str = "fid-1") -> None:
        async with world.database.write(sign_in.principal(who)) as connection:
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
    async with world.database.write(sign_in.principal(kanya)) as connection:
        await set_push_address(connection, kanya.session_id, PushAddressKind.FID, "fid-3")
        other = asyncio.create_task(report(somkid, "fid-3"))
        await blocked_or_done(owner, other)
    await other
    assert await rings() == [(somkid.session_id, "fid-3")]
    await report(kanya)
    await sign_out(world.database, sign_in.principal(kanya))
    assert kanya.session_id not in dict(await rings())
    with pytest.raises(VariableInvalid):
        await report(somkid, "\0")


async def test_an_officer_whose_last_session_ends_goes_off_duty(
    sign_in: SignIn, world: World, owner: asyncpg.Connection
) -> None:
    first, second = SigningPhone(), SigningPhone()
    here = await sign_in.enrolled(first, world.kanya)
    there = await sign_in.enrolled(second, world.kanya)

    async def duty() -> tuple[object, object]:
        row = await owner.fetchrow("select on_duty, on_duty_since from officer_state")
        return row["on_duty"], row["on_duty_since"]

    async with world.database.write(sign_in.principal(here)) as connection:
        await go_on_duty(connection, world.kanya)
    began = await duty()
    assert began[0] is True
    async with world.database.write(sign_in.principal(here)) as connection:
        await go_on_duty(connection, world.kanya)
    assert await duty() == began
    await sign_out(world.database, sign_in.principal(here))
    assert await duty() == began
    async with world.database.write(sign_in.principal(there)) as connection:
        await go_off_duty(connection, world.kanya)
    assert await duty() == (False, None)
    async with world.database.write(sign_in.principal(there)) as connection:
        await go_on_duty(connection, world.kanya)
    await sign_out(world.database, sign_in.principal(there))
    assert await duty() == (False, None)
