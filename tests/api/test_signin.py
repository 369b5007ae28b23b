"""Signing in as phones do it, over HTTP: what is answered, what is refused, and how often one may guess."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from api.attempts import Attempts, network_of
from patrol.errors import TooMany
from tests import personas
from tests.api.signin_support import Desk, bearer, error_of
from tests.signing_phone import SigningPhone, p256_key
from tests.world import World

# Phones


@pytest.mark.oldest
@pytest.mark.parametrize("private", [None, p256_key()], ids=["Ed25519", "P-256"])
async def test_a_phone_enrols_works_refreshes_and_signs_out(
    desk: Desk, world: World, private: object
) -> None:
    phone = SigningPhone(private) if private else SigningPhone()
    enrolled = await desk.enrol(phone, await desk.code(world.kanya))
    assert enrolled.status_code == 200, enrolled.text
    told = enrolled.json()
    assert told["officer"] == {
        "id": str(world.kanya),
        "stationId": str(world.station),
        "role": "OFFICER",
        "badge": told["officer"]["badge"],
        "rank": "Pol. Sgt.",
        "name": "Kanya",
        "nameTh": "เจ้าหน้าที่",
    }
    assert told["accessTokenSeconds"] == 600
    assert told["serverTime"].endswith("Z")
    served = await desk.client.get("/phone", headers=bearer(told["accessToken"]))
    assert served.json() == {"principal": f"officer:{world.kanya}"}
    refreshed = (await desk.refresh(phone, told["refreshToken"])).json()
    assert refreshed.keys() == told.keys()
    signed_out = bearer(refreshed["accessToken"])
    for _ in range(2):
        response = await desk.client.post("/auth/sign-out", headers=signed_out)
        assert (response.status_code, response.content) == (204, b"")
    for token in (told["accessToken"], refreshed["accessToken"]):
        refused = await desk.client.get("/phone", headers=bearer(token))
        assert error_of(refused, 401)["code"] == "SESSION_REVOKED"
        assert refused.headers["www-authenticate"] == 'Bearer realm="patrol"'


async def test_every_answer_is_lost_once_over_http_too(desk: Desk, world: World) -> None:
    phone, code = SigningPhone(), await desk.code(world.kanya)
    lost, told = (await desk.enrol(phone, code)).json(), (await desk.enrol(phone, code)).json()
    assert lost["refreshToken"] == told["refreshToken"]
    for _ in range(10):
        lost = (await desk.refresh(phone, told["refreshToken"])).json()
        told = (await desk.refresh(phone, told["refreshToken"])).json()
        assert lost["refreshToken"] == told["refreshToken"]


async def test_refusals_of_a_refresh_have_their_codes(
    desk: Desk, world: World, owner: asyncpg.Connection
) -> None:
    phone = SigningPhone()
    told = (await desk.enrol(phone, await desk.code(world.kanya))).json()
    stolen = await desk.refresh(SigningPhone(), told["refreshToken"])
    assert error_of(stolen, 401)["code"] == "DEVICE_PROOF_INVALID"
    made_up = await desk.refresh(phone, "k1.0.1.x")
    assert error_of(made_up, 401)["code"] == "REFRESH_TOKEN_INVALID"
    token = told["refreshToken"]
    for _ in range(2):
        token = (await desk.refresh(phone, token)).json()["refreshToken"]
    reused = await desk.refresh(phone, told["refreshToken"])
    assert error_of(reused, 401)["code"] == "REFRESH_TOKEN_REUSED"
    ended = await desk.refresh(phone, token)
    assert error_of(ended, 401)["code"] == "SESSION_REVOKED"


async def test_a_code_names_the_server_for_the_qr_code(desk: Desk, world: World) -> None:
    token = await personas.token_of_officer(world, desk.keys, world.prasert)
    body = {"officerId": str(world.kanya), "validMinutes": 5}
    response = await desk.client.post("/auth/enrolment-codes", json=body, headers=bearer(token))
    told = response.json()
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}", told["code"])
    assert told["qr"] == (
        f"patrol://enrol?v=1&server=https%3A%2F%2Fpatrol.example&code={told['code']}"
    )


async def test_only_supervisors_issue_codes(desk: Desk, world: World) -> None:
    async def asked_by(headers: dict[str, str], officer: UUID) -> httpx.Response:
        body = {"officerId": str(officer)}
        return await desk.client.post("/auth/enrolment-codes", json=body, headers=headers)

    kanya = bearer(await personas.token_of_officer(world, desk.keys, world.kanya))
    prasert = bearer(await personas.token_of_officer(world, desk.keys, world.prasert))
    assert error_of(await asked_by(kanya, world.kanya), 403)["code"] == "NOT_ALLOWED"
    assert error_of(await asked_by(prasert, world.market), 404)["code"] == "NOT_FOUND"
    assert error_of(await asked_by({}, world.kanya), 401)["code"] == "NOT_SIGNED_IN"
    elsewhere = await world.add_officer("Malee", station=await world.add_station("Phop Phra"))
    assert error_of(await asked_by(prasert, elsewhere), 404)["code"] == "NOT_FOUND"


# What is no request


@pytest.mark.parametrize("path", ["/auth/enrol", "/auth/refresh"])
@pytest.mark.parametrize(
    "body", [b"", b"5", b"null", b"[]", b'"a"', b"{", b'{"a":"\xff"}', b'{"a":' * 3000, b"\xff{}"]
)
async def test_a_body_that_is_no_json_object_is_refused(desk: Desk, path: str, body: bytes) -> None:
    response = await desk.client.post(
        path, content=body, headers={"content-type": "application/json"}
    )
    assert error_of(response, 400)["code"] == "BODY_NOT_JSON"


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"code": 5}, "code"),
        ({"code": ""}, "code"),
        ({"code": "x" * 101}, "code"),
        ({"publicKey": "x"}, "publicKey"),
        ({"publicKey": {}}, "publicKey"),
        ({"publicKey": {"kty": "OKP", "crv": "Ed25519", "x": [[]]}}, "publicKey"),
        ({"proof": None}, "proof"),
        ({"proof": "x" * 4097}, "proof"),
        ({"platform": "a\x00b"}, "platform"),
        ({"platform": ""}, "platform"),
        ({"model": "x" * 101}, "model"),
        ({"appVersion": 1.0}, "appVersion"),
    ],
)
async def test_a_member_of_the_wrong_kind_is_named(
    desk: Desk, owner: asyncpg.Connection, changed: dict[str, Any], path: str
) -> None:
    body = desk.enrolment(SigningPhone(), "ABCDE-FGHJK", **changed)
    response = await desk.client.post("/auth/enrol", json=body)
    error = error_of(response, 400)
    assert (error["code"], error["path"]) == ("VARIABLE_INVALID", path)
    assert await owner.fetchval("select count(*) from device") == 0


async def test_a_missing_member_is_named_and_an_unknown_one_left_alone(
    desk: Desk, world: World
) -> None:
    response = await desk.client.post("/auth/refresh", json={"refreshToken": "x"})
    error = error_of(response, 400)
    assert error["code"] == "VARIABLE_INVALID"
    assert "proof" in error["message"]
    phone, code = SigningPhone(), await desk.code(world.kanya)
    body = desk.enrolment(phone, code, somethingNew={"a": 1})
    assert (await desk.client.post("/auth/enrol", json=body)).status_code == 200


async def test_bodies_of_another_type_or_too_large_are_refused(desk: Desk) -> None:
    form = await desk.client.post("/auth/enrol", data={"code": "x"})
    assert error_of(form, 415)["code"] == "CONTENT_TYPE_UNSUPPORTED"
    large = await desk.client.post("/auth/enrol", json={"code": "x" * 20_000})
    assert error_of(large, 413)["code"] == "BODY_TOO_LARGE"


# Guessing


async def test_wrong_codes_are_bounded_and_right_ones_cost_nothing(
    desk: Desk, world: World
) -> None:
    right = [await desk.code(world.kanya) for _ in range(12)]
    for code in right:
        assert (await desk.enrol(SigningPhone(), code)).status_code == 200
    for _ in range(10):
        wrong = await desk.enrol(SigningPhone(), "ABCDE-FGHJK")
        assert error_of(wrong, 401)["code"] == "ENROLMENT_CODE_INVALID"
    bounded = await desk.enrol(SigningPhone(), "ABCDE-FGHJK")
    error = error_of(bounded, 429)
    assert error["code"] == "TOO_MANY"
    assert int(bounded.headers["retry-after"]) == error["retryAfter"] <= 30
    code = await desk.code(world.kanya)
    assert error_of(await desk.enrol(SigningPhone(), code), 429)["code"] == "TOO_MANY"


async def test_a_proof_that_fails_is_no_guess_at_a_code(desk: Desk, world: World) -> None:
    code, phone = await desk.code(world.kanya), SigningPhone()
    for _ in range(15):
        body = desk.enrolment(phone, code, proof=SigningPhone().enrol_proof(code))
        response = await desk.client.post("/auth/enrol", json=body)
        assert error_of(response, 401)["code"] == "DEVICE_PROOF_INVALID"
    assert (await desk.enrol(phone, code)).status_code == 200


def test_attempts_come_back_with_time_and_are_counted_for_each_name() -> None:
    time = 0.0
    attempts = Attempts(burst=2, seconds=10, remembered=3, clock=lambda: time)
    attempts.take("a", "b")
    attempts.take("a")
    with pytest.raises(TooMany) as refused:
        attempts.take("c", "a")
    assert refused.value.extra == {"retryAfter": 10}
    attempts.take("c")
    attempts.take("c")  # nothing was taken of c when a was refused
    time = 10.0
    attempts.take("a")
    with pytest.raises(TooMany):
        attempts.take("a")
    attempts.give_back("a")
    attempts.take("a")
    for number in range(10):
        attempts.take(f"other {number}")
    assert len(attempts._spent) == 3


def test_one_guesser_is_an_ipv4_address_or_an_ipv6_network() -> None:
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::2") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of(None) == network_of("/run/socket") == "unknown"
