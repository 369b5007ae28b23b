"""Credentials, access tokens and the life of a notifier: an expired token must never be what an SOS waits for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import firebase_admin
import pytest
from firebase_admin import messaging

from api.fake_firebase import FakeFirebase, answers
from api.push import CredentialsUnfit, SilentNotifier, notifier_from
from api.push.sdk import AGEING
from patrol.notify import Outcome
from tests.api.push_support import MakeNotifier, fids, notifiers_of, sent_to_one, sos


@pytest.fixture
def firebase() -> Iterator[FakeFirebase]:
    with FakeFirebase() as server:
        yield server


@pytest.fixture
async def make(firebase: FakeFirebase) -> AsyncIterator[MakeNotifier]:
    async with notifiers_of(firebase) as make:
        yield make


async def test_warm_fetches_one_token_and_tries_once(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    notifier = make()

    for _ in range(3):
        assert await notifier.warm() is None
    await notifier.send(sos(), fids(20))

    assert firebase.token_requests == 1
    assert len(firebase.trials) == 1


async def test_a_token_is_renewed_before_it_ends_and_senders_do_not_wait_for_it(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.token_seconds = int(AGEING.total_seconds()) - 60
    notifier = make()
    await notifier.warm()
    firebase.will_answer_token(answers.slow(60))

    delivery = await sent_to_one(notifier)

    assert delivery.outcome is Outcome.ACCEPTED
    firebase.release()
    firebase.token_seconds = 3600
    await notifier.warm()
    await notifier.warm()
    assert firebase.token_requests in (
        2,
        3,
    )  # the held renewal, and one more if that was short-lived too
    before = firebase.token_requests
    await notifier.warm()
    assert firebase.token_requests == before


async def test_a_revoked_token_is_replaced_at_once(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    notifier = make()
    await notifier.warm()
    firebase.revoke_tokens()

    assert (await sent_to_one(notifier)).outcome is Outcome.ACCEPTED
    assert firebase.token_requests == 2


async def test_a_refused_service_account_fails_in_plain_words_and_recovers(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.will_answer_token(answers.token_refused(), answers.token_refused())
    notifier = make()

    assert "refused the service account" in str(await notifier.warm())
    delivery = await sent_to_one(notifier)
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "CREDENTIALS_REFUSED")
    assert (await sent_to_one(notifier)).outcome is Outcome.ACCEPTED


async def test_a_hanging_token_service_stalls_neither_the_sender_nor_the_loop(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.will_answer_token(answers.slow(60))
    started = time.monotonic()
    sending = asyncio.create_task(sent_to_one(make(timeout=1)))
    longest = 0.0
    while not sending.done():
        before = time.monotonic()
        await asyncio.wait({sending}, timeout=0.01)
        longest = max(longest, time.monotonic() - before)

    delivery = await sending
    firebase.release()

    assert (delivery.outcome, delivery.reason) == (Outcome.RETRY, "TOKEN_UNREACHABLE")
    assert time.monotonic() - started < 3
    assert longest < 0.5


async def test_check_says_what_firebase_says(firebase: FakeFirebase, make: MakeNotifier) -> None:
    notifier = make()
    assert await notifier.check() is None

    firebase.always_answers(answers.permission_denied())
    assert "enable the Firebase Cloud Messaging API" in str(await notifier.check())
    for fine in (answers.unregistered(), answers.invalid_argument()):
        firebase.always_answers(fine)
        assert await notifier.check() is None
    assert firebase.messages == []


async def test_several_notifiers_live_and_end_in_one_process(firebase: FakeFirebase) -> None:
    before = set(firebase_admin._apps)
    with FakeFirebase(project="second") as second:
        one = notifier_from(firebase.service_account(), endpoint=firebase.url)
        two = notifier_from(second.service_account(), endpoint=second.url)
        await asyncio.gather(one.send(sos(), fids(3)), two.send(sos(), fids(4)))
        await one.close()
        await two.send(sos(), fids(1))
        await two.close()

        assert (len(firebase.messages), len(second.messages)) == (3, 5)
    assert set(firebase_admin._apps) == before
    with pytest.raises(RuntimeError, match="closed"):
        await one.send(sos(), fids(1))
    await one.close()


async def test_closing_what_was_never_used_is_fine(firebase: FakeFirebase) -> None:
    notifier = notifier_from(firebase.service_account(), endpoint=firebase.url)
    await notifier.close()


def test_the_private_names_that_redirect_the_sdk_still_exist(firebase: FakeFirebase) -> None:
    app = firebase_admin.initialize_app(
        firebase_admin.credentials.Certificate(firebase.service_account()), name="private names"
    )
    try:
        service = messaging._get_messaging_service(app)
        assert service._fcm_url == (
            "https://fcm.googleapis.com/v1/projects/patrol-demo/messages:send"
        ), "see api/push/sdk.py: redirect"
    finally:
        firebase_admin.delete_app(app)


async def test_without_credentials_push_is_off_and_says_so() -> None:
    notifier = notifier_from(None)

    deliveries = await notifier.send(sos(), fids(2))

    assert isinstance(notifier, SilentNotifier)
    assert not notifier.enabled
    assert [(each.outcome, each.reason) for each in deliveries] == [
        (Outcome.FAILED, "PUSH_OFF"),
        (Outcome.FAILED, "PUSH_OFF"),
    ]
    assert "off" in str(await notifier.check())
    await notifier.warm()
    await notifier.close()


def test_unfit_credentials_are_refused_in_plain_words(
    tmp_path: Path, firebase: FakeFirebase
) -> None:
    path = tmp_path / "account.json"
    with pytest.raises(CredentialsUnfit, match="cannot be read"):
        notifier_from(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(CredentialsUnfit, match="not a JSON file"):
        notifier_from(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(CredentialsUnfit, match="not a service account"):
        notifier_from(path)
    with pytest.raises(CredentialsUnfit, match="not a service account"):
        notifier_from({"type": "authorized_user", "project_id": "p"})
    with pytest.raises(CredentialsUnfit, match="private key"):
        notifier_from(firebase.service_account() | {"private_key": "nonsense"})


async def test_credentials_are_read_from_a_file(tmp_path: Path, firebase: FakeFirebase) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(firebase.service_account()), encoding="utf-8")
    notifier = notifier_from(path, endpoint=firebase.url)
    try:
        assert notifier.enabled
        assert (await sent_to_one(notifier)).outcome is Outcome.ACCEPTED
    finally:
        await notifier.close()
