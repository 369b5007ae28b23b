"""Every door's answer to a credential that is not its own, no longer good, or none at all."""

from __future__ import annotations

from base64 import b64encode

import pytest

from patrol.identity import revoke_api_key, revoke_session
from patrol.keys import KeySet
from storage.principal import system
from tests import personas
from tests.api.signin_support import DOORS, Desk, bearer, error_of
from tests.signing_phone import SigningPhone
from tests.world import World


async def credentials(world: World, keys: KeySet) -> dict[str, tuple[str, str]]:
    """For each kind of credential: the door that takes it, and it."""
    return {
        "officer": ("phone", await personas.token_of_officer(world, keys, world.kanya)),
        "partner": ("partner", await personas.key_of_partner(world, world.radio)),
        "camera": ("device", await personas.key_of_camera(world, world.market_camera)),
        "post": ("device", await personas.key_of_post(world, world.post)),
        "admin": ("admin", await personas.token_of_admin(world)),
    }


async def test_each_credential_opens_its_own_door_and_no_other(desk: Desk, world: World) -> None:
    for kind, (own, credential) in (await credentials(world, desk.keys)).items():
        for door in DOORS:
            response = await desk.client.get(f"/{door}", headers=bearer(credential))
            if door == own:
                assert response.json()["principal"].startswith(f"{kind}:"), response.text
            else:
                assert error_of(response, 401)["code"] == "NOT_SIGNED_IN"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic",
        "Basic !",
        "Basic " + b64encode(b"x").decode(),
        "Token x",
        "Bearer x y",
        "Bearer \xe0",
        "x" * 5000,
    ],
    ids=range(10),
)
async def test_a_header_that_says_nothing_is_refused(desk: Desk, door: str, header: str) -> None:
    response = await desk.client.get(
        f"/{door}", headers=[(b"authorization", header.encode("latin-1"))]
    )
    assert error_of(response, 401)["code"] == "NOT_SIGNED_IN"
    assert "Bearer" in response.headers["www-authenticate"]


async def test_two_authorization_headers_are_refused(desk: Desk, world: World) -> None:
    key = await personas.key_of_partner(world, world.radio)
    headers = [("authorization", f"Bearer {key}")] * 2
    assert error_of(await desk.client.get("/partner", headers=headers), 401)
    assert (await desk.client.get("/partner", headers=headers[:1])).status_code == 200


async def test_a_camera_may_send_its_key_as_a_basic_password_once_it_is_asked(
    desk: Desk, world: World
) -> None:
    asked = await desk.client.get("/device")
    assert asked.headers["www-authenticate"] == 'Bearer realm="patrol", Basic realm="patrol"'
    key = await personas.key_of_camera(world, world.market_camera)
    response = await desk.client.get("/device", auth=("camera", key))
    assert response.json() == {"principal": f"camera:{world.market_camera}"}
    partner = await personas.key_of_partner(world, world.radio)
    refused = await desk.client.get("/device", auth=("camera", partner))
    assert error_of(refused, 401)["code"] == "NOT_SIGNED_IN"
    basic_elsewhere = await desk.client.get("/partner", auth=("x", partner))
    assert error_of(basic_elsewhere, 401)["code"] == "NOT_SIGNED_IN"


async def test_a_revoked_credential_is_refused_at_the_next_request(
    desk: Desk, world: World
) -> None:
    key = await personas.key_of_partner(world, world.radio)
    token = await personas.token_of_officer(world, desk.keys, world.kanya)
    assert (await desk.client.get("/partner", headers=bearer(key))).status_code == 200
    assert (await desk.client.get("/phone", headers=bearer(token))).status_code == 200
    key_id = await world.change("select id from api_key")
    session = await world.change("select id from session where officer_id = $1", world.kanya)
    async with world.database.write(system("test")) as connection:
        await revoke_api_key(connection, key_id)
        await revoke_session(connection, session)
    for door, credential in (("partner", key), ("phone", token)):
        response = await desk.client.get(f"/{door}", headers=bearer(credential))
        assert error_of(response, 401)["code"] == "SESSION_REVOKED"


async def test_a_database_that_is_away_is_no_reason_to_sign_anybody_out(
    desk: Desk, world: World
) -> None:
    phone, code = SigningPhone(), await desk.code(world.kanya)
    told = (await desk.enrol(phone, code)).json()
    key = await personas.key_of_partner(world, world.radio)
    await desk.world.database.close()
    for response in (
        await desk.refresh(phone, told["refreshToken"]),
        await desk.enrol(phone, code),
        await desk.client.get("/partner", headers=bearer(key)),
        await desk.client.post("/auth/sign-out", headers=bearer(told["accessToken"])),
    ):
        assert error_of(response, 503)["code"] == "DATABASE_UNAVAILABLE"
        assert int(response.headers["retry-after"]) > 0
