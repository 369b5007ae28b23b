"""What goes over the wire to a phone, kept apart so that it can be compared with mobile_contracts/push.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from firebase_admin import messaging

from patrol.notify import Notification, PushAddress

VERSION = "1"

MOST_OPEN_ALERTS = 50
"""Firebase refuses a payload above 4,096 bytes; an id takes 37 of them."""


def data_of(notification: Notification) -> dict[str, str]:
    """The data part: strings only, and a key that has nothing to say is left out."""
    data = {
        "v": VERSION,
        "kind": notification.kind,
        "urgent": _flag(notification.urgent),
        "drill": _flag(notification.drill),
    }
    if notification.silent:
        data["silent"] = _flag(True)
    if notification.alert_id is not None:
        data["alertId"] = str(notification.alert_id)
    if notification.step_id is not None:
        data["stepId"] = str(notification.step_id)
    if notification.severity is not None:
        data["severity"] = notification.severity
    if notification.notice_id is not None:
        data["noticeId"] = str(notification.notice_id)
    if notification.test_id is not None:
        data["testId"] = str(notification.test_id)
    return data | _open(notification.open_alert_ids)


def _open(alerts: Sequence[UUID]) -> dict[str, str]:
    if not alerts:
        return {}
    return {
        "openAlertIds": ",".join(str(alert) for alert in alerts[:MOST_OPEN_ALERTS]),
        "openAlertCount": str(len(alerts)),
    }


def writer(notification: Notification) -> Callable[[PushAddress], messaging.Message]:
    """Makes the message for an address; what all addresses share is built once."""
    data = data_of(notification)
    # Data only: Android hands such a message to the app itself, even in the background, so that the app can report
    # receipt and ring as an alarm does. There is no collapse key: a second SOS must never replace the first.
    android = messaging.AndroidConfig(
        priority="high" if notification.urgent else "normal",
        ttl=timedelta(seconds=notification.ttl_seconds),
    )
    apns = messaging.APNSConfig(
        headers={
            # Apple takes priority 10 only for what it shows at once, and 5 for what the app learns in silence.
            "apns-priority": "10" if notification.urgent else "5",
            "apns-push-type": "alert" if notification.urgent else "background",
            "apns-expiration": str(int(time.time()) + notification.ttl_seconds),
        },
        payload=messaging.APNSPayload(_aps(notification)),
    )

    def write(address: PushAddress) -> messaging.Message:
        own = notification.open_for.get(address)
        message = messaging.Message(
            data=data if own is None else data | _open(own), android=android, apns=apns
        )
        # Set afterwards because naming `token` in the constructor warns that it is deprecated, and silencing a
        # warning for a moment is not safe while other threads run.
        setattr(message, address.kind, address.value)
        return message

    return write


def _aps(notification: Notification) -> messaging.Aps:
    if not notification.urgent:
        return messaging.Aps(content_available=True)
    # The words live in the app, in the phone's own language; only their keys travel.
    words = f"PUSH_{notification.kind}" + ("_DRILL" if notification.drill else "")
    return messaging.Aps(
        alert=messaging.ApsAlert(title_loc_key=f"{words}_TITLE", loc_key=f"{words}_BODY"),
        sound=None if notification.silent else "default",
        category=notification.kind,
        mutable_content=True,
        custom_data={"interruption-level": "time-sensitive"},
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"
