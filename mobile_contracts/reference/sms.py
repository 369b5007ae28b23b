"""Writes a call for help as one signed text message, for an officer without data; ../sms.md says the same in words."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64encode
from uuid import UUID

from mobile_contracts.reference.key import DeviceKey


def sos_text(
    key: DeviceKey,
    alert_id: UUID,
    session_id: UUID,
    seconds: int,
    position: tuple[float, float, float | None] | None = None,
    *,
    drill: bool = False,
    silent: bool = False,
) -> str:
    """The text to send: 153 characters, one message.

    Args:
        alert_id: the id under which the alert is also recorded in the outbox, so that both are one.
        seconds: since 1970, by the phone's clock.
        position: latitude and longitude in degrees, and the accuracy in metres if it is known.
    """
    latitude, longitude, accuracy = position or (0.0, 0.0, None)
    said = struct.pack(
        ">B16s16sIiiH",
        1 << 4 | drill | silent << 1 | (position is not None) << 2,
        alert_id.bytes,
        session_id.bytes,
        seconds,
        round(latitude * 1e7),
        round(longitude * 1e7),
        65535 if accuracy is None else min(round(accuracy), 65534),
    )
    signature = key.private.sign(b"patrol sos sms 1" + said)
    letters = urlsafe_b64encode(said + signature).decode().replace("_", ".")
    return f"SZP1 {letters}"
