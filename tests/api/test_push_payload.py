"""What a phone receives is exactly what mobile_contracts/push.md says, and nothing personal."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.fake_firebase import FakeFirebase
from api.push.payload import MOST_OPEN_ALERTS
from patrol.notify import Notification, PushAddress
from storage.vocabulary import PushKind
from tests.api.push_support import MakeNotifier, fids, notifiers_of, sos

CONTRACT = Path(__file__).parents[2] / "mobile_contracts" / "push.md"


@pytest.fixture
def firebase() -> Iterator[FakeFirebase]:
    with FakeFirebase() as server:
        yield server


@pytest.fixture
async def make(firebase: FakeFirebase) -> AsyncIterator[MakeNotifier]:
    async with notifiers_of(firebase) as make:
        yield make


def keys_in(heading: str) -> set[str]:
    """The keys in the first column of the tables under a heading of push.md."""
    section = CONTRACT.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))


async def sent(firebase: FakeFirebase, make: MakeNotifier, *what: Notification) -> list[Any]:
    notifier = make()
    for notification in what:
        await notifier.send(notification, fids(1))
    return [arrival.message for arrival in firebase.messages]


async def test_the_documented_keys_are_exactly_those_that_are_sent(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    quiet = Notification("NOTICE", ttl_seconds=60, notice_id=uuid4())
    test = Notification("TEST", ttl_seconds=60, urgent=True, test_id=uuid4())
    messages = await sent(firebase, make, sos(), sos(drill=True), sos(silent=True), quiet, test)

    assert {key for each in messages for key in each} == {"fid", "data", "android", "apns"}
    assert {key for each in messages for key in each["data"]} == keys_in("Data")
    assert {key for each in messages for key in each["android"]} == keys_in("Android")
    headers = {key for each in messages for key in each["apns"]["headers"]}
    aps = {key for each in messages for key in each["apns"]["payload"]["aps"]}
    assert headers | aps == keys_in("Apple")
    assert all(set(each["apns"]["payload"]) == {"aps"} for each in messages)


def test_every_kind_is_documented_and_none_that_is_not_sent() -> None:
    assert keys_in("Kinds") == {kind.value for kind in PushKind}


async def test_a_phone_is_told_the_alerts_that_are_open_for_its_own_officer(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    mine, others, shared = uuid4(), uuid4(), uuid4()
    addresses = fids(2)
    call = Notification(
        "SOS", 60, urgent=True, alert_id=shared, open_alert_ids=(shared,),
        open_for={addresses[0]: (shared, mine, others)},
    )  # fmt: skip

    await make().send(call, addresses)

    told = {one.address: one.data["openAlertIds"].split(",") for one in firebase.messages}
    assert told[addresses[0].value] == [str(shared), str(mine), str(others)]
    assert told[addresses[1].value] == [str(shared)]


async def test_an_sos_wakes_phones_is_never_collapsed_and_ends_with_its_time(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    [message] = await sent(firebase, make, sos(ttl_seconds=90))

    assert message["android"] == {"priority": "high", "ttl": "90s"}
    headers = message["apns"]["headers"]
    assert (headers["apns-priority"], headers["apns-push-type"]) == ("10", "alert")
    assert int(headers["apns-expiration"]) == pytest.approx(time.time() + 90, abs=10)
    assert "collapse" not in json.dumps(message)
    assert "topic" not in message


async def test_an_ordinary_push_is_quiet(firebase: FakeFirebase, make: MakeNotifier) -> None:
    [message] = await sent(firebase, make, Notification("SYNC", ttl_seconds=3600))

    assert message["data"] == {"v": "1", "kind": "SYNC", "urgent": "false", "drill": "false"}
    assert message["android"]["priority"] == "normal"
    assert message["apns"]["headers"]["apns-priority"] == "5"
    assert message["apns"]["headers"]["apns-push-type"] == "background"
    assert message["apns"]["payload"] == {"aps": {"content-available": 1}}


async def test_only_ids_codes_and_keys_of_texts_travel(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    notification = sos()
    [message] = await sent(firebase, make, notification)

    assert "notification" not in message
    assert message["apns"]["payload"]["aps"]["alert"] == {
        "title-loc-key": "PUSH_SOS_TITLE",
        "loc-key": "PUSH_SOS_BODY",
    }
    data = message["data"]
    assert UUID(data["alertId"]) == notification.alert_id
    assert UUID(data["stepId"]) == notification.step_id
    assert tuple(map(UUID, data["openAlertIds"].split(","))) == notification.open_alert_ids
    assert (data["severity"], data["openAlertCount"]) == ("HIGH", "2")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "Somchai fell at the mosque"},
        {"kind": ""},
        {"kind": "SOS\n"},
        {"severity": "สูง"},
        {"severity": "high"},
        {"ttl_seconds": 0},
        {"ttl_seconds": 28 * 24 * 3600 + 1},
    ],
)
def test_a_notification_cannot_carry_text_or_live_too_long(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"never text|lives between"):
        sos(**changes)


async def test_a_drill_is_marked_in_data_and_in_words(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    [message] = await sent(firebase, make, sos(drill=True))

    assert message["data"]["drill"] == "true"
    alert = message["apns"]["payload"]["aps"]["alert"]
    assert alert == {"title-loc-key": "PUSH_SOS_DRILL_TITLE", "loc-key": "PUSH_SOS_DRILL_BODY"}


async def test_a_flood_of_open_alerts_still_fits_one_message(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    alerts = tuple(uuid4() for _ in range(300))
    [message] = await sent(firebase, make, sos(open_alert_ids=alerts))

    listed = message["data"]["openAlertIds"].split(",")
    assert listed == [str(alert) for alert in alerts[:MOST_OPEN_ALERTS]]
    assert message["data"]["openAlertCount"] == "300"
    assert len(json.dumps(message)) < 4096


async def test_both_kinds_of_address_are_used_as_what_they_are(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    addresses = [PushAddress("fid", "installation"), PushAddress("token", "older:token")]

    await make().send(sos(), addresses)

    targets = sorted((arrival.kind, arrival.address) for arrival in firebase.messages)
    assert targets == [("fid", "installation"), ("token", "older:token")]


def test_an_address_is_not_printed() -> None:
    assert "secret" not in repr(PushAddress("token", "secret"))
    with pytest.raises(ValueError, match="never empty"):
        PushAddress("fid", "")
    with pytest.raises(ValueError, match="kind"):
        PushAddress("topic", "everybody")  # type: ignore[arg-type]  # the point of the test
