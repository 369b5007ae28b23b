"""What the tests of pushes share: an SOS, a row of phones, and notifiers that are closed afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from api.fake_firebase import FakeFirebase
from api.push import FirebaseNotifier
from patrol.notify import Delivery, Notification, Notifier, PushAddress

MakeNotifier = Callable[..., FirebaseNotifier]
"""Takes the keyword arguments of FirebaseNotifier, above all `timeout` in seconds."""


@asynccontextmanager
async def notifiers_of(firebase: FakeFirebase) -> AsyncIterator[MakeNotifier]:
    made: list[FirebaseNotifier] = []

    def make(**arguments: Any) -> FirebaseNotifier:
        made.append(
            FirebaseNotifier(firebase.service_account(), endpoint=firebase.url, **arguments)
        )
        return made[-1]

    yield make
    for notifier in made:
        await notifier.close()


def sos(**changes: Any) -> Notification:
    alert = uuid4()
    values: dict[str, Any] = {
        "kind": "SOS",
        "ttl_seconds": 600,
        "urgent": True,
        "alert_id": alert,
        "step_id": uuid4(),
        "severity": "HIGH",
        "open_alert_ids": (alert, uuid4()),
    }
    return Notification(**values | changes)


def fids(count: int) -> list[PushAddress]:
    return [PushAddress("fid", f"phone-{place:03d}") for place in range(count)]


async def sent_to_one(notifier: Notifier) -> Delivery:
    [delivery] = await notifier.send(sos(), fids(1))
    return delivery
