"""The page for phone teams says what the server does: its vectors, messages and errors are compared with the real ones."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.problems import answer
from patrol.errors import by_code
from patrol.identity import PhoneKey, sha256_text
from patrol.identity.phone_key import base64url
from schema.surrender import read_batch
from tests import personas
from tests.api.signin_support import Desk, bearer
from tests.signing_phone import SigningPhone
from tests.world import World

PAGE = (Path(__file__).parents[2] / "mobile_contracts" / "sign-in.md").read_text()
EXAMPLES: dict[str, Any] = {
    name: json.loads(text) for name, text in re.findall(r"```json (\S+)\n(.*?)```", PAGE, re.DOTALL)
}
RFC_8037 = Ed25519PrivateKey.from_private_bytes(
    urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
)
EDDSA = b'{"alg":"EdDSA"}'
ERRORS = [name.removeprefix("error.") for name in EXAMPLES if name.startswith("error.")]


def shape(value: Any) -> Any:
    """The kinds of a JSON value, all the way down."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return type(value).__name__


@pytest.mark.parametrize(
    ("message", "secret", "member"),
    [("enrol", "code", "code_sha256"), ("refresh", "refreshToken", "token_sha256")],
)
def test_the_proofs_of_the_page_are_those_of_the_published_key(
    message: str, secret: str, member: str
) -> None:
    request, payload = EXAMPLES[f"{message}.request"], EXAMPLES[f"{message}.proof-payload"]
    assert payload == {"aud": message, member: sha256_text(request[secret])}
    body = json.dumps(payload, separators=(",", ":")).encode()
    signed = f"{base64url(EDDSA)}.{base64url(body)}"
    assert request["proof"] == f"{signed}.{base64url(RFC_8037.sign(signed.encode()))}"
    key = PhoneKey.of(EXAMPLES["enrol.request"]["publicKey"])
    assert key.thumbprint in PAGE
    key.check(request["proof"], message, **{member: sha256_text(request[secret])})


@pytest.mark.parametrize("message", ["surrender", "wiped"])
def test_the_proofs_of_a_revoked_phone_are_those_of_the_published_key(message: str) -> None:
    request, payload = EXAMPLES[f"{message}.request"], EXAMPLES[f"{message}.proof-payload"]
    wanted = {"aud": message, "session": request["sessionId"]}
    if "batch" in request:
        wanted["batch_sha256"] = sha256_text(request["batch"])
    assert payload == wanted
    body = json.dumps(payload, separators=(",", ":")).encode()
    signed = f"{base64url(EDDSA)}.{base64url(body)}"
    assert request["proof"] == f"{signed}.{base64url(RFC_8037.sign(signed.encode()))}"


def test_the_batch_of_the_page_is_read_as_a_push_would_be() -> None:
    read = read_batch(EXAMPLES["surrender.request"]["batch"])
    assert [one.payload["kind"] for one in read.mutations] == ["report_incident"]


async def test_the_messages_of_the_page_have_the_members_of_the_real_ones(
    desk: Desk, world: World
) -> None:
    supervisor = bearer(await personas.token_of_officer(world, desk.keys, world.prasert))
    wanted = {**EXAMPLES["code.request"], "officerId": str(world.kanya)}
    issued = await desk.client.post("/auth/enrolment-codes", json=wanted, headers=supervisor)
    assert shape(issued.json()) == shape(EXAMPLES["code.answer"])
    code = issued.json()["code"]
    assert issued.json()["qr"] == EXAMPLES["code.answer"]["qr"].replace(
        EXAMPLES["code.answer"]["code"], code
    )

    phone = SigningPhone(RFC_8037)
    asked = {**EXAMPLES["enrol.request"], "code": code, "proof": phone.enrol_proof(code)}
    enrolled = await desk.client.post("/auth/enrol", json=asked)
    assert shape(enrolled.json()) == shape(EXAMPLES["enrol.answer"])

    token = enrolled.json()["refreshToken"]
    asked = {**EXAMPLES["refresh.request"], "refreshToken": token}
    asked["proof"] = phone.refresh_proof(token)
    refreshed = await desk.client.post("/auth/refresh", json=asked)
    assert shape(refreshed.json()) == shape(EXAMPLES["refresh.answer"])


async def test_the_enrolment_of_the_page_is_understood_letter_for_letter(desk: Desk) -> None:
    response = await desk.client.post("/auth/enrol", json=EXAMPLES["enrol.request"])
    assert response.status_code == 401
    assert response.json() == EXAMPLES["error.ENROLMENT_CODE_INVALID"]


@pytest.mark.parametrize("code", ERRORS)
def test_each_error_of_the_page_is_the_catalogues(code: str) -> None:
    told = EXAMPLES[f"error.{code}"]
    extra = {
        name: value
        for name, value in told["error"].items()
        if name not in ("code", "message", "whatToDo")
    }
    problem = by_code(code)
    assert told == json.loads(bytes(answer(problem(**extra)).body))
    assert re.search(rf"\| `{code}` +\| {problem.http_status} +\|", PAGE)
