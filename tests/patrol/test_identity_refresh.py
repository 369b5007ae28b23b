"""Answers are lost, tokens copied and keys rotated; nobody is signed out who should not be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from patrol.errors import (
    DeviceProofInvalid,
    NotSignedIn,
    RefreshTokenInvalid,
    RefreshTokenReused,
    SessionRevoked,
)
from patrol.identity import (
    refresh,
)
from patrol.identity.refresh_tokens import RefreshToken, read_refresh_token
from patrol.keys import KeySet, load, retire, rotate
from patrol.sync.cursor import Cursor, CursorRefused, read, sign
from storage.database import Database
from storage.principal import Role, system
from tests.conftest import SECRET
from tests.patrol.identity_support import SignIn, blocked_or_done
from tests.signing_phone import SigningPhone
from tests.world import World


async def lose_every_answer_once(ask: Callable[[str], Awaitable[str]], token: str) -> str:
    """Asks each refresh twice, as a phone does whose first answer never came; gives the last token."""
    for _ in range(30):
        lost = await ask(token)
        told = await ask(token)
        assert told == lost != token
        token = told
    return token


async def test_every_refresh_answer_is_lost_once_and_nobody_is_signed_out(
    sign_in: SignIn, world: World
) -> None:
    phone = SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)

    async def ask(token: str) -> str:
        answer = await sign_in.refreshed(phone, token)
        assert await sign_in.is_served(answer)
        return answer.refresh_token

    await sign_in.refreshed(phone, await lose_every_answer_once(ask, signed_in.refresh_token))


async def test_a_naive_rotation_loses_the_session_with_the_first_lost_answer(
    sign_in: SignIn, world: World, owner: asyncpg.Connection
) -> None:
    """The control: a server that believes only its newest token, asked in the same way."""
    signed_in = await sign_in.enrolled(SigningPhone(), world.kanya)

    async def ask(token: str) -> str:
        shown = read_refresh_token(sign_in.access.keys, token)
        advanced = await owner.fetchval(
            "update session set generation = generation + 1 where id = $1 and generation = $2 "
            "returning generation",
            shown.session_id,
            shown.generation,
        )
        if advanced is None:
            raise RefreshTokenReused
        return RefreshToken(shown.session_id, advanced).written(sign_in.access.keys)

    with pytest.raises(RefreshTokenReused):
        await lose_every_answer_once(ask, signed_in.refresh_token)


async def test_answers_lost_at_random_many_times_in_a_row_sign_nobody_out(
    sign_in: SignIn, world: World
) -> None:
    phone, chance = SigningPhone(), random.Random(7)
    token = (await sign_in.enrolled(phone, world.kanya)).refresh_token
    rotations = 0
    for _ in range(120):
        answer = await sign_in.refreshed(phone, token)
        if chance.random() < 0.4:
            token, rotations = answer.refresh_token, rotations + 1
    assert rotations > 30


async def test_reuse_after_the_successor_was_used_ends_the_session(
    sign_in: SignIn, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)
    second = await sign_in.refreshed(phone, signed_in.refresh_token)
    third = await sign_in.refreshed(phone, second.refresh_token)
    with pytest.raises(RefreshTokenReused):
        await sign_in.refreshed(phone, signed_in.refresh_token)
    for token in (signed_in, second, third):
        with pytest.raises(SessionRevoked):
            await sign_in.refreshed(phone, token.refresh_token)
        assert not await sign_in.is_served(token)
    row = await owner.fetchrow("select revoked_reason from session where id = $1", third.session_id)
    assert row["revoked_reason"] == "REFRESH_TOKEN_REUSED"
    acts = await owner.fetchval("select array_agg(act order by id) from audit_entry")
    assert acts[-1] == "session.reuse"


async def test_a_stolen_token_without_the_phones_key_is_refused_and_harms_nobody(
    sign_in: SignIn, world: World
) -> None:
    phone, thief = SigningPhone(), SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)
    second = await sign_in.refreshed(phone, signed_in.refresh_token)
    third = await sign_in.refreshed(phone, second.refresh_token)
    for stolen in (third.refresh_token, signed_in.refresh_token):
        with pytest.raises(DeviceProofInvalid):
            await sign_in.refreshed(thief, stolen)
        # A proof that was overheard is for another token.
        with pytest.raises(DeviceProofInvalid):
            await refresh(
                sign_in.database,
                sign_in.access,
                refresh_token=stolen,
                proof=phone.refresh_proof(second.refresh_token),
            )
    assert await sign_in.is_served(third)
    await sign_in.refreshed(phone, third.refresh_token)


async def test_parallel_refreshes_of_one_token_give_one_successor(
    sign_in: SignIn, world: World
) -> None:
    phone = SigningPhone()
    token = (await sign_in.enrolled(phone, world.kanya)).refresh_token
    for _ in range(5):
        answers = await asyncio.gather(*(sign_in.refreshed(phone, token) for _ in range(6)))
        assert len({answer.refresh_token for answer in answers}) == 1
        token = answers[0].refresh_token


async def test_a_forged_refresh_token_is_refused(
    sign_in: SignIn, world: World, keys: KeySet
) -> None:
    phone = SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)
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
            await sign_in.refreshed(phone, forged)
    with pytest.raises(RefreshTokenInvalid):
        await sign_in.refreshed(phone, RefreshToken(UUID(int=5), 1).written(keys))


async def test_a_restore_from_a_backup_signs_nobody_out(
    sign_in: SignIn, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    answer = await sign_in.enrolled(phone, world.kanya)
    for _ in range(4):
        answer = await sign_in.refreshed(phone, answer.refresh_token)
    await owner.execute("update session set generation = 2")
    answer = await sign_in.refreshed(phone, answer.refresh_token)
    await sign_in.refreshed(phone, answer.refresh_token)
    assert await owner.fetchval("select generation from session") == 7


async def test_a_session_lives_on_while_it_is_used_and_ends_when_it_is_not(
    sign_in: SignIn, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)
    await owner.execute("update session set expires_at = now() + interval '1 minute'")
    later = await sign_in.refreshed(phone, signed_in.refresh_token)
    assert later.session_expires_at - later.server_time > timedelta(days=89)
    await owner.execute("update session set expires_at = now()")
    with pytest.raises(SessionRevoked, match="not used for too long"):
        await sign_in.refreshed(phone, later.refresh_token)
    assert not await sign_in.is_served(later)


async def test_keys_rotate_with_overlap_and_a_retired_key_signs_nobody_out(
    sign_in: SignIn, world: World, keys: KeySet, database: Database
) -> None:
    phone, slow = SigningPhone(), SigningPhone()
    old = await sign_in.enrolled(phone, world.kanya)
    late = await sign_in.enrolled(slow, world.somkid)
    cursor = sign(Cursor(UUID(int=1), None, None), keys, holder=world.somkid)
    old_kid = keys.current.kid
    async with database.write(system("keys"), Role.SYSTEM) as connection:
        new_kid = await rotate(connection, SECRET, overlap=timedelta(0))
        keys.replace(await load(connection, SECRET))
    assert keys.current.kid == new_kid
    assert await sign_in.is_served(old)
    new = await sign_in.refreshed(phone, old.refresh_token)
    assert new.refresh_token.startswith(new_kid)
    async with database.write(system("keys"), Role.SYSTEM) as connection:
        await retire(connection, old_kid)
        keys.replace(await load(connection, SECRET))
    assert await sign_in.is_served(new)
    await sign_in.refreshed(phone, new.refresh_token)
    with pytest.raises(NotSignedIn):
        sign_in.access.verify(late.access_token)
    with pytest.raises(CursorRefused, match="CURSOR_INVALID"):
        read(cursor, keys, holder=world.somkid)
    with pytest.raises(DeviceProofInvalid):
        await sign_in.refreshed(phone, late.refresh_token)
    back = await sign_in.refreshed(slow, late.refresh_token)
    assert back.refresh_token.startswith(new_kid)
    assert await sign_in.is_served(back)


async def test_a_process_that_lost_an_answer_and_rotated_its_key_still_gives_a_good_successor(
    sign_in: SignIn, world: World, keys: KeySet, database: Database
) -> None:
    phone = SigningPhone()
    first = await sign_in.enrolled(phone, world.kanya)
    lost = await sign_in.refreshed(phone, first.refresh_token)
    async with database.write(system("keys"), Role.SYSTEM) as connection:
        await rotate(connection, SECRET, overlap=timedelta(0))
        keys.replace(await load(connection, SECRET))
    told = await sign_in.refreshed(phone, first.refresh_token)
    assert told.refresh_token != lost.refresh_token
    await sign_in.refreshed(phone, told.refresh_token)
    await sign_in.refreshed(phone, lost.refresh_token)


async def test_a_slow_refresh_does_not_turn_the_count_back(
    sign_in: SignIn, world: World, owner: asyncpg.Connection, fresh_database_url: str
) -> None:
    phone = SigningPhone()
    signed_in = await sign_in.enrolled(phone, world.kanya)
    fast = await asyncpg.connect(fresh_database_url)
    try:
        async with fast.transaction():
            await fast.execute("update session set generation = 3")
            slow = asyncio.create_task(sign_in.refreshed(phone, signed_in.refresh_token))
            await blocked_or_done(owner, slow)
        with pytest.raises(RefreshTokenReused):
            await slow
    finally:
        await fast.close()
    assert await owner.fetchval("select generation from session") == 3
