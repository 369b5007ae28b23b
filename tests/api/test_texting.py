"""Calls for help by text message over real sockets: signed in one message, joined by id, safe to repeat, refused when forged."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from api.settings import Settings
from mobile_contracts.reference.key import DeviceKey
from mobile_contracts.reference.sms import sos_text
from patrol.errors import TextMessageInvalid
from patrol.identity.phone_key import base64url
from patrol.keys import KeySet
from patrol.sos.texting import join_texted, read_text
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import Principal, system
from tests import personas
from tests.api.site import Site, code, opened
from tests.conftest import SECRET
from tests.patrol.sos import an_alert, waiting
from tests.world import LATITUDE, LONGITUDE, SIDE, World

GATEWAY = "a gateway's secret"
CONTRACT = Path(__file__).parents[2] / "mobile_contracts" / "sms.md"
GSM = set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡") | set(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
HERE = (LATITUDE + SIDE / 2, LONGITUDE + SIDE / 2, 8.0)


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        settings = Settings(secret=SecretStr(SECRET), sms_secret=SecretStr(GATEWAY))
        object.__setattr__(site.services, "settings", settings)
        yield site


@pytest.fixture
def key() -> DeviceKey:
    return DeviceKey()


@pytest.fixture
async def phone(world: World, key: DeviceKey) -> Principal:
    """Kanya's phone, which the key is of."""
    signed_in = await personas.as_officer(world, world.kanya)
    await world.change(
        "update device set public_key = $2::jsonb where id = $1",
        signed_in.device_id,
        orjson.dumps(key.public_jwk).decode(),
    )
    return signed_in


def text_of(key: DeviceKey, phone: Principal, alert: UUID, **more: Any) -> str:
    assert isinstance(phone.credential_id, UUID)
    session = UUID(str(phone.credential_id))
    given = {"seconds": int(datetime.now(UTC).timestamp()), "position": HERE} | more
    return sos_text(key, alert, session, **given)


async def send(site: Site, text: str, **more: Any) -> httpx.Response:
    asked = {"data": {"from": "+66812345678", "text": text}, "auth": ("gateway", GATEWAY)} | more
    return await site.http.post("/ingest/sms", **asked)


async def test_a_signed_text_is_one_message_and_calls_for_help(
    site: Site, owner: asyncpg.Connection, key: DeviceKey, phone: Principal
) -> None:
    alert = uuid7()
    text = text_of(key, phone, alert)

    sent = await send(site, text)

    assert len(text) == 153
    assert set(text) <= GSM
    assert sent.status_code == 201
    assert sent.json() == {"outcome": "RAISED", "alertId": str(alert)}
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["id"], stored["source"], stored["officer_id"]) == (
        alert,
        "OFFICER",
        site.world.kanya,
    )
    assert stored["zone_id"] == site.world.market
    assert stored["latitude"] == pytest.approx(HERE[0], abs=1e-7)
    assert (stored["accuracy_m"], stored["drill"], stored["silent"]) == (8.0, False, False)
    assert stored["texted_at"] is not None
    assert await waiting(owner)


async def test_the_same_text_again_calls_nobody_anew_even_when_it_is_over(
    site: Site, owner: asyncpg.Connection, key: DeviceKey, phone: Principal
) -> None:
    text = text_of(key, phone, uuid7())
    await send(site, text)
    calls = await waiting(owner)
    await site.world.change("update sos_alert set status = 'CLOSED'")

    again = await send(site, text)

    assert (again.status_code, again.json()["outcome"]) == (200, "KNOWN")
    assert await owner.fetchval("select count(*) from sos_alert") == 1
    assert len(await waiting(owner)) == len(calls)


async def test_what_comes_over_data_later_is_the_same_alert_with_a_better_place(
    site: Site, owner: asyncpg.Connection, key: DeviceKey, phone: Principal
) -> None:
    texted = an_alert(site.world, latitude=LATITUDE, longitude=LONGITUDE, accuracy_m=3.0)
    await send(site, text_of(key, phone, UUID(str(texted.id)), position=None))
    untexted = replace(texted, id=uuid7())

    async def join(officer: UUID) -> list[UUID]:
        async with site.services.database.write(system("test")) as connection:
            return list(await join_texted(connection, officer, [texted, untexted]))

    assert await join(site.world.somkid) == []
    assert await join(site.world.kanya) == [texted.id]
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["latitude"], stored["accuracy_m"]) == (LATITUDE, 3.0)
    kinds = await owner.fetch("select kind from sos_event order by id")
    assert [row["kind"] for row in kinds] == ["RAISED", "JOINED"]


async def test_marks_and_an_old_time_are_kept(
    site: Site, owner: asyncpg.Connection, key: DeviceKey, phone: Principal
) -> None:
    before = int((datetime.now(UTC) - timedelta(hours=2)).timestamp())
    await send(site, text_of(key, phone, uuid7(), seconds=before, drill=True, silent=True))

    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["drill"], stored["silent"], stored["late"]) == (True, True, True)
    assert stored["raised_at"].timestamp() == before


async def test_a_phone_whose_hardware_knows_p_256_only_signs_too(
    site: Site, owner: asyncpg.Connection, phone: Principal
) -> None:
    private = generate_private_key(SECP256R1())
    numbers = private.public_key().public_numbers()
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": base64url(numbers.x.to_bytes(32, "big")),
        "y": base64url(numbers.y.to_bytes(32, "big")),
    }
    await site.world.change(
        "update device set public_key = $2::jsonb where id = $1",
        phone.device_id,
        orjson.dumps(jwk).decode(),
    )

    class Signer:
        def sign(self, message: bytes) -> bytes:
            r, s = decode_dss_signature(private.sign(message, ECDSA(SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    signer = DeviceKey(private=Signer())  # type: ignore[arg-type] # signs in the same shape
    assert (await send(site, text_of(signer, phone, uuid7()))).status_code == 201


async def test_forged_texts_are_refused_and_store_nothing(
    site: Site, owner: asyncpg.Connection, key: DeviceKey, phone: Principal
) -> None:
    good = text_of(key, phone, uuid7())
    stranger = replace(phone, credential_id=uuid7())
    last = "B" if good[-1] == "A" else "A"
    forged = [
        text_of(DeviceKey(), phone, uuid7()),
        text_of(key, stranger, uuid7()),
        good[:10] + ("A" if good[10] != "A" else "B") + good[11:],
        good[:-1] + last,
    ]
    for text in forged:
        assert code(await send(site, text)) == (403, "TEXT_MESSAGE_FORGED")
    await site.world.change("update session set revoked_at = now()")
    assert code(await send(site, good)) == (403, "TEXT_MESSAGE_FORGED")
    assert await owner.fetchval("select count(*) from sos_alert") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"text": 1}',
        b"text=help+me",
        b"text=SZP1+" + b"A" * 148,
        b"\xff=1",
    ],
)
async def test_what_is_no_call_for_help_is_refused_and_never_a_fault(
    site: Site, owner: asyncpg.Connection, body: bytes
) -> None:
    answer = await site.http.post("/ingest/sms", content=body, auth=("x", GATEWAY))

    assert code(answer) == (400, "TEXT_MESSAGE_INVALID")
    assert await owner.fetchval("select count(*) from sos_alert") == 0


async def test_gateways_send_in_their_own_ways(
    site: Site, key: DeviceKey, phone: Principal
) -> None:
    def fresh() -> str:
        return text_of(key, phone, uuid7())

    bearer = {"authorization": f"Bearer {GATEWAY}"}
    wrapped = "\n".join(re.findall(".{1,40}", fresh()))
    ways = [
        await site.http.post("/ingest/sms", json={"message": fresh()}, headers=bearer),
        await site.http.post("/ingest/sms", data={"Body": "", "body": fresh()}, headers=bearer),
        await site.http.post(f"/ingest/sms/{GATEWAY}", data={"text": f"SOS: {fresh()} ok"}),
        await send(site, wrapped),
    ]
    assert [one.status_code for one in ways] == [201] * 4

    own = site.services.settings.model_copy(update={"sms_text_field": "payload"})
    object.__setattr__(site.services, "settings", own)
    assert (await send(site, "", data={"payload": fresh()})).status_code == 201
    assert code(await send(site, fresh())) == (400, "TEXT_MESSAGE_INVALID")


async def test_only_the_gateway_sends_and_without_one_there_is_no_door(
    site: Site, key: DeviceKey, phone: Principal
) -> None:
    text = text_of(key, phone, uuid7())
    for wrong in (("x", "y"), None):
        assert code(await send(site, text, auth=wrong)) == (401, "NOT_SIGNED_IN")
    # What others guess behind its address does not hold up the gateway; they wait.
    guesses = [(await send(site, text, auth=("x", "y"))).status_code for _ in range(25)]
    assert guesses[-1] == 429
    assert (await send(site, text)).status_code == 201
    too_large = await send(site, "x" * 20_000)
    assert code(too_large) == (413, "BODY_TOO_LARGE")

    none = site.services.settings.model_copy(update={"sms_secret": None})
    object.__setattr__(site.services, "settings", none)
    assert code(await send(site, text)) == (404, "ADDRESS_UNKNOWN")


def test_the_contracts_examples_are_what_the_reference_writes_and_the_server_reads() -> None:
    examples = orjson.loads(re.findall(r"```json\n(.*?)```", CONTRACT.read_text(), re.S)[0])
    seed = bytes.fromhex(examples["seed"])
    key = DeviceKey(private=Ed25519PrivateKey.from_private_bytes(seed))
    assert key.public_jwk["x"] == examples["x"]
    for one in examples["texts"]:
        place = one["position"]
        position = None if place is None else (place[0], place[1], place[2])
        text = sos_text(
            key,
            UUID(one["alertId"]),
            UUID(one["sessionId"]),
            one["seconds"],
            position,
            drill=one["drill"],
            silent=one["silent"],
        )
        assert text == one["text"]
        read = read_text(text)
        assert (str(read.alert_id), str(read.session_id)) == (one["alertId"], one["sessionId"])
        assert (read.drill, read.silent) == (one["drill"], one["silent"])
        assert (read.position is None) is (place is None)
    with pytest.raises(TextMessageInvalid):
        read_text(f"SZP1 I{text[6:]}")  # of another version
