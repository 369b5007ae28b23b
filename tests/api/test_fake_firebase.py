"""The fake Firebase must be as strict as the real one, or the tests that lean on it prove nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator

import httpx
import jwt
import pytest

from api.fake_firebase import Answer, FakeFirebase, answers


@pytest.fixture
def firebase() -> Iterator[FakeFirebase]:
    with FakeFirebase() as server:
        yield server


@pytest.fixture
def client(firebase: FakeFirebase) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=firebase.url, timeout=5, trust_env=False) as client:
        yield client


def assertion(firebase: FakeFirebase, **changes: object) -> dict[str, str]:
    account = firebase.service_account()
    claims = {
        "iss": account["client_email"],
        "aud": "https://oauth2.googleapis.com/token",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "iat": 1_700_000_000,
        "exp": 4_000_000_000,
        **changes,
    }
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(claims, account["private_key"], "RS256"),
    }


@pytest.fixture
def signed_in(firebase: FakeFirebase, client: httpx.Client) -> httpx.Client:
    token = client.post("/token", data=assertion(firebase)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def send(client: httpx.Client, message: object, project: str = "patrol-demo") -> httpx.Response:
    return client.post(f"/v1/projects/{project}/messages:send", json={"message": message})


def test_a_token_is_issued_for_a_rightly_signed_request(
    firebase: FakeFirebase, client: httpx.Client
) -> None:
    answer = client.post("/token", data=assertion(firebase))

    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 3600
    assert firebase.token_requests == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody@else.example"},
        {"aud": "https://elsewhere.example"},
        {"scope": "https://www.googleapis.com/auth/datastore"},
        {"exp": 1_700_000_001},
    ],
    ids=["another issuer", "another audience", "another right", "expired"],
)
def test_no_token_is_issued_for_a_claim_that_is_wrong(
    firebase: FakeFirebase, client: httpx.Client, changes: dict[str, object]
) -> None:
    answer = client.post("/token", data=assertion(firebase, **changes))

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


def test_no_token_is_issued_for_a_forged_signature(
    firebase: FakeFirebase, client: httpx.Client
) -> None:
    form = assertion(firebase)
    head, claims, signature = form["assertion"].split(".")
    form["assertion"] = f"{head}.{claims}.{signature[::-1]}"

    assert client.post("/token", data=form).status_code == 400


def test_a_message_without_a_known_token_is_not_taken(
    firebase: FakeFirebase, client: httpx.Client
) -> None:
    assert send(client, {"fid": "a"}).status_code == 401
    client.headers["Authorization"] = "Bearer made-up"
    assert send(client, {"fid": "a"}).status_code == 401
    assert firebase.messages == []


def test_revoked_and_expired_tokens_are_not_taken(
    firebase: FakeFirebase, signed_in: httpx.Client
) -> None:
    assert send(signed_in, {"fid": "a"}).status_code == 200
    firebase.revoke_tokens()
    assert send(signed_in, {"fid": "a"}).status_code == 401

    firebase.token_seconds = 0
    token = signed_in.post("/token", data=assertion(firebase)).json()["access_token"]
    signed_in.headers["Authorization"] = f"Bearer {token}"
    assert send(signed_in, {"fid": "a"}).status_code == 401


def test_another_project_is_not_served(signed_in: httpx.Client) -> None:
    assert send(signed_in, {"fid": "a"}, project="another").status_code == 403


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"fid": "a", "token": "b"},
        {"fid": "a", "data": {"count": 3}},
        {"fid": "a", "data": {"from": "x"}},
        {"fid": "a", "data": {"google.x": "x"}},
        {"fid": "a", "data": {"text": "x" * 4096}},
    ],
    ids=["no target", "two targets", "a number", "reserved", "reserved prefix", "too large"],
)
def test_what_firebase_would_not_take_is_an_invalid_argument(
    signed_in: httpx.Client, message: dict[str, object]
) -> None:
    answer = send(signed_in, message)

    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_message_is_kept_as_it_came(firebase: FakeFirebase, signed_in: httpx.Client) -> None:
    answer = send(signed_in, {"token": "old", "data": {"kind": "SOS"}})

    assert answer.json()["name"].startswith("projects/patrol-demo/messages/")
    [arrival] = firebase.messages
    assert (arrival.kind, arrival.address, arrival.data) == ("token", "old", {"kind": "SOS"})


def test_a_trial_is_judged_but_is_no_message(
    firebase: FakeFirebase, signed_in: httpx.Client
) -> None:
    firebase.will_answer(answers.unregistered())
    body = {"message": {"fid": "a"}, "validate_only": True}
    answer = signed_in.post("/v1/projects/patrol-demo/messages:send", json=body)

    assert answer.status_code == 200
    assert firebase.messages == []
    assert [trial.address for trial in firebase.trials] == ["a"]


def test_scripts_for_an_address_go_before_those_for_all_and_before_the_standing_answer(
    firebase: FakeFirebase, signed_in: httpx.Client
) -> None:
    firebase.will_answer(answers.unregistered(), to="a")
    firebase.will_answer(answers.quota_exceeded(30))
    firebase.always_answers(answers.invalid_argument(), to="a")

    assert [send(signed_in, {"fid": who}).status_code for who in "abab"] == [404, 429, 400, 200]


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (answers.unregistered(), 404, "UNREGISTERED"),
        (answers.sender_id_mismatch(), 403, "SENDER_ID_MISMATCH"),
        (answers.quota_exceeded(), 429, "QUOTA_EXCEEDED"),
        (answers.invalid_argument(), 400, "INVALID_ARGUMENT"),
        (answers.third_party_auth_error(), 401, "THIRD_PARTY_AUTH_ERROR"),
        (answers.internal(), 500, "INTERNAL"),
        (answers.unavailable(), 503, "UNAVAILABLE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals_have_the_shape_of_the_v1_api(
    firebase: FakeFirebase, signed_in: httpx.Client, answer: Answer, status: int, code: str
) -> None:
    firebase.will_answer(answer)

    got = send(signed_in, {"fid": "a"})

    error = got.json()["error"]
    assert got.status_code == error["code"] == status
    assert error["details"] == [
        {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    ]


def test_retry_after_is_a_header(firebase: FakeFirebase, signed_in: httpx.Client) -> None:
    firebase.will_answer(answers.quota_exceeded(30), answers.unavailable("soon"))

    assert send(signed_in, {"fid": "a"}).headers["retry-after"] == "30"
    assert send(signed_in, {"fid": "a"}).headers["retry-after"] == "soon"


def test_a_bare_404_carries_no_error_code(firebase: FakeFirebase, signed_in: httpx.Client) -> None:
    firebase.will_answer(answers.bare_not_found())

    answer = send(signed_in, {"fid": "a"})

    assert answer.status_code == 404
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_cut_connection_gives_no_answer_but_the_message_had_arrived(
    firebase: FakeFirebase, signed_in: httpx.Client
) -> None:
    firebase.will_answer(answers.cut())

    with pytest.raises(httpx.TransportError):
        send(signed_in, {"fid": "a"})
    assert len(firebase.messages) == 1


async def test_a_slow_answer_waits_until_it_is_released(firebase: FakeFirebase) -> None:
    async with httpx.AsyncClient(base_url=firebase.url, timeout=10, trust_env=False) as client:
        answer = await client.post("/token", data=assertion(firebase))
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        firebase.will_answer(answers.slow(60, answers.unregistered()))
        url = "/v1/projects/patrol-demo/messages:send"
        sending = asyncio.create_task(client.post(url, json={"message": {"fid": "a"}}))

        await firebase.arrived(1, timeout=5)
        assert not sending.done()
        firebase.release()

        assert (await sending).status_code == 404


async def test_waiting_for_messages_ends_in_time(firebase: FakeFirebase) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 messages"):
        await firebase.arrived(1, timeout=0.01)


def test_unknown_paths_and_nonsense_do_no_harm(
    firebase: FakeFirebase, client: httpx.Client
) -> None:
    assert client.get("/").status_code == 404
    with socket.create_connection(("127.0.0.1", int(firebase.url.rsplit(":", 1)[1])), 5) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert raw.recv(100) == b""
    assert client.get("/").status_code == 404


def test_two_servers_run_side_by_side(firebase: FakeFirebase) -> None:
    with FakeFirebase(project="second") as second:
        assert second.url != firebase.url
        assert second.service_account()["private_key"] == firebase.service_account()["private_key"]
